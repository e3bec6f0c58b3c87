"""The ASGI middleware, in front of FastAPI, Starlette, Litestar, Django and any other application."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

from vedette.sdk import http_methods
from vedette.sdk.context import fields as context_fields
from vedette.sdk.context import named
from vedette.sdk.guard import fault
from vedette.sdk.logs.logger import desk
from vedette.sdk.metrics.registry import registry
from vedette.sdk.traces.span import reset_context, set_context
from vedette.sdk.web.errors import answered_error
from vedette.sdk.web.headers import Headers
from vedette.sdk.web.requests import WEBSOCKET, RequestTelemetry, WebOptions
from vedette.sdk.web.routes import MOUNTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from vedette.sdk.traces.tracer import Tracer
    from vedette.sdk.web.requests import Client, Started
    from vedette.sdk.web.routes import FindRoute
    from vedette.sdk.web.websockets import WebSockets

__all__ = ["AsgiMiddleware"]

_LAG_SECONDS = 0.25
_SEEN = "vedette.seen"
_FASTAPI_OFF = "fastapi.telemetry"
"""Where a scope has this, FastAPI leaves out its own telemetry: that of applications mounted inside the watched one."""


class AsgiMiddleware:
    """Watches the requests and WebSockets of `app`. Whatever else passes through untouched.

    An exception of the application passes through unchanged, after it was recorded.
    """

    def __init__(self, app: Any, tracer: Tracer, options: WebOptions, find_route: FindRoute) -> None:
        self.app = app
        self._telemetry = RequestTelemetry(options, tracer)
        self._metrics_path = options.metrics_path
        self._aside = options.excluded if options.metrics_path is None else options.excluded | {options.metrics_path}
        self._header = options.correlation_header.encode("latin-1")
        names = (options.correlation_header, options.tenant_header)
        self._headers = Headers(*names, every=options.tenant is not None)
        self._find_route = find_route
        self._message_events = options.websocket_events
        self._loops: set[int] = set()
        self._websockets: WebSockets | None = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or _SEEN in scope or scope["path"] in self._aside:
            await self._pass_on(scope, receive, send)
            return
        scope[_SEEN] = True
        scope[_FASTAPI_OFF] = None
        try:
            request = self._begin(scope, scope["method"])
        except Exception as error:  # noqa: BLE001 - telemetry must not cost the request
            fault("beginning a request", error)
            await self.app(scope, receive, send)
            return
        status, answered_ns = 500, 0
        header = (self._header, request.correlation_id.encode("latin-1"))

        def send_marked(message: Any) -> Awaitable[None]:
            nonlocal status, answered_ns
            kind = message["type"]
            if kind == "http.response.body":
                if not message.get("more_body"):
                    answered_ns = perf_counter_ns()
            elif kind == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            return send(message)  # not awaited here: it would be one more coroutine for each message

        outer = context_fields.get()
        root_path = scope.get("root_path", "")
        token = set_context(request.context)
        fields_token = context_fields.set({**named(outer), **named(request.fields)} if outer else request.fields)
        active = self._telemetry.active
        active.inc()
        failure: BaseException | None = None
        try:
            await self.app(scope, receive, send_marked)
        except BaseException as error:
            failure = error if isinstance(error, Exception) else None
            raise
        finally:
            active.dec()
            try:
                if failure is None and status >= 500:
                    failure = answered_error(scope)
                self._telemetry.finish(request, status, self._find_route(scope, root_path), failure, answered_ns)
            except Exception as error:  # noqa: BLE001 - telemetry must not cost the request
                fault("finishing a request", error)
            try:
                reset_context(token)
                context_fields.reset(fields_token)
            except ValueError:  # the server ended the request in another context
                pass

    async def _pass_on(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Handle what is not watched. What is seen already is mounted inside an application that is watched itself."""
        if scope["type"] == "lifespan":
            send = _flushing(send)
        elif scope["type"] == "websocket" and _SEEN not in scope:
            scope[_SEEN] = True
            scope[_FASTAPI_OFF] = None
            if scope["path"] not in self._aside:
                await self._sockets().watch(self.app, lambda: self._begin(scope, WEBSOCKET), scope, receive, send)
                return
        elif scope["type"] == "http" and _SEEN not in scope:
            scope[_SEEN] = True
            scope[_FASTAPI_OFF] = None
            if scope["path"] == self._metrics_path:
                await _answer_metrics(scope, send)
                return
        await self.app(scope, receive, send)

    def _sockets(self) -> WebSockets:
        if self._websockets is None:
            from vedette.sdk.web.websockets import WebSockets  # noqa: PLC0415 - most applications have none

            self._websockets = WebSockets(self._telemetry, self._find_route, events=self._message_events)
        return self._websockets

    def _begin(self, scope: MutableMapping[str, Any], method: str) -> Started:
        loop = id(get_running_loop())
        if loop not in self._loops:
            self._loops.add(loop)
            _watch_loop()
        scope.pop(MOUNTED, None)  # what this application is itself mounted in is not part of its routes
        agent, headers = self._headers.read(scope["headers"])
        server, peer, query = scope.get("server"), scope.get("client"), scope.get("query_string")
        key = (
            method,
            scope.get("scheme", "http"),
            scope.get("http_version", "1.1"),
            server if type(server) is tuple else server and tuple(server),
            peer[0] if peer else "",
            agent,
        )
        client = self._telemetry.clients.get(key) or self._client(*key)
        return self._telemetry.begin(client, scope["path"], query.decode("latin-1") if query else "", headers)

    def _client(self, method: str, scheme: str, version: str, server: Any, address: str, agent: str) -> Client:
        attributes: dict[str, Any] = {"url.scheme": scheme}
        if method == WEBSOCKET:
            attributes["http.request.method"] = "GET" if version.startswith("1") else "CONNECT"  # RFC 6455, RFC 8441
            attributes["network.protocol.name"] = "websocket"
        else:
            attributes |= http_methods.attributes(method)
            attributes["network.protocol.version"] = version
        if server:
            attributes["server.address"], attributes["server.port"] = server[0], server[1] or 0
        if address:
            attributes["client.address"] = address
        key = (method, scheme, version, server, address, agent)
        return self._telemetry.client(key, method, scheme, address, agent, attributes)


