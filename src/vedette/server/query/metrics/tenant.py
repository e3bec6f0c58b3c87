"""One tenant's series and hot samples, brought up to date by one read a tick."""

from __future__ import annotations

import asyncio
import time
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from vedette.errors import QueryLimit
from vedette.server.query.metrics.catalog import load_new, load_series, read_arrivals
from vedette.server.query.metrics.index import SeriesIndex
from vedette.server.query.metrics.samples import FAR_FUTURE_MS, Stretch, read_samples
from vedette.server.query.metrics.windows import Windows

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.catalog import Arrivals
    from vedette.server.query.promql.labels import Labels, Matcher
    from vedette.server.query.reader import Reader

    Ordinals = npt.NDArray[np.int64]

__all__ = ["Selection", "TenantMetrics"]

_WITH_HISTOGRAMS = (files("vedette.server.query.metrics") / "with_histograms.sql").read_text(encoding="utf-8")
_OVERLAP_MS = 30_000
"""An insert is looked for this long after its time: that is when it began, and it may have taken a while."""
_LOOKS_SECONDS = (1.0, 3.0, 10.0, 30.0)
"""An insert is read when it is new and at these ages. Reading it every second would read a day's backfill as often."""
_MEMORY_OF_ARRIVALS_SECONDS = 20 * 3600.0
_MOST_SELECTIONS = 2_000
_MOST_SELECTED = 4_000_000
"""Series in all selections that are kept, at 16 bytes each."""

Insert = tuple[int, int, int, int]
"""Its time, its earliest and latest sample, and how many samples it has."""
Selection = tuple["Ordinals", "list[Labels]"]


class TenantMetrics:
    """What is known of one tenant's metrics. Used on the event loop only."""

    def __init__(self, reader: Reader, tenant: str, max_samples: int, max_series: int) -> None:
        self.tenant = tenant
        self.index = SeriesIndex()
        self.windows = Windows(max_samples)
        self.asked_at = 0.0
        self.refreshed_at = float("-inf")
        self.raw_gone_ms = 0
        self.raw_gone_read_at = float("-inf")
        self._reader = reader
        self._max_samples = max_samples
        self._max_series = max_series
        self._histograms: Ordinals = np.empty(0, np.int64)
        self._since_ms = 0
        self._seen: dict[Insert, tuple[float, int]] = {}
        self._selections: dict[tuple[Matcher, ...], tuple[int, Selection]] = {}
        self._selected = 0
        self._refreshing = asyncio.Lock()

    async def refresh(self, max_age_seconds: float) -> None:
        """Know of everything that was in the tables `max_age_seconds` ago; 0 is now."""
        if time.monotonic() - self.refreshed_at <= max_age_seconds:
            return
        async with self._refreshing:
            now = time.monotonic()
            if now - self.refreshed_at <= max_age_seconds:  # another waited for the same
                return
            if now - self.refreshed_at > _MEMORY_OF_ARRIVALS_SECONDS:
                await self._load()
            else:
                await self._catch_up()
            self.refreshed_at = now

    def select(self, matchers: tuple[Matcher, ...]) -> Selection:
        """The series that match, with their labels."""
        known = self._selections.get(matchers)
        if known is not None and known[0] == len(self.index):
            return known[1]
        ordinals = self.index.select(matchers)
        labels = self.index.labels
        found = ordinals, [labels(ordinal) for ordinal in ordinals.tolist()]
        self._selected += len(ordinals)
        if len(self._selections) >= _MOST_SELECTIONS or self._selected > _MOST_SELECTED:
            self._selections.clear()
            self._selected = len(ordinals)
        self._selections[matchers] = len(self.index), found
        return found

    def with_histograms(self, ordinals: Ordinals) -> Ordinals:
        """Those of some series that have native histograms."""
        if not len(self._histograms):
            return self._histograms
        return np.intersect1d(ordinals, self._histograms, assume_unique=True)

    async def _load(self) -> None:
        moment = await self._reader.rows(self.tenant, "SELECT toUnixTimestamp64Milli(now64(3)) AS now")
        self._since_ms = int(moment[0]["now"]) - _OVERLAP_MS
        self.index = await load_series(self._reader, self.tenant, self._max_series)
        self.windows = Windows(self._max_samples)
        self.windows.grow(len(self.index))
        self._selections.clear()
        self._seen = {}
        await self._find_histograms()

    async def _find_histograms(self) -> None:
        rows = await self._reader.rows(self.tenant, _WITH_HISTOGRAMS)
        ids = np.array(rows[0]["ids"] if rows else [], np.uint64)
        found = self.index.ordinals_of(ids)
        self._histograms = np.sort(found[found >= 0])

    async def _catch_up(self) -> None:
        arrivals = await read_arrivals(self._reader, self.tenant, self._since_ms)
        try:
            since = self._since_ms
            await load_new(self._reader, self.tenant, self.index, arrivals, since, max_series=self._max_series)
        except QueryLimit:  # what the tables dropped is in the index still
            await self._load()
            return
        self.windows.grow(len(self.index))
        if arrivals.histograms.difference(self._seen):
            await self._find_histograms()
        await self._extend(self._due(arrivals) & arrivals.samples)
        self._since_ms = max(self._since_ms, arrivals.newest_ms - _OVERLAP_MS)

    def _due(self, arrivals: Arrivals) -> set[Insert]:
        """The inserts whose samples are to be read: new ones, and others a few times more: they may not have ended."""
        now = time.monotonic()
        due, seen = set(), {}
        for insert in arrivals.samples | arrivals.histograms:
            first, looks = self._seen.get(insert, (now, -1))
            passed = sum(now - first >= age for age in _LOOKS_SECONDS)
            if passed > looks:
                due.add(insert)
            seen[insert] = first, passed
        self._seen = seen
        return due

    async def _extend(self, inserts: set[Insert]) -> None:
        """Bring the windows up to date with the samples of some inserts."""
        hot = self.windows.hot()
        if not len(hot) or not inserts:
            return
        earliest = min(earliest for _, earliest, _, _ in inserts)
        stretch = Stretch(self.index, hot, earliest, FAR_FUTURE_MS, self._max_samples)
        found = await read_samples(self._reader, self.tenant, stretch)
        self.windows.append(found, time.monotonic(), time.time_ns() // 1_000_000)
