"""A client's connection: HTTP/1.1, parsed in C, each request answered by the application in a task of its own.

https://www.rfc-editor.org/rfc/rfc9112. Requests may come before the ones in front of them are answered (pipelining).
What a client may send before somebody takes it, how long it may take to ask and how long to read, is bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import httptools

from vedette.server.http.exchange import STATUS_LINES, Exchange

if TYPE_CHECKING:
    from vedette.server.http.rules import Rules

__all__ = ["Connection"]

log = logging.getLogger(__name__)

_MOST_HEAD_BYTES: Final = 128 << 10
_MOST_HELD: Final = 128 << 10
"""A body waits in the connection's own buffers when this much of it waits to be taken."""
_IDLE_SECONDS: Final = 300.0
"""How long a connection is kept for the next request, and for a client that does not read."""
_LINGER_SECONDS: Final = 5.0
"""How long a client that is answered already may go on sending what nobody reads."""
_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}
_HTTP2: Final = b"PRI * HTTP/2.0"
_TLS: Final = b"\x16\x03"
_FRAMING: Final = (b"content-length", b"transfer-encoding")
_NEVER: Final = float("inf")


class Connection(asyncio.Protocol):
    """A connection of a client. The methods named ``on_…`` are the parser's."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._client: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._is_in_head = self._expects = self._is_upgrade = self._is_said_again = False
        self._loose = 0
        """Bytes that have come since the last of a body, or the last whole head."""
        self._coming: Exchange | None = None
        """The request whose body comes."""
        self._ended: Exchange | None = None
        """The request that became whole last, for as long as what it came with is looked at."""
        self._current: Exchange | None = None
        """The request that is being answered."""
        self._queue: deque[Exchange] = deque()
        self._is_paused = self._is_deaf = self._is_leaving = False
        self._until = self._loop.time() + rules.head_seconds
        """When the client has waited too long with what it has to send."""
        self._reads_until = _NEVER
        """When the client has waited too long with reading."""
        self._room: asyncio.Future[None] | None = None
        self.is_full = False
        """Whether the client has not read what was sent before."""

    # -- what others ask of it

    def date(self) -> bytes:
        """The header line that tells the time."""
        return self._rules.date()

    def write(self, data: bytes) -> None:
        """Send something."""
        self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def resume(self) -> None:
        """Read on, as somebody takes what comes."""
        if self._is_paused and not self._queue:
            self._is_paused = False
            self._transport.resume_reading()

    async def room(self) -> None:
        """Wait until the client has read most of what was sent, or is gone."""
        if self.is_full:
            self._room = self._loop.create_future()
            await self._room

    def answered(self, exchange: Exchange) -> None:
        """The answer of the current request is sent."""
        if self._is_leaving or not exchange.keeps_alive:
            if exchange.is_whole and not self._is_deaf:
                self._close()
            else:
                self._linger()
        elif exchange.is_whole:
            self._next()
        else:  # nobody wants the rest of the body
            self._until = self._loop.time() + self._rules.head_seconds
            self.resume()

    def look(self, now: float) -> None:
        """End what has waited too long."""
        if now > self._reads_until:
            self.abort()
        elif now > self._until and not self._transport.is_closing():
            if self._is_deaf:
                self._close()
            elif self._is_in_head:
                self._refuse(408, "The header fields stopped arriving (body_timeout).")
            elif self._current is not None and self._current.is_held:
                self._refuse(408, "The body stopped arriving (body_timeout).")
            else:
                self._close()

    def leave(self) -> None:
        """Answer what has begun, and no more."""
        self._is_leaving = True
        if self._current is None or self._current.is_answered:
            self._close()
        else:
            self._current.keeps_alive = False

    def hang_up(self) -> None:
        """Tell the application that its client is gone, as it will be."""
        for exchange in (self._current, self._coming, *self._queue):
            if exchange is not None:
                exchange.hang_up(self._rules)

    # -- the transport's

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvloop's
        """Join the others."""
        self._rules.connections.add(self)
        self._transport = transport
        self._client, self._server = (
            address[:2] if isinstance(address, tuple) else None
            for address in map(transport.get_extra_info, ("peername", "sockname"))
        )

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Tell those who wait for the client."""
        self._rules.connections.discard(self)
        self._is_deaf = True
        self._parser = None  # it refers to this connection
        self.hang_up()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Let nobody send more until the client has read."""
        self.is_full = True
        self._reads_until = self._loop.time() + _IDLE_SECONDS

    def resume_writing(self) -> None:
        """Let them send again."""
        self.is_full = False
        self._reads_until = _NEVER
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._is_deaf:
            return
        begins = self._current is None and self._coming is None and not self._is_in_head
        if begins and (known := self._rules.heads.find(data)) is not None:
            self._take(*known)
            return
        self._loose += len(data)
        came = data
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._stay()
            except httptools.HttpParserError as error:
                self._refuse(400, _complaint(data, error) if begins else _plain(error))
                return
            else:
                break
        if self._loose > _MOST_HEAD_BYTES:
            self._refuse(431, "The header fields are larger than 128 KiB.")
        ended, self._ended = self._ended, None
        if begins and ended is not None:
            self._rules.heads.keep(came, ended)

    # -- the parser's

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_in_head = True
        if self._is_said_again:
            return
        self._target, self._fields, self._expects, self._loose = b"", [], False, 0
        self._until = self._loop.time() + self._rules.head_seconds

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field, or a trailer."""
        if not self._is_in_head or self._is_said_again:  # a trailer, or known
            return
        name = name.lower()
        if name == b"expect":
            self._expects = value.lower() == b"100-continue"
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: the application may begin."""
        if self._is_said_again:
            self._is_in_head = self._is_said_again = False
            return
        parser = self._parser
        self._is_upgrade = parser.should_upgrade()
        version = parser.get_http_version()
        raw_path, query = _split(self._target)
        path = raw_path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._fields,
            "client": self._client,
            "server": self._server,
        }
        self._is_in_head, self._loose, self._until = False, 0, _NEVER
        self._coming = exchange = Exchange(
            self, scope, keeps_alive=parser.should_keep_alive(), expects=self._expects and version != "1.0"
        )
        if self._current is not None:
            self._queue.append(exchange)
            self._pause()
        elif self._expects or exchange.scope["path"] not in self._rules.at_once:
            self._start(exchange)
        else:
            self._current, exchange.is_held = exchange, True
            self._until = self._loop.time() + self._rules.head_seconds

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._loose = 0
        coming = self._coming
        if coming is not None and not coming.is_answered:
            coming.take(body)
            if coming.is_held:
                self._until = self._loop.time() + self._rules.head_seconds
            if coming.held > _MOST_HELD:
                if coming.is_held:
                    self._start(coming)
                self._pause()

    def on_message_complete(self) -> None:
        """The request is whole, but for the body of one that asks for another protocol, which the parser leaves."""
        if self._is_upgrade:
            return
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.end()
            self._ended = coming
            if coming.is_answered:
                self._next()
            elif coming.is_held:
                self._answer(coming)

    # -- its own

    def _stay(self) -> None:
        """Ignore that another protocol is asked for (RFC 9110, section 7.8): the parser shall go on with the body.

        Java's client asks for HTTP/2 with every first request.
        """
        self._is_upgrade, self._is_said_again = False, True
        fields = () if self._coming is None else self._coming.scope["headers"]
        framing = [b"%b: %b\r\n" % one for one in fields if one[0] in _FRAMING]
        self._parser = httptools.HttpRequestParser(self)  # the other one may think that it was the last request
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing))

    def _take(self, scope: dict[str, Any], body: bytes) -> None:
        """Take a whole request whose head was parsed before."""
        scope["client"], scope["server"] = self._client, self._server
        exchange = Exchange(self, scope, keeps_alive=True, expects=False)
        if body:
            exchange.take(body)
        exchange.end()
        if scope["path"] in self._rules.at_once:
            self._current = exchange
            self._answer(exchange)
        else:
            self._until = _NEVER
            self._start(exchange)

    def _answer(self, exchange: Exchange) -> None:
        """Answer a whole request without a task, or begin one."""
        path, answer = exchange.scope["path"], None
        self._until = _NEVER
        try:
            if not self.is_full:
                answer = self._rules.at_once[path](exchange.scope, exchange.whole())
        except Exception:
            log.exception("A request to %s failed", path)
        if answer is None:
            self._start(exchange)
        else:
            exchange.answer(*answer)

    def _start(self, exchange: Exchange) -> None:
        if exchange.is_held:
            exchange.is_held, self._until = False, _NEVER
        self._current = exchange
        tasks = self._rules.tasks
        exchange.task = task = self._loop.create_task(exchange.run(self._rules))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _next(self) -> None:
        """Go on to the next request, or wait for it."""
        if self._queue:
            self._start(self._queue.popleft())
        else:
            self._current = None
            if not self._is_in_head:
                self._until = self._loop.time() + _IDLE_SECONDS
        self.resume()

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _close(self) -> None:
        """Close when the client has read what was sent."""
        self._is_deaf = True
        self._reads_until = self._loop.time() + _IDLE_SECONDS
        self._transport.close()

    def _linger(self) -> None:
        """Close when the client has stopped sending, or in a moment.

        A connection that is closed while something of it is unread is reset, and the client loses the answer with it.
        """
        if self._transport.is_closing():
            return
        self._is_deaf = True
        self._until = self._loop.time() + _LINGER_SECONDS
        self._transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def _refuse(self, status: int, text: str) -> None:
        """Answer the requests that have come, and take no more from this client."""
        self._is_deaf = True
        coming, self._coming = self._coming, None
        if coming is not None and coming in self._queue:
            self._queue.remove(coming)
        last = self._queue[-1] if self._queue else self._current
        if last is not None and last is not coming and not last.is_answered:
            last.keeps_alive, self._until = False, _NEVER
            return
        if coming is not None:
            coming.hang_up(self._rules)
        if coming is None or not coming.is_begun:
            body = text.encode() + b"\n"
            self.write(
                STATUS_LINES[status]
                + b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
                % len(body)
                + body
            )
        self._linger()


def _split(target: bytes) -> tuple[bytes, bytes]:
    """The path and the query of a request's target."""
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    url = httptools.parse_url(target)
    return url.path or b"/", url.query or b""


def _plain(error: Exception) -> str:
    return f"This is no request of HTTP/1.1: {error}."


def _complaint(data: bytes, error: Exception) -> str:
    """What is wrong with the first bytes of a request."""
    if data.startswith(_HTTP2):
        return "This port speaks HTTP/1.1. OTLP over gRPC, which is HTTP/2, has a port of its own, by default 4317."
    if data.startswith(_TLS):
        return "This port speaks HTTP without TLS: use http:// instead of https://, or put a proxy in front of it."
    return _plain(error)
