"""Samples from the tables into arrays: one statement for all the series of a stretch of time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.errors import QueryLimit
from vedette.server.query.metrics.kernels import assemble
from vedette.server.query.metrics.native import Lists, blocks

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.index import SeriesIndex
    from vedette.server.query.reader import Reader

    Ordinals = npt.NDArray[np.int64]

__all__ = [
    "FAR_FUTURE_MS",
    "Samples",
    "Stretch",
    "read_chunks",
    "read_samples",
    "too_many",
]

_HERE = files("vedette.server.query.metrics")
_CHUNKS = (_HERE / "chunks.sql").read_text(encoding="utf-8")
_START_TIMES = (_HERE / "start_times.sql").read_text(encoding="utf-8")

FAR_FUTURE_MS = 4_291_747_199_999
"""The end of 2105, behind which the tables know no hours."""

_MOST_LISTED = 50_000
_HOUR_SECONDS = 3600
_BYTES_PER_SAMPLE = 12
_THREAD_BYTES = 600_000
# One block is one set of arrays to put together; the query is bounded by its memory.
_SETTINGS = {"max_block_size": 1 << 20, "max_query_size": 1 << 24}


@dataclass(slots=True)
class Samples:
    """Float samples of some series: those of the ordinal `owners[i]` are ``first[i]:last[i]``, times ascending."""

    owners: Ordinals
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    start_times_ms: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some series between two times, both inclusive, in milliseconds; `ordinals` ascend."""

    index: SeriesIndex
    ordinals: Ordinals
    start_ms: int
    end_ms: int
    max_samples: int


async def read_samples(reader: Reader, tenant: str, stretch: Stretch) -> Samples:
    """The samples of a stretch.

    Raises:
        QueryLimit: more than `max_samples`.
    """
    data = await read_chunks(reader, tenant, _CHUNKS, stretch)
    if len(data) > _THREAD_BYTES:
        found, chunks = await asyncio.to_thread(_assembled, data, stretch)
    else:
        found, chunks = _assembled(data, stretch)
    if chunks is not None and chunks.start_max.any():
        found.start_times_ms = await _start_times(reader, tenant, stretch, found, chunks)
    return found


async def read_chunks(
    reader: Reader, tenant: str, sql: str, stretch: Stretch, bytes_per_sample: int = _BYTES_PER_SAMPLE, **more: object
) -> bytes:
    """What a statement gives for a stretch, in the engine's format; `more` are parameters of its own.

    Raises:
        QueryLimit: far more bytes than `max_samples` can have.
    """
    index, ordinals, max_samples = stretch.index, stretch.ordinals, stretch.max_samples
    start, end = max(stretch.start_ms, 0), min(stretch.end_ms, FAR_FUTURE_MS)
    if not len(ordinals) or end < start:
        return b""
    # Numbers that we made ourselves; as a parameter, thousands of them would not fit into a URL.
    listed = ",".join(map(str, index.ids[ordinals].tolist()))
    few = len(ordinals) <= _MOST_LISTED and len(ordinals) * 2 <= len(index) + 2000
    text = sql.replace("/*series*/", f"series IN ({listed})" if few else "true")
    params = {
        "first_hour": start // 1000 // _HOUR_SECONDS * _HOUR_SECONDS,
        "last_hour": end // 1000,
        "start": start,
        "end": end,
        **more,
    }
    pieces: list[bytes] = []
    size, most = 0, max_samples * bytes_per_sample * 4 + (1 << 20)
    async with reader.stream(tenant, text, fmt="Native", params=params, settings=_SETTINGS) as chunks:
        async for piece in chunks:
            size += len(piece)
            if size > most:
                raise too_many(max_samples)
            pieces.append(piece)
    return b"".join(pieces)


def too_many(max_samples: int) -> QueryLimit:
    """The error of a query that wants more samples than it may."""
    return QueryLimit(
        f"query processing would load too many samples into memory in query execution (more than {max_samples})"
    )


@dataclass(slots=True)
class _Chunks:
    """The samples of one series and hour each."""

    owners: Ordinals
    bases_ms: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    offsets_ms: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float64]
    start_min: npt.NDArray[np.int64]
    start_max: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]


