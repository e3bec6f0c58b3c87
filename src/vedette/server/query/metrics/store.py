"""Samples as PromQL's evaluator asks for them: labels and hot windows in memory, the rest in the tables."""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vedette.errors import VedetteError
from vedette.server.query.metrics.histogram_rows import merged, read_histograms
from vedette.server.query.metrics.index import ranges
from vedette.server.query.metrics.kernels import copy_runs, trim, warm_up
from vedette.server.query.metrics.samples import (
    FAR_FUTURE_MS,
    Samples,
    Stretch,
    read_samples,
    too_many,
)
from vedette.server.query.metrics.tenant import TenantMetrics
from vedette.server.query.metrics.tiers import Tiers
from vedette.server.query.promql.source import SelectedSeries

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from vedette.server.query.metrics.index import SeriesIndex
    from vedette.server.query.metrics.windows import Windows
    from vedette.server.query.promql.labels import Labels
    from vedette.server.query.promql.source import SelectRequest
    from vedette.server.query.reader import Reader

    Ordinals = npt.NDArray[np.int64]

__all__ = ["MetricStore"]

log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_FRESH_SECONDS = 2.0
"""Questions wait for a refresh that is older than this; while a tenant asks, ticks keep it younger."""
_ACTIVE_SECONDS = 90.0
_MOST_REFRESHES = 8
"""Tenants that a tick keeps fresh: those that asked last. A question of another one refreshes when it comes, so that a
thousand tenants cost no thousand statements a second."""
_IDLE_SECONDS = 900.0
_RECENT_MS = 600_000
"""A question that ends before this looks back, and what it reads is not kept."""
_BEFORE_MS = 600_000
_NEAR_MS = 2 * 3_600_000
"""Requests whose times are this close are read together."""


@dataclass(slots=True)
class _Reading:
    """What is to be read for some requests by one statement."""

    ordinals: Ordinals
    start_ms: int
    end_ms: int
    found: Samples
    is_head: bool = False
    """Whether all of them have windows, and only what is before these is read."""


@dataclass(slots=True)
class _Plan:
    """Where one request's samples come from: `held` in the windows, `missing` by `reading`."""

    ordinals: Ordinals
    labels: list[Labels]
    held: SelectedSeries
    missing: Ordinals
    reading: _Reading | None


