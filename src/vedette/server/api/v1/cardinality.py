"""Which metrics, labels and values make a tenant's series, and which make new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from fastapi import APIRouter, Query, Request
from typing_extensions import TypedDict

from vedette.errors import InvalidInput
from vedette.server.api.context import Caller, services_of
from vedette.server.query.metrics.cardinality import Counts, count, read_new, today
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.parser import parse_selector

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.tenant import TenantMetrics

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/cardinality", tags=["metrics"])

_MOST_DAYS: Final = 3_650


class MetricCount(TypedDict):
    """A metric with its series, and how many of them are new."""

    name: str
    series: int
    new_last_hour: int
    new_last_day: int


class LabelCount(TypedDict):
    """A label with its distinct values, the series that have it, and the bytes of its values on them."""

    name: str
    values: int
    series: int
    bytes: int


class PairCount(TypedDict):
    """A label with a value, and the series that have it."""

    label: str
    value: str
    series: int


class ValueCount(TypedDict):
    """A value of the label that was asked for."""

    value: str
    series: int


class Cardinality(TypedDict):
    """Counts of a tenant's series. `max_series` is the limit of each tenant, 0 for none."""

    series: int
    metrics: int
    labels: int
    label_pairs: int
    max_series: int
    new_last_hour: int
    new_last_day: int
    by_metric: list[MetricCount]
    by_new_series: list[MetricCount]
    by_label: list[LabelCount]
    by_pair: list[PairCount]
    by_value: list[ValueCount]


@router.get("", summary="Where series come from")
async def cardinality(
    request: Request,
    caller: Caller,
    *,
    match: Annotated[str, Query(max_length=10_000, description='Only these series: a selector like `{job="a"}`.')] = "",
    label: Annotated[str, Query(max_length=1_024, description="Fill `by_value` with the values of this label.")] = "",
    days: Annotated[
        int, Query(ge=1, le=_MOST_DAYS, description="Series with samples today (UTC) or on so many days before.")
    ] = 1,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Entries of each list.")] = 10,
) -> Cardinality:
    """Metrics, labels, pairs of labels and values with most series; metrics with most new series (`by_new_series`)."""
    services = services_of(request)
    metrics = await services.metrics.store.of(caller.tenant)
    index = metrics.index
    new = await read_new(services.reader, caller.tenant, index)
    ordinals = _chosen(metrics, match)
    day = today()
    ordinals = ordinals[index.present(ordinals, day - days, day + 1)]
    all_counts = count(index, ordinals)
    of_hour = count(index, np.intersect1d(ordinals, new.last_hour, assume_unique=True))
    of_day = count(index, np.intersect1d(ordinals, new.last_day, assume_unique=True))

    def metric(name: str) -> MetricCount:
        return {
            "name": name,
            "series": all_counts.of_metric(name),
            "new_last_hour": of_hour.of_metric(name),
            "new_last_day": of_day.of_metric(name),
        }

    return {
        "series": all_counts.total,
        "metrics": all_counts.metric_count,
        "labels": int((all_counts.values > 0).sum()),
        "label_pairs": len(all_counts.numbers),
        "max_series": services.settings.tenant_max_series,
        "new_last_hour": of_hour.total,
        "new_last_day": of_day.total,
        "by_metric": [metric(name) for name, _ in all_counts.metrics(limit)],
        "by_new_series": [metric(name) for name, _ in of_day.metrics(limit)],
        "by_label": _labels(all_counts, limit),
        "by_pair": [{"label": name, "value": value, "series": n} for (name, value), n in all_counts.pairs(limit)],
        "by_value": [{"value": value, "series": n} for value, n in all_counts.values_of(label, limit)] if label else [],
    }


def _labels(counts: Counts, limit: int) -> list[LabelCount]:
    return [
        {
            "name": counts.names[place],
            "values": int(counts.values[place]),
            "series": int(counts.labelled[place]),
            "bytes": int(counts.bytes[place]),
        }
        for place in counts.labels(limit, by=counts.values)
    ]


def _chosen(metrics: TenantMetrics, match: str) -> npt.NDArray[np.int64]:
    if not match:
        return np.arange(len(metrics.index))
    try:
        matchers = parse_selector(match)
    except ParseError as error:
        raise InvalidInput(f"match is no selector: {error}", position=error.position) from error
    return metrics.index.select(matchers)
