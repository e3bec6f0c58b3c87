"""What is said of points that cannot be kept is what the tables do with them."""

from __future__ import annotations

import uuid
from typing import Any

from faulty_requests import every_fault, mixtures, points
from hypothesis import HealthCheck, example, given, settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_requests import as_json

from vedette.server.ingest.otlp import METRICS, from_json, from_protobuf
from vedette.server.ingest.point_faults import faults_of, sentence
from vedette.server.ingest.point_faults_kernel import REASONS

LEDGER = "SELECT reason, sum(count) AS count FROM vedette.ledger WHERE tenant = {tenant:String} GROUP BY reason"
KEPT = "SELECT uniqExact(labels['p']) AS kept FROM vedette.series WHERE tenant = {tenant:String} AND labels['p'] != ''"


async def refused_by_tables(store: Any, message: ExportMetricsServiceRequest, *, json_form: bool) -> dict[str, int]:
    """Write a request; how many of its points the ledger has for each reason, which are those not in the tables."""
    store.tenant = f"faults-{uuid.uuid4().hex}"
    await store.insert(message, json_form=json_form)
    found = {row["reason"]: int(row["count"]) for row in await store.rows(LEDGER)}
    [row] = await store.rows(KEPT)
    assert int(row["kept"]) == len(points(message)) - sum(found.values())
    return found


async def counted(known: Any, message: ExportMetricsServiceRequest) -> dict[str, int]:
    payload = from_protobuf(METRICS, "t", message.SerializeToString())
    taken = await known.take("t", payload.message, payload.rows)
    assert taken.points == 0
    assert taken.faults == {} or set(taken.faults) == set(REASONS)
    return {reason: count for reason, count in taken.faults.items() if count}


@given(message=mixtures())
@example(message=every_fault())
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_as_many_are_told_as_the_tables_refuse(store, known, message):
    refused = await refused_by_tables(store, message, json_form=False)
    assert refused == await counted(known, message) == faults_of(message)
    assert refused == from_json(METRICS, "t", as_json(message)).faults
    assert refused == await refused_by_tables(store, message, json_form=True)


@given(message=mixtures())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_messages_and_objects_have_the_same_faults(known, message):
    expected = faults_of(message)
    assert await counted(known, message) == expected
    assert from_json(METRICS, "t", as_json(message)).faults == expected


async def test_every_reason_is_told_with_its_number(known):
    faults = await counted(known, every_fault())
    assert faults == dict.fromkeys(REASONS, 2)
    told = sentence(faults)
    assert told.startswith("16 data points cannot be kept: 2 of a metric without a name (unnamed_metric), 2 with a ")
    assert all(f"({reason})" in told for reason in REASONS)
    assert sentence({"no_time": 1}) == "1 data point cannot be kept: 1 without a time (no_time)."
    assert not sentence({})
