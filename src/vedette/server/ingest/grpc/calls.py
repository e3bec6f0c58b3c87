"""A unary call of gRPC: what a client asks for, and what it is answered, as HTTP/2 carries them.

Specification: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import base64
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from vedette.server.ingest.grpc.frames import DATA, END_HEADERS, END_STREAM, HEADERS, MOST_FRAME_BYTES, frame, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Call", "CallError", "Code", "Head", "failure", "head_of", "opening", "packed", "trailers"]

_STATUS_200: Final = b"\x88"
_GRPC: Final = b"application/grpc"
_ENCODINGS: Final = b"identity,gzip,deflate,zstd"
_OPENING: Final = _STATUS_200 + literal(b"content-type", _GRPC) + literal(b"grpc-accept-encoding", _ENCODINGS)
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_CALL_BYTES: Final = 1024
_FIELD_BYTES: Final = 128
_MOST_MESSAGE_CHARS: Final = 1000
"""Of an error: clients refuse headers beyond 8 KiB, and a character may take twelve bytes."""


class Code(enum.IntEnum):
    """How a call ended: https://grpc.io/docs/guides/status-codes/."""

    OK = 0
    INVALID_ARGUMENT = 3
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class CallError(Exception):
    """A call fails for its client.

    Attributes:
        code: How.
        metadata: What else the client is told; of names that end in ``-bin`` the bytes.
    """

    def __init__(self, code: Code, message: str, metadata: Sequence[tuple[str, bytes]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.metadata = metadata


@dataclass(frozen=True, slots=True)
class Head:
    """The header fields of a call. Calls of one client mostly share them."""

    method: bytes
    path: str
    content_type: bytes
    encoding: str
    metadata: tuple[tuple[str, bytes], ...]
    size: int
    """What a call with these fields takes of memory before its message comes."""


@dataclass(slots=True)
class Call:
    """One call while it is answered."""

    head: Head
    client: str
    """The client's address."""
    message: bytes
    """As it came: packed by the head's encoding if `is_packed`."""
    is_packed: bool
    fault: Exception | None = None
    """What went wrong before the whole message was there."""
    trailers: list[tuple[str, bytes]] = field(default_factory=list)
    """What the client is told behind the answer."""


def head_of(fields: Iterable[tuple[bytes, bytes]]) -> Head:
    """The head of a call from its header fields."""
    size = _CALL_BYTES
    special = {b":method": b"", b":path": b"", b"content-type": b"", b"grpc-encoding": b"identity"}
    metadata = []
    for name, value in fields:
        size += len(name) + len(value) + _FIELD_BYTES
        if name in special:
            special[name] = bytes(value)
        elif not name.startswith(b":"):
            metadata.append((name.decode("latin-1"), bytes(value)))
    return Head(
        special[b":method"],
        special[b":path"].decode("latin-1"),
        special[b"content-type"],
        special[b"grpc-encoding"].decode("latin-1"),
        tuple(metadata),
        size,
    )


def opening(stream: int, prefix: bytes) -> bytes:
    """What goes before the answer to a call; `prefix` begins a block of header fields, here and below."""
    return frame(HEADERS, END_HEADERS, stream, prefix + _OPENING)


def packed(message: bytes) -> bytes:
    """A message with its length before it."""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def trailers(
    stream: int, code: Code, text: str = "", metadata: Iterable[tuple[str, bytes]] = (), *, prefix: bytes | None = None
) -> bytes:
    """What ends the answer to a call, and is all of it if there is a `prefix`."""
    begin = (b"" if prefix is None else prefix + _OPENING) + literal(b"grpc-status", b"%d" % code)
    block = begin
    if text:
        block += literal(b"grpc-message", quote(text[:_MOST_MESSAGE_CHARS], safe=_PRINTABLE).encode())
    for name, value in metadata:
        shown = base64.b64encode(value).rstrip(b"=") if name.endswith("-bin") else value
        block += literal(name.encode("latin-1"), shown)
    # No client takes so many fields; it learns how the call ended.
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block if len(block) <= MOST_FRAME_BYTES else begin)


def failure(stream: int, status: int, text: str, prefix: bytes) -> bytes:
    """An answer to what is no call of gRPC at all, as HTTP has it."""
    body = text.encode()
    block = prefix + literal(b":status", b"%d" % status) + literal(b"content-type", b"text/plain; charset=utf-8")
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body)
