"""One request and its answer, as ASGI has them: `scope`, `receive` and `send`.

https://asgi.readthedocs.io/en/latest/specs/www.html, version 2.4
"""

from __future__ import annotations

import asyncio
import http
import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from vedette.errors import VedetteError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.server.http.connection import Connection
    from vedette.server.http.rules import Rules

    Message = dict[str, Any]

__all__ = ["STATUS_LINES", "ClientGone", "Exchange"]

log = logging.getLogger(__name__)

_PHRASES: Final = {one.value: one.phrase.encode() for one in http.HTTPStatus}
STATUS_LINES: Final = {one: b"HTTP/1.1 %d %b\r\n" % (one, _PHRASES.get(one, b"")) for one in range(100, 600)}
_BODILESS: Final = frozenset({204, 304})
_PIECE_COST: Final = 64
"""What a piece of a body takes besides its bytes, about."""
_LARGE: Final = 1 << 16
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")

_COUNTED, _CHUNKED, _UNTIL_CLOSED, _NONE = range(4)


class MalformedAnswer(VedetteError):
    """An application that answers against the protocol."""


class ClientGone(OSError):
    """The client has left; ASGI calls for an OSError."""


class Exchange:
    """A request that comes in pieces, and the answer that goes out.

    Args:
        connection: Where from and where to.
        scope: The request's head.
        keeps_alive: Whether the connection stays when this is answered.
        expects: Whether the client waits to be told to send the body (100-continue).
    """

    __slots__ = (
        "_connection",
        "_form",
        "_head",
        "_is_read",
        "_left",
        "_pieces",
        "_waiter",
        "expects",
        "held",
        "is_answered",
        "is_begun",
        "is_gone",
        "is_held",
        "is_whole",
        "keeps_alive",
        "scope",
        "task",
    )

    def __init__(self, connection: Connection, scope: Message, *, keeps_alive: bool, expects: bool) -> None:
        self.scope = scope
        self.keeps_alive = keeps_alive
        self.task: asyncio.Task[None] | None = None
        """What answers it."""
        self.is_whole = False
        """Whether all of the request has come."""
        self.is_begun = False
        """Whether some of the answer is on its way."""
        self.is_answered = False
        self.is_gone = False
        """Whether nobody waits for the answer any more."""
        self.is_held = False
        """Whether the application waits for all of the request, as it may be answered without it."""
        self.held = 0
        """About how much memory the body takes that nobody has taken yet."""
        self._connection = connection
        self.expects = expects
        """Whether the client waits to be told to send the body."""
        self._pieces: list[bytes] = []
        self._is_read = False
        self._waiter: asyncio.Future[None] | None = None
        self._head: Message | None = None
        self._form = _COUNTED
        self._left = 0

    async def run(self, rules: Rules) -> None:
        """Let the application answer; what it fails to say is said for it."""
        try:
            await rules.app(self.scope, self.receive, self.send)
        except Exception as error:
            if not isinstance(error, ClientGone):
                log.exception("A request to %s failed", self.scope["path"])
        finally:
            if not (self.is_answered or self.is_gone):
                self._fail()

    # -- the request

    def take(self, piece: bytes) -> None:
        """A piece of the body has come."""
        self._pieces.append(piece)
        self.held += len(piece) + _PIECE_COST
        self.wake()

    def end(self) -> None:
        """All of the body has come."""
        self.is_whole = True
        self.wake()

    def hang_up(self, rules: Rules) -> None:
        """The client is gone."""
        self.is_gone = True
        self.wake()
        if self.task is not None and not self.is_answered and rules.ends_with_client(self.scope):
            self.task.cancel()

    def wake(self) -> None:
        """Let who waits for something look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        """The next part of the request, or that the client is gone or was answered."""
        if self.expects:
            self.expects = False
            if not self.is_begun:
                self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            if self.is_gone or self.is_answered:
                return {"type": "http.disconnect"}
            if self._pieces or (self.is_whole and not self._is_read):
                return self._part()
            self._connection.resume()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def whole(self) -> bytes:
        """The body of a request that is whole; `receive` gives it again."""
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    def _part(self) -> Message:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces, self.held, self._is_read = [], 0, self.is_whole
        return {"type": "http.request", "body": body, "more_body": not self.is_whole}

    # -- the answer

    async def send(self, message: Message) -> None:
        """Send a part of the answer; returns when there is room for more. The head goes with the body's first part.

        Raises:
            MalformedAnswer: The application breaks the protocol.
            ClientGone: Nobody waits for the answer any more.
        """
        connection = self._connection
        if connection.is_full:
            await connection.room()
        if self.is_gone:
            raise ClientGone
        if self._head is None:
            if message["type"] != "http.response.start":
                raise MalformedAnswer(f"an answer begins with http.response.start, not with {message['type']}")
            self._head = message
            return
        if message["type"] != "http.response.body" or self.is_answered:
            raise MalformedAnswer(f"{message['type']} does not belong here")
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        if self.is_begun:
            connection.write(self._framed(body, is_last=is_last))
        else:
            self._send_with_head(body, is_last=is_last)
        if is_last:
            if self._form == _COUNTED and self._left:
                raise MalformedAnswer(f"the answer is {self._left} bytes shorter than it said")
            self.is_answered = True
            self.wake()
            connection.answered(self)

    def answer(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer a request that is whole; where nobody reads, it waits in the connection.

        Header fields in a tuple are those of many answers.
        """
        scope = self.scope
        is_plain = self.keeps_alive and scope["http_version"] == "1.1" and scope["method"] != "HEAD"
        if is_plain and headers.__class__ is tuple and status not in _BODILESS and len(body) < _LARGE:
            connection = self._connection
            parts = STATUS_LINES[status], connection.date(), _lines(headers), len(body), body
            connection.write(b"%b%b%bcontent-length: %d\r\n\r\n%b" % parts)
            self.is_begun = True
        else:
            self._head = {"status": status, "headers": headers}
            self._send_with_head(body, is_last=True)
        self.is_answered = True
        self._connection.answered(self)

    def _send_with_head(self, body: bytes, *, is_last: bool) -> None:
        head = self._composed(len(body), is_last=is_last)
        framed = self._framed(body, is_last=is_last)
        self.is_begun = True
        if len(framed) < _LARGE:
            self._connection.write(head + framed)
        else:
            self._connection.write(head)
            self._connection.write(framed)

    def _composed(self, size: int, *, is_last: bool) -> bytes:
        """The head of the answer, whose body's first part has a size; decides how the body is framed."""
        head = self._head or {}
        status = head["status"]
        length = -1
        lines = [STATUS_LINES[status], self._connection.date()]
        for name, value in head.get("headers", ()):
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                self.keeps_alive = self.keeps_alive and b"close" not in value.lower()
            else:
                lines.append(_line(name, value))
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self._form = _NONE
            length = size if is_last and length < 0 < size else length
        elif length >= 0 or is_last:
            length = size if length < 0 else length
            self._form, self._left = _COUNTED, length
        elif self.scope["http_version"] == "1.1":
            self._form = _CHUNKED
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            self._form, self.keeps_alive = _UNTIL_CLOSED, False
        if length >= 0:
            lines.append(b"content-length: %d\r\n" % length)
        if not self.keeps_alive:
            lines.append(b"connection: close\r\n")
        elif self.scope["http_version"] == "1.0":
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)

    def _framed(self, body: bytes, *, is_last: bool) -> bytes:
        if self._form == _COUNTED:
            self._left -= len(body)
            if self._left < 0:
                raise MalformedAnswer(f"the answer is {-self._left} bytes longer than it said")
            return body
        if self._form == _CHUNKED:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk + b"0\r\n\r\n" if is_last else chunk
        return b"" if self._form == _NONE else body

    def _fail(self) -> None:
        """Say that there is no answer; one that has begun is cut off, so that nobody takes it for whole."""
        connection = self._connection
        if self.is_begun:
            connection.abort()
            return
        self._head = {"status": 500, "headers": [(b"content-type", b"text/plain; charset=utf-8")]}
        self.keeps_alive = False
        self._send_with_head(b"Internal Server Error\n", is_last=True)
        self.is_answered = True
        connection.answered(self)


@lru_cache(maxsize=1024)
def _known_line(name: bytes, value: bytes) -> bytes:
    return _written(name, value)


@lru_cache(maxsize=64)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Header fields that tell nothing of the body's length or the connection."""
    return b"".join([_written(name, value) for name, value in headers])


def _line(name: bytes, value: bytes) -> bytes:
    return _known_line(name, value) if len(value) < 256 else _written(name, value)  # noqa: PLR2004 - not to keep long ones


def _written(name: bytes, value: bytes) -> bytes:
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise MalformedAnswer(f"not a header field: {name!r}: {value!r}")
    return b"%b: %b\r\n" % (name.lower(), value)
