"""Expressions at one moment over few series, such as rules and dashboards ask all the time.

The evaluator works on arrays, and with few series most of its time goes into the calls that this takes. Here the tree
of an expression becomes, once, functions that hand lists to each other, and what they work out of labels is kept for as
long as the series stay the same. Only what is frequent and plain is done so. Whatever is not (native histograms, stale
markers, labels that clash) is `Unusual`: the evaluator then answers, and words the errors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np

from vedette.server.query.promql.aggregation import group_rows
from vedette.server.query.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Cardinality,
    MatrixSelector,
    Node,
    NumberLiteral,
    ParenExpr,
    StepInvariant,
    UnaryExpr,
    ValueType,
    VectorSelector,
)
from vedette.server.query.promql.binary import result_labels, rows_by_signature, scalars
from vedette.server.query.promql.block import Bools, Floats, Ints, drop_metadata, has_duplicates
from vedette.server.query.promql.context import NEVER_STOPS
from vedette.server.query.promql.kernels import common, rates
from vedette.server.query.promql.kernels import windows as over
from vedette.server.query.promql.range_functions import KEEPS_NAME, OVER_TIME, RATES, not_counters
from vedette.server.query.promql.typecheck import COMPARISONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.promql.context import Context
    from vedette.server.query.promql.labels import Labels
    from vedette.server.query.promql.source import SelectedSeries

__all__ = ["FEW", "Part", "Points", "Unusual", "is_plain", "make_part"]

FEW: Final = 50
"""Series with which lists are faster than arrays."""

_MOST_MADE: Final = 20_000
_T = TypeVar("_T")
_NOTHING: Final = np.empty(0, np.int64)
_ZERO: Final = np.zeros(1)
_WITH_PARAMETERS: Final = frozenset({"absent_over_time", "predict_linear", "double_exponential_smoothing"})
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class Unusual(Exception):
    """Something that the evaluator has to look at."""


@dataclass(slots=True)
class Points:
    """The value of each series that has one. Lists of labels are shared: nobody changes them."""

    labels: Sequence[Labels]
    values: list[float]


_Samples = tuple[Ints, Ints, Ints, Floats]
_Run = Callable[[_Samples, Ints, int, Floats, Bools], None]
Part = Callable[["Context", int], Points]
"""A part of an expression: its points at a moment."""


def is_plain(selected: Sequence[SelectedSeries], context: Context) -> bool:
    """Whether parts can work on what the storage gave."""
    options, limits = context.options, context.limits
    if options.delayed_name_removal or options.type_and_unit_labels or min(limits.max_samples, limits.max_series) < FEW:
        return False
    for one in selected:
        is_large = len(one.labels) > FEW
        has_starts = one.start_times_ms is not None and options.start_times
        if is_large or has_starts or one.resolution_ms or one.histograms is not None or one.buckets is not None:
            return False
    return True


def make_part(node: Node) -> Part | None:
    """The function that a prepared tree becomes, None where it has something that is left to the evaluator."""
    match node:
        case ParenExpr() | StepInvariant():
            return make_part(node.expr)
        case VectorSelector() if not node.smoothed:
            return _latest(node)
        case Call():
            return _over_range(node)
        case AggregateExpr() if node.op in _AGGREGATIONS and node.param is None:
            below = make_part(node.expr)
            return None if below is None else _aggregation(node, below)
        case BinaryExpr():
            return _binary(node)
    return None


class _Kept(Generic[_T]):
    """What was made of labels, of the same list once. All of these share their bound."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Sequence[Labels]], _T]) -> None:
        self._make = make

    def of(self, labels: Sequence[Labels]) -> _T:
        """What is made of some labels."""
        key = id(self), id(labels)
        known = _MADE.get(key)
        if known is None:
            if len(_MADE) >= _MOST_MADE:
                _MADE.clear()
            known = _MADE[key] = self, labels, self._make(labels)
        made: _T = known[2]
        return made


_MADE: Final[dict[tuple[int, int], tuple[object, object, Any]]] = {}
"""By the `id()` of a `_Kept` and of a list of labels, both of which live as long as it is here."""


def _some(points: Points, kept: list[bool]) -> Points:
    if all(kept):
        return points
    return Points(
        [labels for labels, keep in zip(points.labels, kept, strict=True) if keep],
        [value for value, keep in zip(points.values, kept, strict=True) if keep],
    )


def _unnamed(labels: Sequence[Labels]) -> Sequence[Labels]:
    """Labels without the metrics' names; where two are alike then, the evaluator has to tell whether that is wrong."""
    found = [drop_metadata(one) for one in labels]
    if has_duplicates(found):
        raise Unusual
    return found


# -- samples


