"""A disk that refuses what the server writes, and a clock that was ahead, seen through the platform's doors."""

from __future__ import annotations

import os
import time

import pytest
from engine_door import ask
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_REFUSING = """
import errno, os

def _refusing(name, number):
    real = getattr(os, name)

    def call(*arguments):
        try:
            with open({mark!r}) as file:
                broken = file.read()
        except FileNotFoundError:
            broken = ""
        if broken == name:
            raise OSError(number, os.strerror(number))
        return real(*arguments)

    setattr(os, name, call)

_refusing("fdatasync", errno.EIO)
_refusing("writev", errno.ENOSPC)
"""
"""Goes into every process of a platform, as the interpreter's `sitecustomize`."""


@pytest.fixture(scope="module")
def fragile(new_platform, tmp_path_factory):
    """A platform whose log's disk refuses the call that a file names."""
    folder = tmp_path_factory.mktemp("fragile")
    mark = folder / "broken"
    (folder / "sitecustomize.py").write_text(_REFUSING.format(mark=str(mark)))
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    platform = new_platform(folder / "data", ["--wal-segment-age", "100ms"], {"PYTHONPATH": path}).start()
    yield platform, mark
    platform.stop()


def line(body: str) -> bytes:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
    record.body.string_value = body
    return request.SerializeToString()


@pytest.mark.parametrize(("call", "words"), [("fdatasync", b"Input/output error"), ("writev", b"No space left")])
def test_what_the_disk_refuses_is_not_acknowledged_and_nothing_else_is_lost(fragile, call, words):
    platform, mark = fragile
    assert platform.otlp("logs", line("before"), X_Scope_OrgID=call).status == 200
    mark.write_text(call)
    refused = platform.otlp("logs", line("refused"), X_Scope_OrgID=call)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert words in refused.body
    mark.unlink()
    while (answer := platform.otlp("logs", line("after"), X_Scope_OrgID=call)).status == 503:
        time.sleep(0.1)
    assert answer.status == 200
    platform.eventually("SELECT count() FROM logs", 2, call)
    platform.loaded()
    rows = platform.sql("SELECT body FROM logs ORDER BY time", call)
    assert [row["body"] for row in rows] == ["before", "after"]
    metrics = platform.request("/metrics").body.decode().splitlines()
    assert any(line.startswith("vedette_wal_faults") and float(line.split()[-1]) >= 1 for line in metrics)
    assert platform.request("/readyz").status == 200


def test_calls_are_counted_when_a_clock_that_was_ahead_is_set_back(fragile):
    platform, _ = fragile
    # What a clock that was a day ahead, or one that an earlier version saw ahead, leaves behind.
    ask(platform, "INSERT INTO edge_clock (opened) SELECT toStartOfMinute(now() + INTERVAL 1 DAY)")
    request, at = ExportTraceServiceRequest(), time.time_ns()
    trace_id, caller, called = os.urandom(16), os.urandom(8), os.urandom(8)
    for service, kind, span_id, parent in (("front", 3, caller, b""), ("back", 2, called, caller)):
        resource = request.resource_spans.add()
        resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=service)))
        resource.scope_spans.add().spans.add(
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=parent,
            name="call",
            kind=kind,
            start_time_unix_nano=at,
            end_time_unix_nano=at + 1000,
        )
    assert platform.otlp("traces", request.SerializeToString(), X_Scope_OrgID="stepped").status == 200
    platform.eventually("SELECT count() FROM spans", 2, "stepped")
    platform.loaded()
    edges = platform.request("/api/v1/service-map", headers={"X-Scope-OrgID": "stepped"}).json()["edges"]
    assert [(edge["client"], edge["server"], edge["request_count"]) for edge in edges] == [("front", "back", 1)]
