import gzip
import json
import os
import socket
import time
import zlib

import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

SIGNALS = ("traces", "logs", "metrics")


def trace(name: str, *, spans: int = 1) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="checkout")))
    for _ in range(spans):
        span = resource.scope_spans.add().spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name=name)
        span.start_time_unix_nano, span.end_time_unix_nano = 1_790_000_000_000_000_000, 1_790_000_000_500_000_000
    return request.SerializeToString()


def log(body: str) -> bytes:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = body
    return request.SerializeToString()


def gauge(name: str) -> bytes:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
    metric.gauge.data_points.add(as_double=1.5, time_unix_nano=1_790_000_000_000_000_000)
    return request.SerializeToString()


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "zstd"])
def test_every_encoding_is_kept(shared_platform, encoding):
    pack = {"identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
    answer = shared_platform.otlp("traces", pack(trace(encoding)), Content_Encoding=encoding, X_Tenant_ID="encodings")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", "application/x-protobuf")
    shared_platform.eventually(f"SELECT count() FROM spans WHERE name = '{encoding}'", 1, "encodings")


def test_every_signal_is_kept_on_both_ports(shared_platform):
    for port in (shared_platform.port, shared_platform.otlp_http):
        headers = {"content-type": "application/x-protobuf", "x-scope-orgid": "ports"}
        for signal, body in (("traces", trace("a")), ("logs", log("b")), ("metrics", gauge("c"))):
            assert shared_platform.request(f"/v1/{signal}", body, headers=headers, port=port).status == 200
    shared_platform.eventually("SELECT count() FROM spans", 2, "ports")
    shared_platform.eventually("SELECT count() FROM logs", 2, "ports")
    shared_platform.eventually("SELECT count() FROM series WHERE name LIKE 'c%'", 1, "ports")


def test_json_is_kept_and_answered_in_json(shared_platform):
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "json",
        "kind": 2,
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": 1790000000500000000,
        "attributes": [{"key": "n", "value": {"intValue": "9007199254740993"}}],
        "unknownField": {"ignored": True},
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = shared_platform.otlp("traces", body, Content_Type="application/json", X_Tenant_ID="json")
    assert (answer.status, answer.json()) == (200, {})
    shared_platform.eventually(
        "SELECT trace_id || ' ' || attributes['n'] FROM spans WHERE name = 'json'",
        "5b8efff798038103d269b633813fc60c 9007199254740993",
        "json",
    )


def _gauge(name: str, *points: dict[str, str]) -> bytes:
    now = str(time.time_ns())
    found = [
        {**point, "timeUnixNano": now, "attributes": [{"key": "at", "value": {"intValue": str(place)}}]}
        for place, point in enumerate(points)
    ]
    metric = {"name": name, "gauge": {"dataPoints": found}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()


@pytest.mark.parametrize(
    "point",
    [{"asDouble": text} for text in ("1.2.3", "1-2", "e", "-", ".")]
    + [{"asInt": text} for text in ("9223372036854775808", "-9223372036854775809", "1.0", "")],
    ids=str,
)
def test_what_is_no_number_is_told_to_its_sender(shared_platform, point):
    answer = shared_platform.otlp("metrics", _gauge("bad", {"asInt": "1"}, point), Content_Type="application/json")
    assert answer.status == 400
    assert f"dataPoints[1].{next(iter(point))}" in answer.json()["message"]


def test_numbers_may_be_text_in_every_spelling(shared_platform):
    doubles = ["1.5", "+1", "1.", ".5", "01", "-1e-3", "1E5", "Infinity"]
    whole = ["9223372036854775807", "-9223372036854775808", "00"]
    body = _gauge("spelt", *({"asDouble": text} for text in doubles), *({"asInt": text} for text in whole))
    assert shared_platform.otlp("metrics", body, Content_Type="application/json", X_Tenant_ID="spelt").status == 200
    shared_platform.loaded()
    answer = shared_platform.request("/prometheus/api/v1/query?query=spelt", headers={"X-Tenant-ID": "spelt"})
    found = {int(one["metric"]["at"]): float(one["value"][1]) for one in answer.json()["data"]["result"]}
    assert found == dict(enumerate(map(float, doubles + whole)))


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"\xff\xff\xff", {}, 400, "not a valid protobuf ExportTraceServiceRequest"),
        (trace("x")[:-3], {}, 400, "not a valid protobuf"),
        (b"{", {"Content_Type": "application/json"}, 400, "not JSON"),
        (b'{"resourceSpans":3}', {"Content_Type": "application/json"}, 400, "$.resourceSpans"),
        (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
            {"Content_Type": "application/json"},
            400,
            "$.resourceSpans[0].scopeSpans[0].spans[0].traceId",
        ),
        (b"x", {"Content_Type": "text/plain"}, 415, "application/x-protobuf or application/json"),
        (b"x", {"Content_Encoding": "br"}, 415, "gzip, zstd, deflate"),
        (b"no gzip", {"Content_Encoding": "gzip"}, 400, "not valid gzip"),
        (gzip.compress(trace("x"))[:-10], {"Content_Encoding": "gzip"}, 400, "gzip body ends too early"),
        (b"no zstd", {"Content_Encoding": "zstd"}, 400, "not valid zstd"),
        (b"no deflate", {"Content_Encoding": "deflate"}, 400, "not valid deflate"),
        (b"", {"X_Tenant_ID": "a/b"}, 400, "tenant"),
        (b"", {"Authorization": "Bearer vdt_nonsense"}, 401, "API key"),
    ],
    ids=[
        "no protobuf",
        "protobuf cut short",
        "no json",
        "json of another shape",
        "no hexadecimal id",
        "content type",
        "encoding",
        "no gzip",
        "gzip cut short",
        "no zstd",
        "no deflate",
        "tenant",
        "key",
    ],
)
def test_bad_input_gets_a_clear_answer_in_the_encoding_of_the_request(shared_platform, body, headers, status, says):
    answer = shared_platform.otlp("traces", body, **headers)
    assert answer.status == status
    if headers.get("Content_Type", "application/x-protobuf") == "application/x-protobuf":
        message = Status.FromString(answer.body).message
    else:
        message = answer.json()["message"]
    assert says in message


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, zstandard.compress])
def test_a_bomb_is_refused(shared_platform, pack):
    encoding = {gzip.compress: "gzip", zlib.compress: "deflate", zstandard.compress: "zstd"}[pack]
    bomb = pack(bytes(200 << 20))
    answer = shared_platform.otlp("logs", bomb, Content_Encoding=encoding)
    assert answer.status == 413
    assert "max_body_bytes" in Status.FromString(answer.body).message


