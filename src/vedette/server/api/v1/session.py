"""Who the caller is, what the caller may look at, and where telemetry is sent: what the pages ask first."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from typing_extensions import TypedDict

from vedette.server.api.context import Caller, services_of
from vedette.server.control.tenants import DEFAULT_TENANT
from vedette.version import __version__

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["session"])


class Session(TypedDict):
    """The caller and the doors; a port is None where its door is closed."""

    tenant: str
    tenants: list[str]
    scopes: list[str]
    key_id: str | None
    version: str
    otlp_http_port: int | None
    otlp_grpc_port: int | None


@router.get("/session", summary="Who is asking, and where telemetry goes")
async def session(request: Request, caller: Caller) -> Session:
    """`tenants` are those that the caller may choose by `X-Scope-OrgID`, as far as they are known."""
    services = services_of(request)
    settings = services.settings
    names = set(caller.tenants) | {caller.tenant}
    if caller.all_tenants:
        names |= {tenant.name for tenant in await asyncio.to_thread(services.control.list_tenants)} | {DEFAULT_TENANT}
    return Session(
        tenant=caller.tenant,
        tenants=sorted(names),
        scopes=sorted(caller.scopes),
        key_id=caller.key_id,
        version=__version__,
        otlp_http_port=settings.otlp_http.port if settings.otlp_http else None,
        otlp_grpc_port=settings.otlp_grpc.port if settings.otlp_grpc else None,
    )
