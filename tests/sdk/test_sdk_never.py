"""What the SDK never does: block its host, change the host's exceptions, lose what it promised to keep."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from typing import Any

import pytest
from sdk_programs import Collector, Programs, attributes_of, value_of

import vedette
from vedette.testing import capture

ROUNDS = int(os.environ.get("VEDETTE_TEST_KILL_ROUNDS", "3"))


def test_an_endpoint_that_holds_its_answers_does_not_hold_the_program(programs, collector):
    """The endpoint answers only after the program has said that it is done: were it waited for, nobody would go on."""
    done = threading.Event()

    def answer(_path: str) -> tuple[int, dict[str, str], bytes]:
        done.wait()
        return 200, {}, b""

    collector.answer = answer
    process = programs.start(
        """
        import sys, vedette
        vedette.configure("slow", export_interval_seconds=0.01, audit_file="audit.jsonl", log_format="none")
        log, orders = vedette.get_logger("x"), vedette.counter("orders_total")
        for number in range(3000):
            with vedette.span(f"span {number}"):
                log.error("record"); orders.inc()
            if number % 500 == 0: vedette.audit("a", number=number)
        print("done", flush=True)
        sys.stdin.readline()
        """,
        VEDETTE_TIMEOUT_SECONDS="600",
        VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="600",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    done.set()
    _, told = process.communicate("\n")
    assert process.returncode == 0, told
    assert Counter(collector.names()) == Counter(f"span {number}" for number in range(3000))
    assert len([record for record in collector.logs if record.event_name == "audit"]) == 6


HALF_AN_ANSWER = """
import os, socket, sys, threading, traceback, vedette
listener = socket.create_server(("127.0.0.1", 0))
held = []
def serve():
    while True:
        connection, _ = listener.accept()
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\nhalf")
        held.append(connection)
threading.Thread(target=serve, daemon=True).start()
vedette.configure("half", endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}", log_format="none",
                  export_interval_seconds=0.01, metrics_interval_seconds=3600, process_metrics=False)
with vedette.span("work"):
    pass
def reads_the_body():
    thread = next((thread for thread in threading.enumerate() if thread.name == "vedette-send"), None)
    frame = sys._current_frames().get(thread.ident) if thread else None
    names = {found.name for found in traceback.extract_stack(frame)} if frame else set()
    return {"read", "readinto"} <= names and "begin" not in names
while not reads_the_body():
    pass
"""


def test_a_fork_while_an_answer_is_read_leaves_a_child_that_lives(programs):
    """The reading thread holds its reader's lock; in the child nobody will release it."""
    result = programs.run(
        HALF_AN_ANSWER
        + """
pid = os.fork()
if not pid:
    with vedette.span("child"):
        pass
    print("child", flush=True)
    os._exit(0)
print(os.waitpid(pid, 0)[1])
""",
        VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="0.5",
    )
    assert result.stdout.split() == ["child", "0"]


def test_an_endpoint_that_answers_half_does_not_hold_up_the_end(programs):
    times = {"VEDETTE_TIMEOUT_SECONDS": "100000", "VEDETTE_SHUTDOWN_TIMEOUT_SECONDS": "0.5"}
    result = programs.run(HALF_AN_ANSWER + "print('done', flush=True)", **times)
    assert result.stdout.split() == ["done"]


