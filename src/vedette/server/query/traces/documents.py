"""Whole traces as documents: ours, OTLP/JSON and Jaeger's JSON.

The engine writes the JSON of every span; what is here adds the frame around it and hands the pieces on as they come,
so that a trace of any size costs this process one chunk of memory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from vedette.errors import InvalidInput, NotFound
from vedette.server.query.sqlfiles import rows_written
from vedette.server.query.timerange import parse_time_ns
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from vedette.server.query.reader import Reader

__all__ = [
    "LIST_SETTINGS",
    "TraceBounds",
    "bounds_of",
    "find_bounds",
    "framed",
    "jaeger_traces",
    "native_document",
    "otlp_resource_spans",
    "parse_trace_id",
]

LIST_SETTINGS: Final = {
    "format_custom_escaping_rule": "Raw",
    "format_custom_field_delimiter": "",
    "format_custom_row_before_delimiter": "",
    "format_custom_row_after_delimiter": "",
    "format_custom_row_between_delimiter": ",",
    "format_custom_result_before_delimiter": "",
    "format_custom_result_after_delimiter": "",
    "output_format_json_escape_forward_slashes": 0,
}
"""Settings with which the format CustomSeparated writes rows of JSON text as the inside of a JSON array."""

_PLAIN: Final = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "service",
    "start_time",
    "start_time_unix_nano",
)
_SPAN: Final = (
    "{"
    + ",".join(f'"{name}":${{{name}:JSON}}' for name in _PLAIN)
    + ',"duration_ns":${duration_ns:JSON},"status":${status:JSON},"status_message":${status_message:JSON}'
    ',"attributes":{${attributes:Raw}},"attribute_types":${attribute_types:JSON},"resource":"${resource:Raw}"'
    ',"scope":"${scope:Raw}","events":[${span_events:Raw}],"links":[${span_links:Raw}],"trace_state":${trace_state:JSON}'
    ',"flags":${flags:JSON},"dropped_attributes":${dropped_attributes:JSON},"dropped_events":${dropped_events:JSON}'
    ',"dropped_links":${dropped_links:JSON}}'
)
_MARK: Final = "\x1e"
_PART: Final = "\x1f"
"""What stands behind a span, and between the parts of what is no span: no JSON has it, not even between two values."""
_ASIDES: Final = (
    "${service:JSON}",
    "${resource:Raw}",
    "${resource_json:Raw}",
    "${scope:Raw}",
    "${scope_json:Raw}",
)
_HEAD: Final = "[${is_root:JSON},${service:JSON},${name:JSON},${bounds:JSON}]"
_SPANS_WRITTEN: Final = rows_written(f"{_SPAN}{_MARK}{_PART.join(_ASIDES)}{_MARK}{_HEAD}{_MARK}")
_PIECES: Final = 3
"""Of a row: the span, what it names by keys, and what tells of the whole trace."""
_BEGINNING: Final = 1024
"""As many bytes of a resource and of a scope come with each span (`trace_spans.sql`)."""

# When the first span of a trace starts and the last one ends, how many spans there are and how many of them failed: as
# the index says; or when they start, as is known.
_INDEXED: Final = """(
        SELECT (min(start), max(end), sum(span_count), sum(error_count))
        FROM vedette.trace_index
        WHERE trace_id = toFixedString(unhex({trace_id:String}), 16)
    )"""
_GIVEN: Final = (
    "(fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC'), fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC'), 0, 0)"
)

_HEX: Final = re.compile(r"[0-9a-f]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TraceBounds:
    """When the spans of some traces start: the first and the last start, in nanoseconds since 1970, both included.

    `spans` is how many there were when that was asked for.
    """

    start_ns: int
    end_ns: int
    spans: int = 0


def parse_trace_id(text: str) -> str:
    """The 32 lower-case hexadecimal digits of a trace id.

    Dashes, upper case and missing leading zeros (as in the 64-bit ids of Zipkin and Jaeger) are accepted. So are zeros
    alone: W3C Trace Context forbids them, and spans that were sent so, or with an id of another length, are kept as one
    trace that can be looked at.

    Raises:
        InvalidInput: the text is no trace id.
    """
    digits = text.strip().lower().replace("-", "")
    if not _HEX.fullmatch(digits):
        shown = text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - enough to recognise
        raise InvalidInput(
            f"{shown!r} is no trace id. It has up to 32 hexadecimal digits, for example "
            "4bf92f3577b34da6a3ce929d0e0e4736."
        )
    return digits.zfill(32)


async def find_bounds(reader: Reader, tenant: str, trace_ids: Sequence[str]) -> TraceBounds | None:
    """When the spans of these traces start; None if the tenant has none of them.

    The index knows it. Of traces that it does not have, spans of the last quarter of an hour are looked for: it is
    written after them, and who was told of a span finds its trace.
    """
    params = {"trace_ids": trace_ids}
    rows = await reader.rows(tenant, statement("trace_bounds"), params=params)
    if not rows or int(rows[0]["found"]) < len(set(trace_ids)):
        rows += await reader.rows(tenant, statement("trace_bounds_new"), params=params)
    if not rows:
        return None
    return TraceBounds(
        min(int(row["start_ns"]) for row in rows),
        max(int(row["end_ns"]) for row in rows),
        max(int(row["spans"]) for row in rows),
    )


async def bounds_of(reader: Reader, tenant: str, trace_id: str) -> TraceBounds:
    """When the spans of one trace start.

    Raises:
        NotFound: the tenant has no such trace.
    """
    bounds = await find_bounds(reader, tenant, [trace_id])
    if bounds is None:
        raise _not_found(trace_id)
    return bounds


async def native_document(reader: Reader, tenant: str, trace_id: str) -> AsyncIterator[bytes]:
    """One trace with everything that is known of it, as the pieces of one JSON object.

    The spans come first, each naming its resource and scope by a key of the objects `resources` and `scopes`, which
    follow with the figures of the whole trace.

    Raises:
        NotFound: before the first piece, when the tenant has no such trace.
    """
    is_there = False
    # What most traces need are statements that ask the index by themselves.
    async for piece in _document(reader, tenant, trace_id, _INDEXED, {"trace_id": trace_id}):
        is_there = True
        yield piece
    if is_there:
        return
    bounds = await bounds_of(reader, tenant, trace_id)
    params = {"trace_id": trace_id, "start_ns": bounds.start_ns, "end_ns": bounds.end_ns}
    async for piece in _document(reader, tenant, trace_id, _GIVEN, params):
        is_there = True
        yield piece
    if not is_there:
        raise _not_found(trace_id)


async def _document(
    reader: Reader, tenant: str, trace_id: str, bounds: str, params: Mapping[str, object]
) -> AsyncIterator[bytes]:
    """The spans of a trace and what they say together; nothing if none lie within the bounds."""
    rows, began = _Rows(), False
    sql = statement("trace_spans", bounds=bounds)
    async with reader.stream(tenant, sql, fmt="Template", params=params, settings=_SPANS_WRITTEN) as chunks:
        async for chunk in chunks:
            if not began:
                yield b'{"trace_id":"' + trace_id.encode() + b'","spans":['
            began = True
            yield rows.spans_of(chunk)
    if not began:
        return
    facts = rows.facts()
    if facts.figures[2] != rows.count or facts.are_cut:
        # The index is written a moment after the spans are there; or something is too long to come with each span.
        sql = statement("trace_figures", bounds=bounds)
        [row] = await reader.rows(tenant, sql, params=params, settings={"date_time_output_format": "iso"})
        facts = replace(
            facts, figures=row["figures"], resources=dict(row["resources"]), scopes=dict(row["scopes"]), are_cut=False
        )
    yield b"]," + _end(facts, rows.count)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the spans of a trace say together.

    `figures` are the start of the first span and the end of the last one as text, and how many spans there are and how
    many of them failed. `resources` and `scopes` are JSON by the keys that spans name, some `are_cut`.
    """

    figures: Sequence[Any]
    root_service: str
    root_name: str
    services: list[str]
    resources: dict[str, str]
    scopes: dict[str, str]
    are_cut: bool


