"""What Prometheus says of itself: its build, flags, configuration, targets and alerts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response

from vedette.server.api.compat.prometheus.answers import PrometheusRoute, success
from vedette.server.api.compat.prometheus.parameters import parameters
from vedette.server.api.compat.prometheus.rules import alerts_of
from vedette.server.api.compat.prometheus.scraper import pools_of, state_of
from vedette.server.api.context import Caller, services_of
from vedette.server.query.metrics.catalog import METADATA
from vedette.server.query.promql.labels import METRIC_NAME, Matcher
from vedette.version import __version__

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["router"]

router = APIRouter(prefix="/prometheus/api/v1", tags=["prometheus"], route_class=PrometheusRoute)

_COMPATIBLE: Final = "3.14.0"
"""The Prometheus whose API and language this is; clients choose what they ask by it."""
_STARTED: Final = dt.datetime.now(dt.UTC)
_SUFFIXES: Final = frozenset({"bucket", "sum", "count", "total", "created", "info", "gcount", "gsum"})
_SECRET: Final = ("engine", "control_url", "engine_tcp_password")


@router.get("/status/buildinfo", summary="The version of Prometheus that is spoken here")
async def buildinfo(caller: Caller) -> Response:  # noqa: ARG001 - whoever asks must be known
    """`application` and `vedetteVersion` tell that this is Vedette."""
    return success(
        {
            "version": _COMPATIBLE,
            "revision": f"vedette-{__version__}",
            "branch": "HEAD",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
            "application": "Vedette",
            "vedetteVersion": __version__,
        }
    )


@router.get("/status/runtimeinfo", summary="Since when the server runs")
async def runtimeinfo(request: Request, caller: Caller) -> Response:
    """Times are RFC 3339."""
    metrics = await services_of(request).metrics.store.of(caller.tenant)
    return success(
        {
            "startTime": _STARTED.isoformat().replace("+00:00", "Z"),
            "CWD": "",
            "reloadConfigSuccess": not services_of(request).rules.error,
            "lastConfigTime": _STARTED.isoformat().replace("+00:00", "Z"),
            "timeSeriesCount": len(metrics.index),
            "corruptionCount": 0,
            "goroutineCount": threading.active_count(),
            "GOMAXPROCS": os.cpu_count() or 1,
            "storageRetention": f"{services_of(request).settings.metrics_budget}B",
        }
    )


@router.get("/status/flags", summary="The settings")
async def flags(request: Request, caller: Caller) -> Response:  # noqa: ARG001
    """Every setting as text; what may hold a secret is left out."""
    settings = services_of(request).settings
    names = (field.name for field in dataclasses.fields(settings))
    return success({name: str(getattr(settings, name)) for name in names if name not in _SECRET})


@router.get("/status/config", summary="The configuration of scraping")
async def config(request: Request, caller: Caller) -> Response:  # noqa: ARG001
    """As the scraper read it, secrets hidden; empty if there is none."""
    return success({"yaml": state_of(request, "scrape").get("config", "")})


@router.get("/targets", summary="Targets of scraping")
async def targets(request: Request, caller: Caller) -> Response:
    """`state` (active, dropped, any), `scrapePool`."""
    given = await parameters(request)
    pools = pools_of(request, caller.tenant)
    pool = given.text("scrapePool")
    active = [target for one in pools for target in one["active"] if not pool or target["scrapePool"] == pool]
    dropped = [target for one in pools for target in one["dropped"] if not pool or target["scrapePool"] == pool]
    wanted = (given.text("state") or "any").lower()
    return success(
        {
            "activeTargets": active if wanted in {"active", "any"} else [],
            "droppedTargets": dropped if wanted in {"dropped", "any"} else [],
            "droppedTargetCounts": {name: count for one in pools for name, count in one["dropped_counts"].items()},
        }
    )


@router.get("/targets/metadata", summary="Type, unit and help of the metrics of each target")
async def targets_metadata(request: Request, caller: Caller) -> Response:
    """`match_target` (a selector of targets by their labels), `metric` (then no entry names it), `limit`.

    Which metrics a target has is told by the series that have its labels.
    """
    given = await parameters(request)
    matchers = given.selector("match_target")
    services = services_of(request)
    metrics = await services.metrics.store.of(caller.tenant)
    rows = await services.reader.rows(caller.tenant, METADATA, params={"name": given.text("metric")})
    told = {row["name"]: {"type": row["type"] or "unknown", "help": row["help"], "unit": row["unit"]} for row in rows}
    found: list[dict[str, Any]] = []
    for labels in (target["labels"] for one in pools_of(request, caller.tenant) for target in one["active"]):
        if not all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers):
            continue
        series = metrics.index.select(tuple(Matcher(name, "=", value) for name, value in labels.items()))
        names = {_family(name, told) for name in metrics.index.label_values(METRIC_NAME, series)}
        for name in sorted(names & told.keys()):
            named = {} if given.text("metric") else {"metric": name}
            found.append({"target": labels, **named, **told[name]})
    limit = given.limit()
    return success(found[:limit] if limit else found)


def _family(name: str, known: Container[str]) -> str:
    """The family that a series' name belongs to."""
    base, _, suffix = name.rpartition("_")
    return base if name not in known and suffix in _SUFFIXES else name


@router.get("/scrape_pools", summary="Names of the jobs")
async def scrapepools_of(request: Request, caller: Caller) -> Response:
    """``{"scrapePools": […]}``."""
    return success({"scrapePools": sorted(name for one in pools_of(request, caller.tenant) for name in one["pools"])})


@router.get("/alerts", summary="Active alerts")
async def alerts(request: Request, caller: Caller) -> Response:
    """The pending and firing alerts of all rules."""
    manager = services_of(request).rules
    groups = manager.groups if manager.tenant == caller.tenant else []
    return success({"alerts": [one for group in groups for state in group.states for one in alerts_of(state)]})


@router.get("/alertmanagers", summary="Alertmanagers that alerts are sent to")
async def alertmanagers(request: Request, caller: Caller) -> Response:
    """URLs; dropped are those that relabeling left out. Only the tenant of the rules sees them: its alerts go there.

    Unlike Prometheus', an active one has a `lastError` if it did not take what it was told last.
    """
    services = services_of(request)
    notifier = services.notifier if services.rules.tenant == caller.tenant else None
    if notifier is None:
        return success({"activeAlertmanagers": [], "droppedAlertmanagers": []})
    faults = notifier.faults
    active = [{"url": url, **({"lastError": faults[url]} if url in faults else {})} for url in notifier.active]
    return success({"activeAlertmanagers": active, "droppedAlertmanagers": [{"url": url} for url in notifier.dropped]})
