"""Whatever is sent, to whichever address: a clean answer, never a fault of the server, and the server lives on."""

from __future__ import annotations

import gzip
import json
import string
import urllib.parse
import zlib

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from vedette.server.api.build import openapi_document

FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
DOCUMENT = openapi_document()
GETS = [path for path, operations in DOCUMENT["paths"].items() if "get" in operations and not path.endswith("/tail")]
POSTS = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if method != "get" and "restore" not in path and path != "/api/v1/backups"
]


def _valid(signal: str) -> bytes:
    if signal == "traces":
        traces = ExportTraceServiceRequest()
        span = (
            traces.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="GET /")
        )
        span.attributes.add(key="http.route").value.string_value = "/"
        span.events.add(name="exception").attributes.add(key="n").value.int_value = 1
        return traces.SerializeToString()
    if signal == "logs":
        logs = ExportLogsServiceRequest()
        record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1, severity_text="INFO")
        record.body.array_value.values.add().string_value = "a"
        return logs.SerializeToString()
    metrics = ExportMetricsServiceRequest()
    metric = metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="wait", unit="s")
    metric.histogram.data_points.add(time_unix_nano=1, count=3, bucket_counts=[1, 2], explicit_bounds=[0.5])
    return metrics.SerializeToString()


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid payload with bytes changed, cut out, repeated or put in."""
    body = bytearray(valid)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        match draw(st.sampled_from(["change", "cut", "insert", "repeat"])):
            case "change" if body:
                body[at] = draw(st.integers(0, 255))
            case "cut":
                del body[at : at + draw(st.integers(1, 8))]
            case "insert":
                body[at:at] = draw(st.binary(max_size=8))
            case _:
                body[at:at] = body[: draw(st.integers(0, 40))]
    return bytes(body)


PACKERS = {
    "": lambda body: body,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@FEW
@given(data=st.data())
def test_any_body_for_otlp(shared_platform, signal, data):
    body = data.draw(damaged(_valid(signal)) | st.binary(max_size=200))
    packed = data.draw(st.sampled_from(sorted(PACKERS)))
    said = data.draw(st.sampled_from([packed, packed, "gzip", "zstd", "deflate", "br", ""]))
    kind = data.draw(
        st.sampled_from(["application/x-protobuf", "application/x-protobuf", "application/json", "text/plain", ""])
    )
    content = data.draw(damaged(PACKERS[packed](body)) | st.just(PACKERS[packed](body)))
    headers = {"Content_Type": kind, "X_Scope_OrgID": "fuzz"} | ({"Content_Encoding": said} if said else {})
    answer = shared_platform.otlp(signal, content, **headers)
    assert answer.status in {200, 400, 413, 415}, (answer.status, answer.body)


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@FEW
@given(data=st.data())
def test_any_json_for_otlp(shared_platform, signal, data):
    plural = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}[signal]
    names = [
        "scopeSpans",
        "scopeLogs",
        "scopeMetrics",
        "spans",
        "logRecords",
        "metrics",
        "attributes",
        "key",
        "value",
        "stringValue",
        "intValue",
        "traceId",
        "kind",
        "sum",
        "dataPoints",
        plural,
    ]
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["5B8EFFF798038103", "99999999999999999999"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4),
        max_leaves=12,
    )  # fmt: skip
    body = json.dumps({plural: data.draw(values)}).encode()
    answer = shared_platform.otlp(signal, body, Content_Type="application/json", X_Scope_OrgID="fuzz")
    assert answer.status in {200, 400}, (answer.status, answer.body)
    if answer.status == 400:
        assert json.loads(answer.body)["message"]


_odd = st.text(max_size=12) | st.sampled_from(
    ["*", "a:b", "a AND", "(((", '"', "/(/", "[1 TO", "-1", "0", "1e999", "now-1h", "2020-01-01T00:00:00Z", "99999999999999999999", "%00", "' OR 1=1 --", "{x}", "\x00", "service", "error=true", "duration>1s", "up", "sum(", "rate(x[5m])"]
)  # fmt: skip


def _filled(path: str, method: str, draw) -> str:
    query = []
    for parameter in DOCUMENT["paths"][path][method].get("parameters", []):
        if parameter["in"] == "path":
            text = draw(_odd.filter(bool))
            path = path.replace("{" + parameter["name"] + "}", urllib.parse.quote(text, safe="", errors="replace"))
        elif parameter["in"] == "query" and (parameter.get("required") or draw(st.booleans())):
            query.append((parameter["name"], draw(_odd)))
    return path + ("?" + urllib.parse.urlencode(query, errors="replace") if query else "")


@pytest.mark.parametrize("path", GETS)
@FEW
@given(data=st.data())
def test_any_question(shared_platform, path, data):
    asked = _filled(path, "get", data.draw)
    answer = shared_platform.request(asked, headers={"X-Scope-OrgID": "fuzz"})
    assert answer.status < 500, (asked, answer.body)
    if answer.status >= 400 and answer.headers.get("content-type", "").endswith("json"):
        said = answer.json()
        assert said.get("detail") or said.get("error") or said.get("errors") or said.get("message"), (asked, said)


@pytest.mark.parametrize("route", POSTS, ids=" ".join)
@FEW
@given(data=st.data())
def test_any_statement(shared_platform, route, data):
    method, path = route
    asked = _filled(path, method.lower(), data.draw)
    document = st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | _odd,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "page", "query", "state", "spans", "logs", "message", "level", "trace_id", "metrics"]), inner, max_size=4),
        max_leaves=8,
    )  # fmt: skip
    body = data.draw(
        document.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60) | _odd.map(str.encode)
    )
    kind = data.draw(st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", "x"]))
    answer = shared_platform.request(
        asked, body, method=method, headers={"Content-Type": kind, "X-Scope-OrgID": "fuzz"}
    )
    assert answer.status < 500, (asked, body, answer.body)


@FEW
@given(method=st.text(string.ascii_uppercase, min_size=1, max_size=8), path=st.text(max_size=30))
def test_any_address(shared_platform, method, path):
    quoted = "/" + urllib.parse.quote(path, errors="replace")
    for port in (shared_platform.port, shared_platform.otlp_http):
        answer = shared_platform.request(quoted, method=method, port=port)
        assert answer.status < 500 or answer.status == 501, (method, quoted, answer.body)


def test_it_lives_on(shared_platform):
    assert shared_platform.request("/readyz").status == 200
