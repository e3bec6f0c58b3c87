"""Aggregations: many series into groups, step by step. `groups[i]` is the group of row `i`."""

from __future__ import annotations

import numpy as np

from vedette.server.query.promql.kernels.common import Bools, Floats, Ints, inlined, kahan, kernel
from vedette.server.query.promql.kernels.windows import quantile_sorted

SUM, AVG, MIN, MAX, COUNT, GROUP, STDDEV, STDVAR = range(8)


@kernel
def aggregate_sum(values: Floats, present: Bools, groups: Ints, out: Floats, found: Bools) -> None:
    """Sum, compensated."""
    compensation = np.zeros(out.shape)
    for i in range(values.shape[0]):
        g = groups[i]
        for j in range(values.shape[1]):
            if present[i, j]:
                out[g, j], compensation[g, j] = kahan(values[i, j], out[g, j], compensation[g, j])
                found[g, j] = True
    for g in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[g, j] += compensation[g, j]


@kernel
def aggregate_mean(values: Floats, present: Bools, groups: Ints, out: Floats, found: Bools) -> None:
    """Mean: the compensated sum by the count, and once that overflows, incrementally."""
    compensation = np.zeros(out.shape)
    mean = np.zeros(out.shape)
    count = np.zeros(out.shape)
    incremental = np.zeros(out.shape, np.bool_)
    for i in range(values.shape[0]):
        g = groups[i]
        for j in range(values.shape[1]):
            if not present[i, j]:
                continue
            value = values[i, j]
            found[g, j] = True
            count[g, j] += 1
            n = count[g, j]
            if n == 1:
                out[g, j] = value
                continue
            if not incremental[g, j]:
                total, c = kahan(value, out[g, j], compensation[g, j])
                if not np.isinf(total):
                    out[g, j], compensation[g, j] = total, c
                    continue
                incremental[g, j] = True
                mean[g, j] = out[g, j] / (n - 1)
                compensation[g, j] /= n - 1
            q = (n - 1) / n
            mean[g, j], compensation[g, j] = kahan(value / n, q * mean[g, j], q * compensation[g, j])
    for g in range(out.shape[0]):
        for j in range(out.shape[1]):
            if incremental[g, j]:
                out[g, j] = mean[g, j] + compensation[g, j]
            elif found[g, j]:
                out[g, j] = out[g, j] / count[g, j] + compensation[g, j] / count[g, j]


@kernel
def aggregate_extreme(sign: float, values: Floats, present: Bools, groups: Ints, out: Floats, found: Bools) -> None:
    """Smallest (`sign` -1) or largest value; NaN only if there is nothing else."""
    for i in range(values.shape[0]):
        g = groups[i]
        for j in range(values.shape[1]):
            if not present[i, j]:
                continue
            if not found[g, j] or np.isnan(out[g, j]) or sign * values[i, j] > sign * out[g, j]:
                out[g, j] = values[i, j]
                found[g, j] = True


@kernel
def aggregate_count(present: Bools, groups: Ints, out: Floats, found: Bools) -> None:
    """How many series have a sample."""
    for i in range(present.shape[0]):
        g = groups[i]
        for j in range(present.shape[1]):
            if present[i, j]:
                out[g, j] += 1
                found[g, j] = True


@kernel
def aggregate_variance(values: Floats, present: Bools, groups: Ints, out: Floats, found: Bools) -> None:
    """Population variance, by Welford's method."""
    count = np.zeros(out.shape)
    mean = np.zeros(out.shape)
    for i in range(values.shape[0]):
        g = groups[i]
        for j in range(values.shape[1]):
            if not present[i, j]:
                continue
            value = values[i, j]
            found[g, j] = True
            count[g, j] += 1
            if count[g, j] == 1:
                mean[g, j] = value
                if np.isnan(value) or np.isinf(value):
                    out[g, j] = np.nan
                continue
            delta = value - mean[g, j]
            mean[g, j] += delta / count[g, j]
            out[g, j] += delta * (value - mean[g, j])
    for g in range(out.shape[0]):
        for j in range(out.shape[1]):
            if found[g, j]:
                out[g, j] /= count[g, j]


