"""From the parsed tree to the tree that is evaluated, and to what it needs from the storage.

For one query's times, durations are computed, ``start()`` and its like become numbers, parentheses around arguments go,
and parts that are the same at every step are marked. The parsed tree stays as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Duration,
    DurationExpr,
    MatrixSelector,
    Node,
    NumberLiteral,
    ParenExpr,
    StepInvariant,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)
from vedette.server.query.promql.binary import scalars
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.functions import UNSAFE_AT_MODIFIER
from vedette.server.query.promql.gotext import MAX_DURATION_SECONDS
from vedette.server.query.promql.source import SelectRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUBQUERY: Final = "[:]"
_BY_ZERO: Final = {"/": "division by zero", "%": "modulo by zero"}
_STATISTICS: Final = frozenset({"histogram_count", "histogram_sum", "histogram_avg"})
_TRIMS: Final = frozenset({"</", ">/"})
_WHOLE_HISTOGRAMS: Final = frozenset(
    {"histogram_quantile", "histogram_quantiles", "histogram_fraction", _SUBQUERY, *_TRIMS}
)
_QUERY_FUNCTIONS: Final = frozenset({"start", "end", "step", "range"})
_RESOLVED: Final = _QUERY_FUNCTIONS | _STATISTICS | _WHOLE_HISTOGRAMS
"""Functions that are replaced, or change what their selectors read."""


@dataclass(frozen=True, slots=True)
class QueryTimes:
    """When a query is evaluated, in milliseconds; an instant query has equal ends and step 0."""

    start_ms: int
    end_ms: int
    step_ms: int


def prepare(node: Node, times: QueryTimes) -> Node:
    """The tree to evaluate.

    Raises:
        EvaluationError: a duration that is not positive, or divides by zero.
    """
    if _is_settled(node):
        return node
    resolved = _Resolver(times).resolve(node)
    invariant, wrap = _mark(resolved)
    return _invariant(resolved) if invariant and wrap else resolved


def _is_settled(node: Node) -> bool:
    """Whether a tree is the one to evaluate as it is: it changes with the steps, and no part of it is to be marked."""
    match node:
        case VectorSelector():
            return node.at_ms is None and not node.at_bound and node.offset_expr is None
        case MatrixSelector():
            return node.range_expr is None and _is_settled(node.selector)
        case Call():
            return node.function.name not in _RESOLVED and _are_settled(node.args)
        case AggregateExpr():
            return _are_settled((node.expr,) if node.param is None else (node.expr, node.param))
        case BinaryExpr():
            return _are_settled((node.lhs, node.rhs))
    return False


def _are_settled(nodes: Sequence[Node]) -> bool:
    """Whether some of them change with the steps, and the others are literals."""
    changing = [node for node in nodes if not isinstance(node, NumberLiteral | StringLiteral)]
    return bool(changing) and all(map(_is_settled, changing))


def parts_of(node: Node) -> list[Node]:
    """An expression and all its parts."""
    found, at = [node], 0
    while at < len(found):
        one = found[at]
        at += 1
        match one:
            case MatrixSelector():
                found.append(one.selector)
            case AggregateExpr() if one.param is not None:
                found += (one.expr, one.param)
            case AggregateExpr() | SubqueryExpr() | ParenExpr() | UnaryExpr() | StepInvariant():
                found.append(one.expr)
            case BinaryExpr():
                found += (one.lhs, one.rhs)
            case Call():
                found += one.args
    return found


def depends_on_times(parts: Sequence[Node]) -> bool:
    """Tell whether the tree to evaluate, given by its parts, is different for each query's times."""
    for one in parts:
        match one:
            case VectorSelector() | SubqueryExpr() if one.at_bound or one.offset_expr is not None:
                return True
            case MatrixSelector() if one.range_expr is not None:
                return True
            case SubqueryExpr() if one.range_expr is not None or one.step_expr is not None:
                return True
            case Call() if one.function.name in _QUERY_FUNCTIONS:
                return True
    return False


def moves_with_times(parts: Sequence[Node]) -> bool:
    """Tell whether all that a tree, given by its parts, looks at lies as far from a query's times whatever these are.

    Not so where a selector has a time of its own; and the moments of a subquery are the multiples of its step.
    """
    return not any(
        isinstance(one, SubqueryExpr) or (isinstance(one, VectorSelector) and one.at_ms is not None) for one in parts
    )


