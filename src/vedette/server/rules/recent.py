"""Recorded samples before the tables have them.

A rule sees what the rules before it recorded for the same moment, in its own group and in others, as in Prometheus;
but what is written goes through the log and can be read a second or two later. Until then it is read from here.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vedette.server.query.metrics.index import ranges
from vedette.server.query.promql.histogram import Histogram
from vedette.server.query.promql.labels import METRIC_NAME
from vedette.server.query.promql.source import SelectedSeries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vedette.server.query.promql.labels import Labels
    from vedette.server.query.promql.source import SampleSource, SelectRequest

__all__ = ["Point", "RecentResults"]

Point = float | Histogram

_MOST_POINTS = 1_000_000


@dataclass(slots=True)
class _Batch:
    """What was recorded together, and when it was written; infinity if it is not yet."""

    written_at: float = math.inf
    entries: list[tuple[str, Labels, int]] = field(default_factory=list)


class RecentResults:
    """A `SampleSource` of stored samples and of those that were just recorded, of one tenant."""

    def __init__(self, source: SampleSource) -> None:
        self._source = source
        self._by_name: dict[str, dict[Labels, dict[int, Point]]] = {}
        self._batches: deque[_Batch] = deque()

    def begin(self) -> _Batch:
        """A batch for the results that are written together. The oldest make room where the tables are far behind."""
        kept = sum(len(batch.entries) for batch in self._batches)
        for batch in [batch for batch in self._batches if batch.written_at < math.inf]:
            if kept <= _MOST_POINTS:
                break
            kept -= len(batch.entries)
            self.drop(batch)
        batch = _Batch()
        self._batches.append(batch)
        return batch

    def add(self, batch: _Batch, points: Iterable[tuple[Labels, int, Point]]) -> None:
        """Show points to the questions that come from now on."""
        for labels, time_ms, value in points:
            name = next((text for key, text in labels if key == METRIC_NAME), "")
            self._by_name.setdefault(name, {}).setdefault(labels, {})[time_ms] = value
            batch.entries.append((name, labels, time_ms))

    def drop(self, batch: _Batch) -> None:
        """Forget a batch: it could not be written, or the tables have it."""
        self._batches.remove(batch)
        for name, labels, time_ms in batch.entries:
            of_name = self._by_name.get(name, {})
            points = of_name.get(labels, {})
            points.pop(time_ms, None)
            if not points:
                of_name.pop(labels, None)
            if not of_name:
                self._by_name.pop(name, None)

    def forget_readable(self, moment: float) -> None:
        """Forget what was written before a moment up to which everything can be read."""
        for batch in [batch for batch in self._batches if batch.written_at < moment]:
            self.drop(batch)

    async def select(
        self, tenant: str, requests: Sequence[SelectRequest], *, max_samples: int
    ) -> Sequence[SelectedSeries]:
        """See `SampleSource`."""
        answers = await self._source.select(tenant, requests, max_samples=max_samples)
        return [
            _with(answer, found) if (found := self._matching(request)) else answer
            for request, answer in zip(requests, answers, strict=True)
        ]

    def _matching(self, request: SelectRequest) -> dict[Labels, dict[int, Point]]:
        names = [matcher for matcher in request.matchers if matcher.name == METRIC_NAME]
        exact = next((matcher.value for matcher in names if matcher.op == "="), None)
        chosen = [exact] if exact is not None else [n for n in self._by_name if all(m.matches(n) for m in names)]
        rest = [matcher for matcher in request.matchers if matcher.name != METRIC_NAME]
        found = {}
        for name in chosen:
            for labels, points in self._by_name.get(name, {}).items():
                texts = dict(labels) if rest else {}
                if all(matcher.matches(texts.get(matcher.name, "")) for matcher in rest):
                    within = {at: point for at, point in points.items() if request.start_ms <= at <= request.end_ms}
                    if within:
                        found[labels] = within
        return found


def _with(answer: SelectedSeries, recent: dict[Labels, dict[int, Point]]) -> SelectedSeries:
    """Stored series with recent points behind them; what is stored already is not added again."""
    labels = list(answer.labels)
    places = {one: place for place, one in enumerate(labels)}
    # Only what was selected: the pool behind it may hold every window of the tenant.
    sizes = answer.last - answer.first
    chosen = ranges(answer.first, sizes)
    ends = np.cumsum(sizes)
    first, last = (ends - sizes).tolist(), ends.tolist()
    stored, end = answer.times_ms[chosen], len(chosen)
    times, values = [stored], [answer.values[chosen]]
    starts = [] if answer.start_times_ms is None else [answer.start_times_ms[chosen]]
    histograms = None if answer.histograms is None else [answer.histograms[at] for at in chosen.tolist()]
    for one, points in recent.items():
        place = places.get(one)
        if place is None:
            labels.append(one)
            first.append(end)
            last.append(end)
            place = len(labels) - 1
        low, high = first[place], last[place]
        newest = int(stored[high - 1]) if high > low else -1
        fresh = sorted((at, point) for at, point in points.items() if at > newest)
        if not fresh:
            continue
        native = [point if isinstance(point, Histogram) else None for _, point in fresh]
        if histograms is None and any(native):
            histograms = [None] * end
        floats = [point if isinstance(point, float) else 0.0 for _, point in fresh]
        times += [stored[low:high], np.array([at for at, _ in fresh], np.int64)]
        values += [values[0][low:high], np.array(floats)]
        if starts:
            starts += [starts[0][low:high], np.zeros(len(fresh), np.int64)]
        if histograms is not None:
            histograms += [*histograms[low:high], *native]
        size = high - low + len(fresh)
        first[place], last[place] = end, end + size
        end += size
    return SelectedSeries(
        labels,
        np.array(first, np.int64),
        np.array(last, np.int64),
        np.concatenate(times),
        np.concatenate(values),
        np.concatenate(starts) if starts else None,
        histograms,
        answer.warnings,
        answer.infos,
    )