@kernel
def aggregate_quantile(
    quantiles: Floats, values: Floats, present: Bools, order: Ints, bounds: Ints, out: Floats, found: Bools
) -> None:
    """The quantile of each group; `order` lists the rows by group, `bounds` where each group begins in it."""
    window = np.empty(values.shape[0])
    for g in range(out.shape[0]):
        for j in range(values.shape[1]):
            count = nans = 0
            for place in range(bounds[g], bounds[g + 1]):
                i = order[place]
                if present[i, j]:
                    if np.isnan(values[i, j]):
                        nans += 1
                    else:
                        window[count] = values[i, j]
                        count += 1
            if count + nans == 0:
                continue
            ordered = np.empty(count + nans)
            for place in range(nans):
                ordered[place] = np.nan
            part = window[:count].copy()
            part.sort()
            for place in range(count):
                ordered[nans + place] = part[place]
            out[g, j] = quantile_sorted(ordered, count + nans, quantiles[j])
            found[g, j] = True


@inlined
def _less(left: float, right: float, sign: float) -> bool:
    """Heap order: NaN first, then by value (`sign` 1) or by falling value (-1)."""
    return True if np.isnan(left) else sign * left < sign * right


@inlined
def _sift_up(heap: Ints, column: Floats, sign: float, place: int) -> None:
    while place > 0:
        parent = (place - 1) // 2
        if parent == place or not _less(column[heap[place]], column[heap[parent]], sign):
            return
        heap[place], heap[parent] = heap[parent], heap[place]
        place = parent


@inlined
def _sift_down(heap: Ints, column: Floats, sign: float, count: int) -> None:
    place = 0
    while True:
        child = 2 * place + 1
        if child >= count:
            return
        if child + 1 < count and _less(column[heap[child + 1]], column[heap[child]], sign):
            child += 1
        if not _less(column[heap[child]], column[heap[place]], sign):
            return
        heap[place], heap[child] = heap[child], heap[place]
        place = child


@kernel
def choose_extremes(
    sign: float, limits: Ints, values: Floats, present: Bools, order: Ints, bounds: Ints, chosen: Bools, ranking: Ints
) -> int:
    """Topk (`sign` 1) and bottomk: mark the points that stay.

    `ranking` receives the rows of the last step in the order in which an instant query lists them; tells how many.
    """
    ranked = 0
    heap = np.empty(values.shape[0], np.int64)
    for j in range(values.shape[1]):
        ranked = 0
        column = values[:, j].copy()
        for g in range(len(bounds) - 1):
            count = 0
            for place in range(bounds[g], bounds[g + 1]):
                i = order[place]
                if not present[i, j] or limits[j] < 1:
                    continue
                if count < limits[j]:
                    heap[count] = i
                    _sift_up(heap, column, sign, count)
                    count += 1
                    continue
                smallest = column[heap[0]]
                if sign * smallest < sign * column[i] or (np.isnan(smallest) and not np.isnan(column[i])):
                    heap[0] = i
                    _sift_down(heap, column, sign, count)
            for place in range(1, count):  # insertion sort, best first
                row = heap[place]
                at = place
                while at > 0 and _less(column[heap[at - 1]], column[row], sign):
                    heap[at] = heap[at - 1]
                    at -= 1
                heap[at] = row
            for place in range(count):
                chosen[heap[place], j] = True
                ranking[ranked] = heap[place]
                ranked += 1
    return ranked


@kernel
def choose_first(limits: Ints, present: Bools, order: Ints, bounds: Ints, chosen: Bools) -> None:
    """limitk: mark the first points of every group."""
    for g in range(len(bounds) - 1):
        for j in range(present.shape[1]):
            left = limits[j]
            for place in range(bounds[g], bounds[g + 1]):
                if left < 1:
                    break
                if present[order[place], j]:
                    chosen[order[place], j] = True
                    left -= 1


@kernel
def bucket_quantile(
    quantiles: Floats,
    counts: Floats,
    present: Bools,
    uppers: Floats,
    order: Ints,
    bounds: Ints,
    out: Floats,
    found: Bools,
    forced: Floats,
) -> None:
    """histogram_quantile over classic buckets; `order` lists the rows by histogram and rising upper bound.

    `forced[g]` tells how often the counts had to be made monotonic: times, lowest and highest bucket, largest
    difference, first and last step.
    """
    upper = np.empty(counts.shape[0])
    count = np.empty(counts.shape[0])
    for g in range(out.shape[0]):
        for j in range(counts.shape[1]):
            size = 0
            for place in range(bounds[g], bounds[g + 1]):
                i = order[place]
                if not present[i, j]:
                    continue
                if size and upper[size - 1] == uppers[i]:
                    count[size - 1] += counts[i, j]
                else:
                    upper[size], count[size] = uppers[i], counts[i, j]
                    size += 1
            if size == 0:
                continue
            found[g, j] = True
            out[g, j] = _bucket_quantile(quantiles[j], upper, count, size, forced[g], j)


