"""Examples of answers for the OpenAPI document, where the engine writes the answer and no model describes it."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "BREAKDOWN",
    "EDGES",
    "KEYS",
    "OPERATIONS",
    "OTLP",
    "PAGE",
    "RED",
    "SERVICES",
    "TRACE",
    "TRENDS",
    "VALUES",
    "example",
]

_TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
_SPAN: Final = {
    "trace_id": _TRACE_ID,
    "span_id": "00f067aa0ba902b7",
    "parent_span_id": None,
    "name": "POST /cart",
    "kind": "server",
    "service": "gateway",
    "start_time": "2026-07-01T12:00:00.000000001Z",
    "start_time_unix_nano": 1782907200000000001,
    "duration_ns": 41_500_000,
    "status": "error",
    "status_message": "card declined",
    "attributes": {"http.request.method": "POST", "http.response.status_code": 502, "retry": True, "share": 0.5},
    "attribute_types": {"http.response.status_code": "int", "retry": "bool", "share": "double"},
    "resource": "851612307283558583",
    "scope": "17513382041",
    "events": [
        {
            "time": "2026-07-01T12:00:00.040000001Z",
            "name": "exception",
            "attributes": {"exception.type": "CardDeclined"},
        }
    ],
    "links": [],
    "trace_state": "",
    "flags": 1,
    "dropped_attributes": 0,
    "dropped_events": 0,
    "dropped_links": 0,
}
TRACE: Final[dict[str, Any]] = {
    "trace_id": _TRACE_ID,
    "spans": [_SPAN],
    "start_time": "2026-07-01T12:00:00.000000001Z",
    "start_time_unix_nano": 1782907200000000001,
    "duration_ns": 41_500_000,
    "span_count": 1,
    "error_count": 1,
    "root_service": "gateway",
    "root_name": "POST /cart",
    "services": ["gateway"],
    "resources": {"851612307283558583": {"service.name": "gateway", "host.name": "web-1", "process.pid": 12}},
    "scopes": {"17513382041": {"name": "opentelemetry.instrumentation.fastapi", "version": "", "attributes": {}}},
}
OTLP: Final = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "gateway"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "shop"},
                    "spans": [
                        {
                            "traceId": _TRACE_ID,
                            "spanId": "00f067aa0ba902b7",
                            "name": "POST /cart",
                            "kind": 2,
                            "startTimeUnixNano": "1782907200000000001",
                            "endTimeUnixNano": "1782907200041500001",
                        }
                    ],
                }
            ],
        }
    ]
}
PAGE: Final = {
    "traces": [
        {
            "trace_id": _TRACE_ID,
            "root_service": "gateway",
            "root_name": "POST /cart",
            "start_time": "2026-07-01T12:00:00.000000001Z",
            "start_time_unix_nano": 1782907200000000001,
            "duration_ns": 41_500_000,
            "span_count": 9,
            "error_count": 1,
            "services": ["gateway", "orders", "payments"],
            "matched_count": 1,
            "matched_spans": [
                {
                    "span_id": "00f067aa0ba902b7",
                    "name": "POST /cart",
                    "service": "gateway",
                    "kind": "server",
                    "start_time": "2026-07-01T12:00:00.000000001Z",
                    "duration_ns": 41_500_000,
                    "status": "error",
                }
            ],
        }
    ],
    "next_cursor": "WyI5ZjJjIiwxNzgyOTA3MjAwXQ",
}
BREAKDOWN: Final = {
    "by": "http.route",
    "total_count": 1210,
    "value_count": 14,
    "groups": [{"value": "/cart", "count": 800, "error_count": 3, "p50_ms": 12.5, "p95_ms": 40.1, "p99_ms": 95.0}],
}
KEYS: Final = {"attributes": [{"key": "http.route", "count": 800}, {"key": "resource.host.name", "count": 800}]}
VALUES: Final = {"values": [{"value": "/cart", "count": 800}]}
_RANGE: Final = {"from": "2026-07-01T12:00:00Z", "to": "2026-07-01T13:00:00Z"}
_FIGURES: Final = {
    "request_count": 7200,
    "error_count": 36,
    "rate": 2.0,
    "error_rate": 0.005,
    "p50_ms": 12.5,
    "p95_ms": 40.1,
    "p99_ms": 95.0,
}
SERVICES: Final = {
    **_RANGE,
    "services": [
        {
            "service": "gateway",
            **_FIGURES,
            "span_count": 21_600,
            "operation_count": 4,
            "versions": ["1.4.0", "1.4.1"],
            "last_seen": "2026-07-01T12:59:59.120000000Z",
        }
    ],
}
OPERATIONS: Final = {**_RANGE, "operations": [{"name": "POST /cart", "kind": "server", **_FIGURES}]}
RED: Final = {**_RANGE, "step_seconds": 60, "points": [{"time": "2026-07-01T12:00:00Z", **_FIGURES}]}
TRENDS: Final = {
    **_RANGE,
    "step_seconds": 1800,
    "services": [
        {"service": "gateway", "request_counts": [3500, 3700], "error_counts": [12, 24], "p95_ms": [38.2, 41.9]},
    ],
}
EDGES: Final = {
    **_RANGE,
    "edges": [{"client": "gateway", "server": "orders", "connection_type": "http", **_FIGURES}],
}


def example(document: object, *, model: Any = None, **further: object) -> dict[int | str, dict[str, Any]]:  # noqa: ANN401 - any type that pydantic knows
    """The `responses` of a route that answers with JSON like this one, in the shape of `model`."""
    content: dict[str, Any] = {"example": document}
    if further:
        content = {"examples": {name: {"value": value} for name, value in {"default": document, **further}.items()}}
    described = {} if model is None else {"model": model}
    return {200: {**described, "content": {"application/json": content}}}
