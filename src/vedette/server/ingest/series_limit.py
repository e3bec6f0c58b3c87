"""A tenant's limit of series: new ones over it are refused, known ones never.

Known are the series with a sample today or yesterday (UTC), by the tables, and those that were let in since. The tables
are asked once a minute for each tenant that sends, so what ends makes room within two days. Each process that writes
keeps its own view; between two looks they may let in more than the limit together, by what arrives in a minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vedette.errors import VedetteError
from vedette.server.ingest import series_kernel as kernel
from vedette.server.ingest.otlp import METRICS
from vedette.server.ingest.otlp_series import RequestSeries
from vedette.server.ingest.points_kernel import points_of, without_points
from vedette.server.ingest.samples_message import columns_of, samples_message
from vedette.server.ingest.series_ids import label_hash

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import numpy.typing as npt

    from vedette.server.engine.client import Engine

__all__ = ["Admitted", "SeriesLimits", "SeriesRefusals"]

log = logging.getLogger(__name__)

_LOOK_SECONDS = 60.0
_REMEMBERED_SECONDS = 7200.0
"""What was let in is known this long whatever the tables say: it takes a while to be in them."""
_REFUSALS_SECONDS = 5.0
_LEAST_TABLE = 1 << 12
_MOST_TENANTS = 10_000
_MOST_STREAMS = 1 << 16
_STREAMS_SECONDS = 86_400.0
_LEAST_SERIES_BYTES = 16
_THREAD_BYTES = 64 << 10
_ACTIVE = "SELECT DISTINCT id FROM vedette.series WHERE tenant = {tenant:String} AND day >= toDate(now('UTC')) - 1"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What is left of a message, and what was refused of it."""

    message: bytes
    series: int = 0
    samples: int = 0
    histograms: int = 0
    exemplars: int = 0

    @property
    def rows(self) -> int:
        """Samples, histograms and exemplars that were refused."""
        return self.samples + self.histograms + self.exemplars


@dataclass(slots=True)
class _Tenant:
    hash: np.uint64
    table: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(_LEAST_TABLE, np.uint64))
    count: int = 0
    looked_at: float = float("-inf")
    streams: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(_LEAST_TABLE, np.uint64))
    """Hashes of OTLP's streams whose series were let in, so that their labels are not looked at again."""
    stream_count: int = 0
    streams_since: float = 0.0
    recent: deque[tuple[float, npt.NDArray[np.uint64]]] = field(default_factory=deque)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SeriesLimits:
    """The limit, kept for every tenant that sends. While the tables do not answer for a tenant, all is let in."""

    def __init__(self, engine: Engine, limit: int, promoted: Sequence[str] = ()) -> None:
        self.limit = limit
        self._promoted = promoted
        self._engine = engine
        self._tenants: dict[str, _Tenant] = {}

    async def admit(self, tenant: str, message: bytes) -> Admitted:
        """Take the new series over the limit out of a checked message of remote write 1.0."""
        if not self.limit:
            return Admitted(message)
        known = self._known(tenant)
        async with known.lock:
            if time.monotonic() - known.looked_at > _LOOK_SECONDS:
                await self._look(tenant, known)
            if len(message) > _THREAD_BYTES:
                return await asyncio.to_thread(self._select, known, message)
            return self._select(known, message)

    async def admit_points(self, tenant: str, message: bytes, points: int) -> Admitted:
        """Take the points of new series over the limit out of an ``ExportMetricsServiceRequest`` of so many points.

        The message is as the protobuf runtime writes it.
        """
        known = self._known(tenant)
        async with known.lock:
            if time.monotonic() - known.looked_at > _LOOK_SECONDS:
                await self._look(tenant, known)
            return await asyncio.to_thread(self._select_points, known, tenant, message, points)

    async def known_samples(self, tenant: str, message: bytes) -> Admitted:
        """Take the samples of series that were not let in out of a message that names series by their ids.

        The message has three packed fields in turn, 64 bits each: ids, times, values.
        """
        known = self._tenants.get(tenant)
        if not self.limit or known is None or known.looked_at < 0:
            return Admitted(message)
        columns = columns_of(message)
        ids = columns[0].view(np.uint64)
        async with known.lock:
            there = await asyncio.to_thread(kernel.contains, known.table, ids)
        refused = int(len(ids) - there.sum())
        if not refused:
            return Admitted(message)
        series = len(np.unique(ids[~there]))
        return Admitted(samples_message(column[there] for column in columns), series, refused)

    def reason(self, tenant: str, refused: Admitted) -> str:
        """The sentence for who sent it."""
        return (
            f"{refused.series} new series with {refused.rows} samples were refused: tenant {tenant!r} is at its limit "
            f"of {self.limit} series (tenant_max_series). Known series are kept; GET /api/v1/cardinality tells "
            "where they come from."
        )

    def forget(self) -> None:
        """Ask the tables anew which series there are."""
        self._tenants.clear()

    def _known(self, tenant: str) -> _Tenant:
        known = self._tenants.get(tenant)
        if known is None:
            if len(self._tenants) >= _MOST_TENANTS:
                self._tenants.clear()
            known = self._tenants[tenant] = _Tenant(np.uint64(label_hash("__tenant__", tenant)))
        return known

    async def _look(self, tenant: str, known: _Tenant) -> None:
        """Ask the tables which series there are."""
        try:
            data = await self._engine.query(_ACTIVE, params={"tenant": tenant}, fmt="RowBinary")
        except VedetteError as error:
            log.debug("The series of %s cannot be counted: %s", tenant, error)
            return
        now = time.monotonic()
        while known.recent and now - known.recent[0][0] > _REMEMBERED_SECONDS:
            known.recent.popleft()
        parts = [np.frombuffer(data, np.uint64), *(ids for _, ids in known.recent)]
        await asyncio.to_thread(_build, known, np.concatenate(parts))
        known.looked_at = now

    def _select(self, known: _Tenant, message: bytes) -> Admitted:
        most = len(message) // _LEAST_SERIES_BYTES + 1
        if known.looked_at > 0:  # else nobody knows how many there are
            most = min(max(0, self.limit - known.count), most)
        if 2 * (known.count + most) > len(known.table):
            _build(known, known.table[known.table != 0], more=most)
        facts = np.zeros(5, np.int64)
        added, out = np.empty(most, np.uint64), np.empty(len(message), np.uint8)
        data = np.frombuffer(message, np.uint8)
        size = int(kernel.select(data, known.hash, known.table, most, facts, added, out))
        new = int(facts[kernel.NEW])
        if new:
            known.count += new
            known.recent.append((time.monotonic(), added[:new].copy()))
        series, samples, histograms, exemplars = map(int, facts[:4])
        return Admitted(out[:size].tobytes() if series else message, series, samples, histograms, exemplars)

    def _select_points(self, known: _Tenant, tenant: str, message: bytes, points: int) -> Admitted:
        data = np.frombuffer(message, np.uint8)
        keys, places, _, _ = points_of(data, points)
        fresh = np.flatnonzero(~kernel.contains(known.streams, keys))
        if not len(fresh):
            return Admitted(message)
        # Of each new stream one point tells which series it has.
        streams, firsts, of_points = np.unique(keys[fresh], return_index=True, return_inverse=True)
        series = RequestSeries(METRICS.message.FromString(message), tenant, self._promoted)
        found = [series.of(tuple(places[place].tolist())) for place in fresh[firsts]]
        admitted, over = self._let_in(known, found, np.argsort(firsts))
        _note_streams(known, streams[admitted], most=max(4 * self.limit, _MOST_STREAMS))
        refused = np.zeros(points, np.bool_)
        refused[fresh] = ~admitted[of_points]
        left = int(refused.sum())
        return Admitted(without_points(data, refused), over, left) if left else Admitted(message)

    def _let_in(
        self, known: _Tenant, found: list[set[int]], order: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.bool_], int]:
        """Which of some streams, given by their series, are let in in an order; and how many series are not."""
        ids = np.array(sorted(set().union(*found)), np.uint64)
        new = set(ids[~kernel.contains(known.table, ids)].tolist())
        room = max(0, self.limit - known.count) if known.looked_at > 0 else len(new)
        admitted = np.ones(len(found), np.bool_)
        over: set[int] = set()
        let_in: set[int] = set()
        for stream in order.tolist():
            wanted = (found[stream] & new) - let_in
            if len(let_in) + len(wanted) <= room:
                let_in |= wanted
            else:
                admitted[stream] = False
                over |= wanted
        if let_in:
            added = np.array(sorted(let_in), np.uint64)
            if 2 * (known.count + len(added)) > len(known.table):
                _build(known, known.table[known.table != 0], more=len(added))
            known.count += int(kernel.fill(known.table, added))
            known.recent.append((time.monotonic(), added))
        return admitted, len(over - let_in)


