"""Engines with the schema, started for one test or for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from schema_engine import EngineProcess, Tenant

from vedette.server.engine.migrate import migrate


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[EngineProcess]]]:
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
        await started.engine.close()
        started.kill()


@pytest.fixture
async def database(make_engine: Callable[..., Awaitable[EngineProcess]]) -> EngineProcess:
    """An engine of the test's own, with the schema."""
    started = await make_engine()
    await migrate(started.engine)
    return started


@pytest.fixture(scope="session")
def schema_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("schema")

    async def prepare() -> EngineProcess:
        started = await EngineProcess(folder).start()
        await migrate(started.engine)
        await started.engine.close()
        return started

    started = asyncio.run(prepare())
    yield folder
    started.kill()


@pytest.fixture
async def tenant(schema_folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """The test's own tenant in the shared engine."""
    shared = EngineProcess(schema_folder)
    yield Tenant(shared, f"t{abs(hash(request.node.nodeid)) % 10**12}")
    await shared.engine.close()
