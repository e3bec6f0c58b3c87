"""How many small requests a second are acknowledged, and what one costs the platform, with a client that costs little.

`ingest` sends with the clients of Python, of which gRPC's takes most of this machine's cores at one row a request. Here
h2load (Debian's ``nghttp2-client``) speaks the same protocols: 64 connections, one request at a time each, always the
same row. Beside them a bare server, which answers at once, on the same loop and HTTP/1 parser as ours.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

import httptools
import uvloop

from bench.platform import Platform, free_port
from bench.report import report
from bench.telemetry import log_request, trace_request

_CONNECTIONS = 64
_SETTLING_SECONDS = 4.0
_SERVICES = {"traces": "trace.v1.TraceService", "logs": "logs.v1.LogsService"}
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


class _Bare(asyncio.Protocol):
    """Reads a request and answers it, and does nothing else."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's or uvloop's
        self._transport, self._parser = transport, httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)


async def _serve_bare(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Bare, "127.0.0.1", port)
    await server.serve_forever()


def send(url: str, body: bytes, seconds: int, *headers: str) -> tuple[int, float]:
    """Send for some seconds. How many were acknowledged, and how many in a second.

    Raises:
        RuntimeError: Something was not acknowledged.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = ["h2load", "-D", str(seconds), "-c", str(_CONNECTIONS), "-d", file.name]
        fields = [word for header in headers for word in ("-H", header)]
        grpc = "content-type: application/grpc" in headers
        protocol = [] if grpc else ["--h1"]
        out = subprocess.run([*command, *protocol, *fields, url], check=True, capture_output=True, text=True).stdout
    rate = re.search(r"([\d.]+) req/s", out)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out)
    if rate is None or counts is None or int(counts[2]) or int(counts[3]):
        raise RuntimeError(out)
    return int(counts[1]), float(rate[1])


def measure(platform: Platform, signal: str, transport: str, seconds: int) -> dict[str, object]:
    """One row a request. The CPU is what each process of the platform took from the first to the last request."""
    body = (trace_request if signal == "traces" else log_request)(1, random.Random(7))
    before = platform.processes()
    if transport == "http":
        url = f"http://127.0.0.1:{platform.otlp_http}/v1/{signal}"
        requests, rate = send(url, body, seconds, "content-type: application/x-protobuf")
    else:
        url = f"http://127.0.0.1:{platform.otlp_grpc}/opentelemetry.proto.collector.{_SERVICES[signal]}/Export"
        message = b"\0" + len(body).to_bytes(4, "big") + body
        requests, rate = send(url, message, seconds, "content-type: application/grpc", "te: trailers")
    after = platform.processes()
    cost = {f"{name} µs": round((after[name][0] - before[name][0]) / requests * 1e6) for name in ("server", "engine")}
    return {"signal": signal, "transport": transport, "requests/s": round(rate), **cost}


def measure_bare(seconds: int) -> dict[str, object]:
    """The same requests to a server that only answers."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.small_requests", "--bare", str(port)])
    try:
        time.sleep(1)
        body = trace_request(1, random.Random(7))
        _, rate = send(f"http://127.0.0.1:{port}/", body, seconds, "content-type: application/x-protobuf")
    finally:
        process.terminate()
        process.wait()
    return {"signal": "a bare server", "transport": "http", "requests/s": round(rate)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=6)
    arguments.add_argument("--bare", type=int, help="be the bare server on this port")
    options = arguments.parse_args()
    if options.bare:
        uvloop.run(_serve_bare(options.bare))
    if shutil.which("h2load") is None:
        sys.exit("This needs h2load: apt-get install nghttp2-client")
    rows = []
    with Platform("--wal-max-bytes", "16GiB") as platform:
        for signal, transport in (("traces", "http"), ("logs", "http"), ("traces", "grpc"), ("logs", "grpc")):
            time.sleep(_SETTLING_SECONDS)
            rows.append(measure(platform, signal, transport, options.seconds))
    rows.append(measure_bare(options.seconds))
    report("small_requests", rows)


if __name__ == "__main__":
    main()
