"""Search for traces: spans that match, the traces they belong to, one page after the other.

A trace matches when one of its spans satisfies every condition and starts in the range. Pages are cut by position: the
start of the trace's newest matching span, or the trace's duration, with the trace id to tell equals apart. The cursor
carries the range of the first page, so that ``now`` stands still while somebody pages: a trace whose spans do not
change meanwhile comes exactly once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from vedette.errors import InvalidInput
from vedette.server.query.timerange import TimeRange
from vedette.server.query.traces.conditions import RANGE, Conditions, range_params, settle
from vedette.server.query.traces.documents import LIST_SETTINGS, parse_trace_id
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.reader import Reader

__all__ = ["MAX_LIMIT", "Order", "TracePage", "TraceSearch", "find_traces", "page_document"]

MAX_LIMIT: Final = 1_000
"""Traces on one page at most."""

Order = Literal["newest", "slowest"]

_SPANS_PER_TRACE: Final = 20
"""How many matching spans of one trace the first attempt allows for."""
_GROWTH: Final = 20
_UNBOUNDED: Final = 2**63 - 1
_AS_FOUND: Final = "indexOf({trace_ids:Array(String)}, lower(hex(trace_id)))"
_AS_SHOWN: Final = "trace_duration_ns DESC, trace_id DESC"
"""The order of a page's slowest: between finding them and showing them, traces may have become longer."""
_STEPS: Final = 24
_LEAST_WIDTH_NS: Final = 3_600 * 10**9
_WIDENING: Final = 8
"""The newest are looked for in the last 24th of the range first, at least an hour, then in eight times as much."""


@dataclass(frozen=True, slots=True)
class TraceSearch:
    """One question. `limit` is the number of traces on a page; `cursor` is what the page before gave."""

    conditions: Conditions
    range: TimeRange
    order: Order = "newest"
    limit: int = 20
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TracePage:
    """The ids of one page in order, what they were found by, and the cursor of the next page if there is one.

    All that matches of the slowest traces is at `oldest_ns` or later; of the newest, each has a match there or before.
    """

    trace_ids: list[str]
    conditions: Conditions
    range: TimeRange
    next_cursor: str | None
    order: Order
    oldest_ns: int


@dataclass(frozen=True, slots=True)
class _Cursor:
    range: TimeRange
    position: int
    trace_id: str


async def find_traces(reader: Reader, tenant: str, search: TraceSearch) -> TracePage:
    """The ids of the traces on one page.

    Raises:
        InvalidInput: the cursor is none of ours or belongs to another question.
    """
    fingerprint = _fingerprint(search)
    cursor = _read_cursor(search.cursor, fingerprint) if search.cursor else None
    range_ = cursor.range if cursor else search.range
    search = replace(search, conditions=await settle(reader, tenant, search.conditions), range=range_)
    find = _newest if search.order == "newest" else _slowest
    # One more than the page holds tells whether there is another page.
    rows = await find(reader, tenant, search, cursor)
    page = rows[: search.limit]
    following = None
    if len(rows) > search.limit:
        following = _write_cursor(_Cursor(range_, int(page[-1]["position"]), str(page[-1]["id"])), fingerprint)
    oldest_ns = min((int(row["position" if search.order == "newest" else "began"]) for row in page), default=_UNBOUNDED)
    ids = [str(row["id"]) for row in page]
    return TracePage(ids, search.conditions, range_, following, search.order, oldest_ns)


async def page_document(reader: Reader, tenant: str, page: TracePage) -> AsyncIterator[bytes]:
    """The page as the pieces of one JSON object: ``{"traces": […], "next_cursor": …}``."""
    yield b'{"traces":['
    if page.trace_ids:
        order = _AS_FOUND if page.order == "newest" else _AS_SHOWN
        sql = statement("search_page", range=RANGE, conditions=f"({page.conditions.sql})", order=order)
        params = {**page.conditions.params, **range_params(page.range)}
        params |= {"trace_ids": page.trace_ids, "oldest_ns": page.oldest_ns}
        async with reader.stream(tenant, sql, fmt="CustomSeparated", params=params, settings=LIST_SETTINGS) as chunks:
            async for chunk in chunks:
                yield chunk
    yield b'],"next_cursor":' + json.dumps(page.next_cursor).encode() + b"}"


