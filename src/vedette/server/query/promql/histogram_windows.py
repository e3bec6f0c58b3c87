"""Functions of range vectors on windows that contain native histograms."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vedette.server.query.promql.annotations import Annotations
from vedette.server.query.promql.ast import Call, Node
from vedette.server.query.promql.block import Block, HistogramPool, Ints, Windows, label_value
from vedette.server.query.promql.context import Context
from vedette.server.query.promql.histogram import CounterReset, Histogram, IncompatibleSchemas
from vedette.server.query.promql.histogram_sum import HistogramSum, add, subtract
from vedette.server.query.promql.kernels.rates import start_reset
from vedette.server.query.promql.labels import METRIC_NAME

_RATES: Final = {"rate": (True, True), "increase": (True, False), "delta": (False, False)}
_AT_LEAST_TWO: Final = frozenset({"deriv", "predict_linear", "double_exponential_smoothing"})
_FLOATS_ALONE: Final = frozenset(
    {"min_over_time", "max_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time", "mad_over_time"}
    | {"ts_of_max_over_time", "ts_of_min_over_time"}
)

Point = float | Histogram | None


@dataclass(slots=True)
class _Window:
    """The samples of one series in one window: floats (as places in the pool) and histograms."""

    windows: Windows
    pool: HistogramPool
    floats: range
    histograms: range
    start_ms: int
    end_ms: int
    name: str
    argument: Node
    call: Call
    annotations: Annotations

    def float_times(self) -> Sequence[int]:
        return [int(self.windows.times_ms[i]) for i in self.floats]

    def histogram_times(self) -> Sequence[int]:
        return [int(self.pool.times_ms[i]) for i in self.histograms]

    def samples(self) -> list[Histogram]:
        return self.pool.samples[self.histograms.start : self.histograms.stop]

    def starts(self) -> list[int]:
        if not len(self.pool.starts_ms):
            return [0] * len(self.histograms)
        return [int(self.pool.starts_ms[i]) for i in self.histograms]


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
        context.checkpoint()
        times = pool.times_ms[pool.first[row] : pool.last[row]]
        float_times = windows.times_ms[windows.first[row] : windows.last[row]]
        metric = label_value(windows.labels[row], METRIC_NAME)
        for step, end in enumerate(windows.ends_ms):
            start = int(end) - windows.width_ms
            low, high = _span(times, start - before, int(end) + behind, int(pool.first[row]))
            if low == high:
                continue
            float_low, float_high = _span(float_times, start - before, int(end) + behind, int(windows.first[row]))
            window = _Window(
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
            block.present[row, step] = point is not None
            if isinstance(point, Histogram):
                out[row, step] = point
            elif point is not None:
                block.values[row, step] = point
    if (out != None).any():  # noqa: E711  (elementwise)
        block.histograms = out


def _span(times: Ints, start: int, end: int, base: int) -> tuple[int, int]:
    low, high = np.searchsorted(times, [start, end], side="right")
    return base + int(low), base + int(high)


def _point(name: str, window: _Window, known: float | None) -> Point:
    """The function's value; `known` is what the window's floats gave."""
    if name in _RATES:
        return _rate(window, *_RATES[name])
    if name in _FLOATS_ALONE:
        if len(window.floats):
            window.annotations.histograms_ignored_in_range(window.name, window.argument)
        return known
    if name in _AT_LEAST_TWO:
        if len(window.floats):
            window.annotations.histograms_ignored_in_range(window.name, window.argument)
        return known
    return _FUNCTIONS[name](window)


def _count(window: _Window) -> Point:
    return float(len(window.floats) + len(window.histograms))


def _present(_: _Window) -> Point:
    return 1.0


def _first(window: _Window) -> Point:
    times = window.histogram_times()
    if len(window.floats) and window.windows.times_ms[window.floats[0]] < times[0]:
        return float(window.windows.values[window.floats[0]])
    return window.samples()[0]


def _last(window: _Window) -> Point:
    times = window.histogram_times()
    if len(window.floats) and window.windows.times_ms[window.floats[-1]] > times[-1]:
        return float(window.windows.values[window.floats[-1]])
    return window.samples()[-1]


def _first_time(window: _Window) -> Point:
    return min([window.histogram_times()[0], *window.float_times()[:1]]) / 1000


def _last_time(window: _Window) -> Point:
    return max([window.histogram_times()[-1], *window.float_times()[-1:]]) / 1000


def _sum(window: _Window) -> Point:
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
        _annotate_resets(window, samples)
        window.annotations.mixed_schemas(window.name, window.argument)
        return None
    _annotate_resets(window, samples)
    if reconciled:
        window.annotations.bounds_reconciled("aggregation", window.argument)
    return total.result()


def _average(window: _Window) -> Point:
    if len(window.floats):
        window.annotations.mixed_samples(window.name, window.argument)
        return None
    samples = window.samples()
    try:
        mean, reconciled = mean_of(samples)
    except IncompatibleSchemas:
        window.annotations.mixed_schemas(window.name, window.argument)
        return None
    _annotate_resets(window, samples)
    if reconciled:
        window.annotations.bounds_reconciled("aggregation", window.argument)
    return mean


def mean_of(samples: Sequence[Histogram]) -> tuple[Histogram, bool]:
    """The mean: the compensated sum by the count, and once that overflows, incrementally.

    Tells also whether custom bounds differed.

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
        total.divide(len(samples))
    return total.result(), reconciled


