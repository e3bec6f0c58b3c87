"""Every route of the OpenAPI document, with every kind of key and with a foreign tenant.

Routes answer readers unless a table below says otherwise, so that a new route which forgets to ask who is calling, or
asks for too little, fails here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from vedette.server.api.build import openapi_document

NS = 1_000_000_000
MINE, THEIRS = "acme", "globex"
SECRET = "marker-of-globex"
TRACE_ID, SPAN_ID = b"g" * 16, b"g" * 8

PUBLIC = {"/healthz", "/readyz", "/metrics"}
"""What tells a load balancer or a scraper how the platform is, and nothing of any tenant."""
ADMIN_PREFIXES = ("/api/v1/backups", "/prometheus/api/v1/admin/", "/prometheus/-/reload")
INGEST = {
    ("POST", "/api/v1/monitoring/logs"),
    ("POST", "/api/v1/monitoring/traces"),
    ("POST", "/api/v1/monitoring/metrics"),
    ("POST", "/api/v1/monitoring/service-discovery"),
    ("POST", "/prometheus/api/v1/write"),
}
OWN = {("GET", "/api/v1/session")}
"""Tells a key what it may do, whichever tenant is asked for: the pages offer another one then."""
ENDLESS = {"/api/v1/logs/tail"}
"""Answers that have no end; who may ask is tested all the same."""

Route = tuple[str, str]
DOCUMENT = openapi_document()
ROUTES: list[Route] = [
    (method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations
]


def scope_of(route: Route) -> str:
    method, path = route
    if path in PUBLIC:
        return "public"
    if route in INGEST or (path.startswith("/api/v1/monitoring/service-discovery") and method != "GET"):
        return "ingest"
    if path == "/api/v1/log-levels" and method != "GET":
        return "admin"
    return "admin" if path.startswith(ADMIN_PREFIXES) else "read"


@dataclass
class House:
    platform: Any
    keys: dict[str, str]

    def ask(self, route: Route, key: str | None, *, tenant: str | None = None) -> Any:
        method, path = route
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if tenant:
            headers["X-Scope-OrgID"] = tenant
        body = None
        if method in {"POST", "PUT", "PATCH"}:
            headers["Content-Type"] = "application/json"
            body = _body(path)
        return self.platform.request(_filled(route), body, method=method, headers=headers)


def _filled(route: Route) -> str:
    """The path with what only the other tenant has in place of every parameter that must be there."""
    method, path = route
    operation = DOCUMENT["paths"][path][method.lower()]
    values = {
        "trace_id": TRACE_ID.hex(),
        "span_id": SPAN_ID.hex(),
        "by": "service",
        "key": "secret.key",
        "name": SECRET,
    }
    query = []
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] == "path":
            path = path.replace("{" + name + "}", values.get(name, SECRET))
        elif parameter["in"] == "query" and parameter.get("required"):
            query.append(f"{name}={values.get(name, SECRET)}")
    return path + ("?" + "&".join(query) if query else "")


def _body(path: str) -> bytes:
    return b"SELECT * FROM logs" if path == "/api/v1/sql" else json.dumps({}).encode()


def _key(data_dir: Any, *flags: str) -> str:
    command = [sys.executable, "-m", "vedette.cli.main", "key", "create", "--data-dir", str(data_dir), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _telemetry() -> tuple[bytes, bytes]:
    at = (time.time_ns() // NS - 60) * NS
    logs, spans = ExportLogsServiceRequest(), ExportTraceServiceRequest()
    written, traced = logs.resource_logs.add(), spans.resource_spans.add()
    for resource in (written.resource, traced.resource):
        resource.attributes.add(key="service.name").value.string_value = SECRET
    record = written.scope_logs.add().log_records.add(time_unix_nano=at, severity_number=17, trace_id=TRACE_ID)
    record.body.string_value = SECRET
    span = traced.scope_spans.add().spans.add(
        trace_id=TRACE_ID, span_id=SPAN_ID, name=SECRET, kind=2, start_time_unix_nano=at, end_time_unix_nano=at + NS
    )
    for item in (record, span):
        item.attributes.add(key="secret.key").value.string_value = SECRET
    return logs.SerializeToString(), spans.SerializeToString()


@pytest.fixture(scope="module")
def house(tmp_path_factory, new_platform):
    platform = new_platform(tmp_path_factory.mktemp("security") / "data").start()
    keys = {
        f"{tenant} {scope}": _key(platform.data_dir, f"{tenant}-{scope}", "--scope", scope, "--tenant", tenant)
        for tenant in (MINE, THEIRS)
        for scope in ("read", "ingest", "admin")
    }
    for scope in ("read", "ingest", "admin"):
        flags = ("--scope", scope, "--tenant", MINE, "--tenant", "initech")
        keys[f"several {scope}"] = _key(platform.data_dir, f"several-{scope}", *flags)
    # With an admin key there, keys are demanded; a running platform learns of it within a moment.
    while platform.request("/api/v1/services").status != 401:
        time.sleep(0.1)
    logs, spans = _telemetry()
    for signal, body in (("logs", logs), ("traces", spans)):
        answer = platform.otlp(signal, body, Authorization=f"Bearer {keys[f'{THEIRS} ingest']}")
        assert answer.status == 200, answer.body
    for table in ("logs", "spans"):
        platform.eventually(f"SELECT count() FROM {table}", 1, key=keys[f"{THEIRS} read"])
    yield House(platform, keys)
    platform.stop()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_without_a_key_nothing_is_answered(house, route):
    answers = [house.ask(route, None), house.ask(route, "vdt_" + "0" * 32), house.ask(route, None, tenant=THEIRS)]
    if scope_of(route) == "public":
        assert {answer.status for answer in answers} == {200}
        assert not any(SECRET.encode() in answer.body for answer in answers)
    else:
        # Guessing keys is slowed down, which must not keep those out who have none or a right one.
        assert answers[1].status in {401, 429}
        assert [answers[0].status, answers[2].status] == [401, 401]


@pytest.mark.parametrize("route", [r for r in ROUTES if scope_of(r) != "public"], ids=" ".join)
def test_a_key_of_too_little_scope_is_refused(house, route):
    too_little = {"read": ["ingest"], "ingest": ["read"], "admin": ["read", "ingest"]}[scope_of(route)]
    for scope in too_little:
        answer = house.ask(route, house.keys[f"{MINE} {scope}"])
        assert answer.status == 403, (scope, answer.body)


@pytest.mark.parametrize("route", [r for r in ROUTES if scope_of(r) != "public"], ids=" ".join)
def test_a_key_of_several_tenants_acts_for_no_other(house, route):
    answer = house.ask(route, house.keys[f"several {scope_of(route)}"], tenant=THEIRS)
    assert answer.status == 403 or route in OWN
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize("route", [r for r in ROUTES if scope_of(r) == "read" and r[1] not in ENDLESS], ids=" ".join)
def test_nothing_of_a_foreign_tenant_is_shown(house, route):
    # A key of one tenant acts for that one, whatever the header says.
    answer = house.ask(route, house.keys[f"{MINE} read"], tenant=THEIRS)
    assert answer.status < 500, answer.body
    # What the question itself named may come back in an error; nothing else of the other tenant may.
    asked = _filled(route)
    said = answer.body.decode(errors="replace")
    assert SECRET not in said or (SECRET in asked and _only_echoed(answer, said)), said


def _only_echoed(answer: Any, said: str) -> bool:
    """Whether an answer that names the secret holds none of the other tenant's rows."""
    return answer.status >= 400 or TRACE_ID.hex() not in said


def test_the_other_tenant_sees_its_own(house):
    """Otherwise the tests above would prove nothing."""
    answer = house.ask(("GET", "/api/v1/services"), house.keys[f"{THEIRS} read"])
    assert SECRET in answer.body.decode()
    answer = house.ask(("GET", "/api/v1/traces/{trace_id}"), house.keys[f"{THEIRS} read"])
    assert SECRET in answer.body.decode()


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_ingest_asks_for_its_scope_and_tenant(house, signal):
    platform = house.platform
    assert platform.otlp(signal, b"").status == 401
    assert platform.otlp(signal, b"", Authorization=f"Bearer {house.keys[f'{MINE} read']}").status == 403
    mine = f"Bearer {house.keys[f'{MINE} ingest']}"
    assert platform.otlp(signal, b"", Authorization=mine).status == 200
    several = f"Bearer {house.keys['several ingest']}"
    assert platform.otlp(signal, b"", Authorization=several, X_Scope_OrgID=MINE).status == 200
    assert platform.otlp(signal, b"", Authorization=several, X_Scope_OrgID=THEIRS).status == 403
