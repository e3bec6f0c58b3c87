"""Points of OTLP metrics whose series the tables were told of: their samples go on by id, without names and labels.

The tables take a request apart, name its series and hash their labels, which costs them the same for ten points as for
thousands. Most points are of streams that were there a moment ago. A stream that went into the log whole is looked at
beside the way of the requests; from then on its points are written as samples of series (``engine/formats/samples``).
It is told whole again on a new day, as the tables keep series by day, and every hour, in which streams take turns:
tables that lose series are without them for an hour at most. Exponential histograms, summaries and exemplars with
labels always go whole.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.server.ingest import known_points_kernel as kernel
from vedette.server.ingest.otlp import METRICS
from vedette.server.ingest.otlp_series import RequestSeries
from vedette.server.ingest.point_faults_kernel import REASONS, count_faults
from vedette.server.ingest.points_kernel import BEGIN, END, points_of, without_points
from vedette.server.ingest.samples_message import samples_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from vedette.server.ingest.points_kernel import Points

__all__ = ["KnownPoints", "Taken"]

log = logging.getLogger(__name__)

_THREAD_BYTES = 64 << 10
_LEAST_TABLE, _LEAST_POOL = 1 << 7, 1 << 8
_MOST_WORDS = 1 << 24
"""Of all tenants' tables, 128 MiB; beyond it everything is told whole and looked at anew."""
_MOST_TENANTS = 10_000
_LOOKED_AT_ONCE, _BYTES_LOOKED_AT_ONCE = 500, 1 << 18
"""Streams that are looked at together. That holds the interpreter for some ten milliseconds."""
_LONGEST_POINT = 1 << 14
"""Bytes. A longer point, such as a histogram with thousands of buckets, always goes whole."""


@dataclass(slots=True)
class _Streams:
    """What is known of a tenant: the table of `known_points_kernel` and its pool of ids."""

    count: int = 0
    used: int = 0
    table: tuple[Any, ...] = field(default_factory=lambda: _new_table(_LEAST_TABLE))
    pool: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(_LEAST_POOL, np.uint64))

    @property
    def words(self) -> int:
        return 4 * len(self.table[0]) + len(self.pool)


@dataclass(frozen=True, slots=True)
class Taken:
    """A request in two: what goes whole, and what goes by the ids of series."""

    message: bytes
    """The whole request, of which `rest` is left to be told whole."""
    rest: bytes
    samples: bytes
    """A message of ``engine/formats/samples``."""
    points: int
    """How many points went into `samples`."""
    faults: dict[str, int]
    """How many points of `rest` the tables will refuse for each reason."""
    fresh: tuple[npt.NDArray[Any], ...]
    """Streams that are told with `rest`: their keys, epochs, and places in `at`."""
    at: Points


class KnownPoints:
    """The streams of all tenants that the log was told of lately.

    Args:
        promoted: The resource attributes that become labels.
    """

    def __init__(self, promoted: Sequence[str] = ()) -> None:
        self._promoted = promoted
        self._tenants: dict[str, _Streams] = {}
        self._words = 0
        self._lock = asyncio.Lock()
        self._loading: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_warm = False

    async def take(self, tenant: str, message: bytes, points: int) -> Taken | None:
        """Take out of a request what goes by id. None while the compiled functions are being loaded.

        Args:
            tenant: Whose it is.
            message: An ``ExportMetricsServiceRequest`` as the protobuf runtime writes it.
            points: How many points it has.
        """
        if not self._is_warm:
            self._loading = self._loading or asyncio.create_task(self._load(message, points))
            return None
        async with self._lock:
            known = self._tenants.get(tenant) or _Streams()
            if len(message) < _THREAD_BYTES:
                return _take(known, message, points)
            return await asyncio.to_thread(_take, known, message, points)

    async def told(self, tenant: str, taken: Taken) -> None:
        """The rest of a request is in the log: from now on its streams go by id."""
        if not len(taken.fresh[0]):
            return
        async with self._lock:
            known = self._tenants.get(tenant) or self._begin(tenant)
            missing = np.zeros(len(taken.fresh[0]), np.bool_)
            kernel.refresh(known.table, taken.fresh[0], taken.fresh[1], missing)
        if missing.any() and (self._looking is None or self._looking.done()):
            chosen = _looked_at(taken, missing)
            if len(chosen):
                fresh = tuple(column[chosen] for column in taken.fresh)
                self._looking = asyncio.create_task(self._look(tenant, known, taken, fresh))

    async def forget(self) -> None:
        """Tell the labels of every stream anew: the tables are others now."""
        async with self._lock:
            self._tenants.clear()
            self._words = 0

    async def settled(self) -> None:
        """Wait until nothing is being loaded or looked at."""
        for task in (self._loading, self._looking):
            if task is not None:
                await task

    def _begin(self, tenant: str) -> _Streams:
        if len(self._tenants) >= _MOST_TENANTS or self._words > _MOST_WORDS:
            self._tenants.clear()
            self._words = 0
        known = self._tenants[tenant] = _Streams()
        self._words += known.words
        return known

    async def _load(self, message: bytes, points: int) -> None:
        """Load the compiled functions, or compile them, which takes seconds; requests go whole meanwhile."""
        known = _Streams()
        await asyncio.to_thread(_take, known, message, points)
        one = np.ones(1, np.uint64), np.ones(1, np.int64)
        await asyncio.to_thread(kernel.refresh, known.table, *one, np.zeros(1, np.bool_))
        await asyncio.to_thread(kernel.add, known.table, *one, np.zeros(1, np.int64), np.zeros(1, np.int64))
        self._is_warm = True

    async def _look(self, tenant: str, known: _Streams, taken: Taken, fresh: tuple[npt.NDArray[Any], ...]) -> None:
        """Find the ids of streams that are new."""
        try:
            ids = await asyncio.to_thread(self._ids, tenant, taken, fresh[2].tolist())
            async with self._lock:
                if self._tenants.get(tenant) is not known:
                    return
                before = known.words
                _add(known, fresh, ids)
                self._words += known.words - before
                if self._words > _MOST_WORDS:
                    self._begin(tenant)
        except Exception:
            log.exception("The series of new streams cannot be found; their points go whole")

    def _ids(self, tenant: str, taken: Taken, places: Sequence[int]) -> list[list[int]]:
        """The ids of the series of points, or of resources where the place is negative."""
        series = RequestSeries(METRICS.message.FromString(taken.message), tenant, self._promoted)
        return [
            series.target_info(-1 - place) if place < 0 else series.ids(tuple(taken.at.places[place].tolist()))
            for place in places
        ]


