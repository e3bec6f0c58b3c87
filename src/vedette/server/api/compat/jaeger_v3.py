"""Version 3 of Jaeger's query API, which answers with OTLP/JSON.

https://github.com/jaegertracing/jaeger-idl/blob/main/swagger/api_v3/query_service.openapi.yaml
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from vedette.errors import InvalidInput
from vedette.server.api.answers import streamed
from vedette.server.api.compat.jaeger_requests import JaegerRouteV3, number, tags_of
from vedette.server.api.context import Caller, services_of
from vedette.server.query.timerange import parse_range
from vedette.server.query.traces.conditions import build_conditions
from vedette.server.query.traces.documents import bounds_of, find_bounds, framed, otlp_resource_spans, parse_trace_id
from vedette.server.query.traces.jaeger import operations_document, search_terms, services_document
from vedette.server.query.traces.search import MAX_LIMIT, TraceSearch, find_traces

__all__ = ["router"]

router = APIRouter(prefix="/v3", route_class=JaegerRouteV3)

_JSON: Final = "application/json"
_BEFORE: Final = b'{"result":{"resourceSpans":['
_AFTER: Final = b"]}}"
_DEFAULT_LIMIT: Final = 100


@router.get("/services", summary="Names of all services")
async def services(request: Request, caller: Caller) -> Response:
    """``{"services": ["gateway", …]}``."""
    return Response(await services_document(services_of(request).reader, caller.tenant, v3=True), media_type=_JSON)


@router.get("/operations", summary="A service's operations with their kinds")
async def operations(
    request: Request,
    caller: Caller,
    *,
    service: Annotated[str | None, Query()] = None,
    span_kind: Annotated[str, Query()] = "",
) -> Response:
    """``{"operations": [{"name": "POST /cart", "spanKind": "server"}, …]}``."""
    if not service:
        raise InvalidInput("parameter 'service' is required")
    reader = services_of(request).reader
    body = await operations_document(reader, caller.tenant, service=service, kind=span_kind, shape="v3")
    return Response(body, media_type=_JSON)


@router.get("/traces/{trace_id}", summary="One trace")
async def trace(request: Request, caller: Caller, trace_id: Annotated[str, Path()]) -> Response:
    """``{"result": {"resourceSpans": […]}}``: the trace as OTLP/JSON."""
    reader = services_of(request).reader
    wanted = parse_trace_id(trace_id)
    bounds = await bounds_of(reader, caller.tenant, wanted)
    return await streamed(framed(_BEFORE, otlp_resource_spans(reader, caller.tenant, [wanted], bounds), _AFTER), _JSON)


@router.get("/traces", summary="Search for traces")
async def search(
    request: Request,
    caller: Caller,
    *,
    service: Annotated[str, Query(alias="query.service_name")] = "",
    operation: Annotated[str, Query(alias="query.operation_name")] = "",
    attributes: Annotated[list[str] | None, Query(alias="query.attributes", description="A JSON object.")] = None,
    start: Annotated[str, Query(alias="query.start_time_min", description="RFC 3339.")] = "",
    end: Annotated[str, Query(alias="query.start_time_max", description="RFC 3339.")] = "",
    min_duration: Annotated[str, Query(alias="query.duration_min", description="For example `100ms`.")] = "",
    max_duration: Annotated[str, Query(alias="query.duration_max")] = "",
    search_depth: Annotated[str, Query(alias="query.search_depth", description="Traces at most.")] = "",
    num_traces: Annotated[str, Query(alias="query.num_traces", description="The older name of search_depth.")] = "",
) -> Response:
    """Whole traces that have a span for which everything asked holds, as OTLP/JSON."""
    if not start or not end:
        raise InvalidInput("query.start_time_min and query.start_time_max are required")
    range_ = parse_range(start, end, from_name="query.start_time_min", to_name="query.start_time_max")
    terms = search_terms(
        service=service,
        operation=operation,
        tags=tags_of(attributes or (), name="query.attributes"),
        durations=(min_duration, max_duration),
        names=("query.attributes", "query.duration_min", "query.duration_max"),
    )
    wanted = number(search_depth or num_traces, name="query.search_depth")
    limit = max(1, min(_DEFAULT_LIMIT if wanted is None else wanted, MAX_LIMIT))
    reader = services_of(request).reader
    page = await find_traces(reader, caller.tenant, TraceSearch(build_conditions(terms), range_, limit=limit))
    bounds = await find_bounds(reader, caller.tenant, page.trace_ids) if page.trace_ids else None
    if bounds is None:
        return Response(_BEFORE + _AFTER, media_type=_JSON)
    items = otlp_resource_spans(reader, caller.tenant, page.trace_ids, bounds)
    return await streamed(framed(_BEFORE, items, _AFTER), _JSON)
