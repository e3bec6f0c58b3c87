"""Telemetry by OpenTelemetry's own SDK, exporters and instrumentations: a service as many teams have it today.

The platform takes it as it comes, and a trace goes through both kinds of services.
"""

from __future__ import annotations

import logging
import os
import platform
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from vedette.demo.stage import Stage

__all__ = ["EXPONENTIAL_HISTOGRAM", "start", "watch"]

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


def start(stage: Stage) -> Callable[[], None]:
    """Set up traces, metrics and logs for this process; returns what sends the rest and ends them."""
    # The stable names of HTTP attributes; the instrumentations still default to the old ones.
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
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
    base = stage.otlp_http.rstrip("/")
    spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", compression=Compression.Gzip)
    samples = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", compression=Compression.Gzip)
    logs = OTLPLogExporter(endpoint=f"{base}/v1/logs")

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

    _instrument()

    def stop() -> None:
        tracers.shutdown()
        meters.shutdown()
        loggers.shutdown()

    return stop


def watch(app: FastAPI) -> None:
    """Instrument the application. FastAPI's own telemetry steps back where it finds this instrumentation."""
    FastAPIInstrumentor.instrument_app(app, excluded_urls="healthz", exclude_spans=["receive", "send"])


def _instrument() -> None:
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # What the exporters themselves complain about would be lost on the way that it complains about.
    complaints = logging.StreamHandler()
    complaints.addFilter(logging.Filter("opentelemetry"))
    root.addHandler(complaints)
    LoggingInstrumentor().instrument()
    HTTPXClientInstrumentor().instrument()
    SystemMetricsInstrumentor(config=_PROCESS_METRICS).instrument()
