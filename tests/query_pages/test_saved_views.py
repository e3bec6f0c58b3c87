"""Views are kept for everybody who reads the tenant, across restarts, and for nobody else."""

from __future__ import annotations

import pytest
from page_tenant import PageTenant

ERRORS = {"page": "logs", "name": "Errors of checkout", "state": {"q": "severity:error", "columns": ["service"]}}


def test_a_view_is_saved_listed_changed_and_deleted(tenant):
    made = tenant.ask("/views", body=ERRORS)
    assert made.status == 201
    view = made.json()
    assert {key: view[key] for key in ERRORS} == ERRORS
    slow = tenant.ask("/views", body={"page": "traces", "name": "Slow", "state": {"q": "duration:>1s"}}).json()

    assert [found["name"] for found in tenant.get("/views")["views"]] == ["Errors of checkout", "Slow"]
    assert tenant.get("/views", page="traces")["views"] == [slow]

    changed = tenant.ask(f"/views/{view['id']}", method="PUT", body=ERRORS | {"name": "Failures", "state": {}})
    assert changed.status == 200
    assert changed.json() | {"updated": ""} == view | {"name": "Failures", "state": {}, "updated": ""}
    assert changed.json()["updated"] > view["updated"]

    assert tenant.ask(f"/views/{view['id']}", method="DELETE").status == 204
    assert tenant.get("/views")["views"] == [slow]
    assert tenant.ask(f"/views/{view['id']}", method="DELETE").status == 404


def test_another_tenant_neither_sees_nor_changes_a_view(tenant, shared_platform):
    other = PageTenant(shared_platform, f"{tenant.name}-other")
    view = tenant.ask("/views", body=ERRORS).json()
    assert other.get("/views")["views"] == []
    assert other.ask(f"/views/{view['id']}", method="PUT", body=ERRORS).status == 404
    assert other.ask(f"/views/{view['id']}", method="DELETE").status == 404
    assert other.ask("/views", body=ERRORS).status == 201
    assert tenant.get("/views")["views"] == [view]


def test_a_name_stands_once_for_each_page(tenant):
    assert tenant.ask("/views", body=ERRORS).status == 201
    refused = tenant.ask("/views", body=ERRORS)
    assert refused.status == 400
    assert refused.json()["detail"] == (
        "A view of this page is called 'Errors of checkout' already; choose another name."
    )
    other = tenant.ask("/views", body=ERRORS | {"page": "traces"}).json()
    assert tenant.ask(f"/views/{other['id']}", method="PUT", body=ERRORS).status == 400


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"name": " "}, 400, "1 to 100 printable characters"),
        ({"name": "a\nb"}, 400, "1 to 100 printable characters"),
        ({"page": "../x"}, 400, "page"),
        ({"state": {"q": "x" * 20_000}}, 400, "at most 16,384 bytes"),
        ({"more": 1}, 400, "more"),
        ({"state": {"q": ["\ud800"]}}, 400, "surrogate"),
    ],
)
def test_what_cannot_be_a_view_is_refused(tenant, change, status, told):
    answer = tenant.ask("/views", body=ERRORS | change)
    assert answer.status == status
    assert told in answer.json()["detail"]


def test_another_sites_form_saves_nothing(tenant):
    body = b'{"page":"logs","name":"x","state":{}}'
    headers = tenant.headers | {"Content-Type": "text/plain"}
    assert tenant.platform.request("/api/v1/views", body, headers=headers).status in {400, 415}
    assert tenant.get("/views")["views"] == []


def test_views_outlive_a_restart(make_platform):
    platform = make_platform()
    tenant = PageTenant(platform, "default")
    view = tenant.ask("/views", body=ERRORS).json()
    platform.stop()
    platform.start()
    assert tenant.get("/views")["views"] == [view]
