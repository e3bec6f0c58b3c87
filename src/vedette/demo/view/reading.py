"""What the view knows, asked from the platform's public HTTP API alone.

One question that fails leaves the earlier answer in its place and its reason in `Reading.trouble`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vedette.cli.client import Client, RequestFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ErrorLine", "Reading", "ServiceFigures", "SpanLine", "Trace", "read", "trace_of"]

_RANGE = "5m"
_ERRORS = 8
_CANDIDATES = 20
_FAILED_QUERY = "severity:(error OR fatal)"

# The trace on show is one that crossed many services; among those an error is more telling than none.
_NEW_TRACE_EVERY_READINGS = 3


@dataclass(frozen=True)
class ServiceFigures:
    """Rate per second, errors as a share of 1, and percentiles of duration of one service."""

    service: str
    rate: float
    error_share: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class ErrorLine:
    """One log record of severity error or worse; `time` is RFC 3339 in UTC."""

    time: str
    service: str
    severity: str
    text: str
    trace_id: str


@dataclass(frozen=True)
class SpanLine:
    """One span of a trace in the order of the tree; `offset_ms` counts from the start of the trace."""

    depth: int
    service: str
    name: str
    kind: str
    offset_ms: float
    duration_ms: float
    failed: bool


@dataclass(frozen=True)
class Trace:
    """One trace as a tree, flattened depth first."""

    trace_id: str
    start: str
    duration_ms: float
    spans: tuple[SpanLine, ...]


@dataclass(frozen=True)
class Reading:
    """All that the view shows of the platform."""

    services: tuple[ServiceFigures, ...] = ()
    errors: tuple[ErrorLine, ...] = ()
    trace: Trace | None = None
    trouble: str | None = None
    number: int = 0


def read(client: Client, before: Reading) -> Reading:
    """Ask for everything anew; what cannot be had now is taken over from `before`."""
    reading = replace(before, trouble=None, number=before.number + 1)
    try:
        reading = replace(reading, services=_services(client.json("/api/v1/services", {"from": _RANGE})))
        logs = client.json("/api/v1/logs", {"q": _FAILED_QUERY, "from": _RANGE, "limit": _ERRORS})
        reading = replace(reading, errors=tuple(_error(record) for record in logs["logs"]))
        if before.trace is None or before.number % _NEW_TRACE_EVERY_READINGS == 0:
            found = _find_trace(client)
            reading = replace(reading, trace=found or before.trace)
    except RequestFailed as error:
        return replace(reading, trouble=str(error))
    return reading


def trace_of(answer: Mapping[str, Any]) -> Trace:
    """The tree of a trace's JSON. A span whose parent is not there stands where a root would."""
    spans = answer["spans"]
    known = {span["span_id"] for span in spans}
    children: dict[str | None, list[Mapping[str, Any]]] = {}
    for span in sorted(spans, key=lambda span: int(span["start_time_unix_nano"])):
        parent = span["parent_span_id"]
        children.setdefault(parent if parent in known else None, []).append(span)
    start = min((int(span["start_time_unix_nano"]) for span in spans), default=0)
    lines: list[SpanLine] = []
    waiting = [(span, 0) for span in reversed(children.get(None, []))]
    while waiting:
        span, depth = waiting.pop()
        lines.append(_line(span, depth, start))
        waiting += [(child, depth + 1) for child in reversed(children.get(span["span_id"], []))]
    return Trace(answer["trace_id"], answer["start_time"], answer["duration_ns"] / 1e6, tuple(lines))


def _line(span: Mapping[str, Any], depth: int, trace_start: int) -> SpanLine:
    return SpanLine(
        depth=depth,
        service=span["service"],
        name=span["name"],
        kind=span["kind"],
        offset_ms=(int(span["start_time_unix_nano"]) - trace_start) / 1e6,
        duration_ms=int(span["duration_ns"]) / 1e6,
        failed=span["status"] == "error",
    )


def _services(answer: Mapping[str, Any]) -> tuple[ServiceFigures, ...]:
    figures = (
        ServiceFigures(
            service=row["service"],
            rate=row["rate"],
            error_share=row["error_rate"],
            p50_ms=row["p50_ms"],
            p95_ms=row["p95_ms"],
            p99_ms=row["p99_ms"],
        )
        for row in answer["services"]
    )
    return tuple(sorted(figures, key=lambda row: row.service))


def _error(record: Mapping[str, Any]) -> ErrorLine:
    body = record["body"]
    return ErrorLine(
        time=record["time"],
        service=record["service"],
        severity=record["severity"],
        text=body if isinstance(body, str) else json.dumps(body, ensure_ascii=False),
        trace_id=record.get("trace_id") or "",
    )


def _find_trace(client: Client) -> Trace | None:
    answer = client.json("/api/v1/traces", {"from": "1m", "limit": _CANDIDATES})
    candidates = answer["traces"]
    if not candidates:
        return None
    best = max(candidates, key=lambda trace: (len(trace["services"]), trace["error_count"], trace["span_count"]))
    return trace_of(client.json(f"/api/v1/traces/{best['trace_id']}"))
