"""One trace, whole: what was sent is what comes back, in every shape."""

from __future__ import annotations

import base64
import itertools
import json
import re
import sys
import time
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from otlp_spans import NS, Event, Link, Span, Tenant, any_value, new_span_id, new_trace_id, request

sys.path.insert(0, str(Path(__file__).parent.parent / "faults"))
from engine_door import ask

START = (time.time_ns() // NS - 600) * NS + 123_456_789
HOSTILE = "a\"b\\c\n\r\t\x00\x1b[31m</script><b>é€😀\u202e{{x}}${y}%s'); DROP TABLE spans --/"


def rich_trace() -> list[Span]:
    trace_id, root, child = new_trace_id(), new_span_id(), new_span_id()
    return [
        Span(
            "POST /cart",
            START,
            41_500_000,
            trace_id=trace_id,
            span_id=root,
            service="gateway",
            kind="server",
            status="error",
            message="card declined",
            attributes={
                "text": HOSTILE,
                HOSTILE: "a hostile key",
                "empty": "",
                "big": 2**63 - 1,
                "small": -(2**63),
                "yes": True,
                "no": False,
                "half": 0.5,
                "whole": 3.0,
                "huge": 1e300,
                "nan": float("nan"),
                "inf": float("-inf"),
                "bytes": b"\x00\xff",
                "list": ["a", 1, 2.5, True, None],
                "nested": {"a": {"b": [1, HOSTILE], "c": True}},
                "null": None,
            },
            resource={"host.name": "web-1", "process.pid": 12, "process.command_args": ["python", "-m"]},
            events=[
                Event("exception", START + 5, {"exception.type": HOSTILE, "n": 7, "share": 0.25, "ok": True}),
                Event("retry", START + 6),
            ],
            links=[Link(new_trace_id(), new_span_id(), {"why": "batch"}, "a=1")],
            trace_state="vendor=1",
        ),
        Span(
            "charge",
            START + 1_000_000,
            2_000_000,
            trace_id=trace_id,
            span_id=child,
            parent=root,
            service="payments",
            kind="client",
            scope=("http", "2.0"),
        ),
    ]


RICH_TYPES = {
    "big": "int",
    "small": "int",
    "yes": "bool",
    "no": "bool",
    "half": "double",
    "whole": "double",
    "huge": "double",
    "nan": "double",
    "inf": "double",
    "bytes": "bytes",
    "list": "json",
    "nested": "json",
    "null": "json",
}


def test_everything_that_was_sent_comes_back_with_its_type(tenant: Tenant) -> None:
    spans = rich_trace()
    tenant.send(*spans)
    trace = tenant.get(f"/api/v1/traces/{spans[0].trace_id}")

    assert trace["trace_id"] == spans[0].trace_id
    assert (trace["span_count"], trace["error_count"]) == (2, 1)
    assert trace["start_time_unix_nano"] == START
    assert trace["duration_ns"] == 41_500_000
    assert (trace["root_service"], trace["root_name"]) == ("gateway", "POST /cart")
    assert trace["services"] == ["gateway", "payments"]

    root, child = trace["spans"]
    attributes = root["attributes"]
    assert attributes["text"] == HOSTILE
    assert attributes[HOSTILE] == "a hostile key"
    assert attributes["empty"] == ""
    assert (attributes["big"], attributes["small"]) == (2**63 - 1, -(2**63))
    assert (attributes["yes"], attributes["no"]) == (True, False)
    assert attributes["half"] == 0.5
    assert attributes["whole"] == 3.0
    assert type(attributes["whole"]) is float
    assert attributes["huge"] == 1e300
    assert (attributes["nan"], attributes["inf"]) == ("NaN", "-Infinity")
    assert attributes["bytes"] == "AP8="
    assert attributes["list"] == ["a", 1, 2.5, True, None]
    assert attributes["nested"] == {"a": {"b": [1, HOSTILE], "c": True}}
    assert attributes["null"] is None
    assert root["attribute_types"] == RICH_TYPES
    assert root["parent_span_id"] is None
    assert (root["kind"], root["status"], root["status_message"]) == ("server", "error", "card declined")
    assert root["start_time"].endswith(".123456789Z")
    assert (root["trace_state"], root["flags"]) == ("vendor=1", 1)
    resource = trace["resources"][root["resource"]]
    assert resource["service.name"] == "gateway"
    assert resource["process.pid"] == 12
    assert resource["process.command_args"] == ["python", "-m"]
    assert [event["name"] for event in root["events"]] == ["exception", "retry"]
    assert root["events"][0]["attributes"] == {"exception.type": HOSTILE, "n": 7, "share": 0.25, "ok": True}
    link = spans[0].links[0]
    assert root["links"] == [
        {
            "trace_id": link.trace_id,
            "span_id": link.span_id,
            "trace_state": "a=1",
            "attributes": {"why": "batch"},
        }
    ]
    assert (child["parent_span_id"], child["service"]) == (spans[0].span_id, "payments")
    assert trace["scopes"][child["scope"]] == {"name": "http", "version": "2.0", "attributes": {}}


def test_long_resources_and_scopes_come_back_beside_short_ones(tenant: Tenant) -> None:
    long, short = 'é€😀"\\' * 400, "v" * 900
    trace_id = new_trace_id()
    alike = {"trace_id": trace_id, "service": "gateway"}
    tenant.send(
        Span("a", START, **alike, resource={"process.command": long}, scope=("http", "2.0")),
        Span("b", START + 1, **alike, resource={"process.command": long}, scope=(long, "1")),
        Span("c", START + 2, **alike, resource={"process.command": short}, scope=("http", "2.0")),
        Span("d", START + 3, **alike, scope=(long, "2")),
    )
    trace = tenant.get(f"/api/v1/traces/{trace_id}")
    resources = [trace["resources"][span["resource"]].get("process.command") for span in trace["spans"]]
    scopes = [
        (found["name"], found["version"]) for span in trace["spans"] for found in [trace["scopes"][span["scope"]]]
    ]
    assert resources == [long, long, short, None]
    assert scopes == [("http", "2.0"), (long, "1"), ("http", "2.0"), (long, "2")]
    assert (len(trace["resources"]), len(trace["scopes"]), trace["span_count"]) == (3, 3, 4)


def spans_of(data: TracesData) -> dict[str, tuple]:
    return {
        span.span_id.hex(): (group.resource, scoped.scope, span)
        for group in data.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    }


def official(document: dict) -> TracesData:
    """OTLP's JSON read by protobuf's own parser, which wants base64 where OTLP has hexadecimal ids."""
    text = json.dumps(document)
    text = re.sub(r'("(?:traceId|spanId|parentSpanId)": ")([0-9a-f]+)"', lambda m: f'{m[1]}{as_base64(m[2])}"', text)
    return ParseDict(json.loads(text), TracesData(), ignore_unknown_fields=False)


def as_base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


@pytest.mark.parametrize("path", ["/api/v1/traces/{}?format=otlp", "/jaeger/api/v3/traces/{}"])
def test_otlp_json_is_read_by_the_official_message_and_says_the_same(tenant: Tenant, path: str) -> None:
    spans = rich_trace()
    tenant.send(*spans)
    document = tenant.get(path.format(spans[0].trace_id))
    found, sent = spans_of(official(document.get("result", document))), spans_of(TracesData.FromString(request(spans)))
    assert set(found) == set(sent)
    for span_id, (resource, scope, span) in sent.items():
        got_resource, got_scope, got = found[span_id]
        assert sorted(map(str, got_resource.attributes)) == sorted(map(str, resource.attributes))
        assert got_scope == scope
        assert sorted(map(str, got.attributes)) == sorted(map(str, span.attributes))
        assert [str(event) for event in got.events] == [str(event) for event in span.events]
        for name in ("name", "kind", "start_time_unix_nano", "end_time_unix_nano", "status", "links"):
            assert getattr(got, name) == getattr(span, name)
        assert (got.parent_span_id, got.trace_state) == (span.parent_span_id, span.trace_state)


@pytest.mark.parametrize(
    "spell",
    [
        str.upper,
        lambda digits: f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}",
        lambda digits: digits.lstrip("0"),
        lambda digits: f" {digits}".replace(" ", "%20"),
    ],
)
def test_an_id_is_found_however_it_is_written(tenant: Tenant, spell) -> None:
    span = Span("a", START, trace_id=f"{int(new_trace_id(), 16) % 2**60:032x}")
    tenant.send(span)
    assert tenant.get(f"/api/v1/traces/{spell(span.trace_id)}")["trace_id"] == span.trace_id


