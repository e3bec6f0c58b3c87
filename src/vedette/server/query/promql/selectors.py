"""Instant and range selectors: from the storage's samples to vectors and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.block import Block, Bools, HistogramPool, Histograms, Ints, Windows
from vedette.server.query.promql.bucket_functions import windows_of_buckets
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.histogram import CounterReset, Histogram
from vedette.server.query.promql.histogram_rates import smooth_histograms
from vedette.server.query.promql.histogram_series import statistics
from vedette.server.query.promql.kernels import common, rates

if TYPE_CHECKING:
    from vedette.server.query.promql.ast import MatrixSelector, VectorSelector
    from vedette.server.query.promql.context import Context, Steps
    from vedette.server.query.promql.source import SelectedSeries

_NOTHING: Final = np.empty(0, np.int64)
_NOTHING_HIDDEN: Final = np.empty(0, np.bool_)


def window_ends(node: VectorSelector, steps: Steps, resolution_ms: int) -> Ints:
    """The moment that a selector looks at, for every step; a multiple of the resolution where there is one."""
    ends = steps.times if node.at_ms is None else np.full(steps.count, node.at_ms, np.int64)
    ends = ends - node.offset_ms
    return ends - ends % resolution_ms if resolution_ms else ends


def latest_samples(context: Context, node: VectorSelector, steps: Steps) -> tuple[SelectedSeries, Ints]:
    """The selector's series, and for each of them and every step the index of the sample that is seen, or -1."""
    selected = context.selected(node)
    context.reserve(len(selected.labels), steps.count)
    chosen = np.empty((len(selected.labels), steps.count), np.int64)
    if chosen.size:
        ends = window_ends(node, steps, selected.resolution_ms)
        bits = selected.values.view(np.int64)
        rates.latest(selected.first, selected.last, selected.times_ms, bits, ends, context.lookback_ms, chosen)
    return selected, chosen


def instant_vector(context: Context, node: VectorSelector, steps: Steps) -> Block:
    """Evaluate an instant selector."""
    if node.smoothed:
        return _smoothed_vector(context, node, steps)
    selected, chosen = latest_samples(context, node, steps)
    present = chosen >= 0
    if not len(selected.values):
        return Block(list(selected.labels), np.zeros(chosen.shape), np.zeros(chosen.shape, np.bool_)).take([])
    values = selected.values[chosen]
    histograms = None
    if selected.histograms is not None:
        histograms = gather_histograms(selected, chosen, statistics_only=node.statistics_only)
    return Block(list(selected.labels), values, present, histograms).without_empty_rows()


def gather_histograms(selected: SelectedSeries, chosen: Ints, *, statistics_only: bool) -> Histograms | None:
    """The histograms among the chosen samples, or None if there is none."""
    pool = selected.histograms
    if pool is None:
        return None
    if statistics_only:
        pool = list(pool)
        for first, last in zip(selected.first, selected.last, strict=True):
            pool[first:last] = statistics(pool[first:last])
    out = np.full(chosen.shape, None, np.object_)
    found = False
    for i, j in zip(*np.nonzero(chosen >= 0), strict=True):
        histogram = pool[chosen[i, j]]
        if histogram is not None:
            out[i, j] = histogram
            found = True
    return out if found else None


def _smoothed_vector(context: Context, node: VectorSelector, steps: Steps) -> Block:
    selected = context.selected(node)
    windows = _clean(selected, use_starts=False, statistics_only=node.statistics_only)
    context.reserve(len(windows.labels), steps.count)
    out = np.zeros((len(windows.labels), steps.count))
    present = np.zeros(out.shape, np.bool_)
    ends = window_ends(node, steps, selected.resolution_ms)
    rates.smoothed_latest(
        windows.first, windows.last, windows.times_ms, windows.values, ends, context.lookback_ms, out, present
    )
    block = Block(windows.labels, out, present)
    if windows.histograms is not None:
        smooth_histograms(context, node, windows, ends, block)
    return block.without_empty_rows()


def range_vector(context: Context, node: MatrixSelector, steps: Steps) -> Windows:
    """Evaluate a range selector."""
    selector = node.selector
    selected = context.selected(selector)
    ends = window_ends(selector, steps, selected.resolution_ms)
    if selected.buckets is not None:
        return windows_of_buckets(selected, ends, node.range_ms)
    windows = _clean(selected, use_starts=context.options.start_times, statistics_only=selector.statistics_only)
    windows.ends_ms = ends
    windows.width_ms = node.range_ms
    windows.anchored, windows.smoothed = selector.anchored, selector.smoothed
    return windows


