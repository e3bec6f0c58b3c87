"""What no exporter should send: points that cannot be kept are in the ledger, the rest of the segment is in the tables."""

from __future__ import annotations

import math
import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from otlp_requests import STALE_BITS, TIME_NS, attributes, exponential, gauge, histogram, request, summary, total

LEDGER = (
    "SELECT reason, sum(count) AS count, max(detail) AS detail FROM vedette.ledger "
    "WHERE tenant = {tenant:String} AND signal = 'metrics' GROUP BY reason ORDER BY reason"
)


async def test_points_that_cannot_be_kept_are_counted_in_the_ledger(store):
    valueless = gauge("valueless", 1.0)
    valueless.gauge.data_points[0].ClearField("as_double")
    await store.insert(
        request(
            gauge("kept", 1.0),
            gauge("", 1.0),
            gauge("timeless", 1.0, time=0),
            valueless,
            total("unspecified", 1, temporality=0),
            total("delta", 1, temporality=1),  # the way in makes them cumulative
            histogram("temporality", [1], [], temporality=7),
            histogram("short", [1, 2], [1.0, 2.0]),
            histogram("unordered", [1, 1, 1], [2.0, 1.0]),
            histogram("equal", [1, 1, 1], [1.0, 1.0]),
            histogram("nan", [1, 1], [math.nan]),
            histogram("late_nan", [1, 1, 1], [1.0, math.nan]),
            exponential("coarse", count=1, scale=-5),
            exponential("wide", count=1, positive=(2**31 - 2, [1, 1, 1])),
        )
    )
    assert set(await store.values()) == {"kept{}"}
    assert await store.rows(LEDGER) == [
        {"reason": "bucket_count_mismatch", "count": 1, "detail": "short_count"},
        {"reason": "buckets_out_of_range", "count": 1, "detail": "wide"},
        {"reason": "no_time", "count": 1, "detail": "timeless"},
        {"reason": "no_value", "count": 1, "detail": "valueless"},
        {"reason": "scale_too_low", "count": 1, "detail": "coarse"},
        {"reason": "unknown_temporality", "count": 3, "detail": "unspecified_total"},
        {"reason": "unnamed_metric", "count": 1, "detail": ""},
        {"reason": "unordered_bounds", "count": 4, "detail": "unordered_count"},
    ]


async def test_wild_times_open_few_partitions(store):
    hours = [1, 10**9, 2**62, 2**63, 2**64 - 1, *(TIME_NS - day * 86_400 * 10**9 for day in range(0, 15_000, 50))]
    await store.insert(request(*(gauge(f"g{position}", 1.0, time=time) for position, time in enumerate(hours))))
    rows = await store.rows(
        "SELECT count() AS samples, uniqExact(day) AS days FROM vedette.samples WHERE tenant = {tenant:String}"
    )
    assert rows[0]["samples"] == len(hours)
    assert rows[0]["days"] < 100


async def test_what_is_empty_makes_no_rows(store):
    nothing = ExportMetricsServiceRequest()
    nothing.resource_metrics.add().scope_metrics.add().metrics.extend([Metric(name="bare"), Metric()])
    pointless = Metric(name="pointless")
    pointless.gauge.SetInParent()
    await store.insert(ExportMetricsServiceRequest(), nothing, request(pointless), request(gauge("kept", 1.0)))
    assert set(await store.values()) == {"kept{}"}
    assert await store.rows("SELECT name FROM vedette.metadata WHERE tenant = {tenant:String}") == [{"name": "kept"}]


async def test_a_client_cannot_choose_its_tenant(store):
    forged = request(gauge("g", 1.0)).SerializeToString() + b"\xc2\x3e\x05other" + b"\xc9\x3e" + bytes(8)
    stamped = ExportMetricsServiceRequest.FromString(forged)
    await store.insert(stamped)
    assert set(await store.values()) == {"g{}"}


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**63), 2**63 - 1)
VALUES = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
LABELS = st.dictionaries(st.text(max_size=5) | st.sampled_from(["le", "job", "__name__"]), VALUES, max_size=4)
# OTLP/JSON is taken with up to 19 digits.
UNSIGNED = st.integers(0, 10**19 - 1)
TIMES = UNSIGNED
COUNTS = st.lists(UNSIGNED, max_size=5)
NAMES = st.text(max_size=6) | st.sampled_from(["a", "b.c"])
FLOATS = st.floats(width=64)


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    name, time, flags = draw(NAMES), draw(TIMES), draw(st.integers(0, 2**32 - 1))
    labels = attributes(draw(LABELS))
    facts = {"time_unix_nano": time, "flags": flags, "attributes": labels, "count": draw(UNSIGNED)}
    temporality = draw(st.integers(0, 2))
    match draw(st.sampled_from(["gauge", "sum", "histogram", "exponential", "summary"])):
        case "gauge":
            metric = gauge(name, draw(NUMBERS), time=time, unit=draw(st.text(max_size=4)))
            metric.gauge.data_points[0].attributes.extend(labels)
            return metric
        case "sum":
            return total(name, draw(NUMBERS), time=max(time, 60_000_000_000), temporality=temporality)
        case "histogram":
            return histogram(name, draw(COUNTS), draw(st.lists(FLOATS, max_size=5)), temporality=temporality, **facts)
        case "exponential":
            sides = {side: (draw(st.integers(-(2**31), 2**31 - 1)), draw(COUNTS)) for side in ("positive", "negative")}
            scale = draw(st.integers(-(2**31), 2**31 - 1))
            return exponential(name, temporality=temporality, scale=scale, **sides, **facts)
    return summary(name, draw(st.dictionaries(FLOATS, FLOATS, max_size=3)), **facts)


