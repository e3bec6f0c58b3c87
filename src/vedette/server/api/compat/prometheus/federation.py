"""Federation, and whether anybody is here: what lies beside ``/prometheus/api/v1``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from vedette.server.api.compat.prometheus.answers import PrometheusRoute
from vedette.server.api.compat.prometheus.parameters import parameters
from vedette.server.api.context import Caller, services_of
from vedette.server.query.metrics.exposition import (
    PROTOBUF_TYPE,
    TEXT_TYPE,
    newest_samples,
    protobuf_exposition,
    takes_protobuf,
    text_exposition,
)

__all__ = ["router"]

router = APIRouter(prefix="/prometheus", tags=["prometheus"], route_class=PrometheusRoute)


@router.get("/", summary="Whether Prometheus' API is here")
@router.get("/-/healthy", summary="Whether Prometheus' API is here", name="prometheus_healthy")
@router.get("/-/ready", summary="Whether Prometheus' API is here", name="prometheus_ready")
async def root(caller: Caller) -> Response:  # noqa: ARG001 - whoever asks must be known
    """What clients ask to see whether a Prometheus answers."""
    return Response("Vedette answers Prometheus' HTTP API here.\n", media_type="text/plain")


@router.get("/federate", summary="The newest samples of some series, for another Prometheus")
async def federate(request: Request, caller: Caller) -> Response:
    """`match[]`; series without a sample in the last five minutes are left out.

    As text, or as protobuf for those who like it better: only that has native histograms.
    """
    given = await parameters(request)
    queries = services_of(request).metrics
    found = await newest_samples(queries.store, caller.tenant, given.selectors(), queries.limits.max_samples)
    if takes_protobuf(request.headers.get("accept", "")):
        return Response(protobuf_exposition(found), media_type=PROTOBUF_TYPE, headers={"Vary": "Accept"})
    return Response(text_exposition(found), media_type=TEXT_TYPE, headers={"Vary": "Accept"})