class MetricStore:
    """The `SampleSource` of the platform.

    Args:
        reader: The door to the tables.
        max_cached_samples: Samples kept in memory for each tenant that asks.
        max_series: Series whose labels are kept for each of them.
        start_times: Whether rates heed the start times of samples.
    """

    def __init__(self, reader: Reader, *, max_cached_samples: int, max_series: int, start_times: bool = False) -> None:
        self._reader = reader
        self._tiers = Tiers(reader, start_times=start_times)
        self._bounds = max_cached_samples, max_series
        self._tenants: dict[str, TenantMetrics] = {}
        self._is_warm = False

    async def run(self) -> None:
        """Keep the tenants that ask up to date, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            for tenant in list(self._tenants.values()):
                if now - tenant.asked_at > _IDLE_SECONDS:
                    del self._tenants[tenant.tenant]
                else:
                    tenant.windows.drop_idle(now - _IDLE_SECONDS)
            active = [one for one in self._tenants.values() if now - one.asked_at < _ACTIVE_SECONDS]
            for tenant in heapq.nlargest(_MOST_REFRESHES, active, key=lambda one: one.asked_at):
                try:
                    await tenant.refresh(_TICK_SECONDS / 2)
                except VedetteError as error:
                    log.debug("Metrics of %s wait: %s", tenant.tenant, error)

    def forget(self) -> None:
        """Let go of all that is in memory: the tables are others now."""
        self._tenants.clear()

    async def of(self, tenant: str, max_age_seconds: float = _FRESH_SECONDS) -> TenantMetrics:
        """One tenant's series, as the tables had them `max_age_seconds` ago or later.

        Raises:
            EngineUnavailable: the tables do not answer.
        """
        if not self._is_warm:
            # The compiler takes memory and, the first time, seconds: it is for those who ask, and off the event loop.
            await asyncio.to_thread(warm_up)
            self._is_warm = True
        found = self._tenants.get(tenant)
        if found is None:
            found = self._tenants[tenant] = TenantMetrics(self._reader, tenant, *self._bounds)
        found.asked_at = time.monotonic()
        await found.refresh(max_age_seconds)
        return found

    async def select(
        self, tenant: str, requests: Sequence[SelectRequest], *, max_samples: int
    ) -> Sequence[SelectedSeries]:
        """See `SampleSource`."""
        held = self.held(tenant, requests, 0, max_samples=max_samples)
        return await self._read(await self.of(tenant), requests, max_samples) if held is None else held

    def held(
        self, tenant: str, requests: Sequence[SelectRequest], moved_ms: int, *, max_samples: int
    ) -> list[SelectedSeries] | None:
        """See `HoldingSource`."""
        now = time.monotonic()
        metrics = self._tenants.get(tenant)
        if metrics is None or not self._is_warm or now - metrics.refreshed_at > _FRESH_SECONDS:
            return None
        metrics.asked_at = now
        now_ms = time.time_ns() // 1_000_000
        windows = metrics.windows
        answers = []
        room = max_samples
        for request in requests:
            start_ms, end_ms = request.start_ms + moved_ms, request.end_ms + moved_ms
            if end_ms < now_ms - _RECENT_MS or not self._tiers.are_idle(metrics, request, start_ms, now):
                return None
            ordinals, labels = metrics.select(request.matchers)
            if len(metrics.with_histograms(ordinals)):
                return None
            found = windows.held(ordinals, (start_ms, end_ms), now, now_ms)
            if found is None:
                return None
            first, last, count = found
            room -= count
            if room < 0:
                raise too_many(max_samples)
            answers.append(
                SelectedSeries(
                    labels, first, last, windows.times_ms, windows.values, windows.start_times_ms, samples=count
                )
            )
        return answers

    async def _read(
        self, metrics: TenantMetrics, requests: Sequence[SelectRequest], max_samples: int
    ) -> Sequence[SelectedSeries]:
        choices = [await self._tiers.choose(metrics, request) for request in requests]
        chosen = list(zip(requests, choices, strict=True))
        raw = [request for request, choice in chosen if choice is None]
        found = iter(await self._select_raw(metrics, raw, max_samples) if raw else ())
        answers = []
        for request, choice in chosen:
            if choice is None:
                answers.append(next(found))
            else:
                answers.append(await self._tiers.read(metrics, request, choice, max_samples))
        return answers

    async def _select_raw(
        self, metrics: TenantMetrics, requests: Sequence[SelectRequest], max_samples: int
    ) -> list[SelectedSeries]:
        tenant, index = metrics.tenant, metrics.index
        now, now_ms = time.monotonic(), time.time_ns() // 1_000_000
        readings: list[_Reading] = []
        plans = [_planned(metrics, request, readings, now, now_ms) for request in requests]
        if readings:
            await asyncio.gather(*(self._fill(metrics, index, reading, max_samples) for reading in readings))
        if metrics.index is index:  # else it was loaded anew after a long sleep, and has other ordinals
            for reading in readings:
                if reading.end_ms == FAR_FUTURE_MS and metrics.windows.takes(len(reading.found.times_ms)):
                    metrics.windows.put(reading.ordinals, reading.found, reading.start_ms, now, now_ms)
        answers = []
        room = max_samples
        for request, plan in zip(requests, plans, strict=True):
            answer = _answer(plan)
            room -= trim(answer.first, answer.last, answer.times_ms, request.start_ms, request.end_ms)
            if room < 0:
                raise too_many(max_samples)
            some = metrics.with_histograms(plan.ordinals)
            if len(some) and metrics.index is index:
                # What is known of a counter reset depends on the histogram before.
                stretch = Stretch(index, some, request.start_ms - _BEFORE_MS, request.end_ms, room)
                rows = await read_histograms(self._reader, tenant, stretch)
                if rows.owners:
                    answer = merged(answer, plan.ordinals, rows)
                    trim(answer.first, answer.last, answer.times_ms, request.start_ms, request.end_ms)
            answers.append(answer)
        return answers

    async def _fill(self, metrics: TenantMetrics, index: SeriesIndex, reading: _Reading, max_samples: int) -> None:
        stretch = Stretch(index, reading.ordinals, reading.start_ms, reading.end_ms, max_samples)
        reading.found = await read_samples(self._reader, metrics.tenant, stretch)
        if not reading.is_head:
            return
        reading.is_head = False
        since = metrics.windows.since(reading.ordinals) if metrics.index is index else None
        if since is not None and since.max() <= reading.end_ms + 1:
            reading.found, reading.end_ms = _with_windows(reading, metrics.windows, since), FAR_FUTURE_MS
        else:  # the windows went meanwhile
            reading.end_ms = FAR_FUTURE_MS
            await self._fill(metrics, index, reading, max_samples)


def _planned(
    metrics: TenantMetrics, request: SelectRequest, readings: list[_Reading], now: float, now_ms: int
) -> _Plan:
    ordinals, labels = metrics.select(request.matchers)
    windows = metrics.windows
    if request.end_ms >= now_ms - _RECENT_MS:
        missing, end_ms = windows.missing(ordinals, request.start_ms, now, now_ms), FAR_FUTURE_MS
        begin, end = windows.bounds(ordinals)
        if len(missing):
            begin[np.searchsorted(ordinals, missing)] = end[np.searchsorted(ordinals, missing)] = 0
    else:
        missing, end_ms = ordinals, request.end_ms
        begin = end = np.zeros(len(ordinals), np.int64)
    held = SelectedSeries(labels, begin, end, windows.times_ms, windows.values, windows.start_times_ms)
    reading = None
    if len(missing):
        since = windows.since(missing) if end_ms == FAR_FUTURE_MS else None
        end_ms = end_ms if since is None else int(since.max()) - 1
        reading = _joined(readings, missing, request.start_ms, end_ms, is_head=since is not None)
    return _Plan(ordinals, labels, held, missing, reading)


def _joined(readings: list[_Reading], ordinals: Ordinals, start_ms: int, end_ms: int, *, is_head: bool) -> _Reading:
    """Add to a statement that reads about the same time, or make a new one."""
    for reading in readings:
        same_end = (reading.end_ms == FAR_FUTURE_MS) == (end_ms == FAR_FUTURE_MS) and reading.is_head == is_head
        if same_end and start_ms <= reading.end_ms + _NEAR_MS and reading.start_ms <= end_ms + _NEAR_MS:
            reading.ordinals = np.union1d(reading.ordinals, ordinals)
            reading.start_ms, reading.end_ms = min(reading.start_ms, start_ms), max(reading.end_ms, end_ms)
            return reading
    nothing = np.empty(0, np.int64)
    reading = _Reading(ordinals, start_ms, end_ms, Samples(nothing, nothing, nothing, nothing, np.empty(0)), is_head)
    readings.append(reading)
    return reading


def _with_windows(head: _Reading, windows: Windows, since: Ordinals) -> Samples:
    """What was read before windows, and behind it what these have."""
    found, ordinals = head.found, head.ordinals
    begin, end = windows.bounds(ordinals)
    at = np.searchsorted(ordinals, found.owners)
    owner = np.repeat(at, found.last - found.first)
    # The windows do not all begin at the same time, and some of it may be in both.
    before = np.bincount(owner[found.times_ms < since[owner]], minlength=len(ordinals))
    source = np.zeros(len(ordinals), np.int64)
    source[at] = found.first
    held = end - begin
    last = np.cumsum(before + held)
    first = last - before - held
    total = int(last[-1])
    whole = Samples(ordinals, first, last, np.empty(total, np.int64), np.empty(total))
    if found.start_times_ms is not None or windows.start_times_ms is not None:
        whole.start_times_ms = np.zeros(total, np.int64)
    for part, firsts, sizes, begins in ((found, source, before, first), (windows, begin, held, first + before)):
        copy_runs(part.times_ms, firsts, sizes, whole.times_ms, begins)
        copy_runs(part.values, firsts, sizes, whole.values, begins)
        if whole.start_times_ms is not None and part.start_times_ms is not None:
            copy_runs(part.start_times_ms, firsts, sizes, whole.start_times_ms, begins)
    return whole


def _answer(plan: _Plan) -> SelectedSeries:
    """From the windows where all series have one, else from what was read, else from both."""
    held, ordinals = plan.held, plan.ordinals
    if plan.reading is None:
        return held
    found = plan.reading.found
    first, last = np.zeros(len(ordinals), np.int64), np.zeros(len(ordinals), np.int64)
    ours = np.flatnonzero(np.isin(found.owners, plan.missing, assume_unique=True))
    at = np.searchsorted(ordinals, found.owners[ours])
    first[at], last[at] = found.first[ours], found.last[ours]
    if len(plan.missing) == len(ordinals):
        return SelectedSeries(plan.labels, first, last, found.times_ms, found.values, found.start_times_ms)
    sizes = held.last - held.first
    origin = ranges(held.first, sizes)
    before = len(found.times_ms)
    ends = np.cumsum(sizes) + before
    first[sizes > 0], last[sizes > 0] = (ends - sizes)[sizes > 0], ends[sizes > 0]
    starts = None
    if found.start_times_ms is not None or held.start_times_ms is not None:
        starts = np.concatenate(
            [_or_zeros(found.start_times_ms, before), _or_zeros(held.start_times_ms, len(held.times_ms))[origin]]
        )
    times, values = (
        np.concatenate([found.times_ms, held.times_ms[origin]]),
        np.concatenate([found.values, held.values[origin]]),
    )
    return SelectedSeries(plan.labels, first, last, times, values, starts)


def _or_zeros(start_times: Ordinals | None, count: int) -> Ordinals:
    return np.zeros(count, np.int64) if start_times is None else start_times
