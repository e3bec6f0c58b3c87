"""A real engine process with the schema in it, and OTLP payloads to fill it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.internal.encoder import _VarintBytes
from google.protobuf.message import Message

from vedette.server.engine.client import Engine
from vedette.server.engine.formats import by_name
from vedette.server.engine.migrate import migrate

RECEIVED_NS = 1_790_000_000 * 10**9


def record(payload: bytes | Message, tenant: str = "acme", received_ns: int = RECEIVED_NS) -> bytes:
    """One record as ingest writes it: the payload with receipt and tenant appended, behind its length."""
    body = payload if isinstance(payload, bytes) else payload.SerializeToString()
    name = tenant.encode()
    body += b"\xc9\x3e" + received_ns.to_bytes(8, "little") + b"\xc2\x3e" + _VarintBytes(len(name)) + name
    return _VarintBytes(len(body)) + body


@dataclass
class EngineProcess:
    """The embedded engine on a directory of its own."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(f"unix://{self.folder}/engine.sock")

    async def start(self) -> EngineProcess:
        command = [sys.executable, "-m", "vedette.server.engine.embedded", "--path", str(self.folder / "engine")]
        command += ["--socket", str(self.folder / "engine.sock")]
        with (self.folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while not await self.engine.ping():
            assert self.process.poll() is None, (self.folder / "engine.log").read_text()
            await asyncio.sleep(0.02)
        return self

    async def stop(self, number: int = signal.SIGTERM) -> None:
        await self.engine.close()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)
            await asyncio.to_thread(self.process.wait)

    async def load(self, name: str, body: bytes, token: str, **settings: object) -> None:
        """One INSERT as the loader sends it."""
        wire = by_name(name)
        extra = {"insert_deduplication_token": token} | settings
        await self.engine.insert(wire.table, wire.input_format, body, settings=dict(wire.settings) | extra)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        return await self.engine.rows(sql)

    async def value(self, sql: str) -> Any:
        rows = await self.engine.rows(sql)
        return next(iter(rows[0].values()))


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start engines without a schema; they are stopped when the test ends."""
    running: list[EngineProcess] = []

    async def make(name: str = "data") -> EngineProcess:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        started = EngineProcess(folder)
        running.append(started)
        return await started.start()

    yield make
    for started in running:
        await started.stop(signal.SIGKILL)


@pytest.fixture
async def database(make_engine: Callable[..., Any]) -> EngineProcess:
    """An engine with the schema."""
    started: EngineProcess = await make_engine()
    await migrate(started.engine)
    return started
