# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FBT001, PLR0917, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,operator,return-value"
"""The sums of delta points, by kind: what `delta_kernel` adds to a stream's record and writes for it.

A record's exponential histogram has as many buckets a side as SDKs keep by default. Where more would be needed, its
scale is lowered, which merges neighbours: bucket i of a scale is bucket i >> 1 of the next lower one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import part
from vedette.server.ingest.protobuf_kernel import (
    BYTES,
    PADDED,
    copy,
    field,
    fixed64,
    put_bits,
    put_fixed64,
    put_length,
    put_varint,
    signed,
    varint,
)

__all__ = [
    "CAPACITY",
    "EXPONENTIAL_WORDS",
    "HISTOGRAM_WORDS",
    "NUMBER_WORDS",
    "SEEN",
    "START",
    "TIME",
    "add_exponential",
    "add_histogram",
    "add_number",
    "last",
    "numbers_in",
]

# Places in a record: the words that it may take, when it was seen last (seconds), start and last time, and its kind.
CAPACITY, SEEN, START, TIME, _KIND = range(5)
_VALUE = 5
_COUNT, _SUM, _HAS_SUM, _BOUNDS, _BUCKETS, _FIRST_BUCKET = range(5, 11)
_SCALE, _ZERO_COUNT, _ZERO_THRESHOLD, _FIRST_SIDE = range(8, 12)  # behind _COUNT, _SUM, _HAS_SUM
_SIDE_BUCKETS = 160
_SIDE_WORDS = 2 + _SIDE_BUCKETS
"""The index of the first bucket, how many there are, and their counts."""
NUMBER_WORDS, HISTOGRAM_WORDS, EXPONENTIAL_WORDS = 6, _FIRST_BUCKET, _FIRST_SIDE + 2 * _SIDE_WORDS
_INT, _DOUBLE, _HISTOGRAM, _EXPONENTIAL = 1, 2, 3, 4
# The fields of a point that are written anew or left out, as bits.
_NUMBER_FIELDS = 1 << 2 | 1 << 4 | 1 << 6
_HISTOGRAM_FIELDS = 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 11 | 1 << 12
_EXPONENTIAL_FIELDS = 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 12 | 1 << 13 | 1 << 14


@part
def last(data: Any, at: int, end: int, wanted: int) -> int:
    """Where the value of the last field of a number begins, -1 if there is none."""
    found = np.int64(-1)
    while at < end:
        number, _, begin, at, _ = field(data, at, end)
        if number == wanted:
            found = begin
    return found


@part
def numbers_in(data: Any, at: int, end: int, wanted: int) -> int:
    """How many numbers of 64 bits the occurrences of a field hold, packed or not."""
    count = np.int64(0)
    while at < end:
        number, _, begin, at, _ = field(data, at, end)
        if number == wanted:
            count += (at - begin) // 8
    return count


@part
def _double(bits: Any) -> float:
    return np.array([bits]).view(np.float64)[0]


@part
def _bits(value: float) -> Any:
    return np.array([value]).view(np.uint64)[0]


@part
def _copy_others(data: Any, at: int, end: int, written: int, out: Any, to: int) -> int:
    """The fields of a point that are not written anew."""
    while at < end:
        begin = at
        number, _, _, at, _ = field(data, at, end)
        if number > 62 or not written >> number & 1:
            to = copy(out, to, data, begin, at)
    return to


@part
def _begin_anew(data: Any, at: int, end: int, words: Any, record: int, size: int, kind: int) -> None:
    """Empty a record that belonged to points of another shape; what is summed from here on has the point's start."""
    start = last(data, at, end, 2)
    words[record + START] = fixed64(data, start) if start >= 0 else np.uint64(0)
    words[record + _KIND : record + size] = 0
    words[record + _KIND], words[record + _HAS_SUM] = np.uint64(kind), np.uint64(1)


@part
def _add_count_and_sum(data: Any, at: int, end: int, words: Any, record: int) -> None:
    count, total = last(data, at, end, 4), last(data, at, end, 5)
    if count >= 0:
        words[record + _COUNT] += fixed64(data, count)
    if total >= 0:
        words[record + _SUM] = _bits(_double(words[record + _SUM]) + _double(fixed64(data, total)))
    else:
        words[record + _HAS_SUM] = np.uint64(0)


@part
def _put_head(words: Any, record: int, out: Any, to: int) -> int:
    """Start time, count and sum of a histogram."""
    to = put_fixed64(out, to, 0x11, words[record + START])
    to = put_fixed64(out, to, 0x21, words[record + _COUNT])
    return put_fixed64(out, to, 0x29, words[record + _SUM]) if words[record + _HAS_SUM] else to


