"""Searching log lines by the public API of a running platform."""

from __future__ import annotations

import json
import random
from itertools import pairwise, permutations

import pytest
from log_lines import NS, Line, any_value, recent, request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {
    "int": 9_007_199_254_740_993,
    "negative": -(2**63),
    "double": 1.5,
    "whole": 2.0,
    "nan": float("nan"),
    "inf": float("-inf"),
    "bool": False,
    "text": "500",
    "list": ["a", 1, [True]],
    "map": {"k": {"n": 1}},
    "bytes": b"\x00\xff",
    "nothing": None,
    'quo"te': "\\",
}


def test_a_line_comes_back_with_all_its_types(tenant) -> None:
    at = recent() + 123_456_789
    tenant.send(
        Line(
            'card "declined"\n\x1b[31m\u202e é',
            at,
            severity="error",
            severity_text="ERR",
            service="checkout",
            attributes=SENT,
            resource={"host.cpu": 4, "host.name": "web-1"},
            trace_id=TRACE,
            span_id="00f067aa0ba902b7",
            event_name="card.declined",
            observed=at + 5,
        )
    )
    (line,) = tenant.search()
    identity = line.pop("id")
    assert identity
    stamp = line.pop("time")
    assert stamp.endswith(".123456789Z")
    assert line.pop("observed_time") == stamp[:-4] + "794Z"
    assert line == {
        "severity": "error",
        "severity_number": 17,
        "severity_text": "ERR",
        "service": "checkout",
        "body": 'card "declined"\n\x1b[31m\u202e é',
        "event_name": "card.declined",
        "trace_id": TRACE,
        "span_id": "00f067aa0ba902b7",
        "flags": 0,
        "attributes": SENT | {"nan": "NaN", "inf": "-Infinity", "bytes": "AP8="},
        "resource": {"service.name": "checkout", "host.cpu": 4, "host.name": "web-1"},
        "scope": {"name": "test", "version": "1.0", "attributes": {}},
        "dropped_attributes": 0,
    }
    assert isinstance(line["attributes"]["whole"], float)


def test_keys_that_come_twice_leave_the_page_readable(tenant) -> None:
    message = request([Line("twice", recent())])
    sent = ExportLogsServiceRequest.FromString(message)
    values = ["plain\ntext", "5 apples", "007", "1\n", "{oops", "nan", 7, 2.5, float("nan"), True, b"\x00", ["a"], None]
    for first, second in permutations(values, 2):
        name = f"{type(first).__name__} {first!r}, {type(second).__name__} {second!r}"
        sent.resource_logs[0].scope_logs[0].log_records[0].attributes.extend(
            KeyValue(key=name, value=any_value(value)) for value in (first, second)
        )
    tenant.export(sent.SerializeToString())
    [line] = tenant.search()
    assert line["attributes"]["int 7, str '5 apples'"] == "5 apples"
    assert line["attributes"]["str '5 apples', int 7"] == 7


def test_bodies_keep_their_types(tenant) -> None:
    at = recent()
    bodies = [{"a": [1, "x"]}, [1, 2.5], 7, 2.0, True, "text", ""]
    tenant.send(*(Line(body, at + index) for index, body in enumerate(bodies)))
    found = tenant.bodies(order="oldest")
    assert found == bodies
    assert [type(body) for body in found] == [type(body) for body in bodies]


LINES = {
    "declined": Line(
        "Payment DECLINED for user-12: no funds",
        1,
        severity="error",
        service="pay",
        attributes={"code": 502, "share": 1.5, "ratio": 1e3, "route": "/cart/{id}"},
    ),
    "accepted": Line(
        "payment accepted for user-123", 2, service="pay", attributes={"code": 200, "share": "1.5", "flag": True}
    ),
    "refused": Line(
        "connection refused by peer; refused connection",
        3,
        severity="warn",
        service="net",
        attributes={"code": "503"},
        resource={"host.name": "web-1", "host.cpu": 4},
    ),
    "paying": Line(
        "paying a lot: (50%) C:\\temp_1 *star*",
        4,
        severity="debug",
        service="pay-2",
        trace_id=TRACE,
        attributes={"path": "a:b", "empty": "", "tags": ["x", 1]},
    ),
    "umlaut": Line(
        "Überweisung von Zoë naïve", 5, severity="fatal", severity_text="FATALITY", event_name="bank.transfer"
    ),
    "json": Line(
        {"message": "payment in json", "n": 1}, 6, severity="unset", attributes={"big": 9_007_199_254_740_993}
    ),
}


