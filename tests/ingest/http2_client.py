"""A client of HTTP/2 that says exactly what it is told to, for what well-behaved clients never say."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpack import Decoder, Encoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITY_FIELDS = 4, 8, 32
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def setting(key: int, value: int) -> bytes:
    return key.to_bytes(2, "big") + value.to_bytes(4, "big")


def message(content: bytes = b"") -> bytes:
    return b"\0" + len(content).to_bytes(4, "big") + content


@dataclass
class Answer:
    """What was said to one stream."""

    fields: list[dict[str, str]] = field(default_factory=list)
    data: bytes = b""
    reset: int | None = None

    @property
    def status(self) -> str:
        return self.fields[-1].get("grpc-status", "")


class Http2:
    """A connection. What the server said is in `answers`, `goaway` and `pongs`."""

    def __init__(self, port: int, *settings: bytes, greet: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.encoder, self.decoder = Encoder(), Decoder()
        self.answers: dict[int, Answer] = {}
        self.ended: set[int] = set()
        self.goaway: tuple[int, str] | None = None
        self.pongs: list[bytes] = []
        self.raw_blocks: list[bytes] = []
        self._frames = self._read_frames()
        if greet:
            self.send(PREFACE + frame(SETTINGS, 0, 0, b"".join(settings)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def block(self, path: str = EXPORT, **fields: str) -> bytes:
        """The header fields of a call."""
        told = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            "content-type": "application/grpc",
            "te": "trailers",
        }
        told |= {name.replace("__", ":").replace("_", "-"): value for name, value in fields.items()}
        return self.encoder.encode(list(told.items()))

    def call(self, stream: int, content: bytes = b"", **fields: str) -> None:
        """Begin a call and end it."""
        self.send(
            frame(HEADERS, END_HEADERS, stream, self.block(**fields))
            + frame(DATA, END_STREAM, stream, message(content))
        )

    def until(self, *streams: int) -> Answer:
        """Read until these streams have ended. Returns the answer to the last of them."""
        while not self.ended.issuperset(streams):
            self._take()
        return self.answers[streams[-1]]

    def until_goaway(self) -> tuple[int, str]:
        """Read until the server says why it leaves, and until it has left."""
        while self.goaway is None:
            self._take()
        while True:
            try:
                self._take()
            except ConnectionError:
                return self.goaway

    def until_pong(self) -> None:
        """Ask for an answer, and wait for it: everything before it has been read."""
        before = len(self.pongs)
        self.send(frame(PING, 0, 0, b"question"))
        while len(self.pongs) == before:
            self._take()

    def _take(self) -> None:
        kind, flags, stream, payload = next(self._frames)
        answer = self.answers.setdefault(stream, Answer())
        if kind == HEADERS:
            self.raw_blocks.append(payload)
            answer.fields.append(dict(self.decoder.decode(payload)))
        elif kind == DATA:
            answer.data += payload
        elif kind == RST_STREAM:
            answer.reset = int.from_bytes(payload, "big")
            self.ended.add(stream)
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big"), payload[8:].decode()
        elif kind == PING and flags & ACK:
            self.pongs.append(payload)
        if kind in {HEADERS, DATA} and flags & END_STREAM:
            self.ended.add(stream)

    def _read_frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        rest = b""
        while True:
            while len(rest) < 9 or len(rest) < 9 + int.from_bytes(rest[:3], "big"):
                piece = self.socket.recv(65536)
                if not piece:
                    raise ConnectionError("the server closed the connection")
                rest += piece
            end = 9 + int.from_bytes(rest[:3], "big")
            yield rest[3], rest[4], int.from_bytes(rest[5:9], "big"), rest[9:end]
            rest = rest[end:]