def test_a_declared_length_over_the_bound_is_refused_before_the_body(shared_platform):
    with socket.create_connection(("127.0.0.1", shared_platform.otlp_http)) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: 99999999999\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_what_otlp_does_not_have_is_said(shared_platform):
    assert shared_platform.request("/v1/nothing", b"", port=shared_platform.otlp_http).status == 404
    assert shared_platform.request("/v1/traces", port=shared_platform.otlp_http).status == 405
    answer = shared_platform.request("/v1development/profiles", b"", port=shared_platform.otlp_http)
    assert answer.status == 501
    assert "Profiles" in answer.json()["message"]


def test_a_client_cannot_name_its_own_tenant(shared_platform):
    """Field 1000 is the stamp; one that the client sends itself comes first, and the last one counts."""
    forged = trace("forged") + b"\xc2\x3e\x06victim"
    assert shared_platform.otlp("traces", forged, X_Tenant_ID="forger").status == 200
    document = json.loads(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"forged"}]}]}]}')
    body = json.dumps({"tenant": "victim", **document, "payload": document}).encode()
    assert shared_platform.otlp("traces", body, Content_Type="application/json", X_Tenant_ID="forger").status == 200
    shared_platform.eventually("SELECT count() FROM spans WHERE name = 'forged'", 2, "forger")
    assert shared_platform.sql("SELECT count() AS n FROM spans", "victim") == [{"n": 0}]


def test_an_empty_request_is_fine(shared_platform):
    for signal in SIGNALS:
        assert shared_platform.otlp(signal, b"").status == 200


def test_refusals_are_in_the_ledger(shared_platform):
    for _ in range(3):
        shared_platform.otlp("logs", b"\xff\xff", X_Tenant_ID="refused")
    shared_platform.eventually(
        "SELECT sum(count) FROM ledger WHERE signal = 'logs' AND reason = 'invalid_input'", 3, "refused"
    )


def test_a_tenant_over_its_rate_is_answered_429(make_platform):
    platform = make_platform("--tenant-max-bytes-per-second", "1000")
    statuses = [platform.otlp("traces", trace("x" * 3000)).status for _ in range(8)]
    assert statuses.count(200) == 3
    answer = platform.otlp("traces", trace("x" * 3000))
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "tenant_max_bytes_per_second" in Status.FromString(answer.body).message
    assert platform.otlp("traces", trace("x" * 3000), X_Tenant_ID="other").status == 200
