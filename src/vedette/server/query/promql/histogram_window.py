"""One window of a range vector that contains native histograms."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vedette.server.query.promql.histogram import Histogram, IncompatibleSchemas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.query.promql.annotations import Annotations
    from vedette.server.query.promql.ast import Call, Node
    from vedette.server.query.promql.block import HistogramPool, Ints, Windows
    from vedette.server.query.promql.histogram_sum import Outcome

Point = float | Histogram | None
Sample = tuple[int, float | Histogram, int]


@dataclass(slots=True)
class Window:
    """The samples of one series in one window: floats (as places in the pool) and histograms."""

    windows: Windows
    pool: HistogramPool
    floats: range
    histograms: range
    start_ms: int
    end_ms: int
    name: str
    argument: Node
    call: Call
    annotations: Annotations

    def float_times(self) -> Sequence[int]:
        """The floats' times."""
        return [int(self.windows.times_ms[i]) for i in self.floats]

    def histogram_times(self) -> Sequence[int]:
        """The histograms' times."""
        return [int(self.pool.times_ms[i]) for i in self.histograms]

    def float_count(self) -> int:
        """How many floats there are, or were before they were summed up."""
        buckets = self.windows.buckets
        if buckets is None:
            return len(self.floats)
        return int(buckets["count"][self.floats.start : self.floats.stop].sum())

    def histogram_count(self) -> int:
        """How many histograms there are, or were before they were summed up."""
        counts = self.pool.counts
        return int(counts[self.histograms.start : self.histograms.stop].sum()) if len(counts) else len(self.histograms)

    def samples(self) -> list[Histogram]:
        """The histograms."""
        return self.pool.samples[self.histograms.start : self.histograms.stop]

    def starts(self) -> list[int]:
        """The histograms' start times, 0 where unknown."""
        if not len(self.pool.starts_ms):
            return [0] * len(self.histograms)
        return [int(self.pool.starts_ms[i]) for i in self.histograms]

    def merged(self) -> list[Sample]:
        """Floats and histograms by time, with start times; an anchored window begins with the sample before it."""
        starts = self.windows.starts_ms
        floats: list[Sample] = [
            (int(self.windows.times_ms[i]), float(self.windows.values[i]), int(starts[i]) if len(starts) else 0)
            for i in self.floats
        ]
        histograms: list[Sample] = list(zip(self.histogram_times(), self.samples(), self.starts(), strict=True))
        merged = sorted([*floats, *histograms], key=lambda sample: sample[0])
        if self.windows.anchored:
            inside = bisect_right([sample[0] for sample in merged], self.start_ms)
            if inside == len(merged):
                return []
            return merged[max(0, inside - 1) :]
        return merged


def span_of(times: Ints, start: int, end: int, base: int) -> tuple[int, int]:
    """The places of the samples in (start, end]; `base` is the place of the first time."""
    low, high = np.searchsorted(times, [start, end], side="right")
    return base + int(low), base + int(high)


def attempt(
    window: Window, operation: Callable[[Histogram, Histogram], Outcome], left: Histogram, right: Histogram, name: str
) -> bool:
    """Add or subtract in place, with annotations; False if the two cannot be brought together."""
    try:
        outcome = operation(left, right)
    except IncompatibleSchemas:
        window.annotations.mixed_schemas(window.name, window.argument)
        return False
    if outcome.bounds_reconciled:
        window.annotations.bounds_reconciled(name, window.argument)
    return True
