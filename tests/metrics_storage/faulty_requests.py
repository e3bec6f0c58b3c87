"""OTLP requests of points that can be kept and of such that cannot, each point with a label `p` of its own."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from otlp_requests import DELTA, TIME_NS, attributes, exponential, gauge, histogram, request, summary, total

_KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def every_fault(time: int = TIME_NS) -> ExportMetricsServiceRequest:
    """Six points that can be kept, in every way just so, and two for each reason for which one cannot be."""
    facts = {"time_unix_nano": time}
    ascending = [-math.inf, 1.0, math.inf]
    found = request(
        gauge("level", 1.0, time=time),
        total("counted", 1, time=time),
        histogram("timed", [1, 2, 1, 0], ascending, **facts),
        histogram("bare", [], ascending, **facts),
        exponential("native", scale=-4, positive=(1_999_999_999, [1]), negative=(-(2**31), [1]), **facts),
        summary("quantiles", {0.5: 1.0}, **facts),
        gauge("", 1.0, time=time),
        summary("", {0.5: 1.0}, **facts),
        total("unspecified", 1, time=time, temporality=0),
        histogram("seventh", [1], [], temporality=7, **facts),
        gauge("timeless", 1.0, time=0),
        summary("eternal", {}, time_unix_nano=0),
        _without_value(gauge("valueless", 1.0, time=time)),
        _without_value(total("nothing", 1, time=time)),
        histogram("short", [1, 2], [1.0, 2.0], **facts),
        histogram("long", [1, 2], [], **facts),
        histogram("descending", [1, 1, 1], [2.0, 1.0], **facts),
        histogram("nan", [], [math.nan], **facts),
        exponential("coarse", scale=-5, **facts),
        exponential("coarsest", scale=-(2**31), positive=(2**31 - 1, [1]), **facts),
        exponential("high", positive=(1_999_999_999, [1, 0]), **facts),
        exponential("low", negative=(2_000_000_001, []), **facts),
        resource={"service.name": "till"},
    )
    return numbered(found)


@st.composite
def mixtures(draw: st.DrawFn) -> ExportMetricsServiceRequest:
    """Requests of a few metrics with a few points each."""
    return numbered(request(*draw(st.lists(_metrics(), min_size=1, max_size=12)), resource={"service.name": "till"}))


def points(message: ExportMetricsServiceRequest) -> list[Any]:
    """All points of a request."""
    return [
        point
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
    ]


def numbered(message: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest:
    """The request, each of its points with its number as label."""
    for number, point in enumerate(points(message)):
        point.attributes.extend(attributes({"p": str(number)}))
    return message


def _without_value(metric: Metric) -> Metric:
    for point in getattr(metric, metric.WhichOneof("data")).data_points:
        point.ClearField("as_double")
        point.ClearField("as_int")
    return metric


@st.composite
def _metrics(draw: st.DrawFn) -> Metric:
    kind = draw(st.sampled_from(_KINDS))
    metric = Metric(name=draw(st.sampled_from(["", "a", "b", "c"])))
    data = getattr(metric, kind)
    data.SetInParent()
    if kind not in {"gauge", "summary"}:
        data.aggregation_temporality = draw(st.sampled_from([0, DELTA, 2, 2, 2, 7]))
    for _ in range(draw(st.integers(0, 3))):
        time, flags = draw(st.sampled_from([0, TIME_NS, TIME_NS])), draw(st.sampled_from([0, 0, 1, 2, 3]))
        data.data_points.add(time_unix_nano=time, flags=flags, **draw(_FACTS[kind]))
    return metric


_NUMBERS = st.sampled_from([{}, {"as_int": 0}, {"as_int": -1}, {"as_double": 0.0}, {"as_double": 1.5}])
_COUNTS = st.lists(st.integers(0, 9), max_size=3)
_BUCKETS = st.fixed_dictionaries(
    {
        "offset": st.sampled_from([0, -(2**31), 2**31 - 1, 1_999_999_998, 2_000_000_000, 2_000_000_001]),
        "bucket_counts": _COUNTS,
    }
)
_FACTS = {
    "gauge": _NUMBERS,
    "sum": _NUMBERS,
    "histogram": st.fixed_dictionaries(
        {
            "count": st.integers(0, 9),
            "bucket_counts": _COUNTS,
            "explicit_bounds": st.lists(st.sampled_from([-math.inf, 0.0, 1.0, math.inf, math.nan]), max_size=3),
        }
    ),
    "exponential_histogram": st.fixed_dictionaries(
        {"scale": st.sampled_from([0, 8, 20, -4, -5, 2**31 - 1, -(2**31)])},
        optional={"positive": _BUCKETS, "negative": _BUCKETS},
    ),
    "summary": st.fixed_dictionaries({"count": st.integers(0, 9)}),
}
