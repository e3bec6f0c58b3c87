"""Histogram, facets, surroundings, completion and files of log lines, by the public API."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_lines import NS, Line, recent

from vedette.server.query.logs.counts import nice_width_ns

MINUTE = 60 * NS


def test_a_histogram_counts_each_severity_in_each_bucket(tenant) -> None:
    start = recent(1800) // MINUTE * MINUTE
    tenant.send(
        Line("a", start, severity="error"),
        Line("b", start + NS, severity="info"),
        Line("c", start + 59 * NS, severity="info"),
        Line("d", start + 2 * MINUTE, severity="unset"),
        Line("outside", start + 5 * MINUTE),
    )
    found = tenant.json("/api/v1/logs/histogram", **{"from": start / NS, "to": (start + 5 * MINUTE) / NS, "buckets": 5})
    assert found["bucket_seconds"] == 60
    assert found["total"] == 4
    assert [bucket["counts"] for bucket in found["buckets"]] == [{"info": 2, "error": 1}, {}, {"unset": 1}, {}, {}]
    times = [bucket["time"] for bucket in found["buckets"]]
    assert times == sorted(times)
    assert times[0].endswith(":00Z")


def test_a_histogram_counts_only_what_matches_and_lies_in_the_range(tenant) -> None:
    start = recent(1800) // MINUTE * MINUTE
    tenant.send(*(Line("x" if number % 2 else "y", start + number * NS) for number in range(10)))
    part = {"from": (start + 2 * NS) / NS, "to": (start + 8 * NS) / NS}
    assert tenant.json("/api/v1/logs/histogram", **part)["total"] == 6
    assert tenant.json("/api/v1/logs/histogram", q="x", **part)["total"] == 3


@pytest.mark.parametrize(
    ("seconds", "buckets", "width"),
    [(60, 60, 1), (3600, 60, 60), (3601, 60, 120), (86_400, 60, 1800), (7 * 86_400, 60, 10_800), (0.05, 60, 0.001)],
)
def test_buckets_have_round_widths(seconds: float, buckets: int, width: float) -> None:
    assert nice_width_ns(round(seconds * NS), buckets) == round(width * NS)


@pytest.mark.parametrize("years", [1, 10, 100, 292])
def test_any_range_has_few_enough_buckets(years: int) -> None:
    duration = years * 365 * 86_400 * NS
    assert duration / nice_width_ns(duration, 60) <= 60


def test_facets_count_columns_attributes_and_resources(tenant) -> None:
    at = recent()
    tenant.send(
        *(Line("x", at, service="a", severity="error", attributes={"code": 500}) for _ in range(3)),
        *(Line("x", at, service="b", attributes={"code": "500"}, resource={"host.name": "web"}) for _ in range(2)),
        Line("y", at, service="c", attributes={"code": 200}),
    )
    found = tenant.json("/api/v1/logs/facets", q="x", field=["service", "severity", "code", "host.name", "nothing"])
    assert [facet["field"] for facet in found["facets"]] == ["service", "severity", "code", "host.name", "nothing"]
    service, severity, code, host, nothing = found["facets"]
    assert service["values"] == [{"value": "a", "lines": 3}, {"value": "b", "lines": 2}]
    assert (service["lines"], service["distinct"]) == (5, 2)
    assert severity["values"] == [{"value": "error", "lines": 3}, {"value": "info", "lines": 2}]
    assert code["values"] == [{"value": "500", "lines": 5}]
    assert host["values"] == [{"value": "web", "lines": 2}]
    assert nothing == {"field": "nothing", "lines": 0, "distinct": 0, "values": []}
    (only,) = tenant.json("/api/v1/logs/facets", field="service", limit=1)["facets"]
    assert only["values"] == [{"value": "a", "lines": 3}]
    assert only["distinct"] == 3


def test_facets_that_cannot_be_are_refused(tenant) -> None:
    assert "cannot be counted" in tenant.refused("/api/v1/logs/facets", field="body")["detail"]
    assert "At most 10" in tenant.refused("/api/v1/logs/facets", field=[f"f{n}" for n in range(11)])["detail"]


def test_surroundings_are_of_the_same_source_and_nearest_first(tenant) -> None:
    at = recent()
    mine = [Line(f"mine {number}", at + number, service="a", resource={"pod": "1"}) for number in range(7)]
    others = [Line("other service", at + 3, service="b"), Line("other pod", at + 3, service="a", resource={"pod": "2"})]
    tenant.send(*mine, *others)
    (line,) = tenant.search('"mine 3"')
    found = tenant.json("/api/v1/logs/context", id=line["id"], before=2, after=5)
    assert found["line"] == line
    assert [near["body"] for near in found["before"]] == ["mine 2", "mine 1"]
    assert [near["body"] for near in found["after"]] == ["mine 4", "mine 5", "mine 6"]


def test_surroundings_of_equal_lines_hold_each_once(tenant) -> None:
    at = recent()
    tenant.send(Line("before", at - 1), *(Line("same", at) for _ in range(3)), Line("after", at + 1))
    for line in tenant.search("same"):
        found = tenant.json("/api/v1/logs/context", id=line["id"], before=5, after=5)
        assert [near["body"] for near in found["before"]] == ["before"]
        assert [near["body"] for near in found["after"]] == ["same", "same", "after"]
    assert tenant.json("/api/v1/logs/context", id=line["id"], before=0, after=0)["after"] == []


def test_a_line_that_is_gone_has_no_surroundings(tenant) -> None:
    assert tenant.get("/api/v1/logs/context", id="0" * 15 + "1-" + "0" * 16 + "-1").status == 404


def test_names_and_values_are_completed(tenant) -> None:
    at = recent()
    tenant.send(
        Line("x", at, service="checkout", attributes={"http.route": "/a", "http.code": 1}, resource={"host.name": "w"}),
        Line("x", at, service="check", attributes={"http.route": "/a"}),
        Line("x", at, service="other", attributes={"http.route": "/b"}),
    )
    fields = tenant.json("/api/v1/logs/fields")["fields"]
    assert {"name": "service", "kind": "column"} in fields
    assert {"name": "http.route", "kind": "attribute"} in fields
    assert {"name": "host.name", "kind": "resource"} in fields
    names = [field["name"] for field in tenant.json("/api/v1/logs/fields", prefix="HTTP")["fields"]]
    assert names == ["http.route", "http.code"]
    values = tenant.json("/api/v1/logs/fields/http.route/values")
    assert values == {"field": "http.route", "values": [{"value": "/a", "lines": 2}, {"value": "/b", "lines": 1}]}
    services = tenant.json("/api/v1/logs/fields/service/values", prefix="CHECK")["values"]
    assert {value["value"] for value in services} == {"checkout", "check"}
    assert tenant.json("/api/v1/logs/fields/host.cpu/values")["values"] == []


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.fixture
def export(tenant):
    at = recent()
    lines = [Line(body, at + number, attributes={"n": number}) for number, body in enumerate(FORMULAS)]
    tenant.send(*lines, Line('plain, "quoted"\nline', at + 10, service="=cmd|' /C calc'!A0", attributes={"n": 1.0}))
    return lambda **params: tenant.get("/api/v1/logs/export", **params)


def test_csv_has_no_formulas(export) -> None:
    answer = export(format="csv", order="oldest")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="logs.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert [row["body"] for row in rows] == [f"'{body}" for body in FORMULAS] + ['plain, "quoted"\nline']
    assert rows[-1]["service"] == "'=cmd|' /C calc'!A0"
    assert not any((cell or "").startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())


def test_ndjson_keeps_types_and_raw_text(export) -> None:
    answer = export(format="ndjson", order="oldest", limit=6)
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["body"] for line in lines] == FORMULAS
    assert [line["attributes"]["n"] for line in lines] == list(range(6))


def test_arrow_and_parquet_are_tables(export) -> None:
    arrow = pa.ipc.open_stream(export(format="arrow", order="oldest").body).read_all()
    parquet = pq.read_table(io.BytesIO(export(format="parquet", order="oldest").body))
    for table in (arrow, parquet):
        assert table.num_rows == 7
        assert table.column("body").to_pylist()[0] == "=1+1"
        assert json.loads(table.column("attributes").to_pylist()[3]) == {"n": 3}
        assert pa.types.is_timestamp(table.schema.field("time").type)


def test_an_export_is_filtered(export) -> None:
    assert len(export(q="quoted").body.splitlines()) == 1
    assert export(q="severity:bad").status == 400
    assert export(format="xls").status == 400
