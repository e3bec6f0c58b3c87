"""A pytest plugin: the base class of contrib's tests gets our providers instead of the official SDK's."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import Exemplar, export
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource as OfficialResource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.test.test_base import TestBase

from vedette.sdk.metrics.instruments import UpDownCounter
from vedette.sdk.metrics.provider import MeterProvider
from vedette.sdk.metrics.registry import Registry
from vedette.sdk.resource import Resource
from vedette.sdk.traces.sampling import Ratio
from vedette.sdk.traces.tracer import TracerProvider

_CUMULATIVE = AggregationTemporality.CUMULATIVE


class _Memory:
    """A span processor that keeps what has ended, with the reading side of the official in-memory exporter."""

    def __init__(self) -> None:
        self._spans: list[Any] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        pass

    def on_end(self, span: Any) -> None:
        self._spans.append(span)

    def get_finished_spans(self) -> tuple[Any, ...]:
        return tuple(self._spans)

    def clear(self) -> None:
        self._spans.clear()

    def shutdown(self) -> None:
        pass

    def force_flush(self, _timeout_millis: int = 0) -> bool:
        return True


class _Reader:
    """What our registry holds, as the official reader would give it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def get_metrics_data(self) -> Any:
        scopes: dict[Any, list[Metric]] = {}
        for family in self._registry.collect():
            points = [self._point(family, attributes, series) for attributes, series in family.items()]
            if points and family.scope is not None:
                metric = Metric(family.name, family.help, family.unit, self._data(family, points))
                scopes.setdefault(family.scope, []).append(metric)
        if not scopes:
            return None
        found = [
            ScopeMetrics(InstrumentationScope(s.name, s.version, s.schema_url), metrics, s.schema_url)
            for s, metrics in scopes.items()
        ]
        return export.MetricsData([ResourceMetrics(OfficialResource.get_empty(), found, "")])

    @staticmethod
    def _point(family: Any, attributes: Any, series: Any) -> Any:
        if family.kind == "histogram":
            return export.HistogramDataPoint(
                attributes=attributes,
                start_time_unix_nano=0,
                time_unix_nano=0,
                count=series.count(),
                sum=series.total,
                bucket_counts=series.counts,
                explicit_bounds=series.bounds,
                min=series.minimum,
                max=series.maximum,
                exemplars=[Exemplar({}, e.value, e.time_ns, e.span_id, e.trace_id) for e in series.exemplars()],
            )
        return NumberDataPoint(attributes, 0, 0, series.value())

    @staticmethod
    def _data(family: Any, points: list[Any]) -> Any:
        if family.kind == "histogram":
            return export.Histogram(points, _CUMULATIVE)
        if family.kind == "counter":
            return export.Sum(points, _CUMULATIVE, is_monotonic=True)
        if isinstance(next(iter(family.series.values())), UpDownCounter):
            return export.Sum(points, _CUMULATIVE, is_monotonic=False)
        return export.Gauge(points)


def _tracer_provider(**given: Any) -> tuple[TracerProvider, _Memory]:
    resource = given.get("resource")
    provider = TracerProvider(resource or Resource({"service.name": "t"}), Ratio(1), 1 << 20)
    memory = _Memory()
    provider.add_span_processor(memory)
    return provider, memory


def _meter_provider(**_given: Any) -> tuple[MeterProvider, _Reader]:
    registry = Registry()
    return MeterProvider(registry), _Reader(registry)


TestBase.create_tracer_provider = staticmethod(_tracer_provider)
TestBase.create_meter_provider = staticmethod(_meter_provider)
