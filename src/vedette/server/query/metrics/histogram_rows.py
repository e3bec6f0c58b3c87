"""Native histograms from the tables, and how they join the floats of their series."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vedette.server.query.metrics.index import ranges
from vedette.server.query.metrics.native import blocks
from vedette.server.query.metrics.samples import read_chunks, too_many
from vedette.server.query.promql.histogram import CounterReset, Histogram
from vedette.server.query.promql.histogram_series import with_reset_hints
from vedette.server.query.promql.source import STALE_NAN_BITS, SelectedSeries

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.native import Lists
    from vedette.server.query.metrics.samples import Stretch
    from vedette.server.query.reader import Reader

    Ints = npt.NDArray[np.int64]

__all__ = ["HistogramRows", "merged", "read_histograms"]

_HISTOGRAMS: Final = (files("vedette.server.query.metrics") / "histograms.sql").read_text(encoding="utf-8")
_STALE: Final = np.array([STALE_NAN_BITS], np.uint64).view(np.float64)[0]
_ARRAYS: Final = ("positive_indexes", "positive_counts", "negative_indexes", "negative_counts", "custom_bounds")
_SCALARS: Final = ("time_ms", "schema", "zero_threshold", "zero_count", "count", "sum", "hint")


@dataclass(slots=True)
class HistogramRows:
    """Native histograms in the order in which they were read; None is a stale marker."""

    owners: list[int] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    start_times_ms: list[int] = field(default_factory=list)
    histograms: list[Histogram | None] = field(default_factory=list)

    def add(self, block: dict[str, Any], owners: Ints, rows: Ints) -> None:
        """Add some rows of a block; `owners` are the ordinals of all of its rows."""
        arrays = [_lists(block[name]) for name in _ARRAYS]
        scalars = zip(*(block[name][rows].tolist() for name in _SCALARS), strict=True)
        stale = (block["sum"].view(np.uint64) == STALE_NAN_BITS)[rows].tolist()
        self.owners += owners[rows].tolist()
        self.start_times_ms += block["start_ms"][rows].tolist()
        for row, is_stale, (time, schema, threshold, zeros, count, total, hint) in zip(
            rows.tolist(), stale, scalars, strict=True
        ):
            self.times_ms.append(time)
            if is_stale:
                self.histograms.append(None)
                continue
            positive, positive_counts, negative, negative_counts, bounds = (items(row) for items in arrays)
            self.histograms.append(
                Histogram(
                    schema,
                    count,
                    total,
                    zeros,
                    threshold,
                    dict(zip(positive, positive_counts, strict=True)),
                    dict(zip(negative, negative_counts, strict=True)),
                    tuple(bounds),
                    CounterReset(hint),
                )
            )


def _lists(column: Lists) -> Any:  # noqa: ANN401 - a function from row to list
    ends, items = [0, *column.ends.tolist()], column.items.tolist()
    return lambda row: items[ends[row] : ends[row + 1]]


async def read_histograms(reader: Reader, tenant: str, stretch: Stretch) -> HistogramRows:
    """The native histograms of a stretch.

    Raises:
        QueryLimit: more than `max_samples`.
    """
    data = await read_chunks(reader, tenant, _HISTOGRAMS, stretch)
    found = HistogramRows()
    for block in blocks(data):
        owners = stretch.index.ordinals_of(block["series"])
        found.add(block, owners, np.flatnonzero(np.isin(owners, stretch.ordinals)))
        if len(found.owners) > stretch.max_samples:
            raise too_many(stretch.max_samples)
    return found


def merged(answer: SelectedSeries, ordinals: Ints, rows: HistogramRows) -> SelectedSeries:
    """Floats and native histograms in the order of time; of two at one time, the histogram is left."""
    sizes = answer.last - answer.first
    origin = ranges(answer.first, sizes)
    owner = np.concatenate([np.repeat(np.arange(len(ordinals)), sizes), np.searchsorted(ordinals, rows.owners)])
    times = np.concatenate([answer.times_ms[origin], np.array(rows.times_ms, np.int64)])
    stale = np.array([_STALE if item is None else 0.0 for item in rows.histograms])
    values = np.concatenate([answer.values[origin], stale])
    floats = len(origin)
    known = np.zeros(floats, np.int64) if answer.start_times_ms is None else answer.start_times_ms[origin]
    starts = np.concatenate([known, np.array(rows.start_times_ms, np.int64)])
    order = np.lexsort((times, owner))
    owner, times = owner[order], times[order]
    keep = np.ones(len(order), bool)
    keep[:-1] = (times[1:] != times[:-1]) | (owner[1:] != owner[:-1])
    order = order[keep]
    histograms: list[Histogram | None] = [
        rows.histograms[at - floats] if at >= floats else None for at in order.tolist()
    ]
    last = np.cumsum(np.bincount(owner[keep], minlength=len(ordinals)))
    first = np.concatenate([[0], last[:-1]])
    for low, high in zip(first.tolist(), last.tolist(), strict=True):
        histograms[low:high] = with_reset_hints(histograms[low:high])
    return SelectedSeries(
        answer.labels,
        first,
        last,
        times[keep],
        values[order],
        starts[order],
        histograms,
        infos=answer.infos,
        resolution_ms=answer.resolution_ms,
    )