@part
def add_number(data: Any, at: int, end: int, words: Any, record: int, again: bool, out: Any, to: int) -> int:
    """Add a point's value, whole numbers as such while all are, and write the sum."""
    double, whole = last(data, at, end, 4), last(data, at, end, 6)
    is_whole = whole > double
    if not again:
        bits = fixed64(data, whole if is_whole else double)
        kind = words[record + _KIND]
        if kind == 0:
            words[record + _KIND], words[record + _VALUE] = np.uint64(_INT if is_whole else _DOUBLE), bits
        elif kind == _INT and is_whole:
            words[record + _VALUE] += bits
        else:
            before = float(np.int64(words[record + _VALUE])) if kind == _INT else _double(words[record + _VALUE])
            value = float(np.int64(bits)) if is_whole else _double(bits)
            words[record + _KIND], words[record + _VALUE] = np.uint64(_DOUBLE), _bits(before + value)
    to = put_fixed64(out, to, 0x11, words[record + START])
    to = put_fixed64(out, to, 0x31 if words[record + _KIND] == _INT else 0x21, words[record + _VALUE])
    return _copy_others(data, at, end, _NUMBER_FIELDS, out, to)


@part
def add_histogram(data: Any, at: int, end: int, words: Any, record: int, again: bool, out: Any, to: int) -> int:
    """Add a point's counts to those of the same bounds, and write the sums. Other bounds begin anew."""
    buckets = np.uint64(numbers_in(data, at, end, 6))
    bounds = np.uint64(14695981039346656037)
    place = at
    while place < end:
        number, _, begin, place, _ = field(data, place, end)
        while number == 7 and begin < place:
            bounds = (bounds ^ fixed64(data, begin)) * np.uint64(0x9E3779B97F4A7C15)
            begin += 8
    if words[record + _KIND] == 0 or words[record + _BOUNDS] != bounds or words[record + _BUCKETS] != buckets:
        _begin_anew(data, at, end, words, record, _FIRST_BUCKET + np.int64(buckets), _HISTOGRAM)
        words[record + _BOUNDS], words[record + _BUCKETS] = bounds, buckets
        again = False
    if not again:
        _add_count_and_sum(data, at, end, words, record)
        bucket = record + _FIRST_BUCKET
        place = at
        while place < end:
            number, _, begin, place, _ = field(data, place, end)
            while number == 6 and begin < place:
                words[bucket] += fixed64(data, begin)
                bucket += 1
                begin += 8
    to = _put_head(words, record, out, to)
    out[to] = 0x32
    length = to + 1
    to = length + PADDED
    for i in range(np.int64(words[record + _BUCKETS])):
        to = put_bits(out, to, words[record + _FIRST_BUCKET + i])
    put_length(out, length, to - length - PADDED)
    return _copy_others(data, at, end, _HISTOGRAM_FIELDS, out, to)


@part
def _buckets(data: Any, at: int, end: int, shift: int, first: int, counts: Any) -> tuple[int, int]:
    """Walk a Buckets message: the indexes of its first and last bucket with a count, (0, -1) if there is none.

    Where `counts` has room, the counts are added to it, bucket i to ``counts[(i >> shift) - first]``.
    """
    offset = last(data, at, end, 1)
    index = signed(varint(data, offset, end)[0]) if offset >= 0 else np.int64(0)
    low, high = np.int64(0), np.int64(-1)
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if number != 2:
            continue
        while begin < at:
            if kind == BYTES:
                value, begin = varint(data, begin, at)
            else:
                begin = at
            if value != 0:
                low = index if high < low else low
                high = index
                if len(counts):
                    counts[(index >> shift) - first] += np.uint64(value)
            index += 1
    return low, high


@part
def _side_of(data: Any, at: int, end: int, wanted: int) -> tuple[int, int]:
    """Where the last Buckets message of a point begins and ends."""
    found, found_end = np.int64(0), np.int64(0)
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number == wanted and kind == BYTES:
            found, found_end = begin, at
    return found, found_end


@part
def _common_scale(data: Any, at: int, end: int, words: Any, record: int, scale: int) -> int:
    """The highest scale at which what a record and a point of some scale have together fits the record."""
    own = np.int64(words[record + _SCALE])
    found = min(own, scale)
    nothing = np.empty(0, np.uint64)
    for side in range(2):
        place = record + _FIRST_SIDE + side * _SIDE_WORDS
        begin, stop = _side_of(data, at, end, 8 + side)
        low, high = _buckets(data, begin, stop, 0, 0, nothing)
        first, size = np.int64(words[place]), np.int64(words[place + 1])
        while True:
            least, most = low >> (scale - found), high >> (scale - found)
            if size:
                before, behind = first >> (own - found), (first + size - 1) >> (own - found)
                least, most = (before, behind) if high < low else (min(before, least), max(behind, most))
            if most - least < _SIDE_BUCKETS:
                break
            found -= 1
    return found