def test_spans_without_an_id_are_found_and_shown_as_one_trace(tenant: Tenant) -> None:
    """OpenTelemetry calls such ids invalid; what was sent with them is kept, and what is listed can be opened."""
    nothing = "0" * 32
    tenant.send(Span("a", START, trace_id=nothing), Span("b", START, trace_id=nothing))
    line = ExportLogsServiceRequest()
    line.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=START).body.string_value = "of no trace"
    assert tenant.platform.otlp("logs", line.SerializeToString(), X_Scope_OrgID=tenant.name).status == 200
    tenant.platform.eventually("SELECT count() FROM logs", 1, tenant.name)
    [listed] = tenant.get("/api/v1/traces")["traces"]
    assert (listed["trace_id"], listed["span_count"]) == (nothing, 2)
    for path in ("/api/v1/traces/{}", "/jaeger/api/traces/{}", "/jaeger/api/v3/traces/{}"):
        answer = tenant.ask(path.format(nothing))
        assert (answer.status, b'"a"' in answer.body, b'"b"' in answer.body) == (200, True, True)
    assert {span["name"] for span in tenant.get(f"/api/v1/traces/{nothing}")["spans"]} == {"a", "b"}
    assert tenant.get(f"/api/v1/traces/{nothing}/logs")["logs"] == []


