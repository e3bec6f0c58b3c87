"""Services register themselves, and Prometheus' HTTP discovery finds those that have metrics."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from vedette.errors import InvalidInput
from vedette.server.api.context import Caller, Sender, services_of

if TYPE_CHECKING:
    from vedette.server.control.registry import RegisteredService, ServiceRegistry

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/monitoring/service-discovery", tags=["monitoring"])

_MOST_LABELS: Final = 30
_MOST_TEXT: Final = 200
_LONGEST_TTL: Final = 86_400

ServiceId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="The `id` of a service.")]
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")]
LabelText = Annotated[str, Field(max_length=_MOST_TEXT)]


class Registration(BaseModel):
    """A service that is there."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=_MOST_TEXT, examples=["checkout"])
    address: str = Field(
        pattern=r"^[^\s/@?#]{1,250}:\d{1,5}$", description="Host and port.", examples=["10.0.0.5:8080"]
    )
    metrics_url: str = Field(
        default="",
        max_length=2_000,
        description="Where its metrics are; a path is on `address` by HTTP. Empty: it has none.",
        examples=["/metrics"],
    )
    labels: dict[LabelName, LabelText] = Field(default_factory=dict, max_length=_MOST_LABELS)
    ttl_seconds: int = Field(default=60, ge=1, le=_LONGEST_TTL, description="Down when not heard of for so long.")


class Service(TypedDict):
    """A registered service; `status` is up or down."""

    id: str
    name: str
    address: str
    metrics_url: str
    labels: dict[str, str]
    ttl_seconds: int
    status: str
    registered: str
    last_heartbeat: str


class RegisteredServices(TypedDict):
    """The registered services of a tenant."""

    services: list[Service]


class TargetGroup(TypedDict):
    """A target as Prometheus' HTTP discovery reads it."""

    targets: list[str]
    labels: dict[str, str]


@router.post("", status_code=201, summary="Register a service")
async def register(request: Request, sender: Sender, body: Registration) -> Service:
    """The same name at the same address is the same service: registering again is a heartbeat with news."""
    facts = body.model_dump(exclude={"metrics_url"})
    return _document(
        await asyncio.to_thread(_registry(request).register, sender.tenant, metrics=_metrics_url(body), **facts)
    )


@router.get("", summary="Registered services")
async def list_services(
    request: Request,
    caller: Caller,
    name: Annotated[str, Query(max_length=_MOST_TEXT, description="Only services of this name.")] = "",
) -> RegisteredServices:
    """By name and address. A service that is not heard of for its `ttl_seconds` is down, and forgotten after a day."""
    found = await asyncio.to_thread(_registry(request).all, caller.tenant, name)
    return {"services": [_document(service) for service in found]}


@router.get("/targets", summary="Registered services with metrics, for Prometheus' HTTP discovery")
async def targets(request: Request, caller: Caller) -> list[TargetGroup]:
    """For `http_sd_configs`: services that are up. `job` is the name, `instance` the address; labels are taken over."""
    found = await asyncio.to_thread(_registry(request).all, caller.tenant)
    now = datetime.now(UTC)
    return [_target(service) for service in found if service.metrics and service.is_up(now)]


@router.post("/{service_id}/heartbeat", summary="Say that a service is there")
async def heartbeat(request: Request, sender: Sender, service_id: ServiceId) -> Service:
    """404 when it is not registered any more: register again."""
    return _document(await asyncio.to_thread(_registry(request).heartbeat, sender.tenant, service_id))


@router.delete("/{service_id}", status_code=204, summary="Deregister a service")
async def deregister(request: Request, sender: Sender, service_id: ServiceId) -> None:
    """Forgets it; it is not scraped any more."""
    await asyncio.to_thread(_registry(request).deregister, sender.tenant, service_id)


def _registry(request: Request) -> ServiceRegistry:
    return services_of(request).control.registry


def _metrics_url(body: Registration) -> str:
    if not body.metrics_url:
        return ""
    url = f"http://{body.address}{body.metrics_url}" if body.metrics_url.startswith("/") else body.metrics_url
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
        is_good &= parts.port is None or parts.port > 0
    except ValueError:
        is_good = False
    if not is_good:
        raise InvalidInput("metrics_url is a path such as /metrics, or an http or https URL without a password.")
    return url


def _target(service: RegisteredService) -> TargetGroup:
    address, labels = service.target()
    return {"targets": [address], "labels": labels}


def _document(service: RegisteredService) -> Service:
    return {
        "id": service.id,
        "name": service.name,
        "address": service.address,
        "metrics_url": service.metrics,
        "labels": service.labels,
        "ttl_seconds": service.ttl_seconds,
        "status": "up" if service.is_up(datetime.now(UTC)) else "down",
        "registered": service.registered.isoformat(),
        "last_heartbeat": service.seen.isoformat(),
    }
