"""What clients of Prometheus 3 ask of the server itself: what it can do, what is wrong, whether it is there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response

from vedette.server.api.compat.prometheus.answers import PrometheusRoute, success
from vedette.server.api.context import Admin, Caller, services_of
from vedette.server.query.promql.functions import FUNCTIONS
from vedette.server.query.promql.lexer import AGGREGATORS, KEYWORDS, OPERATORS
from vedette.server.rules.template_functions import template_names

if TYPE_CHECKING:
    from vedette.server.settings import Settings

__all__ = ["router"]

router = APIRouter(prefix="/prometheus/api/v1", tags=["prometheus"], route_class=PrometheusRoute)

_LANGUAGE: Final = ("at_modifier", "duration_expr", "negative_offset", "per_query_lookback_delta", "subqueries")
_SWITCHES: Final = ("promql-delayed-name-removal", "type-and-unit-labels")
_DISCOVERY: Final = ("static", "file", "http", "dns", "kubernetes")


@router.get("/features", summary="What is here of what Prometheus has")
async def features(request: Request, caller: Caller) -> Response:  # noqa: ARG001 - whoever asks must be known
    """Names as Prometheus has them, by category; what is not named is not here."""
    return success(_features(services_of(request).settings))


@router.get("/notifications", summary="What is wrong with the server's configuration")
async def notifications(request: Request, caller: Caller) -> Response:  # noqa: ARG001
    """`text`, `date` (RFC 3339), `active`; what does not hold any more is not listed."""
    rules = services_of(request).rules
    if not rules.error or rules.failed_at is None:
        return success([])
    date = rules.failed_at.isoformat().replace("+00:00", "Z")
    return success([{"text": f"Configuration reload has failed: {rules.error}", "date": date, "active": True}])


@router.get("/status/walreplay", summary="How far the start is")
async def walreplay(caller: Caller) -> Response:  # noqa: ARG001
    """Always at its end: nothing is read into memory before a question can be answered."""
    return success({"min": 0, "max": 0, "current": 0})


@router.post("/admin/tsdb/clean_tombstones", status_code=204, summary="Nothing: deleted samples are gone already")
@router.put("/admin/tsdb/clean_tombstones", status_code=204, summary="Nothing", name="clean_tombstones_by_put")
async def clean_tombstones(admin: Admin) -> Response:  # noqa: ARG001
    """`delete_series` has deleted what it answered for, and the engine frees the disk by itself."""
    return Response(status_code=204)


def _features(settings: Settings) -> dict[str, dict[str, bool]]:
    switched = {name: name in settings.promql_features for name in _SWITCHES}
    names = {
        "promql": {**dict.fromkeys([*KEYWORDS, *_LANGUAGE], True), "per_step_stats": False}
        | {name.removeprefix("promql-").replace("-", "_"): is_on for name, is_on in switched.items()},
        "promql_functions": dict.fromkeys(FUNCTIONS, True),
        "promql_operators": dict.fromkeys([*OPERATORS, *AGGREGATORS, "=~", "!~", "@"], True),
        "api": dict.fromkeys(
            [
                "admin",
                "label_values_match",
                "lifecycle",
                "query_stats",
                "query_warnings",
                "remote_write_receiver",
                "time_range_labels",
                "time_range_series",
            ],
            True,
        ),
        "rules": {"query_offset": True, "keep_firing_for": False},
        "scrape": {"extra_scrape_metrics": True, "start_timestamp_zero_ingestion": False},
        "service_discovery_providers": dict.fromkeys(_DISCOVERY, True),
        "templating_functions": dict.fromkeys(template_names(), True),
        "tsdb": {"exemplar_storage": True, "native_histograms": True},
    }
    return {category: dict(sorted(found.items())) for category, found in names.items()}
