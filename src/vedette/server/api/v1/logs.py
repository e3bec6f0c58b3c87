"""Logs: search, counts, one line's surroundings, the live tail, export, completion."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from vedette.errors import InvalidInput, TooManyRequests
from vedette.server.api.answers import streamed
from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.answer_models import LogPage
from vedette.server.api.v1.log_examples import CONTEXT, FACETS, FIELDS, HISTOGRAM, PAGE, VALUES
from vedette.server.api.v1.log_models import LogContext, LogFacets, LogFields, LogFieldValues, LogHistogram
from vedette.server.api.v1.trace_examples import example
from vedette.server.query.logs.checking import checked_condition
from vedette.server.query.logs.completion import MAX_COMPLETIONS, field_names, field_values
from vedette.server.query.logs.counts import (
    DEFAULT_FACETS,
    MAX_BUCKETS,
    MAX_FACET_VALUES,
    MAX_FACETS,
    facets,
    histogram,
)
from vedette.server.query.logs.export import EXPORTS, ExportFormat, export_lines
from vedette.server.query.logs.page import MAX_PAGE, Order, page_document, parse_line_id
from vedette.server.query.logs.selection import Selection
from vedette.server.query.logs.surroundings import MAX_SURROUNDING, surroundings_document
from vedette.server.query.logs.tail import follow, parse_position
from vedette.server.query.timerange import TimeRange, parse_range
from vedette.server.query.traces.documents import find_bounds, parse_trace_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["From", "Q", "To", "router"]

router = APIRouter(prefix="/api/v1", tags=["logs"])

_JSON: Final = "application/json"
_EVENT_STREAM: Final = "text/event-stream"
_MAX_TAILS_PER_TENANT: Final = 32
_AROUND_TRACE_NS: Final = 3_600 * 10**9
_MAX_EXPORT: Final = 10**9

Q = Annotated[
    str,
    Query(
        description=(
            "Lucene syntax: words and phrases of the body, `field:value`, `status:>=500`, `[400 TO 499]`, "
            "wildcards, `/RE2/`, `AND OR NOT + -`, `_exists_:field`."
        ),
        examples=['severity:>=warn AND service:checkout "card declined"'],
    ),
]
From = Annotated[
    str | None,
    Query(alias="from", description="Start: RFC 3339, Unix time, or relative like `now-15m` or `15m`. Default: 1h."),
]
To = Annotated[str | None, Query(description="End (exclusive), written like `from`. Default: now.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Lines on a page.")]
Ordered = Annotated[Order, Query(description="What comes first.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


async def _selection(request: Request, caller: Caller, q: str, time_range: TimeRange) -> Selection:
    condition = await checked_condition(services_of(request).reader, caller.tenant, q)
    return Selection(caller.tenant, condition, time_range)


async def _page(request: Request, selection: Selection, order: Order, limit: int, cursor: str | None) -> Response:
    after = parse_line_id(cursor, name="cursor") if cursor else None
    services = services_of(request)
    pieces = page_document(
        services.reader, selection, order=order, limit=limit, after=after, known=services.newest_lines
    )
    return await streamed(pieces, _JSON)


@router.get("/logs", summary="Search log lines", responses=example(PAGE, model=LogPage))
async def search_logs(
    request: Request,
    caller: Caller,
    *,
    q: Q = "",
    from_: From = None,
    to: To = None,
    order: Ordered = "newest",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Lines that match, newest or oldest first.

    Pages with the same cursor chain neither repeat nor lose a line, however many bear the same time, as long as `to`
    lies in the past or `order` is newest. A full page may be followed by an empty one.
    """
    selection = await _selection(request, caller, q, parse_range(from_, to))
    return await _page(request, selection, order, limit, cursor)


@router.get("/traces/{trace_id}/logs", summary="Log lines of one trace", responses=example(PAGE, model=LogPage))
async def trace_logs(
    request: Request,
    caller: Caller,
    *,
    trace_id: Annotated[str, Path(description="Hexadecimal.", max_length=64)],
    q: Q = "",
    order: Ordered = "oldest",
    limit: Limit = 1_000,
    cursor: Cursor = None,
) -> Response:
    """Lines that carry the id of this trace, from an hour before its first span to an hour after its last.

    Without a span of the trace, lines of any time are looked for. No line carries an id of zeros: it has none then.
    """
    digits = parse_trace_id(trace_id)
    bounds = await find_bounds(services_of(request).reader, caller.tenant, [digits])
    if bounds is None:
        time_range = TimeRange(0, 2**63 - 1)
    else:
        time_range = TimeRange.around(bounds.start_ns, bounds.end_ns, _AROUND_TRACE_NS)
    condition = await checked_condition(services_of(request).reader, caller.tenant, q)
    carries = "trace_id = toFixedString(unhex({of_trace:String}), 16) AND trace_id != toFixedString('', 16)"
    of_trace = condition.narrowed(carries, {"of_trace": digits})
    return await _page(request, Selection(caller.tenant, of_trace, time_range), order, limit, cursor)


@router.get(
    "/logs/histogram", summary="Count lines over time by severity", responses=example(HISTOGRAM, model=LogHistogram)
)
async def log_histogram(
    request: Request,
    caller: Caller,
    *,
    q: Q = "",
    from_: From = None,
    to: To = None,
    buckets: Annotated[int, Query(ge=1, le=MAX_BUCKETS, description="About how many buckets at most.")] = 60,
) -> dict[str, Any]:
    """Counts per bucket; the width is the round figure that gives at most about `buckets` of them."""
    selection = await _selection(request, caller, q, parse_range(from_, to))
    return await histogram(services_of(request).reader, selection, buckets=buckets)