async def _newest(reader: Reader, tenant: str, search: TraceSearch, cursor: _Cursor | None) -> list[dict[str, Any]]:
    conditions = f"({search.conditions.sql})"
    after = statement("search_newest_after", range=RANGE, conditions=conditions) if cursor else "1"
    sql = statement("search_newest", range=RANGE, conditions=conditions, after=after)
    wanted = search.limit + 1
    params: dict[str, object] = {**search.conditions.params, **range_params(search.range), "limit": wanted}
    if cursor:
        params |= {"cursor_ns": cursor.position, "cursor_id": cursor.trace_id}
    # Backwards in time, in steps that grow: asked for a day at once, the engine would begin with every part of the
    # tables. How many spans make enough traces is not known beforehand, so a page that came out short of
    # traces is asked for again with more.
    scan = wanted * _SPANS_PER_TRACE
    end_ns = min(search.range.end_ns, cursor.position + 1) if cursor else search.range.end_ns
    width_ns = max(_LEAST_WIDTH_NS, (end_ns - search.range.start_ns) // _STEPS)
    while True:
        since_ns = max(search.range.start_ns, end_ns - width_ns)
        rows = await reader.rows(tenant, sql, params={**params, "start_ns": since_ns, "scan": scan})
        if not rows or int(rows[0]["scanned"]) < scan:
            if len(rows) >= wanted or since_ns == search.range.start_ns:
                return rows
            width_ns *= _WIDENING
            continue
        reached = int(rows[0]["reached"])
        settled = [row for row in rows if int(row["position"]) > reached]
        if len(settled) >= wanted:
            return settled
        scan = min(scan * _GROWTH, _UNBOUNDED)


async def _slowest(reader: Reader, tenant: str, search: TraceSearch, cursor: _Cursor | None) -> list[dict[str, Any]]:
    after = "1"
    params: dict[str, object] = {**search.conditions.params, **range_params(search.range), "limit": search.limit + 1}
    if cursor:
        after = "(position, trace_id) < ({cursor_ns:Int64}, toFixedString(unhex({cursor_id:String}), 16))"
        params |= {"cursor_ns": cursor.position, "cursor_id": cursor.trace_id}
    sql = statement("search_slowest", range=RANGE, conditions=f"({search.conditions.sql})", after=after)
    return await reader.rows(tenant, sql, params=params)


def _fingerprint(search: TraceSearch) -> str:
    terms = [(term.key, term.operator, term.value, term.negated) for term in search.conditions.terms]
    question = json.dumps([terms, search.order])
    return hashlib.sha256(question.encode()).hexdigest()[:16]


def _write_cursor(cursor: _Cursor, fingerprint: str) -> str:
    fields = [fingerprint, cursor.range.start_ns, cursor.range.end_ns, cursor.position, cursor.trace_id]
    return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def _read_cursor(text: str, fingerprint: str) -> _Cursor:
    refused = InvalidInput("Parameter 'cursor' is not one that a page of traces gave; leave it out to begin.")
    try:
        fields = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        found, start_ns, end_ns, position, trace_id = fields
        cursor = _Cursor(TimeRange(start_ns, end_ns), position, parse_trace_id(trace_id))
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error, InvalidInput):
        raise refused from None
    if not all(type(number) is int and 0 <= number <= _UNBOUNDED for number in (start_ns, end_ns, position)):
        raise refused
    if found != fingerprint:
        raise InvalidInput("Parameter 'cursor' belongs to another search; leave it out to begin this one.")
    return cursor
