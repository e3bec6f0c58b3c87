"""`vedette demo` as a user runs it: real processes, the real platform, telemetry that fits together."""

from __future__ import annotations

import json
import os
import re
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
from real_platform import copy_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SERVICES = {"gateway", "catalog", "orders", "payments", "worker"}
WAIT_SECONDS = 180
Found = TypeVar("Found")


@dataclass
class Running:
    """A demo that runs, and where its platform answers."""

    process: subprocess.Popen[str]
    url: str
    otlp_http: str
    otlp_grpc: str
    output: Path

    def ask(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=params, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def logs(self, query: str) -> list[dict[str, Any]]:
        """Log lines for which the query holds, as soon as there are any."""
        return wait_for(lambda: list(self.ask("logs", q=query, limit="20")["logs"]), f"logs {query}")

    def sql(self, statement: str) -> list[dict[str, Any]]:
        url, form = f"{self.url}/api/v1/sql", {"format": "JSONEachRow"}
        answer = httpx.post(url, params=form, content=statement, timeout=30)
        answer.raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]

    def count(self, table: str, condition: str) -> int:
        return int(self.sql(f"SELECT count() AS n FROM {table} WHERE {condition}")[0]["n"])


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
    return Running(process, f"http://{listen}", http, grpc, output)


def assert_stops(running: Running, number: signal.Signals) -> None:
    family = psutil.Process(running.process.pid).children(recursive=True)
    assert len(family) >= len(SERVICES) + 2  # the shop, its visitors and the platform
    running.process.send_signal(number)
    assert running.process.wait(60) == 0, text_of(running)
    _, alive = psutil.wait_procs(family, timeout=0)
    assert not alive
    assert "Its telemetry stays in" in text_of(running)


# These come first: the demo that the others share is not running yet, and takes nothing from them.


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux'")
def test_nothing_is_left_when_the_demo_is_killed(tmp_path: Path) -> None:
    copy_tables(tmp_path / "data" / "engine")
    running = start_demo(tmp_path, "--rate", "1")
    demo = psutil.Process(running.process.pid)
    # The shop and its visitors, and the platform of four processes.
    wait_for(lambda: len(demo.children(recursive=True)) >= len(SERVICES) + 5, "the processes")
    family = demo.children(recursive=True)
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


def test_sigint_stops_everything_while_it_starts(tmp_path: Path) -> None:
    copy_tables(tmp_path / "data" / "engine")
    running = start_demo(tmp_path, "--rate", "1")
    family = psutil.Process(running.process.pid)
    wait_for(lambda: len(family.children(recursive=True)) >= len(SERVICES) + 2, "the processes")
    assert_stops(running, signal.SIGINT)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start_demo(tmp_path_factory.mktemp("demo"))
    try:
        wait_for(lambda: "payments" in text_of(running), "the first snapshot")
        yield running
    finally:
        running.process.terminate()
        running.process.wait(60)


def calls_of(trace: dict[str, Any]) -> set[tuple[str, str]]:
    """Which service called which."""
    service = {span["span_id"]: span["service"] for span in trace["spans"]}
    return {
        (service[span["parent_span_id"]], span["service"])
        for span in trace["spans"]
        if span["parent_span_id"] in service
    }


def crossing_trace(demo: Running) -> dict[str, Any]:
    """A trace that went through every service and whose message was processed."""

    def find() -> dict[str, Any]:
        for found in demo.ask("traces", q="kind:consumer", limit="50")["traces"]:
            if set(found["services"]) == SERVICES:
                trace: dict[str, Any] = demo.ask(f"traces/{found['trace_id']}")
                known = {span["span_id"] for span in trace["spans"]}
                whole = all(span["parent_span_id"] in {None, *known} for span in trace["spans"])
                # Each process sends when it is its turn; what the worker's question caused comes last.
                if whole and ("worker", "catalog") in calls_of(trace):
                    return trace
        return {}

    return wait_for(find, "a complete trace through all services")


def test_a_checkout_is_one_trace_through_all_processes(demo: Running) -> None:
    trace = crossing_trace(demo)
    assert (trace["root_service"], trace["root_name"]) == ("gateway", "POST /checkout")
    assert [span["name"] for span in trace["spans"] if span["parent_span_id"] is None] == ["POST /checkout"]
    assert {("gateway", "orders"), ("orders", "payments"), ("orders", "worker")} <= calls_of(trace)
    statements = {span["attributes"].get("db.query.text", "") for span in trace["spans"]}
    assert any(statement.startswith("INSERT INTO orders") for statement in statements)


def test_a_message_continues_the_trace_and_links_to_its_receipt(demo: Running) -> None:
    trace = crossing_trace(demo)
    by_id = {span["span_id"]: span for span in trace["spans"]}
    processed = next(span for span in trace["spans"] if span["kind"] == "consumer")
    sent = by_id[processed["parent_span_id"]]
    assert (sent["service"], sent["kind"]) == ("orders", "producer")
    assert processed["attributes"]["messaging.message.id"] == sent["attributes"]["messaging.message.id"]
    receipt = demo.ask(f"traces/{processed['links'][0]['trace_id']}")["spans"][0]
    assert receipt["span_id"] == processed["links"][0]["span_id"]
    assert receipt["name"] == "receive order.placed"
    assert sent["span_id"] in {link["span_id"] for link in receipt["links"]}


