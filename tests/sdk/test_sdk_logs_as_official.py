"""The same program on OpenTelemetry's SDK and on ours sends the same log records."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict

OFFICIAL = """
from opentelemetry import _logs
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
provider = LoggerProvider(resource=Resource({"service.name": "same"}))
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
_logs.set_logger_provider(provider)
finish = provider.shutdown
"""
OURS = """
import vedette
vedette.configure("same", log_format="none", redaction=False)
finish = vedette.shutdown
"""
EVENTS = """
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
log = get_logger("gen", "1.0", schema_url="https://schema/1", attributes={"scope.key": 7})
log.emit(LogRecord(timestamp=5, severity_number=SeverityNumber.WARN2, severity_text="W2", body={"a": [1, None, "x"]},
                   attributes={"k": 1.5, "list": [1, 2], "map": {"b": True}}, event_name="gen_ai.choice"))
parent = NonRecordingSpan(SpanContext(0xABC, 0xDEF, False, TraceFlags(1)))
log.emit(LogRecord(timestamp=6, severity_number=SeverityNumber.INFO, body="text", context=trace.set_span_in_context(parent)))
with trace.use_span(parent):
    log.emit(LogRecord(timestamp=7, observed_timestamp=8, body=b"bytes", attributes={"unicode": "\u00fc"}))
    get_logger("other").emit(LogRecord(timestamp=9, body=7, severity_number=SeverityNumber.FATAL4))
finish()
"""


def test_events_are_what_the_official_sdk_sends(programs, collector):
    """By OpenTelemetry's API for logs, the same program on either SDK; only the time of observing is left out."""

    def sent(setup: str) -> list[Any]:
        collector.requests.clear()
        programs.run(setup + EVENTS, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        scopes = [scope for held in collector.resources("/v1/logs") for scope in held.scope_logs]
        found = []
        for scope in sorted(scopes, key=lambda scope: scope.scope.name):
            records = [MessageToDict(record) for record in scope.log_records]
            for record in records:
                record.pop("observedTimeUnixNano")
            found.append((MessageToDict(scope.scope), scope.schema_url, records))
        return found

    assert sent(OURS) == sent(OFFICIAL)
