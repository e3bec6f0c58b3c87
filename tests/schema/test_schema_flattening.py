"""Everything that OTLP can say of a span or a log record is in the tables, and nothing in it can refuse a segment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_values import any_value, key_values, logs, traces

if TYPE_CHECKING:
    from schema_engine import Tenant

NOW = 1_790_000_000 * 10**9
TRACE, SPAN, PARENT = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))
HEX_IDS = "hex(trace_id) AS trace_id, hex(span_id) AS span_id, hex(parent_span_id) AS parent_span_id"


def a_span(**fields: object) -> Span:
    known = {"trace_id": TRACE, "span_id": SPAN, "start_time_unix_nano": NOW, "end_time_unix_nano": NOW + 5}
    return Span(**(known | fields))


async def test_every_field_of_a_span(tenant: Tenant) -> None:
    span = a_span(
        parent_span_id=PARENT, trace_state="a=b", flags=0x301, name="GET /", kind=2, dropped_attributes_count=1,
        dropped_events_count=2, dropped_links_count=3, status=Status(code=2, message="no"),
        attributes=key_values({"s": "x", "i": -7, "d": 1.5, "b": True, "y": b"\xff\x00", "l": [1, "a"], "m": {"k": None}}),
    )  # fmt: skip
    span.events.add(time_unix_nano=NOW + 1, name="exception", attributes=key_values({"exception.type": "E", "n": 1}))
    span.links.add(trace_id=TRACE, span_id=PARENT, trace_state="c=d", attributes=key_values({"why": "retry"}))
    request = traces(span, resource={"service.name": "shop", "process.pid": 3}, scope={"part": 1})
    resource = request.resource_spans[0]
    resource.schema_url, resource.scope_spans[0].schema_url = "https://r", "https://s"
    resource.scope_spans[0].scope.name, resource.scope_spans[0].scope.version = "http", "1.2"
    resource.resource.dropped_attributes_count = 4
    resource.scope_spans[0].scope.dropped_attributes_count = 5
    await tenant.load("otlp_traces", request)

    row = await tenant.one(f"* EXCEPT (ids), {HEX_IDS}", "spans")
    assert row["time"] == "2026-09-21 14:13:20.000000000"
    assert (row["trace_id"], row["span_id"]) == (TRACE.hex().upper(), SPAN.hex().upper())
    assert row["parent_span_id"] == PARENT.hex().upper()
    assert (row["trace_state"], row["flags"], row["name"], row["kind"]) == ("a=b", 0x301, "GET /", "server")
    assert (row["service"], row["duration_ns"], row["status"], row["status_message"]) == ("shop", 5, "error", "no")
    assert row["attributes"] == {
        "s": "x", "i": "-7", "d": "1.5", "b": "true", "y": "/wA=", "l": '[1,"a"]', "m": '{"k":null}',
    }  # fmt: skip
    types = {"i": "int", "d": "double", "b": "bool", "y": "bytes", "l": "json", "m": "json"}
    assert row["attribute_types"] == types
    assert json.loads(row["resource"]) == {
        "service.name": "shop", "process.pid": 3, "schema_url": "https://r", "dropped_attributes_count": 4,
    }  # fmt: skip
    assert json.loads(row["scope"]) == {
        "name": "http", "version": "1.2", "attributes": {"part": 1}, "schema_url": "https://s",
        "dropped_attributes_count": 5,
    }  # fmt: skip
    assert row["events.time"] == ["2026-09-21 14:13:20.000000001"]
    assert row["events.name"] == ["exception"]
    assert [json.loads(text) for text in row["events.attributes"]] == [{"exception.type": "E", "n": 1}]
    assert row["links.trace_state"] == ["c=d"]
    assert row["links.attributes"] == ['{"why":"retry"}']
    assert (await tenant.one("hex(links.trace_id[1]) AS a, hex(links.span_id[1]) AS b", "spans")) == {
        "a": TRACE.hex().upper(),
        "b": PARENT.hex().upper(),
    }
    assert (row["dropped_attributes"], row["dropped_events"], row["dropped_links"]) == (1, 2, 3)


async def test_every_field_of_a_log_record(tenant: Tenant) -> None:
    line = LogRecord(
        time_unix_nano=NOW, observed_time_unix_nano=NOW + 1, severity_number=17, severity_text="ERR", trace_id=TRACE,
        span_id=SPAN, flags=1, event_name="order.failed", body=any_value("no such order"), dropped_attributes_count=2,
        attributes=key_values({"order": 5}),
    )  # fmt: skip
    await tenant.load("otlp_logs", logs(line))
    row = await tenant.one("*, observed_time, hex(trace_id) AS trace, hex(span_id) AS span", "logs")
    assert row["time"] == "2026-09-21 14:13:20.000000000"
    assert row["observed_time"] == "2026-09-21 14:13:20.000000001"
    assert (row["trace"], row["span"], row["flags"]) == (TRACE.hex().upper(), SPAN.hex().upper(), 1)
    assert (row["severity_number"], row["severity"], row["severity_text"]) == (17, "error", "ERR")
    assert (row["service"], row["event_name"], row["dropped_attributes"]) == ("shop", "order.failed", 2)
    assert (row["body"], row["body_type"]) == ("no such order", "string")
    assert (row["attributes"], row["attribute_types"]) == ({"order": "5"}, {"order": "int"})


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        ({"a": [1, {"b": "c"}]}, '{"a":[1,{"b":"c"}]}', "json"),
        (["x"], '["x"]', "json"),
        (5, "5", "int"),
        (2.5, "2.5", "double"),
        (True, "true", "bool"),
        (b"\x00\xff", "AP8=", "bytes"),
        ("", "", "string"),
    ],
)
async def test_bodies_of_every_type(tenant: Tenant, value: object, text: str, kind: str) -> None:
    await tenant.load("otlp_logs", logs(LogRecord(time_unix_nano=NOW, body=any_value(value))))
    assert await tenant.one("body, body_type", "logs") == {"body": text, "body_type": kind}


@pytest.mark.parametrize(
    ("number", "text", "level"),
    [
        (1, "", "trace"), (5, "", "debug"), (12, "", "info"), (13, "", "warn"), (20, "", "error"), (24, "", "fatal"),
        (0, "WARNING", "warn"), (0, " critical ", "fatal"), (0, "Notice", "info"), (0, "odd", "unset"), (0, "", "unset"),
        (99, "error", "error"), (-1, "", "unset"),
    ],
)  # fmt: skip
async def test_severity_is_the_number_or_else_the_text(tenant: Tenant, number: int, text: str, level: str) -> None:
    line = LogRecord(time_unix_nano=NOW, severity_text=text)
    # The class refuses what the wire allows, so an unknown number is written by hand.
    raw = line.SerializeToString() + (b"\x10" + varint(number) if number else b"")
    await tenant.load("otlp_logs", wrap_record(raw))
    assert (await tenant.one("severity", "logs"))["severity"] == level


async def test_a_log_record_without_times_has_that_of_observation_or_receipt(tenant: Tenant) -> None:
    await tenant.load("otlp_logs", logs(LogRecord(observed_time_unix_nano=NOW + 7), LogRecord()), received_ns=NOW + 9)
    rows = await tenant.rows(
        "toUnixTimestamp64Nano(time) AS t, toUnixTimestamp64Nano(observed_time) AS o", "logs", "ORDER BY t"
    )
    assert rows == [{"t": NOW + 7, "o": NOW + 7}, {"t": NOW + 9, "o": NOW + 9}]


async def test_an_exception_is_found_as_span_event_and_as_log_record(tenant: Tenant) -> None:
    span = a_span()
    span.events.add(name="exception", attributes=key_values({"exception.type": "Declined"}))
    attributes = key_values({"exception.type": "Declined", "exception.stacktrace": "Traceback"})
    await tenant.load("otlp_traces", traces(span))
    await tenant.load("otlp_logs", logs(LogRecord(time_unix_nano=NOW, trace_id=TRACE, attributes=attributes)))
    found = "JSONExtractString(events.attributes[indexOf(events.name, 'exception')], 'exception.type') AS kind"
    assert (await tenant.one(found, "spans"))["kind"] == "Declined"
    assert (await tenant.one("attributes['exception.type'] AS kind", "logs"))["kind"] == "Declined"


@pytest.mark.parametrize("name", [{}, {"service.name": ""}, {"service.name": 5}])
async def test_without_a_name_the_service_is_unknown(tenant: Tenant, name: dict[str, object]) -> None:
    await tenant.load("otlp_traces", traces(a_span(), resource=name))
    assert (await tenant.one("service", "spans"))["service"] == "unknown_service"


@pytest.mark.parametrize(
    ("start", "end", "time_ns", "duration"),
    [
        (0, 0, NOW + 3, 0),
        (0, 10, NOW + 3, 0),
        (NOW, NOW - 1, NOW, 0),
        (1, 2, 1, 1),
        (2**63, 2**64 - 1, 2**63 - 1, 2**63 - 1),
        (2**64 - 1, 2**64 - 1, 2**63 - 1, 0),
        (1, 2**64 - 1, 1, 2**64 - 2),
    ],
)
async def test_times_of_any_size(tenant: Tenant, start: int, end: int, time_ns: int, duration: int) -> None:
    span = a_span(start_time_unix_nano=start, end_time_unix_nano=end)
    await tenant.load("otlp_traces", traces(span), received_ns=NOW + 3)
    row = await tenant.one("toUnixTimestamp64Nano(time) AS t, duration_ns", "spans")
    assert row == {"t": time_ns, "duration_ns": duration}
    assert (await tenant.one("sum(count) AS n", "red_minute"))["n"] == 1
    assert (await tenant.one("min(start) <= max(end) AS ok", "trace_index"))["ok"] == 1


async def test_timestamps_all_over_the_calendar_open_few_partitions(tenant: Tenant) -> None:
    spans = [a_span(start_time_unix_nano=i * 10**15, end_time_unix_nano=i * 10**15 + 1) for i in range(1, 9_220, 3)]
    await tenant.load("otlp_traces", traces(*spans))
    row = await tenant.one(
        "count() AS n, uniqExact(_partition_id) AS partitions, uniqExact(toDate32(time)) AS days", "spans"
    )
    assert row["n"] == len(spans)
    assert row["days"] > 3_000
    assert row["partitions"] < 100
    for table in ("trace_index", "red_minute", "usage_hour"):
        assert (await tenant.one("uniqExact(_partition_id) AS partitions", table))["partitions"] < 100


async def test_a_month_of_days_has_a_partition_each(tenant: Tenant) -> None:
    day = 86_400 * 10**9
    await tenant.load("otlp_traces", traces(*[a_span(start_time_unix_nano=NOW - i * day) for i in range(31)]))
    rows = await tenant.rows(
        "toString(toDate(time)) AS d, toString(any(day)) AS p, count() AS n", "spans", "GROUP BY d"
    )
    assert len(rows) == 31
    assert all(row["d"] == row["p"] for row in rows)


@pytest.mark.parametrize("length", [0, 1, 7, 9, 15, 17, 300])
async def test_ids_of_any_length(tenant: Tenant, length: int) -> None:
    span = a_span(trace_id=b"\xab" * length, span_id=b"\xcd" * length, parent_span_id=b"\xef" * length)
    span.links.add(trace_id=b"\xab" * length, span_id=b"\xcd" * length)
    await tenant.load("otlp_traces", traces(span))
    row = await tenant.one(HEX_IDS, "spans")
    assert row["trace_id"] == ("AB" * length)[:32].ljust(32, "0")
    assert row["span_id"] == ("CD" * length)[:16].ljust(16, "0")
    assert row["parent_span_id"] == ("EF" * length)[:16].ljust(16, "0")


async def test_enums_that_do_not_exist_are_the_first_one(tenant: Tenant) -> None:
    raw = a_span().SerializeToString() + b"\x30" + varint(77) + b"\x7a\x02\x18\x09"
    negative = a_span().SerializeToString() + b"\x30" + varint(-5)
    await tenant.load("otlp_traces", wrap_span(raw), wrap_span(negative))
    assert await tenant.rows("kind, status", "spans") == [{"kind": "unspecified", "status": "unset"}] * 2


async def test_text_that_is_not_utf8_and_control_characters(tenant: Tenant) -> None:
    bad = b"\xff\xfe\x00\x1b'\"\\"
    pair = b"\x0a" + varint(len(bad)) + bad + b"\x12" + varint(len(bad) + 2) + b"\x0a" + varint(len(bad)) + bad
    raw = a_span().SerializeToString() + b"\x2a" + varint(len(bad)) + bad + b"\x4a" + varint(len(pair)) + pair
    event = b"\x12" + varint(len(bad)) + bad + b"\x1a" + varint(len(pair)) + pair
    raw += b"\x5a" + varint(len(event)) + event
    await tenant.load("otlp_traces", wrap_span(raw))
    row = await tenant.one("hex(name) AS n, hex(mapKeys(attributes)[1]) AS k, hex(mapValues(attributes)[1]) AS v, isValidJSON(events.attributes[1]) AS ok", "spans")  # fmt: skip
    assert row == {"n": bad.hex().upper(), "k": bad.hex().upper(), "v": bad.hex().upper(), "ok": 1}


async def test_a_key_that_comes_twice_is_kept_twice(tenant: Tenant) -> None:
    span = a_span(attributes=[*key_values({"k": "first"}), *key_values({"k": 2})])
    await tenant.load("otlp_traces", traces(span))
    assert await tenant.one("mapKeys(attributes) AS k, mapValues(attributes) AS v, attributes['k'] AS first", "spans") == {
        "k": ["k", "k"], "v": ["first", "2"], "first": "first",
    }  # fmt: skip


async def test_a_hundred_thousand_attributes(tenant: Tenant) -> None:
    span = a_span(attributes=key_values({f"key.{i}": i for i in range(100_000)}))
    await tenant.load("otlp_traces", traces(span))
    row = await tenant.one(
        "length(attributes) AS n, attributes['key.99999'] AS last, length(attribute_types) AS t", "spans"
    )
    assert row == {"n": 100_000, "last": "99999", "t": 100_000}


async def test_nesting_of_any_depth_is_taken(tenant: Tenant) -> None:
    deep: object = "bottom"
    for _ in range(15):
        deep = [deep]
    deep_map: object = "bottom"
    for _ in range(15):
        deep_map = {"k": deep_map}
    attributes = key_values({"list": deep, "map": deep_map})
    await tenant.load("otlp_traces", traces(a_span(attributes=attributes), resource={"list": deep, "map": deep_map}))
    row = await tenant.one("attributes, resource", "spans")
    assert row["attributes"]["list"].startswith('[[["')
    assert "bottom" in row["attributes"]["list"]
    assert "bottom" in row["attributes"]["map"]
    assert set(json.loads(row["resource"])) == {"list", "map"}


async def test_the_tenant_that_a_client_writes_is_overruled(tenant: Tenant) -> None:
    forged = traces(a_span()).SerializeToString() + b"\xc2\x3e\x05other"
    await tenant.load("otlp_traces", forged)
    assert (await tenant.one("count() AS n", "spans"))["n"] == 1


async def test_requests_without_rows(tenant: Tenant) -> None:
    await tenant.load("otlp_traces", traces(), b"")
    await tenant.load("otlp_logs", logs(), b"")
    assert (await tenant.one("count() AS n", "spans"))["n"] == 0


def varint(number: int) -> bytes:
    from google.protobuf.internal.encoder import _VarintBytes  # noqa: PLC0415 - only here

    return _VarintBytes(number % 2**64)


def wrap(raw: bytes, *fields: bytes) -> bytes:
    for tag in fields:
        raw = tag + varint(len(raw)) + raw
    return raw


def wrap_span(raw: bytes) -> bytes:
    """A request of one span that is given as bytes."""
    return wrap(raw, b"\x12", b"\x12", b"\x0a")


def wrap_record(raw: bytes) -> bytes:
    """A request of one log record that is given as bytes."""
    return wrap(raw, b"\x12", b"\x12", b"\x0a")