class _Resolver:
    def __init__(self, times: QueryTimes) -> None:
        self._times = times
        self._above: list[str] = []  # the histogram functions and subqueries that the current node is part of

    def resolve(self, node: Node) -> Node:
        """A copy of the tree in which nothing depends on the query's times any more."""
        match node:
            case VectorSelector():
                return self._selector(node)
            case MatrixSelector():
                return replace(
                    node,
                    selector=self._selector(node.selector),
                    range_ms=self._duration(node.range_ms, node.range_expr),
                    range_expr=None,
                )
            case SubqueryExpr():
                return replace(
                    node,
                    expr=self._resolve_below(node.expr, _SUBQUERY),
                    range_ms=self._duration(node.range_ms, node.range_expr),
                    step_ms=self._duration(node.step_ms, node.step_expr),
                    offset_ms=self._offset(node),
                    at_ms=self._at(node),
                    range_expr=None,
                    step_expr=None,
                    offset_expr=None,
                    at_bound="",
                )
            case AggregateExpr():
                param = None if node.param is None else _bare(self.resolve(node.param))
                return replace(node, expr=_bare(self.resolve(node.expr)), param=param)
            case BinaryExpr():
                return replace(
                    node, lhs=self._resolve_below(node.lhs, node.op), rhs=self._resolve_below(node.rhs, node.op)
                )
            case Call() if node.function.name in _QUERY_FUNCTIONS:
                return NumberLiteral(start=node.start, end=node.end, value=self._query_value(node.function.name))
            case Call():
                return replace(node, args=[_bare(self._resolve_below(arg, node.function.name)) for arg in node.args])
            case ParenExpr() | UnaryExpr():
                return replace(node, expr=self.resolve(node.expr))
        return node

    def _resolve_below(self, node: Node, above: str) -> Node:
        relevant = above in _STATISTICS or above in _WHOLE_HISTOGRAMS
        if relevant:
            self._above.append(above)
        resolved = self.resolve(node)
        if relevant:
            self._above.pop()
        return resolved

    def _selector(self, node: VectorSelector) -> VectorSelector:
        return replace(
            node,
            offset_ms=self._offset(node),
            at_ms=self._at(node),
            offset_expr=None,
            at_bound="",
            statistics_only=bool(self._above) and not _WHOLE_HISTOGRAMS.intersection(self._above),
        )

    def _at(self, node: VectorSelector | SubqueryExpr) -> int | None:
        if node.at_bound:
            return self._times.start_ms if node.at_bound == "start" else self._times.end_ms
        return node.at_ms

    def _offset(self, node: VectorSelector | SubqueryExpr) -> int:
        if node.offset_expr is None:
            return node.offset_ms
        return self._to_ms(self._compute(node.offset_expr), node.offset_expr)

    def _duration(self, literal_ms: int, expr: DurationExpr | None) -> int:
        if expr is None:
            return literal_ms
        return self._to_ms(self._compute(expr), expr, positive=True)

    def _to_ms(self, seconds: float, expr: DurationExpr, *, positive: bool = False) -> int:
        place = f"{expr.start}:{expr.end}"
        if not math.isfinite(seconds):
            raise EvaluationError(f"{place}: duration is NaN or infinite")
        if positive and seconds <= 0:
            raise EvaluationError(f"{place}: duration must be greater than 0")
        if abs(seconds) > MAX_DURATION_SECONDS:
            raise EvaluationError(f"{place}: duration is out of range")
        return int(seconds * 1000)

    def _query_value(self, name: str) -> float:
        times = self._times
        match name:
            case "start":
                return times.start_ms / 1000
            case "end":
                return times.end_ms / 1000
            case "range":
                return (times.end_ms - times.start_ms) / 1000
            case _:
                return times.step_ms / 1000 if times.end_ms != times.start_ms else 0.0

    def _compute(self, node: Duration | None) -> float:
        if node is None:
            return 0.0
        if isinstance(node, NumberLiteral):
            return node.value
        if node.op == "step":
            return self._times.step_ms / 1000
        if node.op == "range":
            return (self._times.end_ms - self._times.start_ms) / 1000
        left, right = self._compute(node.lhs), self._compute(node.rhs)
        if right == 0 and node.op in _BY_ZERO:
            raise EvaluationError(f"{node.start}:{node.end}: {_BY_ZERO[node.op]}")
        sides = np.array([left]), np.array([right])
        extreme = {"min_of": np.minimum, "max_of": np.maximum}.get(node.op)
        return float((scalars(node.op, *sides) if extreme is None else extreme(*sides))[0])


def _bare(node: Node) -> Node:
    while isinstance(node, ParenExpr):
        node = node.expr
    return node


def _invariant(node: Node) -> Node:
    return StepInvariant(start=node.start, end=node.end, expr=node)


