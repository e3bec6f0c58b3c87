"""The platform as its users meet it: real processes, real sockets, a directory of its own.

A first start makes some hundred tables, which costs more than half of the rest of it. So one platform of a run starts
in an empty directory, and all others in a copy of what that one left: each is then the second start of its directory.
What tests a first start asks for an empty directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable


_GLANCE_SECONDS = 0.01
_LOADING_SECONDS = 2.0
"""How long a question about tables is put off while segments wait: some time, as not all that is asked comes by them."""
_SETTLING_SECONDS = 5.0
"""How long segments may stay after what was waited for is there: forever where the engine is held or gone."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PlatformEnded(Exception):
    """It ended while a test waited for something of it; with its log."""


def wait_for(
    look: Callable[[], object], expected: object, what: str, rest: Callable[[float], None] = time.sleep
) -> None:
    """Look again and again until there is what is expected. Who ends the waiting reads what was there instead.

    An OSError or a failed assertion is something seen, too: servers are away for a while and come back. `rest` may end
    its pause early, or make it longer, when it knows what has to happen first.
    """
    began, pause, seen = time.monotonic(), 0.02, None
    try:
        while True:
            try:
                seen = look()
            except (OSError, AssertionError) as error:
                seen = error
            if seen == expected:
                return
            rest(pause)
            pause = min(pause * 1.3, 0.3)
    except BaseException as error:
        error.add_note(f"After {time.monotonic() - began:.0f} s, expected {expected!r}, last seen {seen!r}: {what}")
        raise


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Platform:
    """A `vedette serve` on ports and a directory of its own."""

    data_dir: Path
    flags: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    otlp_http: int = field(default_factory=free_port)
    otlp_grpc: int = field(default_factory=free_port)
    empty: bool = False
    process: subprocess.Popen[str] | None = None
    prepared: ClassVar[Path | None] = None
    """The directory that others are copies of; made by the first who needs it, whichever worker that is."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.data_dir.parent / f"{self.data_dir.name}.log").read_text()

    def start(self, *, wait: bool = True) -> Platform:
        if self.prepared and not self.empty and not self.data_dir.exists():
            shutil.copytree(_prepare(self.prepared), self.data_dir, symlinks=True)
        command = [sys.executable, "-m", "vedette.cli.entry", "serve", "--data-dir", str(self.data_dir)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--otlp-http", f"127.0.0.1:{self.otlp_http}"]
        command += ["--otlp-grpc", f"127.0.0.1:{self.otlp_grpc}", *self.flags]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("VEDETTE_", "OTEL_"))}
        log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("a")
        self.process = subprocess.Popen(command, env=environment | self.environment, stdout=log, stderr=log, text=True)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        def status() -> int:
            assert self.process is not None
            if self.process.poll() is not None:
                raise PlatformEnded(self.log)
            return self.request("/readyz").status

        wait_for(status, 200, "the platform's readiness")

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait()

    def child(self, name: str) -> int:
        """The process id of `engine`, `server` or `worker`."""
        assert self.process is not None
        mark = {"engine": "vedette.server.engine.embedded"}.get(name, f"vedette.server.process {name}")
        while True:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    parent = (path.parent / "stat").read_text().rsplit(")", 1)[1].split()[1]
                    if int(parent) == self.process.pid and mark in path.read_bytes().replace(b"\0", b" ").decode():
                        return int(path.parent.name)
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        os.kill(self.child(name), signal.SIGKILL)

    def request(
        self,
        path: str,
        body: bytes | None = None,
        *,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> Answer:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port or self.port}{path}", body, headers or {}, method=method
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def otlp(self, signal_name: str, body: bytes, **headers: str) -> Answer:
        """Send one OTLP request over HTTP; header names with underscores for dashes."""
        named = {"Content-Type": "application/x-protobuf"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.request(f"/v1/{signal_name}", body, headers=named, port=self.otlp_http)

    def sql(self, statement: str, tenant: str = "default", **headers: str) -> list[dict[str, Any]]:
        """Rows of a read-only statement, by the public API."""
        named = {"X-Scope-OrgID": tenant} if tenant else {}
        named |= {k.replace("_", "-"): v for k, v in headers.items()}
        answer = self.request("/api/v1/sql?format=JSONEachRow", statement.encode(), method="POST", headers=named)
        assert answer.status == 200, answer.body
        return [json.loads(line) for line in answer.body.splitlines()]

    def eventually(self, statement: str, expected: object, tenant: str = "default", key: str = "") -> None:
        """Wait until the first column of the first row is `expected`. A key brings its own tenant.

        A batch reaches its tables one after another, so the segments that are there by then may go, too: a test that
        asks another table next finds what it expects.
        """

        def first() -> object:
            rows = self.sql(statement, "" if key else tenant, **({"Authorization": f"Bearer {key}"} if key else {}))
            return next(iter(rows[0].values())) if rows else None

        wait_for(first, expected, statement, self.rest())
        segments, until = list((self.data_dir / "wal").glob("*.wal")), time.monotonic() + _SETTLING_SECONDS
        while time.monotonic() < until and any(segment.exists() for segment in segments):
            time.sleep(0.02)

    def loaded(self) -> None:
        """Wait until everything that was acknowledged is in every table and rollup: its segments are gone then."""
        acknowledged = self._segments()
        while acknowledged & self._segments():
            time.sleep(_GLANCE_SECONDS)

    def rest(self) -> Callable[[float], None]:
        """Pauses between questions about tables, which cost a thousand looks at the log's folder.

        While segments wait to be loaded, nobody is answered anything new before one of them is gone.
        """
        seen = self._segments()

        def rest(seconds: float) -> None:
            nonlocal seen
            until = time.monotonic() + (_LOADING_SECONDS if seen else seconds)
            while time.monotonic() < until:
                time.sleep(_GLANCE_SECONDS)
                before, seen = seen, self._segments()
                if before - seen:
                    return

        return rest

    def quarantine(self) -> set[Path]:
        """What could not be loaded."""
        return set((self.data_dir / "wal" / "quarantine").glob("*"))

    def _segments(self) -> set[str]:
        """What is in the log and not yet in the tables: being written, or sealed. A segment has one name in both."""
        names = [path.name for path in (self.data_dir / "wal").glob("*-*") if path.suffix in {".open", ".wal"}]
        return {"-".join(name.split(".")[0].split("-")[:2]) for name in names}


def copy_tables(folder: Path) -> None:
    """Make a directory for an engine that has every table already, and nothing in them."""
    assert Platform.prepared
    shutil.copytree(_prepare(Platform.prepared) / "engine", folder, symlinks=True)


def _prepare(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done := folder / "done").exists():
            platform = Platform(folder / "data", empty=True).start()
            assert platform.stop() == 0, platform.log
            done.touch()
    return folder / "data"
