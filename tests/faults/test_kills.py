"""Every process of the platform is killed at random moments under load; nothing acknowledged is lost or doubled."""

import contextlib
import fcntl
import http.client
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from engine_door import ask, until
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

ROUNDS = int(os.environ.get("VEDETTE_TEST_KILL_ROUNDS", "2"))
SEED = int(os.environ.get("VEDETTE_TEST_KILL_SEED", "20"))
BATCH = 7
SERIES = 5
# Every kill finds requests under way; more of them would prove no more, and all have to be loaded.
PAUSE_SECONDS = 0.01
# How long the engine is kept away at least; a run by hand takes minutes.
OUTAGE_SECONDS = float(os.environ.get("VEDETTE_TEST_OUTAGE_SECONDS", "0"))


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


def samples(number: int) -> bytes:
    """One point of each of a few series; the value is the number of the request."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="kills")
    for i in range(SERIES):
        point = metric.gauge.data_points.add(
            as_double=number, time_unix_nano=1_790_000_000_000_000_000 + number * 10**6
        )
        point.attributes.append(KeyValue(key="i", value=AnyValue(string_value=str(i))))
    return request.SerializeToString()


PAYLOADS = {"traces": spans, "logs": logs, "metrics": samples}


class Load(threading.Thread):
    """Sends numbered requests and remembers which were acknowledged; one that failed is not sent again."""

    def __init__(self, platform, first: int, step: int) -> None:
        super().__init__(daemon=True)
        self._platform, self._next, self._step = platform, first, step
        self.acknowledged: dict[str, set[int]] = {name: set() for name in PAYLOADS}
        self.sent: dict[str, set[int]] = {name: set() for name in PAYLOADS}
        self.surprises: list[object] = []
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            number = self._next
            self._next += self._step
            for name, payload in PAYLOADS.items():
                self.sent[name].add(number)
                try:
                    answer = self._platform.otlp(name, payload(number))
                except (OSError, http.client.HTTPException):
                    # The connection broke: it may have been kept or not.
                    time.sleep(0.05)
                    continue
                if answer.status == 200:
                    self.acknowledged[name].add(number)
                elif answer.status != 503:
                    self.surprises.append((answer.status, answer.body))
            time.sleep(PAUSE_SECONDS)


def start_load(platform, threads: int = 4) -> list[Load]:
    load = [Load(platform, i + 1, threads) for i in range(threads)]
    for thread in load:
        thread.start()
    return load


def stop_load(load: list[Load]) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
    """What was acknowledged and what was sent, by signal."""
    for thread in load:
        thread.stopping = True
    for thread in load:
        thread.join()
    assert not [surprise for thread in load for surprise in thread.surprises]
    acknowledged = {name: set().union(*(thread.acknowledged[name] for thread in load)) for name in PAYLOADS}
    sent = {name: set().union(*(thread.sent[name] for thread in load)) for name in PAYLOADS}
    return acknowledged, sent


def drain(platform) -> None:
    """Wait until everything in the log is in the tables; the file of a segment goes when the engine has answered."""
    folder = platform.data_dir / "wal"
    while any(path.suffix in {".wal", ".open"} for path in folder.iterdir()):
        assert platform.process.poll() is None, platform.log
        time.sleep(0.1)


def check_exactly_once(platform, acknowledged: dict[str, set[int]], sent: dict[str, set[int]]) -> None:
    """Every acknowledged request is in the tables once and whole, and the rollups agree with the tables."""
    kept = ask(platform, "SELECT hex(trace_id) AS id, count() AS n, uniqExact(span_id) AS ids FROM spans GROUP BY id")
    found = {int(row["id"], 16) for row in kept}
    assert acknowledged["traces"] <= found <= sent["traces"], acknowledged["traces"] - found
    assert [row for row in kept if not row["n"] == row["ids"] == BATCH] == []

    lines = ask(platform, "SELECT body, count() AS n FROM logs GROUP BY body")
    assert {row["n"] for row in lines} == {1}
    found_lines = {row["body"] for row in lines}
    assert {f"record {number} {i}" for number in acknowledged["logs"] for i in range(BATCH)} <= found_lines

    points = ask(
        platform, "SELECT value, count() AS n, uniqExact(series) AS s FROM samples WHERE value > 0 GROUP BY value"
    )
    found_points = {int(row["value"]) for row in points}
    assert acknowledged["metrics"] <= found_points <= sent["metrics"]
    assert [row for row in points if not row["n"] == row["s"] == SERIES] == []

    totals = ask(
        platform,
        """
        SELECT (SELECT count() FROM spans) AS spans,
               (SELECT sum(count) FROM red_minute) AS red,
               (SELECT sum(count) FROM red_service_minute) AS red_services,
               (SELECT sum(count) FROM red_service_hour) AS red_services_by_hour,
               (SELECT sum(span_count) FROM trace_index) AS indexed,
               (SELECT sum(rows) FROM usage_hour WHERE signal = 'traces') AS used
        """,
    )[0]
    assert set(totals.values()) == {len(found) * BATCH}, totals
    assert ask(platform, "SELECT sum(rows) AS n FROM usage_hour WHERE signal = 'logs'") == [{"n": len(lines)}]
    assert list((platform.data_dir / "wal" / "quarantine").iterdir()) == []


@contextlib.contextmanager
def engine_kept_away(platform):
    """Kill the engine and let no other start: each finds its directory in use and ends."""
    with (platform.data_dir / "engine" / "status").open("ab") as status:
        platform.kill("engine")
        while True:
            try:
                fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.01)
        yield


def wait_out(platform) -> None:
    """Until the supervisor has tried again, and the log has grown by many segments, which nobody loads."""
    began, attempts = time.monotonic(), platform.log.count("The engine ended")
    segments = {path.name for path in (platform.data_dir / "wal").glob("*.wal")}
    while (
        time.monotonic() - began < OUTAGE_SECONDS
        or platform.log.count("The engine ended") < attempts + 2
        or len({path.name for path in (platform.data_dir / "wal").glob("*.wal")} - segments) < 10
    ):
        assert platform.request("/healthz").status == 200
        time.sleep(0.1)
    assert platform.request("/readyz").status == 503


def test_kills_at_random_moments_and_an_outage_lose_and_double_nothing(make_platform):
    rng = random.Random(SEED)
    platform = make_platform("--wal-segment-age", "200ms")
    load = start_load(platform)
    with engine_kept_away(platform):
        wait_out(platform)
    for _ in range(ROUNDS):
        for victim in rng.sample(["engine", "worker", "server"], 3):
            time.sleep(rng.uniform(0.05, 1.2))
            platform.kill(victim)
        if rng.random() < 0.5:
            platform.wait_ready()
    platform.wait_ready()
    time.sleep(1)
    acknowledged, sent = stop_load(load)
    platform.wait_ready()
    drain(platform)
    assert all(len(numbers) > ROUNDS for numbers in acknowledged.values())
    check_exactly_once(platform, acknowledged, sent)


def test_a_tree_that_is_killed_whole_loses_and_doubles_nothing(make_platform):
    """As a power cut of the machine, but for what the kernel had not written."""
    rng = random.Random(SEED + 1)
    platform = make_platform("--wal-segment-age", "100ms")
    acknowledged: dict[str, set[int]] = {name: set() for name in PAYLOADS}
    sent: dict[str, set[int]] = {name: set() for name in PAYLOADS}
    for turn in range(max(2, ROUNDS // 2)):
        load = [Load(platform, 1 + i + turn * 1_000_000, 2) for i in range(2)]
        for thread in load:
            thread.start()
        time.sleep(rng.uniform(0.3, 1.5))
        children = [platform.child(name) for name in ("engine", "server", "worker")]
        for pid in (platform.process.pid, *children):
            os.kill(pid, signal.SIGKILL)
        platform.process.wait()
        for before, now in zip((acknowledged, sent), stop_load(load), strict=True):
            for name in PAYLOADS:
                before[name] |= now[name]
        platform.start()
    drain(platform)
    check_exactly_once(platform, acknowledged, sent)


@pytest.fixture(scope="module")
def house(new_platform, tmp_path_factory):
    """One platform for single faults, each with a tenant of its own."""
    platform = new_platform(tmp_path_factory.mktemp("house") / "data", ["--wal-segment-age", "100ms"]).start()
    yield platform
    platform.stop()


def engine_restarts(platform) -> int:
    name = 'vedette_process_restarts_total{process="engine"} '
    lines = platform.request("/metrics").body.decode().splitlines()
    return int(next((line.removeprefix(name) for line in lines if line.startswith(name)), "0"))


def test_a_killed_engine_is_back_while_ingest_goes_on(house):
    before = engine_restarts(house)
    house.kill("engine")
    statuses = [house.otlp("logs", logs(i), X_Scope_OrgID="back").status for i in range(20)]
    assert statuses == [200] * 20
    until(house, "SELECT count() FROM logs WHERE tenant = 'back'", 20 * BATCH)
    # The supervisor writes its figures down once in a while.
    while engine_restarts(house) == before:
        time.sleep(0.2)


def test_queries_answer_503_while_the_engine_is_away_and_recover(house):
    engine = house.child("engine")
    os.kill(engine, signal.SIGKILL)
    while True:
        answer = house.request("/api/v1/services")
        assert answer.status in {200, 503}, answer.body
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1
        elif house.child("engine") != engine:
            break
        time.sleep(0.05)
    assert house.request("/healthz").status == 200


def test_an_engine_that_is_away_for_long_loses_nothing(house):
    engine = house.child("engine")
    os.kill(engine, signal.SIGSTOP)  # it neither answers nor ends
    for i in range(30):
        assert house.otlp("logs", logs(i), X_Scope_OrgID="long").status == 200
        time.sleep(0.1)
    assert house.request("/healthz").status == 200
    os.kill(engine, signal.SIGCONT)
    until(house, "SELECT count() FROM logs WHERE tenant = 'long'", 30 * BATCH)
    drain(house)
    assert ask(house, "SELECT count() AS n FROM logs WHERE tenant = 'long'") == [{"n": 30 * BATCH}]


def test_a_killed_supervisor_leaves_nothing_behind(house):
    assert house.otlp("logs", logs(1), X_Scope_OrgID="orphans").status == 200
    children = [house.child(name) for name in ("engine", "server", "worker")]
    house.process.kill()
    house.process.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        time.sleep(0.05)
    house.start()
    until(house, "SELECT count() FROM logs WHERE tenant = 'orphans'", BATCH)


def test_a_clean_stop_loses_nothing_and_the_next_start_replays(make_platform):
    platform = make_platform("--wal-segment-age", "60s", name="again")
    for i in range(10):
        assert platform.otlp("logs", logs(i)).status == 200
    assert platform.stop() == 0
    platform.start()
    until(platform, "SELECT count() FROM logs", 10 * BATCH)
    assert platform.stop() == 0
    platform.start()
    assert ask(platform, "SELECT count() AS n FROM logs") == [{"n": 10 * BATCH}]
