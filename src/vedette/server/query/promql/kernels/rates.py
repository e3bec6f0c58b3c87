"""rate, increase, delta, irate, idelta and resets, with and without start times, anchored and smoothed."""

from __future__ import annotations

import numpy as np

from vedette.server.query.promql.kernels.common import Bools, Floats, Ints, after, inlined, kernel


@kernel
def start_reset(previous_start: int, previous_time: int, start: int, time: int) -> bool:
    """Tell from start times whether a counter was reset between two samples; 0 is an unknown start."""
    if start == 0 or start >= time or start < previous_time:
        return False
    if start > previous_time:
        return True
    # The start points at the sample before: a reset for delta series, none where the starts are unknown.
    return previous_start != 0 and previous_start < previous_time


@inlined
def _is_reset(times: Ints, values: Floats, starts: Ints, i: int) -> bool:
    if values[i] < values[i - 1]:
        return True
    return len(starts) > 0 and start_reset(starts[i - 1], times[i - 1], starts[i], times[i])


@inlined
def _increase(times: Ints, values: Floats, starts: Ints, low: int, high: int, resets: int) -> float:
    result = values[high - 1] - values[low]
    if resets:
        for i in range(low + 1, high):
            if _is_reset(times, values, starts, i):
                result += values[i - 1]
    return result


@kernel
def extrapolated(
    counter: bool,
    per_second: bool,
    first: Ints,
    last: Ints,
    times: Ints,
    values: Floats,
    starts: Ints,
    ends: Ints,
    width: int,
    stop: Ints,
    out: Floats,
    present: Bools,
    overlaps: Bools,
) -> None:
    """rate, increase (`counter`) and delta. `starts` may be empty; `overlaps` marks series whose starts contradict.

    When `stop` is set, the rest of the windows is left out.
    """
    for k in range(len(first)):
        if len(starts) > 0:
            _extrapolated_since_starts(
                counter,
                per_second,
                first[k],
                last[k],
                times,
                values,
                starts,
                ends,
                width,
                stop,
                k,
                out,
                present,
                overlaps,
            )
        else:
            _extrapolated(counter, per_second, first[k], last[k], times, values, ends, width, stop, k, out, present)


@inlined
def _extrapolated(
    counter: bool,
    per_second: bool,
    first: int,
    last: int,
    times: Ints,
    values: Floats,
    ends: Ints,
    width: int,
    stop: Ints,
    k: int,
    out: Floats,
    present: Bools,
) -> None:
    seconds = width / 1000
    high = low = after(times, first, last, ends[0] - width)
    reset = low  # the latest one before `high`
    for j in range(len(ends)):
        if stop[0] != 0:
            return
        end = ends[j]
        start = end - width
        while high < last and times[high] <= end:
            if counter and high > low and values[high] < values[high - 1]:
                reset = high
            high += 1
        while low < high and times[low] <= start:
            low += 1
        count = high - low
        if count < 2:
            continue
        oldest = values[low]
        result = values[high - 1] - oldest
        if reset > low:
            for i in range(low + 1, reset + 1):
                if values[i] < values[i - 1]:
                    result += values[i - 1]
        to_start = (times[low] - start) / 1000
        to_end = (end - times[high - 1]) / 1000
        sampled = (times[high - 1] - times[low]) / 1000
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
            factor /= seconds
        out[k, j] = result * factor
        present[k, j] = True


@inlined
def _extrapolated_since_starts(
    counter: bool,
    per_second: bool,
    first: int,
    last: int,
    times: Ints,
    values: Floats,
    starts: Ints,
    ends: Ints,
    width: int,
    stop: Ints,
    k: int,
    out: Floats,
    present: Bools,
    overlaps: Bools,
) -> None:
    seconds = width / 1000
    high = low = after(times, first, last, ends[0] - width)
    resets = 0
    for j in range(len(ends)):
        if stop[0] != 0:
            return
        start = ends[j] - width
        while high < last and times[high] <= ends[j]:
            if high > low and counter and _is_reset(times, values, starts, high):
                resets += 1
            high += 1
        while low < high and times[low] <= start:
            if low + 1 < high and counter and _is_reset(times, values, starts, low + 1):
                resets -= 1
            low += 1
        if low == high:
            continue
        count = high - low
        if counter:
            for i in range(low + 1, high):
                if starts[i] != 0 and starts[i] < times[i - 1] and starts[i] != starts[i - 1]:
                    overlaps[k] = True
        result = _increase(times, values, starts, low, high, resets)
        to_start = (times[low] - start) / 1000
        to_end = (ends[j] - times[high - 1]) / 1000
        sampled = (times[high - 1] - times[low]) / 1000
        average = sampled / (count - 1) if count > 1 else 0.0
        threshold = average * 1.1
        if counter and starts[low] != 0 and start < starts[low] < times[low]:
            # The series began inside the window, at zero.
            to_start = 0.0
            sampled = (times[high - 1] - starts[low]) / 1000
            result += values[low]
        elif count == 1:
            continue
        else:
            if to_start >= threshold:
                to_start = average / 2
            if counter and result > 0 and values[low] >= 0:
                to_start = min(to_start, sampled * (values[low] / result))
        if to_end >= threshold:
            to_end = average / 2
        factor = 1.0
        if sampled != 0:
            factor = (sampled + to_start + to_end) / sampled
        if per_second:
            factor /= seconds
        out[k, j] = result * factor
        present[k, j] = True


