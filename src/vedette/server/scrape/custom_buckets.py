# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FBT001
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""From a classic histogram to a native one with custom buckets, by compiled code.

As Prometheus does it for ``convert_classic_histograms_to_nhcb``: buckets may come in any order, the first of equal ones
counts; without a count that of the highest bucket is taken, without ``le="+Inf"`` the count is its value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vedette.server.compiled import lean
from vedette.server.ingest.protobuf_kernel import put_bits, put_fixed64, put_length, put_varint

__all__ = [
    "FAULTS",
    "LEAST_ROOM",
    "ROOM_FOR_A_BUCKET",
    "Gathered",
    "add_bucket",
    "clear",
    "gathered",
    "put_histogram",
    "set_count",
    "set_sum",
]

FAULTS = (
    "",
    "a count is negative",
    "a bucket has no bound",
    "its buckets are not cumulative",
    "its count is not that of its highest bucket",
)
"""What keeps a classic histogram from becoming a native one."""
_NEGATIVE, _NO_BOUND, _NOT_CUMULATIVE, _MISMATCH = 1, 2, 3, 4
_COUNT, _SUM = 0, 1
_SIZE, _HAS_COUNT, _IN_ORDER, _FAULT = range(4)
ROOM_FOR_A_BUCKET = 36
"""The bytes that a bucket may take as remote write has it: a span, a count, a bound."""
LEAST_ROOM = 128
"""The bytes of a histogram without its buckets."""
_MOST_WHOLE = 9.223372036854775e18
_WHOLE_GAP = 2  # empty buckets between others are written, not skipped, up to this many; Prometheus counts them as well
_PADDED = 5


class Gathered(NamedTuple):
    """The buckets of one histogram. What ends with ``bits`` is the same memory as integers."""

    bounds: Any
    bound_bits: Any
    counts: Any
    count_bits: Any
    totals: Any
    total_bits: Any
    other_bounds: Any
    other_counts: Any
    other_bits: Any
    state: Any


def gathered(room: int) -> Gathered:
    """Memory for a histogram of `room` buckets, one of which is for ``+Inf``."""
    bounds, counts, totals = np.empty(room), np.empty(room), np.zeros(2)
    bits = [numbers.view(np.uint64) for numbers in (bounds, counts, totals)]
    others = np.empty(room)
    more = np.empty(room), others, others.view(np.uint64)
    return Gathered(bounds, bits[0], counts, bits[1], totals, bits[2], *more, np.zeros(4, np.int64))


@lean
def clear(found: Any) -> None:
    """Begin a histogram."""
    found.totals[_COUNT] = found.totals[_SUM] = 0.0
    found.state[_SIZE] = found.state[_HAS_COUNT] = found.state[_FAULT] = 0
    found.state[_IN_ORDER] = 1


@lean
def add_bucket(found: Any, bound: float, count: float) -> None:
    """Add how many observations are up to a bound."""
    state = found.state
    if np.isnan(bound):
        state[_FAULT] = state[_FAULT] or _NO_BOUND
    if count < 0:
        state[_FAULT] = state[_FAULT] or _NEGATIVE
    size = state[_SIZE]
    if size and not found.bounds[size - 1] < bound:
        state[_IN_ORDER] = 0
    found.bounds[size] = bound
    found.counts[size] = count
    state[_SIZE] = size + 1


@lean
def set_count(found: Any, count: float) -> None:
    """Say how many observations there are."""
    if count < 0:
        found.state[_FAULT] = found.state[_FAULT] or _NEGATIVE
    found.totals[_COUNT] = count
    found.state[_HAS_COUNT] = 1


@lean
def set_sum(found: Any, total: float) -> None:
    """Say what the observations are together."""
    found.totals[_SUM] = total


@lean
def _merge(found: Any, width: int, forth: bool) -> None:
    """Merge sorted stretches of `width` buckets to twice as long ones, into the other memory or back."""
    bounds, counts = (found.bounds, found.counts) if forth else (found.other_bounds, found.other_counts)
    to_bounds, to_counts = (found.other_bounds, found.other_counts) if forth else (found.bounds, found.counts)
    size = found.state[_SIZE]
    begin = 0
    while begin < size:
        middle, end = min(begin + width, size), min(begin + 2 * width, size)
        left, right = begin, middle
        for to in range(begin, end):
            # The left one of equal ones first, as it came first.
            if left < middle and (right == end or bounds[left] <= bounds[right]):
                to_bounds[to], to_counts[to] = bounds[left], counts[left]
                left += 1
            else:
                to_bounds[to], to_counts[to] = bounds[right], counts[right]
                right += 1
        begin = end


@lean
def _sort(found: Any) -> None:
    """Bring the buckets into order and keep the first of equal ones."""
    size = found.state[_SIZE]
    width = 1
    forth = True
    while width < size or not forth:  # an even number of times, so that the result is where it was
        _merge(found, width, forth)
        width *= 2
        forth = not forth
    kept = 0
    for i in range(size):
        if not kept or found.bounds[kept - 1] != found.bounds[i]:
            found.bounds[kept], found.counts[kept] = found.bounds[i], found.counts[i]
            kept += 1
    found.state[_SIZE] = kept


