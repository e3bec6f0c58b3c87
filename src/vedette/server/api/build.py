"""The API as one FastAPI application."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from vedette.server.api import health
from vedette.server.api.bodies import Bodies
from vedette.server.api.compat import jaeger
from vedette.server.api.compat.prometheus import federation, instance, labels, queries, remote_read, status
from vedette.server.api.compat.prometheus import rules as prometheus_rules
from vedette.server.api.compat.prometheus.direct import past_the_framework
from vedette.server.api.headers import SECURITY_HEADERS
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
from vedette.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from vedette.server.api.context import Services

__all__ = ["build_api", "is_question", "openapi_document"]

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
    instance.router,
)

_QUESTIONS_BY_POST = frozenset(
    {
        "/api/v1/sql",
        "/prometheus/api/v1/query",
        "/prometheus/api/v1/query_range",
        "/prometheus/api/v1/query_exemplars",
        "/prometheus/api/v1/series",
        "/prometheus/api/v1/labels",
    }
)


def build_api(built: Services) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The ASGI application behind everything but OTLP."""
    app = _application()
    app.state.services = built
    app.router.default = Pages(app.router.not_found)
    bodies = Bodies(built.settings)
    return past_the_framework(_Guard(app, bodies), built, bodies)


def openapi_document() -> dict[str, Any]:
    """The description of every route, without starting anything."""
    return _application().openapi()


def is_question(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request only asks, so that nobody needs its answer when its client has left.

    What changes something is never cancelled: it is done or not done, whoever waits for it.
    """
    return scope["method"] == "GET" or scope["path"] in _QUESTIONS_BY_POST


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

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]], bodies: Bodies) -> None:
        self._app = app
        self._bodies = bodies

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def secured(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in SECURITY_HEADERS if header[0] not in present),
                ]
            await send(message)

        # Who left in the middle of a body waits for no answer.
        with self._bodies.bounded(receive) as bounded, contextlib.suppress(ClientDisconnect):
            await self._app(scope, bounded, secured)