@kernel
def last_two(
    rate: bool,
    first: Ints,
    last: Ints,
    times: Ints,
    values: Floats,
    starts: Ints,
    ends: Ints,
    width: int,
    out: Floats,
    present: Bools,
) -> None:
    """Irate (`rate`) and idelta, from the last two samples of a window."""
    for k in range(len(first)):
        high = after(times, first[k], last[k], ends[0] - width)
        for j in range(len(ends)):
            while high < last[k] and times[high] <= ends[j]:
                high += 1
            i = high - 1
            if i - 1 < first[k] or times[i - 1] <= ends[j] - width:
                continue
            result = values[i]
            if not rate or not _is_reset(times, values, starts, i):
                result = values[i] - values[i - 1]
            if rate:
                result /= (times[i] - times[i - 1]) / 1000
            out[k, j] = result
            present[k, j] = True


@kernel
def count_resets(
    first: Ints,
    last: Ints,
    times: Ints,
    values: Floats,
    starts: Ints,
    ends: Ints,
    width: int,
    lookback: int,
    out: Floats,
    present: Bools,
) -> None:
    """How often a counter was reset in a window; with a `lookback`, since the sample in front of it."""
    for k in range(len(first)):
        high = low = after(times, first[k], last[k], ends[0] - width)
        resets = 0
        for j in range(len(ends)):
            while high < last[k] and times[high] <= ends[j]:
                if high > low and _is_reset(times, values, starts, high):
                    resets += 1
                high += 1
            while low < high and times[low] <= ends[j] - width:
                if low + 1 < high and _is_reset(times, values, starts, low + 1):
                    resets -= 1
                low += 1
            if high > low:
                out[k, j] = resets
                present[k, j] = True
                anchored = lookback > 0 and low > first[k] and times[low - 1] > ends[j] - width - lookback
                if anchored and _is_reset(times, values, starts, low):
                    out[k, j] += 1


@inlined
def interpolate(time_1: int, value_1: float, time_2: int, value_2: float, moment: int, counter: int) -> float:
    """The value at a moment between two samples; a counter that was reset in between starts from zero."""
    if counter and value_2 < value_1:
        value_1 = 0.0
    return value_1 + (value_2 - value_1) * float(moment - time_1) / float(time_2 - time_1)


@kernel
def extended(
    counter: bool,
    per_second: bool,
    smoothed: bool,
    first: Ints,
    last: Ints,
    times: Ints,
    values: Floats,
    ends: Ints,
    width: int,
    lookback: int,
    stop: Ints,
    out: Floats,
    present: Bools,
) -> None:
    """rate, increase and delta over a range that is anchored at the samples before it, or smoothed at both ends.

    When `stop` is set, the rest of the windows is left out.
    """
    for k in range(len(first)):
        for j in range(len(ends)):
            if stop[0] != 0:
                return
            start, end = ends[j] - width, ends[j]
            low = after(times, first[k], last[k], start - lookback)
            high = after(times, low, last[k], end + lookback if smoothed else end)
            if low == high:
                continue
            final = high - 1
            begin = max(low, after(times, low, final, start) - 1)
            if smoothed:
                final = after(times, low, final, end - 1)
            if times[final] <= start or (smoothed and times[begin] > end):
                continue
            left, right = values[begin], values[final]
            if smoothed and times[begin] < start:
                left = interpolate(times[begin], values[begin], times[begin + 1], values[begin + 1], start, counter)
            if smoothed and final > low and times[final] > end:
                right = interpolate(times[final - 1], values[final - 1], times[final], values[final], end, counter)
            result = right - left
            if counter:
                from_, to = begin, final
                if times[begin] <= start:
                    from_ += 1
                if times[final] >= end:
                    to -= 1
                previous = left
                for i in range(from_, to + 1):
                    if values[i] < previous:
                        result += previous
                    previous = values[i]
                if right < previous:
                    result += previous
            out[k, j] = result / (width / 1000) if per_second else result
            present[k, j] = True


@kernel
def smoothed_latest(
    first: Ints, last: Ints, times: Ints, values: Floats, ends: Ints, lookback: int, out: Floats, present: Bools
) -> None:
    """A smoothed instant selector: interpolated between its neighbours within the lookback, else the one before."""
    for k in range(len(first)):
        for j in range(len(ends)):
            low = after(times, first[k], last[k], ends[j] - lookback)
            high = after(times, low, last[k], ends[j] + lookback)
            i = after(times, low, high, ends[j] - 1)
            if i < high and times[i] == ends[j]:
                out[k, j] = values[i]
            elif low < i < high:
                out[k, j] = interpolate(times[i - 1], values[i - 1], times[i], values[i], ends[j], 0)
            elif i > low:
                out[k, j] = values[i - 1]
            else:
                continue
            present[k, j] = True


@kernel
def latest(first: Ints, last: Ints, times: Ints, bits: Ints, ends: Ints, lookback: int, chosen: Ints) -> None:
    """The index of the sample that an instant selector sees at each step, or -1; a stale marker ends a series."""
    stale = np.int64(0x7FF0000000000002)
    for k in range(len(first)):
        i = after(times, first[k], last[k], ends[0])
        for j in range(len(ends)):
            while i < last[k] and times[i] <= ends[j]:
                i += 1
            sees = i > first[k] and times[i - 1] > ends[j] - lookback and bits[i - 1] != stale
            chosen[k, j] = i - 1 if sees else -1
