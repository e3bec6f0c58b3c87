"""PromQL for tenants: how many queries of each run at once, and within which limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from vedette.errors import TooManyRequests
from vedette.server.engine.rollups.tiers import HISTOGRAM_TABLES, RESOLUTIONS_MS
from vedette.server.query.promql.engine import DEFAULT_LOOKBACK_MS, Limits, Options, evaluate, evaluate_few, requests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.engine.client import Engine
    from vedette.server.query.metrics.store import MetricStore
    from vedette.server.query.promql.engine import FewPoints, QueryResult
    from vedette.server.query.promql.labels import Matcher
    from vedette.server.query.promql.source import SampleSource

__all__ = ["MetricQueries"]

_DELETE = (files("vedette.server.query.metrics") / "delete.sql").read_text(encoding="utf-8")
_CHANGED = (files("vedette.server.query.metrics") / "changed.sql").read_text(encoding="utf-8")
_QUEUE_LENGTHS = 16
"""As many queries wait as run, times this; what comes then is refused."""


class MetricQueries:
    """Evaluates expressions on stored samples.

    Args:
        engine: Where samples are deleted.
        store: Where series and samples are.
        limits: What one query may take.
        concurrency: Queries of one tenant that run at once.
        options: How Prometheus' switches stand.
    """

    def __init__(
        self,
        engine: Engine,
        store: MetricStore,
        limits: Limits,
        *,
        concurrency: int,
        options: Options | None = None,
    ) -> None:
        self._engine = engine
        self.store = store
        self.limits = limits
        self._options = options or Options()
        self._concurrency = concurrency
        self._running: dict[str, asyncio.Semaphore] = {}
        self._admitted: Counter[str] = Counter()

    async def evaluate(
        self,
        tenant: str,
        text: str,
        times_ms: tuple[int, int, int],
        *,
        lookback_ms: int = DEFAULT_LOOKBACK_MS,
        timeout_seconds: float | None = None,
    ) -> QueryResult:
        """Evaluate an expression from start to end in steps, all in milliseconds; step 0 is an instant query.

        Raises:
            TooManyRequests: the tenant has too many queries running and waiting.
            RequestError: see `engine.evaluate`.
        """
        limits = self.limits
        if timeout_seconds is not None:
            limits = replace(limits, timeout_seconds=min(timeout_seconds, limits.timeout_seconds))
        turn = self._turn(tenant)
        try:
            async with turn:
                return await evaluate(text, *times_ms, self.store, tenant, limits, lookback_ms, self._options)
        finally:
            self._leave(tenant)

    def evaluate_at_once(self, tenant: str, text: str, at_ms: int) -> FewPoints | None:
        """Evaluate a plain expression at one moment over few series in memory; None is for all others, and for turns.

        Raises:
            RequestError: see `engine.evaluate`.
        """
        running = self._running.get(tenant)
        if running is not None and running.locked():
            return None
        return evaluate_few(text, at_ms, self.store, tenant, self.limits, self._options)

    async def evaluate_rule(self, tenant: str, text: str, at_ms: int, source: SampleSource) -> QueryResult:
        """Evaluate a rule's expression at one moment. Rules do not stand in the queue of those who ask.

        Raises:
            RequestError: see `engine.evaluate`.
        """
        return await evaluate(text, at_ms, at_ms, 0, source, tenant, self.limits, DEFAULT_LOOKBACK_MS, self._options)

    async def warm_up(self, tenant: str, texts: Sequence[str], at_ms: int) -> None:
        """Read what some rules will ask for by few statements, as far as it is kept in memory.

        Raises:
            QueryLimit: it is more samples than one query may hold.
        """
        requests = [request for text in texts for request in requests_of(text, at_ms, self._options)]
        await self.store.select(tenant, requests, max_samples=self.limits.max_samples)

    async def delete(self, tenant: str, selectors: Sequence[tuple[Matcher, ...]], start_ms: int, end_ms: int) -> None:
        """Delete the samples of the series that match, between two times, both inclusive."""
        metrics = await self.store.of(tenant)
        ordinals = np.unique(np.concatenate([metrics.select(matchers)[0] for matchers in selectors]))
        if not len(ordinals):
            return
        ids = ",".join(map(str, metrics.index.ids[ordinals].tolist()))
        for table in ("samples", "histograms", "exemplars"):
            await self._engine.execute(
                _delete(table, ids),
                params={"tenant": tenant, "start": start_ms, "end": end_ms},
                settings={"max_query_size": 1 << 24},
            )
        summed = [(one, width) for table, width in RESOLUTIONS_MS.items() for one in (table, HISTOGRAM_TABLES[table])]
        for table, resolution_ms in summed:
            # A bucket that has some of the time goes whole, and is made again of the samples that are left.
            await self._engine.execute(
                _delete(table, ids),
                params={"tenant": tenant, "start": start_ms, "end": end_ms + resolution_ms - 1},
                settings={"max_query_size": 1 << 24},
            )
        await self._engine.execute(_CHANGED, params={"tenant": tenant, "start": start_ms, "end": end_ms})
        metrics.windows.drop(ordinals)

    def _turn(self, tenant: str) -> asyncio.Semaphore:
        """What to wait for; whoever was given it leaves in the end."""
        if self._admitted[tenant] >= self._concurrency * (1 + _QUEUE_LENGTHS):
            raise TooManyRequests(
                f"Tenant {tenant!r} already has {self._admitted[tenant]} queries running or waiting; "
                "ask again when some have finished."
            )
        self._admitted[tenant] += 1
        found = self._running.get(tenant)
        if found is None:
            found = self._running[tenant] = asyncio.Semaphore(self._concurrency)
        return found

    def _leave(self, tenant: str) -> None:
        self._admitted[tenant] -= 1
        if not self._admitted[tenant]:
            del self._admitted[tenant]
            del self._running[tenant]


def _delete(table: str, ids: str) -> str:
    time = "toUnixTimestamp64Milli(time)" + (" + ms" if table == "samples" else "")
    return _DELETE.replace("/*table*/", table).replace("/*series*/", ids).replace("/*time*/", time)