def _latest(node: VectorSelector) -> Part:
    """An instant selector."""

    def part(context: Context, moment_ms: int) -> Points:
        selected = context.selected(node)
        labels = selected.labels
        if not len(selected.values):
            return Points((), [])
        ends = np.array([(moment_ms if node.at_ms is None else node.at_ms) - node.offset_ms])
        chosen = np.empty((len(labels), 1), np.int64)
        values = selected.values
        first, last, times = selected.first, selected.last, selected.times_ms
        rates.latest(first, last, times, values.view(np.int64), ends, context.lookback_ms, chosen)
        places = chosen.ravel().tolist()
        return _some(Points(labels, [values.item(at) for at in places]), [at >= 0 for at in places])

    return part


def _over_range(node: Call) -> Part | None:
    """A function of a range selector alone."""
    name = node.function.name
    argument = node.args[0] if len(node.args) == 1 else None
    selecting = argument
    while isinstance(selecting, ParenExpr | StepInvariant):
        selecting = selecting.expr
    run = _kernel(name)
    if argument is None or run is None or not isinstance(selecting, MatrixSelector):
        return None
    selector, width = selecting.selector, selecting.range_ms
    if selector.anchored or selector.smoothed:
        return None
    named = _Kept(_unnamed)
    suspects = _Kept(not_counters)
    is_rate, keeps_name = name in {"rate", "increase"}, name in KEEPS_NAME

    def part(context: Context, moment_ms: int) -> Points:
        selected = context.selected(selector)
        first, last, values = selected.first, selected.last, selected.values
        if common.has_stale(first, last, values.view(np.int64)):
            raise Unusual
        out, present = np.zeros((len(first), 1)), np.zeros((len(first), 1), np.bool_)
        ends = np.array([(moment_ms if selector.at_ms is None else selector.at_ms) - selector.offset_ms])
        run((first, last, selected.times_ms, values), ends, width, out, present)
        points = _some(Points(selected.labels, out.ravel().tolist()), present.ravel().tolist())
        if is_rate:
            for metric in suspects.of(points.labels):
                context.annotations.possible_non_counter(metric, argument)
        return points if keeps_name else Points(named.of(points.labels), points.values)

    return part


def _kernel(name: str) -> _Run | None:
    """What computes a function of range vectors."""
    if name in RATES:
        is_counter, is_per_second = RATES[name]
        return lambda samples, ends, width, out, present: rates.extrapolated(
            is_counter,
            is_per_second,
            *samples,
            _NOTHING,
            ends,
            width,
            NEVER_STOPS,
            out,
            present,
            np.zeros(len(out), np.bool_),
        )
    if name in {"irate", "idelta"}:
        is_rate = name == "irate"
        return lambda samples, ends, width, out, present: rates.last_two(
            is_rate, *samples, _NOTHING, ends, width, out, present
        )
    if name == "resets":
        return lambda samples, ends, width, out, present: rates.count_resets(
            *samples, _NOTHING, ends, width, 0, out, present
        )
    if name not in OVER_TIME or name in _WITH_PARAMETERS:
        return None
    number = OVER_TIME[name]
    return lambda samples, ends, width, out, present: over.over_time(
        number, *samples, ends, width, 0, ends, _ZERO, _ZERO, NEVER_STOPS, out, present
    )


# -- aggregations


def _aggregation(node: AggregateExpr, below: Part) -> Part:
    grouped = _Kept(lambda labels: group_rows(node, labels))
    fold = _AGGREGATIONS[node.op]

    def part(context: Context, moment_ms: int) -> Points:
        points = below(context, moment_ms)
        if not points.values:
            return points
        labels, of_row = grouped.of(points.labels)
        if len(labels) == 1:
            return Points(labels, [fold(points.values)])
        members: list[list[float]] = [[] for _ in labels]
        for value, group in zip(points.values, of_row, strict=True):
            members[group].append(value)
        return Points(labels, [fold(one) for one in members])

    return part


def _compensated(values: list[float], total: float) -> tuple[float, float]:
    """A sum that begins with `total`, and its compensation, as `kernels.common.kahan` has them."""
    compensation = 0.0
    for value in values:
        result = total + value
        if math.isinf(result):
            compensation = 0.0
        elif abs(total) >= abs(value):
            compensation += (total - result) + value
        else:
            compensation += (value - result) + total
        total = result
    return total, compensation


def _sum(values: list[float]) -> float:
    return sum(_compensated(values, 0.0))


def _mean(values: list[float]) -> float:
    total, compensation = _compensated(values[1:], values[0])
    if len(values) > 1 and not math.isfinite(total):  # a sum that overflows has a mean
        raise Unusual
    return total / len(values) + compensation / len(values)


def _extreme(sign: float) -> Callable[[list[float]], float]:
    def fold(values: list[float]) -> float:
        """NaN only if there is nothing else."""
        found = values[0]
        for value in values:
            if found != found or sign * value > sign * found:  # noqa: PLR0124 - NaN
                found = value
        return found

    return fold


