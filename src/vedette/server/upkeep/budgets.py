"""Byte budgets: each signal keeps what its budget holds, the newest of it; whatever goes has a line in the ledger."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from vedette.errors import EngineError, QueryLimit
from vedette.server.engine.rollups.tiers import Leaving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from vedette.server.engine.client import Engine
    from vedette.server.engine.rollups.tiers import TierRoller
    from vedette.server.settings import Settings
    from vedette.server.wal.quarantine import LedgerLine

__all__ = ["SIGNALS", "Budgets", "Stored"]

log = logging.getLogger(__name__)

_HERE = files("vedette.server.upkeep")
_PARTS = (_HERE / "parts.sql").read_text(encoding="utf-8")
_OLDEST_PART = (_HERE / "oldest_part.sql").read_text(encoding="utf-8")
_LATEST_DAY = (_HERE / "latest_day.sql").read_text(encoding="utf-8")
_GONE = (_HERE / "gone.sql").read_text(encoding="utf-8")
_LAST_BLOCK = (_HERE / "last_block.sql").read_text(encoding="utf-8")
_PARTS_UNTIL = (_HERE / "parts_until.sql").read_text(encoding="utf-8")
_MERGING = (_HERE / "merging.sql").read_text(encoding="utf-8")
_DROPPED = (_HERE / "dropped.sql").read_text(encoding="utf-8")
_ROWS = (_HERE / "rows_in_partition.sql").read_text(encoding="utf-8")

_NO_SUCH_PART = 232
_ANY_BLOCK = (1 << 64) - 1
_MERGE_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Stored:
    """The tables of a signal.

    `raw` are partitioned by time alike and dropped together; the rows of the first `counted` of them are counted in the
    ledger. `rollups` are far smaller and go only when nothing raw can. `gone` is the column of vedette.metric_hours
    that says which hours of the counted ones went.
    """

    raw: tuple[str, ...]
    rollups: tuple[str, ...] = ()
    gone: str = ""
    counted: int = 1


SIGNALS = {
    "traces": Stored(
        ("spans", "trace_index"),
        (
            "red_minute",
            "red_hour",
            "red_service_minute",
            "red_service_hour",
            "service_versions",
            "service_edges_closed",
            "call_halves",
            "attribute_values",
        ),
    ),
    "logs": Stored(("logs",)),
    "metrics": Stored(("samples", "histograms", "exemplars"), (), "raw_gone", 2),
    "metrics_5m": Stored(("samples_5m", "histograms_5m"), (), "samples_5m_gone", 2),
    # What is kept longest needs the labels as long.
    "metrics_1h": Stored(("samples_1h", "histograms_1h"), ("series",), "samples_1h_gone", 2),
}


class Budgets:
    """Drops the oldest partitions of a signal that is over its budget, but first those dated more than a week ahead.

    The ledger's line is written first and under a token of its own, so that a crash in between neither loses nor
    repeats it. Where only one day is left, its oldest part goes: a budget holds even if one day exceeds it.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        record: Callable[[Sequence[LedgerLine], str], Awaitable[None]],
        tiers: TierRoller,
    ) -> None:
        self._engine = engine
        self._record = record
        self._tiers = tiers
        self._limits = {
            "traces": settings.traces_budget,
            "logs": settings.logs_budget,
            "metrics": settings.metrics_budget,
            "metrics_5m": settings.metrics_5m_budget,
            "metrics_1h": settings.metrics_1h_budget,
        }
        self._stuck: set[str] = set()  # said once, not at every look
        self._stopped: set[str] = {table for stored in SIGNALS.values() for table in (*stored.raw, *stored.rollups)}
        """Tables that may not be merging: who dropped something before may have been killed in the middle."""

    async def enforce(self) -> None:
        """Bring every signal under its budget."""
        await self._start_merges()
        for signal, limit in self._limits.items():
            while (excess := await self._excess(signal, limit)) > 0:
                if not await self._drop_oldest(signal, excess):
                    if signal not in self._stuck:
                        log.warning(
                            "The %s are %d bytes over their budget and nothing more can be dropped.", signal, excess
                        )
                    self._stuck.add(signal)
                    break
            else:
                self._stuck.discard(signal)

    async def _sizes(self) -> dict[str, dict[str, int]]:
        """Bytes by table and partition."""
        sizes: dict[str, dict[str, int]] = defaultdict(dict)
        for row in await self._engine.rows(_PARTS):
            sizes[row["table"]][row["partition_id"]] = int(row["bytes"])
        return sizes

    async def _excess(self, signal: str, limit: int) -> int:
        sizes, stored = await self._sizes(), SIGNALS[signal]
        return sum(sum(sizes[table].values()) for table in (*stored.raw, *stored.rollups)) - limit

    async def _drop_oldest(self, signal: str, excess: int) -> bool:
        sizes, stored = await self._sizes(), SIGNALS[signal]
        days = sorted({partition for table in stored.raw for partition in sizes[table]})
        if len(days) > 1:
            await self._drop_partition(signal, stored.raw, await self._first_to_go(days), sizes)
            return True
        for table in stored.raw:
            found = await self._engine.rows(_OLDEST_PART, params={"table": table})
            if found and days:
                await self._drop_part(signal, table, days[0], str(found[0]["part"]))
                return True
        for table in stored.rollups:
            if len(sizes[table]) > 1:
                await self._drop_partition(signal, (table,), await self._first_to_go(sorted(sizes[table])), sizes)
                return True
        log.debug("%s: %d bytes over budget in one part", signal, excess)
        return False

    async def _first_to_go(self, partitions: Sequence[str]) -> str:
        """The oldest; or the newest, where it is dated so far ahead that it would outlive what is real."""
        (latest,) = await self._engine.rows(_LATEST_DAY)
        # Where all of it is dated ahead, it is rather this clock that is wrong.
        return partitions[-1] if partitions[0] <= str(latest["day"]) < partitions[-1] else partitions[0]

    async def _drop_partition(
        self, signal: str, tables: Sequence[str], partition: str, sizes: dict[str, dict[str, int]]
    ) -> None:
        """Drop what a partition holds now. What arrives meanwhile is neither counted nor dropped, but the next time."""
        size = sum(sizes[table].get(partition, 0) for table in tables)
        async with self._unmerged(tables):
            rows = await self._engine.rows(_LAST_BLOCK, params={"tables": list(tables), "partition": partition})
            blocks = {row["table"]: int(row["block"]) for row in rows}
            leaving = Leaving(partition, blocks, min((int(row["now"]) for row in rows), default=0))
            present = [table for table in tables[: SIGNALS[signal].counted] if table in blocks]
            for table in present:
                await self._note(signal, table, "", leaving, size if table == present[0] else 0)
            for table, block in blocks.items():
                await self._drop_until(table, partition, block)
            await self._settle(signal, leaving)
        log.info("The %s are over their budget: dropped %s, %d bytes.", signal, partition, size)

    @asynccontextmanager
    async def _unmerged(self, tables: Sequence[str]) -> AsyncIterator[None]:
        """Parts stay as they are, and sums: what is merged with later rows would be told of and not dropped."""
        async with self._tiers.turn:
            try:
                for table in tables:
                    self._stopped.add(table)
                    await self._engine.execute(f"SYSTEM STOP MERGES vedette.{table}")
                while await self._engine.rows(_MERGING, params={"tables": list(tables)}):  # noqa: ASYNC110 - not told
                    await asyncio.sleep(_MERGE_PAUSE_SECONDS)
                yield
            finally:
                await self._start_merges()

    async def _start_merges(self) -> None:
        for table in sorted(self._stopped):
            await self._engine.execute(f"SYSTEM START MERGES vedette.{table}")
            self._stopped.discard(table)

    async def _settle(self, signal: str, leaving: Leaving) -> None:
        """What arrives from now on for hours of samples that have gone is summed up by itself."""
        if signal == "metrics":
            blocks = {f"block_of_{table}": leaving.blocks.get(table, 0) for table in SIGNALS[signal].raw[:2]}
            await self._engine.execute(_DROPPED, params={"partition": leaving.partition, **blocks})

    async def _drop_until(self, table: str, partition: str, block: int) -> None:
        """Drop the parts of a partition that hold nothing behind an insert."""
        params = {"table": table, "partition": partition, "block": block}
        while parts := await self._engine.rows(_PARTS_UNTIL, params=params):
            for row in parts:
                try:
                    await self._engine.execute(f"ALTER TABLE vedette.{table} DROP PART '{row['name']}'")
                except EngineError as error:
                    if error.code != _NO_SUCH_PART:  # merged into another one meanwhile
                        raise

    async def _drop_part(self, signal: str, table: str, partition: str, part: str) -> None:
        async with self._unmerged((table,)):
            present = await self._engine.rows(_LAST_BLOCK, params={"tables": [table], "partition": partition})
            asked_ms = int(present[0]["now"]) if present else 0
            leaving = Leaving(partition, dict.fromkeys(SIGNALS[signal].raw, _ANY_BLOCK), asked_ms)
            await self._note(signal, table, part, leaving, 0)
            await self._engine.execute(f"ALTER TABLE vedette.{table} DROP PART '{part}'")
            await self._settle(signal, leaving)
        log.info("The %s are over their budget within one day: dropped part %s of %s.", signal, part, table)

    async def _mark(self, signal: str, table: str, leaving: Leaving, params: dict[str, object]) -> None:
        """Of metrics, sum up what goes, and mark the hours whose samples are not whole any more."""
        stored = SIGNALS[signal]
        if table not in stored.raw[: stored.counted] or not (gone := stored.gone):
            return
        if signal == "metrics":
            try:
                await self._tiers.roll_leaving(leaving)
            except (EngineError, QueryLimit) as error:  # the budget holds nevertheless
                log.warning("Samples of %s go without having been summed up: %s", leaving.partition, error)
            sql = _GONE.replace("/*gone*/", f"{gone}, leaving").replace("/*hour*/", "hour")
            sql = sql.replace("/*since*/", "1, now('UTC')")
        else:
            sql = _GONE.replace("/*gone*/", gone).replace("/*hour*/", "toStartOfHour(time - 1)")
            sql = sql.replace("/*since*/", "1")
        await self._engine.execute(sql, params=params)

    async def _note(self, signal: str, table: str, part: str, leaving: Leaving, size: int) -> None:
        """Tell of what leaves a table, or of one part of it."""
        partition, block = leaving.partition, leaving.blocks[table]
        params: dict[str, object] = {"table": table, "partition": partition, "part": part, "block": block}
        await self._mark(signal, table, leaving, params)
        rows = await self._engine.rows(_ROWS, params=params)
        total = sum(int(row["rows"]) for row in rows) or 1
        where = f"{table}, partition {partition}" + (f", part {part}" if part else "")
        lines: list[LedgerLine] = [
            {
                "time": time.time_ns(),
                "tenant": row["tenant"],
                "signal": signal.partition("_")[0],
                "reason": "over_budget",
                "count": int(row["rows"]),
                "bytes": size * int(row["rows"]) // total,
                "detail": where,
            }
            for row in rows
        ]
        if lines:
            await self._record(lines, f"budget-{table}-{partition}-{part}-{block}-{total}")
