"""Metrics of the older monitoring API: sent as plain JSON, and asked for by name."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from vedette.errors import TooLarge
from vedette.server.api.context import Caller, Sender, services_of
from vedette.server.api.v1.monitoring_models import MAX_ITEMS, Accepted
from vedette.server.query.metrics.exposition import TEXT_TYPE, escaped, newest_samples, text_exposition
from vedette.server.query.promql.gotext import quote
from vedette.server.query.promql.labels import Matcher
from vedette.server.query.timerange import now_ns, parse_range, parse_time_ns

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/monitoring", tags=["monitoring"])

_HOUR_NS: Final = 3_600 * 10**9
_POINTS: Final = 500
_LEAST_STEP_MS: Final = 1_000


class MetricItem(BaseModel):
    """One measurement."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=1_024, examples=["queue_size"])
    value: float = Field(allow_inf_nan=False)
    type: Literal["gauge", "counter"] = Field(default="gauge", description="A counter's value is its total so far.")
    service: str = Field(default="", max_length=1_024)
    unit: str = Field(default="", max_length=63)
    description: str = Field(default="", max_length=4_096)
    timestamp: str | int | float | None = Field(
        default=None, description="RFC 3339 or Unix time (s, ms, µs or ns by magnitude); now when missing."
    )
    labels: dict[str, str] = Field(default_factory=dict, max_length=60, validation_alias=AliasChoices("labels", "tags"))


class MetricPoint(TypedDict):
    """A value at a time in seconds."""

    timestamp: float
    value: float | None


class MetricSeries(TypedDict):
    """A series with its points; values that are no number of JSON are null."""

    name: str
    labels: dict[str, str]
    points: list[MetricPoint]


class MetricAnswer(TypedDict):
    """Series, `step_seconds` apart."""

    step_seconds: float
    metrics: list[MetricSeries]


@router.post("/metrics", status_code=202, summary="Send measurements", response_model_exclude_defaults=True)
async def send_metrics(
    request: Request, sender: Sender, items: Annotated[MetricItem | list[MetricItem], Body()]
) -> Accepted:
    """One measurement or a list of up to 1,000. Answered when they are on disk. Names get Prometheus' suffixes."""
    found = items if isinstance(items, list) else [items]
    if len(found) > MAX_ITEMS:
        raise TooLarge(f"A request may hold {MAX_ITEMS:,} items and has {len(found):,}; send several, or use OTLP.")
    rejected = await services_of(request).ingest.submit_otlp_json(sender, "metrics", _as_otlp(found))
    return Accepted(accepted=len(found) - rejected.rows, rejected=rejected.rows, reason=rejected.reason)


@router.get("/metrics", summary="Points of a metric")
async def get_metrics(
    request: Request,
    caller: Caller,
    *,
    name: Annotated[str, Query(min_length=1, max_length=1_024, description="The metric as Prometheus names it.")],
    service: Annotated[str, Query(max_length=1_024, description="Only this service (the label `job`).")] = "",
    start_time: Annotated[str | None, Query(description="RFC 3339, Unix time or `now-15m`. Default: 1h ago.")] = None,
    end_time: Annotated[str | None, Query(description="Written like `start_time`. Default: now.")] = None,
) -> MetricAnswer:
    """At most 500 points of each series, as PromQL sees them."""
    span = parse_range(start_time, end_time, from_name="start_time", to_name="end_time", default_span_ns=_HOUR_NS)
    start, end = span.start_ns // 1_000_000, span.end_ns // 1_000_000
    step = max(_LEAST_STEP_MS, -(-(end - start) // _POINTS))
    query = f"{{__name__={quote(name)}{f', job={quote(service)}' if service else ''}}}"
    result = await services_of(request).metrics.evaluate(caller.tenant, query, (start, end, step))
    times = result.times_ms / 1000
    return {
        "step_seconds": step / 1000,
        "metrics": [
            _series(dict(labels), times[present], values[present])
            for labels, values, present in zip(result.labels, result.values, result.present, strict=True)
        ],
    }


@router.get("/prometheus", summary="The newest value of every series, as text for Prometheus")
async def prometheus(
    request: Request,
    caller: Caller,
    name: Annotated[str, Query(max_length=1_024, description="Only this metric.")] = "",
) -> Response:
    """Samples of the last five minutes; native histograms are left out. `/prometheus/federate` takes selectors."""
    queries = services_of(request).metrics
    selector = (Matcher("__name__", "=", name) if name else Matcher("__name__", "!=", ""),)
    found = await newest_samples(queries.store, caller.tenant, [selector], queries.limits.max_samples)
    return Response(text_exposition(escaped(found)), media_type=TEXT_TYPE)


def _series(labels: dict[str, str], times: Any, values: Any) -> MetricSeries:  # noqa: ANN401 - arrays
    finite = np.isfinite(values)
    points: list[MetricPoint] = [
        {"timestamp": at, "value": value if good else None}
        for at, value, good in zip(times.tolist(), values.tolist(), finite.tolist(), strict=True)
    ]
    return {"name": labels.pop("__name__", ""), "labels": labels, "points": points}


def _as_otlp(items: list[MetricItem]) -> bytes:
    received = now_ns()
    services: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for index, item in enumerate(items):
        at = received
        if item.timestamp is not None:
            at = parse_time_ns(str(item.timestamp), name=f"[{index}].timestamp")
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in item.labels.items()]
        point = {"timeUnixNano": str(at), "asDouble": item.value, "attributes": attributes}
        data: dict[str, Any] = {"gauge": {"dataPoints": [point]}}
        if item.type == "counter":
            data = {"sum": {"dataPoints": [point], "isMonotonic": True, "aggregationTemporality": 2}}
        about = {"name": item.name, "description": item.description, "unit": item.unit}
        services[item.service].append({**about, **data})
    resources = []
    for service, metrics in services.items():
        attributes = [{"key": "service.name", "value": {"stringValue": service}}] if service else []
        resources.append({"resource": {"attributes": attributes}, "scopeMetrics": [{"scope": {}, "metrics": metrics}]})
    return json.dumps({"resourceMetrics": resources}, ensure_ascii=False).encode("utf-8", "replace")
