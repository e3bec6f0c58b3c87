"""Realistic OTLP payloads: a small shop's traces and log lines, as its services would send them.

Trees of eight spans with real parents across four services, random ids and durations, about twenty span names, paths
with ids in them, status codes, user agents, SQL statements, and now and then an error with an exception event.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
    for version in (128, 129, 130)
]
ROUTES = ["/products/{id}", "/cart", "/orders/{id}", "/checkout", "/search", "/users/{id}/profile"]
METHODS = ["GET", "GET", "GET", "POST"]
TABLES = ["products", "orders", "users", "carts", "payments"]
SERVICES = ["gateway", "catalog", "orders", "payments"]
DAY_NS = 86_400 * 10**9


def stamped(payload: bytes, tenant: str) -> bytes:
    """Return one length-delimited record: `payload` with the tenant appended as field 1000."""
    name = tenant.encode()
    record = payload + b"\xc2\x3e" + _VarintBytes(len(name)) + name
    return _VarintBytes(len(record)) + record


def value(item: object) -> AnyValue:
    if isinstance(item, bool):
        return AnyValue(bool_value=item)
    if isinstance(item, int):
        return AnyValue(int_value=item)
    if isinstance(item, float):
        return AnyValue(double_value=item)
    return AnyValue(string_value=str(item))


def attributes(items: dict[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(item)) for key, item in items.items()]


def resource(service: str) -> list[KeyValue]:
    return attributes(
        {
            "service.name": service,
            "service.version": "1.42.0",
            "service.instance.id": f"{service}-7d9f8b6c5-x2k4q",
            "deployment.environment.name": "production",
            "host.name": "node-3.eu-central-1.compute.internal",
            "process.pid": 4711,
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": "1.45.1",
        }
    )


@dataclass
class Shop:
    """A source of payloads; the same seed gives the same payloads."""

    seed: int = 1
    span_ns: int = DAY_NS
    start_ns: int = 1_790_000_000 * 10**9
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def server_attributes(self, failed: bool) -> dict[str, object]:  # noqa: FBT001 - one flag
        r = self.random
        route = r.choice(ROUTES)
        path = route.replace("{id}", str(r.randrange(10**6)))
        return {
            "http.request.method": r.choice(METHODS),
            "http.route": route,
            "url.path": path,
            "url.scheme": "https",
            "http.response.status_code": 500 if failed else r.choice([200, 200, 200, 200, 201, 304, 404]),
            "client.address": f"10.{r.randrange(4)}.{r.randrange(256)}.{r.randrange(256)}",
            "user_agent.original": r.choice(AGENTS),
            "server.address": "shop.example.com",
            "network.protocol.version": "1.1",
            "app.user.id": r.randrange(10**5),
        }

    def client_attributes(self) -> dict[str, object]:
        r = self.random
        return {
            "http.request.method": r.choice(METHODS),
            "url.full": f"http://{r.choice(SERVICES)}:8080/internal/items/{r.randrange(10**6)}?page={r.randrange(9)}",
            "server.address": r.choice(SERVICES),
            "server.port": 8080,
            "http.response.status_code": 200,
            "network.protocol.name": "http",
            "network.protocol.version": "1.1",
            "http.request.resend_count": r.randrange(2),
            "thread.id": r.randrange(16),
            "thread.name": f"worker-{r.randrange(16)}",
        }

    def database_attributes(self) -> dict[str, object]:
        r = self.random
        table = r.choice(TABLES)
        return {
            "db.system.name": "postgresql",
            "db.namespace": "shop",
            "db.collection.name": table,
            "db.operation.name": "SELECT",
            "db.query.text": f"SELECT id, name, price, created_at FROM {table} WHERE id = $1 AND deleted_at IS NULL",
            "db.response.returned_rows": r.randrange(50),
            "server.address": "db-1.internal",
            "server.port": 5432,
            "thread.id": r.randrange(16),
            "cache.hit": r.random() < 0.3,
        }

    def trace(self) -> list[tuple[str, Span]]:
        """Return eight spans, each with its service, shaped as a request through the shop."""
        r = self.random
        trace_id = r.randbytes(16)
        begin = self.start_ns + r.randrange(self.span_ns)
        failed = r.random() < 0.03
        spans: list[tuple[str, Span]] = []

        def add(service: str, name: str, kind: int, parent: bytes, items: dict[str, object]) -> bytes:
            nonlocal begin
            begin += r.randrange(10**6)
            span = Span(
                trace_id=trace_id,
                span_id=r.randbytes(8),
                parent_span_id=parent,
                name=name,
                kind=kind,  # type: ignore[arg-type]
                start_time_unix_nano=begin,
                end_time_unix_nano=begin + int(r.lognormvariate(16, 1.2)),
                attributes=attributes(items),
                flags=0x101,
            )
            spans.append((service, span))
            return span.span_id

        http = self.server_attributes(failed)
        root = add("gateway", f"{http['http.request.method']} {http['http.route']}", 2, b"", http)
        auth = add("gateway", "authenticate", 1, root, self.database_attributes())
        call = add("gateway", "POST", 3, auth, self.client_attributes())
        service = r.choice(SERVICES[1:])
        served = add(service, f"POST /internal/{service}", 2, call, self.server_attributes(failed))
        for _ in range(2):
            table = self.database_attributes()
            add(service, f"SELECT {table['db.collection.name']}", 3, served, table)
        again = add(service, "GET", 3, served, self.client_attributes())
        add("payments", "GET /internal/payments", 2, again, self.server_attributes(failed))
        if failed:
            span = spans[-1][1]
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="card declined"))
            event = span.events.add(time_unix_nano=span.end_time_unix_nano, name="exception")
            event.attributes.extend(
                attributes(
                    {
                        "exception.type": "shop.payments.Declined",
                        "exception.message": f"card ending {r.randrange(10**4):04} was declined",
                        "exception.stacktrace": 'Traceback (most recent call last):\n  File "/srv/app/payments.py", line 88, in charge\n    raise Declined(card)\n',
                    }
                )
            )
        return spans

    def traces(self, count: int, batch: int = 504) -> Iterator[bytes]:
        """Yield export requests of about `batch` spans until `count` spans are out."""
        done = 0
        while done < count:
            by_service: dict[str, list[Span]] = {}
            size = 0
            while size < batch:
                for service, span in self.trace():
                    by_service.setdefault(service, []).append(span)
                    size += 1
            # An exporter belongs to one process, so each service sends its own request.
            for service, spans in by_service.items():
                request = ExportTraceServiceRequest()
                part = request.resource_spans.add()
                part.resource.attributes.extend(resource(service))
                scope = part.scope_spans.add()
                scope.scope.name = "opentelemetry.instrumentation.fastapi"
                scope.scope.version = "0.66b1"
                scope.spans.extend(spans)
                yield request.SerializeToString()
            done += size

    def line(self) -> tuple[int, str]:
        r = self.random
        kind = r.randrange(10)
        address = f"10.0.{r.randrange(256)}.{r.randrange(256)}"
        if kind < 5:
            return 9, (
                f'{address} - "{r.choice(METHODS)} /products/{r.randrange(10**6)} HTTP/1.1" '
                f"{r.choice([200, 200, 200, 404])} {r.randrange(30000)} in {r.random() * 300:.1f} ms"
            )
        if kind < 8:
            return 5, f"cache {r.choice(['hit', 'miss'])} for key product:{r.randrange(10**6)} in {r.randrange(900)} us"
        if kind < 9:
            return 13, f"retrying request {r.randbytes(8).hex()} to payments after {r.randrange(5)} attempts"
        return 17, f"payment failed for order {r.randrange(10**7)}: gateway timeout while talking to {address}"

    def logs(self, count: int, batch: int = 500) -> Iterator[bytes]:
        """Yield export requests of `batch` log records until `count` records are out."""
        r = self.random
        trace_id, span_id = r.randbytes(16), r.randbytes(8)
        for _ in range(0, count, batch):
            request = ExportLogsServiceRequest()
            part = request.resource_logs.add()
            part.resource.attributes.extend(resource(r.choice(SERVICES)))
            scope = part.scope_logs.add()
            scope.scope.name = "shop.web"
            begin = self.start_ns + r.randrange(self.span_ns)
            for _ in range(batch):
                begin += r.randrange(10**7)
                number, text = self.line()
                record = scope.log_records.add(
                    time_unix_nano=begin,
                    observed_time_unix_nano=begin + 1000,
                    severity_number=number,  # type: ignore[arg-type]
                )
                record.severity_text = {5: "DEBUG", 9: "INFO", 13: "WARN", 17: "ERROR"}[number]
                record.body.string_value = text
                if r.random() < 0.25:  # a request writes about four lines
                    trace_id, span_id = r.randbytes(16), r.randbytes(8)
                record.trace_id, record.span_id = trace_id, span_id
                record.attributes.extend(
                    attributes(
                        {
                            "code.file.path": "/srv/app/web.py",
                            "code.function.name": "handle",
                            "code.line.number": r.randrange(400),
                            "thread.name": f"worker-{r.randrange(16)}",
                            "app.user.id": r.randrange(10**5),
                        }
                    )
                )
            yield request.SerializeToString()


def segments(payloads: Iterator[bytes], tenant: str, size: int = 32 << 20) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield (segment, raw payloads) of at most `size` bytes, as the write-ahead log would seal them."""
    raw: list[bytes] = []
    parts: list[bytes] = []
    total = 0
    for payload in payloads:
        record = stamped(payload, tenant)
        if total + len(record) > size:
            yield b"".join(parts), raw
            raw, parts, total = [], [], 0
        raw.append(payload)
        parts.append(record)
        total += len(record)
    if parts:
        yield b"".join(parts), raw
