"""Jaeger's query API: the shapes that its UI and Grafana's data source read."""

from __future__ import annotations

import json
import time

import pytest
from otlp_spans import NS, Event, Link, Span, Tenant, new_span_id, new_trace_id

MINUTE = 60 * NS
T0 = (time.time_ns() // MINUTE - 10) * MINUTE + 123_456_000


@pytest.fixture(scope="module")
def jaeger(shared_platform) -> tuple[Tenant, list[Span]]:
    tenant = Tenant(shared_platform, "traces-jaeger")
    root = Span(
        "POST /cart",
        T0,
        41_500_000,
        service="gateway",
        kind="server",
        status="error",
        message="declined",
        attributes={
            "http.status_code": 502,
            "big": 2**60,
            "ratio": 0.5,
            "retry": True,
            "raw": b"\x01",
            "list": [1, "a"],
            "odd": 'a"b\n',
        },
        resource={"host.name": "web-1", "process.pid": 12},
        events=[Event("exception", T0 + 5_000, {"exception.type": "Declined", "n": 1})],
        links=[
            Link(new_trace_id(), new_span_id()),
            Link(new_trace_id(), new_span_id(), {"opentracing.ref_type": "child_of"}),
        ],
    )
    child = Span(
        "charge",
        T0 + 2_000_000,
        3_000_000,
        trace_id=root.trace_id,
        parent=root.span_id,
        service="payments",
        kind="client",
        resource={"host.name": "web-2"},
    )
    other = Span("GET /", T0 + 5 * NS, 1_000_000, service="gateway", kind="server", status="ok")
    tenant.send(root, child, other)
    return tenant, [root, child, other]


def tags_of(tags: list[dict]) -> dict[str, tuple]:
    return {tag["key"]: (tag["type"], tag["value"]) for tag in tags}


SPAN_FIELDS = {
    "traceID",
    "spanID",
    "flags",
    "operationName",
    "references",
    "startTime",
    "duration",
    "tags",
    "logs",
    "processID",
    "warnings",
}


def test_one_trace_has_jaegers_shape(jaeger) -> None:
    tenant, (root, *_) = jaeger
    answer = tenant.get(f"/jaeger/api/traces/{root.trace_id}")
    assert {key: answer[key] for key in ("total", "limit", "offset", "errors")} == {
        "total": 0,
        "limit": 0,
        "offset": 0,
        "errors": None,
    }
    [trace] = answer["data"]
    assert set(trace) == {"traceID", "spans", "processes", "warnings"}
    assert trace["traceID"] == root.trace_id
    first, second = trace["spans"]
    assert set(first) == SPAN_FIELDS
    assert (first["spanID"], first["operationName"]) == (root.span_id, "POST /cart")
    assert (first["startTime"], first["duration"]) == (T0 // 1_000, 41_500)
    assert first["references"] == [
        {"refType": "FOLLOWS_FROM", "traceID": root.links[0].trace_id, "spanID": root.links[0].span_id},
        {"refType": "CHILD_OF", "traceID": root.links[1].trace_id, "spanID": root.links[1].span_id},
    ]
    assert second["references"] == [{"refType": "CHILD_OF", "traceID": root.trace_id, "spanID": root.span_id}]
    assert tags_of(first["tags"]) == {
        "http.status_code": ("int64", 502),
        "big": ("int64", str(2**60)),
        "ratio": ("float64", 0.5),
        "retry": ("bool", True),
        "raw": ("binary", "AQ=="),
        "list": ("string", '[1,"a"]'),
        "odd": ("string", 'a"b\n'),
        "otel.scope.name": ("string", "test"),
        "otel.scope.version": ("string", "1.0"),
        "span.kind": ("string", "server"),
        "otel.status_code": ("string", "ERROR"),
        "otel.status_description": ("string", "declined"),
        "error": ("bool", True),
    }
    assert first["logs"] == [
        {
            "timestamp": T0 // 1_000 + 5,
            "fields": [
                {"key": "event", "type": "string", "value": "exception"},
                {"key": "exception.type", "type": "string", "value": "Declined"},
                {"key": "n", "type": "int64", "value": 1},
            ],
        }
    ]
    assert set(trace["processes"]) == {"p1", "p2"}
    process = trace["processes"][first["processID"]]
    assert process["serviceName"] == "gateway"
    assert tags_of(process["tags"]) == {"host.name": ("string", "web-1"), "process.pid": ("int64", 12)}
    assert trace["processes"][second["processID"]]["serviceName"] == "payments"


def found(answer: dict) -> list[str]:
    return [trace["traceID"] for trace in answer["data"]]


@pytest.mark.parametrize(
    ("params", "which"),
    [
        ({"service": "gateway"}, [2, 0]),
        ({"service": "payments"}, [0]),
        ({"service": "gateway", "operation": "POST /cart"}, [0]),
        ({"service": "gateway", "tags": '{"error":"true"}'}, [0]),
        ({"service": "gateway", "tags": '{"http.status_code":"502","span.kind":"server"}'}, [0]),
        ({"service": "gateway", "tags": '{"http.status_code":502,"retry":true}'}, [0]),
        ({"service": "gateway", "tag": ["odd:no"]}, []),
        ({"service": "gateway", "tag": ["host.name:web-1", "otel.status_code:ERROR"]}, [0]),
        ({"service": "gateway", "minDuration": "41.5ms"}, [0]),
        ({"service": "gateway", "maxDuration": "1000us"}, [2]),
        ({"service": "gateway", "limit": "1"}, [2]),
        ({"service": "gateway", "lookback": "5m"}, []),
        ({"service": "gateway", "start": T0 // 1_000, "end": T0 // 1_000}, [0]),
        ({"service": "gateway", "start": T0 // 1_000 + 1, "end": T0 // 1_000 + 6_000_000, "lookback": "custom"}, [2]),
        ({"service": "nobody"}, []),
    ],
)
def test_search(jaeger, params: dict, which: list[int]) -> None:
    tenant, spans = jaeger
    answer = tenant.get("/jaeger/api/traces", params)
    assert found(answer) == [spans[number].trace_id for number in which]
    assert answer["errors"] is None


def test_a_found_trace_is_whole(jaeger) -> None:
    tenant, (root, *_) = jaeger
    [trace] = tenant.get("/jaeger/api/traces", service="payments")["data"]
    assert trace == tenant.get(f"/jaeger/api/traces/{root.trace_id}")["data"][0]


def test_traces_by_id_name_those_that_are_missing(jaeger) -> None:
    tenant, (root, _, other) = jaeger
    missing = new_trace_id()
    answer = tenant.get("/jaeger/api/traces", {"traceID": [other.trace_id, missing, root.trace_id]})
    assert found(answer) == [other.trace_id, root.trace_id]
    assert answer["errors"] == [{"code": 404, "msg": "trace not found", "traceID": missing}]


def test_services_and_operations(jaeger) -> None:
    tenant, _ = jaeger
    assert tenant.get("/jaeger/api/services") == {
        "data": ["gateway", "payments"],
        "total": 2,
        "limit": 0,
        "offset": 0,
        "errors": None,
    }
    assert tenant.get("/jaeger/api/services/gateway/operations")["data"] == ["GET /", "POST /cart"]
    assert tenant.get("/jaeger/api/operations", service="gateway")["data"] == [
        {"name": "GET /", "spanKind": "server"},
        {"name": "POST /cart", "spanKind": "server"},
    ]
    assert tenant.get("/jaeger/api/operations", service="gateway", spanKind="client")["data"] == []
    assert tenant.get("/jaeger/api/services/nobody/operations")["data"] == []


def test_version_3(jaeger) -> None:
    tenant, (root, *_) = jaeger
    assert tenant.get("/jaeger/api/v3/services") == {"services": ["gateway", "payments"]}
    assert tenant.get("/jaeger/api/v3/operations", service="payments") == {
        "operations": [{"name": "charge", "spanKind": "client"}]
    }
    asked = {"query.start_time_min": "2020-01-01T00:00:00Z", "query.start_time_max": "2100-01-01T00:00:00Z"}
    more = {
        "query.service_name": "gateway",
        "query.operation_name": "POST /cart",
        "query.attributes": '{"http.status_code":"502"}',
        "query.duration_min": "1ms",
        "query.search_depth": "5",
    }
    answer = tenant.get("/jaeger/api/v3/traces", asked | more)
    spans = [
        span
        for group in answer["result"]["resourceSpans"]
        for scoped in group["scopeSpans"]
        for span in scoped["spans"]
    ]
    assert {span["traceId"] for span in spans} == {root.trace_id}
    assert len(spans) == 2
    nobody = tenant.get("/jaeger/api/v3/traces", asked | {"query.service_name": "nobody"})
    assert nobody == {"result": {"resourceSpans": []}}


def test_dependencies(tenant: Tenant) -> None:
    calling = Span("GET /orders", T0, 30_000_000, service="gateway", kind="client")
    called = Span(
        "GET /orders", T0 + 1, trace_id=calling.trace_id, parent=calling.span_id, service="orders", kind="server"
    )
    tenant.send(calling, called)
    end = time.time_ns() // 1_000_000
    while not (links := tenant.get("/jaeger/api/dependencies", endTs=end, lookback=3_600_000)["data"]):
        time.sleep(0.2)
    assert links == [{"parent": "gateway", "child": "orders", "callCount": 1}]
    assert tenant.get("/jaeger/api/dependencies", endTs=end, lookback=3_600_000, service="orders")["data"] == links
    assert tenant.get("/jaeger/api/dependencies", endTs=end, lookback=3_600_000, service="nobody")["data"] == []
    assert tenant.get("/jaeger/api/dependencies", endTs=end, lookback=1)["data"] == []


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/traces", 400, "'service' is required"),
        ("/operations", 400, "'service' is required"),
        ("/traces?service=a&start=x", 400, "'start'"),
        ("/traces?service=a&end=-1", 400, "'end'"),
        ("/traces?service=a&limit=x", 400, "'limit'"),
        ("/traces?service=a&minDuration=5", 400, "'minDuration'"),
        ("/traces?service=a&tags=[1]", 400, "'tags'"),
        ("/traces?service=a&tags={", 400, "'tags'"),
        ("/traces?service=a&tag=a", 400, "'tag'"),
        ("/traces?service=a&lookback=long", 400, "'lookback'"),
        ("/traces?traceID=xyz", 400, "no trace id"),
        ("/traces/xyz", 400, "no trace id"),
        ("/traces/" + "f" * 32, 404, "no trace"),
        ("/dependencies?endTs=x", 400, "'endTs'"),
    ],
)
def test_errors_have_jaegers_shape(tenant: Tenant, path: str, status: int, says: str) -> None:
    answer = tenant.ask(f"/jaeger/api{path}")
    assert answer.status == status
    document = answer.json()
    assert document["data"] is None
    [error] = document["errors"]
    assert error["code"] == status
    assert says in error["msg"]


@pytest.mark.parametrize(
    ("path", "status"), [("/traces", 400), ("/traces/xyz", 400), ("/traces/" + "f" * 32, 404), ("/operations", 400)]
)
def test_errors_of_version_3_have_their_shape(tenant: Tenant, path: str, status: int) -> None:
    answer = tenant.ask(f"/jaeger/api/v3{path}")
    assert answer.status == status
    assert answer.json()["error"]["httpCode"] == status
    assert answer.json()["error"]["message"]


def test_hostile_names_stay_text(tenant: Tenant) -> None:
    name = 'a/"b"\\<script>\x1b[31m\n%'
    tenant.send(Span(name, T0, service=name, attributes={name: name}, resource={name: name}))
    assert tenant.get("/jaeger/api/services")["data"] == [name]
    assert tenant.get("/jaeger/api/operations", service=name)["data"] == [{"name": name, "spanKind": "internal"}]
    [trace] = tenant.get("/jaeger/api/traces", service=name, tags=json.dumps({name: name}))["data"]
    assert trace["spans"][0]["operationName"] == name
    assert tags_of(trace["processes"]["p1"]["tags"]) == {name: ("string", name)}
