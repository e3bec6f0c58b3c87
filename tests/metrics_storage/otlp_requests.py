"""OTLP metric requests, built as an exporter builds them."""

from __future__ import annotations

import json
import math
import struct
from base64 import b64decode
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics

TIME_NS = 1_790_000_000_123_456_789
TIME_MS = 1_790_000_000_123
DELTA, CUMULATIVE = 1, 2
STALE_BITS = 0x7FF0000000000002


def is_stale(value: float) -> bool:
    """Whether a value is the stale marker, a NaN of its own."""
    return math.isnan(value) and struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_BITS


def as_json(request: ExportMetricsServiceRequest) -> bytes:
    """The request in OTLP/JSON: as protobuf's JSON, but with integer enums and hexadecimal ids."""
    document = MessageToDict(request, use_integers_for_enums=True)

    def hexadecimal(node: Any) -> Any:
        if isinstance(node, list):
            return [hexadecimal(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            key: b64decode(value).hex() if key in {"traceId", "spanId"} else hexadecimal(value)
            for key, value in node.items()
        }

    return json.dumps(hexadecimal(document)).encode()


def any_value(value: Any) -> AnyValue:
    """An AnyValue of a Python value."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=attributes(value)))
    return AnyValue()


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def request(*metrics: Metric, resource: dict[str, Any] | None = None, scope: str = "") -> ExportMetricsServiceRequest:
    """One request of one resource and scope; by default neither has anything that becomes a label."""
    built = ExportMetricsServiceRequest()
    part = built.resource_metrics.add()
    part.resource.attributes.extend(attributes(resource or {}))
    scopes: ScopeMetrics = part.scope_metrics.add()
    scopes.scope.name = scope
    scopes.metrics.extend(metrics)
    return built


def gauge(name: str, value: float, *, unit: str = "", time: int = TIME_NS, **labels: Any) -> Metric:
    metric = Metric(name=name, unit=unit)
    point = metric.gauge.data_points.add(time_unix_nano=time, attributes=attributes(labels))
    _set(point, value)
    return metric


def total(
    name: str,
    value: float,
    *,
    unit: str = "",
    time: int = TIME_NS,
    temporality: int = CUMULATIVE,
    monotonic: bool = True,
    **labels: Any,
) -> Metric:
    metric = Metric(name=name, unit=unit)
    metric.sum.aggregation_temporality = temporality
    metric.sum.is_monotonic = monotonic
    point = metric.sum.data_points.add(
        time_unix_nano=time, start_time_unix_nano=time - 60_000_000_000, attributes=attributes(labels)
    )
    _set(point, value)
    return metric


def histogram(
    name: str, counts: list[int], bounds: list[float], *, temporality: int = CUMULATIVE, **facts: Any
) -> Metric:
    """An explicit histogram; `facts` are fields of its point."""
    metric = Metric(name=name)
    metric.histogram.aggregation_temporality = temporality
    point = {"time_unix_nano": TIME_NS, "count": sum(counts), "sum": 1.5} | facts
    metric.histogram.data_points.add(
        bucket_counts=counts, explicit_bounds=bounds, **{k: v for k, v in point.items() if v is not None}
    )
    return metric


def exponential(name: str, *, temporality: int = CUMULATIVE, **facts: Any) -> Metric:
    """An exponential histogram; `positive` and `negative` are (offset, counts)."""
    metric = Metric(name=name)
    metric.exponential_histogram.aggregation_temporality = temporality
    buckets = {side: facts.pop(side) for side in ("positive", "negative") if side in facts}
    point = metric.exponential_histogram.data_points.add(**{"time_unix_nano": TIME_NS} | facts)
    for side, (offset, counts) in buckets.items():
        getattr(point, side).offset = offset
        getattr(point, side).bucket_counts.extend(counts)
    return metric


def summary(name: str, quantiles: dict[float, float], **facts: Any) -> Metric:
    metric = Metric(name=name)
    point = metric.summary.data_points.add(**{"time_unix_nano": TIME_NS, "count": 3, "sum": 6.0} | facts)
    for quantile, value in quantiles.items():
        point.quantile_values.add(quantile=quantile, value=value)
    return metric


def _set(point: Any, value: float) -> None:
    if isinstance(value, int):
        point.as_int = value
    else:
        point.as_double = value
