"""Small OTLP/JSON requests become protobuf on their way in: the rows are those of the tables of JSON."""

from __future__ import annotations

import base64
import itertools
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from schema_engine import Tenant, json_record, record

from vedette.server.ingest.otlp_json import Logs, Traces, check
from vedette.server.ingest.small_json import message_of

NOW = 1_790_000_000 * 10**9
_NUMBERS = itertools.count()
_SIGNALS: dict[str, tuple[Any, Any, str]] = {
    "otlp_traces": (Traces, ExportTraceServiceRequest, "spans"),
    "otlp_logs": (Logs, ExportLogsServiceRequest, "logs"),
}

_text = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ['"stringValue":"x"', '"v":{}', "\u2028", "\0\t\n", "\\", "é"]
)
_whole = st.integers(-(2**63), 2**63 - 1).flatmap(lambda n: st.sampled_from([n, str(n)]))
_count = st.none() | st.integers(0, 2**32 - 1)
_time = st.none() | st.integers(0, 2**63 - 1).flatmap(lambda n: st.sampled_from([n, str(n)]))
_id = st.none() | st.binary(max_size=20).map(bytes.hex) | st.just("ABcd")
_scalar = (
    st.just({})
    | st.fixed_dictionaries({"stringValue": _text})
    | st.fixed_dictionaries({"boolValue": st.booleans()})
    | st.fixed_dictionaries({"intValue": _whole})
    | st.fixed_dictionaries(
        {"doubleValue": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["NaN", "-Infinity", 5])}
    )
)


def _lists(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    entries = st.lists(st.fixed_dictionaries({"key": _text, "value": inner}), max_size=2)
    return st.fixed_dictionaries({"arrayValue": st.fixed_dictionaries({"values": st.lists(inner, max_size=3)})}) | (
        st.fixed_dictionaries({"kvlistValue": st.fixed_dictionaries({"values": entries})})
    )


_value = (
    st.recursive(_scalar, _lists, max_leaves=4)
    | st.binary(max_size=4).map(lambda data: {"bytesValue": base64.b64encode(data).decode()})
    | st.none()
)
_pairs = st.none() | st.lists(st.fixed_dictionaries({"key": _text}, optional={"value": _value}), max_size=4)
_event = st.fixed_dictionaries({"timeUnixNano": _time, "name": _text, "attributes": _pairs})
_link = st.fixed_dictionaries({"traceId": _id, "spanId": _id, "traceState": _text, "attributes": _pairs})
_span = st.fixed_dictionaries(
    {"traceId": _id, "spanId": _id, "name": _text, "startTimeUnixNano": _time, "endTimeUnixNano": _time},
    optional={
        "attributes": _pairs,
        "events": st.none() | st.lists(_event, max_size=2),
        "links": st.none() | st.lists(_link, max_size=2),
        "kind": st.integers(-(2**31), 2**31 - 1) | st.integers(0, 6),
        "status": st.fixed_dictionaries({"code": st.integers(0, 3), "message": _text}),
        "droppedLinksCount": _count,
        "flags": _count,
        "unknown": st.just([1]),
    },
)
_line = st.fixed_dictionaries(
    {"timeUnixNano": _time, "body": _value},
    optional={
        "observedTimeUnixNano": _time,
        "severityNumber": st.none() | st.integers(-(2**31), 2**31 - 1) | st.integers(0, 24),
        "severityText": st.sampled_from(["INFO", "warning", ""]),
        "attributes": _pairs,
        "droppedAttributesCount": _count,
        "traceId": _id,
        "spanId": _id,
        "eventName": _text,
    },
)
_resource = st.none() | st.fixed_dictionaries({"attributes": _pairs, "droppedAttributesCount": _count})
_scope = st.none() | st.fixed_dictionaries({"name": _text, "version": _text, "attributes": _pairs})


async def _compare(tenant: Tenant, wire: str, documents: list[Any]) -> None:
    """All documents in one insert each way, every one as a tenant of its own: an insert costs more than its rows."""
    kind, message, table = _SIGNALS[wire]
    mark = f"small{os.getpid()}-{next(_NUMBERS)}"
    by_json, by_protobuf = b"", b""
    for number, document in enumerate(documents):
        request, canonical = check(kind, json.dumps(document).encode())
        converted = message_of(request, message)
        assert converted is not None
        by_json += json_record(canonical, f"{mark}j{number}")
        by_protobuf += record(converted, f"{mark}p{number}")
    await tenant.database.load(f"{wire}_json", by_json, f"{mark}j")
    await tenant.database.load(wire, by_protobuf, f"{mark}p")
    rows = [
        await tenant.database.rows(
            f"SELECT substring(tenant, {len(mark) + 2}) AS document, * EXCEPT (tenant) APPLY toString "
            f"FROM vedette.{table} WHERE startsWith(tenant, '{mark}{way}') ORDER BY ALL"
        )
        for way in "pj"
    ]
    assert rows[0] == rows[1]


def _document(wire: str, rows: list[Any], resource: Any, scope: Any, url: str) -> Any:
    names = (
        ("resourceSpans", "scopeSpans", "spans")
        if wire == "otlp_traces"
        else ("resourceLogs", "scopeLogs", "logRecords")
    )
    scopes = [{"scope": scope, names[2]: rows, "schemaUrl": url}, {names[2]: rows[:1]}, {}]
    return {names[0]: [{"resource": resource, names[1]: scopes, "schemaUrl": url}]}


_EMPTY = ([], [{"timeUnixNano": None, "body": {}}], (None, None, ""))
_documents = st.tuples(st.lists(_span, max_size=6), st.lists(_line, max_size=6), st.tuples(_resource, _scope, _text))


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.lists(_documents, min_size=3, max_size=8))
async def test_the_rows_are_the_same(tenant: Tenant, drawn: list[Any]) -> None:
    drawn = [_EMPTY, *drawn]
    await _compare(tenant, "otlp_traces", [_document("otlp_traces", spans, *around) for spans, _, around in drawn])
    await _compare(tenant, "otlp_logs", [_document("otlp_logs", lines, *around) for _, lines, around in drawn])


def _nested(depth: int) -> Any:
    return {"arrayValue": {"values": [_nested(depth - 1)]}} if depth else {"intValue": 1}


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": "a", "intValue": 1},
        {"intValue": "007"},
        {"doubleValue": "1.50"},
        {"bytesValue": "_-8="},
        {"bytesValue": "AA"},
        {"arrayValue": {"values": [{"bytesValue": "AA=="}]}},
        _nested(4),
    ],
    ids=repr,
)
def test_what_the_tables_of_json_show_otherwise_goes_through_them(value: Any) -> None:
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": value}]}]}]}
    request, _ = check(Logs, json.dumps(document).encode())
    assert message_of(request, ExportLogsServiceRequest) is None
