"""Services: how often they are asked, how often they fail, how long they take, and who calls whom."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.answer_models import Edges, Operations, RedSeries, ServiceList, Trends
from vedette.server.api.v1.trace_examples import EDGES, OPERATIONS, RED, SERVICES, TRENDS, example
from vedette.server.query.services import red
from vedette.server.query.timerange import parse_duration_ns, parse_range

__all__ = ["From", "ServiceName", "To", "router"]

router = APIRouter(prefix="/api/v1", tags=["services"])

_JSON: Final = "application/json"

From = Annotated[
    str | None,
    Query(alias="from", description="Start: RFC 3339, Unix time, or relative like `now-15m` or `15m`. Default: 1h."),
]
To = Annotated[str | None, Query(description="End, written like `from`. Default: now.")]
ServiceName = Annotated[str, Path(description="The service's name, percent-encoded.")]


@router.get(
    "/services", summary="All services with rate, errors and durations", responses=example(SERVICES, model=ServiceList)
)
async def services(request: Request, caller: Caller, from_: From = None, to: To = None) -> Response:
    """Every service that had a span in the range, which is widened to whole minutes.

    The figures are those of its server and consumer spans, or of all its spans if it has none of these. `rate` is per
    second, `error_rate` a share of 1; percentiles are estimates.
    """
    body = await red.services(services_of(request).reader, caller.tenant, range_=parse_range(from_, to))
    return Response(body, media_type=_JSON)


@router.get(
    "/services/{service:path}/operations",
    summary="One service's operations with rate, errors and durations",
    responses=example(OPERATIONS, model=Operations),
)
async def operations(
    request: Request, caller: Caller, service: ServiceName, from_: From = None, to: To = None
) -> Response:
    """Every span name and kind of the service, the busiest first."""
    range_ = parse_range(from_, to)
    body = await red.operations(services_of(request).reader, caller.tenant, service=service, range_=range_)
    return Response(body, media_type=_JSON)


@router.get(
    "/services/{service:path}/red",
    summary="Rate, errors and durations over time",
    responses=example(RED, model=RedSeries),
)
async def red_series(
    request: Request,
    caller: Caller,
    *,
    service: ServiceName,
    operation: Annotated[str, Query(description="Only spans of this name, of any kind.")] = "",
    step: Annotated[
        str | None, Query(description="Whole minutes, for example `5m`. Default: about 120 points.")
    ] = None,
    from_: From = None,
    to: To = None,
) -> Response:
    """One point for every step, also for those in which nothing happened; `time` is a step's start."""
    range_ = parse_range(from_, to)
    step_ns = parse_duration_ns(step, name="step") if step else red.default_step_ns(range_)
    body = await red.red_series(
        services_of(request).reader,
        caller.tenant,
        service=service,
        operation=operation,
        range_=range_,
        step_ns=step_ns,
    )
    return Response(body, media_type=_JSON)


@router.get("/service-trends", summary="All services over time, in few steps", responses=example(TRENDS, model=Trends))
async def service_trends(
    request: Request,
    caller: Caller,
    *,
    points: Annotated[int, Query(ge=2, le=120, description="About how many steps at most.")] = 30,
    from_: From = None,
    to: To = None,
) -> Response:
    """Requests, errors and the 95th percentile of every service for every step, as lists of equal length."""
    range_ = parse_range(from_, to)
    body = await red.trends(services_of(request).reader, caller.tenant, range_=range_, points=points)
    return Response(body, media_type=_JSON)


@router.get("/service-map", summary="Who calls whom", responses=example(EDGES, model=Edges))
async def service_map(request: Request, caller: Caller, from_: From = None, to: To = None) -> Response:
    """Edges between services, and from services to databases and message queues, with their figures."""
    body = await red.service_map(services_of(request).reader, caller.tenant, range_=parse_range(from_, to))
    return Response(body, media_type=_JSON)
