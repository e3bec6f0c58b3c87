"""Rates and differences of native histograms, and interpolation between them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

from vedette.server.query.promql.block import Block, Windows, label_value
from vedette.server.query.promql.histogram import CounterReset, Histogram, IncompatibleSchemas
from vedette.server.query.promql.histogram_sum import add, subtract
from vedette.server.query.promql.histogram_window import Point, Window, attempt, span_of
from vedette.server.query.promql.kernels.rates import start_reset
from vedette.server.query.promql.labels import METRIC_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.promql.ast import Node
    from vedette.server.query.promql.block import Ints
    from vedette.server.query.promql.context import Context


def histogram_instant(window: Window) -> Point:
    """Evaluate irate and idelta."""
    rate = window.call.function.name == "irate"
    samples = window.merged()[-2:]
    if len(samples) < 2:
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
    gauges = [one.counter_reset == CounterReset.GAUGE for one in (old, new)]
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


def histogram_rate(window: Window, counter: bool, per_second: bool) -> Point:
    """Evaluate rate and increase (`counter`), and delta."""
    if len(window.floats):
        window.annotations.mixed_samples(window.name, window.argument)
        return None
    if window.windows.anchored or window.windows.smoothed:
        return _extended_rate(window, counter, per_second)
    samples, times, starts = window.samples(), window.histogram_times(), window.starts()
    gaps = window.histogram_count() - 1
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
        if gaps and not attempt(window, add, result, samples[0], "addition"):
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


def _increase(
    window: Window,
    samples: list[Histogram],
    times: Sequence[int],
    starts: list[int],
    counter: bool,
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
    if not attempt(window, subtract, result, previous, "subtraction"):
        return None
    if counter:
        overlaps = False
        for i in range(1, len(samples)):
            overlaps = overlaps or (starts[i] != 0 and starts[i] < times[i - 1] and starts[i] != starts[i - 1])
            reset = start_reset(starts[i - 1], times[i - 1], starts[i], times[i]) or samples[i].resets(previous)
            if reset and not attempt(window, add, result, previous, "addition"):
                return None
            previous = samples[i]
        if overlaps:
            annotations.start_time_overlap(window.name, window.argument)
    result.counter_reset = CounterReset.GAUGE
    return result.compact()


def _extended_rate(window: Window, counter: bool, per_second: bool) -> Point:
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
    if not attempt(window, subtract, result, left, "subtraction"):
        return None
    if counter:
        for lost in _lost_in_resets(samples, begin, final, left, right, spanned=smoothed and times[begin] < start):
            if not attempt(window, add, result, lost, "addition"):
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
    window: Window,
    times: Sequence[int],
    samples: list[Histogram],
    index: int,
    moment: int,
    counter: bool,
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
    if not attempt(window, subtract, result, old, "subtraction"):
        return None
    result = result.scaled(fraction)
    return result if attempt(window, add, result, old, "addition") else None


def smooth_histograms(context: Context, node: Node, windows: Windows, ends: Ints, block: Block) -> None:
    """A smoothed instant selector on native histograms: interpolated between neighbours, else the one before."""
    pool = windows.histograms
    if pool is None:
        return
    out = np.full(block.values.shape, None, np.object_)
    for row in np.flatnonzero(pool.last > pool.first):
        times = [int(at) for at in pool.times_ms[pool.first[row] : pool.last[row]]]
        samples = pool.samples[pool.first[row] : pool.last[row]]
        floats = windows.times_ms[windows.first[row] : windows.last[row]]
        metric = label_value(windows.labels[row], METRIC_NAME)
        for step, end in enumerate(int(at) for at in ends):
            low, high = bisect_right(times, end - context.lookback_ms), bisect_right(times, end + context.lookback_ms)
            float_low, float_high = span_of(floats, end - context.lookback_ms, end + context.lookback_ms, 0)
            if low < high and float_low < float_high:
                context.annotations.mixed_samples(metric, node)
                block.present[row, step] = False
                continue
            at = bisect_left(times, end, low, high)
            if at < high and times[at] == end:
                out[row, step] = samples[at]
            elif low < at < high:
                fraction = (end - times[at - 1]) / (times[at] - times[at - 1])
                point = _between(context, node, metric, samples[at - 1 : at + 1], fraction)
                if point is None:
                    continue
                out[row, step] = point
            elif at > low:
                # What is known of resets is known of the sample, not of a moment after it.
                out[row, step] = samples[at - 1].copy()
                out[row, step].counter_reset = CounterReset.UNKNOWN
            else:
                continue
            block.present[row, step] = True
    block.histograms = out


def _between(
    context: Context, node: Node, metric: str, neighbours: Sequence[Histogram], fraction: float
) -> Histogram | None:
    """The histogram between two; they are a counter's unless both are gauges, and a counter begins again at zero."""
    old, new = neighbours
    annotations = context.annotations
    if old.is_custom != new.is_custom:
        annotations.mixed_schemas(metric, node)
        return None
    if not old.counter_reset == new.counter_reset == CounterReset.GAUGE and new.resets(old):
        return new.scaled(fraction)
    result = new.copy()
    if subtract(result, old).bounds_reconciled:
        annotations.bounds_reconciled("subtraction", node)
    result = result.scaled(fraction)
    if add(result, old).bounds_reconciled:
        annotations.bounds_reconciled("addition", node)
    return result