@router.get("/logs/facets", summary="Count the values of fields", responses=example(FACETS, model=LogFacets))
async def log_facets(
    request: Request,
    caller: Caller,
    *,
    q: Q = "",
    from_: From = None,
    to: To = None,
    field: Annotated[
        list[str] | None,
        Query(description=f"A field or attribute; repeatable, at most {MAX_FACETS}. Default: the common ones."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_FACET_VALUES, description="Values of each field.")] = 10,
) -> dict[str, Any]:
    """For each field its most frequent values among the matching lines, and how many different ones there are."""
    selection = await _selection(request, caller, q, parse_range(from_, to))
    reader = services_of(request).reader
    return {"facets": await facets(reader, selection, field or DEFAULT_FACETS, top=limit)}


@router.get("/logs/context", summary="Lines around one line", responses=example(CONTEXT, model=LogContext))
async def log_context(
    request: Request,
    caller: Caller,
    *,
    line: Annotated[str, Query(alias="id", description="The `id` of a line.")],
    before: Annotated[int, Query(ge=0, le=MAX_SURROUNDING, description="Lines before it.")] = 20,
    after: Annotated[int, Query(ge=0, le=MAX_SURROUNDING, description="Lines after it.")] = 20,
) -> Response:
    """What the same source (service and resource) logged up to a day before and after, the nearest lines first."""
    pieces = surroundings_document(
        services_of(request).reader, caller.tenant, parse_line_id(line, name="id"), before=before, after=after
    )
    return await streamed(pieces, _JSON)


@router.get("/logs/tail", summary="Follow lines as they come in", response_class=StreamingResponse)
async def log_tail(
    request: Request,
    caller: Caller,
    *,
    q: Q = "",
    last_event_id: Annotated[str | None, Header(description="The id of the last event that was seen.")] = None,
) -> Response:
    """Server-sent events: each `message` is a line as in a search; `skipped` counts lines left out of a flood.

    Lines come in the order of their arrival, a batch a second, whatever time they bear. `ready` and `position` carry
    the ids to resume after. A line can come twice when a connection breaks within a batch; none is lost.
    """
    services = services_of(request)
    condition = await checked_condition(services.reader, caller.tenant, q)
    position = parse_position(last_event_id) if last_event_id else None
    events = follow(services.reader, caller.tenant, condition, position, stopping=services.stopping)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return await streamed(_counted(request, caller.tenant, events), _EVENT_STREAM, headers=headers)


async def _counted(request: Request, tenant: str, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with _tail_place(request, tenant):
        async for event in events:
            yield event


@contextmanager
def _tail_place(request: Request, tenant: str) -> Iterator[None]:
    """One of the tenant's places among the live tails."""
    state = request.app.state
    if not hasattr(state, "log_tails"):
        state.log_tails = Counter()
    tails = cast("Counter[str]", state.log_tails)
    if tails[tenant] >= _MAX_TAILS_PER_TENANT:
        raise TooManyRequests(
            f"Tenant {tenant!r} follows its logs {tails[tenant]} times already; close one of the tails.",
            retry_after_seconds=10,
        )
    tails[tenant] += 1
    try:
        yield
    finally:
        tails[tenant] -= 1
        if not tails[tenant]:
            del tails[tenant]


@router.get("/logs/export", summary="Lines as a file")
async def log_export(
    request: Request,
    caller: Caller,
    *,
    q: Q = "",
    from_: From = None,
    to: To = None,
    format_: Annotated[ExportFormat, Query(alias="format", description="The kind of file.")] = "ndjson",
    order: Ordered = "newest",
    limit: Annotated[int, Query(ge=1, le=_MAX_EXPORT, description="Lines at most.")] = 1_000_000,
) -> Response:
    """All matching lines, streamed. NDJSON has typed attributes; the others have them as JSON text.

    In CSV, a text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    export = EXPORTS[format_]
    selection = await _selection(request, caller, q, parse_range(from_, to))
    pieces = export_lines(services_of(request).reader, selection, export, order=order, limit=limit)
    headers = {"content-disposition": f'attachment; filename="logs.{export.extension}"'}
    return await streamed(pieces, export.media_type, headers=headers)


@router.get("/logs/fields", summary="Complete a field's name", responses=example(FIELDS, model=LogFields))
async def log_fields(
    request: Request,
    caller: Caller,
    *,
    prefix: Annotated[str, Query(max_length=256, description="What the name begins with.")] = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_COMPLETIONS)] = 100,
) -> dict[str, Any]:
    """Columns first, then the attributes of lines and resources in the range, most frequent first."""
    reader = services_of(request).reader
    return {"fields": await field_names(reader, caller.tenant, parse_range(from_, to), prefix=prefix, limit=limit)}


@router.get(
    "/logs/fields/{name:path}/values",
    summary="Complete a field's value",
    responses=example(VALUES, model=LogFieldValues),
)
async def log_field_values(
    request: Request,
    caller: Caller,
    *,
    name: Annotated[str, Path(max_length=1_024)],
    prefix: Annotated[str, Query(max_length=256, description="What the value begins with.")] = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_FACET_VALUES)] = 50,
) -> dict[str, Any]:
    """The field's most frequent values in the range."""
    if not name.strip():
        raise InvalidInput("Name a field: /api/v1/logs/fields/service/values.")
    reader = services_of(request).reader
    values = await field_values(reader, caller.tenant, name, parse_range(from_, to), prefix=prefix, limit=limit)
    return {"field": name, "values": values}
