"""Where a tenant's series come from: counts by metric, label and label pair, and how many of them are new."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.server.query.metrics.native import blocks
from vedette.server.query.promql.labels import METRIC_NAME

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.index import SeriesIndex
    from vedette.server.query.reader import Reader

    Ordinals = npt.NDArray[np.int64]

__all__ = ["DAY_SECONDS", "Counts", "NewSeries", "count", "read_new", "today"]

DAY_SECONDS = 86_400
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_FIRST_ARRIVALS = (files("vedette.server.query.metrics") / "first_arrivals.sql").read_text(encoding="utf-8")


def today() -> int:
    """Days since 1970."""
    return int(time.time() // DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class NewSeries:
    """The series that were first seen in the last day, those of the last hour among them."""

    last_day: Ordinals
    last_hour: Ordinals


async def read_new(reader: Reader, tenant: str, index: SeriesIndex) -> NewSeries:
    """Which of a tenant's series are new.

    A series is new if it first arrived in the last day and the index knows no earlier day of it. Every series arrives
    once a day, so that its first arrival alone does not tell.
    """
    now_ms = time.time_ns() // 1_000_000
    data = await reader.query(tenant, _FIRST_ARRIVALS, fmt="Native", params={"since": now_ms - _DAY_MS})
    found: list[Ordinals] = []
    recent: list[Ordinals] = []
    for block in blocks(data):
        ordinals = index.ordinals_of(block["id"].astype(np.uint64))
        known = ordinals >= 0
        ordinals, days, added = ordinals[known], block["first_day"][known], block["first_added"][known]
        fresh = index.first_days[ordinals] >= days
        found.append(ordinals[fresh])
        recent.append(ordinals[fresh & (added > now_ms - _HOUR_MS)])
    nothing = np.empty(0, np.int64)
    return NewSeries(np.unique(np.concatenate([nothing, *found])), np.unique(np.concatenate([nothing, *recent])))


@dataclass(frozen=True, slots=True)
class Counts:
    """How often label pairs occur on some series, and with that the counts of everything else.

    Pair `numbers[i]` of the index is on `series[i]` of them; label `j` of `names` has `values[j]` values on
    `labelled[j]` series, which are `bytes[j]` bytes of text.
    """

    index: SeriesIndex
    total: int
    numbers: Ordinals
    series: Ordinals
    name_of: npt.NDArray[np.int64]
    names: list[str]
    values: Ordinals
    labelled: Ordinals
    bytes: Ordinals

    def metrics(self, limit: int) -> list[tuple[str, int]]:
        """The metrics with most series."""
        return [(value, many) for (_, value), many in self._top(self._of(METRIC_NAME), limit)]

    def pairs(self, limit: int) -> list[tuple[tuple[str, str], int]]:
        """The label pairs on most series; a metric's name is one, as for Prometheus."""
        return self._top(np.arange(len(self.numbers)), limit)

    def values_of(self, label: str, limit: int) -> list[tuple[str, int]]:
        """The values of a label on most series."""
        return [(value, many) for (_, value), many in self._top(self._of(label), limit)]

    def labels(self, limit: int, *, by: npt.NDArray[np.int64]) -> list[int]:
        """The places in `names` of the labels with most of what `by` counts."""
        present = np.flatnonzero(self.values)
        order = sorted(present.tolist(), key=lambda place: (-int(by[place]), self.names[place]))
        return order[:limit]

    def of_metric(self, name: str) -> int:
        """How many of the series one metric has."""
        number = self.index.numbers.by_name.get(METRIC_NAME, {}).get(name, -1)
        at = int(np.searchsorted(self.numbers, number))
        return int(self.series[at]) if at < len(self.numbers) and self.numbers[at] == number else 0

    @property
    def metric_count(self) -> int:
        """How many metrics there are."""
        return len(self._of(METRIC_NAME))

    def _of(self, label: str) -> npt.NDArray[np.int64]:
        names = self.index.numbers.name_numbers
        return np.flatnonzero(self.name_of == names.get(label, -1))

    def _top(self, places: npt.NDArray[np.int64], limit: int) -> list[tuple[tuple[str, str], int]]:
        """Those of some pairs that are on most series; equal ones by name."""
        counts = self.series[places]
        if len(places) > limit:
            least = np.partition(counts, len(counts) - limit)[len(counts) - limit]
            places = places[counts >= least]
        pairs = self.index.numbers.pairs
        found: list[tuple[tuple[str, str], int]] = [
            (pairs[number], many)
            for number, many in zip(self.numbers[places].tolist(), self.series[places].tolist(), strict=True)
        ]
        return sorted(found, key=lambda one: (-one[1], one[0]))[:limit]


def count(index: SeriesIndex, ordinals: Ordinals) -> Counts:
    """Count some series."""
    numbers, series = index.series_by_pair(ordinals)
    known = index.numbers
    names = list(known.name_numbers)
    name_of = np.array(known.name_of, np.int64)[numbers] if len(numbers) else np.empty(0, np.int64)
    sizes = np.array(known.sizes, np.int64)[numbers] if len(numbers) else np.empty(0, np.int64)

    def total(weights: Any) -> Ordinals:  # noqa: ANN401 - an array or None
        return np.bincount(name_of, weights=weights, minlength=len(names)).astype(np.int64)

    return Counts(
        index, len(ordinals), numbers, series, name_of, names, total(None), total(series), total(series * sizes)
    )
