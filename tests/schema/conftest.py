"""Engines with the schema, started for one test or for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from real_platform import copy_tables
from schema_engine import EngineProcess, Tenant


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[EngineProcess]]]:
    """Start engines, without a schema unless asked for it; they are stopped when the test ends."""
    running: list[EngineProcess] = []

    async def make(name: str = "data", *, has_tables: bool = False) -> EngineProcess:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        if has_tables:
            copy_tables(folder / "engine")
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
    return await make_engine(has_tables=True)


@pytest.fixture(scope="session")
def schema_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("schema")
    copy_tables(folder / "engine")

    async def ready() -> EngineProcess:
        started = await EngineProcess(folder).start()
        await started.engine.close()
        return started

    started = asyncio.run(ready())
    yield folder
    started.kill()


@pytest.fixture
async def tenant(schema_folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Tenant]:
    """The test's own tenant in the shared engine."""
    shared = EngineProcess(schema_folder)
    yield Tenant(shared, f"t{abs(hash(request.node.nodeid)) % 10**12}")
    await shared.engine.close()
