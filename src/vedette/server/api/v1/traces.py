"""Traces: search, one trace whole, breakdowns, completion, export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from vedette.server.api.answers import streamed
from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.answer_models import AttributeKeys, AttributeValues, Breakdown, Trace, TracePage
from vedette.server.api.v1.trace_examples import BREAKDOWN, KEYS, OTLP, PAGE, TRACE, VALUES, example
from vedette.server.query.timerange import TimeRange, parse_range
from vedette.server.query.traces.breakdown import MAX_GROUPS, break_down
from vedette.server.query.traces.completion import MAX_COMPLETIONS, attribute_keys, attribute_values
from vedette.server.query.traces.conditions import Conditions, build_conditions
from vedette.server.query.traces.documents import (
    bounds_of,
    framed,
    jaeger_traces,
    native_document,
    otlp_resource_spans,
    parse_trace_id,
)
from vedette.server.query.traces.export import EXPORT_FORMATS, export_format, export_spans
from vedette.server.query.traces.parameters import SpanFilter
from vedette.server.query.traces.patterns import check_patterns
from vedette.server.query.traces.search import MAX_LIMIT, TraceSearch, find_traces, page_document

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader

__all__ = ["Filter", "From", "To", "router"]

router = APIRouter(prefix="/api/v1/traces", tags=["traces"])

_JSON: Final = "application/json"

From = Annotated[
    str | None,
    Query(alias="from", description="Start: RFC 3339, Unix time, or relative like `now-15m` or `15m`. Default: 1h."),
]
To = Annotated[str | None, Query(description="End (exclusive), written like `from`. Default: now.")]


def _span_filter(
    *,
    service: Annotated[str | None, Query(description="The span's service.")] = None,
    operation: Annotated[str | None, Query(description="The span's name.")] = None,
    kind: Annotated[str | None, Query(description="server, client, internal, producer, consumer, unspecified.")] = None,
    status: Annotated[str | None, Query(description="unset, ok or error.")] = None,
    error: Annotated[str | None, Query(description="true or false: whether the status is an error.")] = None,
    min_duration: Annotated[str | None, Query(description="The span took at least this, for example `250ms`.")] = None,
    max_duration: Annotated[str | None, Query(description="The span took at most this.")] = None,
    attr: Annotated[
        list[str] | None,
        Query(description="A span attribute: `http.route:=/cart`, `retries:>=3`, `peer:*`, `url:~^/a`. Repeatable."),
    ] = None,
    resource: Annotated[list[str] | None, Query(description="The same of the span's resource. Repeatable.")] = None,
    text: Annotated[str | None, Query(description="Text in the name, attributes or events, in any case.")] = None,
    q: Annotated[
        str | None,
        Query(description='A query: `service:checkout duration:>100ms http.route:/cart/* -status:ok "declined"`.'),
    ] = None,
) -> SpanFilter:
    return SpanFilter(
        service, operation, kind, status, error, min_duration, max_duration, attr or [], resource or [], text, q
    )


Filter = Annotated[SpanFilter, Depends(_span_filter)]


async def _conditions(reader: Reader, caller: Caller, wanted: SpanFilter) -> Conditions:
    terms = wanted.terms()
    conditions = build_conditions(terms)
    await check_patterns(reader, caller.tenant, terms)
    return conditions


def _range(from_: str | None, to: str | None) -> TimeRange:
    return parse_range(from_, to)


@router.get("", summary="Search for traces", responses=example(PAGE, model=TracePage))
async def search_traces(
    request: Request,
    caller: Caller,
    *,
    wanted: Filter,
    from_: From = None,
    to: To = None,
    order: Annotated[Literal["newest", "slowest"], Query(description="What comes first.")] = "newest",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Traces on a page.")] = 20,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Response:
    """Traces that have a span for which everything asked holds and which starts in the range.

    Newest first goes by the newest matching span of each trace, slowest first by the whole trace's duration. Pages
    with the same cursor chain neither repeat nor lose a trace: the range stands still at the first page's.
    """
    reader = services_of(request).reader
    conditions = await _conditions(reader, caller, wanted)
    search = TraceSearch(conditions, _range(from_, to), order, limit, cursor)
    page = await find_traces(reader, caller.tenant, search)
    return await streamed(page_document(reader, caller.tenant, page), _JSON)


@router.get("/breakdown", summary="Group matching spans by a key", responses=example(BREAKDOWN, model=Breakdown))
async def breakdown(
    request: Request,
    caller: Caller,
    *,
    wanted: Filter,
    by: Annotated[str, Query(description="`http.route`, `resource.host.name`, `service`, `name`, `kind`, `status`.")],
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_GROUPS, description="Values at most.")] = 20,
) -> Response:
    """Number, errors and duration percentiles of the matching spans for each value of a key, most frequent first."""
    reader = services_of(request).reader
    conditions = await _conditions(reader, caller, wanted)
    body = await break_down(reader, caller.tenant, by=by, conditions=conditions, range_=_range(from_, to), limit=limit)
    return Response(body, media_type=_JSON)


@router.get("/attributes", summary="Complete an attribute's name", responses=example(KEYS, model=AttributeKeys))
async def complete_keys(
    request: Request,
    caller: Caller,
    *,
    prefix: Annotated[str, Query(max_length=256, description="What the name begins with.")] = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_COMPLETIONS)] = 100,
) -> Response:
    """Names of attributes that spans of the range and their resources carry, most frequent first."""
    body = await attribute_keys(
        services_of(request).reader, caller.tenant, prefix=prefix, range_=_range(from_, to), limit=limit
    )
    return Response(body, media_type=_JSON)


@router.get(
    "/attributes/{key:path}/values",
    summary="Complete an attribute's value",
    responses=example(VALUES, model=AttributeValues),
)
async def complete_values(
    request: Request,
    caller: Caller,
    *,
    key: Annotated[str, Path(max_length=1024)],
    prefix: Annotated[str, Query(max_length=256, description="What the value begins with.")] = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_COMPLETIONS)] = 100,
) -> Response:
    """Values of one attribute in the range, most frequent first, from a sample: counts rank, they do not count.

    The key is one that `breakdown` takes: `http.route`, `resource.host.name`, `service`, `name`.
    """
    body = await attribute_values(
        services_of(request).reader, caller.tenant, key=key, prefix=prefix, range_=_range(from_, to), limit=limit
    )
    return Response(body, media_type=_JSON)


@router.get(
    "/export",
    summary="Take all matching spans away",
    responses={200: {"content": {form.media_type: {} for form in EXPORT_FORMATS.values()}}},
)
async def export(
    request: Request,
    caller: Caller,
    *,
    wanted: Filter,
    from_: From = None,
    to: To = None,
    format_: Annotated[str, Query(alias="format", description="ndjson, csv, arrow or parquet.")] = "ndjson",
    limit: Annotated[int, Query(ge=1, le=2**62, description="Spans at most.")] = 2**62,
) -> Response:
    """Every matching span, oldest first, streamed. CSV cells that a spreadsheet would take for a formula are inert."""
    form = export_format(format_)
    reader = services_of(request).reader
    conditions = await _conditions(reader, caller, wanted)
    pieces = export_spans(reader, caller.tenant, form, conditions=conditions, range_=_range(from_, to), limit=limit)
    disposition = f'attachment; filename="spans.{form.extension}"'
    return await streamed(pieces, form.media_type, headers={"content-disposition": disposition})


@router.get("/{trace_id}", summary="One trace, whole", responses=example(TRACE, model=Trace, otlp=OTLP))
async def trace(
    request: Request,
    caller: Caller,
    *,
    trace_id: Annotated[str, Path(description="Up to 32 hexadecimal digits; dashes and upper case are fine.")],
    format_: Annotated[
        Literal["vedette", "otlp", "jaeger"], Query(alias="format", description="The shape of the document.")
    ] = "vedette",
) -> Response:
    """Every span of a trace, of any size, streamed.

    Attribute values keep their types: strings, booleans, numbers, arrays and objects of JSON. Integers are JSON
    numbers with all their digits (64 bits; a reader that keeps numbers as doubles loses those past 2^53; OTLP's JSON
    has them as strings). Doubles have a fraction or an exponent; NaN and the infinities are strings. Bytes are base64.
    `attribute_types` names the type of every attribute that is no string.
    """
    reader = services_of(request).reader
    wanted = parse_trace_id(trace_id)
    if format_ == "vedette":
        return await streamed(native_document(reader, caller.tenant, wanted), _JSON)
    bounds = await bounds_of(reader, caller.tenant, wanted)
    if format_ == "otlp":
        items = otlp_resource_spans(reader, caller.tenant, [wanted], bounds)
        return await streamed(framed(b'{"resourceSpans":[', items, b"]}"), _JSON)
    items = jaeger_traces(reader, caller.tenant, [wanted], bounds)
    return await streamed(framed(b'{"data":[', items, b'],"total":0,"limit":0,"offset":0,"errors":null}'), _JSON)
