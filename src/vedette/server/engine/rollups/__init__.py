"""Rollups that need more than a view: the service graph's calls are counted when both of their spans have arrived."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import TYPE_CHECKING

from vedette.server.engine.cluster import render
from vedette.server.engine.formats import fragments
from vedette.server.engine.fragments import expand

if TYPE_CHECKING:
    from vedette.server.engine.client import Engine

__all__ = ["EdgeRoller"]

_SPILLED_BYTES = 512 << 20
"""Two and a half million spans a minute fit; what goes to disk takes three times as long."""
_TICK_SECONDS = 55.0
"""Where budgets are looked at more often than once a minute, the service graph's minutes stay as long as others'."""
_HERE = files("vedette.server.engine.rollups")
_CLOCK = (_HERE / "edge_clock.sql").read_text(encoding="utf-8")
_WINDOWS = (_HERE / "edge_windows.sql").read_text(encoding="utf-8")
_PARTITIONS = (_HERE / "edge_partitions.sql").read_text(encoding="utf-8")
_CLOSE = (_HERE / "close_edges.sql").read_text(encoding="utf-8")
_TICK = (_HERE / "tick_edges.sql").read_text(encoding="utf-8")


class EdgeRoller:
    """Counts each minute's calls once.

    Minutes are those of the service graph's own clock, `vedette.edge_clock`, which goes on by one at each count and
    stands while nothing is counted: neither a stop nor the machine's clock takes halves away before they are counted, or
    keeps them from meeting. The watermark is the newest minute that the counts themselves carry, and each minute is
    inserted under a token of its own: a crash at any point neither loses nor repeats a call. `vedette.service_edges`
    adds what is not yet counted.
    """

    def __init__(self, engine: Engine, *, cluster: str | None = None) -> None:
        self._engine = engine
        self._cluster = cluster
        self._close = expand(_CLOSE, fragments())
        self._ticked_at = float("-inf")

    async def roll(self) -> int:
        """Count every minute that is complete. Returns how many there were.

        Raises:
            EngineUnavailable, EngineError, QueryLimit: The engine refused; what is left is counted the next time.
        """
        if time.monotonic() < self._ticked_at + _TICK_SECONDS:
            return 0
        (clock,) = await self._engine.rows(_CLOCK)
        if not int(clock["halves"]):
            return 0
        await self._drop_counted(int(clock["noted"]))
        opened = int(clock["opened"])
        windows = await self._engine.rows(_WINDOWS, params={"opened": opened, "closed": int(clock["closed"])})
        for row in windows:
            await self._count(int(row["window"]), int(clock["memory_bytes"]))
        await self._engine.execute(_TICK, params={"opened": opened})
        self._ticked_at = time.monotonic()
        return len(windows)

    async def _count(self, window: int, memory_bytes: int) -> None:
        settings = {
            "insert_deduplication_token": f"edges-{window}",
            "deduplicate_insert": "enable",
            "deduplicate_insert_select": "enable_even_for_bad_queries",
            "max_partitions_per_insert_block": 0,
            "max_insert_threads": 1,
            "max_bytes_before_external_group_by": min(_SPILLED_BYTES, memory_bytes // 2 or _SPILLED_BYTES),
        }
        await self._engine.execute(self._close, params={"window": window}, settings=settings)

    async def _drop_counted(self, closed: int) -> None:
        for row in await self._engine.rows(_PARTITIONS, params={"closed": closed}):
            statement = f"ALTER TABLE vedette.call_halves DROP PARTITION ID '{row['partition']}'"
            for text in render(statement, self._cluster, ("vedette.call_halves",)):
                await self._engine.execute(text)
