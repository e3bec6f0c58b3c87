"""A `vedette serve` for a benchmark: its own ports and directory, and the CPU time and memory of all its processes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_QUIET_SECONDS, _QUIET_SHARE = 5, 0.1


def wait_until_quiet(cpu_seconds: Callable[[], float]) -> None:
    """Wait until merges and rollups have caught up: a day that came within minutes leaves them work for minutes."""
    while True:
        before = cpu_seconds()
        time.sleep(_QUIET_SECONDS)
        if cpu_seconds() - before < _QUIET_SECONDS * _QUIET_SHARE:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Platform:
    """Use as a context manager; the directory goes at the end unless it was given."""

    def __init__(self, *flags: str, data_dir: Path | None = None) -> None:
        self.port, self.otlp_http, self.otlp_grpc = free_port(), free_port(), free_port()
        self._temporary = None if data_dir else Path(tempfile.mkdtemp(prefix="vedette-bench-"))
        self.data_dir = data_dir or self._temporary / "data"
        self._flags = flags
        self.seconds_to_ready = 0.0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "vedette.cli.entry", "serve", "--data-dir", str(self.data_dir)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--otlp-http", f"127.0.0.1:{self.otlp_http}"]
        command += ["--otlp-grpc", f"127.0.0.1:{self.otlp_grpc}", "--log-level", "warning", *self._flags]
        started = time.monotonic()
        self._process = subprocess.Popen(command)
        while not self._is_ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"vedette ended with {self._process.returncode}")
            time.sleep(0.02)
        self.seconds_to_ready = time.monotonic() - started
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        if self._temporary:
            shutil.rmtree(self._temporary)

    def _is_ready(self) -> bool:
        try:
            self.get("/readyz")
        except (OSError, urllib.error.HTTPError):
            return False
        return True

    def get(self, path: str, *, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def sql(self, statement: str) -> list[dict[str, Any]]:
        body = self.get("/api/v1/sql?format=JSONEachRow", body=statement.encode())
        return [json.loads(line) for line in body.splitlines()]

    def processes(self) -> dict[str, tuple[float, int]]:
        """CPU seconds and resident bytes of every process of the platform, by name."""
        out = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(path.name) == self._process.pid:
                name = "supervisor"
            elif int(fields[1]) == self._process.pid:
                name = next((w.decode() for w in words if w in {b"server", b"worker"}), "engine")
            else:
                continue
            out[name] = ((int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE)
        return out

    def cpu_seconds(self) -> float:
        return sum(cpu for cpu, _ in self.processes().values())