def _annotate_resets(window: _Window, samples: Sequence[Histogram]) -> None:
    hints = {sample.counter_reset for sample in samples}
    if CounterReset.RESET in hints and CounterReset.NOT_RESET in hints:
        window.annotations.reset_collision("aggregation", window.argument)


def _merged(window: _Window) -> list[tuple[int, float | Histogram, int]]:
    """Floats and histograms by time, with their start times; an anchored window begins with the sample before it."""
    starts = window.windows.starts_ms
    floats = [
        (int(window.windows.times_ms[i]), float(window.windows.values[i]), int(starts[i]) if len(starts) else 0)
        for i in window.floats
    ]
    histograms = list(zip(window.histogram_times(), window.samples(), window.starts(), strict=True))
    merged = sorted([*floats, *histograms], key=lambda sample: sample[0])
    if window.windows.anchored:
        inside = bisect_right([sample[0] for sample in merged], window.start_ms)
        if inside == len(merged):
            return []
        return merged[max(0, inside - 1) :]
    return merged


def _resets(window: _Window) -> Point:
    samples = _merged(window)
    if not samples:
        return None
    count = 0
    for (old_time, old, old_start), (time, new, start) in zip(samples, samples[1:], strict=False):
        if isinstance(old, Histogram) and isinstance(new, Histogram):
            count += start_reset(old_start, old_time, start, time) or new.resets(old)
        elif isinstance(old, float) and isinstance(new, float):
            count += new < old or start_reset(old_start, old_time, start, time)
        else:
            count += 1
    return float(count)


def _changes(window: _Window) -> Point:
    samples = _merged(window)
    if not samples:
        return None
    count = 0
    for (_, old, _), (_, new, _) in zip(samples, samples[1:], strict=False):
        both_nan = isinstance(old, float) and isinstance(new, float) and np.isnan(old) and np.isnan(new)
        count += old != new and not both_nan
    return float(count)


def _instant(window: _Window) -> Point:
    """irate and idelta."""
    rate = window.call.function.name == "irate"
    samples = _merged(window)[-2:]
    if len(samples) < 2:  # noqa: PLR2004
        return None
    (old_time, old, old_start), (time, new, start) = samples
    reset = start_reset(old_start, old_time, start, time)
    seconds = (time - old_time) / 1000
    if isinstance(old, float) and isinstance(new, float):
        result = new if rate and (new < old or reset) else new - old
        return result / seconds if rate else result
    if isinstance(old, float) or isinstance(new, float):
        window.annotations.mixed_samples(window.name, window.argument)
        return None
    gauges = [CounterReset.GAUGE in {one.counter_reset} for one in (old, new)]
    if rate and any(gauges):
        window.annotations.not_counter_histogram(window.name, window.argument)
    if not rate and not all(gauges):
        window.annotations.not_gauge_histogram(window.name, window.argument)
    difference = new.copy()
    if not rate or (not reset and not new.resets(old)):
        try:
            if subtract(difference, old).bounds_reconciled:
                window.annotations.bounds_reconciled("subtraction", window.argument)
        except IncompatibleSchemas:
            window.annotations.mixed_schemas(window.name, window.argument)
            return None
    difference.counter_reset = CounterReset.GAUGE
    difference.compact()
    return difference.divided(seconds) if rate else difference