@pytest.fixture(scope="module")
def shop(shared_platform):
    from log_lines import Tenant  # noqa: PLC0415 - the path is set by pytest

    tenant = Tenant(shared_platform, "logs-shop")
    base = recent()
    for line in LINES.values():
        line.time += base
    tenant.send(*LINES.values())
    return tenant


ALL = set(LINES)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL),
        ("*", ALL),
        ("*:*", ALL),
        ("payment", {"declined", "accepted", "json"}),
        ("PAYMENT declined", {"declined"}),
        ("pay", set()),
        ("payment OR paying", {"declined", "accepted", "json", "paying"}),
        ("payment NOT declined", {"accepted", "json"}),
        ("payment -user-12", {"accepted", "json"}),
        ("+payment -accepted", {"declined", "json"}),
        ('"connection refused"', {"refused"}),
        ('"refused connection"', {"refused"}),
        ('"peer connection"', set()),
        ('"payment for"', set()),
        ("user-12", {"declined"}),
        ("user-12*", {"declined", "accepted"}),
        ("user", {"declined", "accepted"}),
        ("pay*", {"declined", "accepted", "paying", "json"}),
        ("*ment", {"declined", "accepted", "json"}),
        ("p?er", {"refused"}),
        ("p*r", {"refused"}),
        ("?", {"paying", "json"}),
        (r"c\:\\temp_1", {"paying"}),
        ('"C:\\\\temp_1"', {"paying"}),
        ('"(50%)"', {"paying"}),
        ('"%)"', {"paying"}),
        (r"\*star\*", {"paying"}),
        ("überweisung", set()),
        ("Überweisung", {"umlaut"}),
        ("ZOË", set()),
        ("zoë", {"umlaut"}),
        ("na?ve", {"umlaut"}),
        ("/DECLINED.*funds$/", {"declined"}),
        ("/declined/", set()),
        ("/(?i)declined|accepted/", {"declined", "accepted"}),
        ("service:pay", {"declined", "accepted"}),
        ("service:Pay", set()),
        ("service:pay*", {"declined", "accepted", "paying"}),
        ("service:/pay/", {"declined", "accepted"}),
        ("service:/pay.*/", {"declined", "accepted", "paying"}),
        ("service:(pay OR net)", {"declined", "accepted", "refused"}),
        ("service:(pay* -pay)", {"paying"}),
        ("severity:error", {"declined"}),
        ("level:WARNING", {"refused"}),
        ("severity:>=warn", {"declined", "refused", "umlaut"}),
        ("severity:<warn", {"accepted", "paying", "json"}),
        ("severity:[warn TO error]", {"declined", "refused"}),
        ("severity:{warn TO fatal}", {"declined"}),
        ("severity:unset", {"json"}),
        ("_exists_:severity", ALL - {"json"}),
        ("severity:*al", {"umlaut"}),
        ("severity_text:FATAL*", {"umlaut"}),
        ("severity_number:>=13", {"declined", "refused", "umlaut"}),
        ("code:502", {"declined"}),
        ("code:>=500", {"declined", "refused"}),
        ("code:[200 TO 502}", {"accepted"}),
        ("code:[* TO 300]", {"accepted"}),
        ("code:*", {"declined", "accepted", "refused"}),
        ("code:5*", {"declined", "refused"}),
        ("NOT code:*", {"paying", "umlaut", "json"}),
        ("-code:502", ALL - {"declined"}),
        ("NOT code:>=500", ALL - {"declined", "refused"}),
        ("share:1.5", {"declined", "accepted"}),
        ("share:1.50", {"declined"}),
        ("share:>1.4", {"declined", "accepted"}),
        ("ratio:1000", {"declined"}),
        ("ratio:1e3", {"declined"}),
        ("big:9007199254740993", {"json"}),
        ("big:9007199254740992", set()),
        ("big:>9007199254740992", {"json"}),
        ("flag:true", {"accepted"}),
        ("empty:*", {"paying"}),
        ('empty:""', {"paying"}),
        ('missing:""', set()),
        ("missing:<b", set()),
        ('route:"/cart/{id}"', {"declined"}),
        (r"route:\/cart\/\{id\}", {"declined"}),
        ("path:a\\:b", {"paying"}),
        ("path:>=a", {"paying"}),
        ("path:<a", set()),
        ("host.name:web-1", {"refused"}),
        ("resource.host.cpu:4", {"refused"}),
        ("host.cpu:>3", {"refused"}),
        ("attributes.host.cpu:4", set()),
        ("resource.host.cpu:[1 TO 3]", set()),
        ("scope:test", ALL),
        ("scope.version:2.0", set()),
        (f"trace_id:{TRACE}", {"paying"}),
        (f"trace_id:{TRACE.upper()}", {"paying"}),
        ("trace_id:4bf9*", {"paying"}),
        ("trace_id:*", {"paying"}),
        ("NOT _exists_:trace_id", ALL - {"paying"}),
        ("event_name:bank.transfer", {"umlaut"}),
        ("time:>2000-01-01", ALL),
        ("time:[* TO 2000-01-01]", set()),
        ("payment AND (code:200 OR code:502) AND NOT service:net", {"declined", "accepted"}),
        ("severity:error OR service:net pay*", {"declined"}),
    ],
)
def test_queries_find(shop, query: str, expected: set[str]) -> None:
    names = {json.dumps(line.body): name for name, line in LINES.items()}
    assert {names[json.dumps(body)] for body in shop.bodies(query)} == expected


