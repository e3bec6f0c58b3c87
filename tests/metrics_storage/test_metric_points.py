"""Points of every kind as Prometheus would have them: labels, values, staleness, native histograms, exemplars."""

from __future__ import annotations

import math
import time

from otlp_requests import (
    TIME_MS,
    TIME_NS,
    attributes,
    exponential,
    gauge,
    histogram,
    is_stale,
    request,
    summary,
    total,
)

NO_VALUE = 1
NATIVE = (
    "SELECT name, schema, zero_threshold, zero_count, count, sum, positive_indexes, positive_counts, negative_indexes, "
    "negative_counts, counter_reset_hint AS hint FROM vedette.histograms AS h INNER JOIN vedette.series AS s "
    "ON h.series = s.id AND h.tenant = s.tenant WHERE h.tenant = {tenant:String} ORDER BY name"
)


async def test_numbers_keep_value_time_and_start(store):
    await store.insert(
        request(gauge("g", 0.1), gauge("i", -(2**62)), gauge("n", math.nan), gauge("inf", math.inf), total("c", 7))
    )
    found = await store.series()
    assert found["g{}"] == [(TIME_MS, 0.1)]
    assert found["i{}"] == [(TIME_MS, -float(2**62))]
    assert math.isnan(found["n{}"][0][1])
    assert not is_stale(found["n{}"][0][1])
    assert found["inf{}"] == [(TIME_MS, math.inf)]
    assert found["c_total{}"] == [(TIME_MS, 7.0)]
    starts = await store.rows(
        "SELECT DISTINCT toInt64(toUnixTimestamp64Milli(start_time)) AS start FROM vedette.samples "
        "WHERE tenant = {tenant:String} ORDER BY start"
    )
    assert [row["start"] for row in starts] == [0, TIME_MS - 60_000]


async def test_attribute_values_become_text_and_labels_are_sorted(store):
    labels = {
        "z": "text",
        "long": "x" * 300,
        "huge": "y" * 20_000,
        "yes": True,
        "no": False,
        "i": -5,
        "big": 2**63 - 1,
        "d": 2.5,
        "nan": math.nan,
        "bytes": b"\x00\xff",
        "list": ["a", 'q"', 1, 1.5, True, math.inf, b"\x01", "l" * 200],
        "map": {"k": "v", "n": 3},
        "empty_list": [],
        "ünï": "ö",
    }
    await store.insert(request(gauge("g", 1.0, **labels)))
    rows = await store.rows("SELECT labels FROM vedette.series WHERE tenant = {tenant:String}")
    assert rows[0]["labels"] == {
        "z": "text",
        "long": "x" * 300,
        "huge": "y" * 20_000,
        "yes": "true",
        "no": "false",
        "i": "-5",
        "big": "9223372036854775807",
        "d": "2.5",
        "nan": "nan",
        "bytes": "AP8=",
        "list": '["a","q\\"",1,1.5,true,"inf","AQ==","' + "l" * 200 + '"]',
        "map": '{"k":"v","n":3}',
        "empty_list": "[]",
        "ünï": "ö",
    }
    assert list(rows[0]["labels"]) == sorted(labels, key=str.encode)


async def test_resource_and_scope_become_labels_and_target_info(store):
    resource = {
        "service.name": "checkout",
        "service.namespace": "shop",
        "service.instance.id": "pod-1",
        "host.name": "a",
        "process.command_args": ["python", "-m"],
    }
    built = request(gauge("g", 1.0, color="red"), resource=resource, scope="lib")
    scope = built.resource_metrics[0].scope_metrics[0]
    scope.scope.version = "1.2"
    scope.schema_url = "https://example.org/1"
    scope.scope.attributes.extend(attributes({"kind": "test", "name": "ignored"}))
    await store.insert(built)
    assert await store.values() == {
        'g{color="red", instance="pod-1", job="shop/checkout", otel_scope_kind="test", otel_scope_name="lib", '
        'otel_scope_schema_url="https://example.org/1", otel_scope_version="1.2"}': 1.0,
        'target_info{host.name="a", instance="pod-1", job="shop/checkout", '
        'process.command_args="[\\"python\\",\\"-m\\"]"}': 1.0,
    }