def _rate(window: _Window, counter: bool, per_second: bool) -> Point:  # noqa: FBT001
    if len(window.floats):
        window.annotations.mixed_samples(window.name, window.argument)
        return None
    if window.windows.anchored or window.windows.smoothed:
        return _extended_rate(window, counter, per_second)
    samples, times, starts = window.samples(), window.histogram_times(), window.starts()
    gaps = len(samples) - 1
    result = None
    if gaps:
        result = _increase(window, samples, times, starts, counter)
        if result is None:
            return None
    seconds = window.windows.width_ms / 1000
    to_start, to_end = (times[0] - window.start_ms) / 1000, (window.end_ms - times[-1]) / 1000
    sampled = (times[-1] - times[0]) / 1000
    average = sampled / gaps if gaps else 0.0
    threshold = average * 1.1
    if counter and starts[0] and window.start_ms < starts[0] < times[0]:
        # The series began inside the window, with nothing in it.
        to_start = 0.0
        sampled = (times[-1] - starts[0]) / 1000
        result = samples[0].copy() if result is None else result
        if gaps and not _try(window, add, result, samples[0], "addition"):
            return None
    elif result is None:
        return None
    else:
        if to_start >= threshold:
            to_start = average / 2
        if counter and result.count > 0 and samples[0].count >= 0:
            to_start = min(to_start, sampled * (samples[0].count / result.count))
    if to_end >= threshold:
        to_end = average / 2
    factor = (sampled + to_start + to_end) / sampled if sampled else 1.0
    return result.scaled(factor / seconds if per_second else factor)


def _try(
    window: _Window, operation: Callable[[Histogram, Histogram], object], left: Histogram, right: Histogram, name: str
) -> bool:
    """Add or subtract in place, with annotations; False if the two cannot be brought together."""
    try:
        outcome = operation(left, right)
    except IncompatibleSchemas:
        window.annotations.mixed_schemas(window.name, window.argument)
        return False
    if getattr(outcome, "bounds_reconciled", False):
        window.annotations.bounds_reconciled(name, window.argument)
    return True


def _increase(
    window: _Window,
    samples: list[Histogram],
    times: Sequence[int],
    starts: list[int],
    counter: bool,  # noqa: FBT001
) -> Histogram | None:
    """The last histogram less the first, plus what was lost in counter resets."""
    annotations, previous, last = window.annotations, samples[0], samples[-1]
    gauges = [sample.counter_reset is CounterReset.GAUGE for sample in samples]
    if counter and any(gauges):
        annotations.not_counter_histogram(window.name, window.argument)
    if not counter and not (gauges[0] and gauges[-1]):
        annotations.not_gauge_histogram(window.name, window.argument)
    if counter and (start_reset(starts[0], times[0], starts[1], times[1]) or samples[1].resets(previous)):
        # Whatever the layout of the first one, it does not count.
        second = samples[1]
        previous = Histogram(second.schema, 0.0, 0.0, 0.0, 0.0, {}, {}, second.custom_values)
    if last.is_custom != previous.is_custom:
        annotations.mixed_schemas(window.name, window.argument)
        return None
    schema = min(last.schema, previous.schema)
    if counter:
        for sample in samples[1:-1]:
            schema = min(schema, sample.schema)
            if sample.is_custom != previous.is_custom:
                annotations.mixed_schemas(window.name, window.argument)
                return None
    result = last.reduced(schema)
    if not _try(window, subtract, result, previous, "subtraction"):
        return None
    if counter:
        overlaps = False
        for i in range(1, len(samples)):
            overlaps = overlaps or (starts[i] != 0 and starts[i] < times[i - 1] and starts[i] != starts[i - 1])
            reset = start_reset(starts[i - 1], times[i - 1], starts[i], times[i]) or samples[i].resets(previous)
            if reset and not _try(window, add, result, previous, "addition"):
                return None
            previous = samples[i]
        if overlaps:
            annotations.start_time_overlap(window.name, window.argument)
    result.counter_reset = CounterReset.GAUGE
    return result.compact()