def test_kills_at_random_moments_leave_nothing_torn_doubled_or_lost(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = Collector(port=probe.getsockname()[1])
    programs = Programs(tmp_path, away.url)
    acknowledged: list[str] = []
    for number in range(ROUNDS):
        process = programs.start(
            f"""
            import vedette
            vedette.configure("killed", process_metrics=False, export_interval_seconds=0.01, audit_file="audit.jsonl",
                              log_format="none")
            number = 0
            while True:
                with vedette.span(f"{number} {{number}}", text="x" * 2000): number += 1
                if number % 20 == 0:
                    vedette.flush(0.02)
                    print(vedette.audit("a").id, flush=True)
            """
        )
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip() for _ in range(random.randrange(1, 30))]
        process.send_signal(signal.SIGKILL)
        process.wait()
    away.start()
    programs.run(
        """
        import pathlib, time, vedette
        from vedette.sdk.audit.events import trail
        vedette.configure("killed", process_metrics=False, audit_file="audit.jsonl", log_format="none")
        while any(pathlib.Path("spool").rglob("*.otlp")) or trail().behind():
            vedette.flush()
            time.sleep(0.02)
        """
    )
    away.stop()
    names = Counter(away.names())
    assert set(names.values()) == {1}
    for number in range(ROUNDS):
        kept = sorted(int(name.split()[1]) for name in names if name.startswith(f"{number} "))
        assert kept == list(range(len(kept)))  # no hole before the kill
    shipped = Counter(attributes_of(record)["audit.id"] for record in away.logs)
    assert set(acknowledged) <= set(shipped)
    assert set(shipped.values()) == {1}


class Odd(Exception):
    """An exception that makes trouble for whoever looks at it."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def ways_out(thrown: BaseException) -> list[Any]:
    """Functions that all fail with `thrown`, through everything of ours that can stand around the host's code."""

    def fail(*_: Any) -> Any:
        raise thrown

    async def fail_async(*_: Any) -> Any:
        raise thrown

    def generate() -> Any:
        yield 1
        raise thrown

    async def generate_async() -> Any:
        yield 1
        raise thrown

    def in_managers() -> None:
        with vedette.span("s"), vedette.context(a=1), vedette.histogram("passing_seconds").time():
            fail()

    def in_agent() -> None:
        observed = vedette.observe(object(), audit=False)
        with observed.loop("task"), observed.tool("search"), observed.llm("openai", "gpt-4o", "?"):
            fail()

    return [
        in_managers,
        in_agent,
        vedette.traced(fail),
        vedette.track_requests("op")(fail),
        lambda: list(vedette.traced(generate)()),
        lambda: run(vedette.traced(fail_async)()),
        lambda: run(vedette.track_requests("op_async")(fail_async)()),
        lambda: run(drain(vedette.traced(generate_async)())),
    ]


async def drain(items: Any) -> None:
    async for _ in items:
        pass


def run(awaitable: Any) -> None:
    """Without an event loop, which has ways of its own with some exceptions."""
    with contextlib.suppress(StopIteration):
        awaitable.send(None)


@pytest.mark.parametrize(
    "kind", [ValueError, Odd, KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit]
)
def test_the_hosts_exceptions_pass_unchanged(kind):
    thrown = kind()
    with capture():
        for way in ways_out(thrown):
            with pytest.raises(kind) as caught:
                way()
            assert caught.value is thrown
            assert caught.value.__cause__ is None


ODD_AMOUNTS = """
    import vedette
    from decimal import Decimal
    from opentelemetry import metrics
    if __name__ == "__main__":
        vedette.get_logger("early").error("%d", "no number", field=1)
        vedette.configure("odd", log_format="none", process_metrics=False, metrics_interval_seconds=3600)
        meter = metrics.get_meter("m")
        level, placed = vedette.gauge("level"), vedette.counter("placed_total")
        up_down, seen = meter.create_up_down_counter("up_down"), meter.create_histogram("seen")
        stage, spread = vedette.histogram("stage"), vedette.histogram("spread", buckets="exponential")
        lag = vedette.summary("lag")
        class Bad:
            def __float__(self): raise RuntimeError
            __str__ = __repr__ = __float__
        with vedette.span("work") as span:
            for odd in (None, "text", [], Bad(), 10**400, Decimal("0.5"), 1j):
                level.set(odd); level.inc(odd); level.dec(odd); placed.inc(odd); up_down.add(odd); seen.record(odd)
                for observed in (stage, spread, lag): observed.observe(odd, exemplar=True)
                vedette.info("about", odd=odd)
                span.set_attribute([], odd)
        level.set(2.5); placed.inc(2); up_down.add(3); seen.record(4); lag.observe(5)
        vedette.gauge("fine").set(7)
        print(vedette.metrics_text(openmetrics=True))
"""


