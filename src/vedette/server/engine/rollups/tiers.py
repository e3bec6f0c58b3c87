"""Summaries of samples per 5 minutes and per hour: made of whole hours, once these are quiet, and again when more came.

A statement makes the buckets of a day's hours, at most, and a range of series, so that it is bounded however much there is. What is
made twice counts once (schema/0005_metric_tiers.sql): a crash between making and noting costs the work alone.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from vedette.server.engine.formats import fragments
from vedette.server.engine.fragments import expand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vedette.server.engine.client import Engine

__all__ = ["HISTOGRAM_TABLES", "HOUR_MS", "RESOLUTIONS_MS", "Leaving", "TierRoller"]

log = logging.getLogger(__name__)

HOUR_MS: Final = 3_600_000
RESOLUTIONS_MS: Final = {"samples_5m": 300_000, "samples_1h": HOUR_MS}
"""The tables of summaries, finest first, with the width of their buckets."""
HISTOGRAM_TABLES: Final = {"samples_5m": "histograms_5m", "samples_1h": "histograms_1h"}
"""The tables beside them for native histograms."""

_HERE = files("vedette.server.engine.rollups")
_MOST_SAMPLES: Final = 4_000_000
"""Samples that one statement sums up; it takes about 100 bytes of memory for each."""
_MOST_NUMBERS: Final = 4_000_000
"""Numbers of native histograms, counts of buckets among them, that one statement sums up."""
_SHARE_OF_5M: Final = 8
"""An hour has fewer buckets than samples by this factor and more."""
_MOST_TENANTS: Final = 100
_OVERLAP_MS: Final = 600_000
_IDS: Final = 1 << 64
_FIRST_BEFORE: Final = {"samples": "first_before", "histograms": "kept[1].before"}
_UNTIL: Final = (
    " AND (_partition_id != {partition:String} OR toUInt64(splitByChar('_', _part)[3]) <= {block_of_/*kind*/:UInt64})"
)
"""Only what is about to go, of the partition that goes."""
_SETTINGS: Final = {"max_threads": 1, "max_insert_threads": 1, "max_partitions_per_insert_block": 0}
"""One thread: there is time, and ingest and questions have their own need of the processor."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What of a partition of the samples is about to go: of each table, all up to an insert, as of a moment."""

    partition: str
    blocks: Mapping[str, int]
    asked_ms: int


class TierRoller:
    """Makes the buckets of hours that have ended.

    Args:
        engine: Where the tables are.
        delay_seconds: How long nothing may have arrived for an hour before its buckets are made.

    While somebody has its `turn`, nothing is summed up but what they ask for.
    """

    def __init__(self, engine: Engine, delay_seconds: float) -> None:
        self._engine = engine
        self._delay_ms = int(delay_seconds * 1000)
        self._noted_ms = 0
        self.turn = asyncio.Lock()
        shared = fragments()
        self._sql = {
            name: _for_table(name, expand(path.read_text(encoding="utf-8"), shared))
            for path in _HERE.iterdir()
            if (name := path.name.removesuffix(".sql")) != path.name
        }

    async def roll(self) -> int:
        """Make the buckets of every hour that is due. Returns how many hours there were.

        Raises:
            EngineUnavailable, EngineError, QueryLimit: The engine refused; what is left is made the next time.
        """
        async with self.turn:
            count = 0
            while found := await self._make_due(None):
                count += found
            if count:
                log.debug("Summed up the samples of %d hours.", count)
            return count

    async def roll_leaving(self, leaving: Leaving) -> None:
        """Make the buckets of the hours that lose samples, due or not, of these samples; it is the caller's `turn`.

        Raises:
            EngineUnavailable, EngineError, QueryLimit: The engine refused.
        """
        await self._make_due(leaving)

    async def _make_due(self, leaving: Leaving | None) -> int:
        await self._note()
        params = {"delay": self._delay_ms, "partition": leaving.partition if leaving else ""}
        count = 0
        for row in await self._engine.rows(self._sql["due_hours"], params=params):
            for at in range(0, len(row["tenants"]), _MOST_TENANTS):
                await self._make(row["hours"], row["tenants"][at : at + _MOST_TENANTS], leaving)
            count += len(row["hours"])
        return count

    async def _note(self) -> None:
        """Keep which hours changed: what says so of arrivals is kept for a day only."""
        now = (await self._engine.rows("SELECT toUnixTimestamp64Milli(now64(3)) AS now"))[0]["now"]
        # A clock that has been set back is behind what was noted.
        params = {"since": max(0, min(self._noted_ms, int(now)) - _OVERLAP_MS)}
        await self._engine.execute(self._sql["note_hours"], params=params, settings=_SETTINGS)
        self._noted_ms = int(now)

    async def _make(self, hours: Sequence[int], tenants: Sequence[str], leaving: Leaving | None) -> None:
        params: dict[str, object] = {"hours": hours, "tenants": tenants}
        found = (await self._engine.rows(self._sql["hour_size"], params=params))[0]
        samples, now = int(found["samples"]), int(found["now"])
        if leaving:
            now = leaving.asked_ms
            params["partition"] = leaving.partition
            params |= {f"block_of_{table}": leaving.blocks.get(table, 0) for table in _FIRST_BEFORE}
        for low, high in _ranges(samples, _MOST_SAMPLES):
            part = {**params, "low": low, "high": high, "resolution": RESOLUTIONS_MS["samples_5m"]}
            await self._run("roll_5m", part)
        for low, high in _ranges(samples // _SHARE_OF_5M, _MOST_SAMPLES):
            part = {**params, "low": low, "high": high}
            await self._run("roll_1h", part)
        await self._make_of_histograms(params)
        # An insert has its time from when it began: what began a little before may not have been there to be seen.
        params["rolled"] = now - self._delay_ms * 4 // 5
        await self._run("mark_rolled", params)

    async def _run(self, name: str, params: Mapping[str, object]) -> None:
        sql = (
            self._sql[name]
            .replace("/*until*/", _UNTIL if "partition" in params else "")
            .replace("/*kind*/", _kind(name))
        )
        await self._engine.execute(sql, params=params, settings=_SETTINGS)

    async def _make_of_histograms(self, params: dict[str, object]) -> None:
        found = (await self._engine.rows(self._sql["histogram_size"], params=params))[0]
        if not int(found["histograms"]):
            return
        for low, high in _ranges(int(found["numbers"]), _MOST_NUMBERS):
            for table, resolution in RESOLUTIONS_MS.items():
                part = {**params, "low": low, "high": high, "resolution": resolution}
                await self._run(f"roll_{HISTOGRAM_TABLES[table]}", part)


def _for_table(name: str, sql: str) -> str:
    """A statement with the table that it fills, and where its source is bounded."""
    if not name.startswith("roll_"):
        return sql
    kind = _kind(name)
    table = f"{kind}_{name.rpartition('_')[2]}"
    return sql.replace("/*table*/", table).replace("/*first_before*/", _FIRST_BEFORE[kind])


def _kind(name: str) -> str:
    return "histograms" if "histograms" in name else "samples"


def _ranges(rows: int, most: int) -> list[tuple[int, int]]:
    """Ranges of series ids, which are spread evenly, so that each has few enough of the rows."""
    parts = rows // most + 1
    cuts = [_IDS * i // parts for i in range(parts + 1)]
    return [(low, high - 1) for low, high in itertools.pairwise(cuts)]