def _extended_rate(window: _Window, counter: bool, per_second: bool) -> Point:  # noqa: FBT001
    """rate, increase and delta over an anchored or smoothed range."""
    samples, times = window.samples(), list(window.histogram_times())
    smoothed, start, end = window.windows.smoothed, window.start_ms, window.end_ms
    final = len(samples) - 1
    begin = max(0, bisect_right(times, start, 0, final) - 1)
    if smoothed:
        final = bisect_left(times, end, 0, final)
    if times[final] <= start or (smoothed and times[begin] > end):
        return None
    used = samples[begin : final + 1]
    if any(sample.is_custom != used[0].is_custom for sample in used):
        window.annotations.mixed_schemas(window.name, window.argument)
        return None
    if counter and any(sample.counter_reset is CounterReset.GAUGE for sample in used):
        window.annotations.not_counter_histogram(window.name, window.argument)
    left: Histogram | None = samples[begin].copy()
    right: Histogram | None = samples[final].copy()
    if smoothed and times[begin] < start:
        left = _interpolate(window, times, samples, begin, start, counter)
    if smoothed and final > 0 and times[final] > end:
        right = _interpolate(window, times, samples, final - 1, end, counter)
    if left is None or right is None:
        return None
    if not counter and not (left.counter_reset is right.counter_reset is CounterReset.GAUGE):
        window.annotations.not_gauge_histogram(window.name, window.argument)
    result = right.copy()
    if not _try(window, subtract, result, left, "subtraction"):
        return None
    if counter:
        for lost in _lost_in_resets(samples, begin, final, left, right, spanned=smoothed and times[begin] < start):
            if not _try(window, add, result, lost, "addition"):
                return None
    if per_second:
        result = result.divided(window.windows.width_ms / 1000)
    result.counter_reset = CounterReset.GAUGE
    return result.compact()


def _lost_in_resets(
    samples: list[Histogram], begin: int, final: int, left: Histogram, right: Histogram, *, spanned: bool
) -> list[Histogram]:
    """The histograms in front of a reset between the two ends of a range."""
    first, previous = begin + 1, left
    if spanned and samples[begin + 1].resets(samples[begin]):
        # The interpolation at the start has taken this reset into account.
        previous = samples[begin + 1]
        first += 1
    if first > final:
        return []
    lost = []
    for sample in samples[first:final]:
        if sample.resets(previous):
            lost.append(previous)
        previous = sample
    if right.resets(previous):
        lost.append(previous)
    return lost


def _interpolate(
    window: _Window,
    times: Sequence[int],
    samples: list[Histogram],
    index: int,
    moment: int,
    counter: bool,  # noqa: FBT001
) -> Histogram | None:
    """The histogram at a moment between a sample and the next one."""
    old, new = samples[index], samples[index + 1]
    if moment == times[index]:
        return old.copy()
    if moment == times[index + 1]:
        return new.copy()
    fraction = (moment - times[index]) / (times[index + 1] - times[index])
    if counter and new.resets(old):
        return new.scaled(fraction)
    result = new.copy()
    if not _try(window, subtract, result, old, "subtraction"):
        return None
    result = result.scaled(fraction)
    return result if _try(window, add, result, old, "addition") else None


def smooth_histograms(context: Context, node: Node, windows: Windows, ends: Ints, block: Block) -> None:
    """A smoothed instant selector on native histograms: interpolated between neighbours, else the one before."""
    pool = windows.histograms
    if pool is None:
        return
    out = np.full(block.values.shape, None, np.object_)
    for row in np.flatnonzero(pool.last > pool.first):
        times = [int(at) for at in pool.times_ms[pool.first[row] : pool.last[row]]]
        samples = pool.samples[pool.first[row] : pool.last[row]]
        for step, end in enumerate(int(at) for at in ends):
            low, high = bisect_right(times, end - context.lookback_ms), bisect_right(times, end + context.lookback_ms)
            at = bisect_left(times, end, low, high)
            if at < high and times[at] == end:
                out[row, step] = samples[at]
            elif low < at < high:
                fraction = (end - times[at - 1]) / (times[at] - times[at - 1])
                point = _between(context, node, samples[at - 1], samples[at], fraction)
                if point is None:
                    continue
                out[row, step] = point
            elif at > low:
                out[row, step] = samples[at - 1]
            else:
                continue
            block.present[row, step] = True
    block.histograms = out


def _between(context: Context, node: Node, old: Histogram, new: Histogram, fraction: float) -> Histogram | None:
    result = new.copy()
    try:
        subtract(result, old)
        result = result.scaled(fraction)
        add(result, old)
    except IncompatibleSchemas:
        context.annotations.mixed_schemas("", node)
        return None
    return result


_FUNCTIONS: Final[dict[str, Callable[[_Window], Point]]] = {
    "absent_over_time": _present,
    "avg_over_time": _average,
    "changes": _changes,
    "count_over_time": _count,
    "first_over_time": _first,
    "idelta": _instant,
    "irate": _instant,
    "last_over_time": _last,
    "present_over_time": _present,
    "resets": _resets,
    "sum_over_time": _sum,
    "ts_of_first_over_time": _first_time,
    "ts_of_last_over_time": _last_time,
}
