"""Tenants with a few rows of each kind, to ask in SQL."""

from __future__ import annotations

import time
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

NS = 1_000_000_000


class Tenant:
    """One tenant of a running platform; `marker` stands in everything that it stored."""

    def __init__(self, platform: Any, name: str) -> None:
        self.platform = platform
        self.name = name
        self.marker = f"marker-of-{name}"

    def store(self) -> None:
        at = (time.time_ns() // NS - 60) * NS
        logs = ExportLogsServiceRequest()
        group = logs.resource_logs.add()
        group.resource.attributes.add(key="service.name").value.string_value = self.marker
        record = group.scope_logs.add().log_records.add(time_unix_nano=at, severity_number=9)
        record.body.string_value = self.marker
        record.attributes.add(key="code").value.int_value = 500
        spans = ExportTraceServiceRequest()
        traced = spans.resource_spans.add()
        traced.resource.attributes.add(key="service.name").value.string_value = self.marker
        traced.scope_spans.add().spans.add(
            trace_id=b"t" * 16, span_id=b"s" * 8, name=self.marker, start_time_unix_nano=at, end_time_unix_nano=at + NS
        )
        for signal, message in (("logs", logs), ("traces", spans)):
            answer = self.platform.otlp(signal, message.SerializeToString(), X_Scope_OrgID=self.name)
            assert answer.status == 200, answer.body
        self.platform.loaded()

    def ask(self, statement: str | bytes, fmt: str = "") -> Any:
        body = statement if isinstance(statement, bytes) else statement.encode()
        query = f"?format={fmt}" if fmt else ""
        return self.platform.request(f"/api/v1/sql{query}", body, method="POST", headers={"X-Scope-OrgID": self.name})
