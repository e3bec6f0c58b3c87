"""What the older monitoring API is sent, and the same as OTLP/JSON."""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue

from vedette.errors import InvalidInput
from vedette.server.query.timerange import now_ns, parse_time_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MAX_ITEMS", "Accepted", "LogItem", "SpanItem", "logs_as_otlp", "spans_as_otlp"]

MAX_ITEMS: Final = 1_000
"""Log lines or spans of one request."""

_MAX_NESTING: Final = 8
_INT64: Final = range(-(2**63), 2**63)
_NS_PER_MS: Final = 1_000_000
_LAST_NS: Final = 2**63 - 1
_SCOPE: Final = {"name": "vedette.monitoring"}

# OpenTelemetry's severity numbers, https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber.
_SEVERITY_NUMBERS: Final = {
    "trace": 1,
    "debug": 5,
    "info": 9,
    "information": 9,
    "notice": 10,
    "warn": 13,
    "warning": 13,
    "error": 17,
    "err": 17,
    "critical": 21,
    "fatal": 21,
}
_KINDS: Final = {"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUSES: Final = {"unset": 0, "ok": 1, "error": 2}

Timestamp = Annotated[
    str | int | float | None,
    Field(description="RFC 3339 or Unix time (s, ms, µs or ns by magnitude); now when missing."),
]
TraceId = Annotated[str, Field(pattern="^([0-9a-fA-F]{32})?$", description="32 hexadecimal digits.")]
SpanId = Annotated[str, Field(pattern="^([0-9a-fA-F]{16})?$", description="16 hexadecimal digits.")]
Attributes = Annotated[dict[str, JsonValue], Field(default_factory=dict)]


class LogItem(BaseModel):
    """One log line. Members of other names are taken as attributes."""

    model_config = ConfigDict(extra="allow")

    message: str = Field(examples=["card declined"])
    timestamp: Timestamp = Field(default=None, examples=["2026-07-01T12:00:00.123Z"])
    level: str = Field(default="info", max_length=64, description="trace, debug, info, warn, error, fatal …")
    service: str = Field(default="", max_length=1_024, examples=["checkout"])
    trace_id: TraceId = ""
    span_id: SpanId = ""
    attributes: Attributes


class SpanItem(BaseModel):
    """One span: it ends at `end_time`, or `duration_ms` after its start. Other members are taken as attributes."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(max_length=4_096, validation_alias=AliasChoices("name", "operation"))
    trace_id: str = Field(pattern="^[0-9a-fA-F]{32}$")
    span_id: SpanId = Field(default="", description="Made up when missing.")
    parent_span_id: SpanId = ""
    service: str = Field(default="", max_length=1_024)
    kind: Literal["unspecified", "internal", "server", "client", "producer", "consumer"] = "internal"
    start_time: Timestamp = None
    end_time: Timestamp = None
    duration_ms: float | None = Field(default=None, ge=0, le=1e12)
    status: Literal["unset", "ok", "error"] = "unset"
    status_message: str = ""
    attributes: Attributes


class Accepted(BaseModel):
    """How many items are kept: they are on disk, and can be asked for about a second later."""

    accepted: int
    rejected: int = Field(default=0, description="How many are not kept; left out where all are.")
    reason: str = Field(default="", description="Why, where some are not.")


def logs_as_otlp(items: Sequence[LogItem]) -> bytes:
    """The lines as one OTLP/JSON export request.

    Raises:
        InvalidInput: a timestamp cannot be read; the item is named.
    """
    received = now_ns()
    records: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for index, item in enumerate(items):
        at = _time_ns(item.timestamp, f"[{index}].timestamp", received)
        record: dict[str, Any] = {
            "timeUnixNano": str(at),
            "observedTimeUnixNano": str(received),
            "severityNumber": _SEVERITY_NUMBERS.get(item.level.lower(), 0),
            "severityText": item.level,
            "body": {"stringValue": item.message},
            "attributes": _key_values({**(item.model_extra or {}), **item.attributes}),
        }
        if item.trace_id:
            record["traceId"] = item.trace_id
        if item.span_id:
            record["spanId"] = item.span_id
        records[item.service].append(record)
    return _dumped(
        {
            "resourceLogs": [
                {"resource": _resource(service), "scopeLogs": [{"scope": _SCOPE, "logRecords": found}]}
                for service, found in records.items()
            ]
        }
    )


def spans_as_otlp(items: Sequence[SpanItem]) -> bytes:
    """The spans as one OTLP/JSON export request.

    Raises:
        InvalidInput: a time cannot be read, or a span ends before it starts; the item is named.
    """
    received = now_ns()
    spans: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for index, item in enumerate(items):
        start, end = _span_times(item, index, received)
        span: dict[str, Any] = {
            "traceId": item.trace_id,
            "spanId": item.span_id or secrets.token_hex(8),
            "name": item.name,
            "kind": _KINDS[item.kind],
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(end),
            "attributes": _key_values({**(item.model_extra or {}), **item.attributes}),
            "status": {"code": _STATUSES[item.status], "message": item.status_message},
        }
        if item.parent_span_id:
            span["parentSpanId"] = item.parent_span_id
        spans[item.service].append(span)
    return _dumped(
        {
            "resourceSpans": [
                {"resource": _resource(service), "scopeSpans": [{"scope": _SCOPE, "spans": found}]}
                for service, found in spans.items()
            ]
        }
    )


def _span_times(item: SpanItem, index: int, received: int) -> tuple[int, int]:
    """Start and end; what is missing follows from the duration and the time of receipt."""
    duration = round((item.duration_ms or 0) * _NS_PER_MS)
    end = _time_ns(item.end_time, f"[{index}].end_time", received)
    start = _time_ns(item.start_time, f"[{index}].start_time", max(0, end - duration))
    if item.end_time is None:
        end = min(start + duration, _LAST_NS)
    if end < start:
        raise InvalidInput(f"[{index}].end_time lies before its start_time.")
    return start, end


def _time_ns(value: str | float | None, name: str, default: int) -> int:
    if value is None:
        return default
    # Decimal spells numbers without an exponent and without losing nanoseconds of integers.
    text = value if isinstance(value, str) else format(Decimal(repr(value)), "f")
    return parse_time_ns(text, name=name)


def _resource(service: str) -> dict[str, Any]:
    return {"attributes": _key_values({"service.name": service} if service else {})}


def _key_values(attributes: Mapping[str, JsonValue]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any_value(value, _MAX_NESTING)} for key, value in attributes.items()]


def _any_value(value: JsonValue, depth: int) -> dict[str, Any]:  # noqa: PLR0911 - one for each type of JSON
    """A JSON value as OTLP's AnyValue. What is nested deeper than the bound stays JSON text."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)} if value in _INT64 else {"doubleValue": float(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case _ if depth == 0:
            return {"stringValue": json.dumps(value, ensure_ascii=False)}
        case list():
            return {"arrayValue": {"values": [_any_value(item, depth - 1) for item in value]}}
        case dict():
            values = [{"key": key, "value": _any_value(item, depth - 1)} for key, item in value.items()]
            return {"kvlistValue": {"values": values}}


def _dumped(document: dict[str, Iterable[dict[str, Any]]]) -> bytes:
    # A lone half of a surrogate pair is valid in JSON's escapes and in nothing else.
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
