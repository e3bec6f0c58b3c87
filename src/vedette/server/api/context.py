"""What a route can reach, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from vedette.server.control.identity import Identity

if TYPE_CHECKING:
    import asyncio

    from vedette.server.alerting.notifier import Notifier
    from vedette.server.backup import BackupDesk
    from vedette.server.control.identity import Authenticator
    from vedette.server.control.keys import Scope
    from vedette.server.control.store import Control
    from vedette.server.engine.client import Engine
    from vedette.server.ingest.pipeline import Ingest
    from vedette.server.query.logs.page import NewestLines
    from vedette.server.query.metrics.queries import MetricQueries
    from vedette.server.query.reader import Reader
    from vedette.server.readiness import Readiness
    from vedette.server.rules.manager import RuleManager
    from vedette.server.settings import Settings
    from vedette.server.telemetry import Telemetry

__all__ = ["Admin", "Caller", "Sender", "Services", "identify_reader", "services_of"]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the composition root built, for routes to use."""

    settings: Settings
    engine: Engine
    reader: Reader
    newest_lines: NewestLines
    control: Control
    authenticator: Authenticator
    ingest: Ingest
    telemetry: Telemetry
    readiness: Readiness
    backups: BackupDesk
    metrics: MetricQueries
    rules: RuleManager
    notifier: Notifier
    stopping: asyncio.Event
    """Set when the server is asked to stop: answers that have no end, end."""


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    return cast("Services", request.app.state.services)


def _identify(request: Request, scope: Scope) -> Identity:
    client = request.client.host if request.client else ""
    return services_of(request).authenticator.identify_headers(request.headers.raw, scope=scope, client=client)


def identify_reader(request: Request) -> Identity:
    """Who asks, if they may read.

    Raises:
        Unauthenticated, Forbidden: they may not.
    """
    return _identify(request, "read")


# These are coroutines because FastAPI sends every other function through a thread.
async def _reader(request: Request) -> Identity:
    return identify_reader(request)


async def _ingester(request: Request) -> Identity:
    return _identify(request, "ingest")


async def _admin(request: Request) -> Identity:
    return _identify(request, "admin")


Caller = Annotated[Identity, Depends(_reader)]
"""The authenticated caller of a route that reads."""

Sender = Annotated[Identity, Depends(_ingester)]
"""The authenticated caller of a route that writes telemetry."""

Admin = Annotated[Identity, Depends(_admin)]
"""The authenticated caller of a route that administers."""