def _mark(node: Node) -> tuple[bool, bool]:
    """Mark the largest parts below `node` that are the same at every step; tell whether `node` is one, to be marked.

    Works in place, on the resolver's copy.
    """
    match node:
        case VectorSelector():
            return node.at_ms is not None, node.at_ms is not None
        case MatrixSelector():
            return node.selector.at_ms is not None, False
        case NumberLiteral() | StringLiteral():
            return True, False
        case AggregateExpr() | ParenExpr() | UnaryExpr():
            return _mark(node.expr)
        case SubqueryExpr():
            invariant, _ = _mark(node.expr)
            if invariant and not isinstance(node.expr, NumberLiteral | StringLiteral):
                node.expr = _invariant(node.expr)
            return node.at_ms is not None, False
        case BinaryExpr():
            left, wrap_left = _mark(node.lhs)
            right, wrap_right = _mark(node.rhs)
            if left and right:
                return True, True
            if left and wrap_left:
                node.lhs = _invariant(node.lhs)
            if right and wrap_right:
                node.rhs = _invariant(node.rhs)
            return False, False
        case Call():
            marks = [_mark(arg) for arg in node.args]
            if node.function.name not in UNSAFE_AT_MODIFIER and all(invariant for invariant, _ in marks):
                return True, True
            for index, (invariant, wrap) in enumerate(marks):
                if invariant and wrap:
                    node.args[index] = _invariant(node.args[index])
            return False, False
    raise TypeError(type(node).__name__)


@dataclass(slots=True)
class _Span:
    """The times at which a part of the expression is evaluated; `moment_ms` is one, the others are steps apart."""

    start_ms: int
    end_ms: int
    step_ms: int
    moment_ms: int


class Requests:
    """What the selectors of a prepared tree need; equal requests are made once."""

    def __init__(self, lookback_ms: int, default_step_ms: int) -> None:
        self._lookback_ms = lookback_ms
        self._default_step_ms = default_step_ms
        self.requests: list[SelectRequest] = []
        self.places: dict[int, int] = {}
        self._known: dict[SelectRequest, int] = {}

    def moved(self, times: QueryTimes) -> Requests:
        """What was collected for the times from 0 to 0, for others. The tree must be one that `moves_with_times`."""
        found = Requests(self._lookback_ms, self._default_step_ms)
        found.places = self.places
        found.requests = [
            SelectRequest(
                one.matchers,
                one.start_ms + times.start_ms,
                one.end_ms + times.end_ms,
                step_ms=one.step_ms,
                range_ms=one.range_ms,
                function=one.function,
                moment_ms=None if one.moment_ms is None else one.moment_ms + times.start_ms,
                extended=one.extended,
            )
            for one in self.requests
        ]
        return found

    def collect(self, node: Node, times: QueryTimes) -> None:
        """Collect the requests of a tree; `places` then maps a selector's `id()` to its request's number."""
        self._walk(node, _Span(times.start_ms, times.end_ms, times.step_ms, times.start_ms), "")

    def _walk(self, node: Node, span: _Span, function: str) -> None:
        match node:
            case VectorSelector():
                self._add(node, span, function, 0)
            case MatrixSelector():
                self._add(node.selector, span, function, node.range_ms)
            case SubqueryExpr():
                start, end = (span.start_ms, span.end_ms) if node.at_ms is None else (node.at_ms, node.at_ms)
                # A subquery's moments are the multiples of its step.
                step = node.step_ms or self._default_step_ms
                inner = _Span(start - node.offset_ms - node.range_ms, end - node.offset_ms, step, 0)
                self._walk(node.expr, inner, "")
            case AggregateExpr():
                self._walk(node.expr, span, node.op)
                if node.param is not None:
                    self._walk(node.param, span, "")
            case BinaryExpr():
                self._walk(node.lhs, span, "")
                self._walk(node.rhs, span, "")
            case Call():
                args = node.args[:1] if node.function.name == "info" else node.args
                for arg in args:
                    self._walk(arg, span, node.function.name)
            case ParenExpr() | UnaryExpr() | StepInvariant():
                self._walk(node.expr, span, function)

    def _add(self, node: VectorSelector, span: _Span, function: str, range_ms: int) -> None:
        start, end = (span.start_ms, span.end_ms) if node.at_ms is None else (node.at_ms, node.at_ms)
        start, end = start - node.offset_ms, end - node.offset_ms
        if not range_ms or node.anchored or node.smoothed:
            start -= self._lookback_ms
        if node.smoothed:
            end += self._lookback_ms
        request = SelectRequest(
            node.matchers,
            start - range_ms + 1,
            end,
            step_ms=span.step_ms if node.at_ms is None else 0,
            range_ms=range_ms,
            function=function,
            moment_ms=(span.moment_ms if node.at_ms is None else node.at_ms) - node.offset_ms,
            extended=node.anchored or node.smoothed,
        )
        place = self._known.setdefault(request, len(self.requests))
        if place == len(self.requests):
            self.requests.append(request)
        self.places[id(node)] = place