def test_every_service_says_who_it_is(demo: Running) -> None:
    resources = {resource["service.name"]: resource for resource in crossing_trace(demo)["resources"].values()}
    assert set(resources) == SERVICES
    for service, resource in resources.items():
        assert resource["service.instance.id"].startswith(f"{service}-")
        assert resource["service.version"].count(".") == 2
        assert resource["deployment.environment.name"] == "demo"


def test_both_kinds_of_services_send_everything_once(demo: Running) -> None:
    spans = crossing_trace(demo)["spans"]
    by_id = {span["span_id"]: span for span in spans}
    for span in spans:
        parent = by_id.get(span["parent_span_id"] or "")
        if span["kind"] == "server" and parent is not None:
            assert (parent["kind"], parent["service"] == span["service"]) == ("client", False)
    makers = demo.sql(
        "SELECT DISTINCT service, JSONExtractString(scope, 'name') AS scope_name FROM spans WHERE kind = 'server'"
    )
    assert {row["service"]: row["scope_name"] for row in makers} == {
        **dict.fromkeys(("gateway", "catalog", "orders"), "vedette.web"),
        "payments": "opentelemetry.instrumentation.fastapi",
    }
    assert (
        len(makers) == len(SERVICES) - 1
    )  # the worker has no server, and every other exactly one that makes its spans
    name = "http.server.request.duration_seconds_count"
    told = ("instance", "http.route", "http.request.method", "http.response.status_code", "url.scheme")
    by = ", ".join(f"labels['{label}']" for label in told)
    series = demo.sql(f"SELECT uniqExact(id) AS n, {by} FROM series WHERE name = '{name}' GROUP BY {by}")
    assert [row for row in series if int(row["n"]) != 1] == []
    assert len(series) > len(SERVICES)


def test_logs_belong_to_spans_and_carry_stack_traces_and_events(demo: Running) -> None:
    line = demo.logs("severity:error AND _exists_:exception.stacktrace")[0]
    assert line["attributes"]["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    trace = wait_for(lambda: spans_of(demo, line["trace_id"]), "the trace of the log line")
    assert trace[line["span_id"]]["service"] == line["service"]
    event = demo.logs("event_name:shop.order.placed")[0]
    assert event["body"]["lines"][0]["quantity"] >= 1
    assert event["attributes"]["user.id"].startswith("u-")


def spans_of(demo: Running, trace_id: str) -> dict[str, dict[str, Any]]:
    """The spans of a trace by id; none while the trace has not arrived."""
    if not demo.ask("traces", q=f"trace_id:{trace_id}")["traces"]:
        return {}
    return {span["span_id"]: span for span in demo.ask(f"traces/{trace_id}")["spans"]}


def test_metrics_of_every_shape_arrive(demo: Running) -> None:
    for name in ("http.server.request.duration_seconds_bucket", "shop.orders.placed_total", "shop.queue.depth"):
        wait_for(lambda name=name: demo.count("series", f"name = '{name}'"), name)
    wait_for(lambda: demo.count("series", "name = 'payments.provider.duration_seconds'"), "the exponential histogram")
    wait_for(lambda: demo.count("histograms", "1"), "native histograms")
    wait_for(lambda: demo.count("exemplars", "1"), "exemplars")


def test_its_alerting_rules_are_evaluated_on_its_metrics(demo: Running) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = httpx.get(f"{demo.url}/prometheus/api/v1/rules", timeout=30).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"] if rule["health"] != "unknown"]

    found = wait_for(rules, "the shop's rules")
    assert {rule["name"]: rule["lastError"] for rule in found} == dict.fromkeys(
        ("RequestsFail", "RequestsSlow", "NobodyComes"), ""
    )
    # Its condition is an absence: were the metrics named otherwise, it would hold.
    wait_for(lambda: [rule["state"] for rule in rules()][2:] == ["inactive"], "requests")


def test_the_plain_view_shows_the_services_and_what_to_do_next(demo: Running) -> None:
    wait_for(lambda: "\ntrace " in text_of(demo), "a trace")
    text = text_of(demo)
    for expected in ("gateway", "catalog", "orders", "p95 ms", "vedette query logs 'severity:error'", "vedette tail"):
        assert expected in text


def text_of(demo: Running) -> str:
    return demo.output.read_text(encoding="utf-8")


def test_a_second_shop_uses_the_running_platform_and_ports_of_its_own(demo: Running, tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    options = ["--no-serve", "--duration", "3", "--listen", demo.url.removeprefix("http://")]
    options += ["--otlp-http", demo.otlp_http, "--otlp-grpc", demo.otlp_grpc]
    command = [sys.executable, "-m", "vedette.cli.main", "demo", "--plain", *options]
    with output.open("w", encoding="utf-8") as file:
        second = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False, timeout=300)
    text = output.read_text(encoding="utf-8")
    assert second.returncode == 0, text
    assert "Starting the shop" in text
    assert f"vedette tail --url {demo.url}" in text
    ours, theirs = (re.search(r"shop (http://\S+) open", shown) for shown in (text_of(demo), text))
    assert ours is not None
    assert theirs is not None
    assert ours[1] != theirs[1]


def test_sigterm_stops_everything(demo: Running) -> None:
    assert_stops(demo, signal.SIGTERM)  # the last of this module: it ends what the others use
