"""What watching a FastAPI service costs: CPU a request and requests a second, beside other ways to do it, and bare.

Each variant is a process that serves by its ASGI interface, without a network, about 1 ms of work a request; everything
is exported to a collector in another process. All of them live at once and work in turns, a block of requests at a time,
so that whoever else uses the machine slows neighbouring blocks alike: of requests a second and p99 the median of the
ratios to the bare service's block of the same round is told, of CPU the least of each variant. The p99 by CPU is that of
what all threads of the process compute while a request runs: one thread computes at a time, so it is the latency on a
machine that nobody else uses. How often the garbage collector ran is counted, and hardly depends on the machine.
`--peers PYTHON` adds logfire, Sentry and ddtrace, which live in an environment of their own; what they add is counted
from that environment's bare service.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean, median

from bench.report import report

ROUNDS, REQUESTS = 15, 1000

BEGIN = """
import asyncio, json, os, sys, time
from time import perf_counter, process_time, thread_time
endpoint, requests = sys.argv[1], int(sys.argv[2])
log, finish = None, lambda: None
def service():
    from fastapi import FastAPI
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    @app.get("/orders/{order}")
    async def order(order: int):
        if log is not None:
            log("order looked up", order)
        end = thread_time() + 0.0008  # this thread's: what goes on beside it must not count as the work
        while thread_time() < end:
            look_up()
        return {"order": order}
    return app
ROWS = json.dumps([{"id": id, "name": f"item {id}", "price": id * 1.25, "tags": ["a", "b"]} for id in range(10)])
def look_up():  # what Python does in a service: what is loaded, sorted and told; some 40 microseconds
    rows = json.loads(ROWS)
    rows.sort(key=lambda row: -row["price"])
    return json.dumps({"total": sum([row["price"] for row in rows]), "rows": [row for row in rows if row["id"] % 2]})
"""

SETUPS = {
    "bare": "app = service()",
    "vedette": """
import vedette
app = service()
vedette.configure("bench", endpoint=endpoint, log_file=os.devnull, log_format="json")
vedette.instrument(app)
logger = vedette.get_logger("bench")
log = lambda message, order: logger.info(message, order=order, status="ok")
finish = vedette.flush
""",
    "trio": """
import structlog, orjson
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Histogram
app = service()
provider = TracerProvider()
exporter = OTLPSpanExporter(endpoint=endpoint + "/v1/traces")
provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=1 << 16))
trace.set_tracer_provider(provider)
total = Counter("http_requests", "r", ["method", "route", "status"])
seconds = Histogram("http_request_duration_seconds", "s", ["method", "route"])
def add_ids(_, __, event):
    found = trace.get_current_span().get_span_context()
    event["trace_id"], event["span_id"] = f"{found.trace_id:032x}", f"{found.span_id:016x}"
    return event
structlog.configure(
    processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True), add_ids,
                structlog.processors.JSONRenderer(serializer=orjson.dumps)],
    logger_factory=structlog.BytesLoggerFactory(file=open(os.devnull, "wb", buffering=0)),
    cache_logger_on_first_use=True)
logger = structlog.get_logger()
log = lambda message, order: logger.info(message, order=order, status="ok")
class Metrics:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        begin, status = perf_counter(), [500]
        async def marked(message):
            if message["type"] == "http.response.start": status[0] = message["status"]
            await send(message)
        try:
            await self.app(scope, receive, marked)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            took = perf_counter() - begin
            total.labels(scope["method"], route, str(status[0])).inc()
            seconds.labels(scope["method"], route).observe(took)
            logger.info("request", method=scope["method"], path=scope["path"], status=status[0], duration=took)
app.add_middleware(Metrics)
FastAPIInstrumentor.instrument_app(app)
finish = provider.force_flush
""",
    "logfire": """
import logfire
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace.export import BatchSpanProcessor
processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint + "/v1/traces"), max_queue_size=1 << 16)
reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint + "/v1/metrics"))
logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor],
                  metrics=logfire.MetricsOptions(additional_readers=[reader]))
app = service()
logfire.instrument_fastapi(app)
log = lambda message, order: logfire.info(message, order=order, status="ok")
finish = logfire.force_flush
""",
    "sentry": """
import sentry_sdk
sentry_sdk.init(dsn=endpoint.replace("://", "://key@") + "/1", traces_sample_rate=1.0, enable_logs=True)
from sentry_sdk import logger
app = service()
log = lambda message, order: logger.info(message, attributes={"order": order, "status": "ok"})
finish = sentry_sdk.flush
""",
    "ddtrace": """
import logging
os.environ.update(DD_TRACE_AGENT_URL=endpoint, DD_SERVICE="bench", DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
                  DD_REMOTE_CONFIGURATION_ENABLED="false", DD_LOGS_INJECTION="true")
import ddtrace
ddtrace.patch(fastapi=True, starlette=True, logging=True)
app = service()
handler = logging.StreamHandler(open(os.devnull, "w"))
class Json(logging.Formatter):
    def format(self, record):
        return json.dumps({"time": record.created, "level": record.levelname, "message": record.getMessage(),
                           "order": record.order, "status": record.status,
                           "trace_id": getattr(record, "dd.trace_id", ""), "span_id": getattr(record, "dd.span_id", "")})
