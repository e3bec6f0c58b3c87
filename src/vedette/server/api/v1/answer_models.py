"""Shapes of the answers that the engine writes, for the OpenAPI document and whatever is generated from it.

Nothing is checked against them on the way out: the bytes are streamed as the engine formats them. The tests of the
pages, which are compiled against these shapes, hold both together.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

__all__ = [
    "AttributeKeys",
    "AttributeValues",
    "Breakdown",
    "Edges",
    "LedgerAnswer",
    "LogPage",
    "Operations",
    "RedSeries",
    "ServiceList",
    "SpanDetail",
    "SpanIds",
    "Trace",
    "TraceOutline",
    "TracePage",
    "Trends",
    "UsageAnswer",
]

SpanKind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]


class MatchedSpan(TypedDict):
    """A span of a trace for which everything asked holds."""

    span_id: str
    name: str
    service: str
    kind: SpanKind
    start_time: str
    duration_ns: int
    status: SpanStatus


class TraceSummary(TypedDict):
    """One trace in a list."""

    trace_id: str
    root_service: str
    root_name: str
    start_time: str
    start_time_unix_nano: int
    duration_ns: int
    span_count: int
    error_count: int
    services: list[str]
    matched_count: int
    matched_spans: list[MatchedSpan]


class TracePage(TypedDict):
    """One page of a search for traces."""

    traces: list[TraceSummary]
    next_cursor: str | None


class SpanEvent(TypedDict):
    """Something that happened at one moment of a span."""

    time: str
    name: str
    attributes: dict[str, Any]


class SpanLink(TypedDict):
    """Another span that a span names."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: dict[str, Any]


class SpanBody(TypedDict):
    """One span without what it shares with others."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: SpanKind
    service: str
    start_time: str
    start_time_unix_nano: int
    duration_ns: int
    status: SpanStatus
    status_message: str
    attributes: dict[str, Any]
    attribute_types: dict[str, Literal["bool", "int", "double", "json", "bytes"]]
    events: list[SpanEvent]
    links: list[SpanLink]
    trace_state: str
    flags: int
    dropped_attributes: int
    dropped_events: int
    dropped_links: int


class Span(SpanBody):
    """One span in a trace; `resource` and `scope` are keys of the trace's tables."""

    resource: str
    scope: str


class Scope(TypedDict):
    """The instrumentation that made a span or a line."""

    name: str
    version: str
    attributes: dict[str, Any]
    schema_url: NotRequired[str]


class SpanDetail(SpanBody):
    """One span with everything that is kept of it."""

    resource: dict[str, Any]
    scope: Scope


class SpanIds(TypedDict):
    """Ids of spans."""

    span_id: list[str]


class SpanColumns(TypedDict):
    """Spans as columns of equal length; `start_ns` counts from the trace's start, an empty parent is none."""

    span_id: list[str]
    parent_span_id: list[str]
    name: list[str]
    service: list[str]
    kind: list[SpanKind]
    start_ns: list[int]
    duration_ns: list[int]
    status: list[SpanStatus]
    event_count: list[int]


class TraceOutline(TypedDict):
    """All spans of one trace in few columns."""

    trace_id: str
    start_time_unix_nano: str
    columns: SpanColumns


class Trace(TypedDict):
    """One trace, whole."""

    trace_id: str
    spans: list[Span]
    start_time: str
    start_time_unix_nano: int
    duration_ns: int
    span_count: int
    error_count: int
    root_service: str
    root_name: str
    services: list[str]
    resources: dict[str, dict[str, Any]]
    scopes: dict[str, Scope]


class BreakdownGroup(TypedDict):
    """The matching spans that share a value; None is where the key is missing."""

    value: str | None
    count: int
    error_count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Breakdown(TypedDict):
    """Matching spans by the values of one key."""

    by: str
    total_count: int
    value_count: int
    groups: list[BreakdownGroup]


class CountedKey(TypedDict):
    """An attribute's name and how many spans carry it."""

    key: str
    count: int


class AttributeKeys(TypedDict):
    """Names that complete a prefix."""

    attributes: list[CountedKey]


class CountedValue(TypedDict):
    """A value and how many spans have it, in a sample."""

    value: str
    count: int


class AttributeValues(TypedDict):
    """Values that complete a prefix."""

    values: list[CountedValue]


class Figures(TypedDict):
    """Rate per second, errors as a share of 1, durations in milliseconds (None where nothing was counted)."""

    request_count: int
    error_count: int
    rate: float
    error_rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class ServiceFigures(Figures):
    """One service."""

    service: str
    span_count: int
    operation_count: int
    versions: list[str]
    last_seen: str


class OperationFigures(Figures):
    """One operation of a service."""

    name: str
    kind: SpanKind
    last_seen: str


class RedPoint(Figures):
    """One step; `time` is its start."""

    time: str


class EdgeFigures(Figures):
    """Who called whom, and how: `call`, `messaging` or `database`."""

    client: str
    server: str
    connection_type: str


# `from` is a word of Python, so these are written by calls.
_Range = TypedDict("_Range", {"from": str, "to": str})


class ServiceList(_Range):
    """Every service of the range."""

    services: list[ServiceFigures]


class Operations(_Range):
    """Every operation of one service."""

    operations: list[OperationFigures]


class RedSeries(_Range):
    """Figures over time, a point for every step."""

    step_seconds: int
    points: list[RedPoint]


class Edges(_Range):
    """Every edge of the service map."""

    edges: list[EdgeFigures]


class ServiceTrend(TypedDict):
    """One service over time; an item for every step, None where nothing was asked of it."""

    service: str
    request_counts: list[int]
    error_counts: list[int]
    p95_ms: list[float | None]


class Trends(_Range):
    """Every service over time."""

    step_seconds: int
    services: list[ServiceTrend]


class LogLine(TypedDict):
    """One log record."""

    id: str
    time: str
    observed_time: str
    severity: Literal["unset", "trace", "debug", "info", "warn", "error", "fatal"]
    severity_number: int
    severity_text: str
    service: str
    body: Any
    event_name: str
    trace_id: str | None
    span_id: str | None
    flags: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: Scope
    dropped_attributes: int


class LogPage(TypedDict):
    """One page of log lines."""

    logs: list[LogLine]
    next_cursor: str | None


class LedgerTotal(TypedDict):
    """What was not kept, by signal and reason."""

    signal: str
    reason: str
    count: int
    bytes: int


class LedgerEntry(LedgerTotal):
    """One line of the ledger."""

    time: str
    detail: str


class LedgerAnswer(TypedDict):
    """Totals of the range, and its newest lines."""

    totals: list[LedgerTotal]
    entries: list[LedgerEntry]


class UsageHour(TypedDict):
    """What one signal took in one hour."""

    hour: str
    signal: str
    rows: int
    bytes: int


class UsageAnswer(TypedDict):
    """What was kept, by hour and signal."""

    usage: list[UsageHour]