async def test_job_without_namespace_and_no_target_info_without_anything_to_say(store):
    await store.insert(request(gauge("a", 1.0), resource={"service.name": "solo"}))
    await store.insert(request(gauge("b", 1.0), resource={"host.name": "h"}))
    assert set(await store.values()) == {'a{job="solo"}', "b{}"}


async def test_target_info_stands_at_the_latest_time_of_its_resource(store):
    later = TIME_NS + 5_000_000_000
    await store.insert(
        request(gauge("a", 1.0), total("b", 1, time=later), resource={"service.name": "s", "host.name": "h"})
    )
    assert (await store.series())['target_info{host.name="h", job="s"}'] == [(TIME_MS + 5_000, 1.0)]


async def test_clashing_labels_are_settled(store):
    metric = gauge("g", 1.0, job="mine", empty="", __name__="other")
    metric.gauge.data_points[0].attributes.extend(attributes({"twice": "b"}) + attributes({"twice": "a"}))
    metric.gauge.data_points[0].attributes.extend(attributes({"": "nameless"}))
    hist = histogram("h", [1, 1], [1.0], attributes=attributes({"le": "wrong", "ok": "1"}))
    await store.insert(request(metric, hist, resource={"service.name": "theirs"}))
    assert set(await store.values()) == {
        'g{job="theirs", twice="a;b"}',
        'h_count{job="theirs", ok="1"}',
        'h_sum{job="theirs", ok="1"}',
        'h_bucket{job="theirs", le="1.0", ok="1"}',
        'h_bucket{job="theirs", le="+Inf", ok="1"}',
    }


async def test_explicit_histograms_become_cumulative_buckets(store):
    await store.insert(
        request(
            histogram("h", [1, 2, 3], [0.5, 1.0]),
            histogram("nosum", [4], [], sum=None),
            histogram("nobuckets", [], [], count=9),
            histogram("capped", [1, 2, 0], [1.0, math.inf]),
        )
    )
    assert await store.values() == {
        "h_count{}": 6.0,
        "h_sum{}": 1.5,
        'h_bucket{le="0.5"}': 1.0,
        'h_bucket{le="1.0"}': 3.0,
        'h_bucket{le="+Inf"}': 6.0,
        "nosum_count{}": 4.0,
        'nosum_bucket{le="+Inf"}': 4.0,
        "nobuckets_count{}": 9.0,
        "nobuckets_sum{}": 1.5,
        'nobuckets_bucket{le="+Inf"}': 9.0,
        "capped_count{}": 3.0,
        "capped_sum{}": 1.5,
        'capped_bucket{le="1.0"}': 1.0,
        'capped_bucket{le="+Inf"}': 3.0,
    }


async def test_summaries_become_quantiles(store):
    await store.insert(request(summary("s", {0.0: 1.0, 0.5: 2.0, 0.99: 3.0})))
    assert await store.values() == {
        "s_count{}": 3.0,
        "s_sum{}": 6.0,
        's{quantile="0.0"}': 1.0,
        's{quantile="0.5"}': 2.0,
        's{quantile="0.99"}': 3.0,
    }


async def test_points_without_a_recorded_value_become_stale_markers(store):
    stale = {"flags": NO_VALUE}
    number = gauge("g", 1.0)
    number.gauge.data_points[0].flags = NO_VALUE
    number.gauge.data_points[0].ClearField("as_double")
    await store.insert(
        request(
            number,
            histogram("h", [0, 0], [1.0], sum=None, **stale),
            summary("s", {0.5: 0.0}, **stale),
            exponential("e", count=0, **stale),
        )
    )
    found = await store.values()
    assert len(found) == 8
    assert all(is_stale(value) for value in found.values())
    assert [row["bits"] for row in await store.rows(
        "SELECT reinterpretAsUInt64(sum) AS bits FROM vedette.histograms WHERE tenant = {tenant:String}"
    )] == [0x7FF0000000000002]  # fmt: skip


async def test_exponential_histograms_become_native_ones(store):
    await store.insert(
        request(
            exponential(
                "e",
                count=12,
                sum=30.5,
                scale=2,
                zero_count=2,
                zero_threshold=0.001,
                positive=(-2, [1, 0, 2, 3]),
                negative=(5, [4]),
            ),
            exponential("plain", count=1, scale=-4, positive=(0, [1])),
        )
    )
    rows = {row.pop("name"): row for row in await store.rows(NATIVE)}
    assert rows["e"] == {
        "schema": 2,
        "zero_threshold": 0.001,
        "zero_count": 2.0,
        "count": 12.0,
        "sum": 30.5,
        "positive_indexes": [-1, 1, 2],
        "positive_counts": [1.0, 2.0, 3.0],
        "negative_indexes": [6],
        "negative_counts": [4.0],
        "hint": "unknown",
    }
    assert (rows["plain"]["schema"], rows["plain"]["zero_threshold"]) == (-4, 1e-128)


