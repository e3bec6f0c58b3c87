"""Functions of range vectors on windows that contain native histograms."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.block import Block, Windows, is_set, label_value
from vedette.server.query.promql.bucket_functions import GROW_WITH_WIDTH
from vedette.server.query.promql.histogram import CounterReset, Histogram, IncompatibleSchemas
from vedette.server.query.promql.histogram_rates import histogram_instant, histogram_rate
from vedette.server.query.promql.histogram_sum import HistogramSum
from vedette.server.query.promql.histogram_window import Point, Window, span_of
from vedette.server.query.promql.kernels.rates import start_reset
from vedette.server.query.promql.labels import METRIC_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.query.promql.ast import Call, Node
    from vedette.server.query.promql.context import Context

_RATES: Final = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}
_AT_LEAST_TWO: Final = frozenset({"deriv", "predict_linear", "double_exponential_smoothing"})
_FLOATS_ALONE: Final = frozenset(
    {"min_over_time", "max_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time", "mad_over_time"}
    | {"ts_of_max_over_time", "ts_of_min_over_time"}
)


def apply_histograms(context: Context, call: Call, argument: Node, windows: Windows, block: Block) -> None:
    """Put the results of all windows that contain histograms into `block`, in place of what the floats alone gave."""
    pool = windows.histograms
    if pool is None:
        return
    name = call.function.name
    before = context.lookback_ms if windows.anchored or windows.smoothed else 0
    behind = context.lookback_ms if windows.smoothed else 0
    out = np.full(block.values.shape, None, np.object_)
    for row in np.flatnonzero(pool.last > pool.first):
        times = pool.times_ms[pool.first[row] : pool.last[row]]
        float_times = windows.times_ms[windows.first[row] : windows.last[row]]
        metric = label_value(windows.labels[row], METRIC_NAME)
        for step, end in enumerate(windows.ends_ms):
            context.checkpoint()
            start = int(end) - windows.width_ms
            low, high = span_of(times, start - before, int(end) + behind, int(pool.first[row]))
            if low == high:
                continue
            float_low, float_high = span_of(float_times, start - before, int(end) + behind, int(windows.first[row]))
            window = Window(
                windows,
                pool,
                range(float_low, float_high),
                range(low, high),
                start,
                int(end),
                metric,
                argument,
                call,
                context.annotations,
            )
            known = float(block.values[row, step]) if block.present[row, step] else None
            point = _point(name, window, known)
            if point is not None and windows.scale != 1.0 and name in GROW_WITH_WIDTH:
                point = point.scaled(windows.scale) if isinstance(point, Histogram) else point * windows.scale
            block.present[row, step] = point is not None
            if isinstance(point, Histogram):
                out[row, step] = point
            elif point is not None:
                block.values[row, step] = point
    if is_set(out).any():
        block.histograms = out


def _point(name: str, window: Window, known: float | None) -> Point:
    """The function's value; `known` is what the window's floats gave."""
    if name in _RATES:
        return histogram_rate(window, *_RATES[name])
    if name in _FLOATS_ALONE:
        if len(window.floats):
            window.annotations.histograms_ignored_in_range(window.name, window.argument)
        return known
    if name in _AT_LEAST_TWO:
        if len(window.floats):
            window.annotations.histograms_ignored_in_range(window.name, window.argument)
        return known
    return _FUNCTIONS[name](window)


def _count(window: Window) -> Point:
    return float(window.float_count() + window.histogram_count())


def _present(_: Window) -> Point:
    return 1.0


def _first(window: Window) -> Point:
    times = window.histogram_times()
    if len(window.floats) and window.windows.times_ms[window.floats[0]] < times[0]:
        return float(window.windows.values[window.floats[0]])
    return window.samples()[0]


def _last(window: Window) -> Point:
    times = window.histogram_times()
    if len(window.floats) and window.windows.times_ms[window.floats[-1]] > times[-1]:
        return float(window.windows.values[window.floats[-1]])
    return window.samples()[-1]


def _first_time(window: Window) -> Point:
    return min([window.histogram_times()[0], *window.float_times()[:1]]) / 1000


def _last_time(window: Window) -> Point:
    return max([window.histogram_times()[-1], *window.float_times()[-1:]]) / 1000


def _sum(window: Window) -> Point:
    if len(window.floats):
        window.annotations.mixed_samples(window.name, window.argument)
        return None
    samples = window.samples()
    total = HistogramSum(samples[0])
    reconciled = False
    try:
        for sample in samples[1:]:
            reconciled |= total.add(sample).bounds_reconciled
    except IncompatibleSchemas:
        window.annotations.mixed_schemas(window.name, window.argument)
        return None
    _annotate_resets(window, samples)
    if reconciled:
        window.annotations.bounds_reconciled("aggregation", window.argument)
    return total.result()


def _average(window: Window) -> Point:
    if len(window.floats):
        window.annotations.mixed_samples(window.name, window.argument)
        return None
    samples = window.samples()
    try:
        mean, reconciled = mean_of(samples, window.histogram_count())
    except IncompatibleSchemas:
        window.annotations.mixed_schemas(window.name, window.argument)
        return None
    _annotate_resets(window, samples)
    if reconciled:
        window.annotations.bounds_reconciled("aggregation", window.argument)
    return mean


def mean_of(samples: Sequence[Histogram], summed: int = 0) -> tuple[Histogram, bool]:
    """The mean: the compensated sum by the count, and once that overflows, incrementally.

    Tells also whether custom bounds differed. Where samples are sums themselves, `summed` is what they are sums of.

    Raises:
        IncompatibleSchemas: exponential and custom buckets together.
    """
    total = HistogramSum(samples[0])
    reconciled = incremental = False
    for count, sample in enumerate(samples[1:], start=2):
        if not incremental:
            trial = total.copy()
            reconciled |= trial.add(sample).bounds_reconciled
            if not trial.overflows:
                total = trial
                continue
            incremental = True
            total.divide(count - 1)
        total.scale((count - 1) / count)
        reconciled |= total.add(sample.divided(count)).bounds_reconciled
    if not incremental:
        total.divide(summed or len(samples))
    return total.result(), reconciled


def _annotate_resets(window: Window, samples: Sequence[Histogram]) -> None:
    hints = {sample.counter_reset for sample in samples}
    if CounterReset.RESET in hints and CounterReset.NOT_RESET in hints:
        window.annotations.reset_collision("aggregation", window.argument)


def _resets(window: Window) -> Point:
    samples = window.merged()
    if not samples:
        return None
    count = 0
    for (old_time, old, old_start), (time, new, start) in itertools.pairwise(samples):
        if isinstance(old, Histogram) and isinstance(new, Histogram):
            count += start_reset(old_start, old_time, start, time) or new.resets(old)
        elif isinstance(old, float) and isinstance(new, float):
            count += new < old or start_reset(old_start, old_time, start, time)
        else:
            count += 1
    return float(count)


def _changes(window: Window) -> Point:
    if len(window.pool.changes):
        return _changes_of_kept(window)
    samples = window.merged()
    if not samples:
        return None
    count = 0
    for (_, old, _), (_, new, _) in itertools.pairwise(samples):
        both_nan = isinstance(old, float) and isinstance(new, float) and np.isnan(old) and np.isnan(new)
        count += old != new and not both_nan
    return float(count)


def _changes_of_kept(window: Window) -> Point:
    """Changes between histograms that stand for all of a bucket; where another bucket begins, the two are compared."""
    samples = window.samples()
    since = window.pool.changes[window.histograms.start + 1 : window.histograms.stop].tolist()
    told = zip(itertools.pairwise(samples), since, strict=True)
    return float(sum(old != new if count < 0 else count for (old, new), count in told))


_FUNCTIONS: Final[dict[str, Callable[[Window], Point]]] = {
    "absent_over_time": _present,
    "avg_over_time": _average,
    "changes": _changes,
    "count_over_time": _count,
    "first_over_time": _first,
    "idelta": histogram_instant,
    "irate": histogram_instant,
    "last_over_time": _last,
    "present_over_time": _present,
    "resets": _resets,
    "sum_over_time": _sum,
    "ts_of_first_over_time": _first_time,
    "ts_of_last_over_time": _last_time,
}
