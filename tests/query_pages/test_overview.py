"""The overview and the errors by kind: figures as sent, and new only what the time before had not."""

from __future__ import annotations

import pytest
from page_tenant import NS, Line, PageTenant, Span, ago

OLD, NOW = 5_000, 900
"""Seconds ago: in the hour before a range of an hour, and in it."""


def errors(tenant, **params):
    answer = tenant.get("/errors", **({"from_": "1h"} | params))
    return {(e["service"], e["kind"], e["message"]): e for e in answer["errors"]}


def failed(name, start, **more):
    return Span(name, start, status="error", **more)


def test_the_kind_of_an_error_is_what_the_span_says_of_it(tenant):
    at = ago(NOW)
    tenant.send(
        failed("a", at, exception=("shop.Declined", "card 4711 declined")),
        failed("a", at, exception=("shop.Declined", "card 4712 declined")),
        failed("b", at, attributes={"error.type": "TimeoutError"}, message="no answer within 2 s"),
        failed("c", at, attributes={"error.type": "503", "http.response.status_code": 503}),
        failed("d", at, attributes={"rpc.grpc.status_code": 14}, message="name 'x y' unknown"),
        failed("e", at),
        Span("fine", at),
    )
    found = errors(tenant)
    assert {key[1:]: error["count"] for key, error in found.items()} == {
        ("shop.Declined", "card <number> declined"): 2,
        ("TimeoutError", "no answer within <number> s"): 1,
        ("HTTP 503", ""): 1,
        ("gRPC 14", "name <text> unknown"): 1,
        ("error", ""): 1,
    }
    assert tenant.get("/errors")["total_count"] == 6


def test_an_error_has_its_times_its_trend_and_traces_to_look_at(tenant):
    start = ago(1800) // (60 * NS) * 60 * NS
    spans = [failed("pay", start + minute * 60 * NS, exception=("E", f"no {minute}")) for minute in (0, 0, 1, 5)]
    tenant.send(*spans)
    answer = tenant.get("/errors", from_=start, to=start + 1800 * NS)
    (error,) = answer["errors"]
    assert answer["bucket_seconds"] == 60
    assert (error["operation"], error["count"], error["trend"]) == ("pay", 4, [2, 1, 0, 0, 0, 1] + [0] * 24)
    assert error["first_seen"] < error["last_seen"]
    assert len(error["trace_ids"]) == 3
    assert set(error["trace_ids"]) <= {span.trace_id for span in spans}
    assert tenant.get(f"/traces/{error['trace_ids'][0]}")["error_count"] == 1


def test_an_error_is_new_when_its_service_had_none_of_it_before(tenant):
    tenant.send(
        failed("a", ago(OLD), exception=("E", "known 1")),
        failed("b", ago(NOW), exception=("E", "known 2")),
        failed("a", ago(NOW), exception=("E", "unknown 3")),
        failed("a", ago(NOW), exception=("E", "known 4"), service="another"),
        failed("a", ago(OLD), exception=("E", "gone")),
    )
    assert {key: (error["is_new"], error["before_count"]) for key, error in errors(tenant).items()} == {
        ("shop", "E", "known <number>"): (False, 1),
        ("shop", "E", "unknown <number>"): (True, 0),
        ("another", "E", "known <number>"): (True, 0),
    }


@pytest.mark.parametrize(
    ("narrowed", "count"),
    [
        ({"service": "desk"}, 1),
        ({"operation": "a"}, 2),
        ({"version": "2.0"}, 1),
        ({"version": "3.0"}, 0),
        ({"service": "shop", "operation": "b"}, 1),
    ],
)
def test_errors_of_a_service_an_operation_or_a_version(tenant, narrowed, count):
    at = ago(NOW)
    tenant.send(
        failed("a", at, message="x"),
        failed("b", at, message="y", resource={"service.version": "2.0"}),
        failed("a", at, message="z", service="desk"),
    )
    assert tenant.get("/errors", **narrowed)["total_count"] == count