def extended_samples(context: Context, windows: Windows, row: int) -> list[tuple[int, float]]:
    """The floats of a series that an anchored or smoothed range selector shows by itself, with one at either end.

    Raises:
        EvaluationError: there are histograms.
    """
    end = int(windows.ends_ms[0])
    start, lookback = end - windows.width_ms, context.lookback_ms
    pool = windows.histograms
    if pool is not None:
        seen = pool.times_ms[pool.first[row] : pool.last[row]]
        if ((seen > start - lookback) & (seen <= end + (lookback if windows.smoothed else 0))).any():
            modifier = "smoothed" if windows.smoothed else "anchored"
            raise EvaluationError(f"{modifier} modifier is not supported with histograms")
    low, high = windows.first[row], windows.last[row]
    times, values = windows.times_ms[low:high], windows.values[low:high]
    reached = (times > start - lookback) & (times <= end + (lookback if windows.smoothed else 0))
    times, values = times[reached], values[reached]
    final = len(times) - 1
    if windows.smoothed:
        final = int(np.searchsorted(times[:final], end)) if final >= 0 else final
    if final < 0 or times[final] <= start:
        return []
    begin = max(0, int(np.searchsorted(times[: len(times) - 1], start, side="right")) - 1)
    left, right = float(values[begin]), float(values[final])
    if windows.smoothed and times[begin] < start:
        left = float(np.interp(start, times[begin : begin + 2], values[begin : begin + 2]))
    if windows.smoothed and final > 0 and times[final] > end:
        right = float(np.interp(end, times[final - 1 : final + 1], values[final - 1 : final + 1]))
    inside = [(int(at), float(value)) for at, value in zip(times, values, strict=True) if start < at < end]
    return [(start, left), *inside, (end, right)]


def _clean(selected: SelectedSeries, *, use_starts: bool, statistics_only: bool) -> Windows:
    """The samples without stale markers, floats and histograms apart."""
    labels = list(selected.labels)
    starts = selected.start_times_ms if use_starts and selected.start_times_ms is not None else _NOTHING
    bits = selected.values.view(np.int64)
    hidden = _histogram_samples(selected)
    if not len(hidden) and not common.has_stale(selected.first, selected.last, bits):
        return Windows(labels, selected.first, selected.last, selected.times_ms, selected.values, starts, _NOTHING, 0)
    first, last = np.empty_like(selected.first), np.empty_like(selected.last)
    chosen = np.empty(int((selected.last - selected.first).sum()), np.int64)
    count = common.drop_stale(selected.first, selected.last, bits, hidden, first, last, chosen)
    chosen = chosen[:count]
    kept_starts = starts[chosen] if len(starts) else starts
    pool = _histogram_pool(selected, starts, statistics_only=statistics_only) if len(hidden) else None
    return Windows(
        labels, first, last, selected.times_ms[chosen], selected.values[chosen], kept_starts, _NOTHING, 0, pool
    )


def _histogram_samples(selected: SelectedSeries) -> Bools:
    if selected.histograms is None:
        return _NOTHING_HIDDEN
    hidden = np.fromiter((one is not None for one in selected.histograms), np.bool_, len(selected.histograms))
    return hidden if hidden.any() else _NOTHING_HIDDEN


def _histogram_pool(selected: SelectedSeries, starts: Ints, *, statistics_only: bool) -> HistogramPool:
    samples: list[Histogram] = []
    indices: list[int] = []
    first, last = np.empty_like(selected.first), np.empty_like(selected.last)
    pool = selected.histograms or ()
    for k in range(len(first)):
        first[k] = len(samples)
        for i in range(selected.first[k], selected.last[k]):
            one = pool[i]
            if one is not None:
                samples.append(one)
                indices.append(i)
        last[k] = len(samples)
        if statistics_only:
            samples[first[k] :] = [one for one in statistics(samples[first[k] :]) if one is not None]
    index = np.asarray(indices, np.int64)
    return HistogramPool(first, last, selected.times_ms[index], starts[index] if len(starts) else starts, samples)


def windows_of_block(block: Block, steps: Steps) -> Windows:
    """A subquery's points as samples; what is known of counter resets between histograms does not hold any more."""
    floats = block.floats()
    first, last, times = _compress(floats, steps.times)
    pool = None
    if block.histograms is not None:
        points = block.histogram_points()
        if points.any():
            hist_first, hist_last, hist_times = _compress(points, steps.times)
            samples = [_without_reset_hint(one) for one in block.histograms[points]]
            pool = HistogramPool(hist_first, hist_last, hist_times, _NOTHING, samples)
    return Windows(
        block.labels, first, last, times, block.values[floats], _NOTHING, _NOTHING, 0, pool, drop_name=block.drop_name
    )


def _compress(mask: Bools, times: Ints) -> tuple[Ints, Ints, Ints]:
    counts = mask.sum(axis=1)
    last = np.cumsum(counts, dtype=np.int64)
    return last - counts, last, times[np.nonzero(mask)[1]]


def _without_reset_hint(histogram: Histogram) -> Histogram:
    if histogram.counter_reset in {CounterReset.RESET, CounterReset.NOT_RESET}:
        changed = histogram.copy()
        changed.counter_reset = CounterReset.UNKNOWN
        return changed
    return histogram
