"""What the ASGI middleware does with a WebSocket: a span for the connection, metrics by route, a line at its end.

A connection's status is the code it was closed with (RFC 6455), or the HTTP status of one that was refused. Codes by
which a server says that it failed are errors, as 5xx are; a client that goes away is none.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from vedette.sdk import clock
from vedette.sdk.context import fields as context_fields
from vedette.sdk.context import named
from vedette.sdk.guard import fault
from vedette.sdk.logs.logger import describe, desk
from vedette.sdk.logs.records import Captured
from vedette.sdk.metrics.registry import registry
from vedette.sdk.traces.span import LASTING, Span, reset_context, set_context
from vedette.sdk.web.errors import answered_error
from vedette.sdk.web.requests import UNMATCHED, WEBSOCKET, mark_failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from vedette.sdk.web.requests import RequestTelemetry, Started
    from vedette.sdk.web.routes import FindRoute

__all__ = ["WebSockets"]

_SECONDS = (0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_INFO, _ERROR = 20, 40
_NORMAL, _NO_CODE, _INTERNAL_ERROR = 1000, 1005, 1011
_FAILURES = frozenset(range(_INTERNAL_ERROR, 1015))  # internal error, restart, try again later, bad gateway
_FAILURES_OF_LITESTAR = range(4500, 4600)  # 4,000 more than the HTTP status
_FORBIDDEN, _SERVER_ERROR = 403, 500
# By these, frameworks tell an endpoint which reads on that its client has gone.
_DISCONNECTS = frozenset(("WebSocketDisconnect", "ClientDisconnected"))


class WebSockets:
    """Watches connections. One for each middleware, made for its first connection."""

    def __init__(self, telemetry: RequestTelemetry, find_route: FindRoute, *, events: bool) -> None:
        self._telemetry = telemetry
        self._find_route = find_route
        self.events = events
        name = telemetry.options.namespace
        self._total = registry.counter(
            f"{name}_websockets_total", "WebSocket connections by outcome", ["route", "status"]
        )
        self._seconds = registry.histogram(
            f"{name}_websocket_duration_seconds",
            "Seconds per WebSocket connection",
            ["route"],
            unit="s",
            buckets=_SECONDS,
        )
        self._active = registry.gauge(f"{name}_active_websockets", "WebSocket connections that are open", ["route"])
        self._messages = registry.counter(
            f"{name}_websocket_messages_total", "Messages on WebSocket connections", ["route", "direction"]
        )
        self._channel = desk.channel("vedette.requests")

    async def watch(
        self,
        app: Any,
        begin: Callable[[], Started],
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Handle one connection, whose span `begin` starts."""
        try:
            connection = _Connection(self, begin(), scope, receive, send)
        except Exception as error:  # noqa: BLE001 - telemetry must not cost the connection
            fault("beginning a connection", error)
            await app(scope, receive, send)
            return
        fields, outer = connection.started.fields, context_fields.get()
        token = set_context(connection.started.context)
        fields_token = context_fields.set({**named(outer), **named(fields)} if outer else fields)
        failed: BaseException | None = None
        try:
            await app(scope, connection.receive, connection.send)
        except BaseException as error:
            failed = error
            raise
        finally:
            try:
                self._finish(connection, failed)
            except Exception as error:  # noqa: BLE001 - telemetry must not cost the connection
                fault("finishing a connection", error)
            try:
                reset_context(token)
                context_fields.reset(fields_token)
            except ValueError:  # the server ended the connection in another context
                pass

    def opened(self, connection: _Connection) -> None:
        """Count a connection that was accepted; its route is known by now."""
        route = self.route_of(connection) or UNMATCHED
        connection.active = self._active.labels(route)
        connection.active.inc()
        connection.count_in = self._messages.labels(route, "received").inc
        connection.count_out = self._messages.labels(route, "sent").inc

    def route_of(self, connection: _Connection) -> str | None:
        """The template of the connection's route."""
        return self._find_route(connection.scope, connection.root_path)

    def _finish(self, connection: _Connection, raised: BaseException | None) -> None:
        end_ns = perf_counter_ns()
        started = connection.started
        if connection.active is not None:
            connection.active.dec()
        error = raised if isinstance(raised, Exception) and type(raised).__name__ not in _DISCONNECTS else None
        status = connection.status(error, cancelled=raised is not None and not isinstance(raised, Exception))
        if error is None and connection.closed_for_error():
            error = answered_error(connection.scope)
        failed = error is not None or (status in _FAILURES and connection.closed_here) or 500 <= status < 600
        route = self.route_of(connection)
        shown = route or UNMATCHED
        seconds = (end_ns - started.begin_ns) / 1e9
        self._total.labels(shown, str(status)).inc()
        self._seconds.labels(shown).observe(seconds, exemplar=True)
        said = connection.said(route, status)
        span = started.span
        if span.is_recording():
            if route:
                span.name = f"{WEBSOCKET} {route}"
            span.set_attributes(said)
            if failed:
                mark_failed(span, status, error)
        if self._telemetry.options.log_requests:
            self._log(connection, route, status, error, _ERROR if failed else _INFO, end_ns)
        span.end(end_ns + clock.anchor)

    def _log(
        self,
        connection: _Connection,
        route: str | None,
        status: int,
        error: BaseException | None,
        level: int,
        end_ns: int,
    ) -> None:
        sink = desk.sink
        if sink is None or self._channel.level > level:
            return
        started = connection.started
        client = started.client
        fields: dict[str, Any] = {"method": WEBSOCKET, "path": started.path, "status": status, "client": client.address}
        if route:
            fields["route"] = route
        if client.agent:
            fields["user_agent"] = client.agent
        fields["duration_ms"] = (end_ns - started.begin_ns + 500) // 1000 / 1000
        fields["received"], fields["sent"] = connection.received, connection.sent
        said = None if error is None else describe(error)
        at = end_ns + clock.anchor
        sink(
            Captured(
                at, level, self._channel, "websocket", (), fields, None, started.fields, started.span, said
            ).record()
        )


