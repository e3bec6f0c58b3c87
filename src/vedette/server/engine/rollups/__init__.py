"""Rollups that need more than a view: the service graph's calls are counted when both of their spans have arrived."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from vedette.server.engine.formats import fragments
from vedette.server.engine.fragments import expand

if TYPE_CHECKING:
    from vedette.server.engine.client import Engine

__all__ = ["EdgeRoller"]

_SPILLED_BYTES = 512 << 20
"""Two and a half million spans a minute fit; what goes to disk takes three times as long."""
_HERE = files("vedette.server.engine.rollups")
_WINDOWS = (_HERE / "edge_windows.sql").read_text(encoding="utf-8")
_CLOSE = (_HERE / "close_edges.sql").read_text(encoding="utf-8")


class EdgeRoller:
    """Counts each minute's calls once.

    The watermark is the newest minute that the counts themselves carry, and each minute is inserted under a token of its
    own: a crash at any point neither loses nor repeats a call. `vedette.service_edges` adds what is not yet counted.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._close = expand(_CLOSE, fragments())
        self._closed_until = 0

    async def roll(self) -> int:
        """Count every minute that is complete. Returns how many there were.

        Raises:
            EngineUnavailable, EngineError, QueryLimit: The engine refused; what is left is counted the next time.
        """
        rows = await self._engine.rows(_WINDOWS, params={"after": self._closed_until})
        for row in rows:
            window = int(row["window"])
            settings = {
                "insert_deduplication_token": f"edges-{window}",
                "deduplicate_insert": "enable",
                "deduplicate_insert_select": "enable_even_for_bad_queries",
                "max_partitions_per_insert_block": 0,
                "max_insert_threads": 1,
                "max_bytes_before_external_group_by": min(
                    _SPILLED_BYTES, int(row["memory_bytes"]) // 2 or _SPILLED_BYTES
                ),
            }
            await self._engine.execute(self._close, params={"window": window}, settings=settings)
            # A minute without a call leaves no mark in the table; it need not be looked at again.
            self._closed_until = window
        return len(rows)
