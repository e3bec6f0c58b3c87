"""Federation, and whether anybody is here: what lies beside ``/prometheus/api/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from vedette.server.api.compat.prometheus.answers import PrometheusRoute
from vedette.server.api.compat.prometheus.parameters import now_ms, parameters
from vedette.server.api.context import Caller, services_of
from vedette.server.query.promql.engine import DEFAULT_LOOKBACK_MS
from vedette.server.query.promql.json_writer import number
from vedette.server.query.promql.source import STALE_NAN_BITS, SelectRequest

if TYPE_CHECKING:
    from vedette.server.query.promql.labels import Labels

__all__ = ["router"]

router = APIRouter(prefix="/prometheus", tags=["prometheus"], route_class=PrometheusRoute)

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


@router.get("/", summary="Whether Prometheus' API is here")
@router.get("/-/healthy", summary="Whether Prometheus' API is here", name="prometheus_healthy")
@router.get("/-/ready", summary="Whether Prometheus' API is here", name="prometheus_ready")
async def root(caller: Caller) -> Response:  # noqa: ARG001 - whoever asks must be known
    """What clients ask to see whether a Prometheus answers."""
    return Response("Vedette answers Prometheus' HTTP API here.\n", media_type="text/plain")


@router.get("/federate", summary="The newest samples of some series, for another Prometheus")
async def federate(request: Request, caller: Caller) -> Response:
    """`match[]`; series without a sample in the last five minutes, and native histograms, are left out."""
    given = await parameters(request)
    queries = services_of(request).metrics
    now = now_ms()
    requests = [SelectRequest(matchers, now - DEFAULT_LOOKBACK_MS, now) for matchers in given.selectors()]
    answers = await queries.store.select(caller.tenant, requests, max_samples=queries.limits.max_samples)
    newest: dict[Labels, tuple[float, int]] = {}
    for answer in answers:
        stale = answer.values.view("u8") == STALE_NAN_BITS
        for labels, first, last in zip(answer.labels, answer.first.tolist(), answer.last.tolist(), strict=True):
            histogram = answer.histograms is not None and last > first and answer.histograms[last - 1] is not None
            if last > first and not stale[last - 1] and not histogram:
                newest[labels] = float(answer.values[last - 1]), int(answer.times_ms[last - 1])
    lines: list[str] = []
    before = ""
    for labels, (value, time) in sorted(newest.items(), key=lambda item: (dict(item[0]).get("__name__", ""), item[0])):
        name = dict(labels).get("__name__", "")
        if name != before:
            lines.append(f"# TYPE {name} untyped")
            before = name
        rest = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels if key != "__name__")
        lines.append(f"{name}{{{rest}}} {number(value).decode()} {time}")
    return Response("".join(f"{line}\n" for line in lines), media_type=_TEXT)