def test_amounts_that_are_no_numbers_cost_neither_the_program_nor_the_other_metrics(programs, collector):
    result = programs.run(ODD_AMOUNTS)
    for line in ("level 2.5", "fine 7", "up_down 3.5", "seen_bucket", "stage_count 1", "lag_count 2"):
        assert f"\n{line}" in result.stdout, line
    found = {metric.name: metric for metric in collector.metrics}
    assert found["level"].gauge.data_points[0].as_double == 2.5
    assert found["up_down"].sum.data_points[0].as_double == 3.5
    for name, count in (("seen", 2), ("stage", 1)):
        assert found[name].histogram.data_points[0].count == count
    assert found["spread"].exponential_histogram.data_points[0].count == 1
    assert found["fine"].gauge.data_points[0].as_int == 7


def test_a_collector_of_the_hosts_that_fails_costs_its_own_metric_alone(programs, collector):
    result = programs.run(
        """
        import vedette
        from prometheus_client import REGISTRY, Counter
        from prometheus_client.core import GaugeMetricFamily
        vedette.configure("odd", log_format="none", process_metrics=False, metrics_interval_seconds=3600)
        class Fails:
            def describe(self): return []
            def collect(self): raise OSError("the database is away")
        class Odd:
            def describe(self): return []
            def collect(self):
                yield GaugeMetricFamily("odd_level", "Odd", value="no number")
                yield GaugeMetricFamily("fine_level", "Fine", value=2)
        REGISTRY.register(Fails()); REGISTRY.register(Odd())
        Counter("theirs", "Theirs").inc()
        vedette.counter("fine_total").inc()
        print(vedette.metrics_text())
        """
    )
    for line in ("fine_total 1", "fine_level 2", "theirs_total 1"):
        assert f"\n{line}\n" in result.stdout, line
    assert "odd_level" not in result.stdout
    assert {"fine_total", "fine_level", "theirs_total"} <= {metric.name for metric in collector.metrics}
    assert "the database is away" in result.stderr


def test_a_console_that_is_gone_costs_no_span(programs, collector):
    told = programs.run(
        """
        import sys, vedette
        vedette.configure("x", console=True, log_format="none", process_metrics=False)
        class Gone:
            def write(self, _): raise OSError("gone")
            def flush(self): pass
        sys.stderr = Gone()
        for number in range(20):
            with vedette.span("kept"):
                pass
        """
    ).stderr
    assert collector.names() == ["kept"] * 20
    assert "showing a span failed: OSError: gone" in told


def test_objects_that_fail_at_being_compared_never_reach_the_program(programs, collector):
    programs.run(
        """
        import vedette
        vedette.configure("x", log_format="none", process_metrics=False)
        class Odd:
            def _fail(self, *_): raise ValueError("odd")
            __hash__ = __eq__ = __bool__ = __len__ = __iter__ = __repr__ = _fail
        log = vedette.get_logger("x")
        with vedette.span("kept") as span:
            span.set_attribute(Odd(), 1)
            span.set_attribute("odd", Odd())
        for _ in range(3):
            log.info(Odd())
            log.info("odd %s", Odd(), odd=Odd())
        vedette.counter("odd_total", labels=["kind"]).labels(Odd()).inc()
        """
    )
    (kept,) = collector.spans
    assert attributes_of(kept) == {"odd": "<Odd>"}
    assert [value_of(record.body) for record in collector.logs] == ["<Odd>", "odd <Odd>"] * 3
    (metric,) = [metric for metric in collector.metrics if metric.name == "odd_total"]
    assert metric.sum.data_points[0].attributes[0].value.string_value == "<Odd>"


def test_label_values_are_cut(programs, collector):
    result = programs.run(
        """
        import vedette
        from opentelemetry import metrics
        vedette.configure("long", log_format="none", process_metrics=False, metrics_interval_seconds=3600)
        ours = vedette.counter("ours_total", labels=["a"])
        theirs = metrics.get_meter("m").create_counter("theirs")
        for end in "ab":
            ours.labels("x" * 1_000_000 + end).inc(); theirs.add(1, {"a": "y" * 1_000_000 + end})
        """
    )
    found = {metric.name: metric.sum.data_points for metric in collector.metrics}
    for name, letter in (("ours_total", "x"), ("theirs", "y")):
        (point,) = found[name]
        assert (point.as_int, attributes_of(point)["a"]) == (2, letter * 1024)
    assert "label values are cut at 1024 characters" in result.stderr


