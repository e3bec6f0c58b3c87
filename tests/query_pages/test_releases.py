"""Instances, versions, and what a version changed, as the resources of spans tell."""

from __future__ import annotations

import pytest
from page_tenant import Span, ago


def resource(version, instance, host="web-1"):
    return {"service.version": version, "service.instance.id": instance, "host.name": host}


def test_instances_with_their_version_host_and_figures(tenant):
    at = ago(600)
    tenant.send(
        *(Span("a", at + n, ms=10, resource=resource("1.0", "i-1")) for n in range(3)),
        *(Span("a", at + n, ms=30, status="error", resource=resource("2.0", "i-2", "web-2")) for n in range(2)),
        # What the service asks of others is not what is asked of it.
        Span("call", at, ms=500, kind="client", resource=resource("2.0", "i-2", "web-2")),
        Span("a", at, service="another", resource=resource("9", "i-9")),
        Span("a", at, service="podded", resource={"k8s.pod.name": "pod-7"}),
    )
    first, second = tenant.get("/services/shop/instances", from_="1h")["instances"]
    assert (first["instance"], first["version"], first["host"]) == ("i-1", "1.0", "web-1")
    assert (first["request_count"], first["error_count"], first["error_rate"]) == (3, 0, 0)
    assert first["p95_ms"] == pytest.approx(10, rel=0.02)
    assert first["rate"] == pytest.approx(3 / 3600)
    assert (second["instance"], second["request_count"], second["error_rate"]) == ("i-2", 2, 1)
    (podded,) = tenant.get("/services/podded/instances")["instances"]
    assert (podded["instance"], podded["version"], podded["host"]) == ("pod-7", "", "")
    assert tenant.get("/services/nobody/instances") == {"instances": []}


def test_versions_the_newest_first_and_which_are_new(tenant):
    tenant.send(
        Span("a", ago(5000), resource=resource("1.0", "i-1")),
        Span("a", ago(900), resource=resource("1.0", "i-1")),
        Span("a", ago(800), resource=resource("2.0", "i-2")),
        Span("a", ago(700), resource=resource("2.0", "i-3"), status="error"),
        Span("a", ago(5000), resource=resource("0.9", "i-0")),
    )
    new, old = tenant.get("/services/shop/releases", from_="1h")["releases"]
    assert (new["version"], new["is_new"], new["instance_count"], new["request_count"]) == ("2.0", True, 2, 2)
    assert new["error_rate"] == 0.5
    assert (old["version"], old["is_new"], old["request_count"]) == ("1.0", False, 1)
    assert old["first_seen"] < new["first_seen"] < new["last_seen"]


def test_a_release_against_another_by_operation_and_error(tenant):
    at = ago(600)
    one, two = resource("1.0", "i-1"), resource("2.0", "i-2")
    tenant.send(
        *(Span("pay", at + n, ms=10, resource=one) for n in range(10)),
        *(Span("pay", at + n, ms=40, resource=two, status="error" if n < 5 else "unset") for n in range(10)),
        Span("list", at, resource=one),
        Span("refund", at, resource=two),
        *(Span("pay", at, status="error", exception=("E", f"old {n}"), resource=one) for n in range(2)),
        *(Span("pay", at, status="error", exception=("N", f"new {n}"), resource=two) for n in range(3)),
        Span("pay", at, resource=resource("3.0", "i-3")),
    )
    found = tenant.get("/services/shop/releases/compare", base="1.0", target="2.0", from_="1h")
    assert (found["base"]["request_count"], found["target"]["request_count"]) == (13, 14)
    operations = {operation["name"]: operation for operation in found["operations"]}
    assert operations["pay"]["base"]["p95_ms"] == pytest.approx(10, rel=0.02)
    assert operations["pay"]["target"]["p95_ms"] == pytest.approx(40, rel=0.02)
    assert operations["pay"]["target"]["error_count"] == 8
    assert operations["list"]["target"] is None
    assert operations["refund"]["base"] is None
    errors = [(e["kind"], e["message"], e["base_count"], e["target_count"]) for e in found["errors"]]
    assert errors == [("error", "", 0, 5), ("N", "new <number>", 0, 3), ("E", "old <number>", 2, 0)]


def test_versions_that_do_not_exist_are_null_and_equal_ones_are_refused(tenant):
    found = tenant.get("/services/shop/releases/compare", base="1", target="2")
    assert found == {"base": None, "target": None, "operations": [], "errors": []}
    assert tenant.ask("/services/shop/releases/compare", base="1", target="1").status == 400


def test_a_service_with_a_slash_in_its_name(tenant):
    tenant.send(Span("a", ago(60), service="team/shop", resource=resource("1", "i")))
    assert len(tenant.get("/services/team%2Fshop/releases")["releases"]) == 1
    assert len(tenant.get("/services/team%2Fshop/instances")["instances"]) == 1
