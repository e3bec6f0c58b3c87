"""How a process of the shop is instrumented: OpenTelemetry's own SDK, exporters and instrumentations, nothing else."""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

if TYPE_CHECKING:
    from vedette.demo.stage import Stage

__all__ = ["EXPONENTIAL_HISTOGRAM", "GRPC_SERVICES", "Telemetry", "start"]

# These services send by OTLP/gRPC, the others by OTLP/HTTP with protobuf bodies.
GRPC_SERVICES = frozenset({"gateway", "orders"})

EXPONENTIAL_HISTOGRAM = "payments.provider.duration"

_EXPORT_DELAY_MILLIS = 2_000
_METRICS_INTERVAL_MILLIS = 10_000

_PROCESS_METRICS: dict[str, list[str] | None] = {
    "process.cpu.time": ["user", "system"],
    "process.memory.usage": None,
    "process.thread.count": None,
    "process.open_file_descriptor.count": None,
    "cpython.gc.collections": None,
}
_HOST_METRICS: dict[str, list[str] | None] = {
    "system.cpu.utilization": ["idle", "user", "system"],
    "system.memory.usage": ["used", "free", "cached"],
    "system.memory.utilization": ["used", "free", "cached"],
    "system.disk.io": ["read", "write"],
    "system.network.io": ["transmit", "receive"],
}


@dataclass(frozen=True)
class Telemetry:
    """The three providers of this process."""

    tracers: TracerProvider
    meters: MeterProvider
    loggers: LoggerProvider

    def stop(self) -> None:
        """Send what is still waiting and close the exporters."""
        self.tracers.shutdown()
        self.meters.shutdown()
        self.loggers.shutdown()


def start(stage: Stage) -> Telemetry:
    """Set up traces, metrics and logs for this process and instrument what all of them use.

    FastAPI and SQLAlchemy are instrumented where they are set up: `shop.serving` and `shop.store`.
    """
    # The stable names of HTTP and database attributes; the instrumentations still default to the old ones.
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http,database"
    resource = Resource.create(
        {
            "service.name": stage.service,
            "service.namespace": "shop",
            "service.version": stage.version,
            "service.instance.id": stage.instance,
            "deployment.environment.name": "demo",
            "host.name": platform.node(),
            "process.pid": os.getpid(),
            "process.runtime.name": platform.python_implementation().lower(),
            "process.runtime.version": platform.python_version(),
        }
    )
    spans, samples, logs = _grpc(stage) if stage.service in GRPC_SERVICES else _http(stage)

    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=_EXPORT_DELAY_MILLIS))
    trace.set_tracer_provider(tracers)

    reader = PeriodicExportingMetricReader(samples, export_interval_millis=_METRICS_INTERVAL_MILLIS)
    exponential = View(
        instrument_type=Histogram,
        instrument_name=EXPONENTIAL_HISTOGRAM,
        aggregation=ExponentialBucketHistogramAggregation(),
    )
    meters = MeterProvider(metric_readers=[reader], resource=resource, views=[exponential])
    metrics.set_meter_provider(meters)

    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(BatchLogRecordProcessor(logs, schedule_delay_millis=_EXPORT_DELAY_MILLIS))
    set_logger_provider(loggers)

    _instrument(host_metrics=stage.service == "gateway")
    return Telemetry(tracers, meters, loggers)


def _instrument(*, host_metrics: bool) -> None:
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # What the exporters themselves complain about would be lost on the way that it complains about.
    complaints = logging.StreamHandler()
    complaints.addFilter(logging.Filter("opentelemetry"))
    root.addHandler(complaints)
    LoggingInstrumentor().instrument()
    HTTPXClientInstrumentor().instrument()
    config = {**_PROCESS_METRICS, **_HOST_METRICS} if host_metrics else _PROCESS_METRICS
    SystemMetricsInstrumentor(config=config).instrument()


def _http(stage: Stage) -> tuple[SpanExporter, MetricExporter, LogRecordExporter]:
    from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415 - a process loads one transport
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    base = stage.otlp_http.rstrip("/")
    return (
        OTLPSpanExporter(endpoint=f"{base}/v1/traces", compression=Compression.Gzip),
        OTLPMetricExporter(endpoint=f"{base}/v1/metrics", compression=Compression.Gzip),
        OTLPLogExporter(endpoint=f"{base}/v1/logs"),
    )


def _grpc(stage: Stage) -> tuple[SpanExporter, MetricExporter, LogRecordExporter]:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return (
        OTLPSpanExporter(endpoint=stage.otlp_grpc, insecure=True),
        OTLPMetricExporter(endpoint=stage.otlp_grpc, insecure=True),
        OTLPLogExporter(endpoint=stage.otlp_grpc, insecure=True),
    )