@pytest.mark.parametrize("bad", ["xyz", "0" * 33, "12g4", "%00", "é", "1" * 33])
def test_what_is_no_id_is_refused(tenant: Tenant, bad: str) -> None:
    answer = tenant.ask(f"/api/v1/traces/{bad if bad.isascii() else '%C3%A9'}")
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "is no trace id" in answer.json()["detail"]


def test_a_trace_that_is_not_there_is_404_in_every_shape(tenant: Tenant) -> None:
    for shape in ("vedette", "otlp", "jaeger"):
        answer = tenant.ask(f"/api/v1/traces/{new_trace_id()}", format=shape)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")


TWICE = ["plain\ntext", "5 apples", "007", "1\n", "{oops", "nan", 7, 2.5, float("nan"), True, b"\x00", ["a"], None]


def test_keys_that_come_twice_leave_every_document_readable(tenant: Tenant) -> None:
    span = Span("twice", START)
    message = ExportTraceServiceRequest.FromString(request([span]))
    sent = message.resource_spans[0].scope_spans[0].spans[0].attributes
    for first, second in itertools.permutations(TWICE, 2):
        name = f"{type(first).__name__} {first!r}, {type(second).__name__} {second!r}"
        sent.extend(KeyValue(key=name, value=any_value(value)) for value in (first, second))
    answer = tenant.platform.otlp("traces", message.SerializeToString(), X_Scope_OrgID=tenant.name)
    assert answer.status == 200
    tenant.send(Span("after", START))
    for path in (
        "/api/v1/traces/{}",
        "/api/v1/traces/{}?format=otlp",
        "/jaeger/api/traces/{}",
        "/jaeger/api/v3/traces/{}",
    ):
        assert b"5 apples" in tenant.ask(path.format(span.trace_id)).body
        tenant.get(path.format(span.trace_id))
    pairs = json.loads(tenant.ask(f"/api/v1/traces/{span.trace_id}").body, object_pairs_hook=list)
    [spans] = [value for key, value in pairs if key == "spans"]
    [found] = [value for key, value in spans[0] if key == "attributes"]
    assert ["str '5 apples', int 7", "5 apples"] in [list(pair) for pair in found]
    assert ["str '5 apples', int 7", 7] in [list(pair) for pair in found]


