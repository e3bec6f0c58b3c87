"""Compiled loops over samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.server.compiled import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["assemble", "fit_tails", "trim", "warm_up"]


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
    """Lay chunks one after the other in `order`; tells whether the times ascend strictly within each owner."""
    at = 0
    ascending = True
    owner, before = np.int64(-1), np.int64(0)
    for chunk in order:
        if owners[chunk] != owner:
            owner, before = owners[chunk], np.int64(-(2**62))
        base = bases_ms[chunk]
        for i in range(begins[chunk], ends[chunk]):
            time = base + offsets_ms[i]
            ascending &= time > before
            before = time
            times_out[at] = time
            values_out[at] = values[i]
            at += 1
    return ascending


@compiled
def fit_tails(  # noqa: PLR0917
    owners: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    lasts: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    known_times: npt.NDArray[np.int64],
    since: npt.NDArray[np.int64],
    skip: npt.NDArray[np.int64],
    late: npt.NDArray[np.bool_],
) -> None:
    """See how samples read anew fit behind those that are known.

    Group `g` is owner `owners[g]`'s samples ``firsts[g]:lasts[g]``, ascending; an owner occurs once and knows
    ``known_times[begins[owner]:ends[owner]]`` since ``since[owner]``. `skip[g]` becomes how many of the group are not
    behind the last known one, `late[g]` whether one of those is new, which an appended array cannot take.
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
                elif known_times[low] == times[i]:
                    low += 1
                    i += 1
                else:
                    late[g] = True
                    break
        skip[g] = i - firsts[g]


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
    assemble(none, none, none, none, none, np.empty(0, np.uint32), numbers, none, numbers)
    fit_tails(none, none, none, none, none, none, none, none, none, np.empty(0, np.bool_))
    trim(none, none, none, 0, 0)
