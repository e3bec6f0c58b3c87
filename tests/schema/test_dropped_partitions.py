"""What goes to a budget while more arrives: everything is summed up and in the ledger, and nothing goes unseen."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vedette.errors import EngineError
from vedette.server.engine.rollups.tiers import TierRoller
from vedette.server.settings import Settings
from vedette.server.upkeep.budgets import Budgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schema_engine import EngineProcess

DAY = 86_400
PLENTY = 1 << 40


async def test_samples_that_arrive_while_their_day_goes_are_summed_up_and_told_of(database: EngineProcess) -> None:
    engine, told = database.engine, []
    begin = int(time.time()) // DAY * DAY - 6 * DAY

    async def insert(second: int, value: int) -> None:
        at = f"toDateTime({begin + second}, 'UTC')"
        await engine.execute(
            "INSERT INTO vedette.samples (tenant, day, hour, series, time, scale, units) "
            f"SELECT 'acme', toDate({at}), toStartOfHour({at}), 1, {at}, 0, {value}"
        )

    async def record(lines: Sequence[Any], token: str) -> None:
        if not told:
            await insert(700, 5)  # late, when the day has been summed up and not yet dropped
        told.append((token, sum(line["count"] for line in lines)))

    for second, value in ((60, 1), (400, 2), (6 * DAY, 3)):
        await insert(second, value)
    budgets = {f"{signal}_budget": PLENTY for signal in ("traces", "logs", "metrics_5m", "metrics_1h")}
    keeper = Budgets(engine, Settings(metrics_budget=0, **budgets), record, TierRoller(engine, 0))
    await keeper.enforce()
    left = await engine.rows("SELECT units FROM vedette.samples")
    assert [int(row["units"]) for row in left] == [3]
    assert [count for _, count in told] == [2, 1]
    assert len({token for token, _ in told}) == 2
    [sums] = await engine.rows("SELECT sum(sum) AS sums FROM vedette.samples_5m FINAL WHERE time < now() - 86400")
    assert sums["sums"] == 1 + 2 + 5


async def test_what_is_dated_ahead_goes_before_what_is_real(database: EngineProcess) -> None:
    engine, told = database.engine, []
    today = int(time.time()) // DAY

    async def record(lines: Sequence[Any], _token: str) -> None:
        told.extend((line["tenant"], line["count"]) for line in lines)

    for tenant, day, lines in (("old", today - 6, 1), ("new", today, 2), ("near", today + 2, 3), ("far", 47_000, 4)):
        await engine.execute(
            "INSERT INTO vedette.logs (tenant, day, time) "
            f"SELECT '{tenant}', toDate({day}), toDateTime64({day * DAY} + number, 9, 'UTC') FROM numbers({lines})"
        )
    budgets = {f"{signal}_budget": PLENTY for signal in ("traces", "metrics", "metrics_5m", "metrics_1h")}
    await Budgets(engine, Settings(logs_budget=0, **budgets), record, TierRoller(engine, 0)).enforce()
    assert told == [("far", 4), ("old", 1), ("new", 2)]


async def test_rows_that_a_merge_puts_together_with_later_ones_are_told_of_once(database: EngineProcess) -> None:
    engine, told = database.engine, []
    today = int(time.time()) // DAY * DAY

    async def insert(begin: int, lines: int) -> None:
        await engine.execute(
            "INSERT INTO vedette.logs (tenant, day, time) "
            f"SELECT 'acme', toDate({begin // DAY}), toDateTime64({begin} + number, 9, 'UTC') FROM numbers({lines})"
        )

    async def record(lines: Sequence[Any], token: str) -> None:
        if not told:
            await insert(today - 6 * DAY, 5)
            with suppress(EngineError):  # the engine may refuse to merge, or put everything of the day together
                await engine.execute("OPTIMIZE TABLE vedette.logs FINAL")
        told.append((token, sum(line["count"] for line in lines)))

    await insert(today - 6 * DAY, 20)
    await insert(today - 6 * DAY, 7)
    await insert(today, 1)
    budgets = {f"{signal}_budget": PLENTY for signal in ("traces", "metrics", "metrics_5m", "metrics_1h")}
    keeper = Budgets(engine, Settings(logs_budget=0, **budgets), record, TierRoller(engine, 0))
    await keeper.enforce()
    assert [count for _, count in told] == [27, 5]
    await engine.execute("OPTIMIZE TABLE vedette.logs FINAL")  # merges go on afterwards
    assert (await engine.rows("SELECT count() AS n FROM vedette.logs"))[0]["n"] == 1


async def test_tables_that_somebody_left_unmerged_merge_again(database: EngineProcess) -> None:
    """As one who was killed while something went leaves them, of rollups as well."""
    engine = database.engine

    async def record(lines: Sequence[Any], token: str) -> None:
        raise AssertionError((lines, token))

    tables = ("logs", "red_minute", "series")
    for table in tables:
        await engine.execute(f"INSERT INTO vedette.{table} (tenant) VALUES ('acme')")
    for table in tables:
        await engine.execute(f"SYSTEM STOP MERGES vedette.{table}")
    await Budgets(engine, Settings(), record, TierRoller(engine, 0)).enforce()
    for table in tables:
        await engine.execute(f"OPTIMIZE TABLE vedette.{table} FINAL")
