"""Services, operations, RED over time and the service map over HTTP."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from otlp_spans import NS, Span, Tenant, new_trace_id

MINUTE = 60 * NS
T0 = (time.time_ns() // (10 * MINUTE) - 1) * 10 * MINUTE
RANGE = {"from": T0 // NS, "to": T0 // NS + 600}


def rfc3339(moment: int) -> str:
    return datetime.fromtimestamp(moment / NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def figures(shared_platform) -> Tenant:
    tenant = Tenant(shared_platform, "traces-figures")
    spans = []
    for number in range(20):
        trace_id = new_trace_id()
        root = Span(
            "POST /cart" if number < 15 else "GET /",
            T0 + (number // 10) * MINUTE + number,
            (number + 1) * 1_000_000,
            trace_id=trace_id,
            service="gate/way",
            kind="server",
            status="error" if number % 5 == 0 else "unset",
            resource={"service.version": f"1.{number // 10}"},
        )
        inner = Span("work", root.start, 500_000_000, trace_id=trace_id, parent=root.span_id, service="gate/way")
        spans += [root, inner]
    spans.append(Span("nightly", T0 + 3 * MINUTE, 7_000_000, service="batch", status="error"))
    for service, version, minutes in (("gate/way", "0.8", 300), ("gate/way", "0.9", 240), ("archive", "7", 240)):
        spans.append(Span("GET /", T0 - minutes * MINUTE, 1, service=service, resource={"service.version": version}))
    tenant.send(*spans)
    return tenant


def test_services_count_what_they_were_asked_to_do(figures: Tenant) -> None:
    answer = figures.get("/api/v1/services", RANGE)
    assert (answer["from"], answer["to"]) == (rfc3339(T0), rfc3339(T0 + 10 * MINUTE))
    batch, gateway = answer["services"]
    assert gateway["service"] == "gate/way"
    assert (gateway["request_count"], gateway["error_count"], gateway["span_count"]) == (20, 4, 40)
    assert gateway["rate"] == pytest.approx(20 / 600)
    assert gateway["error_rate"] == pytest.approx(0.2)
    # Durations are 1 to 20 ms; a percentile of so few may be either neighbour, give or take the sketch's 1 %.
    assert 9.9 <= gateway["p50_ms"] <= 11.2
    assert 17.8 <= gateway["p95_ms"] <= 20.2
    assert 18.8 <= gateway["p99_ms"] <= 20.2
    assert gateway["operation_count"] == 3
    assert gateway["versions"] == ["1.0", "1.1"]
    assert gateway["last_seen"] == rfc3339(T0 + MINUTE)
    assert (batch["service"], batch["request_count"], batch["error_rate"]) == ("batch", 1, 1)
    assert batch["p50_ms"] == pytest.approx(7, rel=0.02)
    assert figures.get("/api/v1/services", {"from": T0 // NS - 3600, "to": T0 // NS})["services"] == []


def test_versions_are_those_of_each_services_last_two_hours_with_spans_wherever_the_range_ends(figures: Tenant) -> None:
    answer = figures.get("/api/v1/services", {"from": T0 // NS - 6 * 3600, "to": T0 // NS + 5 * 3600})
    versions = {one["service"]: one["versions"] for one in answer["services"]}
    assert versions == {"archive": ["7"], "batch": [], "gate/way": ["0.9", "1.0", "1.1"]}


def test_operations_are_told_apart_by_name_and_kind(figures: Tenant) -> None:
    rows = figures.get("/api/v1/services/gate%2Fway/operations", RANGE)["operations"]
    assert [(row["name"], row["kind"], row["request_count"], row["error_count"]) for row in rows] == [
        ("work", "internal", 20, 0),
        ("POST /cart", "server", 15, 3),
        ("GET /", "server", 5, 1),
    ]
    assert rows[0]["p99_ms"] == pytest.approx(500, rel=0.02)
    assert figures.get("/api/v1/services/nobody/operations", RANGE)["operations"] == []


def test_red_over_time_has_a_point_for_every_step(figures: Tenant) -> None:
    answer = figures.get("/api/v1/services/gate%2Fway/red", RANGE | {"step": "1m"})
    assert answer["step_seconds"] == 60
    points = answer["points"]
    assert [point["time"] for point in points] == [rfc3339(T0 + minute * MINUTE) for minute in range(10)]
    assert [(point["request_count"], point["error_count"]) for point in points[:3]] == [(10, 2), (10, 2), (0, 0)]
    assert points[0]["rate"] == pytest.approx(10 / 60)
    assert points[0]["p50_ms"] == pytest.approx(5.5, abs=1)
    assert (points[5]["rate"], points[5]["error_rate"], points[5]["p50_ms"]) == (0, 0, None)
    wide = figures.get("/api/v1/services/gate%2Fway/red", RANGE | {"step": "5m", "operation": "work"})["points"]
    assert [point["request_count"] for point in wide] == [20, 0]
    assert len(figures.get("/api/v1/services/nobody/red", RANGE)["points"]) == 10


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"step": "90s"}, "whole number of minutes"),
        ({"step": "0m"}, "whole number of minutes"),
        ({"step": "soon"}, "'step'"),
        ({"step": "1m", "from": "90d"}, "more than 11000 points"),
        ({"from": "now", "to": "now-1h"}, "'from'"),
    ],
)
def test_bad_steps_and_ranges_are_refused(tenant: Tenant, params: dict, says: str) -> None:
    answer = tenant.ask("/api/v1/services/a/red", params)
    assert (answer.status, says in answer.json()["detail"]) == (400, True)


def test_the_service_map_shows_calls(tenant: Tenant) -> None:
    caller = Span("GET /orders", T0, 30_000_000, service="gateway", kind="client")
    called = Span(
        "GET /orders",
        T0 + 1_000,
        20_000_000,
        trace_id=caller.trace_id,
        parent=caller.span_id,
        service="orders",
        kind="server",
        status="error",
    )
    tenant.send(caller, called)
    while not (edges := tenant.get("/api/v1/service-map", RANGE)["edges"]):
        time.sleep(0.2)
    [edge] = edges
    assert (edge["client"], edge["server"]) == ("gateway", "orders")
    assert (edge["request_count"], edge["error_count"], edge["error_rate"]) == (1, 1, 1)
    assert tenant.get("/api/v1/service-map", {"from": T0 // NS - 7200, "to": T0 // NS - 3600})["edges"] == []