desk.origins[AsgiMiddleware.__call__.__code__] = lambda names: names["request"]


def _flushing(send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Deliver what is recorded when the server ends: uvicorn ends its process by the signal, without atexit."""
    from vedette.sdk.configure import settle  # noqa: PLC0415 - loaded with configure
    from vedette.sdk.metrics.workers import leave_workers  # noqa: PLC0415 - loaded with the first application

    async def send_and_flush(message: Any) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            await asyncio.to_thread(leave_workers, bequeath=True)
            await asyncio.to_thread(settle)
        await send(message)

    return send_and_flush


async def _answer_metrics(scope: MutableMapping[str, Any], send: Callable[[Any], Awaitable[None]]) -> None:
    from vedette.sdk.metrics.forms import negotiate  # noqa: PLC0415 - loaded by a scrape
    from vedette.sdk.metrics.workers import exposed  # noqa: PLC0415

    wishes = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    form = negotiate(",".join(wishes))
    body = await asyncio.to_thread(exposed, form)
    headers = [(b"content-type", form.content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _watch_loop() -> None:
    """Observe how late the running event loop is, four times a second."""
    lag = registry.histogram("asyncio_event_loop_lag_seconds", "How late the event loop runs its timers", unit="s")
    loop = asyncio.get_running_loop()

    def tick(due: float) -> None:
        now = perf_counter()
        lag.observe(max(0.0, now - due))
        if not loop.is_closed():
            loop.call_later(_LAG_SECONDS, tick, now + _LAG_SECONDS)

    loop.call_later(_LAG_SECONDS, tick, perf_counter() + _LAG_SECONDS)
