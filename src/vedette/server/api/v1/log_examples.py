"""Examples of answers about logs for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["CONTEXT", "FACETS", "FIELDS", "HISTOGRAM", "PAGE", "VALUES"]

_LINE: Final[dict[str, Any]] = {
    "id": "18be3a1f6d2c4b01-9f3c1a7e5d2b8860-1",
    "time": "2026-07-01T12:00:00.000000001Z",
    "observed_time": "2026-07-01T12:00:00.000250000Z",
    "severity": "error",
    "severity_number": 17,
    "severity_text": "ERROR",
    "service": "checkout",
    "body": "card declined for order 4711",
    "event_name": "",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "span_id": "00f067aa0ba902b7",
    "flags": 1,
    "attributes": {"order.id": 4711, "retry": True, "share": 0.5},
    "resource": {"service.name": "checkout", "host.name": "web-1"},
    "scope": {"name": "shop.orders", "version": "1.2", "attributes": {}},
    "dropped_attributes": 0,
}
PAGE: Final = {"logs": [_LINE], "next_cursor": _LINE["id"]}
HISTOGRAM: Final = {
    "bucket_seconds": 60.0,
    "total": 42,
    "buckets": [
        {"time": "2026-07-01T12:00:00Z", "counts": {"info": 40, "error": 2}},
        {"time": "2026-07-01T12:01:00Z", "counts": {}},
    ],
}
FACETS: Final = {
    "facets": [
        {
            "field": "service",
            "lines": 42,
            "distinct": 2,
            "values": [{"value": "checkout", "lines": 40}, {"value": "gateway", "lines": 2}],
        }
    ]
}
CONTEXT: Final = {"line": _LINE, "before": [_LINE], "after": [_LINE]}
FIELDS: Final = {"fields": [{"name": "service", "kind": "column"}, {"name": "order.id", "kind": "attribute"}]}
VALUES: Final = {"field": "service", "values": [{"value": "checkout", "lines": 40}]}
