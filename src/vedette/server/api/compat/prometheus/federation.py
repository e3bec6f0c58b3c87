"""Federation, and whether anybody is here: what lies beside ``/prometheus/api/v1``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from vedette.server.api.compat.prometheus.answers import PrometheusRoute
from vedette.server.api.compat.prometheus.parameters import parameters
from vedette.server.api.compat.prometheus.scraper import external_labels
from vedette.server.api.context import Caller, services_of
from vedette.server.query.metrics.exposition import (
    PROTOBUF_TYPE,
    TEXT_TYPE,
    UTF8_TEXT_TYPE,
    escaped,
    newest_samples,
    protobuf_exposition,
    takes_protobuf,
    takes_utf8,
    text_exposition,
    with_labels,
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

    As text, or as protobuf for those who like it better: only that has native histograms; those of custom buckets are
    classic ones in both. Series get the `external_labels` of the configuration that they do not have, and an empty
    `instance`. Names have underscores for dots and the like, unless the scraper takes them (`escaping=allow-utf-8`),
    as Prometheus 3 does.
    """
    given = await parameters(request)
    queries = services_of(request).metrics
    found = await newest_samples(queries.store, caller.tenant, given.selectors(), queries.limits.max_samples)
    # An empty instance keeps scrapers with honor_labels from adding that of this server.
    found = with_labels(found, {"instance": ""} | external_labels(request, caller.tenant))
    accept = request.headers.get("accept", "")
    utf8 = takes_utf8(accept)
    found = found if utf8 else escaped(found)
    if takes_protobuf(accept):
        kind = f"{PROTOBUF_TYPE}; escaping=allow-utf-8" if utf8 else PROTOBUF_TYPE
        return Response(protobuf_exposition(found), media_type=kind, headers={"Vary": "Accept"})
    kind = UTF8_TEXT_TYPE if utf8 else TEXT_TYPE
    return Response(text_exposition(found), media_type=kind, headers={"Vary": "Accept"})
