"""Functions of range vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.ast import Call, MatrixSelector, Node
from vedette.server.query.promql.block import (
    SAME_LABELS,
    Block,
    Bools,
    Floats,
    Windows,
    drop_metadata,
    has_duplicates,
    label_value,
    single,
)
from vedette.server.query.promql.bucket_functions import apply_to_buckets
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.gotext import format_float
from vedette.server.query.promql.histogram_windows import apply_histograms
from vedette.server.query.promql.instant_functions import absent_labels
from vedette.server.query.promql.kernels import quantiles, rates
from vedette.server.query.promql.kernels import windows as over
from vedette.server.query.promql.labels import METRIC_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.promql.evaluator import Evaluator
    from vedette.server.query.promql.labels import Labels

OVER_TIME: Final = {
    "sum_over_time": over.SUM,
    "avg_over_time": over.AVG,
    "min_over_time": over.MIN,
    "max_over_time": over.MAX,
    "count_over_time": over.COUNT,
    "stddev_over_time": over.STDDEV,
    "stdvar_over_time": over.STDVAR,
    "last_over_time": over.LAST,
    "first_over_time": over.FIRST,
    "present_over_time": over.PRESENT,
    "absent_over_time": over.PRESENT,
    "changes": over.CHANGES,
    "ts_of_first_over_time": over.TS_FIRST,
    "ts_of_last_over_time": over.TS_LAST,
    "ts_of_min_over_time": over.TS_MIN,
    "ts_of_max_over_time": over.TS_MAX,
    "mad_over_time": over.MAD,
    "deriv": over.DERIV,
    "predict_linear": over.PREDICT,
    "double_exponential_smoothing": over.SMOOTH,
}
RATES: Final = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}
KEEPS_NAME: Final = frozenset({"last_over_time", "first_over_time"})
_COUNTER_SUFFIXES: Final = ("_total", "_sum", "_count", "_bucket")
_CHUNK_SAMPLES: Final = 4_000_000


def apply_to_windows(
    evaluator: Evaluator, node: Call, argument: Node, windows: Windows, parameters: list[Floats]
) -> Block:
    """Apply a function to every window of a range vector."""
    context, steps = evaluator.context, evaluator.steps
    name = node.function.name
    context.reserve(len(windows.labels), steps.count)
    _check_factors(node, windows, parameters)
    out = np.zeros((len(windows.labels), steps.count))
    present = np.zeros(out.shape, np.bool_)
    overlaps = np.zeros(len(windows.labels), np.bool_)
    for part in _chunks(windows):
        context.checkpoint()
        _run(evaluator, name, windows, parameters, part, out, present, overlaps)
    context.checkpoint()
    if name == "quantile_over_time":
        asked = parameters[0][present.any(axis=0)]
        for q in np.unique(asked[~((asked >= 0) & (asked <= 1))]):
            context.annotations.invalid_quantile(float(q), argument)
    block = Block(windows.labels, out, present)
    if windows.histograms is not None:
        apply_histograms(context, node, argument, windows, block)
    if name == "absent_over_time":
        return _absent(argument, block)
    for row in np.flatnonzero(overlaps):
        context.annotations.start_time_overlap(label_value(windows.labels[row], METRIC_NAME), argument)
    block.drop_name = windows.drop_name
    block = block.without_empty_rows()
    if name in {"rate", "increase"}:
        _annotate_counters(evaluator, argument, block)
    return _name(evaluator, name, block)


def _chunks(windows: Windows) -> list[slice]:
    """Parts of the series after each of which the evaluation may be stopped."""
    sizes = windows.last - windows.first
    if sizes.sum() <= _CHUNK_SAMPLES:
        return [slice(0, len(sizes))]
    sizes = np.cumsum(sizes)
    cuts = np.unique(np.searchsorted(sizes, np.arange(0, sizes[-1], _CHUNK_SAMPLES), side="right"))
    return [slice(int(a), int(b)) for a, b in zip(cuts, [*cuts[1:], len(sizes)], strict=True) if a < b]


def _run(
    evaluator: Evaluator,
    name: str,
    windows: Windows,
    parameters: list[Floats],
    part: slice,
    out: Floats,
    present: Bools,
    overlaps: Bools,
) -> None:
    if windows.buckets is not None:
        apply_to_buckets(name, windows, part, out, present)
        return
    context, steps = evaluator.context, evaluator.steps
    samples = windows.first[part], windows.last[part], windows.times_ms, windows.values
    starts, spans, stop = windows.starts_ms, (windows.ends_ms, windows.width_ms), context.stop
    rows, mask = out[part], present[part]
    lookback = context.lookback_ms
    if name in RATES:
        counter, per_second = RATES[name]
        if windows.anchored or windows.smoothed:
            rates.extended(counter, per_second, windows.smoothed, *samples, *spans, lookback, stop, rows, mask)
        else:
            rates.extrapolated(counter, per_second, *samples, starts, *spans, stop, rows, mask, overlaps[part])
    elif name in {"irate", "idelta"}:
        rates.last_two(name == "irate", *samples, starts, *spans, rows, mask)
    elif name == "resets":
        rates.count_resets(*samples, starts, *spans, lookback if windows.anchored else 0, rows, mask)
    elif name == "quantile_over_time":
        quantiles.quantile_over_time(*samples, *spans, parameters[0], stop, rows, mask)
    else:
        nothing = np.zeros(steps.count)
        first_parameter, second_parameter, *_ = [*parameters, nothing, nothing]
        over.over_time(
            OVER_TIME[name],
            *samples,
            *spans,
            lookback if windows.anchored else 0,
            steps.times,
            first_parameter,
            second_parameter,
            stop,
            rows,
            mask,
        )


def _check_factors(node: Call, windows: Windows, parameters: list[Floats]) -> None:
    """The factors of double_exponential_smoothing, at the moments at which a window has samples."""
    if node.function.name != "double_exponential_smoothing":
        return
    has_samples = np.zeros(len(windows.ends_ms), np.bool_)
    pool = windows.histograms
    pools = [(windows.first, windows.last, windows.times_ms)]
    pools += [(pool.first, pool.last, pool.times_ms)] if pool is not None else []
    for first, last, times in pools:
        for begin, end in zip(first, last, strict=True):
            inside = times[begin:end]
            low = np.searchsorted(inside, windows.ends_ms - windows.width_ms, side="right")
            has_samples |= np.searchsorted(inside, windows.ends_ms, side="right") > low
    for values, kind, short in ((parameters[0], "smoothing", "sf"), (parameters[1], "trend", "tf")):
        wrong = values[has_samples & ((values <= 0) | (values >= 1))]
        if len(wrong):
            shown = f"{wrong[0]:f}" if np.isfinite(wrong[0]) else format_float(float(wrong[0]))
            raise EvaluationError(f"invalid {kind} factor. Expected: 0 < {short} < 1, got: {shown}")


def _absent(argument: Node, block: Block) -> Block:
    missing: Bools = np.logical_not(np.atleast_1d(block.present.any(axis=0)))
    selector = argument.selector if isinstance(argument, MatrixSelector) else None
    return single(absent_labels(selector), np.ones(len(missing)), missing).without_empty_rows()


def _annotate_counters(evaluator: Evaluator, argument: Node, block: Block) -> None:
    annotations = evaluator.context.annotations
    rated = block.labels
    if block.histograms is not None:
        floats = block.floats()
        rated = [labels for row, labels in enumerate(rated) if floats[row].any()]
    if not evaluator.context.options.type_and_unit_labels:
        for name in not_counters(rated):
            annotations.possible_non_counter(name, argument)
        return
    for name, kind in dict.fromkeys((label_value(one, METRIC_NAME), label_value(one, "__type__")) for one in rated):
        if name and kind not in {"counter", "histogram"}:
            annotations.possible_non_counter_type(name, kind, argument)


def not_counters(labels: Sequence[Labels]) -> list[str]:
    """The metrics among some series that are not named like counters."""
    names = dict.fromkeys(label_value(one, METRIC_NAME) for one in labels)
    return [name for name in names if name and not name.endswith(_COUNTER_SUFFIXES)]


def _name(evaluator: Evaluator, name: str, block: Block) -> Block:
    if evaluator.context.options.delayed_name_removal:
        if name not in KEEPS_NAME:
            block.drop_name = [True] * len(block.labels)
        return block
    if name not in KEEPS_NAME:
        block = Block([drop_metadata(one) for one in block.labels], block.values, block.present, block.histograms)
    if has_duplicates(block.labels):
        raise EvaluationError(SAME_LABELS)
    return block