@part
def _merge_side(data: Any, begin: int, stop: int, words: Any, record: int, side: int, scale: int, common: int) -> None:
    """Add a point's buckets to a record's, both brought to a common scale."""
    place = record + _FIRST_SIDE + side * _SIDE_WORDS
    own = np.int64(words[record + _SCALE])
    low, high = _buckets(data, begin, stop, 0, 0, np.empty(0, np.uint64))
    first, size = np.int64(words[place]), np.int64(words[place + 1])
    if size == 0 and high < low:
        return
    least, most = low >> (scale - common), high >> (scale - common)
    if size:
        before, behind = first >> (own - common), (first + size - 1) >> (own - common)
        least, most = (before, behind) if high < low else (min(before, least), max(behind, most))
    counts = np.zeros(_SIDE_BUCKETS, np.uint64)
    for i in range(size):
        counts[((first + i) >> (own - common)) - least] += words[place + 2 + i]
    _buckets(data, begin, stop, scale - common, least, counts)
    words[place], words[place + 1] = np.uint64(least), np.uint64(most - least + 1)
    for i in range(_SIDE_BUCKETS):  # assigning a slice would compile seconds longer
        words[place + 2 + i] = counts[i]


@part
def _widen_zero(words: Any, record: int) -> None:
    """Move what lies within the zero bucket into it."""
    threshold = _double(words[record + _ZERO_THRESHOLD])
    width = 2.0 ** -float(np.int64(words[record + _SCALE]))
    for side in range(2):
        place = record + _FIRST_SIDE + side * _SIDE_WORDS
        for i in range(np.int64(words[place + 1])):
            if 2.0 ** (float(np.int64(words[place]) + i + 1) * width) <= threshold:
                words[record + _ZERO_COUNT] += words[place + 2 + i]
                words[place + 2 + i] = np.uint64(0)


@part
def add_exponential(data: Any, at: int, end: int, words: Any, record: int, again: bool, out: Any, to: int) -> int:
    """Add a point's counts at the scale that both fit, and write the sums."""
    if not again:
        found = last(data, at, end, 6)
        scale = signed(varint(data, found, end)[0]) if found >= 0 else np.int64(0)
        if words[record + _KIND] == 0:
            _begin_anew(data, at, end, words, record, EXPONENTIAL_WORDS, _EXPONENTIAL)
            words[record + _SCALE] = np.uint64(scale)
        _add_count_and_sum(data, at, end, words, record)
        common = _common_scale(data, at, end, words, record, scale)
        for side in range(2):
            begin, stop = _side_of(data, at, end, 8 + side)
            _merge_side(data, begin, stop, words, record, side, scale, common)
        words[record + _SCALE] = np.uint64(common)
        zeros, threshold = last(data, at, end, 7), last(data, at, end, 14)
        if zeros >= 0:
            words[record + _ZERO_COUNT] += fixed64(data, zeros)
        widest = _double(fixed64(data, threshold)) if threshold >= 0 else 0.0
        if widest > _double(words[record + _ZERO_THRESHOLD]):
            words[record + _ZERO_THRESHOLD] = _bits(widest)
        if words[record + _ZERO_THRESHOLD]:
            _widen_zero(words, record)
    to = _put_exponential(words, record, out, _put_head(words, record, out, to))
    return _copy_others(data, at, end, _EXPONENTIAL_FIELDS, out, to)


@part
def _put_zigzag(out: Any, at: int, tag: int, value: int) -> int:
    out[at] = tag
    return put_varint(out, at + 1, (value << 1) ^ (value >> 63))


@part
def _put_exponential(words: Any, record: int, out: Any, to: int) -> int:
    to = _put_zigzag(out, to, 0x30, np.int64(words[record + _SCALE]))
    to = put_fixed64(out, to, 0x39, words[record + _ZERO_COUNT])
    to = put_fixed64(out, to, 0x71, words[record + _ZERO_THRESHOLD])
    for side in range(2):
        place = record + _FIRST_SIDE + side * _SIDE_WORDS
        out[to] = 0x42 if side == 0 else 0x4A
        length = to + 1
        to = _put_zigzag(out, length + PADDED, 0x08, np.int64(words[place]))
        out[to] = 0x12
        counts = to + 1
        to = counts + PADDED
        for i in range(np.int64(words[place + 1])):
            to = put_varint(out, to, np.int64(words[place + 2 + i]))
        put_length(out, counts, to - counts - PADDED)
        put_length(out, length, to - length - PADDED)
    return to
