"""No route shows a tenant what belongs to another."""

from __future__ import annotations

import time

import pytest
from otlp_spans import NS, Span, Tenant

T0 = (time.time_ns() // NS - 120) * NS
SECRET = "secret-of-the-owner"


@pytest.fixture(scope="module")
def owned(shared_platform) -> Span:
    span = Span(
        SECRET,
        T0,
        service=SECRET,
        kind="server",
        attributes={SECRET: SECRET},
        resource={SECRET: SECRET, "service.version": SECRET},
    )
    Tenant(shared_platform, "owner").send(span)
    return span


ROUTES = [
    "/api/v1/services",
    f"/api/v1/services/{SECRET}/operations",
    f"/api/v1/services/{SECRET}/red",
    "/api/v1/service-map",
    "/api/v1/traces",
    "/api/v1/traces?order=slowest",
    f"/api/v1/traces?service={SECRET}",
    "/api/v1/traces/breakdown?by=service",
    "/api/v1/traces/breakdown?by=" + SECRET,
    "/api/v1/traces/attributes",
    f"/api/v1/traces/attributes/{SECRET}/values",
    "/api/v1/traces/attributes/service/values",
    "/api/v1/traces/export",
    "/api/v1/traces/export?format=csv",
    "/api/v1/traces/export?format=arrow",
    "/api/v1/traces/export?format=parquet",
    "/api/v1/traces/{id}",
    "/api/v1/traces/{id}?format=otlp",
    "/api/v1/traces/{id}?format=jaeger",
    "/jaeger/api/services",
    f"/jaeger/api/services/{SECRET}/operations",
    f"/jaeger/api/operations?service={SECRET}",
    f"/jaeger/api/traces?service={SECRET}",
    "/jaeger/api/traces?traceID={id}",
    "/jaeger/api/traces/{id}",
    "/jaeger/api/dependencies",
    "/jaeger/api/v3/services",
    f"/jaeger/api/v3/operations?service={SECRET}",
    "/jaeger/api/v3/traces/{id}",
    "/jaeger/api/v3/traces?query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2100-01-01T00:00:00Z",
]
# What an answer may repeat of the question.
ECHO = {"/api/v1/traces/breakdown?by=" + SECRET: 1}


@pytest.mark.parametrize("route", ROUTES)
def test_another_tenant_sees_nothing(shared_platform, owned: Span, route: str) -> None:
    path = route.replace("{id}", owned.trace_id)
    answer = shared_platform.request(path, headers={"X-Scope-OrgID": "somebody-else"})
    assert answer.status in {200, 404}, answer.body
    assert answer.body.count(SECRET.encode()) == ECHO.get(route, 0)
    assert owned.span_id.encode() not in answer.body


@pytest.mark.parametrize("route", [route for route in ROUTES if "service-map" not in route and "depend" not in route])
def test_the_owner_sees_it_there(shared_platform, owned: Span, route: str) -> None:
    path = route.replace("{id}", owned.trace_id)
    answer = shared_platform.request(path, headers={"X-Scope-OrgID": "owner"})
    assert answer.status == 200, answer.body
    if not route.endswith("/red"):
        shown = (SECRET.encode(), owned.trace_id.encode())
        assert any(mark in answer.body for mark in shown)


def test_a_cursor_shows_nothing_of_another_tenant(shared_platform, owned: Span) -> None:
    owner, other = Tenant(shared_platform, "owner"), Tenant(shared_platform, "somebody-else")
    owner.send(Span("second", T0 + 1))
    cursor = owner.get("/api/v1/traces", limit=1)["next_cursor"]
    assert [hit["trace_id"] for hit in owner.get("/api/v1/traces", limit=1, cursor=cursor)["traces"]] == [
        owned.trace_id
    ]
    assert other.get("/api/v1/traces", limit=1, cursor=cursor)["traces"] == []
