"""`vedette demo` as a user runs it: real processes, the real platform, telemetry that fits together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SERVICES = {"gateway", "catalog", "orders", "payments", "worker"}
WAIT_SECONDS = 180
Found = TypeVar("Found")
CROSSING_TRACE = """
    SELECT trace_id FROM spans GROUP BY trace_id
    HAVING uniqExact(service) = 5 AND countIf(parent_span_id = '' OR parent_span_id = '0000000000000000') = 1
        AND countIf(kind = 'consumer') > 0 AND max(time) < now() - 5 LIMIT 1
"""


@dataclass
class Running:
    """A demo that runs, and where its platform answers."""

    process: subprocess.Popen[str]
    url: str
    output: Path

    def sql(self, statement: str) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.url}/api/v1/sql", params={"format": "JSONEachRow"}, content=statement, timeout=30)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.iter_lines()]

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Rows of the statement as soon as there are any."""
        return wait_for(lambda: self.sql(statement), statement)


def wait_for(ask: Callable[[], Found], what: str) -> Found:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            if found := ask():
                return found
        except httpx.TransportError as error:
            what = f"{what}: {error}"
        time.sleep(0.3)
    pytest.fail(f"not seen: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_demo(directory: Path, *options: str) -> Running:
    listen, http, grpc = (f"127.0.0.1:{free_port()}" for _ in range(3))
    output = directory / "output.txt"
    command = [sys.executable, "-m", "vedette.cli.main", "demo", "--plain", "--rate", "12", "--seed", "4"]
    command += ["--listen", listen, "--otlp-http", http, "--otlp-grpc", grpc, "--data-dir", str(directory / "data")]
    with output.open("w", encoding="utf-8") as file:
        process = subprocess.Popen([*command, *options], stdout=file, stderr=subprocess.STDOUT, text=True)
    return Running(process, f"http://{listen}", output)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start_demo(tmp_path_factory.mktemp("demo"))
    try:
        wait_for(lambda: "payments" in text_of(running), "the first snapshot")
        yield running
    finally:
        running.process.terminate()
        running.process.wait(60)


def test_a_checkout_is_one_trace_through_all_processes(demo: Running) -> None:
    trace_id = demo.rows(CROSSING_TRACE)[0]["trace_id"]
    spans = demo.sql(
        "SELECT span_id, parent_span_id, service, name, kind, links.trace_id AS linked FROM spans"
        f" WHERE trace_id = '{trace_id}'"
    )
    by_id = {span["span_id"]: span for span in spans}
    parents = {(span["service"], by_id[span["parent_span_id"]]["service"]) for span in spans if _has_parent(span)}
    assert {("orders", "gateway"), ("payments", "orders"), ("worker", "orders"), ("catalog", "worker")} <= parents
    process = next(span for span in spans if span["kind"] == "consumer")
    assert by_id[process["parent_span_id"]]["kind"] == "producer"
    received = demo.rows(f"SELECT trace_id FROM spans WHERE has(links.trace_id, '{trace_id}') AND kind = 'client'")
    assert received[0]["trace_id"] in process["linked"]


def _has_parent(span: dict[str, Any]) -> bool:
    return bool(span["parent_span_id"].strip("0"))


def test_every_service_says_who_it_is(demo: Running) -> None:
    seen: set[str] = set()

    def all_seen() -> bool:
        for row in demo.sql("SELECT DISTINCT service, toString(resource) AS resource FROM spans"):
            resource = json.loads(row["resource"])
            assert resource["service.name"] == row["service"]
            assert resource["service.instance.id"].startswith(row["service"])
            assert resource["service.version"]
            assert resource["deployment.environment.name"] == "demo"
            seen.add(row["service"])
        return seen == SERVICES

    wait_for(all_seen, "all services")


def test_logs_belong_to_traces_and_carry_stack_traces_and_events(demo: Running) -> None:
    joined = demo.rows(
        "SELECT l.service AS service, s.service AS span_service FROM logs AS l"
        " JOIN spans AS s ON l.trace_id = s.trace_id AND l.span_id = s.span_id LIMIT 20"
    )
    assert all(row["service"] == row["span_service"] for row in joined)
    stack = demo.rows(
        "SELECT attributes['exception.stacktrace'] AS stack FROM logs"
        " WHERE mapContains(attributes, 'exception.stacktrace') LIMIT 1"
    )[0]["stack"]
    assert stack.startswith("Traceback (most recent call last):\n")
    event = demo.rows("SELECT body FROM logs WHERE event_name = 'shop.order.placed' LIMIT 1")[0]
    assert json.loads(event["body"])["lines"]


def test_metrics_of_every_shape_arrive(demo: Running) -> None:
    names = {"http_server_request_duration_seconds_bucket", "shop_orders_placed_total", "shop_queue_depth"}

    def all_there() -> bool:
        return names <= {row["name"] for row in demo.sql("SELECT DISTINCT name FROM series")}

    wait_for(all_there, "histogram, counter and gauge")
    assert demo.rows("SELECT count() AS n FROM histograms HAVING n > 0")
    assert demo.rows("SELECT count() AS n FROM exemplars HAVING n > 0")


def test_the_plain_view_shows_the_services_and_what_to_do_next(demo: Running) -> None:
    wait_for(lambda: "\ntrace " in text_of(demo), "a trace")
    text = text_of(demo)
    for expected in ("gateway", "catalog", "orders", "p95 ms", "vedette query logs 'severity:error'", "vedette tail"):
        assert expected in text


def text_of(demo: Running) -> str:
    return demo.output.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    running = start_demo(tmp_path)
    parent = psutil.Process(running.process.pid)
    wait_for(lambda: "gateway" in text_of(running), "the first snapshot")
    family = parent.children(recursive=True)
    assert len(family) >= len(SERVICES) + 1  # the shop, its visitors and the platform
    running.process.send_signal(number)
    assert running.process.wait(60) == 0, text_of(running)
    _, alive = psutil.wait_procs(family, timeout=0)
    assert not alive
    assert "Its telemetry stays in" in text_of(running)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux'")
def test_nothing_is_left_when_the_demo_is_killed(tmp_path: Path) -> None:
    running = start_demo(tmp_path)
    wait_for(lambda: "gateway" in text_of(running), "the first snapshot")
    family = psutil.Process(running.process.pid).children(recursive=True)
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
