"""Functions of range vectors from the sums of buckets: one value from the buckets in each window (end - width, end].

A bucket is known by its end; `counts` tells how many samples it has, and one without any is as if it were not there.
"""

from __future__ import annotations

import numpy as np

from vedette.server.query.promql.kernels.common import Bools, Floats, Ints, after, inlined, kahan, kernel

SUM, AVG, MIN, MAX, COUNT, PRESENT, FIRST, LAST = range(8)


@inlined
def _value(op: int, counts: Floats, values: Floats, low: int, high: int) -> float:
    if op == FIRST:
        return values[low]
    if op == LAST:
        return values[high - 1]
    if op == PRESENT:
        return 1.0
    total, compensation, count = 0.0, 0.0, 0.0
    best = values[low]
    for i in range(low, high):
        if counts[i] == 0:
            continue
        count += counts[i]
        if op in (SUM, AVG):
            total, compensation = kahan(values[i], total, compensation)
        elif (op == MIN and values[i] < best) or (op == MAX and values[i] > best) or np.isnan(best):
            best = values[i]
    if op == SUM:
        return total + compensation
    if op == AVG:
        return total / count + compensation / count
    if op == COUNT:
        return count
    return best


@kernel
def over_buckets(
    op: int,
    first: Ints,
    last: Ints,
    times: Ints,
    counts: Floats,
    values: Floats,
    ends: Ints,
    width: int,
    out: Floats,
    present: Bools,
) -> None:
    """Apply the function `op` to every window; `values` is the column that it is about."""
    for k in range(len(first)):
        high = low = after(times, first[k], last[k], ends[0] - width)
        for j in range(len(ends)):
            while high < last[k] and times[high] <= ends[j]:
                high += 1
            while low < high and times[low] <= ends[j] - width:
                low += 1
            begin, end = _filled(counts, low, high)
            if begin < end:
                out[k, j] = _value(op, counts, values, begin, end)
                present[k, j] = True


@inlined
def _filled(counts: Floats, low: int, high: int) -> tuple[int, int]:
    """The window without the empty buckets at its ends."""
    while low < high and counts[low] == 0:
        low += 1
    while low < high and counts[high - 1] == 0:
        high -= 1
    return low, high


@kernel
def tallied(
    fell: bool,
    first: Ints,
    last: Ints,
    times: Ints,
    counts: Floats,
    firsts: Floats,
    lasts: Floats,
    tallies: Floats,
    ends: Ints,
    width: int,
    out: Floats,
    present: Bools,
) -> None:
    """How often the value fell (resets), or else was another than before (changes), within buckets and between them."""
    for k in range(len(first)):
        high = low = after(times, first[k], last[k], ends[0] - width)
        for j in range(len(ends)):
            while high < last[k] and times[high] <= ends[j]:
                high += 1
            while low < high and times[low] <= ends[j] - width:
                low += 1
            begin, end = _filled(counts, low, high)
            if begin == end:
                continue
            count, before = tallies[begin], lasts[begin]
            for i in range(begin + 1, end):
                if counts[i] == 0:
                    continue
                count += tallies[i]
                if fell:
                    count += firsts[i] < before
                elif firsts[i] != before and not (np.isnan(firsts[i]) and np.isnan(before)):
                    count += 1
                before = lasts[i]
            out[k, j] = count
            present[k, j] = True


@kernel
def extrapolated(
    counter: bool,
    per_second: bool,
    first: Ints,
    last: Ints,
    times: Ints,
    counts: Floats,
    firsts: Floats,
    lasts: Floats,
    first_before: Floats,
    last_before: Floats,
    reset_sums: Floats,
    ends: Ints,
    width: int,
    out: Floats,
    present: Bools,
) -> None:
    """rate, increase (`counter`) and delta; see `rates.extrapolated`. `reset_sums` is empty for delta."""
    for k in range(len(first)):
        high = low = after(times, first[k], last[k], ends[0] - width)
        for j in range(len(ends)):
            while high < last[k] and times[high] <= ends[j]:
                high += 1
            while low < high and times[low] <= ends[j] - width:
                low += 1
            begin, end = _filled(counts, low, high)
            if begin == end:
                continue
            count, resets, before = 0.0, 0.0, firsts[begin]
            for i in range(begin, end):
                if counts[i] == 0:
                    continue
                count += counts[i]
                if counter:
                    resets += reset_sums[i]
                    if firsts[i] < before:
                        resets += before
                    before = lasts[i]
            if count < 2:
                continue
            result = lasts[end - 1] - firsts[begin] + resets
            oldest = firsts[begin]
            first_time = times[begin] - first_before[begin]
            last_time = times[end - 1] - last_before[end - 1]
            to_start = (first_time - (ends[j] - width)) / 1000
            to_end = (ends[j] - last_time) / 1000
            sampled = (last_time - first_time) / 1000
            average = sampled / (count - 1)
            threshold = average * 1.1
            if to_start >= threshold:
                to_start = average / 2
            if counter and result > 0 and oldest >= 0:
                to_start = min(to_start, sampled * (oldest / result))
            if to_end >= threshold:
                to_end = average / 2
            factor = (sampled + to_start + to_end) / sampled
            if per_second:
                factor /= width / 1000
            out[k, j] = result * factor
            present[k, j] = True