def _new_table(size: int) -> tuple[Any, ...]:
    return (np.zeros(size, np.uint64), *(np.zeros(size, np.int64) for _ in range(3)))


def _take(known: _Streams, message: bytes, points: int) -> Taken:
    data = np.frombuffer(message, np.uint8)
    at = points_of(data, points)
    room, shown, new = len(data) // 3 + 16, len(data) // 8 + 8, points + len(at.targets)
    samples = np.empty(room, np.uint64), np.empty((2, room), np.int64), np.empty(room, np.float64)
    exemplars = np.empty((2, shown), np.int64), np.empty(shown, np.float64), np.empty((shown, 24), np.uint8)
    fresh = np.empty(new, np.uint64), np.empty(new, np.int64), np.empty(new, np.int64)
    taken, counts = np.zeros(points, np.bool_), np.zeros(4, np.int64)
    where = at.keys, at.places, at.where
    kernel.take(data, where, at.targets, known.table, known.pool, samples, exemplars, fresh, taken, counts)
    count, rows, unknown, kept = map(int, counts)
    rest = message if not kept else b"" if kept == points else without_points(data, taken)
    written = _written(samples, exemplars, count, rows) if kept else b""
    faults = np.zeros(len(REASONS), np.int64)
    count_faults(data, at.where, taken, faults)
    refused = dict(zip(REASONS, faults.tolist(), strict=True)) if faults.any() else {}
    return Taken(message, rest, written, kept, refused, tuple(column[:unknown] for column in fresh), at)


def _looked_at(taken: Taken, missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Which of the fresh streams are looked at now: some that are missing, each once."""
    streams, _, points = taken.fresh
    _, first = np.unique(streams, return_index=True)
    chosen = np.sort(first[missing[first]])
    at = taken.at.where[np.maximum(points[chosen], 0)]  # there can be fewer points than resources
    sizes = np.where(points[chosen] < 0, 0, at[:, END] - at[:, BEGIN])
    chosen, sizes = chosen[sizes <= _LONGEST_POINT], sizes[sizes <= _LONGEST_POINT]
    return chosen[np.cumsum(sizes) <= _BYTES_LOOKED_AT_ONCE][:_LOOKED_AT_ONCE]


def _add(known: _Streams, fresh: tuple[npt.NDArray[Any], ...], found: list[list[int]]) -> None:
    """Remember streams by the ids of their series. What has none (no point can be kept) goes whole from now on."""
    sizes, ids = np.array([len(one) for one in found], np.int64), np.array(list(chain(*found)), np.uint64)
    if 2 * (known.count + len(sizes)) > len(known.table[0]):
        _widen(known, len(sizes))
    if known.used + len(ids) > len(known.pool):
        known.pool = np.concatenate([known.pool, np.zeros(len(known.pool) + len(ids), np.uint64)])
    known.pool[known.used : known.used + len(ids)] = ids
    begins = known.used + np.cumsum(sizes) - sizes
    known.used += len(ids)
    known.count += int(kernel.add(known.table, fresh[0], fresh[1], begins, sizes))


def _widen(known: _Streams, more: int) -> None:
    keys, *others = known.table
    there = keys != 0
    known.table = _new_table(1 << (4 * (known.count + more)).bit_length())
    kernel.add(known.table, keys[there], *(column[there] for column in others))


def _written(samples: Any, exemplars: Any, count: int, shown: int) -> bytes:  # noqa: ANN401
    series, times, values = samples
    found, numbers, ids = exemplars
    columns = [series[:count], times[0, :count], values[:count], times[1, :count]]
    if shown:
        columns += [found[0, :shown], found[1, :shown], numbers[:shown], ids[:shown]]
    return samples_message(columns)