VALUE_BITS = "reinterpretAsUInt64(value)"
INFINITY_BITS, FRACTION_BITS = 0x7FF << 52, (1 << 52) - 1
TABLES = ("samples", "series", "histograms", "exemplars", "ledger", "usage_hour")


async def _counts(store) -> dict[str, int]:
    sums = {"usage_hour": "sum(rows)", "ledger": "sum(count)"}
    found = await store.rows(
        " UNION ALL ".join(
            f"SELECT '{table}' AS name, {sums.get(table, 'count()')} AS rows FROM vedette.{table} "
            "WHERE tenant = {tenant:String}"
            for table in TABLES
        )
    )
    return {row["name"]: int(row["rows"]) for row in found}


async def contents(store, but: tuple[str, ...] = ()) -> list[Any]:
    """Every row of the tables as text, a series by its name and labels instead of its id, which the tenant is part of.

    Args:
        store: Whose tables.
        but: Tables to leave out.
    """
    series = "INNER JOIN (SELECT id AS series, name, labels AS series_labels FROM vedette.series FINAL WHERE tenant = {tenant:String} LIMIT 1 BY id) AS s USING series"
    columns = {
        "samples": f"name, series_labels, day, at, start_time, reinterpretAsUInt64(value) FROM vedette.samples {series}",
        "histograms": f"* EXCEPT (tenant, series) FROM vedette.histograms {series}",
        "exemplars": f"* EXCEPT (tenant, series) FROM vedette.exemplars {series}",
        "series": "day, name, labels FROM vedette.series",
        "metadata": "* EXCEPT tenant FROM vedette.metadata",
        "ledger": "reason, count FROM vedette.ledger",
    }
    return [
        await store.rows(f"SELECT {wanted} WHERE tenant = {{tenant:String}} ORDER BY ALL")
        for table, wanted in columns.items()
        if table not in but
    ]


# Points of two metrics of one name may be one sample.
@given(st.lists(metrics(), min_size=1, max_size=12, unique_by=lambda metric: metric.name))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_request_is_taken_once_whole_and_again_without_effect(store, wild):
    """Whatever passes the parser: the segment loads, each point is kept or in the ledger, a repeat changes nothing."""
    store.tenant = f"wild-{uuid.uuid4().hex}"
    await store.insert(request(*wild), request(gauge("witness", 1.0)), token=store.tenant)
    first = await _counts(store)
    assert (await store.rows(
        "SELECT count() AS rows FROM vedette.samples WHERE tenant = {tenant:String} AND series IN "
        "(SELECT id FROM vedette.series WHERE tenant = {tenant:String} AND name = 'witness')"
    ))[0]["rows"] >= 1  # fmt: skip
    assert (await store.rows(
        "SELECT count() AS rows FROM vedette.samples WHERE tenant = {tenant:String} AND series NOT IN "
        "(SELECT id FROM vedette.series WHERE tenant = {tenant:String})"
    ))[0]["rows"] == 0  # fmt: skip
    await store.insert(request(*wild), request(gauge("witness", 1.0)), token=store.tenant)
    assert await _counts(store) == first
    assert first["usage_hour"] == first["samples"] + first["histograms"]


# Of two metrics of one name, either may describe it.
@given(st.lists(metrics(), min_size=1, max_size=8, unique_by=lambda metric: metric.name))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_json_and_protobuf_come_to_the_same_rows(store, wild):
    store.tenant = f"pb-{uuid.uuid4().hex}"
    built = request(*wild, resource={"service.name": "s", "list": ["a", 1], "host": "h"}, scope="lib")
    await store.insert(built)
    by_protobuf = _without_other_nans(await contents(store))
    store.tenant = "json-" + store.tenant[3:]
    await store.insert(built, json_form=True)
    assert _without_other_nans(await contents(store)) == by_protobuf


def _without_other_nans(found: list[Any]) -> list[Any]:
    """Contents with one NaN instead of all but the stale marker: JSON has a word for it and no bits."""
    for rows in found:
        for row in rows:
            bits = int(row.get(VALUE_BITS, 0))
            if bits & INFINITY_BITS == INFINITY_BITS and bits & FRACTION_BITS and bits != STALE_BITS:
                row[VALUE_BITS] = "NaN"
    return found
