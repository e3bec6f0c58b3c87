"""Which series, labels and metrics there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Request, Response

from vedette.errors import InvalidInput
from vedette.server.api.compat.prometheus.answers import PrometheusRoute, success
from vedette.server.api.compat.prometheus.parameters import (
    FAR_AHEAD_MS,
    LONG_AGO_MS,
    Parameters,
    now_ms,
    parameters,
    unescaped_name,
)
from vedette.server.api.context import Admin, Caller, services_of
from vedette.server.query.metrics.cardinality import count, today
from vedette.server.query.metrics.catalog import METADATA

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.cardinality import Counts
    from vedette.server.query.metrics.tenant import TenantMetrics

__all__ = ["router"]

router = APIRouter(prefix="/prometheus/api/v1", tags=["prometheus"], route_class=PrometheusRoute)

_DAY_MS = 86_400_000
_TRUNCATED = ("results truncated due to limit",)
_ODD = re.compile(r"[\x00-\x08]")


@router.get("/series", summary="Series by their labels")
@router.post("/series", summary="Series by their labels", name="series_by_form")
async def series(request: Request, caller: Caller) -> Response:
    """`match[]` (one at least), `start`, `end`, `limit`."""
    given = await parameters(request)
    if not given.texts("match[]"):
        raise InvalidInput("no match[] parameter provided")
    metrics = await services_of(request).metrics.store.of(caller.tenant)
    ordinals, limit = _chosen(metrics, given), given.limit()
    found = sorted(metrics.index.labels(ordinal) for ordinal in ordinals.tolist())
    cut = found[:limit] if limit else found
    return success([dict(labels) for labels in cut], warnings=_TRUNCATED if len(cut) < len(found) else ())


@router.get("/labels", summary="Names of labels")
@router.post("/labels", summary="Names of labels", name="labels_by_form")
async def labels(request: Request, caller: Caller) -> Response:
    """`match[]`, `start`, `end`, `limit`."""
    given = await parameters(request)
    metrics = await services_of(request).metrics.store.of(caller.tenant)
    return _sorted(metrics.index.label_names(_narrowed(metrics, given)), given.limit())


@router.get("/label/{name:path}/values", summary="Values of a label")
async def label_values(
    request: Request, caller: Caller, name: Annotated[str, Path(description="`__name__` gives the metrics.")]
) -> Response:
    """`match[]`, `start`, `end`, `limit`."""
    given = await parameters(request)
    wanted = unescaped_name(name)
    if not wanted or _ODD.search(wanted):
        raise InvalidInput(f'invalid label name: "{name}"')
    metrics = await services_of(request).metrics.store.of(caller.tenant)
    return _sorted(metrics.index.label_values(wanted, _narrowed(metrics, given)), given.limit())


@router.get("/metadata", summary="Type, unit and help of metrics")
async def metadata(request: Request, caller: Caller) -> Response:
    """`metric`, `limit`, `limit_per_metric`."""
    given = await parameters(request)
    limit, each = given.limit(), given.limit("limit_per_metric")
    rows = await services_of(request).reader.rows(caller.tenant, METADATA, params={"name": given.text("metric")})
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        entries = found.setdefault(row["name"], [])
        if not each or len(entries) < each:
            entries.append({"type": row["type"] or "unknown", "help": row["help"], "unit": row["unit"]})
    return success(dict(list(found.items())[:limit]) if limit else found)


@router.post("/admin/tsdb/delete_series", status_code=204, summary="Delete samples")
@router.put("/admin/tsdb/delete_series", status_code=204, summary="Delete samples", name="delete_series_by_put")
async def delete_series(request: Request, admin: Admin) -> Response:
    """`match[]` (one at least), `start`, `end`."""
    given = await parameters(request)
    selectors = given.selectors()
    if not selectors:
        raise InvalidInput("no match[] parameter provided")
    start, end = given.time_ms("start", LONG_AGO_MS), given.time_ms("end", FAR_AHEAD_MS)
    await services_of(request).metrics.delete(admin.tenant, selectors, start, end)
    return Response(status_code=204)


@router.get("/status/tsdb", summary="Cardinality: which metrics and labels have most series")
async def tsdb(request: Request, caller: Caller) -> Response:
    """`limit` (10): how many of each list. The head are the series with samples today or yesterday (UTC)."""
    given = await parameters(request)
    limit = given.limit() or 10
    metrics = await services_of(request).metrics.store.of(caller.tenant)
    index = metrics.index
    day = today()
    active = np.arange(len(index))
    active = active[index.present(active, day - 1, day + 1)]
    counts = count(index, active)
    return success(
        {
            "headStats": {
                "numSeries": counts.total,
                "numLabelPairs": len(counts.numbers),
                "chunkCount": 0,
                "minTime": max(int(index.first_days[active].min()), day - 1) * _DAY_MS if len(active) else 0,
                "maxTime": min((int(index.last_days[active].max()) + 1) * _DAY_MS, now_ms()) if len(active) else 0,
            },
            "seriesCountByMetricName": [_entry(*one) for one in counts.metrics(limit)],
            "labelValueCountByLabelName": _by_label(counts, counts.values, limit),
            "memoryInBytesByLabelName": _by_label(counts, counts.bytes, limit),
            "seriesCountByLabelValuePair": [
                _entry(f"{name}={value}", many) for (name, value), many in counts.pairs(limit)
            ],
        }
    )


def _by_label(counts: Counts, by: npt.NDArray[np.int64], limit: int) -> list[dict[str, Any]]:
    return [_entry(counts.names[place], int(by[place])) for place in counts.labels(limit, by=by)]


def _entry(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "value": value}


def _sorted(found: set[str], limit: int) -> Response:
    ordered = sorted(found)
    cut = ordered[:limit] if limit else ordered
    return success(cut, warnings=_TRUNCATED if len(cut) < len(ordered) else ())


def _narrowed(metrics: TenantMetrics, given: Parameters) -> npt.NDArray[np.int64] | None:
    """The series that are meant; None for all."""
    if not given.texts("match[]") and not given.text("start") and not given.text("end"):
        return None
    return _chosen(metrics, given)


def _chosen(metrics: TenantMetrics, given: Parameters) -> npt.NDArray[np.int64]:
    """The series that match a selector and may have samples in the time; days are kept, so edges are wide."""
    start, end = given.time_ms("start", LONG_AGO_MS), given.time_ms("end", FAR_AHEAD_MS)
    if end < start:
        raise InvalidInput('invalid parameter "end": end timestamp must not be before start time')
    index = metrics.index
    selectors = given.selectors()
    if selectors:
        ordinals = np.unique(np.concatenate([metrics.select(matchers)[0] for matchers in selectors]))
    else:
        ordinals = np.arange(len(index))
    return ordinals[index.present(ordinals, start // _DAY_MS, end // _DAY_MS)]
