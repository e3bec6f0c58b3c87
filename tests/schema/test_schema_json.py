"""OTLP/JSON and Protobuf of the same request leave the same rows; nested values read as the JSON that they mean."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_values import any_value, as_json, key_values, logs, otlp_json, traces
from schema_engine import EngineProcess, Tenant, record

from vedette.server.ingest.otlp_json import Logs, Traces, check

if TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.message import Message

NOW = 1_790_000_000 * 10**9
VALUES: dict[str, Any] = {
    "text": 'quote " backslash \\ newline \n é', "empty": "", "none": None, "zero": 0, "min": -(2**63), "true": True,
    "false": False, "pi": 3.14159, "big": 1e300, "nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"),
    "bytes": b"\x00\xff\x10", "list": [1, "a", None, [2.5, []], {"k": [True]}], "map": {"a": {"b": {}}, "": None},
    "nulls": [None, None], "tricky": '{"t":"s","s":"","z":0}', "key": '"value":{}', "fake": '"stringValue":"x"',
}  # fmt: skip


def every_trace_field() -> Message:
    span = Span(
        trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8, trace_state="a=b", flags=257, name="GET /",
        kind=3, start_time_unix_nano=NOW, end_time_unix_nano=NOW + 10**6, attributes=key_values(VALUES),
        dropped_attributes_count=1, dropped_events_count=2, dropped_links_count=3, status=Status(code=2, message="no"),
    )  # fmt: skip
    for name in ("one", "two"):
        span.events.add(time_unix_nano=NOW + 5, name=name, attributes=key_values(VALUES))
    span.links.add(trace_id=b"l" * 16, span_id=b"k" * 8, trace_state="c=d", attributes=key_values(VALUES))
    request = traces(span, Span(), resource={"service.name": "shop", "list": ["x"]}, scope=VALUES)
    part = request.resource_spans[0]
    part.schema_url, part.scope_spans[0].schema_url = "https://r", "https://s"
    part.scope_spans[0].scope.name, part.scope_spans[0].scope.version = "http", "1"
    part.resource.dropped_attributes_count = 4
    request.resource_spans.add().scope_spans.add().spans.add(name="without a resource")
    return request


def every_log_field() -> Message:
    lines = [
        LogRecord(
            time_unix_nano=NOW, observed_time_unix_nano=NOW + 3, severity_number=9, severity_text="INFO", flags=1,
            trace_id=b"t" * 16, span_id=b"s" * 8, event_name="e", attributes=key_values(VALUES), body=any_value(body),
            dropped_attributes_count=2,
        )
        for body in VALUES.values()
    ]  # fmt: skip
    return logs(*lines, LogRecord())


@pytest.mark.parametrize(
    ("kind", "make", "signal", "table"),
    [(Traces, every_trace_field, "otlp_traces", "spans"), (Logs, every_log_field, "otlp_logs", "logs")],
)
async def test_json_and_protobuf_leave_the_same_rows(
    tenant: Tenant, kind: Any, make: Any, signal: str, table: str
) -> None:
    request = make()
    json_tenant = Tenant(tenant.database, f"{tenant.name}json")
    await tenant.load(signal, request)
    _, canonical = check(kind, otlp_json(request))
    await json_tenant.load_json(f"{signal}_json", canonical)
    columns = "* EXCEPT (tenant) APPLY toString"
    by_protobuf = await tenant.rows(columns, table, "ORDER BY ALL")
    assert len(by_protobuf) > 1
    assert await json_tenant.rows(columns, table, "ORDER BY ALL") == by_protobuf


async def test_json_as_clients_write_it(tenant: Tenant) -> None:
    body = {
        "resourceSpans": [{"unknown": [1], "scopeSpans": [{"spans": [{
            "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "name": "a", "kind": 2,
            "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000, "more": {},
            "attributes": [{"key": "n", "value": {"intValue": "9007199254740993"}}, {"key": "m", "value": {"intValue": 3}},
                           {"key": "d", "value": {"doubleValue": 5}}, {"key": "x", "value": {"doubleValue": "NaN"}}],
        }]}]}]
    }  # fmt: skip
    _, canonical = check(Traces, json.dumps(body).encode())
    await tenant.load_json("otlp_traces_json", canonical)
    row = await tenant.one(
        "hex(trace_id) AS t, hex(span_id) AS s, duration_ns, kind, attributes, attribute_types", "spans"
    )
    assert (row["t"], row["s"]) == ("5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174")
    assert (row["duration_ns"], row["kind"]) == (10**9, "server")
    assert row["attributes"] == {"n": "9007199254740993", "m": "3", "d": "5", "x": "nan"}
    assert row["attribute_types"] == {"n": "int", "m": "int", "d": "double", "x": "double"}


# Pieces that the functions which make JSON look for, so that examples hold what could confuse them.
_pieces = st.sampled_from(
    ['"', "\\", '","z":0}', '{"k":', '"v":', ',"v":', "k", "z", "s", '{"t":"a"', '],"z":0},"s":"","z":0}', '":0,', "\n\0é", '\\"', "[]", "{}"]
)  # fmt: skip
_text = st.lists(_pieces, max_size=3).map("".join) | st.text(st.characters(codec="utf-8"), max_size=8)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text
)


def _nested(depth: int) -> st.SearchStrategy[Any]:
    if depth == 0:
        return _scalars
    inner = _nested(depth - 1)
    return _scalars | st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(_nested(2), min_size=1, max_size=30))
def test_nested_values_are_the_json_that_they_mean(schema_folder: Path, values: list[Any]) -> None:
    request = logs(*[LogRecord(time_unix_nano=i + 1, body=any_value([value])) for i, value in enumerate(values)])
    tenant = f"h{hash(json.dumps(values)) % 10**15}"
    sql = f"SELECT body FROM vedette.logs WHERE tenant = '{tenant}' ORDER BY time LIMIT {len(values)}"

    async def load() -> list[str]:
        shared = EngineProcess(schema_folder)
        try:
            await shared.load("otlp_logs", record(request, tenant), tenant)
            return [row["body"] for row in await shared.rows(sql)]
        finally:
            await shared.engine.close()

    # Python keeps every digit of an integer, so that a large double which is written without a point must be rounded again.
    assert [json.loads(text, parse_int=float) for text in asyncio.run(load())] == [
        json.loads(json.dumps([as_json(value)]), parse_int=float) for value in values
    ]