@lean
def _is_whole(count: float) -> bool:
    return count == np.floor(count) and count < _MOST_WHOLE


@lean
def _complete(found: Any) -> int:
    """Bring the buckets into order and add what is missing. Returns 0 or a fault."""
    state, bounds, counts, totals = found.state, found.bounds, found.counts, found.totals
    if state[_FAULT]:
        return state[_FAULT]
    if not state[_IN_ORDER]:
        _sort(found)
    size = state[_SIZE]
    for i in range(1, size):
        if counts[i] < counts[i - 1]:
            return _NOT_CUMULATIVE
    if size and not state[_HAS_COUNT]:
        totals[_COUNT] = counts[size - 1]
    if not size or bounds[size - 1] != np.inf:
        bounds[size], counts[size] = np.inf, totals[_COUNT]
        if size and counts[size] < counts[size - 1]:
            return _NOT_CUMULATIVE
        state[_SIZE] = size = size + 1
    return 0 if totals[_COUNT] == counts[size - 1] else _MISMATCH


@lean
def _put_span(out: Any, to: int, offset: int, length: int) -> int:
    out[to] = 0x5A
    begin = to + 2
    out[begin] = 0x08
    to = put_varint(out, begin + 1, offset << 1)
    out[to] = 0x10
    to = put_varint(out, to + 1, length)
    out[begin - 1] = to - begin
    return to


@lean
def _is_empty(counts: Any, at: int) -> bool:
    return counts[at] == (counts[at - 1] if at else 0.0)


@lean
def _put_spans(found: Any, out: Any, to: int, widest_gap: int) -> int:
    """Which buckets are written: those that are not empty, and narrow gaps between them."""
    counts = found.counts
    begin = length = end = 0
    for i in range(found.state[_SIZE]):
        if _is_empty(counts, i):
            continue
        if length and i - begin - length <= widest_gap:
            length = i - begin + 1
            continue
        if length:
            to = _put_span(out, to, begin - end, length)
            end = begin + length
        begin, length = i, 1
    return _put_span(out, to, begin - end, length) if length else to


@lean
def _put_whole_counts(found: Any, out: Any, to: int) -> int:
    """The counts of the buckets as integers: each is told as its difference to the one before."""
    counts = found.counts
    out[to] = 0x62
    begin = to = to + 1 + _PADDED
    before = np.int64(0)
    last = -1
    for i in range(found.state[_SIZE]):
        if _is_empty(counts, i):
            continue
        if last >= 0 and i - last - 1 <= _WHOLE_GAP:
            for _ in range(i - last - 1):
                to = put_varint(out, to, (-before << 1) ^ (-before >> 63))
                before = np.int64(0)
        count = np.int64(counts[i]) - (np.int64(counts[i - 1]) if i else np.int64(0))
        delta = count - before
        to = put_varint(out, to, (delta << 1) ^ (delta >> 63))
        before, last = count, i
    put_length(out, begin - _PADDED, to - begin)
    return to


@lean
def _put_float_counts(found: Any, out: Any, to: int) -> int:
    """The counts of the buckets as floats."""
    counts = found.counts
    out[to] = 0x6A
    begin = to = to + 1 + _PADDED
    for i in range(found.state[_SIZE]):
        if not _is_empty(counts, i):
            found.other_counts[i] = counts[i] - (counts[i - 1] if i else 0.0)
            to = put_bits(out, to, found.other_bits[i])
    put_length(out, begin - _PADDED, to - begin)
    return to


@lean
def put_histogram(found: Any, out: Any, to: int, time_ms: int, is_gauge: bool) -> int:
    """Write the histogram as remote write has it. Returns where it ends, or minus the fault that keeps it from that.

    There is room for ``LEAST_ROOM`` bytes, and for ``ROOM_FOR_A_BUCKET`` for each bucket.
    """
    fault = _complete(found)
    if fault:
        return -fault
    size, totals = found.state[_SIZE], found.totals
    are_whole = True
    for i in range(size):
        are_whole = are_whole and _is_whole(found.counts[i])
    if are_whole:
        out[to] = 0x08
        to = put_varint(out, to + 1, np.int64(totals[_COUNT]))
    else:
        to = put_fixed64(out, to, 0x11, found.total_bits[_COUNT])
    to = put_fixed64(out, to, 0x19, found.total_bits[_SUM])
    out[to], out[to + 1] = 0x20, 0x69  # the schema of custom buckets, -53
    begin = to + 2
    to = _put_spans(found, out, begin, _WHOLE_GAP if are_whole else 0)
    if to > begin:  # the tables take no packed field without numbers
        to = _put_whole_counts(found, out, to) if are_whole else _put_float_counts(found, out, to)
    if is_gauge:
        out[to], out[to + 1] = 0x70, 0x03
        to += 2
    out[to] = 0x78
    to = put_varint(out, to + 1, time_ms)
    if size == 1:
        return to
    out[to], out[to + 1] = 0x82, 0x01
    put_length(out, to + 2, 8 * (size - 1))
    to += 2 + _PADDED
    for i in range(size - 1):
        to = put_bits(out, to, found.bound_bits[i])
    return to