class _Rows:
    """The engine's answer chunk by chunk: spans, each with what is the same for many. `count` is their number."""

    def __init__(self) -> None:
        self.count = 0
        self._begun = b""
        # Each once, in the order in which it came first.
        self._asides: dict[bytes, None] = {}
        self._heads: dict[bytes, None] = {}

    def spans_of(self, chunk: bytes) -> bytes:
        """The chunk without what is no span. The last row may not be whole."""
        mark = _MARK.encode()
        pieces = (self._begun + chunk).split(mark)
        whole = (len(pieces) - 1) // _PIECES * _PIECES
        self.count += whole // _PIECES
        self._asides |= dict.fromkeys(pieces[1:whole:_PIECES])
        self._heads |= dict.fromkeys(pieces[2:whole:_PIECES])
        rest = pieces[whole:]
        self._begun = mark.join(rest) if len(rest) > 1 else b""
        return b"".join(pieces[:whole:_PIECES] + (rest if len(rest) == 1 else []))

    def facts(self) -> _Facts:
        """Of all rows, when they have come."""
        # The root is the earliest span without a parent, or else the earliest of all.
        head = next((head for head in self._heads if head.startswith(b"[1,")), next(iter(self._heads)))
        _, root_service, root_name, figures = json.loads(head.decode("utf-8", "replace"))
        parts = [aside.decode("utf-8", "replace").split(_PART) for aside in self._asides]
        return _Facts(
            figures,
            root_service,
            root_name,
            sorted({json.loads(service) for service, *_ in parts}),
            {key: resource for _, key, resource, _, _ in parts},
            {key: scope for *_, key, scope in parts},
            are_cut=any(len(part) >= _BEGINNING for aside in self._asides for part in aside.split(_PART.encode())),
        )


