"""Delta metrics through the platform: running totals in the tables, whatever comes late, twice, or after a restart."""

from __future__ import annotations

import asyncio
import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from vedette.server.ingest.deltas import DeltaStreams
from vedette.server.ingest.json_messages import message_of_json

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics_storage"))
from otlp_requests import DELTA, exponential, gauge, histogram, request, total

START_NS = 1_790_000_000_000_000_000
STEP_NS = 10_000_000_000


def at(step: int) -> int:
    return START_NS + step * STEP_NS


def counter(name: str, value: float, step: int, **labels: Any) -> Any:
    return total(name, value, time=at(step), temporality=DELTA, **labels)


def values(name: str, extra: str = "") -> str:
    """A statement for the values of a metric in the order of their times, with commas."""
    return (
        "SELECT arrayStringConcat(arrayMap(x -> toString(x.2), arraySort(groupArray((time, value)))), ',') FROM samples "
        f"WHERE series IN (SELECT id FROM series WHERE name = '{name}' {extra})"
    )


def send(platform: Any, tenant: str, *metrics: Any) -> ExportMetricsServiceResponse:
    body = request(*metrics, resource={"service.name": "till"}).SerializeToString()
    answer = platform.otlp("metrics", body, X_Scope_OrgID=tenant)
    assert answer.status == 200, answer.body
    return ExportMetricsServiceResponse.FromString(answer.body)


def test_deltas_become_running_totals(shared_platform):
    tenant = "deltas"
    for step, scale in enumerate((3, 2, 3)):
        native = exponential(
            "native", temporality=DELTA, time_unix_nano=at(step), scale=scale, count=6, sum=2.5, zero_count=1,
            positive=(-2, [1, 0, 2]), negative=(5, [2]),
        )  # fmt: skip
        classic = histogram("classic", [1, 2], [1.0], temporality=DELTA, time_unix_nano=at(step))
        assert not send(
            shared_platform, tenant, counter("whole", 5, step, k="v"), counter("half", 0.5, step), native, classic,
            gauge("level", 7.0, time=at(step)),
        ).HasField("partial_success")  # fmt: skip
    for name, expected in {
        "whole_total": "5,10,15",
        "half_total": "0.5,1,1.5",
        "classic_count": "3,6,9",
        "classic_sum": "1.5,3,4.5",
        "level": "7,7,7",
    }.items():
        shared_platform.eventually(values(name), expected, tenant)
    shared_platform.eventually(values("classic_bucket", "AND labels['le'] = '1.0'"), "1,2,3", tenant)
    # The last one has the scale of the widest: -2 … 0 at scale 3 is -1 … 0 at scale 2, and 5 is 2.
    shared_platform.eventually(
        "SELECT toString((schema, count, sum, zero_count, positive_indexes, positive_counts, negative_indexes, "
        "negative_counts)) FROM histograms ORDER BY time DESC LIMIT 1",
        "(2,18,7.5,3,[-1,0,1],[1,2,6],[3,6],[4,2])",
        tenant,
    )
    assert shared_platform.sql("SELECT count() AS n FROM series WHERE mapContains(labels, '__temporality__')", tenant)[
        0
    ] == {"n": 0}
    started = (
        "SELECT uniqExact(start_time) FROM samples WHERE series IN (SELECT id FROM series WHERE name = 'whole_total')"
    )
    shared_platform.eventually(started, 1, tenant)


def test_json_does_not_become_objects_all_at_once():
    point = {"attributes": [{"key": "k", "value": {"stringValue": "v"}}], "timeUnixNano": "5", "asDouble": 1.5}
    metrics = [
        {"name": "m", "sum": {"dataPoints": [point] * 3000, "aggregationTemporality": 1}},
        {"name": "none", "histogram": {}},
    ]
    document = {"resourceMetrics": [{"scopeMetrics": [{"scope": {"name": "s"}, "metrics": metrics}]}]}
    body = json.dumps(document).encode()
    message_of_json(body)  # what is loaded once does not count
    tracemalloc.start()
    message = message_of_json(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message == ParseDict(document, type(message)())
    assert peak < 2 * len(body)


def test_json_has_the_same_sums(shared_platform):
    for step in range(2):
        built = request(counter("json", 4, step), resource={"service.name": "till", "list": ["a", None]})
        point = built.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]
        point.exemplars.add(as_double=1.0, time_unix_nano=at(step), trace_id=bytes(16), span_id=bytes(8))
        document = json.dumps(MessageToDict(built, use_integers_for_enums=True))
        document = document.replace(json.dumps("A" * 22 + "=="), json.dumps("00" * 16))
        document = document.replace(json.dumps("A" * 11 + "="), json.dumps("00" * 8)).replace("{}", "null")
        answer = shared_platform.otlp(
            "metrics", document.encode(), Content_Type="application/json", X_Scope_OrgID="json-deltas"
        )
        assert (answer.status, answer.body) == (200, b"{}")
    shared_platform.eventually(values("json_total"), "4,8", "json-deltas")