def test_a_trace_is_found_before_its_index_is_written(tenant: Tenant) -> None:
    now = time.time_ns()
    new, known = Span("new", now, service="early", status="error"), Span("known", now)
    tenant.send(new, known)
    listed, whole = tenant.get("/api/v1/traces"), tenant.get(f"/api/v1/traces/{new.trace_id}")
    # The index as it is between the insert of the spans and its own.
    ask(tenant.platform, f"DELETE FROM trace_index WHERE trace_id = unhex('{new.trace_id}')")
    count = f"SELECT count() FROM traces WHERE trace_id = '{new.trace_id}'"
    assert tenant.platform.sql(count, tenant.name) == [{"count()": 0}]
    assert tenant.get(f"/api/v1/traces/{new.trace_id}") == whole
    assert (whole["span_count"], whole["error_count"], whole["services"], whole["root_name"]) == (
        1,
        1,
        ["early"],
        "new",
    )
    assert tenant.get(f"/api/v1/traces/{new.trace_id}/outline")["columns"]["service"] == ["early"]
    assert tenant.get("/api/v1/traces") == listed
    both = f"/jaeger/api/traces?traceID={new.trace_id}&traceID={known.trace_id}"
    assert {one["traceID"] for one in tenant.get(both)["data"]} == {new.trace_id, known.trace_id}
    other = Tenant(tenant.platform, f"{tenant.name}-other")
    assert other.ask(f"/api/v1/traces/{new.trace_id}").status == 404


def test_a_span_that_ends_when_time_does_is_found_in_its_trace(tenant: Tenant) -> None:
    span = Span("forever", START, 2**63 - 1 - START)
    tenant.send(span)
    path = f"/api/v1/traces/{span.trace_id}"
    assert tenant.get(path)["duration_ns"] == 2**63 - 1 - START
    assert tenant.get(f"{path}/matches", q="forever") == {"span_id": [span.span_id]}


def test_a_trace_of_fifty_thousand_spans_is_whole(tenant: Tenant) -> None:
    trace_id, root = new_trace_id(), new_span_id()
    spans = [Span("root", START, 60 * NS, trace_id=trace_id, span_id=root, service="big")]
    spans += [
        Span(f"step {number % 7}", START + number * 1_000, trace_id=trace_id, parent=root, attributes={"n": number})
        for number in range(1, 50_000)
    ]
    for begin in range(0, len(spans), 10_000):
        body = request(spans[begin : begin + 10_000])
        assert tenant.platform.otlp("traces", body, X_Scope_OrgID=tenant.name).status == 200
    tenant.platform.loaded()
    trace = tenant.get(f"/api/v1/traces/{trace_id}")
    assert trace["span_count"] == 50_000
    assert [span["attributes"].get("n", 0) for span in trace["spans"]] == list(range(50_000))
    assert trace["duration_ns"] == 60 * NS
    assert len({span["span_id"] for span in trace["spans"]}) == 50_000

    otlp = tenant.get(f"/api/v1/traces/{trace_id}", format="otlp")
    scoped = [scope for group in otlp["resourceSpans"] for scope in group["scopeSpans"]]
    assert sum(len(scope["spans"]) for scope in scoped) == 50_000
    jaeger = tenant.get(f"/jaeger/api/traces/{trace_id}")
    assert len(jaeger["data"][0]["spans"]) == 50_000
    assert len(json.dumps(jaeger["data"][0]["processes"])) < 1_000