_AGGREGATIONS: Final[dict[str, Callable[[list[float]], float]]] = {
    "sum": _sum,
    "avg": _mean,
    "min": _extreme(-1.0),
    "max": _extreme(1.0),
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
}


# -- operators


def _quotient(left: float, right: float) -> float:
    if right:
        return left / right
    if not left or left != left or right != right:  # noqa: PLR0124 - NaN
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _quotient,
}


def _binary(node: BinaryExpr) -> Part | None:
    if node.op not in _ARITHMETIC and node.op not in COMPARISONS:
        return None
    left_type, right_type = node.lhs.type, node.rhs.type
    if left_type is ValueType.VECTOR and right_type is ValueType.VECTOR:
        matching = node.matching
        left, right = make_part(node.lhs), make_part(node.rhs)
        if left is None or right is None or matching is None or matching.card is not Cardinality.ONE_TO_ONE:
            return None
        is_filled = matching.fill_left is not None or matching.fill_right is not None
        return None if is_filled else _vectors(node, left, right)
    if left_type is ValueType.VECTOR:
        below, other, swapped = make_part(node.lhs), node.rhs, False
    else:
        below, other, swapped = make_part(node.rhs), node.lhs, True
    scalar = _constant(other)
    return None if below is None or scalar is None else _vector_scalar(node, below, id(other), scalar, swapped=swapped)


def _constant(node: Node) -> float | None:
    """The value of a scalar that is the same whenever it is asked for."""
    match node:
        case NumberLiteral():
            return node.value
        case ParenExpr() | StepInvariant():
            return _constant(node.expr)
        case UnaryExpr():
            value = _constant(node.expr)
            return value if value is None or node.op == "+" else -value
        case BinaryExpr():
            left, right = _constant(node.lhs), _constant(node.rhs)
            if left is None or right is None:
                return None
            return float(scalars(node.op, np.array([left]), np.array([right]))[0])
    return None


def _vector_scalar(node: BinaryExpr, below: Part, literal: int, own: float, *, swapped: bool) -> Part:
    """An operator between a vector and a number: `own`, unless the query has another one instead of the literal."""
    unnamed = _Kept(_unnamed)
    compute, compare = _ARITHMETIC.get(node.op), _COMPARE.get(node.op)

    def part(context: Context, moment_ms: int) -> Points:
        points = below(context, moment_ms)
        scalar = context.numbers.get(literal, own)
        if compare is not None:
            values = points.values
            kept = [compare(scalar, one) for one in values] if swapped else [compare(one, scalar) for one in values]
            if not node.return_bool:
                return _some(points, kept)
            return Points(unnamed.of(points.labels), list(map(float, kept)))
        if compute is None:
            raise Unusual
        values = [compute(scalar, one) if swapped else compute(one, scalar) for one in points.values]
        return Points(unnamed.of(points.labels), values)

    return part


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The rows of two vectors that belong together, and the labels of what becomes of each pair."""

    left_rows: list[int]
    right_rows: list[int]
    labels: Sequence[Labels]


def _vectors(node: BinaryExpr, left: Part, right: Part) -> Part:
    """An operator between the series of two vectors, one to one."""
    compute, compare = _ARITHMETIC.get(node.op), _COMPARE.get(node.op)
    by_left = _Kept(lambda labels: (labels, _Kept(lambda others: _paired(node, labels, others))))

    def part(context: Context, moment_ms: int) -> Points:
        ours, others = left(context, moment_ms), right(context, moment_ms)
        pairs = by_left.of(ours.labels)[1].of(others.labels)
        found = [
            (ours.values[row], others.values[other])
            for row, other in zip(pairs.left_rows, pairs.right_rows, strict=True)
        ]
        if compute is not None:
            return Points(pairs.labels, [compute(*pair) for pair in found])
        if compare is None:
            raise Unusual
        kept = [compare(*pair) for pair in found]
        if node.return_bool:
            return Points(pairs.labels, list(map(float, kept)))
        return _some(Points(pairs.labels, [value for value, _ in found]), kept)

    return part


def _paired(node: BinaryExpr, ours: Sequence[Labels], others: Sequence[Labels]) -> _Pairs:
    if node.matching is None:
        raise Unusual
    left, right = (rows_by_signature(node.matching, labels) for labels in (ours, others))
    pairs = []
    for signature, rows in left.items():
        matched = right.get(signature, [])
        if len(rows) > 1 or len(matched) > 1:
            raise Unusual
        pairs += [(rows[0], other) for other in matched]
    if any(len(rows) > 1 for rows in right.values()):
        raise Unusual
    labels = [result_labels(node, node.matching, ours[row], others[other]) for row, other in pairs]
    if has_duplicates(labels):
        raise Unusual
    return _Pairs([row for row, _ in pairs], [other for _, other in pairs], labels)
