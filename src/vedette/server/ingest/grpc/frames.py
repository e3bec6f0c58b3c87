"""HTTP/2's frames, settings and header fields as bytes: https://www.rfc-editor.org/rfc/rfc9113, rfc7541."""

from __future__ import annotations

import struct
from typing import Final

__all__ = [
    "ACK",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "ENHANCE_YOUR_CALM",
    "FLOW_CONTROL_ERROR",
    "FRAME_SIZE_ERROR",
    "GOAWAY",
    "HEADERS",
    "HEADER_BYTES",
    "INTERNAL_ERROR",
    "MOST_FRAME_BYTES",
    "MOST_WINDOW",
    "NO_ERROR",
    "PADDED",
    "PING",
    "PREFACE",
    "PRIORITY",
    "PRIORITY_FIELDS",
    "PROTOCOL_ERROR",
    "PUSH_PROMISE",
    "REFUSED_STREAM",
    "RST_STREAM",
    "SETTINGS",
    "STREAM_CLOSED",
    "WINDOW_UPDATE",
    "ConnectionFault",
    "frame",
    "literal",
    "number",
    "unpadded",
]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_BYTES: Final = 9
MOST_FRAME_BYTES: Final = 1 << 14
"""Of a frame's payload, unless settings allow more."""
MOST_WINDOW: Final = (1 << 31) - 1

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
"""Types of frames."""
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FIELDS = 0x1, 0x1, 0x4, 0x8, 0x20
"""Flags of frames."""
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0x0, 0x1, 0x2, 0x3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 0x5, 0x6, 0x7, 0x8, 0x9
ENHANCE_YOUR_CALM = 0xB
"""Codes of errors."""

_HEAD = struct.Struct(">HBBBI")
_SEVEN_BITS: Final = 0x7F


class ConnectionFault(Exception):
    """The peer breaks the protocol, or a bound, in a way that ends the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame."""
    size = len(payload)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def number(value: int) -> bytes:
    """32 bits."""
    return value.to_bytes(4, "big")


def literal(name: bytes, value: bytes) -> bytes:
    """A header field that goes into no table, as HPACK writes it."""
    return b"\x00" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    size = len(text)
    if size < _SEVEN_BITS:
        return bytes([size]) + text
    rest, out = size - _SEVEN_BITS, bytearray([_SEVEN_BITS])
    while rest > _SEVEN_BITS:
        out.append(rest & _SEVEN_BITS | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out) + text


def unpadded(payload: bytes, flags: int, *, fields: int = 0) -> bytes:
    """What a frame carries without its padding, and without the `fields` bytes before it.

    Raises:
        ConnectionFault: the padding is longer than the frame.
    """
    begin, end = fields, len(payload)
    if flags & PADDED:
        if not payload:
            raise ConnectionFault(FRAME_SIZE_ERROR, "a padded frame says how much padding it has")
        begin, end = begin + 1, end - payload[0]
    if begin > end:
        raise ConnectionFault(PROTOCOL_ERROR, "the padding is longer than the frame")
    return payload[begin:end] if begin or end < len(payload) else payload
