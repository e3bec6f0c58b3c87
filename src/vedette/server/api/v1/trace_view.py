"""One trace as its page needs it: the outline of all spans, one span whole, the spans that match."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.answer_models import SpanDetail, SpanIds, TraceOutline
from vedette.server.api.v1.trace_examples import TRACE, example
from vedette.server.query.traces.conditions import build_conditions
from vedette.server.query.traces.documents import parse_trace_id
from vedette.server.query.traces.outline import matching_spans, one_span, outline
from vedette.server.query.traces.parameters import SpanFilter
from vedette.server.query.traces.patterns import check_patterns

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/traces/{trace_id}", tags=["traces"])

_JSON: Final = "application/json"
_SPAN: Final[dict[str, Any]] = TRACE["spans"][0]
_OUTLINE: Final = {
    "trace_id": TRACE["trace_id"],
    "start_time_unix_nano": str(_SPAN["start_time_unix_nano"]),
    "columns": {
        "span_id": [_SPAN["span_id"]],
        "parent_span_id": [""],
        "name": [_SPAN["name"]],
        "service": [_SPAN["service"]],
        "kind": [_SPAN["kind"]],
        "start_ns": [0],
        "duration_ns": [_SPAN["duration_ns"]],
        "status": [_SPAN["status"]],
        "event_count": [1],
    },
}
_WHOLE: Final = {
    **_SPAN,
    "resource": {"service.name": "gateway"},
    "scope": {"name": "shop", "version": "", "attributes": {}},
}

TraceId = Annotated[str, Path(description="Up to 32 hexadecimal digits.", max_length=64)]


@router.get("/outline", summary="All spans of a trace in few columns", responses=example(_OUTLINE, model=TraceOutline))
async def trace_outline(request: Request, caller: Caller, trace_id: TraceId) -> Response:
    """Columns of equal length, an item for every span in the order of their start; a tenth of the whole document.

    `start_ns` counts from the trace's start, which is given in nanoseconds since 1970 as text.
    """
    body = await outline(services_of(request).reader, caller.tenant, parse_trace_id(trace_id))
    return Response(body, media_type=_JSON)


@router.get("/matches", summary="Spans of a trace that match", responses=example({"span_id": []}, model=SpanIds))
async def trace_matches(
    request: Request,
    caller: Caller,
    *,
    trace_id: TraceId,
    q: Annotated[str, Query(description='A query as in the search: `db.system.name:postgresql duration:>10ms "x"`.')],
) -> Response:
    """Ids of the spans for which all of `q` holds, in the order of their start."""
    reader = services_of(request).reader
    terms = SpanFilter(query=q).terms()
    conditions = build_conditions(terms)
    await check_patterns(reader, caller.tenant, terms)
    return Response(await matching_spans(reader, caller.tenant, parse_trace_id(trace_id), conditions), media_type=_JSON)


@router.get("/spans/{span_id}", summary="One span, whole", responses=example(_WHOLE, model=SpanDetail))
async def trace_span(
    request: Request,
    caller: Caller,
    *,
    trace_id: TraceId,
    span_id: Annotated[str, Path(description="16 hexadecimal digits.", max_length=64)],
) -> Response:
    """Everything that is kept of one span, its resource and scope included."""
    body = await one_span(services_of(request).reader, caller.tenant, parse_trace_id(trace_id), span_id)
    return Response(body, media_type=_JSON)
