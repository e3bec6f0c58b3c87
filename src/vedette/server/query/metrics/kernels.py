"""Compiled loops over samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.server.compiled import compiled, part

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["assemble", "copy_runs", "find_held", "fit_tails", "trim", "warm_up"]


@part
def _sort(  # noqa: PLR0917 - compiled functions take no keywords
    times: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    low: int,
    high: int,
    spare_times: npt.NDArray[np.int64],
    spare_values: npt.NDArray[np.float64],
) -> None:
    """Sort samples by time, those of one time as they came: runs that ascend are merged two by two."""
    runs = 2
    while runs > 1:
        runs, at = 0, low
        while at < high:
            middle = at + 1
            while middle < high and times[middle] >= times[middle - 1]:
                middle += 1
            end = middle + 1
            while end < high and times[end] >= times[end - 1]:
                end += 1
            left, right, size = 0, middle, middle - at
            if middle < high:
                spare_times[:size], spare_values[:size] = times[at:middle], values[at:middle]
                while left < size:
                    if right < end and times[right] < spare_times[left]:
                        times[at], values[at] = times[right], values[right]
                        right += 1
                    else:
                        times[at], values[at] = spare_times[left], spare_values[left]
                        left += 1
                    at += 1
            runs, at = runs + 1, end


@compiled
def assemble(  # noqa: PLR0917 - compiled functions take no keywords
    order: npt.NDArray[np.int64],
    owners: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    bases_ms: npt.NDArray[np.int64],
    offsets_ms: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float64],
    times_out: npt.NDArray[np.int64],
    values_out: npt.NDArray[np.float64],
) -> bool:
    """Lay chunks one after the other in `order`, each sorted; tells whether times ascend strictly within each owner.

    A chunk is what some parts of the table have of it, one behind the other, and each of these ascends.
    """
    longest = 0
    for chunk in order:
        longest = max(longest, ends[chunk] - begins[chunk])
    spare_times, spare_values = np.empty(longest, np.int64), np.empty(longest, np.float64)
    at = 0
    ascending = True
    owner, before = np.int64(-1), np.int64(0)
    for chunk in order:
        if owners[chunk] != owner:
            owner, before = owners[chunk], np.int64(-(2**62))
        base = bases_ms[chunk]
        start, last, in_order = at, before, True
        for i in range(begins[chunk], ends[chunk]):
            time = base + offsets_ms[i]
            in_order &= time > last
            last = time
            times_out[at] = time
            values_out[at] = values[i]
            at += 1
        if not in_order:
            _sort(times_out, values_out, start, at, spare_times, spare_values)
            last = before
            for i in range(start, at):
                ascending &= times_out[i] > last
                last = times_out[i]
        before = last
    return ascending


@compiled
def copy_runs(
    source: npt.NDArray[Any],
    firsts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    target: npt.NDArray[Any],
    begins: npt.NDArray[np.int64],
) -> None:
    """Copy what is at ``firsts[g]`` and behind, `sizes[g]` elements, to ``begins[g]`` of the target."""
    for g in range(len(firsts)):
        first, begin = firsts[g], begins[g]
        for i in range(sizes[g]):
            target[begin + i] = source[first + i]


@compiled
def fit_tails(  # noqa: PLR0917
    owners: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    lasts: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    bits: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    known_times: npt.NDArray[np.int64],
    known_bits: npt.NDArray[np.int64],
    since: npt.NDArray[np.int64],
    skip: npt.NDArray[np.int64],
    late: npt.NDArray[np.bool_],
) -> None:
    """See how samples read anew fit behind those that are known.

    Group `g` is owner `owners[g]`'s samples ``firsts[g]:lasts[g]``, ascending; an owner occurs once and knows
    ``known_times[begins[owner]:ends[owner]]`` since ``since[owner]``. `skip[g]` becomes how many of the group are not
    behind the last known one, `late[g]` whether one of those is new or has another value, which no appended array
    takes. Values are compared by their bits, as a stale marker is a NaN like others.
    """
    for g in range(len(owners)):
        owner = owners[g]
        begin, end = begins[owner], ends[owner]
        i = firsts[g]
        while i < lasts[g] and times[i] < since[owner]:
            i += 1
        if begin < end and i < lasts[g]:
            low, high = begin, end
            while low < high:
                middle = (low + high) // 2
                if known_times[middle] < times[i]:
                    low = middle + 1
                else:
                    high = middle
            while i < lasts[g] and low < end:
                if known_times[low] < times[i]:
                    low += 1
                elif known_times[low] == times[i] and known_bits[low] == bits[i]:
                    low += 1
                    i += 1
                else:
                    late[g] = True
                    break
        skip[g] = i - firsts[g]


@compiled
def find_held(  # noqa: PLR0917
    ordinals: npt.NDArray[np.int64],
    start: int,
    end: int,
    now: float,
    span: int,
    asked: npt.NDArray[np.float64],
    spans: npt.NDArray[np.int64],
    since: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
) -> int:
    """Note that series are asked for, and find their windows' samples between two times, both inclusive.

    Returns how many those are, or -1 where a window does not reach back so far.
    """
    is_held = True
    for i in range(len(ordinals)):
        ordinal = ordinals[i]
        asked[ordinal], spans[ordinal] = now, max(spans[ordinal], span)
        is_held &= since[ordinal] <= start
        first[i], last[i] = begins[ordinal], ends[ordinal]
    return trim(first, last, times, start, end) if is_held else -1


@compiled
def trim(
    first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], times: npt.NDArray[np.int64], start: int, end: int
) -> int:
    """Narrow series to the samples between two times, both inclusive, in place. Returns how many those are."""
    count = 0
    for i in range(len(first)):
        low, high = first[i], last[i]
        while low < high:
            middle = (low + high) // 2
            if times[middle] < start:
                low = middle + 1
            else:
                high = middle
        first[i] = low
        high = last[i]
        while low < high:
            middle = (low + high) // 2
            if times[middle] <= end:
                low = middle + 1
            else:
                high = middle
        last[i] = low
        count += last[i] - first[i]
    return count


def warm_up() -> None:
    """Compile before the first question comes."""
    none: Any = np.empty(0, np.int64)
    numbers: Any = np.empty(0, np.float64)
    read = np.frombuffer(b"", np.uint32), np.frombuffer(b"", np.float64)
    assemble(none, none, none, none, none, *read, none, numbers)
    fit_tails(none, none, none, none, none, none, none, none, none, none, none, np.empty(0, np.bool_))
    trim(none, none, none, 0, 0)
    find_held(none, 0, 0, 0.0, 0, numbers, none, none, none, none, none, none, none)
    copy_runs(none, none, none, none, none)
    copy_runs(numbers, none, none, numbers, none)
