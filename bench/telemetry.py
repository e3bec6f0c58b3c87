"""Realistic OTLP payloads: traces of eight spans with true parents, and log lines that belong to them.

Ten attributes a span after OpenTelemetry's semantic conventions, twelve on the resource; ids and durations random,
about twenty span names, paths with ids in them, user agents, status codes. Everything comes from a seed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

if TYPE_CHECKING:
    import random

__all__ = ["log_request", "trace_request"]

SERVICES = ["gateway", "catalog", "orders", "payments", "shipping", "search", "users", "mail"]
ROUTES = [
    "/items/{id}",
    "/orders/{id}",
    "/cart",
    "/search",
    "/users/{id}/profile",
    "/checkout",
    "/health/deep",
    "/login",
]
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "python-httpx/0.28.1",
]
STATEMENTS = ["SELECT * FROM orders WHERE id = $1", "UPDATE stock SET n = n - $1 WHERE sku = $2", "SELECT 1"]
MESSAGES = [
    "order {a} placed by user {b} for {c} EUR",
    "payment {a} declined by provider: code {c}",
    "cache miss for key item:{a}",
    "slow query took {c} ms on shard {b}",
    "user {b} logged in from 10.{c}.{c}.7",
    "retrying request {a} after {c} ms",
]


def _pairs(values: dict[str, str | int | float]) -> list[KeyValue]:
    out = []
    for key, value in values.items():
        if isinstance(value, str):
            any_value = AnyValue(string_value=value)
        elif isinstance(value, int):
            any_value = AnyValue(int_value=value)
        else:
            any_value = AnyValue(double_value=value)
        out.append(KeyValue(key=key, value=any_value))
    return out


def _resource(service: str, instance: int) -> list[KeyValue]:
    return _pairs(
        {
            "service.name": service,
            "service.version": f"1.{instance % 4}.2",
            "service.namespace": "shop",
            "service.instance.id": f"{service}-7d9f8b6c5d-{instance:05d}",
            "deployment.environment.name": "production",
            "host.name": f"ip-10-1-2-{instance % 250}.compute.internal",
            "k8s.pod.name": f"{service}-7d9f8b6c5d-{instance:05d}",
            "k8s.namespace.name": "shop-prod",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": "1.45.2",
            "process.pid": 4711 + instance,
        }
    )


def trace_request(spans: int, rng: random.Random, *, end_ns: int | None = None, spread_ns: int = 10**9) -> bytes:
    """One export request of one service instance. Spans end within `spread_ns` before `end_ns` (now by default)."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    service = rng.choice(SERVICES)
    resource.resource.attributes.extend(_resource(service, rng.randrange(20)))
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.fastapi"
    scope.scope.version = "0.66b1"
    end_ns = end_ns or time.time_ns()
    trace_id, ids = b"", [b""]
    for i in range(spans):
        if i % 8 == 0:
            trace_id, ids = rng.randbytes(16), [b""]
            base = end_ns - rng.randrange(spread_ns)
        span_id = rng.randbytes(8)
        route = rng.choice(ROUTES)
        start = base + rng.randrange(50_000_000)
        duration = int(rng.lognormvariate(16, 1.2))
        failed = rng.random() < 0.02
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=rng.choice(ids),
            name=f"GET {route}" if i % 8 else f"POST {route}",
            kind=2 if i % 8 == 0 else rng.choice((1, 3)),
            start_time_unix_nano=start,
            end_time_unix_nano=start + duration,
        )
        if failed:
            span.status.code = 2
            span.status.message = "upstream answered 502"
        ids.append(span_id)
        span.attributes.extend(
            _pairs(
                {
                    "http.request.method": "GET",
                    "http.route": route,
                    "url.path": route.replace("{id}", str(rng.randrange(100_000))),
                    "url.scheme": "https",
                    "http.response.status_code": 502 if failed else 200,
                    "server.address": "shop.example.com",
                    "server.port": 8443,
                    "client.address": f"203.0.{rng.randrange(256)}.{rng.randrange(256)}",
                    "user_agent.original": rng.choice(AGENTS),
                    "app.amount": round(rng.random() * 100, 2),
                }
            )
        )
    return request.SerializeToString()


def log_request(records: int, rng: random.Random, *, end_ns: int | None = None, spread_ns: int = 10**9) -> bytes:
    """One export request of log records, a third of them within traces, five attributes each."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend(_resource(rng.choice(SERVICES), rng.randrange(20)))
    scope = resource.scope_logs.add()
    scope.scope.name = "app.orders"
    end_ns = end_ns or time.time_ns()
    for _ in range(records):
        at = end_ns - rng.randrange(spread_ns)
        severity, text = rng.choices([(9, "INFO"), (5, "DEBUG"), (13, "WARN"), (17, "ERROR")], [70, 20, 7, 3])[0]
        body = rng.choice(MESSAGES).format(a=rng.randrange(10**9), b=rng.randrange(10**5), c=rng.randrange(255))
        record = scope.log_records.add(
            time_unix_nano=at, observed_time_unix_nano=at + 1000, severity_number=severity, severity_text=text
        )
        record.body.string_value = body
        if rng.random() < 0.33:
            record.trace_id, record.span_id = rng.randbytes(16), rng.randbytes(8)
        record.attributes.extend(
            _pairs(
                {
                    "code.function.name": "place_order",
                    "code.line.number": rng.randrange(500),
                    "thread.name": "MainThread",
                    "user.id": rng.randrange(10**5),
                    "request.id": rng.randbytes(6).hex(),
                }
            )
        )
    return request.SerializeToString()
