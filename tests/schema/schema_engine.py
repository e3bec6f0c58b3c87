"""Real engine processes with the schema in them, and OTLP records to fill them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.internal.encoder import _VarintBytes

from vedette.errors import EngineError
from vedette.server.engine.client import Engine
from vedette.server.engine.formats import by_name
from vedette.server.engine.migrate import prepare_format

if TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.message import Message

    from vedette.server.engine.formats import Format

RECEIVED_NS = 1_790_000_000 * 10**9


def record(payload: bytes | Message, tenant: str = "acme", received_ns: int = RECEIVED_NS) -> bytes:
    """One record as ingest writes it: the payload with receipt and tenant appended, behind its length."""
    body = payload if isinstance(payload, bytes) else payload.SerializeToString()
    name = tenant.encode()
    body += b"\xc9\x3e" + received_ns.to_bytes(8, "little") + b"\xc2\x3e" + _VarintBytes(len(name)) + name
    return _VarintBytes(len(body)) + body


def json_record(payload: bytes, tenant: str, received_ns: int = RECEIVED_NS) -> bytes:
    """One record of OTLP/JSON, as ingest writes it."""
    return b'{"tenant":"%s","received_unix_nano":%d,"payload":%s}\n' % (tenant.encode(), received_ns, payload)


@dataclass
class EngineProcess:
    """The embedded engine on a directory of its own."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(f"unix://{self.folder}/engine.sock")

    def launch(self) -> None:
        command = [sys.executable, "-m", "vedette.server.engine.embedded", "--path", str(self.folder / "engine")]
        command += ["--socket", str(self.folder / "engine.sock"), "--max-memory", str(1 << 30)]
        with (self.folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    async def start(self) -> EngineProcess:
        self.launch()
        while not await self.engine.ping():
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "engine.log").read_text()
            await asyncio.sleep(0.02)
        return self

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)
            self.process.wait()

    async def restart(self) -> None:
        """Kill the process as a crash would, and start another on the same files."""
        self.kill()
        await self.start()

    async def load(self, name: str, body: bytes, token: str) -> None:
        """One INSERT as the loader sends it: in the form that costs least, and whole if that is refused."""
        if (short := by_name(name).short) is not None:
            with contextlib.suppress(EngineError):
                await self.insert(short, body, token)
                return
        await self.insert(by_name(name), body, token)

    async def insert(self, wire: Format, body: bytes, token: str) -> None:
        """One INSERT in one form of a format."""
        await prepare_format(self.engine, wire)
        settings = {**wire.settings, "insert_deduplication_token": token}
        await self.engine.insert(wire.table, wire.input_format, body, settings=settings)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        return await self.engine.rows(sql)

    async def value(self, sql: str) -> Any:
        rows = await self.engine.rows(sql)
        return next(iter(rows[0].values()))


@dataclass
class Tenant:
    """A tenant of its own in an engine that tests share."""

    database: EngineProcess
    name: str

    async def load(self, wire: str, *payloads: bytes | Message, received_ns: int = RECEIVED_NS) -> None:
        body = b"".join(record(payload, self.name, received_ns) for payload in payloads)
        await self.database.load(wire, body, f"{self.name}-{time.monotonic_ns()}")

    async def load_json(self, wire: str, payload: bytes, received_ns: int = RECEIVED_NS) -> None:
        body = json_record(payload, self.name, received_ns)
        await self.database.load(wire, body, f"{self.name}-{time.monotonic_ns()}")

    async def rows(self, columns: str, table: str, rest: str = "") -> list[dict[str, Any]]:
        return await self.database.rows(f"SELECT {columns} FROM vedette.{table} WHERE tenant = '{self.name}' {rest}")

    async def one(self, columns: str, table: str, rest: str = "") -> dict[str, Any]:
        (row,) = await self.rows(columns, table, rest)
        return row
