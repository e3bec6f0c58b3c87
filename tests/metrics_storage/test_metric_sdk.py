"""Metrics of the official SDK, every instrument, as they are named and counted in Prometheus."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource


def _record() -> bytes:
    reader = InMemoryMetricReader()
    provider = MeterProvider(
        [reader],
        resource=Resource.create({"service.name": "till", "service.instance.id": "1", "region": "north"}),
        views=[View(Histogram, instrument_name="payload", aggregation=ExponentialBucketHistogramAggregation())],
        shutdown_on_exit=False,
    )
    meter = provider.get_meter("shop", "2.0")
    orders = meter.create_counter("orders", "{order}", "Orders placed")
    orders.add(2, {"paid": True})
    orders.add(3, {"paid": True})
    meter.create_up_down_counter("carts", description="Open carts").add(-4)
    meter.create_gauge("heat", "Cel").set(21.5)
    meter.create_histogram("wait", "s", explicit_bucket_boundaries_advisory=[1, 5]).record(2, {"till": 3})
    payload = meter.create_histogram("payload", "By")
    for size in (1.5, 3.0, 0.0):
        payload.record(size)
    meter.create_observable_counter("seen", [lambda _: [Observation(10)]])
    meter.create_observable_gauge("level", [lambda _: [Observation(0.5)]], "1")
    meter.create_observable_up_down_counter("depth", [lambda _: [Observation(7)]])
    data = reader.get_metrics_data()
    assert data is not None
    encoded = encode_metrics(data)
    provider.shutdown()
    return encoded


async def test_every_instrument_of_the_sdk(store):
    await store.insert(_record())
    tail = 'otel_scope_name="shop", otel_scope_version="2.0"'
    common = 'instance="1", job="till"'
    found = await store.values()
    resource = next(name for name in found if name.startswith("target_info"))
    assert 'region="north"' in resource
    assert 'telemetry.sdk.language="python"' in resource
    assert found.pop(resource) == 1.0
    assert found == {
        f'orders_total{{{common}, {tail}, paid="true"}}': 5.0,
        f"carts{{{common}, {tail}}}": -4.0,
        f"heat_celsius{{{common}, {tail}}}": 21.5,
        f'wait_seconds_count{{{common}, {tail}, till="3"}}': 1.0,
        f'wait_seconds_sum{{{common}, {tail}, till="3"}}': 2.0,
        f'wait_seconds_bucket{{{common}, le="1.0", {tail}, till="3"}}': 0.0,
        f'wait_seconds_bucket{{{common}, le="5.0", {tail}, till="3"}}': 1.0,
        f'wait_seconds_bucket{{{common}, le="+Inf", {tail}, till="3"}}': 1.0,
        f"seen_total{{{common}, {tail}}}": 10.0,
        f"level_ratio{{{common}, {tail}}}": 0.5,
        f"depth{{{common}, {tail}}}": 7.0,
    }
    native = await store.rows(
        "SELECT name, count, zero_count, arraySum(positive_counts) AS above, schema FROM vedette.histograms AS h "
        "INNER JOIN vedette.series AS s ON s.id = h.series AND s.tenant = h.tenant WHERE h.tenant = {tenant:String}"
    )
    assert native == [{"name": "payload_bytes", "count": 3.0, "zero_count": 1.0, "above": 2.0, "schema": 7}]
