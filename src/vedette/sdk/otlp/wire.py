"""Protobuf's wire format: varints, lengths, and the values that attributes have (AnyValue)."""

from __future__ import annotations

import struct
from typing import Any

from vedette.sdk.values import text_of

__all__ = ["VARINTS", "any_value", "delimited", "key_value", "utf8", "varint"]

_KEPT = 16384
_MAX_DEPTH = 32
_double = struct.Struct("<d").pack
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1


def _varint(number: int) -> bytes:
    if number < 0:
        number += 1 << 64
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


VARINTS = [_varint(number) for number in range(_KEPT)]


def varint(number: int) -> bytes:
    """`number` as a varint; negative ones as 64-bit two's complement."""
    return VARINTS[number] if 0 <= number < _KEPT else _varint(number)


def utf8(text: str) -> bytes:
    """`text` as UTF-8; lone surrogates, which no UTF-8 can hold, become `?`."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def delimited(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field."""
    return tag + varint(len(body)) + body


def any_value(value: Any, depth: int = 0) -> bytes:
    """The body of an AnyValue. Integers beyond 64 bits and foreign types become strings; `None` is empty."""
    kind = type(value)
    if kind is str:
        body = utf8(value)
        return b"\x0a" + varint(len(body)) + body
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        return b"\x18" + varint(value) if _INT_MIN <= value <= _INT_MAX else any_value(text_of(value))
    if kind is float:
        return b"\x21" + _double(value)
    if value is None:
        return b""
    if kind is bytes:
        return delimited(b"\x3a", value)
    if depth < _MAX_DEPTH:
        if kind is tuple or kind is list:
            return delimited(b"\x2a", b"".join([delimited(b"\x0a", any_value(item, depth + 1)) for item in value]))
        if kind is dict:
            return delimited(b"\x32", b"".join([key_value(b"\x0a", k, v, depth + 1) for k, v in value.items()]))
    return any_value(str(value))


def key_value(tag: bytes, key: str, value: Any, depth: int = 0) -> bytes:
    """A KeyValue as the field `tag` of another message."""
    name, body = utf8(key), any_value(value, depth)
    return delimited(tag, b"\x0a" + varint(len(name)) + name + b"\x12" + varint(len(body)) + body)