handler.setFormatter(Json())
logger = logging.getLogger("bench")
logger.setLevel("INFO"); logger.propagate = False; logger.addHandler(handler)
log = lambda message, order: logger.info(message, extra={"order": order, "status": "ok"})
finish = ddtrace.tracer.flush
""",
}

END = """
import gc
walls, owns = [0.0] * requests, [0.0] * requests  # no pairs: these would be collected, too
collected = 0
def collecting(phase, info):
    global collected
    collected += phase == "stop"
async def ask(number):
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": f"/orders/{number}", "raw_path": b"", "query_string": b"", "root_path": "",
             "headers": [(b"host", b"bench"), (b"user-agent", b"bench/1"), (b"accept", b"*/*")],
             "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80)}
    async def receive(): return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message): pass
    cpu, begin = process_time(), perf_counter()
    await app(scope, receive, send)
    walls[number], owns[number] = perf_counter() - begin, process_time() - cpu

async def main():
    for number in range(min(100, requests)):
        await ask(number)
    gc.callbacks.append(collecting)
    finish()  # what is loaded with the first export is no cost of a request
    print("ready", flush=True)
    while sys.stdin.readline():
        before = collected
        cpu, begin = process_time(), perf_counter()
        for number in range(requests):
            await ask(number)
        met = (collected - before) / requests * 1000
        seconds = perf_counter() - begin
        finish()
        cpu = process_time() - cpu
        wall, own = (sorted(each)[int(requests * 0.99)] * 1e3 for each in (walls, owns))
        print(json.dumps([cpu / requests * 1e6, requests / seconds, wall, own, met]), flush=True)
    os._exit(0)  # the programs' own ends are not measured

asyncio.run(main())
"""

NAMES = {
    "bare": "bare",
    "vedette": "vedette, all signals",
    "trio": "OpenTelemetry + prometheus_client + structlog",
    "logfire": "logfire: traces, metrics, logs as spans",
    "sentry": "sentry-sdk: traces, logs",
    "ddtrace": "ddtrace: traces; logs by stdlib and JSON",
}


class Taking(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"rate_by_service":{}}' if self.path.startswith("/v0.") else b""  # Datadog's agent says something
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_POST  # noqa: N815 - the name that the base class asks for

    def log_message(self, *_: object) -> None:
        pass


class Service:
    """A process that serves a block of requests whenever it is asked."""

    def __init__(self, python: str, which: str, endpoint: str, requests: int, stack: ExitStack) -> None:
        path = {} if python == sys.executable else {"PYTHONPATH": ""}
        program = Path(stack.enter_context(tempfile.TemporaryDirectory()), "service.py")
        program.write_text(BEGIN + SETUPS[which] + END)  # a file: logfire reads its callers' source
        command = [python, str(program), endpoint, str(requests)]
        self._process = stack.enter_context(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=os.environ | path
            )
        )
        stack.callback(self._process.stdin.close)
        while self._said() != "ready\n":
            pass

    def _said(self) -> str:
        line: str = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"A service ended: {self._process.args}")
        return line

    def block(self) -> list[float]:
        """CPU µs a request, requests a second, p99 in ms and in ms of the process's CPU, collections, of one block."""
        self._process.stdin.write("go\n")
        figures: list[float] = json.loads(self._said())
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has bench/peers.txt installed")
    parser.add_argument("--only", nargs="+", choices=["vedette", "trio"], default=["vedette", "trio"])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    variants = [(sys.executable, which) for which in ("bare", *arguments.only)]
    if arguments.peers:
        variants += [(arguments.peers, which) for which in ("bare", "logfire", "sentry", "ddtrace")]
    found: dict[tuple[str, str], list[list[float]]] = {variant: [] for variant in variants}
    with ExitStack() as stack:
        services = {variant: Service(*variant, endpoint, arguments.requests, stack) for variant in variants}
        for _ in range(arguments.rounds):
            for variant, service in services.items():
                found[variant].append(service.block())
    server.shutdown()
    report("sdk_web", [row_of(variant, found[variant], found[variant[0], "bare"]) for variant in variants])


def row_of(variant: tuple[str, str], blocks: list[list[float]], bare: list[list[float]]) -> dict[str, object]:
    """What a variant's blocks say beside those of the bare service."""
    python, which = variant
    pairs = list(zip(blocks, bare, strict=True))
    return {
        "service": NAMES[which] if python == sys.executable or which != "bare" else "bare, beside the following",
        "CPU µs/request": round(min(block[0] for block in blocks)),
        "added µs": round(min(block[0] for block in blocks) - min(block[0] for block in bare)),
        "requests/s lost": f"{(1 - median(own[1] / other[1] for own, other in pairs)) * 100:.1f} %",
        "p99 ms": round(median(block[2] for block in blocks), 2),
        "p99 / bare": round(median(own[2] / other[2] for own, other in pairs), 2),
        "p99 / bare by CPU": round(median(own[3] / other[3] for own, other in pairs), 2),
        "collections/1,000 requests": round(fmean(block[4] for block in blocks), 1),
    }


if __name__ == "__main__":
    main()