desk.origins[WebSockets.watch.__code__] = lambda names: names["connection"].started


class _Connection:
    """One connection: what passes between the server and the application."""

    def __init__(
        self,
        owner: WebSockets,
        started: Started,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        self.started = started
        self.scope = scope
        self.root_path = scope.get("root_path", "")
        self.received = self.sent = 0
        self.active: Any = None
        self.closed_here = False
        self.count_in: Callable[[], None] = _uncounted
        self.count_out: Callable[[], None] = _uncounted
        self._owner = owner
        self._receive = receive
        self._send = send
        self._code: int | None = None
        self._reason = ""
        self._refused: int | None = None
        self._subprotocol: str | None = None
        if type(started.span) is Span:
            started.span._options |= LASTING

    async def receive(self) -> Any:
        """What the client sent."""
        message = await self._receive()
        kind = message["type"]
        if kind == "websocket.receive":
            self.received += 1
            self.count_in()
            if self._owner.events:
                self._event(kind, message)
        elif kind == "websocket.disconnect" and self._code is None:
            self._code = message.get("code") or _NO_CODE
            self._reason = message.get("reason") or ""
        return message

    def send(self, message: Any) -> Awaitable[None]:
        """Send what the application says to the client."""
        kind = message["type"]
        if kind == "websocket.send":
            self.sent += 1
            self.count_out()
            if self._owner.events:
                self._event(kind, message)
        elif kind == "websocket.accept":
            self._subprotocol = message.get("subprotocol")
            self._mark(message)
            self._owner.opened(self)
        elif kind == "websocket.close":
            if self._code is None:
                self.closed_here = True
                self._code = message.get("code") or _NORMAL
                self._reason = message.get("reason") or ""
        elif kind == "websocket.http.response.start":
            self._refused = message["status"]
            self._mark(message)
        return self._send(message)

    def _mark(self, message: Any) -> None:
        name = self._owner._telemetry.options.correlation_header
        header = (name.encode("latin-1"), self.started.correlation_id.encode("latin-1"))
        message["headers"] = [*message.get("headers", ()), header]

    def _event(self, kind: str, message: Any) -> None:
        text = message.get("text")
        body = message.get("bytes") if text is None else text
        form = "binary" if text is None else "text"
        self.started.span.add_event(kind, {"websocket.message.type": form, "websocket.message.size": len(body or b"")})

    def status(self, error: Exception | None, *, cancelled: bool) -> int:
        """The close code, or the HTTP status of a connection that was never open."""
        if self.active is None:
            if self._refused is not None:
                return self._refused
            if error is not None or self._code is None:
                return _SERVER_ERROR
            return _FORBIDDEN if self.closed_here else self._code  # the client may leave before it is accepted
        if error is not None and not self.closed_here:
            return _INTERNAL_ERROR
        if self._code is None:
            return 1001 if cancelled else _NORMAL  # the server closes what the application leaves open
        return self._code

    def closed_for_error(self) -> bool:
        """Whether the application closed it by a code that may stand for an exception."""
        return self.closed_here and (self._code in _FAILURES or self._code in _FAILURES_OF_LITESTAR)

    def said(self, route: str | None, status: int) -> dict[str, Any]:
        """What the span has about it."""
        version = self.scope.get("http_version", "1.1")
        accepted = 101 if version.startswith("1") else 200
        open_once = self.active is not None
        said: dict[str, Any] = {"http.response.status_code": accepted if open_once else status}
        if route:
            said["http.route"] = route
        if open_once:
            said["websocket.close.code"] = status
            said["websocket.messages.received"], said["websocket.messages.sent"] = self.received, self.sent
            said["websocket.closed_by"] = "server" if self.closed_here or self._code is None else "client"
        if self._reason:
            said["websocket.close.reason"] = self._reason
        if self._subprotocol:
            said["websocket.subprotocol"] = self._subprotocol
        if status >= 1000 and not open_once:
            del said["http.response.status_code"]
        return said


def _uncounted() -> None:
    """Nothing: the connection is not open."""