async def test_scales_above_eight_are_merged_down(store):
    """Prometheus' bucket of an index is ceil((i+1) / 2^k) at k scales less: the same bounds, fewer buckets."""
    counts = list(range(1, 10))
    await store.insert(
        request(
            exponential("ten", count=45, scale=10, positive=(-5, counts), negative=(3, [7])),
            exponential("most", count=3, scale=2**31 - 1, positive=(-1, [1, 2])),
        )
    )
    rows = {row["name"]: row for row in await store.rows(NATIVE)}
    expected: dict[int, float] = {}
    for position, count in enumerate(counts):
        index = math.ceil((-5 + position + 1) / 4)
        expected[index] = expected.get(index, 0.0) + count
    assert rows["ten"]["schema"] == 8
    assert dict(zip(rows["ten"]["positive_indexes"], rows["ten"]["positive_counts"], strict=True)) == expected
    assert (rows["ten"]["negative_indexes"], rows["ten"]["negative_counts"]) == ([1], [7.0])
    assert (rows["most"]["positive_indexes"], rows["most"]["positive_counts"]) == ([0, 1], [1.0, 2.0])


async def test_exemplars_belong_to_the_series_of_their_bucket(store):
    exemplar = {"time_unix_nano": TIME_NS - 1_000_000, "trace_id": bytes(range(16)), "span_id": bytes(range(8))}
    hist = histogram("h", [1, 1, 1], [1.0, 2.0])
    hist.histogram.data_points[0].exemplars.add(as_double=1.5, filtered_attributes=attributes({"a": 1}), **exemplar)
    hist.histogram.data_points[0].exemplars.add(as_int=100)
    counter, native, ignored = total("c", 1), exponential("e", count=1), gauge("g", 1.0)
    counter.sum.data_points[0].exemplars.add(as_int=3, trace_id=b"short", span_id=b"far too long for an id")
    native.exponential_histogram.data_points[0].exemplars.add(as_double=4.0, **exemplar)
    ignored.gauge.data_points[0].exemplars.add(as_double=5.0, **exemplar)
    await store.insert(request(hist, counter, native, ignored))
    rows = await store.rows(
        "SELECT s.name AS name, s.labels['le'] AS le, toInt64(toUnixTimestamp64Milli(time)) AS t, value, "
        "lower(hex(trace_id)) AS trace, lower(hex(span_id)) AS span, e.labels AS labels FROM vedette.exemplars AS e "
        "INNER JOIN vedette.series AS s ON e.series = s.id AND e.tenant = s.tenant WHERE e.tenant = {tenant:String} "
        "ORDER BY value"
    )
    trace, span = bytes(range(16)).hex(), bytes(range(8)).hex()
    assert [tuple(row.values()) for row in rows] == [
        ("h_bucket", "2.0", TIME_MS - 1, 1.5, trace, span, {"a": "1"}),
        ("c_total", "", TIME_MS, 3.0, "0" * 32, "0" * 16, {}),
        ("e", "", TIME_MS - 1, 4.0, trace, span, {}),
        ("h_bucket", "+Inf", TIME_MS, 100.0, "0" * 32, "0" * 16, {}),
    ]


async def test_a_series_has_one_row_a_day_and_an_id_made_of_its_labels(store):
    today = time.time_ns()
    for moment in (today, today + 1_000_000, today - 86_400 * 10**9):
        await store.insert(request(gauge("g", 1.0, time=moment, k="v"), resource={"service.name": "s"}))
    rows = await store.rows(
        "SELECT count() AS rows, uniqExact(id) AS ids, any(id = sipHash64('__tenant__', tenant) "
        "+ sipHash64('__name__', name::String) "
        "+ arraySum((k, v) -> sipHash64(k::String, v), mapKeys(labels), mapValues(labels))) AS derivable "
        "FROM vedette.series WHERE tenant = {tenant:String}"
    )
    assert rows == [{"rows": 2, "ids": 1, "derivable": 1}]
