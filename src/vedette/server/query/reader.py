"""The one door to stored data: every read is inside one tenant, read-only and bounded.

The tenant is enforced by the engine itself (``additional_table_filters``) under ``readonly = 1``, so that nothing
inside a statement, a subquery's own ``SETTINGS`` included, can widen it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vedette.errors import EngineUnavailable, TooManyRequests
from vedette.server.control.identity import check_tenant_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from vedette.server.engine.client import Engine

__all__ = ["Limits", "Reader"]

_TABLES_SQL = """
SELECT name FROM system.tables
WHERE database = 'vedette' AND engine NOT IN ('Null', 'View', 'MaterializedView') AND name NOT LIKE '.%'
  AND name IN (SELECT table FROM system.columns WHERE database = 'vedette' AND name = 'tenant')
ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one query, and of the queries that one tenant may run at once."""

    max_seconds: float = 30.0
    max_memory_bytes: int = 1 << 30
    max_rows_to_read: int = 0
    max_result_rows: int = 0
    max_concurrent_per_tenant: int = 16
    max_waiting_per_tenant: int = 64


class Reader:
    """Runs reads for tenants.

    A query over its limits raises `QueryLimit`; one too many at once for a tenant, `TooManyRequests`; while the engine
    is away, `EngineUnavailable`. Rows come formatted by the engine; nothing here loops over them.
    """

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._tables: tuple[str, ...] = ()
        self._running: dict[str, asyncio.Semaphore] = {}
        self._admitted: Counter[str] = Counter()

    async def prepare(self) -> None:
        """Learn which tables hold tenants' rows. Called when the engine is up and its schema is current."""
        rows = await self._engine.rows(_TABLES_SQL)
        self._tables = tuple(str(row["name"]) for row in rows)

    @property
    def is_prepared(self) -> bool:
        """Whether `prepare` has found the tables."""
        return bool(self._tables)

    async def rows(
        self,
        tenant: str,
        sql: str,
        *,
        params: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> list[dict[str, Any]]:
        """Few rows as dictionaries: for answers that Python must look into (bounds, cursors, totals)."""
        async with self._turn(tenant):
            return await self._engine.rows(sql, params=params, settings=self._settings(tenant, settings))

    async def query(
        self,
        tenant: str,
        sql: str,
        *,
        fmt: str = "JSONEachRow",
        params: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> bytes:
        """The whole answer as the engine formats it."""
        async with self._turn(tenant):
            return await self._engine.query(sql, params=params, settings=self._settings(tenant, settings), fmt=fmt)

    @asynccontextmanager
    async def stream(
        self,
        tenant: str,
        sql: str,
        *,
        fmt: str = "JSONEachRow",
        params: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer in chunks as the engine produces them; leaving the context early cancels the query."""
        async with (
            self._turn(tenant),
            self._engine.stream(sql, params=params, settings=self._settings(tenant, settings), fmt=fmt) as chunks,
        ):
            yield chunks

    def _settings(self, tenant: str, extra: Mapping[str, object] | None) -> dict[str, object]:
        if not self._tables:
            raise EngineUnavailable("The engine is not ready yet; ask again in a moment.")
        # A tenant's name is [A-Za-z0-9_.-] only, so it can stand in quotes without escaping.
        check_tenant_name(tenant)
        condition = f"tenant = ''{tenant}''"
        filters = ",".join(f"'vedette.{table}':'{condition}'" for table in self._tables)
        limits = self._limits
        settings: dict[str, object] = {
            "max_execution_time": limits.max_seconds,
            "max_memory_usage": limits.max_memory_bytes,
            "max_rows_to_read": limits.max_rows_to_read,
            "max_result_rows": limits.max_result_rows,
            **(extra or {}),
        }
        settings["additional_table_filters"] = "{" + filters + "}"
        settings["readonly"] = 1
        return settings

    @asynccontextmanager
    async def _turn(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a free place among the tenant's queries; refuse when the queue is full."""
        limits = self._limits
        if self._admitted[tenant] >= limits.max_concurrent_per_tenant + limits.max_waiting_per_tenant:
            raise TooManyRequests(
                f"Tenant {tenant!r} already has {self._admitted[tenant]} queries running or waiting; "
                "ask again when some have finished."
            )
        self._admitted[tenant] += 1
        turn = self._running.setdefault(tenant, asyncio.Semaphore(limits.max_concurrent_per_tenant))
        try:
            async with turn:
                yield
        finally:
            self._admitted[tenant] -= 1
            if not self._admitted[tenant]:
                del self._admitted[tenant]
                del self._running[tenant]
