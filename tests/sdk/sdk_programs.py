"""Programs that use the SDK, each in a process of its own, and a collector that keeps what they send."""

from __future__ import annotations

import gzip
import os
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import zstandard
from hypothesis import HealthCheck, settings
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

STEADY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How the property tests of the SDK run: none of them fails because a machine is slow."""

_MESSAGES = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}


def _unpack(body: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


@dataclass
class Collector:
    """An OTLP/HTTP endpoint. `answer` decides each response as (status, headers, body); 2xx bodies are kept."""

    answer: Callable[[str], tuple[int, dict[str, str], bytes]] = lambda _path: (200, {}, b"")
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    attempts: int = 0
    keys: list[tuple[str, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls is not None else ''}://127.0.0.1:{self.port}"

    def start(self) -> Collector:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.attempts += 1
                collector.sizes.append(len(body))
                collector.keys.append((self.path, self.headers.get("Idempotency-Key", "")))
                status, headers, answer = collector.answer(self.path)
                if 200 <= status < 300:
                    message = _MESSAGES[self.path]()
                    message.ParseFromString(_unpack(body, self.headers.get("Content-Encoding")))
                    collector.requests.append((self.path, dict(self.headers), message))
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:  # the program did not wait for the answer
                    pass

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        if self.tls is not None:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True)
        self._server = server
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def resources(self, path: str) -> list[Any]:
        field_name = {"/v1/traces": "resource_spans", "/v1/logs": "resource_logs", "/v1/metrics": "resource_metrics"}
        return [item for at, _, message in self.requests if at == path for item in getattr(message, field_name[path])]

    @property
    def spans(self) -> list[Any]:
        return [span for r in self.resources("/v1/traces") for s in r.scope_spans for span in s.spans]

    @property
    def logs(self) -> list[Any]:
        return [record for r in self.resources("/v1/logs") for s in r.scope_logs for record in s.log_records]

    @property
    def metrics(self) -> list[Any]:
        return [metric for r in self.resources("/v1/metrics") for s in r.scope_metrics for metric in s.metrics]

    def names(self) -> list[str]:
        return sorted(span.name for span in self.spans)

    def wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            time.sleep(0.02)


def value_of(any_value: Any) -> Any:
    """A decoded AnyValue as a Python value."""
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value_of(item) for item in any_value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in any_value.kvlist_value.values}
    return getattr(any_value, kind)


def attributes_of(message: Any) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in message.attributes}


@dataclass
class Programs:
    """Runs Python source in fresh processes whose telemetry goes to `endpoint`."""

    directory: Path
    endpoint: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self, **variables: str) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("VEDETTE_", "OTEL_", "PYTEST_"))}
        own["VEDETTE_ENDPOINT"] = self.endpoint
        own["VEDETTE_SPOOL_DIR"] = str(self.directory / "spool")
        # A machine that has no time for the program must not look like an endpoint that is away.
        own["VEDETTE_TIMEOUT_SECONDS"] = own["VEDETTE_SHUTDOWN_TIMEOUT_SECONDS"] = "60"
        return own | variables

    def write(self, source: str, name: str = "program.py") -> Path:
        path = self.directory / name
        path.write_text(textwrap.dedent(source))
        return path

    def start(self, source: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(self.write(source)), *arguments],
            env=self.environment(**variables),
            cwd=self.directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, source: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(source, *arguments, **variables)
        out, err = process.communicate()
        assert process.returncode == 0, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)
