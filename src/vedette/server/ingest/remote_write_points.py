# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, C901, FBT001, FURB110, PLR0911, PLR0912, PLR0917, PLR1714, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Samples and histograms of remote write, checked and written as the tables read them, by compiled code over the bytes.

Senders may write what the tables' reader refuses or takes for something else: a field twice, packed fields without
numbers, numbers of more bytes than they need, fields that nobody knows. What is written here has each field once, in as
few bytes as it takes, so it is never longer than what was read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import lean, part
from vedette.server.ingest.protobuf_kernel import (
    BYTES,
    FIXED64,
    VARINT,
    copy,
    elements,
    field,
    fixed64,
    put_fixed64,
    put_varint,
    varint,
)

__all__ = [
    "LAST_TIME_MS",
    "MALFORMED",
    "NO_ROOM",
    "check_histogram",
    "put_fields",
    "put_histogram",
    "put_sample",
    "varint_size",
]

MALFORMED = -1
NO_ROOM = -2
LAST_TIME_MS = 4_291_747_199_999
_CUSTOM_SCHEMA = -53
_LEAST_SCHEMA, _MOST_SCHEMA = -4, 8
_FARTHEST_BUCKET = 1 << 30
_LAST_HINT = 3
_NUMBERS = 18
_FIXED = 1 << 2 | 1 << 3 | 1 << 5 | 1 << 7
_VARINTS = 1 << 1 | 1 << 4 | 1 << 6 | 1 << 14 | 1 << 15 | 1 << 17
_SPANS = 1 << 8 | 1 << 11
_DELTAS = 1 << 9 | 1 << 12
_COUNTS = 1 << 10 | 1 << 13 | 1 << 16
"""Fields of a histogram by what they hold, a bit each; of the last two there may be many numbers."""


@lean
def varint_size(value: int) -> int:
    """How many bytes a number takes."""
    size = 1
    rest = np.uint64(value) >> np.uint64(7)
    while rest != 0:
        size += 1
        rest >>= np.uint64(7)
    return size


@lean
def _put_within(out: Any, at: int, length: int, width: int) -> None:
    """A length in exactly as many bytes as were left for it."""
    for i in range(width - 1):
        out[at + i] = np.uint8((length >> (7 * i)) & 0x7F) | np.uint8(0x80)
    out[at + width - 1] = np.uint8((length >> (7 * (width - 1))) & 0x7F)


@lean
def put_sample(data: Any, at: int, end: int, wanted: bool, out: Any, to: int) -> int:
    """Write a sample as field 2, if it is wanted, in 40 bytes at most; MALFORMED, or -100 minus a reason."""
    bits = np.uint64(0)
    time = start = seen = np.int64(0)
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if number < 0 or (number == 1 and kind != FIXED64) or ((number == 2 or number == 3) and kind != VARINT):
            return MALFORMED
        if number > 3:
            continue
        seen |= 1 << number
        if number == 1:
            bits = fixed64(data, begin)
        elif number == 2:
            time = value
        else:
            start = value
    if not 0 <= time <= LAST_TIME_MS:
        return -107
    if not wanted:
        return to
    first = to
    out[to] = 0x12
    to += 2
    if seen & 2:
        to = put_fixed64(out, to, 0x09, bits)
    if seen & 4:
        out[to] = 0x10
        to = put_varint(out, to + 1, time)
    if seen & 8:
        out[to] = 0x18
        to = put_varint(out, to + 1, start)
    out[first + 1] = np.uint8(to - first - 2)
    return to


@lean
def _is_kind(number: int, kind: int) -> bool:
    """Whether a field of a histogram has the wire type that it must have; true for fields that nobody knows."""
    if number >= _NUMBERS:
        return True
    bit = 1 << number
    if bit & _FIXED:
        return kind == FIXED64
    if bit & _VARINTS:
        return kind == VARINT
    if bit & _SPANS:
        return kind == BYTES
    return kind == BYTES or kind == (VARINT if bit & _DELTAS else FIXED64)


@lean
def _span(data: Any, at: int, end: int) -> tuple[int, int, int]:
    """A span's offset and length, and which of its fields it has; -1 if it is malformed."""
    offset = length = seen = np.int64(0)
    while at < end:
        number, kind, _, at, value = field(data, at, end)
        if number < 0 or (number <= 2 and kind != VARINT):
            return 0, 0, -1
        if number == 1:
            offset = np.int64(np.uint64(value) >> np.uint64(1)) ^ -(value & 1)
        elif number == 2:
            length = value
        seen |= number if number <= 2 else 0
    return offset, length, seen


