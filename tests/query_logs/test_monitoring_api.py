"""The older monitoring API, in and out through the platform."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from log_lines import NS, Line, recent

PREFIX = "/api/v1/monitoring"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def post(tenant, path: str, document: Any) -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return tenant.platform.request(
        f"{PREFIX}{path}", body, method="POST", headers={**tenant.headers, "content-type": "application/json"}
    )


def test_lines_that_are_sent_can_be_searched(tenant) -> None:
    at = recent()
    stamp = datetime.fromtimestamp(at / NS, UTC).isoformat()
    line = {
        "timestamp": stamp,
        "level": "ERROR",
        "message": "card declined",
        "service": "checkout",
        "trace_id": TRACE,
        "span_id": "00f067aa0ba902b7",
        "attributes": {
            "order": 4711,
            "big": 2**53 + 1,
            "huge": 2**70,
            "share": 0.5,
            "ok": False,
            "tags": ["a", {"b": None}],
        },
        "logger": "shop.orders",
    }
    answer = post(tenant, "/logs", line)
    assert (answer.status, answer.json()) == (202, {"accepted": 1})
    tenant.wait(1)
    found = tenant.json(f"{PREFIX}/logs/search", query="declined")
    assert (found["total"], found["page"], found["size"]) == (1, 1, 50)
    assert found["logs"] == [
        {
            "timestamp": stamp.replace("+00:00", ".000000000Z"),
            "level": "error",
            "message": "card declined",
            "service": "checkout",
            "trace_id": TRACE,
            "span_id": "00f067aa0ba902b7",
            "attributes": {
                "logger": "shop.orders",
                "order": 4711,
                "big": 2**53 + 1,
                "huge": float(2**70),
                "share": 0.5,
                "ok": False,
                "tags": ["a", {"b": None}],
            },
        }
    ]
    (same,) = tenant.search("logger:shop.orders severity:error order:>4000")
    assert same["severity_text"] == "ERROR"
    assert same["scope"]["name"] == "vedette.monitoring"


@pytest.mark.parametrize(
    "stamp",
    [None, 1_782_907_200, 1_782_907_200.5, 1_782_907_200_123, 1_782_907_200_123_456_789, "2026-07-01T12:00:00Z"],
)
def test_times_of_many_spellings_are_read(tenant, stamp) -> None:
    before = time.time_ns()
    assert post(tenant, "/logs", [{"message": "x", "timestamp": stamp}]).status == 202
    tenant.wait(1)
    (line,) = tenant.search("x", **{"from": "2026-01-01", "to": "2100-01-01"})
    if stamp is None:
        seconds = datetime.fromisoformat(line["time"][:19] + "+00:00").timestamp()
        assert before // NS <= seconds <= time.time()
    elif stamp == 1_782_907_200_123_456_789:
        assert line["time"] == "2026-07-01T12:00:00.123456789Z"
    else:
        assert line["time"].startswith("2026-07-01T12:00:00")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "message"),
        ([{"message": "x"}, {"message": 1}], "message"),
        ({"message": "x", "trace_id": "zz"}, "trace_id"),
        ({"message": "x", "timestamp": "soon"}, "[0].timestamp"),
        ([{"message": "x"}, {"message": "x", "timestamp": -1}], "[1].timestamp"),
        (b"{", ""),
        (b"[" * 100_000, ""),
        (b'{"message": "x", "attributes": {"a": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}", ""),
        (b'{"message": "\xff"}', ""),
    ],
)
def test_what_is_no_line_is_refused(tenant, document, words: str) -> None:
    answer = post(tenant, "/logs", document)
    assert answer.status == 400, answer.body
    assert words in answer.json()["detail"]


def test_half_a_surrogate_pair_is_kept_as_a_mark(tenant) -> None:
    assert post(tenant, "/logs", b'{"message": "a\\ud800b"}').status == 202
    tenant.wait(1)
    assert tenant.bodies()[0].startswith("a")


def test_too_many_items_are_refused(tenant) -> None:
    answer = post(tenant, "/logs", [{"message": "x"}] * 1_001)
    assert answer.status == 413
    assert "1,000" in answer.json()["detail"]


def test_pages_by_number_show_each_line_once(tenant) -> None:
    at = recent()
    tenant.send(*(Line(f"n{number}", at + number % 3, severity="warn") for number in range(10)), Line("x", at))
    seen = []
    for page in (1, 2, 3):
        found = tenant.json(f"{PREFIX}/logs/search", level="WARNING", service="shop", page=page, size=4)
        assert found["total"] == 10
        seen += [line["message"] for line in found["logs"]]
    assert sorted(seen) == sorted(f"n{number}" for number in range(10))
    assert tenant.json(f"{PREFIX}/logs/search", service="nobody")["logs"] == []
    assert "10,000" in tenant.refused(f"{PREFIX}/logs/search", page=201, size=50)["detail"]
    tenant.refused(f"{PREFIX}/logs/search", level='x" OR *:*')


def test_statistics_count_everything_once(tenant) -> None:
    hour = 3600 * NS
    start = recent() // hour * hour - 5 * hour
    tenant.send(
        Line("a", start, severity="error", service="one"),
        Line("b", start + 1, severity="info", service="one"),
        Line("c", start + 2 * hour, severity="info", service="two"),
    )
    found = tenant.json(f"{PREFIX}/logs/statistics")
    stamps = [datetime.fromtimestamp((start + n * hour) / NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for n in (0, 2)]
    assert found == {
        "total": 3,
        "by_level": {"info": 2, "error": 1},
        "by_service": {"one": 2, "two": 1},
        "by_hour": [{"hour": stamps[0], "count": 2}, {"hour": stamps[1], "count": 1}],
    }
    assert tenant.json(f"{PREFIX}/logs/statistics", query="severity:error")["by_service"] == {"one": 1}


def test_spans_that_are_sent_can_be_searched_and_show_in_the_overview(tenant) -> None:
    at = recent()
    span = {
        "name": "POST /cart",
        "trace_id": TRACE,
        "service": "gateway",
        "kind": "server",
        "start_time": at,
        "duration_ms": 12.5,
        "status": "error",
        "status_message": "declined",
        "attributes": {"http.response.status_code": 502},
    }
    child = {**span, "operation": "charge", "kind": "client", "status": "ok", "parent_span_id": "1" * 16}
    child.pop("name")
    assert post(tenant, "/traces", [span, child]).json() == {"accepted": 2}
    tenant.send(Line("all is lost", at, severity="fatal"), Line("fine", at))
    while not (found := tenant.json(f"{PREFIX}/traces", service="gateway", min_duration="10ms"))["traces"]:
        time.sleep(0.1)
    assert found["traces"][0]["trace_id"] == TRACE
    assert tenant.json(f"{PREFIX}/traces", service="nobody")["traces"] == []
    # The spans come first, what views make of them a moment later.
    while True:
        overview = tenant.json(f"{PREFIX}/dashboard/overview")
        if overview["services"] and overview["logs"]["total"] == len(overview["volume"]) == 2:
            break
        time.sleep(0.1)
    assert overview["services"] == [{"name": "gateway", "spans": 2, "errors": 1, "error_rate": 0.5}]
    assert (overview["spans"], overview["error_rate"]) == (2, 0.5)
    assert overview["logs"] == {"total": 2, "by_level": {"fatal": 1, "info": 1}}
    assert [line["body"] for line in overview["newest_errors"]] == ["all is lost"]
    assert {part["signal"]: part["rows"] for part in overview["volume"]} == {"traces": 2, "logs": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trace_id": "1"}, "trace_id"),
        ({"kind": "robot"}, "kind"),
        ({"status": "bad"}, "status"),
        ({"duration_ms": -1}, "duration_ms"),
        ({"start_time": "2026-07-02", "end_time": "2026-07-01"}, "before its start_time"),
    ],
)
def test_what_is_no_span_is_refused(tenant, change: dict[str, Any], words: str) -> None:
    answer = post(tenant, "/traces", {"name": "x", "trace_id": TRACE, **change})
    assert answer.status == 400
    assert words in answer.json()["detail"]


def test_refusals_show_in_the_ledger_and_kept_rows_in_usage(tenant) -> None:
    assert tenant.platform.otlp("logs", b"\xff\xff\xff", X_Scope_OrgID=tenant.name).status == 400
    tenant.send(Line("kept", recent(1)))
    while not (found := tenant.json("/api/v1/ledger"))["totals"]:
        time.sleep(0.1)
    (total,) = found["totals"]
    assert (total["signal"], total["reason"]) == ("logs", "invalid_input")
    assert total["count"] >= 1
    (entry,) = found["entries"]
    assert entry["detail"]
    assert entry["time"].endswith("Z")
    assert tenant.json("/api/v1/ledger", signal="traces")["totals"] == []
    assert tenant.json("/api/v1/ledger", reason="other")["entries"] == []
    assert tenant.json("/api/v1/ledger", signal="logs", reason="invalid_input")["entries"] == [entry]
    usage = tenant.json("/api/v1/usage")["usage"]
    assert [(part["signal"], part["rows"]) for part in usage] == [("logs", 1)]
    assert usage[0]["bytes"] > 0
    assert tenant.json("/api/v1/usage", signal="metrics")["usage"] == []


def test_ledger_and_usage_are_the_tenants_own(make_tenant) -> None:
    mine, other = make_tenant(), make_tenant()
    mine.platform.otlp("logs", b"\xff", X_Scope_OrgID=mine.name)
    mine.send(Line("kept", recent(1)))
    while not mine.json("/api/v1/ledger")["totals"]:
        time.sleep(0.1)
    assert other.json("/api/v1/ledger") == {"totals": [], "entries": []}
    assert other.json("/api/v1/usage") == {"usage": []}
