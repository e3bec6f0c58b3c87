"""Jaeger's query API, so that Jaeger's UI and Grafana's Jaeger data source work: base URL ``…/jaeger``.

The JSON API behind Jaeger's UI (https://www.jaegertracing.io/docs/latest/architecture/apis/) answers with
``{"data", "total", "limit", "offset", "errors"}``; its times are microseconds, those of dependencies milliseconds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from vedette.errors import InvalidInput
from vedette.server.api.answers import streamed
from vedette.server.api.compat import jaeger_v3
from vedette.server.api.compat.jaeger_requests import JaegerRoute, number, tags_of
from vedette.server.api.context import Caller, services_of
from vedette.server.query.timerange import TimeRange, now_ns, parse_duration_ns
from vedette.server.query.traces.conditions import build_conditions
from vedette.server.query.traces.documents import (
    TraceBounds,
    bounds_of,
    find_bounds,
    framed,
    jaeger_traces,
    parse_trace_id,
)
from vedette.server.query.traces.jaeger import (
    dependencies_document,
    operations_document,
    search_terms,
    services_document,
)
from vedette.server.query.traces.search import MAX_LIMIT, TraceSearch, find_traces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.reader import Reader

__all__ = ["router"]

router = APIRouter(prefix="/jaeger/api", tags=["jaeger"], route_class=JaegerRoute)

_JSON: Final = "application/json"
_BEFORE: Final = b'{"data":['
_DEFAULT_LIMIT: Final = 100
_LOOKBACK_NS: Final = 2 * 86_400_000_000_000
"""How far Jaeger looks back for traces when it is not told: two days."""
_DEPENDENCY_LOOKBACK_MS: Final = 86_400_000


@router.get("/services", summary="Names of all services")
async def services(request: Request, caller: Caller) -> Response:
    """``{"data": ["gateway", …], "total": 4, …}``."""
    body = await services_document(services_of(request).reader, caller.tenant, v3=False)
    return Response(body, media_type=_JSON)


@router.get("/services/{service:path}/operations", summary="Names of a service's operations")
async def operation_names(request: Request, caller: Caller, service: Annotated[str, Path()]) -> Response:
    """``{"data": ["POST /cart", …], …}``: span names of all kinds, each once."""
    reader = services_of(request).reader
    body = await operations_document(reader, caller.tenant, service=service, shape="names")
    return Response(body, media_type=_JSON)


@router.get("/operations", summary="A service's operations with their kinds")
async def operations(
    request: Request,
    caller: Caller,
    *,
    service: Annotated[str | None, Query()] = None,
    span_kind: Annotated[str, Query(alias="spanKind")] = "",
) -> Response:
    """``{"data": [{"name": "POST /cart", "spanKind": "server"}, …], …}``."""
    if not service:
        raise InvalidInput("parameter 'service' is required")
    reader = services_of(request).reader
    body = await operations_document(reader, caller.tenant, service=service, kind=span_kind)
    return Response(body, media_type=_JSON)


@router.get("/dependencies", summary="Who calls whom")
async def dependencies(
    request: Request,
    caller: Caller,
    *,
    end_ts: Annotated[str | None, Query(alias="endTs", description="End in Unix milliseconds.")] = None,
    lookback: Annotated[str | None, Query(description="Milliseconds before the end; a day by default.")] = None,
    service: Annotated[str, Query()] = "",
) -> Response:
    """``{"data": [{"parent": "gateway", "child": "orders", "callCount": 12}], …}``."""
    end = number(end_ts, name="endTs")
    end_ns = now_ns() if end is None else min(end * 1_000_000, 2**63 - 1)
    back = number(lookback, name="lookback")
    start_ns = max(0, end_ns - (_DEPENDENCY_LOOKBACK_MS if back is None else back) * 1_000_000)
    range_ = TimeRange(start_ns, end_ns)
    body = await dependencies_document(services_of(request).reader, caller.tenant, range_=range_, service=service)
    return Response(body, media_type=_JSON)


@router.get("/traces", summary="Search for traces")
async def search(
    request: Request,
    caller: Caller,
    *,
    service: Annotated[str | None, Query()] = None,
    operation: Annotated[str, Query()] = "",
    tags: Annotated[list[str] | None, Query(description="A JSON object of tags and their values.")] = None,
    tag: Annotated[list[str] | None, Query(description="One tag as `key:value`.")] = None,
    start: Annotated[str | None, Query(description="Unix microseconds.")] = None,
    end: Annotated[str | None, Query(description="Unix microseconds.")] = None,
    lookback: Annotated[str | None, Query(description="How far back without `start`, for example `1h`.")] = None,
    min_duration: Annotated[str, Query(alias="minDuration", description="For example `100ms`.")] = "",
    max_duration: Annotated[str, Query(alias="maxDuration")] = "",
    limit: Annotated[str | None, Query()] = None,
    trace_ids: Annotated[list[str] | None, Query(alias="traceID", description="These traces instead.")] = None,
) -> Response:
    """Whole traces, newest first, that have a span for which everything asked holds."""
    reader = services_of(request).reader
    if trace_ids:
        return await _by_ids(reader, caller.tenant, trace_ids)
    if not service:
        raise InvalidInput("parameter 'service' is required")
    terms = search_terms(
        service=service,
        operation=operation,
        tags=tags_of(tags or (), tag or ()),
        durations=(min_duration, max_duration),
        names=("tags", "minDuration", "maxDuration"),
    )
    wanted = number(limit, name="limit")
    search_ = TraceSearch(
        build_conditions(terms),
        _range(start, end, lookback),
        limit=max(1, min(_DEFAULT_LIMIT if wanted is None else wanted, MAX_LIMIT)),
    )
    page = await find_traces(reader, caller.tenant, search_)
    return await _answer(reader, caller.tenant, page.trace_ids, b"null")


@router.get("/traces/{trace_id}", summary="One trace")
async def trace(request: Request, caller: Caller, trace_id: Annotated[str, Path()]) -> Response:
    """``{"data": [{"traceID", "spans", "processes", "warnings"}], …}`` with all spans of the trace."""
    reader = services_of(request).reader
    wanted = parse_trace_id(trace_id)
    bounds = await bounds_of(reader, caller.tenant, wanted)
    return await _stream(jaeger_traces(reader, caller.tenant, [wanted], bounds), b"null")


async def _by_ids(reader: Reader, tenant: str, given: list[str]) -> Response:
    if len(given) > MAX_LIMIT:
        raise InvalidInput(f"parameter 'traceID' occurs more than {MAX_LIMIT} times")
    wanted = list(dict.fromkeys(parse_trace_id(text) for text in given))
    missing = [trace_id for trace_id in wanted if await find_bounds(reader, tenant, [trace_id]) is None]
    errors = [{"code": 404, "msg": "trace not found", "traceID": trace_id} for trace_id in missing]
    present = [trace_id for trace_id in wanted if trace_id not in missing]
    return await _answer(reader, tenant, present, json.dumps(errors or None).encode())


async def _answer(reader: Reader, tenant: str, trace_ids: list[str], errors: bytes) -> Response:
    bounds = await find_bounds(reader, tenant, trace_ids) if trace_ids else None
    return await _stream(jaeger_traces(reader, tenant, trace_ids, bounds or TraceBounds(0, 0)), errors)


async def _stream(items: AsyncIterator[bytes], errors: bytes) -> Response:
    after = b'],"total":0,"limit":0,"offset":0,"errors":' + errors + b"}"
    return await streamed(framed(_BEFORE, items, after), _JSON)


def _range(start: str | None, end: str | None, lookback: str | None) -> TimeRange:
    end_us = number(end, name="end")
    # An end in microseconds means all of that microsecond.
    end_ns = now_ns() if end_us is None else min((end_us + 1) * 1_000, 2**63 - 1)
    start_us = number(start, name="start")
    if start_us is not None:
        start_ns = start_us * 1_000
    elif lookback and lookback != "custom":
        start_ns = max(0, end_ns - parse_duration_ns(lookback, name="lookback"))
    else:
        start_ns = max(0, end_ns - _LOOKBACK_NS)
    if start_ns >= end_ns:
        raise InvalidInput("parameter 'start' is not before parameter 'end'")
    return TimeRange(start_ns, end_ns)


router.include_router(jaeger_v3.router)