@part
def check_histogram(data: Any, at: int, end: int) -> int:
    """0, the reason why it is not valid, or MALFORMED."""
    schema, time = np.int64(0), np.int64(0)
    listed = np.zeros(2, np.int64)
    deltas = np.zeros(2, np.int64)
    floats = np.zeros(2, np.int64)
    bucket = np.zeros(2, np.int64)
    first = np.ones(2, np.bool_)
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if number < 0 or not _is_kind(number, kind):
            return MALFORMED
        if number == 4:
            schema = np.int64(np.uint64(value) >> np.uint64(1)) ^ -(value & 1)
        elif number == 15:
            time = value
        elif number == 8 or number == 11:
            side = 0 if number == 8 else 1
            offset, length, seen = _span(data, begin, at)
            if seen < 0:
                return MALFORMED
            if length < 0 or (offset < 0 and not first[side]):
                return 6
            first[side] = False
            bucket[side] += offset + length
            listed[side] += length
            if abs(offset) > _FARTHEST_BUCKET or abs(bucket[side]) > _FARTHEST_BUCKET:
                return 6
        elif number < _NUMBERS and (1 << number) & (_DELTAS | _COUNTS):
            is_float = (1 << number) & _DELTAS == 0
            count = elements(data, kind, begin, at, is_float)
            if count < 0:
                return MALFORMED
            if number == 9 or number == 12:
                deltas[0 if number == 9 else 1] += count
            elif number != 16:
                floats[0 if number == 10 else 1] += count
    for side in range(2):
        if listed[side] != (floats[side] if floats[side] else deltas[side]):
            return 6
    if schema != _CUSTOM_SCHEMA and not _LEAST_SCHEMA <= schema <= _MOST_SCHEMA:
        return 6
    return 0 if 0 <= time <= LAST_TIME_MS else 7


@part
def _last_ones(data: Any, at: int, end: int) -> Any:
    """Where the fields of a histogram end that count: of those that it may have once, the last."""
    found = np.full(_NUMBERS, -1, np.int64)
    while at < end:
        number, _, _, at, _ = field(data, at, end)
        if number < _NUMBERS:
            found[number] = at
    # Of counts in whole numbers and in others, the last one counts as well.
    for first in (1, 6):
        if found[first] < found[first + 1]:
            found[first] = -1
        else:
            found[first + 1] = -1
    return found


@lean
def _put_span(data: Any, at: int, end: int, number: int, out: Any, to: int) -> int:
    offset, length, seen = _span(data, at, end)
    first = to
    out[to] = number << 3 | BYTES
    to += 2
    if seen & 1:
        out[to] = 0x08
        to = put_varint(out, to + 1, (offset << 1) ^ (offset >> 63))
    if seen & 2:
        out[to] = 0x10
        to = put_varint(out, to + 1, length)
    out[first + 1] = np.uint8(to - first - 2)
    return to


@lean
def _put_numbers(data: Any, at: int, end: int, number: int, out: Any, to: int) -> int:
    """A packed field, which is left out if there is no number in it."""
    if at == end:
        return to
    to = put_varint(out, to, number << 3 | BYTES)
    if (1 << number) & _COUNTS:
        return copy(out, put_varint(out, to, end - at), data, at, end)
    begin, width = to, varint_size(end - at)
    to += width
    while at < end:
        value, at = varint(data, at, end)
        to = put_varint(out, to, value)
    _put_within(out, begin, to - begin - width, width)
    return to


@part
def put_fields(data: Any, at: int, end: int, out: Any, to: int) -> int:
    """Write the fields of a histogram, which is valid; also to where it is read, or before that."""
    last = _last_ones(data, at, end)
    while at < end:
        number, kind, inner, at, value = field(data, at, end)
        if number >= _NUMBERS:
            continue
        bit = 1 << number
        is_last = last[number] == at
        if bit & _SPANS:
            to = _put_span(data, inner, at, number, out, to)
        elif bit & (_DELTAS | _COUNTS) and kind == BYTES:
            to = _put_numbers(data, inner, at, number, out, to)
        elif kind == FIXED64 and (is_last or bit & _COUNTS):
            to = put_varint(out, to, number << 3 | FIXED64)
            to = copy(out, to, data, inner, at)
        elif kind == VARINT and (is_last or bit & _DELTAS) and (number != 14 or 0 <= value <= _LAST_HINT):
            to = put_varint(out, to, number << 3)
            to = put_varint(out, to, value)
    return to


@part
def put_histogram(data: Any, at: int, end: int, out: Any, to: int) -> int:
    """Write a histogram, which is valid, as field 4. It takes eight bytes more than it has, at most."""
    width = varint_size(end - at)
    out[to] = 0x22
    begin = to + 1
    to = put_fields(data, at, end, out, begin + width)
    _put_within(out, begin, to - begin - width, width)
    return to