@inlined
def _bucket_quantile(q: float, upper: Floats, count: Floats, size: int, forced: Floats, step: int) -> float:
    if np.isnan(q):
        return np.nan
    if q < 0:
        return -np.inf
    if q > 1:
        return np.inf
    if upper[size - 1] != np.inf:
        return np.nan
    _make_monotonic(upper, count, size, forced, step)
    total = count[size - 1]
    if size < 2 or total == 0:
        return np.nan
    rank = q * total
    b = 0
    while b < size - 1 and not count[b] >= rank:
        b += 1
    if b == size - 1:
        return upper[size - 2]
    if b == 0 and upper[0] <= 0:
        return upper[0]
    low, inside = 0.0, count[b]
    if b > 0:
        low = upper[b - 1]
        inside -= count[b - 1]
        rank -= count[b - 1]
    return low + (upper[b] - low) * (rank / inside)


@inlined
def _make_monotonic(upper: Floats, count: Floats, size: int, forced: Floats, step: int) -> None:
    previous = count[0]
    changed = False
    for b in range(1, size):
        current = count[b]
        if current == previous:
            continue
        if _almost_equal(previous, current):
            count[b] = previous
        elif current < previous:
            if forced[0] == 0 or upper[b] < forced[1]:
                forced[1] = upper[b]
            if forced[0] == 0 or upper[b] > forced[2]:
                forced[2] = upper[b]
            forced[3] = max(forced[3], previous - current)
            if not changed:
                if forced[0] == 0:
                    forced[4] = step
                forced[5] = step
                forced[0] += 1
                changed = True
            count[b] = previous
        else:
            previous = current


@inlined
def _almost_equal(left: float, right: float) -> bool:
    tolerance = 1e-12
    smallest = 2.2250738585072014e-308
    if np.isnan(left) and np.isnan(right):
        return True
    total, difference = abs(left) + abs(right), abs(left - right)
    if left == 0 or right == 0 or total < smallest:
        return difference < tolerance * smallest
    return difference / min(total, 1.7976931348623157e308) < tolerance


@kernel
def bucket_fraction(
    lowers: Floats,
    highs: Floats,
    counts: Floats,
    present: Bools,
    uppers: Floats,
    order: Ints,
    bounds: Ints,
    out: Floats,
    found: Bools,
) -> None:
    """histogram_fraction over classic buckets; `order` lists the rows by histogram and rising upper bound."""
    upper = np.empty(counts.shape[0])
    count = np.empty(counts.shape[0])
    for g in range(out.shape[0]):
        for j in range(counts.shape[1]):
            size = 0
            for place in range(bounds[g], bounds[g + 1]):
                i = order[place]
                if not present[i, j]:
                    continue
                if size and upper[size - 1] == uppers[i]:
                    count[size - 1] += counts[i, j]
                else:
                    upper[size], count[size] = uppers[i], counts[i, j]
                    size += 1
            if size == 0:
                continue
            found[g, j] = True
            if upper[size - 1] != np.inf:
                out[g, j] = np.nan
                continue
            out[g, j] = _bucket_fraction(lowers[j], highs[j], upper, count, size)


@inlined
def _bucket_fraction(low: float, high: float, upper: Floats, count: Floats, size: int) -> float:
    total = count[size - 1]
    if total == 0 or np.isnan(low) or np.isnan(high):
        return np.nan
    if low >= high:
        return 0.0
    rank, low_rank, high_rank = 0.0, 0.0, 0.0
    low_set = high_set = False
    for b in range(size):
        # The first bucket begins at zero, or at -Inf if it ends at or below zero.
        begin = upper[b - 1] if b > 0 else (0.0 if upper[0] > 0 else -np.inf)
        end = upper[b]
        if not low_set and begin >= low:
            low_rank, low_set = rank, True
        if not high_set and begin >= high:
            high_rank, high_set = rank, True
        if low_set and high_set:
            break
        inside = count[b] - rank
        if not low_set and begin < low < end:
            # Nothing is known of how values spread in a bucket without a lower end: it counts as a whole.
            low_rank = count[b] if begin == -np.inf else rank + inside * (low - begin) / (end - begin)
            low_set = True
        if not high_set and begin < high < end:
            high_rank = count[b] if begin == -np.inf else rank + inside * (high - begin) / (end - begin)
            high_set = True
        if low_set and high_set:
            break
        rank = count[b]
    if not low_set or low_rank > total:
        low_rank = total
    if not high_set or high_rank > total:
        high_rank = total
    return (high_rank - low_rank) / total
