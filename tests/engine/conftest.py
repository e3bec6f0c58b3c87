"""Real engine processes, each in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from vedette.server.engine.client import Engine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class EngineProcess:
    """`python -m vedette.server.engine.embedded` in a directory of its own."""

    home: Path
    arguments: list[str] = field(default_factory=lambda: ["--tcp-write"])
    max_memory: int = 1_000_000_000
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def path(self) -> Path:
        return self.home / "db"

    @property
    def socket(self) -> Path:
        return self.home / "engine.sock"

    @property
    def unix_url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    @property
    def tcp_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.home / "engine.log").read_text()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "vedette.server.engine.embedded"]
        command += ["--path", str(self.path), "--socket", str(self.socket), "--tcp", f"127.0.0.1:{self.port}"]
        return [*command, "--max-memory", str(self.max_memory), *self.arguments]

    def start(self, *, wait: bool = True) -> EngineProcess:
        with (self.home / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        while wait and not self.answers():
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        return self

    def answers(self) -> bool:
        with contextlib.suppress(OSError), contextlib.closing(self.connect()) as connection:
            connection.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
            return connection.recv(100).startswith(b"HTTP/1.0 200")
        return False

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.socket))
        except OSError:
            connection.close()
            raise
        return connection

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait()

    def stop(self) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
        return self.wait()

    def memory_bytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.fixture
def make_engine():
    """Make engine processes; they are killed when the test ends. (A socket's path must be short.)"""
    made: list[EngineProcess] = []

    def make(*arguments: str, **options: int) -> EngineProcess:
        process = EngineProcess(Path(tempfile.mkdtemp(prefix="ve-")), list(arguments), **options)
        made.append(process)
        return process

    yield make
    for process in made:
        if process.process is not None:
            process.process.kill()
            process.process.wait()
        shutil.rmtree(process.home)


@pytest.fixture(scope="session")
def shared_engine():
    """One engine process for tests that keep to a database of their own."""
    process = EngineProcess(Path(tempfile.mkdtemp(prefix="ve-"))).start()
    yield process
    assert process.stop() == 0, process.log
    shutil.rmtree(process.home)


@pytest.fixture
async def embedded(shared_engine):
    """A client of the shared engine on its socket."""
    engine = Engine(shared_engine.unix_url)
    yield engine
    await engine.close()


def _ways() -> list[str]:
    return ["socket", "tcp", *(["clickhouse"] if os.environ.get("VEDETTE_TEST_CLICKHOUSE") else [])]


@pytest.fixture(params=_ways())
def way(request) -> str:
    return str(request.param)


@pytest.fixture
def engine_url(way, request) -> str:
    if way == "clickhouse":
        return os.environ["VEDETTE_TEST_CLICKHOUSE"]
    process = request.getfixturevalue("shared_engine")
    return str(process.unix_url if way == "socket" else process.tcp_url)


@pytest_asyncio.fixture
async def engine(engine_url):
    """The client, over every way to an engine: socket, TCP, and a ClickHouse that the environment names."""
    client = Engine(engine_url)
    yield client
    await client.close()


@pytest_asyncio.fixture
async def database(engine):
    """A database of the test's own."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    await engine.execute(f"CREATE DATABASE {name}")
    yield name
    await engine.execute(f"DROP DATABASE {name} SYNC")
