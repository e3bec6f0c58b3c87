"""A database that an old version made, with what was in it, and upgrades of it that are broken off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from vedette.server.engine import migrate as migrations
from vedette.server.engine.migrate import is_current, load_migrations, migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from schema_engine import EngineProcess

    from vedette.server.engine.client import Engine

APPLIED = Path(__file__).parent / "applied_migrations.txt"
FIRST = 5
"""The migrations that the old version had."""

CALLS = 40
SAMPLES = 500
# A call is a span of the caller and one of the called; an hour ago, and this minute.
FILLED = (
    f"""
    INSERT INTO vedette.spans (tenant, time, day, trace_id, ids, name, kind, service, duration_ns, status, resource)
    SELECT 'acme', now64(9, 'UTC') - INTERVAL 1 HOUR AS time, toDate(time), toFixedString(toString(intDiv(number, 2)), 16),
        if(number % 2 = 0, toFixedString('caller', 16), toFixedString('called\\0\\0caller', 16)),
        'buy', if(number % 2 = 0, 'client', 'server'), if(number % 2 = 0, 'shop', 'pay'), 1000, 'unset',
        if(number % 2 = 0, '{{"service.version":"1.2"}}', '{{"host.name":"h"}}')
    FROM numbers({2 * CALLS})
    """,
    f"""
    INSERT INTO vedette.samples (tenant, day, hour, series, time, value)
    SELECT 'acme', toDate(time), toStartOfHour(time), 7,
        fromUnixTimestamp64Milli(1790000000000 + 1000 * toInt64(number), 'UTC') AS time, number / 3
    FROM numbers({SAMPLES})
    """,
    """
    INSERT INTO vedette.histograms (tenant, day, hour, series, time, count, sum)
    VALUES ('acme', '2026-09-22', '2026-09-22 01:00:00', 8, '2026-09-22 01:46:40', 3, 4.5)
    """,
)
WHAT_IS_THERE = {
    "SELECT count() FROM vedette_sql.spans": 2 * CALLS,
    "SELECT countIf(value = (toUnixTimestamp64Milli(time) - 1790000000000) / 1000 / 3) FROM vedette_sql.samples": SAMPLES,
    "SELECT count() FROM vedette_sql.samples": SAMPLES,
    "SELECT sum(sum) FROM vedette_sql.histograms": 4.5,
    "SELECT sum(count) FROM vedette_sql.red_minute": 2 * CALLS,
    "SELECT sum(count) FROM vedette.red_service_minute WHERE service = 'pay' AND served": CALLS,
    "SELECT sum(count) FROM vedette.red_service_hour": 2 * CALLS,
    "SELECT groupArray(version) FROM vedette.service_versions FINAL WHERE version != ''": ["1.2"],
    "SELECT arraySort(groupArray(key)) FROM vedette.resource_keys FINAL": ["host.name", "service.version"],
    # Halves of calls may be there twice; calls are not.
    "SELECT sum(count) FROM vedette_sql.service_edges WHERE client = 'shop' AND server = 'pay'": CALLS,
    "SELECT uniq(hour) FROM vedette.metric_hours WHERE changed > 0": 1,
}


class BrokenOff(Exception):
    """The crash."""


class BrokenBehind:
    """An engine that is gone behind each statement of a migration that it has not run before."""

    def __init__(self, engine: Engine, seen: set[str]) -> None:
        self._engine = engine
        self._seen = seen
        self._ours = {text for one in load_migrations() if one.number > FIRST for text in one.statements}

    async def execute(self, sql: str, **options: Any) -> Any:
        found = await self._engine.execute(sql, **options)
        if sql in self._ours - self._seen:
            self._seen.add(sql)
            raise BrokenOff
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


async def test_an_upgrade_that_is_broken_off_behind_each_statement_loses_and_doubles_nothing(
    make_engine: Callable[..., Awaitable[EngineProcess]], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await make_engine("old")
    with monkeypatch.context() as patched:
        patched.setattr(
            migrations, "load_migrations", lambda: [one for one in load_migrations() if 1 <= one.number <= FIRST]
        )
        await migrate(old.engine)
    for statement in FILLED:
        await old.engine.execute(statement)
    seen: set[str] = set()
    broken = 0
    while not await is_current(old.engine):
        try:
            await migrate(cast("Engine", BrokenBehind(old.engine, seen)))
        except BrokenOff:
            broken += 1
    assert broken == len({text for one in load_migrations() if one.number > FIRST for text in one.statements})
    assert {sql: await old.value(sql) for sql in WHAT_IS_THERE} == WHAT_IS_THERE


def test_migrations_that_databases_have_applied_keep_their_text() -> None:
    # A database knows what was applied to it, and one whose migration has another text now is refused: mend by a new
    # migration, and fragments that an old one includes by a fragment of another name.
    now = [f"{one.number:04} {one.name} {one.checksum}" for one in load_migrations() if one.number]
    assert now == APPLIED.read_text().splitlines()