@pytest.mark.parametrize("key", ["plain", "a/b", 'quo"te', "back\\slash", "é", "dotted.key", "k8s.pod-1"])
def test_members_of_resources_are_found_by_any_name(tenant, key: str) -> None:
    tenant.send(
        Line("yes", recent(), resource={"before": {key: "inner"}, key: "value"}),
        Line("no", recent(), resource={"before": {key: "value"}}),
    )
    name = "resource." + "".join(f"\\{c}" if c in '/"\\-' else c for c in key)
    assert tenant.bodies(f"{name}:value") == ["yes"]
    assert tenant.bodies(f"{name}:val*") == ["yes"]
    assert tenant.bodies(f"_exists_:{name}") == ["yes"]


def test_the_place_of_an_error_reaches_the_caller(tenant) -> None:
    problem = tenant.refused("/api/v1/logs", q="service:a AND severity:bad")
    assert problem["position"] == 23
    assert "no severity" in problem["detail"]


@pytest.mark.parametrize("query", ["ok AND /((/", "name:/a{2000}/", "a AND name:/[/"])
def test_an_expression_that_the_engine_does_not_take_is_the_callers_mistake(tenant, query: str) -> None:
    problem = tenant.refused("/api/v1/logs", q=query)
    assert "RE2" in problem["detail"]
    assert query[problem["position"] :].startswith(("/", "name"))


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_neither_lose_nor_repeat_lines_of_one_time(tenant, order: str) -> None:
    at = recent()
    # Many lines of one time, many that are equal in everything, and some neighbours.
    lines = [Line("same", at) for _ in range(11)]
    lines += [Line(f"other {number}", at) for number in range(9)]
    lines += [Line("same", at + number % 3) for number in range(7)]
    random.Random(7).shuffle(lines)
    tenant.send(*lines)
    for size in (1, 2, 3, 5, 8, 26, 27, 28):
        seen, cursor = [], ""
        while True:
            page = tenant.json("/api/v1/logs", order=order, limit=size, cursor=cursor)
            seen += page["logs"]
            cursor = page["next_cursor"]
            if not cursor:
                break
            assert len(page["logs"]) == size or not page["logs"]
        assert len({line["id"] for line in seen}) == len(lines) == len(seen)
        assert sorted(line["body"] for line in seen) == sorted(line.body for line in lines)
        times = [line["time"] for line in seen]
        assert times == sorted(times, reverse=order == "newest")


def test_a_page_begins_where_the_one_before_ended_though_newer_lines_came(tenant) -> None:
    at = recent()
    tenant.send(*(Line(f"line {number}", at + number) for number in range(6)))
    first = tenant.json("/api/v1/logs", limit=3)
    tenant.send(Line("newer", at + 100), Line("newest", at + 101))
    second = tenant.json("/api/v1/logs", limit=3, cursor=first["next_cursor"])
    assert [line["body"] for line in first["logs"] + second["logs"]] == [f"line {n}" for n in (5, 4, 3, 2, 1, 0)]


def test_the_newest_page_is_the_newest_whoever_asked_before_and_for_what(tenant) -> None:
    at, ranges = recent(), ({}, {"to": "now-1h"}, {"from": "now-1h"})
    kept: list[Line] = []

    def newest(limit: int, more: dict[str, str]) -> list[str]:
        return [line["body"] for line in tenant.json("/api/v1/logs", limit=limit, **more)["logs"]]

    for number, times in enumerate([(0, 1, 2), (-7, 3, 3), (-9, -8), (1, 9, 10, 11)]):
        lines = [Line(f"{number} {time}", at + time) for time in times]
        tenant.send(*lines)
        kept += lines
        expected = sorted(kept, key=lambda line: line.time, reverse=True)
        for limit in (2, 4, 50, 2):
            for more in ranges:
                bodies = newest(limit, more)
                wanted = [] if "to" in more else [line.time for line in expected[:limit]]
                assert [at + int(body.split()[1]) for body in bodies] == wanted