def test_what_comes_again_is_not_added_and_what_comes_late_is_refused(shared_platform):
    tenant = "late-deltas"
    for step in (0, 1, 1, 3):
        assert not send(shared_platform, tenant, counter("c", 5, step)).HasField("partial_success")
    partial = send(shared_platform, tenant, counter("c", 5, 2), counter("other", 1, 2)).partial_success
    assert partial.rejected_data_points == 1
    assert "1 delta points came after a later point of their stream" in partial.error_message
    document = json.dumps(
        MessageToDict(request(counter("c", 5, 2), resource={"service.name": "till"}), use_integers_for_enums=True)
    )
    answer = shared_platform.otlp("metrics", document.encode(), Content_Type="application/json", X_Scope_OrgID=tenant)
    assert answer.json()["partialSuccess"]["rejectedDataPoints"] == "1"
    shared_platform.eventually("SELECT sum(count) FROM ledger WHERE reason = 'late_delta'", 2, tenant)
    shared_platform.eventually(values("other_total"), "1", tenant)
    rows = shared_platform.sql(
        values("c_total").replace("groupArray((time, value))", "groupUniqArray((time, value))"), tenant
    )
    assert list(rows[0].values()) == ["5,10,15"]


def test_a_restart_goes_on_and_a_crash_begins_anew_and_new_streams_are_bounded(make_platform):
    platform = make_platform("--otlp-delta-memory", "32KiB")
    send(platform, "t", counter("c", 5, 0))
    # A record of a native histogram takes more than 2 KiB: not all of these have room.
    wide = [
        exponential(f"e{n}", temporality=DELTA, time_unix_nano=at(0), count=1, positive=(0, [1])) for n in range(40)
    ]
    partial = send(platform, "t", *wide).partial_success
    assert 20 < partial.rejected_data_points < 40
    assert "otlp_delta_memory" in partial.error_message
    platform.eventually(
        "SELECT sum(count) FROM ledger WHERE reason = 'too_many_deltas'", partial.rejected_data_points, "t"
    )
    platform.stop()
    platform.start()
    assert not send(platform, "t", counter("c", 5, 1)).HasField("partial_success")
    platform.eventually(values("c_total"), "5,10", "t")
    platform.loaded()
    platform.kill("server")
    platform.wait_ready()
    send(platform, "t", counter("c", 5, 2))
    platform.eventually(values("c_total"), "5,10,5", "t")


BUCKETS = st.lists(st.integers(0, 5), max_size=8)


@given(
    st.lists(
        st.tuples(st.integers(-4, 20), st.integers(-400, 400), BUCKETS, st.integers(-400, 400), BUCKETS),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_exponential_sums_keep_every_count_in_its_bounds(tmp_path_factory, points):
    streams = DeltaStreams(tmp_path_factory.getbasetemp() / "absent.npz", 1 << 20)
    for step, (scale, first, positive, second, negative) in enumerate(points):
        metric = exponential(
            "e", temporality=DELTA, time_unix_nano=at(step), scale=scale, count=sum(positive) + sum(negative),
            positive=(first, positive), negative=(second, negative),
        )  # fmt: skip
        found = asyncio.run(streams.cumulative("t", request(metric).SerializeToString()))
    (metric,) = ExportMetricsServiceRequest.FromString(found.message).resource_metrics[0].scope_metrics[0].metrics
    (summed,) = metric.exponential_histogram.data_points
    assert metric.exponential_histogram.aggregation_temporality == 2
    assert summed.count == sum(sum(p) + sum(n) for _, _, p, _, n in points)
    assert summed.scale <= min(scale for scale, *_ in points)
    for side, place in (("positive", 1), ("negative", 3)):
        expected: dict[int, int] = {}
        for point in points:
            for i, count in enumerate(point[place + 1]):
                index = (point[place] + i) >> (point[0] - summed.scale)
                expected[index] = expected.get(index, 0) + count
        buckets = getattr(summed, side)
        assert len(buckets.bucket_counts) <= 160
        assert {buckets.offset + i: n for i, n in enumerate(buckets.bucket_counts) if n} == {
            index: n for index, n in expected.items() if n
        }


@pytest.mark.parametrize("bounds", [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([1.0], [3.0])])
def test_other_bounds_begin_anew(tmp_path, bounds):
    streams = DeltaStreams(tmp_path / "absent.npz", 1 << 20)
    for step, edges in enumerate(bounds):
        metric = histogram(
            "h",
            [1] * (len(edges) + 1),
            edges,
            temporality=DELTA,
            time_unix_nano=at(step),
            start_time_unix_nano=at(step) - 1,
        )
        found = asyncio.run(streams.cumulative("t", request(metric).SerializeToString()))
    (point,) = (
        ExportMetricsServiceRequest.FromString(found.message)
        .resource_metrics[0]
        .scope_metrics[0]
        .metrics[0]
        .histogram.data_points
    )
    assert (point.count, list(point.bucket_counts), point.start_time_unix_nano) == (
        len(edges) + 1,
        [1] * (len(edges) + 1),
        at(1) - 1,
    )


def test_a_file_that_is_not_ours_is_set_aside(tmp_path):
    file = tmp_path / "sums.npz"
    file.write_bytes(b"nonsense")
    assert DeltaStreams(file, 1 << 20).streams == 0
    assert not file.exists()