def _end(facts: _Facts, spans: int) -> bytes:
    """The figures of a trace and what its spans name by keys, as the JSON behind them and up to the end."""
    start_time, end_time, _, errors = facts.figures
    start_ns = parse_time_ns(start_time)
    figures = {
        "start_time": start_time,
        "start_time_unix_nano": start_ns,
        "duration_ns": parse_time_ns(end_time) - start_ns,
        "span_count": spans,
        "error_count": errors,
        "root_service": facts.root_service,
        "root_name": facts.root_name,
        "services": facts.services,
    }
    text = json.dumps(figures, ensure_ascii=False, separators=(",", ":"))[1:-1]
    # Resources and scopes are kept as JSON.
    resources, scopes = (
        ",".join(f'"{key}":{value}' for key, value in sorted(one.items())) for one in (facts.resources, facts.scopes)
    )
    return f'{text},"resources":{{{resources}}},"scopes":{{{scopes}}}}}'.encode("utf-8", "replace")


def otlp_resource_spans(
    reader: Reader, tenant: str, trace_ids: Sequence[str], bounds: TraceBounds
) -> AsyncIterator[bytes]:
    """The items of `resourceSpans` of OTLP/JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)."""
    return _items(reader, tenant, "trace_otlp", trace_ids, bounds)


def jaeger_traces(reader: Reader, tenant: str, trace_ids: Sequence[str], bounds: TraceBounds) -> AsyncIterator[bytes]:
    """The items of `data` in Jaeger's JSON, in the order of `trace_ids`."""
    return _items(reader, tenant, "trace_jaeger", trace_ids, bounds)


async def framed(before: bytes, items: AsyncIterator[bytes], after: bytes) -> AsyncIterator[bytes]:
    """The items between the text before and after them. Nothing is given out before the engine has answered."""
    began = False
    async for chunk in items:
        if not began:
            yield before
        began = True
        yield chunk
    yield after if began else before + after


async def _items(
    reader: Reader, tenant: str, name: str, trace_ids: Sequence[str], bounds: TraceBounds
) -> AsyncIterator[bytes]:
    params = {"trace_ids": trace_ids, "start_ns": bounds.start_ns, "end_ns": bounds.end_ns}
    async with reader.stream(
        tenant, statement(name), fmt="CustomSeparated", params=params, settings=LIST_SETTINGS
    ) as chunks:
        async for chunk in chunks:
            yield chunk


def _not_found(trace_id: str) -> NotFound:
    return NotFound(f"There is no trace {trace_id}. It may not have arrived yet, or its day was dropped for space.")
