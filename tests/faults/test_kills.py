"""Every process of the platform is killed at random moments under load; nothing acknowledged is lost or doubled."""

import os
import random
import threading
import time
import urllib.error

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

ROUNDS = int(os.environ.get("VEDETTE_TEST_KILL_ROUNDS", "6"))
BATCH = 7


def spans(number: int) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=f"s{number % 3}")))
    scope = resource.scope_spans.add()
    trace_id = number.to_bytes(16, "big")
    for i in range(BATCH):
        at = time.time_ns()
        scope.spans.add(
            trace_id=trace_id,
            span_id=(number * BATCH + i + 1).to_bytes(8, "big"),
            name=f"op {i}",
            kind=2,
            start_time_unix_nano=at,
            end_time_unix_nano=at + 1000,
        )
    return request.SerializeToString()


def logs(number: int) -> bytes:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for i in range(BATCH):
        record = scope.log_records.add(time_unix_nano=time.time_ns(), severity_number=9)
        record.body.string_value = f"record {number} {i}"
    return request.SerializeToString()


class Load(threading.Thread):
    """Sends numbered requests and remembers which were acknowledged; one that failed is not sent again."""

    def __init__(self, platform, first: int, step: int) -> None:
        super().__init__(daemon=True)
        self._platform, self._next, self._step = platform, first, step
        self.acknowledged: list[int] = []
        self.unanswered: list[int] = []
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            number = self._next
            self._next += self._step
            for signal, body in (("traces", spans(number)), ("logs", logs(number))):
                try:
                    status = self._platform.otlp(signal, body).status
                except (OSError, urllib.error.URLError):
                    # The connection broke: it may have been kept or not.
                    self.unanswered.append(number)
                    time.sleep(0.05)
                    break
                if status != 200:
                    assert status == 503
                    self.unanswered.append(number)
                    break
            else:
                self.acknowledged.append(number)


def test_kills_at_random_moments_lose_and_double_nothing(make_platform):
    rng = random.Random(20)
    platform = make_platform("--wal-segment-age", "200ms")
    load = [Load(platform, i + 1, 4) for i in range(4)]
    for thread in load:
        thread.start()
    for _ in range(ROUNDS):
        for victim in ("engine", "worker", "server"):
            time.sleep(rng.uniform(0.05, 1.2))
            platform.kill(victim)
        platform.wait_ready()
    time.sleep(1)
    for thread in load:
        thread.stopping = True
    for thread in load:
        thread.join()
    platform.wait_ready()
    acknowledged = sorted(number for thread in load for number in thread.acknowledged)
    unanswered = {number for thread in load for number in thread.unanswered}
    assert len(acknowledged) > 50
    last = acknowledged[-1]
    platform.eventually(f"SELECT count() > 0 FROM spans WHERE trace_id = '{last:032x}'", 1)
    platform.eventually(f"SELECT count() FROM logs WHERE body = 'record {last} 0'", 1)

    kept = platform.sql("SELECT trace_id, count() AS n, uniqExact(span_id) AS ids FROM spans GROUP BY trace_id")
    found = {int(row["trace_id"], 16) for row in kept}
    assert set(acknowledged) <= found <= set(acknowledged) | unanswered
    assert all(int(row["n"]) == int(row["ids"]) == BATCH for row in kept)

    lines = platform.sql("SELECT body, count() AS n FROM logs GROUP BY body")
    assert {row["n"] for row in lines} <= {1, "1"}
    assert {f"record {number} {i}" for number in acknowledged for i in range(BATCH)} <= {row["body"] for row in lines}

    totals = platform.sql(
        """
        SELECT (SELECT count() FROM spans) AS spans,
               (SELECT sum(count) FROM red_minute) AS red,
               (SELECT sum(span_count) FROM traces) AS indexed,
               (SELECT sum(rows) FROM usage_hour WHERE signal = 'traces') AS used
        """
    )[0]
    assert len(set(totals.values())) == 1, totals


def test_a_killed_engine_is_back_while_ingest_goes_on(make_platform):
    platform = make_platform()
    platform.kill("engine")
    statuses = [platform.otlp("logs", logs(i)).status for i in range(20)]
    assert statuses == [200] * 20
    platform.eventually("SELECT count() FROM logs", 20 * BATCH)


def test_an_engine_that_is_away_for_long_loses_nothing(make_platform):
    platform = make_platform("--wal-segment-age", "100ms")
    engine = platform.child("engine")
    os.kill(engine, 19)  # SIGSTOP: it neither answers nor ends
    for i in range(30):
        assert platform.otlp("logs", logs(i)).status == 200
        time.sleep(0.1)
    os.kill(engine, 18)
    platform.eventually("SELECT count() FROM logs", 30 * BATCH)


def test_a_clean_stop_loses_nothing_and_the_next_start_replays(make_platform):
    platform = make_platform("--wal-segment-age", "60s", name="again")
    for i in range(10):
        assert platform.otlp("logs", logs(i)).status == 200
    assert platform.stop() == 0
    platform.start()
    platform.eventually("SELECT count() FROM logs", 10 * BATCH)
    assert platform.stop() == 0
    platform.start()
    assert platform.sql("SELECT count() AS n FROM logs") == [{"n": 10 * BATCH}]


def test_a_killed_supervisor_leaves_nothing_behind(make_platform):
    platform = make_platform()
    assert platform.otlp("logs", logs(1)).status == 200
    children = [platform.child(name) for name in ("engine", "server", "worker")]
    platform.process.kill()
    platform.process.wait()
    while any(os.path.exists(f"/proc/{pid}") for pid in children):  # noqa: PTH110
        time.sleep(0.05)
    platform.start()
    platform.eventually("SELECT count() FROM logs", BATCH)
