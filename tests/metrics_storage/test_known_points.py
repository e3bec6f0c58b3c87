"""Points whose series were told go on as samples by id, and the tables have the same rows as if all had gone whole."""

from __future__ import annotations

import math
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_requests import DELTA, TIME_NS, attributes, exponential, gauge, histogram, request, summary, total
from test_metric_faults import contents, metrics

from vedette.server.ingest.known_points import KnownPoints
from vedette.server.ingest.otlp import METRICS, from_protobuf, stamped

SECOND = 1_000_000_000
RESOURCE = {"service.name": "checkout", "service.instance.id": "i-1", "host.name": "h", "zone": ["eu"]}


@pytest.fixture
async def promoting(store) -> KnownPoints:
    """The same, where attributes of resources become labels."""
    store.promoted = ("host.name", "zone", "absent")
    found = KnownPoints(store.promoted)
    body = request(gauge("any", 1.0)).SerializeToString()
    assert await found.take("any", body, 1) is None
    await found.settled()
    return found


def later(message: ExportMetricsServiceRequest, seconds: int = 10) -> ExportMetricsServiceRequest:
    """The same points taken again some seconds later."""
    found = ExportMetricsServiceRequest()
    found.CopyFrom(message)
    for resource in found.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in getattr(metric, metric.WhichOneof("data") or "gauge").data_points:
                    if point.time_unix_nano:
                        point.time_unix_nano += seconds * SECOND
    return found


async def send(store: Any, known: KnownPoints, message: ExportMetricsServiceRequest) -> int:
    """Write a request as ingest does. Returns how many of its points went by id."""
    payload = from_protobuf(METRICS, store.tenant, message.SerializeToString(), store.promoted)
    taken = await known.take(store.tenant, payload.message, payload.rows)
    if taken.rest:
        await store.load("otlp_metrics", b"".join(stamped(store.tenant, taken.rest, store.promoted)))
    if taken.points:
        await store.load("samples", b"".join(stamped(store.tenant, taken.samples)))
    await known.told(store.tenant, taken)
    await known.settled()
    return taken.points


async def both_ways(
    store: Any, known: KnownPoints, messages: list[ExportMetricsServiceRequest], *, strictly: bool = True
) -> list[int]:
    """Write requests for one tenant by id where that is possible, for another one whole. Both must have the same rows."""
    store.tenant = f"ids-{uuid.uuid4().hex}"
    by_id = [await send(store, known, message) for message in messages]
    found = await _rows(store, strictly=strictly)
    store.tenant = f"whole-{store.tenant[4:]}"
    await store.insert(*messages)
    assert found == await _rows(store, strictly=strictly)
    return by_id


async def _rows(store: Any, *, strictly: bool) -> list[list[Any]]:
    """What the tables have, each row once: what came twice is one row as soon as parts are merged."""
    return [
        [
            row
            for row, before in zip(rows, [None, *rows], strict=False)
            if row != before and (strictly or row.get("name") != "target_info")
        ]
        for rows in await contents(store, but=() if strictly else ("metadata",))
    ]


def _exemplars(point: Any) -> None:
    point.exemplars.add(time_unix_nano=TIME_NS, as_double=0.3, trace_id=b"t" * 16, span_id=b"s" * 8)
    point.exemplars.add(as_int=7, trace_id=b"short")
    point.exemplars.add(as_double=math.nan)
    point.exemplars.add(time_unix_nano=TIME_NS)


def _everything() -> ExportMetricsServiceRequest:
    counted = total("orders", 5, unit="1", route="/a", code=200, share=0.25, ok=True)
    _exemplars(counted.sum.data_points[0])
    timed = histogram("seconds", [1, 2, 3, 4], [0.1, 0.5, math.inf], start_time_unix_nano=TIME_NS - SECOND)
    timed.histogram.data_points[0].attributes.extend(attributes({"route": "/a", "le": "mine"}))
    _exemplars(timed.histogram.data_points[0])
    absent = gauge("absent", 1.0)
    absent.gauge.data_points[0].flags = 1
    gone = histogram("gone", [1, 2], [1.0], flags=1, sum=None)
    return request(
        counted, timed, absent, gone,
        gauge("room", 21.5, unit="Cel", job="forged"), gauge("room", 2, unit="Cel", lists=[1, "a"]), gauge("big", 2**63 - 1),
        histogram("bare", [], []), histogram("unsummed", [1], [], sum=None), total("up", -1.5, monotonic=False),
        resource=RESOURCE, scope="lib",
    )  # fmt: skip


async def test_promoted_attributes_go_by_id_as_well(store, promoting):
    message = request(gauge("g", 1.0, zone="own"), total("t", 2), histogram("h", [1, 2], [1.0]), resource=RESOURCE)
    assert await both_ways(store, promoting, [message, later(message)]) == [0, 3]
    found = await store.series()
    assert {name.partition("{")[0] for name in found if 'host.name="h"' in name} >= {"g", "t_total", "h_bucket"}


async def test_all_that_can_goes_by_id_and_comes_to_the_same_rows(store, known):
    first = _everything()
    assert await both_ways(store, known, [first, later(first), later(first, 20)]) == [0, 10, 10]


