"""A real Prometheus over data of our own, to compare answers with."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AVAILABLE = shutil.which("prometheus") is not None and shutil.which("promtool") is not None
_START_SECONDS = 120


def to_openmetrics(loads: list[dict[str, Any]]) -> str:
    lines = []
    for load in loads:
        for one in load["series"]:
            labels = dict(one["labels"])
            name = labels.pop("__name__")
            inside = ",".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in labels.items())
            for i, value in enumerate(one["values"]):
                if value is not None:
                    lines.append(f"{name}{{{inside}}} {value} {(one['start'] + i * one['step']) / 1000:.3f}")
    return "\n".join([*lines, "# EOF", ""])


class Prometheus:
    """Asks one server, or another that has the same API under a prefix."""

    def __init__(self, port: int, prefix: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._prefix, self._headers = prefix, headers

    def ready(self) -> bool:
        try:
            self._connection.request("GET", "/-/ready")
            answer = self._connection.getresponse()
            answer.read()
        except OSError:
            self._connection.close()
            return False
        return answer.status == 200

    def ask(self, query: str, start: int, end: int, step: int) -> dict[str, Any]:
        """The API's answer, errors as well; an instant query if `step` is 0. All times are milliseconds."""
        if step:
            path, form = "/api/v1/query_range", {"start": start / 1000, "end": end / 1000, "step": step / 1000}
        else:
            path, form = "/api/v1/query", {"time": start / 1000}
        headers = {"Content-Type": "application/x-www-form-urlencoded", **self._headers}
        self._connection.request("POST", self._prefix + path, urllib.parse.urlencode({"query": query, **form}), headers)
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return answer


@contextmanager
def running(directory: Path, loads: list[dict[str, Any]]) -> Iterator[Prometheus]:
    """A server over blocks with the data; it ends with the block."""
    text, data, config = directory / "metrics.txt", directory / "data", directory / "prometheus.yml"
    text.write_text(to_openmetrics(loads))
    config.write_text("global: {}\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, data], check=True, capture_output=True
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=promql-at-modifier,promql-negative-offset",
        "--log.level=error",
    ]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "2"})
    try:
        prometheus = Prometheus(port)
        deadline = time.monotonic() + _START_SECONDS
        while not prometheus.ready():
            assert server.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline, "Prometheus does not start"
            time.sleep(0.1)
        yield prometheus
    finally:
        server.terminate()
        server.wait()
