"""Instances and versions of a service, and one release against another."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from typing_extensions import TypedDict

from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.services import From, ServiceName, To
from vedette.server.query.releases.releases import compare_releases, instances, releases
from vedette.server.query.timerange import parse_range

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/services/{service:path}", tags=["services"])


class ReleaseFigures(TypedDict):
    """Rate per second, errors as a share of 1, durations in milliseconds."""

    request_count: int
    error_count: int
    rate: float
    error_rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Instance(ReleaseFigures):
    """One process, container or host that ran the service. What its resource does not say is empty."""

    instance: str
    version: str
    host: str
    first_seen: str
    last_seen: str


class Instances(TypedDict):
    """Who ran the service."""

    instances: list[Instance]


class Release(ReleaseFigures):
    """One version; new is one without a span in the time before the range."""

    version: str
    instance_count: int
    first_seen: str
    last_seen: str
    is_new: bool


class Releases(TypedDict):
    """Which versions of the service ran."""

    releases: list[Release]


class OperationChange(TypedDict):
    """One operation under both versions; null where a version has none."""

    name: str
    kind: str
    base: ReleaseFigures | None
    target: ReleaseFigures | None


class ErrorChange(TypedDict):
    """One kind of error under both versions."""

    kind: str
    message: str
    operation: str
    base_count: int
    target_count: int


class ReleaseComparison(TypedDict):
    """Two versions side by side."""

    base: ReleaseFigures | None
    target: ReleaseFigures | None
    operations: list[OperationChange]
    errors: list[ErrorChange]


@router.get("/instances", summary="Instances of one service")
async def service_instances(
    request: Request, caller: Caller, service: ServiceName, from_: From = None, to: To = None
) -> Instances:
    """Every instance (`service.instance.id`, else pod, container or host) with its version and figures."""
    range_ = parse_range(from_, to)
    found = await instances(services_of(request).reader, caller.tenant, service=service, range_=range_)
    return cast("Instances", found)


@router.get("/releases", summary="Versions of one service")
async def service_releases(
    request: Request, caller: Caller, service: ServiceName, from_: From = None, to: To = None
) -> Releases:
    """Every `service.version` that ran in the range, the newest first.

    `first_seen` and `is_new` look back before the range, as far as the range is long and at least an hour.
    """
    range_ = parse_range(from_, to)
    found = await releases(services_of(request).reader, caller.tenant, service=service, range_=range_)
    return cast("Releases", found)


@router.get("/releases/compare", summary="One release against another")
async def release_comparison(
    request: Request,
    caller: Caller,
    *,
    service: ServiceName,
    base: Annotated[str, Query(description="The `service.version` to compare with.")],
    target: Annotated[str, Query(description="The `service.version` to look at.")],
    from_: From = None,
    to: To = None,
) -> ReleaseComparison:
    """Figures of both versions, as a whole and by operation, and their errors, those first that only `target` has."""
    found = await compare_releases(
        services_of(request).reader,
        caller.tenant,
        service=service,
        base=base,
        target=target,
        range_=parse_range(from_, to),
    )
    return cast("ReleaseComparison", found)
