"""Remote write as senders meet it: what is kept, what is refused, and what the answer says."""

from __future__ import annotations

import struct
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from write_requests import (
    ONE,
    PATH,
    STALE,
    TWO,
    Symbols,
    double,
    field,
    histogram,
    labels_one,
    number,
    packed,
    sample,
    series_one,
    series_two,
    varint,
)

NOW = int(time.time()) * 1000
_WRITTEN = "x-prometheus-remote-write-{}-written"


def _send(platform: Any, tenant: str, body: bytes, headers: dict[str, str] = ONE) -> Any:
    return platform.request(PATH, body, headers=headers | {"X-Scope-OrgID": tenant})


def _written(answer: Any) -> tuple[int, ...]:
    lowered = {name.lower(): value for name, value in answer.headers.items()}
    return tuple(int(lowered[_WRITTEN.format(kind)]) for kind in ("samples", "histograms", "exemplars"))


def test_version_one_is_kept_whole(shared_platform):
    labels = [("__name__", "requests_total"), ("code", "200"), ("empty", ""), ("job", "api")]
    exemplar = labels_one([("trace_id", "0af7651916cd43dd8448eb211c80319c")]) + double(2, 0.5) + number(3, NOW)
    native = {"schema": 1, "count": 9.0, "sum": 4.5, "zero_count": 2.0, "zero_threshold": 0.1}
    native |= {"positive": {-2: 3.0, 5: 1.0}, "negative": {0: 3.0}}
    metadata = field(3, number(1, 1) + field(2, b"requests_total") + field(4, b"Requests.") + field(5, b"requests"))
    body = (
        series_one(labels, (2, sample(1.5, NOW - 1000)), (2, sample(STALE, NOW)), (3, exemplar))
        + series_one([("__name__", "latency")], (4, histogram(native, NOW)))
        + metadata
    )
    answer = _send(shared_platform, "one", packed(body))
    assert (answer.status, answer.body, _written(answer)) == (204, b"", (2, 1, 1))
    shared_platform.eventually("SELECT count() FROM samples", 2, "one")
    rows = shared_platform.sql("SELECT reinterpretAsUInt64(value) AS bits FROM samples ORDER BY time", "one")
    assert [int(row["bits"]) for row in rows] == [struct.unpack("<Q", struct.pack("<d", 1.5))[0], 0x7FF0000000000002]
    [found] = shared_platform.sql("SELECT labels FROM series WHERE name = 'requests_total'", "one")
    assert found["labels"] == {"code": "200", "job": "api"}
    [found] = shared_platform.sql("SELECT * FROM histograms", "one")
    assert (found["schema"], found["count"], found["zero_count"]) == (1, 9, 2)
    assert dict(zip(found["positive_indexes"], found["positive_counts"], strict=True)) == {-2: 3, 5: 1}
    assert dict(zip(found["negative_indexes"], found["negative_counts"], strict=True)) == {0: 3}
    [found] = shared_platform.sql("SELECT trace_id, value FROM exemplars", "one")
    assert found == {"trace_id": "0af7651916cd43dd8448eb211c80319c", "value": 0.5}
    assert shared_platform.sql("SELECT * FROM metadata", "one") == [
        {"name": "requests_total", "type": "counter", "unit": "requests", "help": "Requests."}
    ]


def test_what_is_asked_of_a_few_recent_series_is_the_same_at_a_moment_and_over_a_range(shared_platform):
    """The first is answered from memory in the connection, the second by the evaluator."""
    begin, tenant = int(time.time()) * 1000 - 300_000, "few"
    series = b"".join(
        series_one(
            [("__name__", "hits_total"), ("job", job), ("path", path)],
            *((2, sample(float(i * i % 97 * weight), begin + i * 15_000)) for i in range(20)),
        )
        for weight, (job, path) in enumerate([("a", "/"), ("a", "/x"), ("b", "/")], 1)
    )
    assert _send(shared_platform, tenant, packed(series)).status == 204
    shared_platform.eventually("SELECT count() FROM samples", 60, tenant)
    at = begin / 1000 + 290

    def ask(path: str, **form: Any) -> Any:
        answer = shared_platform.request(
            f"/prometheus/api/v1/{path}?{urlencode(form)}", headers={"X-Scope-OrgID": tenant}
        )
        return answer.json() | {"status": answer.status}

    for query in (
        "hits_total",
        "sum by (job) (rate(hits_total[2m])) > 1",
        "max(increase(hits_total[4m])) / min(hits_total)",
        "hits_total{path!='/'} == bool 3",
        "missing",
        "rate({job='a'}[2m])",
        "sum(",
        "avg_over_time(hits_total[0s])",
    ):
        for _ in range(2):  # the second time its samples are in memory
            one = ask("query", query=query, time=at)
        many = ask("query_range", query=query, start=at, end=at, step=60)
        assert one["status"] == many["status"]
        assert [one.get(name) for name in ("error", "infos", "warnings")] == [
            many.get(name) for name in ("error", "infos", "warnings")
        ]
        if one["status"] == 200:
            points = [(found["metric"], [found["value"]]) for found in one["data"]["result"]]
            assert sorted(points, key=str) == [(found["metric"], found["values"]) for found in many["data"]["result"]]