def test_the_overview_says_who_fails_and_how_it_was_before(tenant):
    tenant.send(
        *(Span("GET /", ago(NOW) + n, service="gateway", status="error" if n < 3 else "unset") for n in range(10)),
        *(Span("GET /", ago(OLD) + n, service="gateway", status="error" if n < 1 else "unset") for n in range(10)),
        # Errors of its own calls are no failures of the service.
        Span("call", ago(NOW), service="gateway", kind="client", status="error"),
        Span("job", ago(NOW), service="script", kind="internal", status="error"),
        Span("GET /", ago(NOW), service="healthy"),
    )
    assert tenant.get("/overview", from_="1h")["unhealthy"] == [
        {"service": "script", "request_count": 1, "error_count": 1, "error_rate": 1.0, "error_rate_before": None},
        {"service": "gateway", "request_count": 10, "error_count": 3, "error_rate": 0.3, "error_rate_before": 0.1},
    ]


def test_the_overview_puts_what_became_slower_before_what_is_slow(tenant):
    def calls(name, before_ms, now_ms):
        yield from (Span(name, ago(OLD) + n, ms=before_ms) for n in range(10) if before_ms)
        yield from (Span(name, ago(NOW) + n, ms=now_ms) for n in range(10))

    tenant.send(*calls("slower", 10, 40), *calls("always slow", 900, 900), *calls("new", 0, 5))
    slow = tenant.get("/overview", from_="1h")["slow"]
    assert [found["operation"] for found in slow] == ["slower", "always slow", "new"]
    assert slow[0]["ratio"] == pytest.approx(4, rel=0.05)
    assert slow[0]["p95_ms"] == pytest.approx(40, rel=0.02)
    assert slow[0]["p95_before_ms"] == pytest.approx(10, rel=0.02)
    assert (slow[2]["p95_before_ms"], slow[2]["ratio"]) == (None, None)


def test_the_overview_says_who_is_loud(tenant):
    tenant.send(
        *(Line("x", ago(NOW) + n, service="orders", severity="error" if n < 2 else "info") for n in range(5)),
        *(Line("x", ago(OLD) + n, service="orders", severity="fatal") for n in range(3)),
        Line("x", ago(NOW), service="quiet"),
        Line("x", ago(OLD), service="silent now"),
    )
    assert tenant.get("/overview", from_="1h")["loud"] == [
        {"service": "orders", "lines": 5, "lines_before": 3, "error_lines": 2, "error_lines_before": 3},
        {"service": "quiet", "lines": 1, "lines_before": 0, "error_lines": 0, "error_lines_before": 0},
    ]


def test_the_overview_names_deployments_new_services_and_new_errors(tenant):
    one, two = {"service.version": "1.0"}, {"service.version": "2.0"}
    deployed = Span("a", ago(800), resource=two)
    tenant.send(
        Span("a", ago(OLD), resource=one),
        Span("a", ago(NOW), resource=one),
        deployed,
        Span("a", ago(700), resource=two),
        Span("a", ago(600), service="fresh", resource=one),
        failed("a", ago(500), exception=("E", "lost 7"), resource=one),
    )
    answer = tenant.get("/overview", from_="1h")
    assert [
        (c["type"], c["service"], c["version"], c["error"], c["message"], c["count"]) for c in answer["changes"]
    ] == [
        ("new_error", "shop", "", "E", "lost <number>", 1),
        ("new_service", "fresh", "1.0", "", "", 1),
        ("deployment", "shop", "2.0", "", "", 2),
    ]
    assert answer["changes"][2]["trace_id"] == deployed.trace_id


def test_nothing_and_nobody_elses(tenant, shared_platform):
    other = PageTenant(shared_platform, f"{tenant.name}-other")
    other.send(failed("a", ago(NOW), exception=("E", "x"), resource={"service.version": "1"}), Line("x", ago(NOW)))
    answer = tenant.get("/overview")
    assert [answer[part] for part in ("unhealthy", "slow", "loud", "changes")] == [[], [], [], []]
    assert tenant.get("/errors")["errors"] == []
