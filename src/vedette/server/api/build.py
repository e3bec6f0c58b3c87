"""The API as one FastAPI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from vedette import __version__
from vedette.errors import TooLarge
from vedette.server.api import health
from vedette.server.api.compat import jaeger
from vedette.server.api.compat.prometheus import federation, labels, queries, remote_read, status
from vedette.server.api.compat.prometheus import rules as prometheus_rules
from vedette.server.api.compat.prometheus.direct import past_the_framework
from vedette.server.api.disconnect import cancelled_on_disconnect
from vedette.server.api.problems import add_problem_handlers
from vedette.server.api.ui import Pages
from vedette.server.api.v1 import (
    backups,
    cardinality,
    deltas,
    ledger,
    log_levels,
    logs,
    monitoring,
    monitoring_metrics,
    overview,
    patterns,
    releases,
    service_discovery,
    services,
    session,
    sql,
    trace_view,
    traces,
    views,
)
from vedette.server.ingest.body import too_large

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from vedette.server.api.context import Services

__all__ = ["build_api", "openapi_document"]

_ROUTERS = (
    health.router,
    session.router,
    overview.router,
    services.router,
    releases.router,
    # Before the traces, whose ids would be taken for any name.
    deltas.router,
    traces.router,
    trace_view.router,
    logs.router,
    patterns.router,
    sql.router,
    ledger.router,
    views.router,
    log_levels.router,
    backups.router,
    monitoring.router,
    service_discovery.router,
    monitoring_metrics.router,
    cardinality.router,
    jaeger.router,
    queries.router,
    labels.router,
    status.router,
    prometheus_rules.router,
    remote_read.router,
    federation.router,
)

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


def build_api(built: Services) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The ASGI application behind everything but OTLP."""
    app = _application()
    app.state.services = built
    app.router.default = Pages(app.router.not_found)
    return cancelled_on_disconnect(_Guard(past_the_framework(app), built.settings.max_body_bytes))


def openapi_document() -> dict[str, Any]:
    """The description of every route, without starting anything."""
    return _application().openapi()


def _application() -> FastAPI:
    app = FastAPI(
        title="Vedette",
        version=__version__,
        summary="Traces, logs and metrics: ask for them.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    add_problem_handlers(app)
    for router in _ROUTERS:
        app.include_router(router)
    return app


class _Guard:
    """Bounds every request body and puts the security headers on every answer."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]], max_body_bytes: int) -> None:
        self._app = app
        self._max_body = max_body_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal size
            message: MutableMapping[str, Any] = await receive()
            size += len(message.get("body", b""))
            if size > self._max_body:
                raise TooLarge(too_large(self._max_body))
            return message

        async def secured(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in _SECURITY_HEADERS if header[0] not in present),
                ]
            await send(message)

        await self._app(scope, bounded, secured)
