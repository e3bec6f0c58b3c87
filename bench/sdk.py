"""What the SDK costs beside the libraries that people use today: CPU per operation on one thread, in the same run.

Each pair is measured alternately, and the least of nine rounds of each (of 60 short ones for logs) counts, so that a noisy machine moves the
ratios little. `goal` is the ratio that the project asks of itself.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from time import perf_counter, process_time_ns
from typing import TYPE_CHECKING, Any

import orjson
import prometheus_client
import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider as OfficialProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from bench.log_floor import by_hand
from bench.report import report
from vedette.sdk.context import context
from vedette.sdk.export.logs import LogStage
from vedette.sdk.export.spans import SpanStage
from vedette.sdk.logs import stdlib_records
from vedette.sdk.logs.lines import JsonLines
from vedette.sdk.logs.logger import get_logger, set_levels
from vedette.sdk.logs.stdlib import StdlibHandler
from vedette.sdk.logs.waiting import WaitingRecords
from vedette.sdk.metrics.exposition import exposition
from vedette.sdk.metrics.registry import Registry
from vedette.sdk.otlp.envelope import Envelope
from vedette.sdk.otlp.spans import SpanEncoder
from vedette.sdk.redaction import Redactor
from vedette.sdk.resource import Resource
from vedette.sdk.traces.sampling import Ratio
from vedette.sdk.traces.tracer import TracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 9
KEYS = [f"attribute.{number}" for number in range(9)]
ROWS: list[dict[str, object]] = []


def micros(work: Callable[[], None], times: int) -> float:
    begin = process_time_ns()
    work()
    return (process_time_ns() - begin) / times / 1000


def compare(
    what: str,
    times: int,
    ours: Callable[[], None],
    theirs: Callable[[], None],
    whose: str,
    goal: float | None,
    rounds: int = ROUNDS,
) -> None:
    own, other = [], []
    for _ in range(rounds):
        own.append(micros(ours, times))
        other.append(micros(theirs, times))
    ratio = min(own) / min(other)
    ROWS.append(
        {
            "operation": what,
            "ours µs": round(min(own), 3),
            "theirs µs": round(min(other), 3),
            "theirs": whose,
            "ratio": round(ratio, 3),
            "goal": "" if goal is None else goal,
            "held": "" if goal is None else "yes" if ratio <= goal else "no",
        }
    )


class Discard(SpanExporter):
    """Keeps the spans for the comparison of the encoders."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


def work_of(tracer: trace.Tracer, count: int) -> Callable[[], None]:
    def work() -> None:
        for number in range(count):
            with tracer.start_as_current_span("operation") as span:
                for key in KEYS:
                    span.set_attribute(key, "some value")
                span.set_attribute("number", number)
                span.add_event("event", {"step": 1})

    return work


