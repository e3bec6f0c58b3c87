"""Native histograms that were summed up: what was kept of each bucket, or the sum of all in it.

Kept are the first and the last histogram of a bucket and both sides of every step at which a counter may have been
reset, so that rates are computed from them as from all. docs/adr/0007-downsampling.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.engine.formats import fragments
from vedette.server.engine.fragments import expand
from vedette.server.engine.rollups.tiers import HISTOGRAM_TABLES, HOUR_MS, RESOLUTIONS_MS
from vedette.server.query.metrics.histogram_rows import HistogramRows
from vedette.server.query.metrics.late_buckets import with_late
from vedette.server.query.metrics.native import blocks
from vedette.server.query.metrics.samples import read_chunks, too_many
from vedette.server.query.promql.block import HistogramPool
from vedette.server.query.promql.histogram import CounterReset
from vedette.server.query.promql.histogram_series import with_reset_hints

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.samples import Stretch
    from vedette.server.query.metrics.tiers import Choice
    from vedette.server.query.reader import Reader

    Ints = npt.NDArray[np.int64]

__all__ = ["LAST", "HistogramBuckets", "part_for", "read_histogram_buckets"]

_HERE = files("vedette.server.query.metrics")
_FRAGMENTS = fragments()
_BUCKETS, _KEPT, _FRESH = (
    expand((_HERE / f"{name}.sql").read_text(encoding="utf-8"), _FRAGMENTS)
    for name in ("histogram_buckets", "kept_histogram_buckets", "fresh_histogram_buckets")
)
_BYTES_PER_HISTOGRAM: Final = 400
_SUMMED: Final = frozenset({"sum_over_time", "avg_over_time"})

KEPT: Final = "kept"
SUMS: Final = "sums"
LAST: Final = "last"
"""The last histogram of a bucket, or the stale marker behind it."""
_PARTS: Final = {KEPT: "kept", SUMS: "sums", LAST: "${HistogramLast}"}


def part_for(function: str) -> str:
    """What a function of range vectors needs of every bucket."""
    return SUMS if function in _SUMMED else KEPT


@dataclass(frozen=True, slots=True)
class HistogramBuckets:
    """Some histograms of every bucket, in no certain order.

    `ends_ms` are the buckets' ends. `places` count the histograms of a bucket from its first to this one, and `changes`
    how often it was another than before; of a sum, the place is how many were added up. Where
    `sinces` differ within a bucket, they were counted apart.
    """

    rows: HistogramRows
    ends_ms: Ints
    places: Ints
    changes: Ints
    sinces: Ints

    def has_gauges(self) -> bool:
        """Whether some of them are no counters."""
        return any(one is not None and one.counter_reset is CounterReset.GAUGE for one in self.rows.histograms)

    def pool(self, ordinals: Ints, part: str) -> HistogramPool:
        """The histograms of every one of some series, by time, each with what it stands for."""
        rows = self.rows
        owners = np.searchsorted(ordinals, np.array(rows.owners, np.int64))
        times = np.array(rows.times_ms, np.int64) if part == KEPT else self.ends_ms
        order = np.lexsort((times, owners))
        owners, ends, places = owners[order], self.ends_ms[order], self.places[order]
        last = np.cumsum(np.bincount(owners, minlength=len(ordinals))).astype(np.int64)
        first = np.concatenate([np.zeros(1, np.int64), last[:-1]])
        nothing = np.empty(0, np.int64)
        samples = [one for one in (rows.histograms[i] for i in order.tolist()) if one is not None]
        pool = HistogramPool(first, last, times[order], nothing, samples, counts=places)
        if part == SUMS:
            return pool
        for low, high in zip(first.tolist(), last.tolist(), strict=True):
            samples[low:high] = [one for one in with_reset_hints(samples[low:high]) if one is not None]
        sinces = self.sinces[order]
        counted = np.lexsort((sinces, ends, owners))
        owners, ends, places, sinces = owners[counted], ends[counted], places[counted], sinces[counted]
        begins = np.ones(len(order), np.bool_)
        begins[1:] = (owners[1:] != owners[:-1]) | (ends[1:] != ends[:-1]) | (sinces[1:] != sinces[:-1])
        pool.counts, pool.changes = np.empty((2, len(order)), np.int64)
        pool.counts[counted] = _since_before(places, begins, places)
        changes = self.changes[order][counted]
        pool.changes[counted] = _since_before(changes, begins, np.full(len(order), -1, np.int64))
        return pool


def _since_before(values: Ints, begins: npt.NDArray[np.bool_], firsts: Ints) -> Ints:
    """How much each value is above the one before it; where a bucket begins, that of `firsts`."""
    return np.where(begins, firsts, np.diff(values, prepend=0))


async def read_histogram_buckets(
    reader: Reader, tenant: str, stretch: Stretch, choice: Choice, part: str
) -> HistogramBuckets:
    """What was kept of the buckets of a stretch; `part` is one of `KEPT`, `SUMS` and `LAST`.

    Raises:
        QueryLimit: more than `max_samples`.
    """
    more = {"resolution": choice.resolution_ms, "hours": list(choice.fresh_hours)}
    data = await read_chunks(reader, tenant, _text(choice, part), stretch, _BYTES_PER_HISTOGRAM, **more)
    found = [*blocks(data)]
    rows = HistogramRows()
    nothing = np.empty(0, np.int64)
    owners = [stretch.index.ordinals_of(block["series"]) for block in found]
    if sum(map(len, owners)) > stretch.max_samples:
        raise too_many(stretch.max_samples)
    every = np.concatenate([nothing, *owners])
    ends, places, changes, versions, sinces, times = (
        np.concatenate([nothing, *(block[name].astype(np.int64) for block in found)])
        for name in ("end_ms", "place", "changes", "version", "since", "time_ms")
    )
    wanted = _newest((versions, sinces, ends, every)) & np.isin(every, stretch.ordinals)
    if part == LAST and choice.late:
        wanted[wanted] = _newest((times[wanted], ends[wanted], every[wanted]))
    before = 0
    for block, some in zip(found, owners, strict=True):
        rows.add(block, some, np.flatnonzero(wanted[before : before + len(some)]))
        before += len(some)
    return HistogramBuckets(rows, ends[wanted], places[wanted], changes[wanted], sinces[wanted])


def _newest(keys: tuple[Ints, ...]) -> npt.NDArray[np.bool_]:
    """Which rows have the highest of the first key among those with the same other keys."""
    order = np.lexsort(keys)
    differ = np.zeros(max(0, len(order) - 1), np.bool_)
    for key in keys[1:]:
        differ |= key[order][1:] != key[order][:-1]
    places = np.flatnonzero(np.append(differ, True)[: len(order)])
    highest = keys[0][order]
    found = np.empty(len(order), np.bool_)
    found[order] = highest == np.repeat(highest[places], np.diff(places, prepend=-1))
    return found


def _text(choice: Choice, part: str) -> str:
    table, fresh_hours = choice.table, choice.fresh_hours
    rows = _KEPT + ("    UNION ALL\n    " + _FRESH if fresh_hours else "")
    raw_hours = sorted({hour + more for hour in fresh_hours for more in (0, 3600)})
    sql = (
        _BUCKETS.replace("/*rows*/", rows)
        .replace("/*points*/", expand(_PARTS[part], _FRAGMENTS))
        .replace("/*table*/", HISTOGRAM_TABLES[table])
        .replace("/*start_of*/", "toStartOfHour" if RESOLUTIONS_MS[table] < HOUR_MS else "toStartOfDay")
        .replace("/*raw_hours*/", ",".join(map(str, raw_hours)))
        .replace("/*hours*/", ",".join(map(str, fresh_hours)))
    )
    return with_late(sql, late=choice.late, table=HISTOGRAM_TABLES[table])
