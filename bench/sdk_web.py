"""What watching a FastAPI service costs: CPU a request and requests a second, beside the usual trio and bare.

One process serves by its ASGI interface, without a network, about 1 ms of work a request; everything is exported to a
collector in another process. Rounds alternate and the least CPU of each variant counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.report import report

ROUNDS, REQUESTS = 3, 500

PROGRAM = """
import asyncio, json, os, sys, time
from time import perf_counter, process_time
which, endpoint, requests = sys.argv[1], sys.argv[2], int(sys.argv[3])
from fastapi import FastAPI
app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False}) if which != "x" else FastAPI()
log = None

@app.get("/orders/{order}")
async def order(order: int):
    if log is not None:
        log("order looked up", order)
    end = process_time() + 0.0008
    while process_time() < end:
        pass
    return {"order": order}

finish = lambda: None
if which == "vedette":
    import vedette
    vedette.configure("bench", endpoint=endpoint, log_file=os.devnull, log_format="json")
    vedette.instrument(app)
    logger = vedette.get_logger("bench")
    log = lambda message, order: logger.info(message, order=order, status="ok")
    finish = vedette.flush
elif which == "trio":
    import structlog, orjson
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from prometheus_client import Counter, Histogram
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint + "/v1/traces"), max_queue_size=1 << 16))
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
        logger_factory=structlog.BytesLoggerFactory(file=open(os.devnull, "wb", buffering=0)), cache_logger_on_first_use=True)
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

async def ask(number):
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": f"/orders/{number}", "raw_path": b"", "query_string": b"", "root_path": "",
             "headers": [(b"host", b"bench"), (b"user-agent", b"bench/1"), (b"accept", b"*/*")],
             "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80)}
    async def receive(): return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message): pass
    begin = perf_counter()
    await app(scope, receive, send)
    return perf_counter() - begin

async def main():
    for number in range(100):
        await ask(number)
    finish()  # what is loaded with the first export is no cost of a request
    cpu, begin = process_time(), perf_counter()
    took = sorted([await ask(number) for number in range(requests)])
    seconds = perf_counter() - begin
    finish()
    cpu = process_time() - cpu
    print(json.dumps([cpu / requests * 1e6, requests / seconds, took[int(requests * 0.99)] * 1e3]))

asyncio.run(main())
"""


class Taking(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    found: dict[str, list[list[float]]] = {"bare": [], "vedette": [], "trio": []}
    for _ in range(ROUNDS):
        for which, results in found.items():
            command = [sys.executable, "-c", textwrap.dedent(PROGRAM), which, endpoint, str(REQUESTS)]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    server.shutdown()
    best = {
        which: (min(r[0] for r in results), max(r[1] for r in results), min(r[2] for r in results))
        for which, results in found.items()
    }
    bare = best["bare"]
    names = {"bare": "bare", "vedette": "vedette, all signals", "trio": "OpenTelemetry + prometheus_client + structlog"}
    report(
        "sdk_web",
        [
            {
                "service": names[which],
                "CPU µs/request": round(cpu),
                "added µs": round(cpu - bare[0]),
                "requests/s lost": f"{(1 - rate / bare[1]) * 100:.1f} %",
                "p99 ms": round(p99, 2),
                "p99 / bare": round(p99 / bare[2], 2),
            }
            for which, (cpu, rate, p99) in best.items()
        ],
    )


if __name__ == "__main__":
    main()