async def test_what_cannot_goes_whole_beside_it(store, known):
    labelled = total("labelled", 1)
    labelled.sum.data_points[0].exemplars.add(as_double=1.0, filtered_attributes=attributes({"user": "u"}))
    first = request(
        gauge("plain", 1.0), labelled, exponential("e", count=1, positive=(0, [1])), summary("s", {0.5: 1.0}),
        total("delta", 1, temporality=DELTA), histogram("mismatch", [1], [1.0, 2.0]), histogram("unordered", [1, 1, 1], [2.0, 1.0]),
        gauge("", 1.0), gauge("timeless", 1.0, time=0),
        resource=RESOURCE,
    )  # fmt: skip
    first.resource_metrics[0].scope_metrics[0].metrics.add(name="valueless").gauge.data_points.add(
        time_unix_nano=TIME_NS
    )
    assert await both_ways(store, known, [first, later(first)]) == [0, 1]


async def test_a_new_stream_goes_whole_and_the_known_ones_beside_it_by_id(store, known):
    first = request(gauge("a", 1.0), resource=RESOURCE)
    second = request(gauge("a", 2.0, time=TIME_NS + SECOND), gauge("b", 1.0, time=TIME_NS + SECOND), resource=RESOURCE)
    assert await both_ways(store, known, [first, second, later(second)]) == [0, 1, 2]


async def test_another_resource_scope_unit_or_set_of_bounds_is_another_stream(store, known):
    first = request(histogram("h", [1, 1], [1.0]), gauge("g", 1.0, unit="s"), resource=RESOURCE, scope="a")
    others = [
        request(histogram("h", [1, 1], [2.0]), gauge("g", 1.0, unit="ms"), resource=RESOURCE, scope="a"),
        request(gauge("g", 1.0, unit="s"), resource=RESOURCE | {"host.name": "other"}, scope="a"),
        request(gauge("g", 1.0, unit="s"), resource=RESOURCE, scope="b"),
    ]
    assert await both_ways(store, known, [first, *map(later, others)]) == [0, 0, 0, 0]


async def test_series_are_told_again_on_a_new_day_and_every_hour(store, known):
    first = request(gauge("a", 1.0), resource=RESOURCE)
    hours = [later(first, seconds) for seconds in (1, 3600, 3601, 86_400, 86_401)]
    assert await both_ways(store, known, [first, *hours]) == [0, 1, 0, 1, 0, 1]


async def test_a_tenant_does_not_learn_from_another(store, known):
    message = request(gauge("a", 1.0), resource=RESOURCE)
    store.tenant = f"one-{uuid.uuid4().hex}"
    assert [await send(store, known, message), await send(store, known, later(message))] == [0, 1]
    store.tenant = f"two-{store.tenant[4:]}"
    assert await send(store, known, message) == 0


async def test_many_streams_are_learnt_over_several_requests(store, known):
    message = request(*(gauge("many", float(n), n=n) for n in range(1200)), resource=RESOURCE)
    assert await both_ways(store, known, [later(message, n) for n in range(4)]) == [0, 499, 999, 1200]


async def test_a_stream_that_a_request_repeats_is_learnt_once(store, known):
    message = request(*(gauge("one", float(n)) for n in range(600)), gauge("other", 1.0), resource=RESOURCE)
    assert await both_ways(store, known, [message, later(message)]) == [0, 601]


async def test_a_histogram_of_thousands_of_buckets_always_goes_whole(store, known):
    long = histogram("long", [1] * 2001, [float(n) for n in range(2000)])
    message = request(long, gauge("plain", 1.0), resource=RESOURCE)
    assert await both_ways(store, known, [message, later(message)]) == [0, 1]


async def test_beyond_its_bound_everything_is_told_whole_and_learnt_anew(store, known, monkeypatch):
    monkeypatch.setattr("vedette.server.ingest.known_points._MOST_WORDS", 4000)
    message = request(*(gauge("many", float(n), n=n) for n in range(600)), resource=RESOURCE)
    assert await both_ways(store, known, [later(message, n) for n in range(4)]) == [0, 0, 0, 0]
    message = request(gauge("few", 1.0), resource=RESOURCE)
    assert await both_ways(store, known, [message, later(message)]) == [0, 1]


@given(st.lists(metrics(), min_size=1, max_size=12))
@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=[Phase.generate]
)
async def test_whatever_comes(store, known, drawn):
    message = request(*drawn, resource=RESOURCE)
    # Of a request in two halves, each tells of the resource at the latest time of its own points; and of two metrics
    # of one name, either may describe it.
    await both_ways(store, known, [message, later(message), later(message, 20)], strictly=False)


async def test_a_resource_behind_ones_without_points_goes_on_by_id_too(store, known):
    message = request(gauge("level", 1.0))
    only = ExportMetricsServiceRequest()
    for zone in ("empty", "also empty"):
        only.resource_metrics.add().resource.attributes.extend(attributes({"service.name": zone}))
    only.resource_metrics.add().CopyFrom(message.resource_metrics[0])
    assert await send(store, known, only) == 0
    assert await send(store, known, later(only)) == 1
