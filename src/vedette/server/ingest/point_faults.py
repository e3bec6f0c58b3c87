"""Points of OTLP metrics that the tables will refuse, told to who sends them before the tables see them.

The rules are those of ``engine/formats/otlp_metrics``, which writes the refusals into the ledger. A request as a
message is counted by `point_faults_kernel`. Here are requests as objects: OTLP/JSON, and messages until that is
compiled.
"""

from __future__ import annotations

import math
from collections import Counter
from operator import lt
from typing import TYPE_CHECKING, Any, Final

from vedette.server.ingest.point_faults_kernel import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["faults_of", "sentence"]

_CUMULATIVE: Final = 2
_NO_VALUE: Final = 1
_LOWEST_SCALE: Final = -4
_LAST_BUCKET: Final = 2_000_000_000
_WITH_TEMPORALITY: Final = ("sum", "histogram", "exponential_histogram")
_TEXTS: Final = {
    "unnamed_metric": "of a metric without a name",
    "unknown_temporality": "with a temporality that is neither cumulative nor delta",
    "no_time": "without a time",
    "no_value": "without a value",
    "bucket_count_mismatch": "whose bucket counts are not one more than the bounds",
    "unordered_bounds": "whose bounds do not ascend",
    "scale_too_low": f"with a scale below {_LOWEST_SCALE}",
    "buckets_out_of_range": f"with buckets above {_LAST_BUCKET}",
}


def sentence(faults: Mapping[str, int]) -> str:
    """What is said of refused points: how many there are for each reason."""
    total = sum(faults.values())
    if not total:
        return ""
    each = ", ".join(f"{faults[reason]} {_TEXTS[reason]} ({reason})" for reason in REASONS if faults.get(reason))
    return f"{total} data point{'s' if total > 1 else ''} cannot be kept: {each}."


def faults_of(request: Any) -> Counter[str]:  # noqa: ANN401 - see below
    """How many points the tables will refuse for each reason.

    Args:
        request: An ``otlp_json.Metrics`` or an ``ExportMetricsServiceRequest``, whose fields have the same names.
    """
    return Counter(
        fault
        for resource in request.resource_metrics or ()
        for scope in resource.scope_metrics or ()
        for metric in scope.metrics or ()
        for fault in _metric_faults(metric)
    )


def _metric_faults(metric: Any) -> Iterator[str]:  # noqa: ANN401
    for kind, fault in _POINT_FAULTS.items():
        data = getattr(metric, kind)
        points = data.data_points if data is not None else None
        if not points:
            continue
        of_all = ""
        if not metric.name:
            of_all = "unnamed_metric"
        elif kind in _WITH_TEMPORALITY and data.aggregation_temporality != _CUMULATIVE:
            of_all = "unknown_temporality"
        for point in points:
            if found := of_all or ("" if int(point.time_unix_nano or 0) else "no_time") or fault(point):
                yield found


def _number(point: Any) -> str:  # noqa: ANN401
    if (point.flags or 0) & _NO_VALUE:
        return ""
    if hasattr(point, "WhichOneof"):
        return "" if point.WhichOneof("value") else "no_value"
    return "no_value" if point.as_int is None and point.as_double is None else ""


def _histogram(point: Any) -> str:  # noqa: ANN401
    bounds = list(map(float, point.explicit_bounds or ()))
    if point.bucket_counts and len(point.bucket_counts) != len(bounds) + 1:
        return "bucket_count_mismatch"
    ascend = all(map(lt, bounds, bounds[1:])) and not math.isnan(sum(bounds[:1]))
    return "" if ascend else "unordered_bounds"


def _exponential(point: Any) -> str:  # noqa: ANN401
    if (point.scale or 0) < _LOWEST_SCALE:
        return "scale_too_low"
    sides = [side for side in (point.positive, point.negative) if side is not None]
    beyond = any((side.offset or 0) + len(side.bucket_counts or ()) > _LAST_BUCKET for side in sides)
    return "buckets_out_of_range" if beyond else ""


def _summary(_point: Any) -> str:  # noqa: ANN401
    return ""


_POINT_FAULTS: Final = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
