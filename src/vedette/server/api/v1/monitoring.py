"""The older monitoring API, as thin adapters of ingest and of the queries beside it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Query, Request, Response

from vedette.errors import InvalidInput, TooLarge
from vedette.server.api.answers import streamed
from vedette.server.api.context import Caller, Sender, services_of
from vedette.server.api.v1.monitoring_models import (
    MAX_ITEMS,
    Accepted,
    LogItem,
    SpanItem,
    logs_as_otlp,
    spans_as_otlp,
)
from vedette.server.query.logs.checking import checked_condition
from vedette.server.query.logs.compiler import compile_query
from vedette.server.query.logs.numbered import MAX_DEPTH, numbered_page_document, summary
from vedette.server.query.logs.selection import Selection
from vedette.server.query.monitoring.overview import overview
from vedette.server.query.timerange import TimeRange, parse_range
from vedette.server.query.traces.conditions import build_conditions
from vedette.server.query.traces.parameters import SpanFilter
from vedette.server.query.traces.search import TraceSearch, find_traces, page_document

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"])

_JSON: Final = "application/json"
_DAY_NS: Final = 86_400 * 10**9
_PAGE_SIZE: Final = 1_000

StartTime = Annotated[
    str | None, Query(description="RFC 3339, Unix time, or relative like `now-15m`. Default: 1d ago.")
]
EndTime = Annotated[str | None, Query(description="Written like `start_time`. Default: now.")]
Service = Annotated[str, Query(max_length=1_024, description="Only this service.")]
Level = Annotated[str, Query(max_length=64, description="trace, debug, info, warn, error or fatal.")]


def _range(start_time: str | None, end_time: str | None) -> TimeRange:
    return parse_range(start_time, end_time, from_name="start_time", to_name="end_time", default_span_ns=_DAY_NS)


def _check_number(count: int) -> None:
    if count > MAX_ITEMS:
        raise TooLarge(f"A request may hold {MAX_ITEMS:,} items and has {count:,}; send several, or use OTLP.")


@router.post("/logs", status_code=202, summary="Send log lines", response_model_exclude_defaults=True)
async def send_logs(request: Request, sender: Sender, items: Annotated[LogItem | list[LogItem], Body()]) -> Accepted:
    """One line or a list of up to 1,000. Answered when they are on disk."""
    lines = items if isinstance(items, list) else [items]
    _check_number(len(lines))
    await services_of(request).ingest.submit_otlp_json(sender, "logs", logs_as_otlp(lines))
    return Accepted(accepted=len(lines))


@router.post("/traces", status_code=202, summary="Send spans", response_model_exclude_defaults=True)
async def send_traces(
    request: Request, sender: Sender, items: Annotated[SpanItem | list[SpanItem], Body()]
) -> Accepted:
    """One span or a list of up to 1,000. Answered when they are on disk."""
    spans = items if isinstance(items, list) else [items]
    _check_number(len(spans))
    await services_of(request).ingest.submit_otlp_json(sender, "traces", spans_as_otlp(spans))
    return Accepted(accepted=len(spans))


@router.get("/traces", summary="Search for traces")
async def search_traces(
    request: Request,
    caller: Caller,
    *,
    service: Service = "",
    operation: Annotated[str, Query(max_length=4_096, description="Only spans of this name.")] = "",
    status: Annotated[Literal["", "unset", "ok", "error"], Query(description="Only spans with this status.")] = "",
    min_duration: Annotated[str | None, Query(description="The span took at least this, such as `250ms`.")] = None,
    start_time: StartTime = None,
    end_time: EndTime = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE_SIZE, description="Traces on a page.")] = 20,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Response:
    """Traces with a span for which everything asked holds, newest first, as `GET /api/v1/traces` answers."""
    reader = services_of(request).reader
    wanted = SpanFilter(
        service=service or None, operation=operation or None, status=status or None, min_duration=min_duration
    )
    conditions = build_conditions(wanted.terms())
    search = TraceSearch(conditions, _range(start_time, end_time), "newest", limit, cursor)
    page = await find_traces(reader, caller.tenant, search)
    return await streamed(page_document(reader, caller.tenant, page), _JSON)


@router.get("/logs/search", summary="Search log lines")
async def search_logs(
    request: Request,
    caller: Caller,
    *,
    query: Annotated[str, Query(description="Lucene syntax, as in `GET /api/v1/logs`.")] = "",
    level: Level = "",
    service: Service = "",
    start_time: StartTime = None,
    end_time: EndTime = None,
    page: Annotated[int, Query(ge=1, description="Pages count from 1.")] = 1,
    size: Annotated[int, Query(ge=1, le=_PAGE_SIZE, description="Lines on a page.")] = 50,
) -> Response:
    """`{"total", "page", "size", "logs": [...]}`, newest first.

    A line is `{"timestamp", "level", "message", "service", "trace_id", "span_id", "attributes"}`.
    """
    if page * size > MAX_DEPTH:
        raise InvalidInput(
            f"Pages by number reach {MAX_DEPTH:,} lines deep; narrow the search, or page by cursor: GET /api/v1/logs."
        )
    selection = await _selection(request, caller, query, _range(start_time, end_time), level=level, service=service)
    document = numbered_page_document(services_of(request).reader, selection, page=page, size=size)
    return await streamed(document, _JSON)


@router.get("/logs/statistics", summary="Count log lines")
async def log_statistics(
    request: Request,
    caller: Caller,
    *,
    query: Annotated[str, Query(description="Lucene syntax, as in `GET /api/v1/logs`.")] = "",
    service: Service = "",
    start_time: StartTime = None,
    end_time: EndTime = None,
) -> dict[str, Any]:
    """`{"total", "by_level": {…}, "by_service": {…}, "by_hour": [{"hour", "count"}]}`."""
    selection = await _selection(request, caller, query, _range(start_time, end_time), service=service)
    return await summary(services_of(request).reader, selection)


@router.get("/dashboard/overview", summary="Everything at a glance")
async def dashboard_overview(
    request: Request, caller: Caller, *, start_time: StartTime = None, end_time: EndTime = None
) -> dict[str, Any]:
    """Services with spans, errors and error rate, logs by level, the newest error lines, and the volume kept."""
    return await overview(services_of(request).reader, caller.tenant, _range(start_time, end_time))


async def _selection(
    request: Request, caller: Caller, query: str, time_range: TimeRange, *, level: str = "", service: str = ""
) -> Selection:
    condition = await checked_condition(services_of(request).reader, caller.tenant, query)
    if level:
        # Quoted, whatever was given is one word of the query language.
        word = level.replace("\\", "\\\\").replace('"', '\\"')
        condition = condition.narrowed(compile_query(f'severity:"{word}"').sql, {})
    if service:
        condition = condition.narrowed("service = {of_service:String}", {"of_service": service})
    return Selection(caller.tenant, condition, time_range)
