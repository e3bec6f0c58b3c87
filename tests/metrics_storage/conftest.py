"""Metrics from OTLP requests to the tables of a real engine process, by the bytes that ingest writes into the log."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_requests import as_json, gauge, request
from real_platform import copy_tables

from vedette.errors import EngineUnavailable
from vedette.server.engine.client import Engine
from vedette.server.engine.formats import by_name
from vedette.server.engine.migrate import prepare_format
from vedette.server.ingest.known_points import KnownPoints
from vedette.server.ingest.otlp import METRICS, from_json, from_protobuf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_tenants = itertools.count(1)


@pytest.fixture(scope="session")
def metrics_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an engine whose schema is up to date."""
    home = tmp_path_factory.mktemp("metrics")
    copy_tables(home / "db")
    url = f"unix://{home}/engine.sock"
    command = [sys.executable, "-m", "vedette.server.engine.embedded"]
    with (home / "engine.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--path", str(home / "db"), "--socket", str(home / "engine.sock")],
            cwd=home,
            stdout=log,
            stderr=log,
        )
        try:
            asyncio.run(_ready(url, process, home / "engine.log"))
            yield url
        finally:
            process.terminate()
            process.wait()


async def _ready(url: str, process: subprocess.Popen[bytes], log: Any) -> None:
    engine = Engine(url)
    try:
        while True:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(EngineUnavailable):
                if await engine.ping():
                    break
            await asyncio.sleep(0.05)
    finally:
        await engine.close()


@dataclass
class Store:
    """The tables of one tenant."""

    engine: Engine
    tenant: str = field(default_factory=lambda: f"metrics-{next(_tenants)}-{uuid.uuid4().hex[:6]}")
    promoted: tuple[str, ...] = ()
    """The resource attributes that become labels."""

    async def insert(self, *requests: ExportMetricsServiceRequest, json_form: bool = False, token: str = "") -> None:
        """Load one segment that holds the requests."""
        if json_form:
            name = "otlp_metrics_json"
            payloads = [from_json(METRICS, self.tenant, as_json(one), self.promoted) for one in requests]
        else:
            name = "otlp_metrics"
            payloads = [from_protobuf(METRICS, self.tenant, one.SerializeToString(), self.promoted) for one in requests]
        await self.load(name, b"".join(b"".join(payload.pieces) for payload in payloads), token)

    async def load(self, format_name: str, segment: bytes, token: str = "") -> None:
        wire = by_name(format_name)
        await prepare_format(self.engine, wire)
        settings = {**wire.settings, "insert_deduplication_token": token or uuid.uuid4().hex}
        await self.engine.insert(wire.table, wire.input_format, segment, settings=settings)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a statement that names the tenant as {tenant:String}."""
        return await self.engine.rows(sql, params={"tenant": self.tenant})

    async def series(self) -> dict[str, list[tuple[int, float]]]:
        """Every series as PromQL writes it, with its samples (milliseconds, value)."""
        rows = await self.rows(
            "SELECT id, any(name) AS name, any(labels) AS labels, groupArray((t, bits)) AS points FROM "
            "(SELECT series AS id, toInt64(toUnixTimestamp64Milli(at)) AS t, reinterpretAsUInt64(value) AS bits "
            " FROM vedette.samples WHERE tenant = {tenant:String} ORDER BY at) AS samples "
            "INNER JOIN (SELECT id, name, labels FROM vedette.series FINAL WHERE tenant = {tenant:String} "
            "LIMIT 1 BY id) AS series USING id GROUP BY id"
        )
        return {
            named(row["name"], row["labels"]): [(int(t), number(int(bits))) for t, bits in row["points"]]
            for row in rows
        }

    async def values(self) -> dict[str, float]:
        """Every series with the value of its only sample."""
        found = await self.series()
        assert all(len(points) == 1 for points in found.values()), found
        return {name: points[0][1] for name, points in found.items()}


def named(name: str, labels: dict[str, str]) -> str:
    """A series as PromQL writes it, labels in the order in which they are stored."""
    return name + "{" + ", ".join(f"{key}={json.dumps(value)}" for key, value in labels.items()) + "}"


def number(bits: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


@pytest_asyncio.fixture
async def known() -> KnownPoints:
    """Streams that nobody has told of yet, with the compiled functions loaded."""
    found = KnownPoints()
    body = request(gauge("any", 1.0)).SerializeToString()
    assert await found.take("any", body, 1) is None
    await found.settled()
    return found


@pytest_asyncio.fixture
async def store(metrics_engine: str) -> AsyncIterator[Store]:
    engine = Engine(metrics_engine)
    yield Store(engine)
    await engine.close()
