"""Protobuf's wire format in Python, for messages of few fields: https://protobuf.dev/programming-guides/encoding/.

What has many fields is read and written by compiled code, see ``ingest.protobuf_kernel``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BYTES", "FIXED32", "FIXED64", "VARINT", "fields", "read_varint", "varint"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""
_BITS: Final = (1 << 64) - 1
_MORE: Final = 0x80
_LONGEST: Final = 10
_SIZES: Final = {FIXED64: 8, FIXED32: 4}


def varint(value: int) -> bytes:
    """A number; negative ones in two's complement of 64 bits."""
    value &= _BITS
    out = bytearray()
    while value >= _MORE:
        out.append(value & 0x7F | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(body: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends.

    Raises:
        ValueError: it does not end.
    """
    value = shift = 0
    for byte in body[at : at + _LONGEST]:
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < _MORE:
            return value & _BITS, at
    raise ValueError("a number does not end")


def fields(body: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """The fields of a message: number, wire type, and a number (``VARINT``) or the bytes of all others.

    Raises:
        ValueError: it is no message; fields before the fault have been given.
    """
    at = 0
    while at < len(body):
        tag, at = read_varint(body, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = read_varint(body, at)
            yield number, kind, value
            continue
        size, at = read_varint(body, at) if kind == BYTES else (_SIZES.get(kind, -1), at)
        if size < 0 or at + size > len(body):
            raise ValueError(f"field {number} does not end")
        yield number, kind, body[at : at + size]
        at += size