def test_version_two_is_kept_whole(shared_platform):
    symbols = Symbols()
    about = number(1, 3) + number(3, symbols.ref("Latency.")) + number(4, symbols.ref("seconds"))
    refs = symbols.refs([("__name__", "latency_seconds_bucket"), ("le", "1.0")])
    exemplar = symbols.refs([("trace_id", "0af7651916cd43dd8448eb211c80319c")]) + double(2, 0.25) + number(3, NOW)
    body = series_two(refs, (2, sample(3, NOW, NOW - 60_000)), (4, exemplar), (5, about))
    answer = _send(shared_platform, "two", packed(symbols.encoded() + body), TWO)
    assert (answer.status, _written(answer)) == (204, (1, 0, 1))
    shared_platform.eventually("SELECT count() FROM samples", 1, "two")
    [found] = shared_platform.sql("SELECT toUnixTimestamp64Milli(start_time) AS start FROM samples", "two")
    assert int(found["start"]) == NOW - 60_000
    assert shared_platform.sql("SELECT name, type, unit FROM metadata", "two") == [
        {"name": "latency_seconds", "type": "histogram", "unit": "seconds"}
    ]
    assert shared_platform.sql("SELECT value FROM exemplars", "two") == [{"value": 0.25}]


@pytest.mark.parametrize("two", [False, True], ids=["one", "two"])
def test_packed_fields_without_numbers_are_as_if_left_out(shared_platform, two):
    empty = b"".join(field(number_, b"") for number_ in (9, 10, 12, 13, 16))
    native, tenant = double(2, 4) + double(3, 2.5) + double(7, 4) + number(15, NOW) + empty, f"empty-{two}"
    symbols, labels = Symbols(), [("__name__", "latency")]
    series = series_two(symbols.refs(labels) + field(1, b""), (3, native)) if two else series_one(labels, (4, native))
    body = symbols.encoded() + series if two else series
    answer = _send(shared_platform, tenant, packed(body), TWO if two else ONE)
    assert (answer.status, _written(answer)) == (204, (0, 1, 0))
    shared_platform.eventually("SELECT count() FROM histograms", 1, tenant)
    asked = urlencode({"query": "latency", "time": NOW / 1000})
    answer = shared_platform.request(f"/prometheus/api/v1/query?{asked}", headers={"X-Scope-OrgID": tenant})
    [found] = answer.json()["data"]["result"]
    assert (found["histogram"][1]["count"], found["histogram"][1]["sum"]) == ("4", "2.5")


_GOOD = series_one([("__name__", "good")], (2, sample(1, NOW)))
_BAD = {
    "no metric name": series_one([("job", "a")], (2, sample(1, NOW))),
    "a label twice": series_one([("__name__", "bad"), ("a", "1"), ("b", "1"), ("a", "2")], (2, sample(1, NOW))),
    "a label without a name": series_one([("__name__", "bad"), ("", "1")], (2, sample(1, NOW))),
    "not valid UTF-8": field(1, field(1, field(1, b"__name__") + field(2, b"\xff\xfe")) + field(2, sample(1, NOW))),
    "a timestamp before 1970": series_one([("__name__", "bad")], (2, sample(1, -5))),
    "or after 2105": series_one([("__name__", "bad")], (3, double(2, 1) + number(3, 1 << 62))),
    "spans and buckets do not agree": series_one(
        [("__name__", "bad")], (4, double(2, 1) + number(15, NOW) + field(11, number(2, 3)))
    ),
}


@pytest.mark.parametrize("fault", _BAD)
def test_the_valid_rest_of_a_request_is_kept(shared_platform, fault):
    tenant = "rest-" + "".join(c for c in fault if c.isalnum())
    answer = _send(shared_platform, tenant, packed(_GOOD + _BAD[fault]))
    assert answer.status == 400
    assert fault in answer.body.decode()
    assert _written(answer) == (1, 0, 0)
    shared_platform.eventually("SELECT count() FROM samples", 1, tenant)
    assert [row["name"] for row in shared_platform.sql("SELECT name FROM series", tenant)] == ["good"]
    shared_platform.eventually("SELECT count() FROM ledger WHERE reason = 'invalid_sample'", 1, tenant)


def test_a_reference_to_no_symbol_is_told(shared_platform):
    symbols = Symbols()
    good = series_two(symbols.refs([("__name__", "good")]), (2, sample(1, NOW)))
    bad = series_two(field(1, varint(1) + varint(99)), (2, sample(1, NOW)))
    answer = _send(shared_platform, "symbols", packed(symbols.encoded() + good + bad), TWO)
    assert (answer.status, _written(answer)) == (400, (1, 0, 0))
    assert b"symbol" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        ONE | {"Content-Encoding": "gzip"},
        ONE | {"Content-Type": "application/json"},
        ONE | {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"},
        {"Content-Type": "application/x-protobuf"},
    ],
)
def test_other_types_and_encodings_are_415(shared_platform, headers):
    assert _send(shared_platform, "media", packed(_GOOD), headers).status == 415


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (varint(1 << 31) + b"\x00" * 10, 413),
        (varint(60 << 20) + b"\x00" * 10, 400),
        (b"\xff" * 20, 400),
        (b"", 400),
        (packed(b"\x0a\xff\xff\xff\xff\x0f"), 400),
        (packed(b"\x0b\x0c"), 400),
    ],
)
def test_lies_and_nonsense_are_refused(shared_platform, body, status):
    answer = _send(shared_platform, "lies", body)
    assert answer.status == status
    assert answer.body


def test_symbols_cannot_be_blown_up(shared_platform):
    """A symbol of 1 MiB, named by every one of 1,000 series."""
    symbols = Symbols()
    symbols.ref("x" * (1 << 20))
    one = series_two(symbols.refs([("__name__", "x" * (1 << 20))]), (2, sample(1, NOW)))
    assert _send(shared_platform, "blown", packed(symbols.encoded() + one * 1000), TWO).status == 413


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=200), two=st.booleans())
def test_any_bytes_are_answered(shared_platform, noise, two):
    answer = _send(shared_platform, "noise", packed(noise), TWO if two else ONE)
    assert answer.status in {204, 400}