def empty_of(tracer: trace.Tracer, count: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(count):
            with tracer.start_as_current_span("operation"):
                pass

    return work


def spans() -> None:
    count = 2000
    resource = Resource({"service.name": "bench"})
    ours = TracerProvider(resource, Ratio(1), 1 << 20)
    discard = Discard()
    official = OfficialProvider(shutdown_on_exit=False)
    official.add_span_processor(BatchSpanProcessor(discard, max_queue_size=1 << 20, schedule_delay_millis=10**8))
    tracer, other = ours.get_tracer("bench"), official.get_tracer("bench")

    def emptied() -> None:
        ours.queue.clear()
        work_of(tracer, count)()

    compare("span, 10 attributes, 1 event", count, emptied, work_of(other, count), "opentelemetry-sdk", 0.14)
    off = TracerProvider(resource, Ratio(0)).get_tracer("bench")
    other_off = OfficialProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("bench")
    compare("span sampled out", count, empty_of(off, count), empty_of(other_off, count), "opentelemetry-sdk", 0.2)
    official.force_flush()
    discard.spans.clear()
    work_of(other, count)()
    official.force_flush()
    emptied()
    finished = list(ours.queue)
    redactor = Redactor()
    envelope = Envelope(resource, redactor, 65536)
    stage = SpanStage(ours, SpanEncoder(redactor, 65536), lambda: envelope, 1)

    def encode() -> None:
        ours.queue.clear()
        ours.queue.extend(finished)
        while stage.step():
            pass
        stage.cut()

    def encode_official() -> None:
        for begin in range(0, count, 512):
            encode_spans(discard.spans[begin : begin + 512]).SerializeToString()

    compare("export of such a span", count, encode, encode_official, "opentelemetry-exporter-otlp", 0.12)
    official.shutdown()


def metrics() -> None:
    count = 20_000
    own, other = Registry(), prometheus_client.CollectorRegistry()
    plain, theirs = own.counter("a_total"), prometheus_client.Counter("a", "a", registry=other)
    labelled = own.counter("b_total", labels=["status", "route"])
    labelled_theirs = prometheus_client.Counter("b", "b", ["status", "route"], registry=other)

    def repeat(call: Callable[[], object]) -> Callable[[], None]:
        def work() -> None:
            for _ in range(count):
                call()

        return work

    def looked_up(metric: Any) -> Callable[[], None]:
        def work() -> None:
            for _ in range(count):
                metric.labels("ok", "/x").inc()

        return work

    def by_keyword(metric: Any) -> Callable[[], None]:
        def work() -> None:
            for _ in range(count):
                metric.labels(status="ok", route="/x").inc()

        return work

    def compare_counters(what: str, ours: Callable[[], None], theirs: Callable[[], None], goal: float) -> None:
        compare(what, count, ours, theirs, "prometheus_client", goal)

    compare_counters("counter", repeat(plain.inc), repeat(theirs.inc), 0.25)
    compare_counters("counter, labels looked up", looked_up(labelled), looked_up(labelled_theirs), 0.12)
    compare_counters("counter, labels by keyword", by_keyword(labelled), by_keyword(labelled_theirs), 0.12)
    _histogram(own, other, count)
    _exposition()


def _histogram(own: Registry, other: prometheus_client.CollectorRegistry, count: int) -> None:
    seen = own.histogram("c")
    seen_theirs = prometheus_client.Histogram("c", "c", registry=other)

    def observe() -> None:
        for number in range(count):
            seen.observe(number * 0.001)
        seen.fold()

    def observe_theirs() -> None:
        for number in range(count):
            seen_theirs.observe(number * 0.001)

    compare("histogram, fold included", count, observe, observe_theirs, "prometheus_client", 0.25)


def _exposition() -> None:
    big, big_theirs = Registry(), prometheus_client.CollectorRegistry()
    many = big.counter("many_total", labels=["n"])
    many_theirs = prometheus_client.Counter("many", "many", ["n"], registry=big_theirs)
    for number in range(10_000):
        many.labels(str(number)).inc()
        many_theirs.labels(str(number)).inc()
    compare(
        "exposition of 10,000 series (per series)",
        10_000,
        lambda: exposition(big.collect(), openmetrics=False) and None,
        lambda: prometheus_client.generate_latest(big_theirs) and None,
        "prometheus_client",
        0.02,
    )


def _no_envelope() -> Any:
    """Nothing is sent."""


def _provider_current() -> Any:
    provider = TracerProvider(Resource({"service.name": "bench"}), Ratio(1), 1 << 20)
    return provider.get_tracer("bench").start_as_current_span("request")


class NullWriter:
    """Writes to /dev/null, by the system call that structlog's logger makes for each line."""

    def __init__(self) -> None:
        self._descriptor = os.open(os.devnull, os.O_WRONLY)

    def write(self, text: str, _lines: int) -> None:
        os.write(self._descriptor, text.encode())

    def close(self) -> None:
        os.close(self._descriptor)


def _structlog_logger() -> Any:
    """What a careful service sets up: level, time, trace ids, exceptions, JSON by orjson, a write a line."""

    def add_ids(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
        found = trace.get_current_span().get_span_context()
        event["trace_id"], event["span_id"] = f"{found.trace_id:032x}", f"{found.span_id:016x}"
        return event

    sink = open(os.devnull, "wb", buffering=0)  # noqa: PTH123, SIM115 - raw, and open to the end
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_ids,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.BytesLoggerFactory(file=sink),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger().bind(user_id=123, logger="bench.logs", service="bench")


def orders(target: Any, times: int) -> Callable[[], None]:
    """Log calls as a program writes them."""

    def work() -> None:
        for _ in range(times):
            target.info("order placed", order_id=42, status="ok", amount=9.99, items=3, path="/api/orders")

    return work


def logs() -> None:
    chunk, count = 64, 64 * 8  # short rounds and many of them: one of each finds the machine undisturbed
    lines, writer = JsonLines("bench", Redactor()), NullWriter()
    log, other = get_logger("bench.logs").with_context(user_id=123), _structlog_logger()
    queue: list[Any] = []
    stage = LogStage(queue, lines, writer, None, _no_envelope, 1)
    some = orders(log, chunk)

    def write_line(record: Any) -> None:
        writer.write(lines.format(record), 1)

    def buffered() -> None:
        for _ in range(count // chunk):
            some()
            stage.step()  # as the background thread does

    with (
        _provider_current(),
        context(correlation_id="c-1"),
        structlog.contextvars.bound_contextvars(correlation_id="c-1"),
    ):
        theirs = orders(other, count)
        each_by_hand, some_by_hand = by_hand(orders, count, chunk)
        set_levels({"": 20}, write_line)
        compare("JSON line, written each", count, orders(log, count), theirs, "structlog + orjson", 0.2, 60)
        compare("a line by hand, written each", count, each_by_hand, theirs, "structlog + orjson", None, 60)
        set_levels({"": 20}, WaitingRecords(queue, count, lambda: None))
        compare("JSON line, 64 at a time", count, buffered, theirs, "structlog + orjson", 0.12, 60)
        compare("a line by hand, 64 at a time", count, some_by_hand, theirs, "structlog + orjson", None, 60)
        compare("JSON line, 64 at a time", count, buffered, some_by_hand, "by hand", None, 60)
        _stdlib(count, stage)
    set_levels({"": 20}, write_line)
    disabled = logging.getLogger("bench.disabled")
    disabled.setLevel(logging.WARNING)

    def off(target: Any) -> Callable[[], None]:
        def work() -> None:
            for _ in range(count):
                target.debug("no %s", 1)

        return work

    compare("disabled log call", count, off(log), off(disabled), "stdlib", 1.0, 60)
    set_levels({"": 20}, None)


class JsonFormatter(logging.Formatter):
    """What a careful service writes by hand."""

    def format(self, record: logging.LogRecord) -> str:
        found = trace.get_current_span().get_span_context()
        return json.dumps(
            {
                "timestamp": self.formatTime(record),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
                "trace_id": f"{found.trace_id:032x}",
                "span_id": f"{found.span_id:016x}",
            }
        )


def _stdlib(count: int, stage: LogStage) -> None:
    ours, theirs = logging.getLogger("bench.ours"), logging.getLogger("bench.theirs")
    for logger in (ours, theirs):
        logger.propagate = False
        logger.setLevel(logging.INFO)
    ours.addHandler(StdlibHandler())
    handler = logging.StreamHandler(open(os.devnull, "w"))  # noqa: PTH123, SIM115 - open to the end
    handler.setFormatter(JsonFormatter())
    theirs.addHandler(handler)

    def placed(logger: logging.Logger, numbers: range) -> None:
        for number in numbers:
            logger.info("order %s placed", number)

    def work_ours() -> None:
        stdlib_records.install()  # as `configure` does
        for begin in range(0, count, 64):
            placed(ours, range(begin, begin + 64))
            stage.step()
        stdlib_records.remove()

    compare(
        "through stdlib's Logger",
        count,
        work_ours,
        lambda: placed(theirs, range(count)),
        "stdlib + JSON formatter",
        0.35,
    )


EXPLODING = """
import resource, time, vedette
vedette.configure("bench", export=False, log_format="none", max_series=1000)
users = vedette.counter("users_total", labels=["user"])
for number in range(10_000):
    users.labels(f"first {number}").inc()
before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
for number in range(10_000_000):
    users.labels(f"u{number}").inc()
took = time.process_time() - begin
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert users.labels("never seen").value() == 10_009_000
print(grown, len(users._family.series), took / 10)
"""


LASTING = """
import sys, time
from time import perf_counter
if "bare" not in sys.argv:
    import vedette
    from vedette.sdk import guard
    vedette.configure("bench", endpoint="http://127.0.0.1:9", spool_dir=sys.argv[2], log_format="none")
    span = vedette.span
    def one():
        with span("operation", a="x", b=2, c="y", d=4.5, e="z", f="1", g="2", h="3", i="4", j="5"): pass
else:
    def one(): pass
rate, seconds = int(sys.argv[1]), 5
# By the process's own CPU time, whoever else uses the machine: a program that never rests, on a core of its own.
clock = time.process_time if "busy" in sys.argv else perf_counter
begin, done = clock(), 0
while (now := clock() - begin) < seconds:
    due = int(now * rate)
    while done < due:
        one(); done += 1
    if "busy" not in sys.argv:
        time.sleep(0.002)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
print(done, peak, sum(guard.drops().values()) if "bare" not in sys.argv else 0)
"""


def _import_seconds() -> float:
    program = "import time; a=time.perf_counter(); import vedette; print(time.perf_counter()-a)"
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(run.stdout)


def _lasting(rate: int, *more: str) -> tuple[int, float, int]:
    """Spans made, the peak of memory in MB, and what was dropped, of five seconds with the platform away."""
    with tempfile.TemporaryDirectory() as spool:
        command = [sys.executable, "-c", LASTING, str(rate), spool, *more]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(said[0]), float(said[1]), int(said[2])


def whole() -> list[dict[str, object]]:
    """What concerns the whole process: import time, spans a second without a drop, memory with the platform away."""
    imports = [_import_seconds() for _ in range(5)]
    fast, away, bare = _lasting(40_000, "busy"), _lasting(10_000), _lasting(10_000, "bare")
    return [
        {"what": "import vedette", "measured": f"{min(imports) * 1000:.1f} ms", "goal": "100 ms"},
        {
            "what": "40,000 spans a CPU second for 5 of them, platform away",
            "measured": f"{fast[2]} of {fast[0]} dropped",
            "goal": "0",
        },
        {
            "what": "memory over bare at 10,000 spans/s, platform away",
            "measured": f"{away[1] - bare[1]:.1f} MB",
            "goal": "30 MB",
        },
    ]


def exploding() -> list[dict[str, object]]:
    """A label whose values never come again."""
    said = subprocess.run([sys.executable, "-c", EXPLODING], check=True, capture_output=True, text=True).stdout.split()
    return [
        {
            "what": "memory grown by 10,000,000 distinct label values",
            "measured": f"{int(said[0]) / 1024:.1f} MB, {said[1]} series, {float(said[2]):.2f} µs each",
            "goal": "bounded",
        }
    ]


PARTS: dict[str, Any] = {
    "spans": spans,
    "metrics": metrics,
    "logs": logs,
    "process": whole,
    "labels": exploding,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="what to measure; by default everything")
    wanted = parser.parse_args().parts or list(PARTS)
    begin = perf_counter()
    told: list[dict[str, object]] = []
    for name in wanted:
        told += PARTS[name]() or []
    if ROWS:
        report("sdk", ROWS)
        print()
    if told:
        report("sdk_process", told)
    print(f"\n{perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