def _note_streams(known: _Tenant, streams: npt.NDArray[np.uint64], *, most: int) -> None:
    """Remember streams that were let in, for a day and within a bound; what is forgotten is looked at again."""
    now = time.monotonic()
    before = known.streams[known.streams != 0]
    if known.stream_count + len(streams) > most or now - known.streams_since > _STREAMS_SECONDS:
        before, known.streams_since = before[:0], now
    if 2 * (len(before) + len(streams)) > len(known.streams) or len(before) < known.stream_count:
        size = _LEAST_TABLE
        while size < 4 * (len(before) + len(streams)):
            size *= 2
        known.streams = np.zeros(size, np.uint64)
        kernel.fill(known.streams, before)
    kernel.fill(known.streams, streams)
    known.stream_count = len(before) + len(streams)


def _build(known: _Tenant, ids: npt.NDArray[np.uint64], *, more: int = 0) -> None:
    """A table of some ids, at most half full."""
    size = _LEAST_TABLE
    while size < 2 * (len(ids) + more) + _LEAST_TABLE:
        size *= 2
    table = np.zeros(size, np.uint64)
    known.count = int(kernel.fill(table, ids))
    known.table = table


class SeriesRefusals:
    """Ledger lines of a process that has no `Ledger`: what was refused, summed for a few seconds.

    Args:
        record: Writes lines once per token.
    """

    def __init__(self, record: Callable[[Sequence[dict[str, object]], str], Awaitable[None]]) -> None:
        self._record = record
        self._sums: dict[str, tuple[int, str]] = {}

    def add(self, tenant: str, limits: SeriesLimits, refused: Admitted) -> None:
        """Note what was refused, if anything was."""
        if refused.series:
            self._sums[tenant] = self._sums.get(tenant, (0, ""))[0] + refused.rows, limits.reason(tenant, refused)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(_REFUSALS_SECONDS)
            sums, self._sums = self._sums, {}
            if sums:
                about = {"time": time.time_ns(), "signal": "metrics", "reason": "too_many_series", "bytes": 0}
                lines = [{**about, "tenant": t, "count": n, "detail": text} for t, (n, text) in sums.items()]
                await self._record(lines, f"series-{time.time_ns()}")
