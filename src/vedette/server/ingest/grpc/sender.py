"""Answers on their way to a client, as far as its windows allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vedette.server.ingest.grpc import frames
from vedette.server.ingest.grpc.calls import opening
from vedette.server.ingest.grpc.frames import ConnectionFault, frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.ingest.grpc.calls import Head

__all__ = ["FIRST_WINDOW", "STREAM_WINDOW", "Sender", "Stream"]

FIRST_WINDOW: Final = 65_535
"""Of a connection and of its streams, until settings say otherwise."""
STREAM_WINDOW: Final = 1 << 20
"""Bytes of a message that may be on their way to us."""
_TABLE_BYTES: Final = 4096


class Stream:
    """A call from its first header field to the end of its answer."""

    __slots__ = (
        "credit",
        "head",
        "id",
        "is_ended",
        "is_gone",
        "is_started",
        "pieces",
        "reserved",
        "room",
        "since",
        "size",
    )

    def __init__(self, id_: int, head: Head, since: float) -> None:
        self.id = id_
        self.head = head
        self.since = since
        self.pieces: list[bytes] = []
        self.size = 0
        self.reserved = 0
        self.room = STREAM_WINDOW
        self.credit = 0
        self.is_ended = False
        """Whether the client has said all."""
        self.is_started = False
        """Whether it is being answered."""
        self.is_gone = False
        """Whether nothing more may be sent."""


class Sender:
    """What is sent to a client.

    Args:
        transport: Its connection.
        finished: Told of each stream whose answer is out.
    """

    def __init__(self, transport: Any, finished: Callable[[Stream], None]) -> None:  # noqa: ANN401 - asyncio's or uvloop's
        self._transport = transport
        self._finished = finished
        self._credit = self._first_credit = FIRST_WINDOW
        self._prefix = b""
        self._unsent: dict[int, tuple[Stream, bytes, bytes]] = {}

    def write(self, data: bytes) -> None:
        """Send frames that no window bounds."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def prefix(self) -> bytes:
        """What the next block of header fields begins with."""
        prefix, self._prefix = self._prefix, b""
        return prefix

    def send(self, stream: Stream, content: bytes, end: bytes) -> None:
        """Send an answer: its content, and the frame that ends it."""
        if stream.is_gone:
            return
        begin = opening(stream.id, self.prefix())
        size = len(content)
        if size <= min(self._credit, self._first_credit + stream.credit, frames.MOST_FRAME_BYTES):
            self._credit -= size
            self.finish(stream, begin + frame(frames.DATA, 0, stream.id, content) + end)
        else:
            self.write(begin)
            self._unsent[stream.id] = stream, content, end
            self._go_on()

    def finish(self, stream: Stream, end: bytes) -> None:
        """Send the end of an answer. A client that is still sending is told that nobody listens."""
        if stream.is_gone:
            return
        stream.is_gone = True
        if not stream.is_ended:
            end += frame(frames.RST_STREAM, 0, stream.id, frames.number(frames.NO_ERROR))
        self.write(end)
        self._finished(stream)

    def forget(self, stream: int) -> None:
        """The client does not want an answer any more."""
        self._unsent.pop(stream, None)

    def settle(self, *, first_window: int | None = None, table_bytes: int | None = None) -> None:
        """Follow the client's settings.

        Raises:
            ConnectionFault: they cannot be followed.
        """
        if table_bytes is not None and table_bytes < _TABLE_BYTES:
            self._prefix = b"\x20"  # the next block says that the table is empty, as it is
        if first_window is not None:
            if first_window > frames.MOST_WINDOW:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "a window of that size cannot be")
            self._first_credit = first_window
            self._go_on()

    def grow(self, stream: Stream | None, more: int) -> None:
        """A window of the client grows: that of a stream, or of the connection.

        Raises:
            ConnectionFault: it grows beyond what may be.
        """
        if stream is None:
            self._credit += more
        else:
            stream.credit += more
        if max(self._credit, self._first_credit + stream.credit if stream else 0) > frames.MOST_WINDOW:
            raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "a window of that size cannot be")
        self._go_on()

    def _go_on(self) -> None:
        """Send what waited for windows."""
        for id_, (stream, content, end) in list(self._unsent.items()):
            rest = content
            while (
                size := min(len(rest), self._credit, self._first_credit + stream.credit, frames.MOST_FRAME_BYTES)
            ) > 0:
                self.write(frame(frames.DATA, 0, id_, rest[:size]))
                self._credit -= size
                stream.credit -= size
                rest = rest[size:]
            if rest:
                self._unsent[id_] = stream, rest, end
            else:
                del self._unsent[id_]
                self.finish(stream, end)
