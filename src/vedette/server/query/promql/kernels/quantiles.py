"""The quantile of every window (end - width, end] of samples.

Windows that overlap share one sorting: the samples of a stretch are ranked once, and a window is the set of the ranks
of its samples, a bit for each. A sample comes and goes by one bit, and the k-th value of a window is the k-th bit that
is set, which is near the one of the window before.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vedette.server.query.promql.kernels.common import Bools, Floats, Ints, after, inlined, kernel
from vedette.server.query.promql.kernels.machine import lowest, ones
from vedette.server.query.promql.kernels.windows import quantile_sorted

Words = npt.NDArray[np.uint64]
Ranks = npt.NDArray[np.int32]

_STRETCH = 4096
_WINDOWS_OF_A_STRETCH = 4
_DIGITS, _DIGIT_BITS, _DIGIT_VALUES = 8, np.uint64(8), 256
_DIGIT = np.uint64(255)
_SIGN = np.uint64(1 << 63)
_SIGN_PLACE = np.uint64(63)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_WORD_SHIFT, _WORD_BITS, _IN_WORD = 6, 64, 63
_HALF = 32


@inlined
def _in_order(values: Floats, low: int, high: int, ordered: Floats) -> int:
    """Write the values of a window in order, without NaN; gives how many these are."""
    count = 0
    for i in range(low, high):
        if not np.isnan(values[i]):
            ordered[count] = values[i]
            count += 1
    ordered[:count].sort()
    return count


@inlined
def _sort(keys: Words, order: Ranks, spare_keys: Words, spare_order: Ranks, count: int) -> bool:
    """Sort by the keys, a digit after the other, lowest first; whether what is sorted stands in the spare arrays."""
    totals = np.zeros((_DIGITS, _DIGIT_VALUES), np.int32)
    for i in range(count):
        key = keys[i]
        for digit in range(_DIGITS):
            totals[digit, np.int64(key & _DIGIT)] += 1
            key >>= _DIGIT_BITS
    swapped = False
    shift = _ZERO
    for digit in range(_DIGITS):
        if totals[digit, np.int64((keys[0] >> shift) & _DIGIT)] < count:  # else it is the same in all
            place = 0
            for one in range(_DIGIT_VALUES):
                size = totals[digit, one]
                totals[digit, one] = place
                place += size
            for i in range(count):
                own = np.int64((keys[i] >> shift) & _DIGIT)
                place = int(totals[digit, own])
                totals[digit, own] = place + 1
                spare_keys[place] = keys[i]
                spare_order[place] = order[i]
            keys, spare_keys = spare_keys, keys
            order, spare_order = spare_order, order
            swapped = not swapped
        shift += _DIGIT_BITS
    return swapped


@inlined
def _rank(
    values: Floats, low: int, high: int, ordered: Floats, ranks: Ranks, words: tuple[Words, Words], places: Ranks
) -> int:
    """Write the values in order, without NaN, and the rank of each, -1 for NaN; gives how many have one."""
    keys, spare_keys = words
    size = len(places) >> 1
    order, spare_order = places[:size], places[size:]
    count, is_rising, previous = 0, True, -np.inf
    for i in range(low, high):
        ranks[i - low] = -1
        if not np.isnan(values[i]):
            is_rising = is_rising and previous <= values[i]
            previous = ordered[count] = values[i]
            order[count] = i - low
            count += 1
    if not is_rising:
        bits = ordered.view(np.uint64)
        for i in range(count):  # so that unsigned numbers have the values' order
            keys[i] = ~bits[i] if bits[i] >> _SIGN_PLACE else bits[i] | _SIGN
        if _sort(keys, order, spare_keys, spare_order, count):
            order = spare_order
        for rank in range(count):
            ordered[rank] = values[low + order[rank]]
    for rank in range(count):
        ranks[order[rank]] = rank
    return count


@inlined
def _place_of(word: np.uint64, number: int) -> int:
    """The place of the bit that so many set ones of the word are below."""
    place, half = 0, _HALF
    while half > 0:
        below = ones(word & ((_ONE << np.uint64(half)) - _ONE))
        if below <= number:
            number -= below
            word >>= np.uint64(half)
            place += half
        half >>= 1
    return place


@inlined
def _interpolated(ordered: Floats, members: Words, count: int, nans: int, q: float, cursor: Ints) -> float:
    """The quantile of a window, NaN first; `cursor` is a word, and how many members are in those before it."""
    rank = q * (count + nans - 1)
    lower = max(0, int(np.floor(rank)))
    if lower < nans:
        return np.nan
    number = lower - nans
    word, before = cursor[0], cursor[1]
    while before > number:
        word -= 1
        before -= ones(members[word])
    inside = ones(members[word])
    while before + inside <= number:
        before += inside
        word += 1
        inside = ones(members[word])
    cursor[0], cursor[1] = word, before
    place = _place_of(members[word], number - before)
    value = above = ordered[(word << _WORD_SHIFT) + place]
    if number + 1 < count:
        rest = members[word] & ~((_ONE << np.uint64(place)) | ((_ONE << np.uint64(place)) - _ONE))
        while rest == _ZERO:
            word += 1
            rest = members[word]
        above = ordered[(word << _WORD_SHIFT) + lowest(rest)]
    weight = rank - np.floor(rank)
    return value * (1 - weight) + above * weight


@inlined
def _quantile(ordered: Floats, members: Words, count: int, nans: int, q: float, cursor: Ints) -> float:
    if np.isnan(q) or q < 0 or q > 1:
        return quantile_sorted(ordered, count + nans, q)
    return _interpolated(ordered, members, count, nans, q, cursor)


@inlined
def _slide(
    stretch: tuple[int, int, int, int],
    times: Ints,
    ranks: Ranks,
    ordered: Floats,
    members: Words,
    ends: Ints,
    width: int,
    quantiles: Floats,
    out: Floats,
    present: Bools,
) -> None:
    """The quantiles of the windows from one to before another, whose samples are ranked in a stretch that begins."""
    begin, high, j, beyond = stretch
    low = begin
    members[:] = _ZERO
    cursor = np.zeros(2, np.int64)
    limit = begin + len(ranks)
    count = nans = 0
    for window in range(j, beyond):
        while high < limit and times[high] <= ends[window]:
            rank = np.int64(ranks[high - begin])
            if rank < 0:
                nans += 1
            else:
                members[rank >> _WORD_SHIFT] |= _ONE << np.uint64(rank & _IN_WORD)
                cursor[1] += rank >> _WORD_SHIFT < cursor[0]
                count += 1
            high += 1
        while low < high and times[low] <= ends[window] - width:
            rank = np.int64(ranks[low - begin])
            if rank < 0:
                nans -= 1
            else:
                members[rank >> _WORD_SHIFT] &= ~(_ONE << np.uint64(rank & _IN_WORD))
                cursor[1] -= rank >> _WORD_SHIFT < cursor[0]
                count -= 1
            low += 1
        if count + nans > 0:
            present[window] = True
            out[window] = _quantile(ordered, members, count, nans, quantiles[window], cursor)


@kernel
def quantile_over_time(
    first: Ints,
    last: Ints,
    times: Ints,
    values: Floats,
    ends: Ints,
    width: int,
    quantiles: Floats,
    stop: Ints,
    out: Floats,
    present: Bools,
) -> None:
    """The quantile of every window; NaN sorts first. `ends` rise.

    A stretch has a few windows' samples, so that ranking it stays in the processor's cache and its set of ranks short;
    a window that shares nothing with the next one is sorted alone. When `stop` is set, the rest is left out.
    """
    longest = 0
    for k in range(len(first)):
        longest = max(longest, last[k] - first[k])
    ordered, ranks = np.empty(longest), np.empty(longest, np.int32)
    words, places = (np.empty(longest, np.uint64), np.empty(longest, np.uint64)), np.empty(2 * longest, np.int32)
    members = np.empty((longest >> _WORD_SHIFT) + 1, np.uint64)
    for k in range(len(first)):
        j, low = 0, first[k]
        while j < len(ends):
            if stop[0] != 0:
                return
            low = after(times, low, last[k], ends[j] - width)
            high = after(times, low, last[k], ends[j])
            beyond = j + 1
            if high == low:
                j = beyond
                continue
            if beyond < len(ends) and ends[beyond] - width < times[high - 1]:
                limit = min(last[k], low + max(_STRETCH, _WINDOWS_OF_A_STRETCH * (high - low)))
                while beyond < len(ends) and (limit == last[k] or ends[beyond] < times[limit]):
                    beyond += 1
                _rank(values, low, limit, ordered, ranks, words, places)
                _slide(
                    (low, low, j, beyond),
                    times,
                    ranks[: limit - low],
                    ordered,
                    members[: ((limit - low) >> _WORD_SHIFT) + 1],
                    ends,
                    width,
                    quantiles,
                    out[k],
                    present[k],
                )
            else:
                count = _in_order(values, low, high, ordered)
                present[k, j] = True
                out[k, j] = _of_one(ordered, count, high - low - count, quantiles[j])
            j = beyond


@inlined
def _of_one(ordered: Floats, count: int, nans: int, q: float) -> float:
    if nans == 0 or np.isnan(q) or q < 0 or q > 1:
        return quantile_sorted(ordered, count + nans, q)
    rank = q * (count + nans - 1)
    lower = max(0, int(np.floor(rank)))
    upper = min(count + nans - 1, lower + 1)
    if lower < nans:
        return np.nan
    weight = rank - np.floor(rank)
    return ordered[lower - nans] * (1 - weight) + ordered[upper - nans] * weight
