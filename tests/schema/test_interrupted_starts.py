"""A first start that a crash breaks off, and the one after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from vedette.server.engine.migrate import is_current, migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from schema_engine import EngineProcess

    from vedette.server.engine.client import Engine

TABLES = """
SELECT database, name, create_table_query FROM system.tables
WHERE database IN ('vedette', 'vedette_sql') AND NOT startsWith(name, 'in_') ORDER BY ALL
"""


class BrokenOff(Exception):
    """The crash."""


class Counting:
    """An engine that answers so many statements that change something."""

    def __init__(self, engine: Engine, most: float) -> None:
        self._engine = engine
        self._most = most
        self.done = 0

    async def execute(self, sql: str, **options: Any) -> Any:
        if self.done >= self._most:
            raise BrokenOff
        self.done += 1
        return await self._engine.execute(sql, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


async def _migrate(database: EngineProcess, most: float = float("inf")) -> int:
    counting = Counting(database.engine, most)
    await migrate(cast("Engine", counting))
    return counting.done


async def test_a_first_start_that_is_broken_off_anywhere_is_completed_by_the_next(
    make_engine: Callable[..., Awaitable[EngineProcess]],
) -> None:
    whole, broken = await make_engine("whole"), await make_engine("broken")
    statements = await _migrate(whole)
    wanted = await whole.rows(TABLES)
    # The last of them notes that the others were run.
    for most in (statements // 3, statements * 2 // 3, statements - 1):
        with pytest.raises(BrokenOff):
            await _migrate(broken, most)
        assert not await is_current(broken.engine)
    await _migrate(broken)
    assert await is_current(broken.engine)
    assert await broken.rows(TABLES) == wanted


async def test_functions_that_the_engine_of_a_restored_database_lacks_are_made_at_its_next_start(tenant: Any) -> None:
    engine = tenant.database.engine
    assert await is_current(engine)
    await engine.execute("DROP FUNCTION vedette_link_items")
    assert not await is_current(engine)
    await migrate(engine)
    assert await is_current(engine)
    assert await engine.query("SELECT vedette_link_items([], [], [], [])", fmt="TSV") == b"\n"