def test_a_flood_since_somebody_asked_hides_no_newer_line(tenant) -> None:
    """So many that the page is not simply read from where the newest lines lay."""
    at, many = recent(), 210_000

    def newest() -> list[str]:
        return [line["body"] for line in tenant.json("/api/v1/logs", limit=2)["logs"]]

    tenant.send(Line("old", at), Line("older", at - 1))
    assert newest() == ["old", "older"]
    flood = ExportLogsServiceRequest()
    flood.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=at + 1)
    (record,) = flood.resource_logs[0].scope_logs[0].log_records
    flood.resource_logs[0].scope_logs[0].log_records.extend([record] * (many - 1))
    tenant.export(flood.SerializeToString())
    tenant.send(Line("newest", at + 3), Line("newer", at + 2))
    assert newest() == ["newest", "newer"]
    assert newest() == ["newest", "newer"]


@pytest.mark.parametrize("cursor", ["x", "1-2-3", "0" * 16 + "-" + "0" * 16, "f" * 16 + "-" + "0" * 16 + "-1"])
def test_a_cursor_of_ones_own_making_is_refused(tenant, cursor: str) -> None:
    assert "unchanged" in tenant.refused("/api/v1/logs", cursor=cursor)["detail"]


def test_a_range_keeps_its_start_and_leaves_out_its_end(tenant) -> None:
    at = recent()
    tenant.send(*(Line(str(number), at + number * NS) for number in range(5)))
    found = tenant.bodies(**{"from": (at + NS) / NS, "to": (at + 3 * NS) / NS, "order": "oldest"})
    assert [str(body) for body in found] == ["1", "2"]


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 5001}, {"order": "random"}, {"from": "yesterdayish"}, {"from": "now", "to": "now-1h"}],
)
def test_parameters_that_cannot_be_are_refused(tenant, params) -> None:
    assert tenant.refused("/api/v1/logs", **params)["detail"]


def test_lines_of_a_trace_are_found_with_and_without_its_spans(tenant) -> None:
    at = recent()
    tenant.send(
        Line("in", at, trace_id=TRACE), Line("out", at), Line("in too", at + 1, trace_id=TRACE, severity="error")
    )
    path = f"/api/v1/traces/{TRACE}/logs"
    assert [line["body"] for line in tenant.json(path)["logs"]] == ["in", "in too"]
    assert [line["body"] for line in tenant.json(path, q="severity:error OR out")["logs"]] == ["in too"]
    assert [line["body"] for line in tenant.json(path, limit=1, order="newest")["logs"]] == ["in too"]
    assert tenant.json(f"/api/v1/traces/{'1' * 32}/logs")["logs"] == []
    tenant.refused("/api/v1/traces/xyz/logs")


def test_order_is_by_time_across_the_page(shop) -> None:
    lines = shop.search(order="oldest")
    assert all(a["time"] <= b["time"] for a, b in pairwise(lines))
    assert [line["id"] for line in reversed(lines)] == [line["id"] for line in shop.search()]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/logs",
        "/api/v1/logs/histogram",
        "/api/v1/logs/facets",
        "/api/v1/logs/export",
        "/api/v1/logs/fields",
        "/api/v1/logs/fields/secret/values",
        f"/api/v1/traces/{TRACE}/logs",
        "/api/v1/monitoring/logs/search",
        "/api/v1/monitoring/logs/statistics",
        "/api/v1/monitoring/dashboard/overview",
    ],
)
def test_another_tenant_sees_nothing(make_tenant, path: str) -> None:
    mine, other = make_tenant(), make_tenant()
    mine.send(Line("hush-hush", recent(), service="hidden-service", attributes={"secret": "hush-hush"}, trace_id=TRACE))
    for query in ("", "hush", "tenant:* OR hush", f'"{mine.name}" OR hush'):
        name = "query" if "monitoring" in path else "q"
        answer = other.get(path, **{name: query})
        assert answer.status == 200, answer.body
        assert b"hush-hush" not in answer.body
        assert b"hidden-service" not in answer.body
        assert b"secret" not in answer.body.replace(b'"field":"secret"', b"")


def test_anothers_line_has_no_surroundings(make_tenant) -> None:
    mine, other = make_tenant(), make_tenant()
    mine.send(Line("private", recent()))
    (line,) = mine.search()
    assert other.get("/api/v1/logs/context", id=line["id"]).status == 404
    assert other.search(cursor=line["id"]) == []