def _chunks(data: bytes, index: SeriesIndex, wanted: Ordinals) -> _Chunks | None:
    parts: list[tuple[Any, ...]] = []
    before = 0
    for block in blocks(data):
        offsets: Lists = block["offsets"]
        owners = index.ordinals_of(block["series"])
        bases = block["hour_seconds"].astype(np.int64) * 1000
        begins = np.concatenate([[0], offsets.ends[:-1]])
        starts = (block["start_min"], block["start_max"])
        parts.append(
            (owners, bases, begins + before, offsets.ends + before, *starts, offsets.items, block["floats"].items)
        )
        before += len(offsets.items)
    if not parts:
        return None
    owners, bases, begins, ends, low, high, times, values = (
        column[0] if len(parts) == 1 else np.concatenate(column) for column in zip(*parts, strict=True)
    )
    # As those of one block are, which lie in the answer: for arrays that may be written there would be other code.
    times.flags.writeable = values.flags.writeable = False
    keep = np.flatnonzero(np.isin(owners, wanted))
    order = keep[np.lexsort((bases[keep], owners[keep]))]
    return _Chunks(owners, bases, begins, ends, times, values, low, high, order)


def _assembled(data: bytes, stretch: Stretch) -> tuple[Samples, _Chunks | None]:
    chunks = _chunks(data, stretch.index, stretch.ordinals)
    nothing = np.empty(0, np.int64)
    if chunks is None:
        return Samples(nothing, nothing, nothing, nothing, np.empty(0)), None
    order = chunks.order
    sizes = chunks.ends[order] - chunks.begins[order]
    total = int(sizes.sum())
    if total > stretch.max_samples:
        raise too_many(stretch.max_samples)
    times, values = np.empty(total, np.int64), np.empty(total)
    ascending = assemble(
        order,
        chunks.owners,
        chunks.begins,
        chunks.ends,
        chunks.bases_ms,
        chunks.offsets_ms,
        chunks.values,
        times,
        values,
    )
    owners, firsts = np.unique(chunks.owners[order], return_index=True)
    first = (np.cumsum(sizes) - sizes)[firsts]
    last = np.append(first[1:], total)
    found = Samples(owners, first, last, times, values)
    return (found if ascending else _put_in_order(found)), chunks


def _put_in_order(found: Samples) -> Samples:
    """Sort by time within each series and keep the last of equal times."""
    owner = np.repeat(np.arange(len(found.owners)), found.last - found.first)
    order = np.lexsort((found.times_ms, owner))
    owner, times, values = owner[order], found.times_ms[order], found.values[order]
    keep = np.ones(len(times), bool)
    keep[:-1] = (times[1:] != times[:-1]) | (owner[1:] != owner[:-1])
    counts = np.bincount(owner[keep], minlength=len(found.owners))
    last = np.cumsum(counts)
    return Samples(found.owners, last - counts, last, times[keep], values[keep])


async def _start_times(
    reader: Reader, tenant: str, stretch: Stretch, found: Samples, chunks: _Chunks
) -> npt.NDArray[np.int64]:
    """Since when each sample counts: one number a chunk in most cases, read one by one where it changes within it."""
    starts = np.zeros(len(found.times_ms), np.int64)
    where = dict(zip(found.owners.tolist(), zip(found.first.tolist(), found.last.tolist(), strict=True), strict=True))
    changing = set()
    for chunk in chunks.order.tolist():
        owner, base = int(chunks.owners[chunk]), int(chunks.bases_ms[chunk])
        if chunks.start_min[chunk] != chunks.start_max[chunk]:
            changing.add(owner)
            continue
        first, last = where[owner]
        hour = found.times_ms[first:last]
        low, high = np.searchsorted(hour, (base, base + _HOUR_SECONDS * 1000))
        starts[first + low : first + high] = chunks.start_max[chunk]
    if changing:
        some = np.array(sorted(changing))
        data = await read_chunks(reader, tenant, _START_TIMES, replace(stretch, ordinals=some))
        for block in blocks(data):
            owners = stretch.index.ordinals_of(block["series"])
            order = np.lexsort((block["time_ms"], owners))
            owners, times, values = owners[order], block["time_ms"][order], block["start_ms"][order]
            for owner in np.intersect1d(owners, some).tolist():
                first, last = where[owner]
                low, high = np.searchsorted(owners, (owner, owner + 1))
                at = np.searchsorted(found.times_ms[first:last], times[low:high])
                starts[first + at] = values[low:high]
    return starts
