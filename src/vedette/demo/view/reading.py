"""What the view knows, asked from the platform's public HTTP API alone.

One question that fails leaves the earlier answer in its place and its reason in `Reading.trouble`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vedette.cli.client import Client, RequestFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ErrorLine", "Reading", "ServiceFigures", "read"]

_RANGE_SECONDS = 300.0
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
class Reading:
    """All that the view shows of the platform. `trace` is the document of one trace, as the API gives it."""

    services: tuple[ServiceFigures, ...] = ()
    errors: tuple[ErrorLine, ...] = ()
    trace: Mapping[str, Any] | None = None
    trouble: str | None = None
    number: int = 0


def read(client: Client, before: Reading, opened: float) -> Reading:
    """Ask for everything of the last five minutes, but nothing from before the shop `opened` (Unix time).

    What cannot be had now is taken over from `before`.
    """
    since = {"from": f"{max(opened, time.time() - _RANGE_SECONDS):.3f}"}
    reading = replace(before, trouble=None, number=before.number + 1)
    try:
        reading = replace(reading, services=_services(client.json("/api/v1/services", since), opened))
        logs = client.json("/api/v1/logs", {"q": _FAILED_QUERY, "limit": _ERRORS, **since})
        reading = replace(reading, errors=tuple(_error(record) for record in logs["logs"]))
        if before.trace is None or before.number % _NEW_TRACE_EVERY_READINGS == 0:
            found = _find_trace(client)
            reading = replace(reading, trace=found or before.trace)
    except RequestFailed as error:
        return replace(reading, trouble=str(error))
    return reading


def _services(answer: Mapping[str, Any], opened: float) -> tuple[ServiceFigures, ...]:
    # The platform counts over whole minutes; the shop was not open, or the future has not come, in some of that time.
    start, end = (datetime.fromisoformat(answer[bound]).timestamp() for bound in ("from", "to"))
    seconds = max(min(end, time.time()) - max(start, opened), 1.0)
    figures = (
        ServiceFigures(
            service=row["service"],
            rate=row["request_count"] / seconds,
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


def _find_trace(client: Client) -> Mapping[str, Any] | None:
    answer = client.json("/api/v1/traces", {"from": "1m", "limit": _CANDIDATES})
    candidates = answer["traces"]
    if not candidates:
        return None
    best = max(candidates, key=lambda trace: (len(trace["services"]), trace["error_count"], trace["span_count"]))
    trace: Mapping[str, Any] = client.json(f"/api/v1/traces/{best['trace_id']}")
    return trace
