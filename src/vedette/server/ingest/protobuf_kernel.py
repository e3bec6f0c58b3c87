# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FBT001, PLR0917, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Protobuf's wire format for compiled functions: fields read from bytes, and written.

Specification: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import lean

__all__ = [
    "BYTES",
    "FIXED32",
    "FIXED64",
    "MOST_WIDENED",
    "PADDED",
    "VARINT",
    "copy",
    "elements",
    "field",
    "fixed64",
    "put_bits",
    "put_bytes",
    "put_fixed64",
    "put_length",
    "put_varint",
    "signed",
    "varint",
]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""
PADDED = 5
"""The bytes of a length that is written before it is known."""
MOST_WIDENED = 3
"""How many times longer a message may become when its lengths are padded: an empty part of two bytes takes six."""
_DEPTH_BYTES = 10


@lean
def varint(data: Any, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends; -1 as the end if it does not."""
    if at >= end:
        return np.int64(0), -1
    # An index without a sign is not asked whether it counts from the end.
    byte = data[np.uint64(at)]
    if byte < 0x80:
        return np.int64(byte), at + 1
    value = np.uint64(byte & 0x7F)
    shift = np.uint64(7)
    for i in range(at + 1, min(end, at + _DEPTH_BYTES)):
        byte = data[np.uint64(i)]
        value |= np.uint64(byte & 0x7F) << shift
        if byte < 0x80:
            return np.int64(value), i + 1
        shift += np.uint64(7)
    return np.int64(0), -1


@lean
def field(data: Any, at: int, end: int) -> tuple[int, int, int, int, int]:
    """A field as (number, wire type, where its value begins, where it ends, its varint); number -1 if malformed.

    The value of a field of bytes begins behind its length.
    """
    tag, begin = varint(data, at, end)
    if begin < 0 or tag <= 0:
        return -1, 0, 0, 0, 0
    number, kind = tag >> 3, tag & 7
    value = np.int64(0)
    stop = np.int64(-1)
    if kind == VARINT:
        value, stop = varint(data, begin, end)
    elif kind == FIXED64:
        stop = begin + 8
    elif kind == FIXED32:
        stop = begin + 4
    elif kind == BYTES:
        value, begin = varint(data, begin, end)
        if begin >= 0 and 0 <= value <= end - begin:
            stop = begin + value
    if begin < 0 or stop < 0 or stop > end or number == 0:
        return -1, 0, 0, 0, 0
    return number, kind, begin, stop, value


@lean
def elements(data: Any, kind: int, begin: int, end: int, fixed: bool) -> int:
    """How many numbers a repeated field's occurrence holds, packed or not; -1 if malformed."""
    if kind != BYTES:
        return 1
    if fixed:
        return (end - begin) // 8 if (end - begin) % 8 == 0 else -1
    count = 0
    while begin < end:
        _, begin = varint(data, begin, end)
        if begin < 0:
            return -1
        count += 1
    return count


@lean
def put_varint(out: Any, at: int, value: int) -> int:
    """A number. Returns where it ends, as all that writes here does."""
    rest = np.uint64(value)
    while rest > np.uint64(0x7F):
        out[at] = np.uint8(rest & np.uint64(0x7F)) | np.uint8(0x80)
        rest >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(rest)
    return at + 1


@lean
def copy(out: Any, to: int, data: Any, begin: int, end: int) -> int:
    """Bytes as they are."""
    first = np.uint64(begin)
    start = np.uint64(to)
    for i in range(end - begin):
        out[start + np.uint64(i)] = data[first + np.uint64(i)]
    return to + end - begin


@lean
def put_bytes(out: Any, at: int, tag: int, data: Any, begin: int, end: int) -> int:
    """A field of bytes."""
    out[at] = tag
    at = put_varint(out, at + 1, end - begin)
    return copy(out, at, data, begin, end)


@lean
def put_length(out: Any, at: int, length: int) -> None:
    """A length in exactly five bytes, into room that was left for it."""
    for i in range(PADDED - 1):
        out[at + i] = np.uint8((length >> (7 * i)) & 0x7F) | np.uint8(0x80)
    out[at + PADDED - 1] = np.uint8((length >> (7 * (PADDED - 1))) & 0x7F)


@lean
def signed(value: int) -> int:
    """The number of a zigzag varint."""
    rest = np.int64(np.uint64(value) >> np.uint64(1))
    return ~rest if value & 1 else rest


@lean
def fixed64(data: Any, at: int) -> Any:
    """The 64 bits that begin somewhere."""
    first = np.uint64(at)
    bits = np.uint64(data[first])
    for i in range(1, 8):
        bits |= np.uint64(data[first + np.uint64(i)]) << np.uint64(8 * i)
    return bits


@lean
def put_bits(out: Any, at: int, bits: Any) -> int:
    """64 bits."""
    for i in range(8):
        out[at + i] = np.uint8((bits >> np.uint64(8 * i)) & np.uint64(0xFF))
    return at + 8


@lean
def put_fixed64(out: Any, at: int, tag: int, bits: Any) -> int:
    """A field of 64 bits."""
    out[at] = tag
    return put_bits(out, at + 1, bits)
