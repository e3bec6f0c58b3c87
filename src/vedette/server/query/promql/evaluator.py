"""Evaluation of a prepared tree: one method for each kind of node."""

from __future__ import annotations

import numpy as np

from vedette.server.query.promql import aggregation, binary, instant_functions, label_functions
from vedette.server.query.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    Node,
    NumberLiteral,
    ParenExpr,
    StepInvariant,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    ValueType,
    VectorSelector,
)
from vedette.server.query.promql.block import Block, Floats, Windows, empty, merge_same_labels
from vedette.server.query.promql.context import Context, Steps
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.functions import ANCHORED_SAFE, SMOOTHED_SAFE
from vedette.server.query.promql.histogram_functions import HISTOGRAM_FUNCTIONS
from vedette.server.query.promql.info import enrich
from vedette.server.query.promql.names import drop_names
from vedette.server.query.promql.range_functions import apply_to_windows
from vedette.server.query.promql.selectors import instant_vector, range_vector, windows_of_block


class Evaluator:
    """Evaluates nodes at the given steps. Subqueries and step-invariant parts get an evaluator of their own."""

    def __init__(self, context: Context, steps: Steps) -> None:
        self.context = context
        self.steps = steps

    def vector(self, node: Node) -> Block:
        """Evaluate an expression of type instant vector."""
        self.context.checkpoint()
        match node:
            case VectorSelector():
                return instant_vector(self.context, node, self.steps)
            case Call():
                return self._call(node)
            case AggregateExpr():
                return self._aggregate(node)
            case BinaryExpr():
                return self._binary(node)
            case ParenExpr():
                return self.vector(node.expr)
            case StepInvariant():
                return self._invariant(node)
            case UnaryExpr():
                return self._unary(node)
        raise TypeError(type(node).__name__)

    def scalar(self, node: Node) -> Floats:
        """Evaluate an expression of type scalar."""
        match node:
            case NumberLiteral():
                return np.full(self.steps.count, node.value)
            case ParenExpr():
                return self.scalar(node.expr)
            case UnaryExpr():
                value = self.scalar(node.expr)
                return -value if node.op == "-" else value
            case StepInvariant():
                return np.repeat(Evaluator(self.context, self.steps.first).scalar(node.expr), self.steps.count)
            case BinaryExpr():
                return binary.scalars(node.op, self.scalar(node.lhs), self.scalar(node.rhs))
            case Call():
                return instant_functions.scalar_function(self, node)
        raise TypeError(type(node).__name__)

    def string(self, node: Node) -> str:
        """Evaluate an expression of type string."""
        while isinstance(node, ParenExpr | StepInvariant):
            node = node.expr
        if not isinstance(node, StringLiteral):
            raise TypeError(type(node).__name__)
        return node.value

    def windows(self, node: Node) -> Windows:
        """Evaluate an expression of type range vector."""
        while isinstance(node, ParenExpr | StepInvariant):
            node = node.expr
        if isinstance(node, MatrixSelector):
            return range_vector(self.context, node, self.steps)
        if isinstance(node, SubqueryExpr):
            return self._subquery(node)
        raise TypeError(type(node).__name__)

    def _subquery(self, node: SubqueryExpr) -> Windows:
        step = node.step_ms or self.context.options.subquery_step_ms
        times = self.steps.times if node.at_ms is None else np.full(self.steps.count, node.at_ms, np.int64)
        ends = times - node.offset_ms
        before = int(ends[0]) - node.range_ms
        start = (before // step) * step + step
        count = max(0, (int(ends[-1]) - start) // step + 1)
        inner = Steps(start, step, count)
        self.context.reserve(1, count)
        block = Evaluator(self.context, inner).vector(node.expr) if count else empty(0)
        windows = windows_of_block(block, inner)
        windows.ends_ms, windows.width_ms = ends, node.range_ms
        return windows

    def _invariant(self, node: StepInvariant) -> Block:
        block = Evaluator(self.context, self.steps.first).vector(node.expr)
        count = self.steps.count
        self.context.reserve(len(block.labels), count)
        return Block(
            block.labels,
            np.repeat(block.values, count, axis=1),
            np.repeat(block.present, count, axis=1),
            None if block.histograms is None else np.repeat(block.histograms, count, axis=1),
            block.drop_name,
        )

    def _unary(self, node: UnaryExpr) -> Block:
        block = self.vector(node.expr)
        if node.op == "+":
            return block
        histograms = block.histograms
        if histograms is not None:
            histograms = histograms.copy()
            for i, j in zip(*np.nonzero(block.histogram_points()), strict=True):
                histograms[i, j] = histograms[i, j].scaled(-1.0)
        negated = Block(block.labels, -block.values, block.present, histograms, block.drop_name)
        named = drop_names(self.context, negated)
        return named if self.context.options.delayed_name_removal else merge_same_labels(named)

    def _binary(self, node: BinaryExpr) -> Block:
        left_type, right_type = node.lhs.type, node.rhs.type
        if left_type is ValueType.VECTOR and right_type is ValueType.VECTOR:
            left = self.vector(node.lhs)
            right = self.vector(node.rhs)
            return binary.vectors(self.context, node, left, right)
        if left_type is ValueType.VECTOR:
            block = self.vector(node.lhs)
            return binary.vector_scalar(self.context, node, block, self.scalar(node.rhs), swapped=False)
        scalar = self.scalar(node.lhs)
        return binary.vector_scalar(self.context, node, self.vector(node.rhs), scalar, swapped=True)

    def _aggregate(self, node: AggregateExpr) -> Block:
        parameter = None
        if node.param is not None and node.op != "count_values":
            parameter = self.scalar(node.param)
        label = self.string(node.param) if node.op == "count_values" and node.param is not None else ""
        return aggregation.aggregate(self.context, node, self.steps, parameter, label, lambda: self.vector(node.expr))

    def _call(self, node: Call) -> Block:
        name = node.function.name
        if name == "info":
            return enrich(self, node)
        if name in label_functions.LABEL_FUNCTIONS:
            return label_functions.LABEL_FUNCTIONS[name](self, node)
        if name in HISTOGRAM_FUNCTIONS:
            return HISTOGRAM_FUNCTIONS[name](self, node)
        for index, kind in enumerate(node.function.args):
            if kind is ValueType.MATRIX:
                return self._range_call(node, index)
        return instant_functions.vector_function(self, node)

    def _range_call(self, node: Call, index: int) -> Block:
        name = node.function.name
        windows = self.windows(node.args[index])
        for modifier, safe in (("anchored", ANCHORED_SAFE), ("smoothed", SMOOTHED_SAFE)):
            if getattr(windows, modifier) and name not in safe:
                allowed = ", ".join(sorted(safe))
                raise EvaluationError(f"{modifier} modifier can only be used with: {allowed} - not with {name}")
        parameters = [self.scalar(arg) for place, arg in enumerate(node.args) if place != index]
        # Prometheus' notes name the first argument, which is the quantile of `quantile_over_time`.
        return apply_to_windows(self, node, node.args[0], windows, parameters)