def test_workers_that_are_recycled_leave_one_sum(programs):
    """However many workers a server has had, the ones that go on hold, and add up, no more than before."""
    result = programs.run(
        """
        import os, vedette
        from vedette.sdk.metrics import workers
        from vedette.sdk.metrics.forms import TEXT
        vedette.configure("recycled", export=False, log_format="none", process_metrics=False)
        async def app(scope, receive, send): pass
        served = vedette.counter("served_total", labels=["by"])
        took, lag = vedette.histogram("took", buckets=[1, 2]), vedette.summary("lag")
        spread = vedette.histogram("spread", buckets="exponential")
        parent = os.getpid()
        os.getppid = lambda: parent  # as the workers of one server have it
        vedette.instrument(app)
        for number in range(20):
            pid = os.fork()
            if not pid:
                served.labels("child").inc(number); took.observe(1.5); lag.observe(number); spread.observe(number)
                vedette.shutdown()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        served.labels("parent").inc()
        print(workers.exposed(TEXT).decode())
        print("parts", len(workers._desk.inherited))
        """
    )
    for line in (
        'served_total{by="child"} 190',
        'served_total{by="parent"} 1',
        "took_count 20",
        "lag_count 20",
        "spread_count 20",
        "parts 1",
    ):
        assert f"{line}\n" in result.stdout, line


@pytest.mark.parametrize("where", ["main module", "initializer"])
def test_children_of_a_fork_server_deliver_what_they_did(programs, collector, where):
    """They end without atexit. A fork server is what Python 3.14 starts processes by."""
    settings = 'vedette.configure("x", log_format="none", process_metrics=False)'
    programs.run(
        f"""
        import multiprocessing, vedette
        def configure(): {settings}
        if {where == "main module"}: configure()
        def job(number):
            with vedette.span("job", number=number): vedette.get_logger().info("done")
        if __name__ == "__main__":
            from concurrent.futures import ProcessPoolExecutor
            context = multiprocessing.get_context("forkserver")
            initializer = {"None" if where == "main module" else "configure"}
            with ProcessPoolExecutor(1, mp_context=context, initializer=initializer) as pool: list(pool.map(job, range(4)))
        """
    )
    assert sorted(attributes_of(span)["number"] for span in collector.spans) == [0, 1, 2, 3]
    assert len(collector.logs) == 4


def test_a_pool_that_is_terminated_delivers_what_its_workers_did(programs, collector):
    """Its workers get SIGTERM while they end by themselves."""
    programs.run(
        """
        import multiprocessing, time, vedette
        vedette.configure("x", log_format="none", process_metrics=False)
        def job(number):
            with vedette.span("job", number=number):
                vedette.get_logger().info("done %s", number)
                time.sleep(0.01)  # so that all of them get some
        with multiprocessing.get_context("fork").Pool(4) as pool:
            pool.map(job, range(40), chunksize=1)
        """
    )
    assert sorted(attributes_of(span)["number"] for span in collector.spans) == list(range(40))
    assert sorted(value_of(record.body) for record in collector.logs) == sorted(f"done {n}" for n in range(40))


def test_a_second_signal_ends_a_program_that_takes_its_time(programs, collector):
    """The first one, while the SDK closes, waits for that; whoever insists does not wait."""
    gone, told = threading.Event(), threading.Event()

    def silent(_path: str) -> tuple[int, dict[str, str], bytes]:
        told.set()
        gone.wait()
        return 200, {}, b""

    collector.answer = silent
    process = programs.start(
        """
        import vedette
        vedette.configure("x", log_format="none", process_metrics=False, shutdown_timeout_seconds=600)
        with vedette.span("work"): pass
        vedette.shutdown()
        """
    )
    told.wait()
    process.send_signal(signal.SIGTERM)
    while process.poll() is None:
        time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
    gone.set()
    assert process.returncode == -signal.SIGTERM
