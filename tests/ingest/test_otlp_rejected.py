"""Points that cannot be kept: OTLP's partial success says how many, and as many are missing from the tables."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import Any

import grpc
from hypothesis import HealthCheck, Phase, given, settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics_storage"))
from faulty_requests import every_fault, mixtures, points
from otlp_requests import DELTA, TIME_NS, as_json, gauge, request, total

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
REFUSED = "SELECT sum(count) FROM ledger WHERE signal = 'metrics'"
KEPT = "SELECT uniqExact(labels['p']) FROM series WHERE labels['p'] != ''"


def by_protobuf(platform: Any, tenant: str, message: ExportMetricsServiceRequest) -> ExportMetricsPartialSuccess | None:
    answer = platform.otlp("metrics", message.SerializeToString(), X_Scope_OrgID=tenant)
    assert answer.status == 200, answer.body
    return _partial(ExportMetricsServiceResponse.FromString(answer.body))


def by_json(platform: Any, tenant: str, message: ExportMetricsServiceRequest) -> ExportMetricsPartialSuccess | None:
    answer = platform.otlp("metrics", as_json(message), Content_Type="application/json", X_Scope_OrgID=tenant)
    assert answer.status == 200, answer.body
    if answer.body == b"{}":
        return None
    partial = answer.json()["partialSuccess"]
    return ExportMetricsPartialSuccess(
        rejected_data_points=int(partial["rejectedDataPoints"]), error_message=partial["errorMessage"]
    )


def by_grpc(platform: Any, tenant: str, message: ExportMetricsServiceRequest) -> ExportMetricsPartialSuccess | None:
    with grpc.insecure_channel(f"127.0.0.1:{platform.otlp_grpc}") as channel:
        export = channel.unary_unary(
            EXPORT, ExportMetricsServiceRequest.SerializeToString, ExportMetricsServiceResponse.FromString
        )
        return _partial(export(message, metadata=[("x-scope-orgid", tenant)]))


def _partial(answer: ExportMetricsServiceResponse) -> ExportMetricsPartialSuccess | None:
    return answer.partial_success if answer.HasField("partial_success") else None


WAYS = (by_protobuf, by_json, by_grpc)


def hold_against_tables(platform: Any, message: ExportMetricsServiceRequest) -> list[Any]:
    """Send a request twice by each way; what is said each time must be what is not there. Returns what is said."""
    answers = {}
    for way in WAYS:
        tenant = f"rejected-{uuid.uuid4().hex}"
        answers[tenant] = [way(platform, tenant, message) for _ in range(2)]
        assert answers[tenant][0] == answers[tenant][1]
    platform.loaded()
    for tenant, (said, _) in answers.items():
        rejected = said.rejected_data_points if said else 0
        platform.eventually(REFUSED, 2 * rejected, tenant)
        platform.eventually(KEPT, len(points(message)) - rejected, tenant)
    return [said for said, _ in answers.values()]


def test_every_reason_is_told_by_every_way(shared_platform):
    first, *others = hold_against_tables(shared_platform, every_fault())
    assert first.rejected_data_points == 16
    assert "2 of a metric without a name (unnamed_metric)" in first.error_message
    assert "2 with buckets above 2000000000 (buckets_out_of_range)" in first.error_message
    assert others == [first, first]


@given(message=mixtures())
@settings(
    max_examples=1, deadline=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_as_many_are_told_as_are_missing(shared_platform, message):
    hold_against_tables(shared_platform, message)


def test_a_request_that_is_kept_whole_says_nothing(shared_platform):
    sound = request(gauge("sound", 1.0), total("delta", 1, temporality=DELTA))
    assert [way(shared_platform, "sound", sound) for way in WAYS] == [None, None, None]


def test_late_deltas_and_points_that_cannot_be_kept_are_told_together(shared_platform):
    by_protobuf(shared_platform, "both", request(total("d", 1, temporality=DELTA)))
    late = total("d", 1, temporality=DELTA, time=TIME_NS - 1)
    for way in WAYS:
        assert way(shared_platform, "both", request(late)).rejected_data_points == 1
        said = way(shared_platform, "both", request(late, gauge("", 1.0), gauge("sound", 1.0)))
        assert said.rejected_data_points == 2
        assert "1 delta points came after" in said.error_message
        assert "1 of a metric without a name (unnamed_metric)" in said.error_message
