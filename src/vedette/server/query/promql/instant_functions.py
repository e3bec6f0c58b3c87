"""Functions of instant vectors and scalars that work on one sample at a time."""

from __future__ import annotations

import re
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from vedette.server.query.promql.ast import Call, Node, ParenExpr, StepInvariant, VectorSelector
from vedette.server.query.promql.block import Block, Bools, Floats, Ints, empty, label_value, single
from vedette.server.query.promql.labels import METRIC_NAME, Labels
from vedette.server.query.promql.names import drop_names, settle
from vedette.server.query.promql.selectors import latest_samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.query.promql.evaluator import Evaluator

_DEGREES: Final = 180 / np.pi
_CHUNK: Final = re.compile(r"\d+|\D+")


def _sign(values: Floats) -> Floats:
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


_SIMPLE: Final[dict[str, Callable[[Floats], Floats]]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * 180 / np.pi,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * np.pi / 180,
    "sgn": _sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def _days(seconds: Ints) -> npt.NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]").astype("datetime64[D]")


def _month_start(seconds: Ints) -> npt.NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]").astype("datetime64[M]")


def _days_in_month(seconds: Ints) -> npt.NDArray[np.int64]:
    month = _month_start(seconds)
    days = (month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")
    return np.asarray(days).astype(np.int64)


def _year_start(seconds: Ints) -> npt.NDArray[np.datetime64]:
    return seconds.astype("datetime64[s]").astype("datetime64[Y]")


_CALENDAR: Final[dict[str, Callable[[Ints], npt.NDArray[np.int64]]]] = {
    "day_of_month": lambda at: (_days(at) - _month_start(at).astype("datetime64[D]")).astype(np.int64) + 1,
    "day_of_week": lambda at: (at // 86_400 + 4) % 7,
    "day_of_year": lambda at: (_days(at) - _year_start(at).astype("datetime64[D]")).astype(np.int64) + 1,
    "days_in_month": _days_in_month,
    "hour": lambda at: at // 3600 % 24,
    "minute": lambda at: at // 60 % 60,
    "month": lambda at: _month_start(at).astype(np.int64) % 12 + 1,
    "year": lambda at: _year_start(at).astype(np.int64) + 1970,
}


_FAR_SECONDS: Final = 2.0**63
# What Prometheus says, on the usual machines, about numbers that are no time: they become the earliest moment of 64
# bits, whose date wraps around to the year 292277026596.
_NO_TIME: Final = {
    "day_of_month": 4,
    "day_of_week": 0,
    "day_of_year": 339,
    "days_in_month": 31,
    "hour": 15,
    "minute": 30,
    "month": 12,
    "year": 292_277_026_596,
}


def _calendar(name: str, values: Floats) -> Floats:
    """A part of the date, of times in seconds."""
    usable = np.abs(values) < _FAR_SECONDS
    seconds = np.where(usable, values, 0).astype(np.int64)
    return np.where(usable, _CALENDAR[name](seconds).astype(np.float64), _NO_TIME[name])


def _lower(one: Floats, other: Floats) -> Floats:
    """The smaller of two; in Go, nothing is below minus infinity, not even what is no number."""
    return np.where((one == -np.inf) | (other == -np.inf), -np.inf, np.minimum(one, other))


def _higher(one: Floats, other: Floats) -> Floats:
    """The larger of two; nothing is above infinity."""
    return np.where((one == np.inf) | (other == np.inf), np.inf, np.maximum(one, other))


def scalar_function(evaluator: Evaluator, node: Call) -> Floats:
    """Evaluate a function that returns a scalar."""
    count = evaluator.steps.count
    match node.function.name:
        case "time":
            return evaluator.steps.times / 1000
        case "pi":
            return np.full(count, np.pi)
        case "min_of":
            return _lower(evaluator.scalar(node.args[0]), evaluator.scalar(node.args[1]))
        case "max_of":
            return _higher(evaluator.scalar(node.args[0]), evaluator.scalar(node.args[1]))
    block = evaluator.vector(node.args[0])
    floats = block.floats()
    alone = floats.sum(axis=0) == 1
    result = np.full(count, np.nan)
    if len(block.labels):
        result[alone] = block.values[floats.argmax(axis=0), np.arange(count)][alone]
    return result


def vector_function(evaluator: Evaluator, node: Call) -> Block:
    """Evaluate a function of instant vectors and scalars that returns an instant vector."""
    name = node.function.name
    if name in _CALENDAR and not node.args:
        return single((), _calendar(name, np.floor(evaluator.steps.times / 1000)))
    special = _SPECIAL.get(name)
    if special is not None:
        return special(evaluator, node)
    block = evaluator.vector(node.args[0])
    with np.errstate(all="ignore"):
        values = _calendar(name, block.values) if name in _CALENDAR else _SIMPLE[name](block.values)
    return _floats_only(evaluator, block, values)


def _floats_only(evaluator: Evaluator, block: Block, values: Floats) -> Block:
    result = Block(block.labels, values, block.floats(), None, block.drop_name)
    if block.histograms is not None:
        result = result.without_empty_rows()
    return settle(evaluator.context, drop_names(evaluator.context, result))


def _round(evaluator: Evaluator, node: Call) -> Block:
    block = evaluator.vector(node.args[0])
    nearest = evaluator.scalar(node.args[1]) if len(node.args) > 1 else np.ones(evaluator.steps.count)
    with np.errstate(all="ignore"):
        inverse = 1.0 / nearest
        return _floats_only(evaluator, block, np.floor(block.values * inverse + 0.5) / inverse)


def _clamp(evaluator: Evaluator, node: Call) -> Block:
    block = evaluator.vector(node.args[0])
    low: Floats = np.full(evaluator.steps.count, -np.inf)
    high: Floats = np.full(evaluator.steps.count, np.inf)
    name = node.function.name
    if name != "clamp_max":
        low = evaluator.scalar(node.args[1])
    if name != "clamp_min":
        high = evaluator.scalar(node.args[-1])
    values = _higher(low, _lower(high, block.values))
    result = _floats_only(evaluator, block, values)
    if (high < low).any():
        mask = result.present & ~(high < low)
        result = Block(result.labels, result.values, mask, None, result.drop_name).without_empty_rows()
    return result


def _vector(evaluator: Evaluator, node: Call) -> Block:
    return single((), evaluator.scalar(node.args[0]))


def _absent(evaluator: Evaluator, node: Call) -> Block:
    block = evaluator.vector(node.args[0])
    missing: Bools = np.logical_not(np.atleast_1d(block.present.any(axis=0)))
    if not missing.any():
        return empty(evaluator.steps.count)
    argument = _unwrap(node.args[0])
    labels = absent_labels(argument if isinstance(argument, VectorSelector) else None)
    return single(labels, np.ones(len(missing)), missing)


def absent_labels(selector: VectorSelector | None) -> Labels:
    """The labels that a selector determines: those with exactly one matcher, if that asks for equality."""
    if selector is None:
        return ()
    labels: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selector.matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            labels[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            labels.pop(matcher.name, None)
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def _unwrap(node: Node) -> Node:
    while isinstance(node, ParenExpr | StepInvariant):
        node = node.expr
    return node


def _timestamp(evaluator: Evaluator, node: Call) -> Block:
    argument = _unwrap(node.args[0])
    if isinstance(argument, VectorSelector) and not argument.smoothed:
        selected, chosen = latest_samples(evaluator.context, argument, evaluator.steps)
        times = selected.times_ms[chosen] / 1000 if len(selected.times_ms) else np.zeros(chosen.shape)
        block = Block(list(selected.labels), times, chosen >= 0).without_empty_rows()
    else:
        source = evaluator.vector(node.args[0])
        times = np.broadcast_to(evaluator.steps.times / 1000, source.values.shape)
        block = Block(source.labels, times, source.present, None, source.drop_name)
    return settle(evaluator.context, drop_names(evaluator.context, block))


def _start_timestamp(evaluator: Evaluator, node: Call) -> Block:
    argument = _unwrap(node.args[0])
    steps = evaluator.steps.count
    if not isinstance(argument, VectorSelector) or not evaluator.context.options.start_times:
        return empty(steps)
    selected, chosen = latest_samples(evaluator.context, argument, evaluator.steps)
    if selected.start_times_ms is None:
        return empty(steps)
    starts = selected.start_times_ms[chosen] / 1000
    block = Block(list(selected.labels), starts, chosen >= 0).without_empty_rows()
    return settle(evaluator.context, drop_names(evaluator.context, block))


def _sort(evaluator: Evaluator, node: Call) -> Block:
    source = evaluator.vector(node.args[0])
    block = Block(source.labels, source.values, source.floats(), None, source.drop_name).without_empty_rows()
    if block.steps > 1:
        evaluator.context.annotations.sort_in_range(node)
        return block
    values = block.values[:, 0]
    key = -values if node.function.name == "sort_desc" else values
    return block.take(np.lexsort((key, np.isnan(values))))


def _sort_by_label(evaluator: Evaluator, node: Call) -> Block:
    block = evaluator.vector(node.args[0])
    if block.steps > 1:
        evaluator.context.annotations.sort_in_range(node)
        return block
    names = [evaluator.string(arg) for arg in node.args[1:]]
    sign = -1 if node.function.name.endswith("_desc") else 1

    def compare(left: int, right: int) -> int:
        one, other = block.labels[left], block.labels[right]
        for name in names:
            value, other_value = label_value(one, name), label_value(other, name)
            if value != other_value:
                return -sign if _natural_less(value, other_value) else sign
        return (-1 if one < other else int(one > other)) * sign

    return block.take(sorted(range(len(block.labels)), key=cmp_to_key(compare)))


def _natural_less(left: str, right: str) -> bool:
    """Tell whether `left` comes first where numbers inside of text count as numbers."""
    for one, other in zip(_CHUNK.findall(left), _CHUNK.findall(right), strict=False):
        if one == other:
            continue
        if one.isdigit() and other.isdigit():
            if int(one) != int(other):
                return int(one) < int(other)
            continue
        return str(one) < str(other)
    return len(_CHUNK.findall(left)) <= len(_CHUNK.findall(right))


_SPECIAL: Final[dict[str, Callable[[Evaluator, Call], Block]]] = {
    "absent": _absent,
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "round": _round,
    "sort": _sort,
    "sort_desc": _sort,
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": _sort_by_label,
    "start_timestamp": _start_timestamp,
    "timestamp": _timestamp,
    "vector": _vector,
}
