"""One trace as a picture needs it: a few columns of every span at once, the rest of a span when somebody looks at it.

A trace of 50,000 spans is forty megabytes as a document and four as an outline.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from vedette.errors import InvalidInput, NotFound
from vedette.server.query.timerange import TimeRange
from vedette.server.query.traces.conditions import RANGE, Conditions, range_params, settle
from vedette.server.query.traces.documents import LIST_SETTINGS, bounds_of
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader

__all__ = ["matching_spans", "one_span", "outline"]

_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_NUMBERS: Final = {"output_format_json_quote_64bit_integers": 0, "output_format_json_escape_forward_slashes": 0}


async def outline(reader: Reader, tenant: str, trace_id: str) -> bytes:
    """A JSON object: `trace_id`, `start_time_unix_nano` (text) and `columns`, each with one item per span.

    `start_ns` counts from the trace's start.

    Raises:
        NotFound: the tenant has no such trace.
    """
    bounds = await bounds_of(reader, tenant, trace_id)
    params = {"trace_id": trace_id, "start_ns": bounds.start_ns, "end_ns": bounds.end_ns}
    columns = await reader.query(
        tenant, statement("trace_outline"), fmt="JSONColumns", params=params, settings=_NUMBERS
    )
    head = json.dumps({"trace_id": trace_id, "start_time_unix_nano": str(bounds.start_ns)})
    return head[:-1].encode() + b', "columns": ' + columns.strip() + b"}"


async def one_span(reader: Reader, tenant: str, trace_id: str, span_id: str) -> bytes:
    """One span as a JSON object, whole.

    Raises:
        InvalidInput: the id is none.
        NotFound: the tenant has no such trace, or the trace no such span.
    """
    digits = span_id.strip().lower()
    if not _SPAN_ID.fullmatch(digits):
        raise InvalidInput("A span id has 16 hexadecimal digits, for example 00f067aa0ba902b7.")
    bounds = await bounds_of(reader, tenant, trace_id)
    params = {"trace_id": trace_id, "span_id": digits, "start_ns": bounds.start_ns, "end_ns": bounds.end_ns}
    span = await reader.query(tenant, statement("trace_span"), fmt="TSVRaw", params=params, settings=LIST_SETTINGS)
    if not span.strip():
        raise NotFound(f"The trace {trace_id} has no span {digits}.")
    return span.strip()


async def matching_spans(reader: Reader, tenant: str, trace_id: str, conditions: Conditions) -> bytes:
    """``{"span_id": […]}``: the spans of one trace for which the conditions hold, in the order of their start.

    Raises:
        NotFound: the tenant has no such trace.
    """
    bounds = await bounds_of(reader, tenant, trace_id)
    range_ = TimeRange.around(bounds.start_ns, bounds.end_ns)
    settled = await settle(reader, tenant, conditions)
    sql = statement("trace_matches", range=RANGE, conditions=f"({settled.sql})")
    params = {**settled.params, **range_params(range_), "trace_id": trace_id}
    return (await reader.query(tenant, sql, fmt="JSONColumns", params=params)).strip()
