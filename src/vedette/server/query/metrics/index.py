"""The labels of one tenant's series in memory, and which series match.

A series has an ordinal, its place in the order of arrival; series are added and never change. Label pairs are numbered,
too. Postings (the ordinals that have a pair) are kept in segments, one a batch of new series; segments are merged when
they get many, so that adding stays cheap and finding looks at few.
"""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from vedette.server.query.promql.labels import Labels, Matcher

    Ordinals = npt.NDArray[np.int64]

__all__ = ["PairNumbers", "SeriesIndex", "ranges"]

_MAX_SEGMENTS = 8
_YEAR_DAYS = 366
_DAILY_DAYS = 31
_BEFORE_2000_DAYS = 10_957
_FUTURE_DAY = 65_378
"""1 January 2149, under which everything is kept that lies in the future."""
_SEVERAL = 2


class PairNumbers:
    """Numbers for label pairs. The values of one label are in the order in which they were first seen."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.by_name: dict[str, dict[str, int]] = {}
        self.name_numbers: dict[str, int] = {}
        """Numbers for the names of labels, in the order in which they were first seen."""
        self.name_of = array("i")
        """The number of each pair's name."""
        self.sizes = array("i")
        """The bytes of each pair's value."""

    def number(self, name: str, value: str) -> int:
        """The number of a pair, a new one if it is new."""
        values = self.by_name.setdefault(name, {})
        found = values.get(value)
        if found is None:
            found = values[value] = len(self.pairs)
            self.pairs.append((name, value))
            self.name_of.append(self.name_numbers.setdefault(name, len(self.name_numbers)))
            self.sizes.append(len(value.encode("utf-8", "surrogateescape")))
        return found


@dataclass(frozen=True, slots=True)
class _Segment:
    """Postings of one batch: pair `pairs[i]` is on `ordinals[starts[i]:starts[i+1]]`, ascending."""

    pairs: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ordinals: Ordinals

    def find(self, pair: int) -> Ordinals:
        at = int(self.pairs.searchsorted(pair))
        if at == len(self.pairs) or self.pairs[at] != pair:
            return self.ordinals[:0]
        return self.ordinals[self.starts[at] : self.starts[at + 1]]


@dataclass(slots=True)
class _Known:
    """What a matcher accepted of a label's first `seen` values, as numbers of pairs."""

    seen: int = 0
    pairs: list[int] = field(default_factory=list)


class SeriesIndex:
    """Labels and postings of one tenant. Not thread-safe: used on the event loop only."""

    def __init__(self) -> None:
        self.numbers = PairNumbers()
        self.ids: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self.last_days: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self.first_days: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._sorted_ids: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._sorted_ordinals: Ordinals = np.empty(0, np.int64)
        self._starts: npt.NDArray[np.int64] = np.zeros(1, np.int64)
        self._pairs: npt.NDArray[np.int32] = np.empty(0, np.int32)
        self._labels: list[Labels | None] = []
        self._segments: list[_Segment] = []
        self._known: dict[Matcher, _Known] = {}
        self._accepted_pairs = 0

    def __len__(self) -> int:
        return len(self.ids)

    def add(
        self,
        ids: npt.NDArray[np.uint64],
        ends: npt.NDArray[np.int64],
        pairs: npt.NDArray[np.int32],
        days: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    ) -> None:
        """Add series that are not here yet: series `i` has the pairs ``pairs[ends[i-1]:ends[i]]``, its name included.

        `days` are the first and last day (since 1970) on which each was seen.
        """
        first = len(self.ids)
        ordinals = np.arange(first, first + len(ids))
        self.ids = np.concatenate([self.ids, ids])
        self.first_days = np.concatenate([self.first_days, days[0]])
        self.last_days = np.concatenate([self.last_days, days[1]])
        self._starts = np.concatenate([self._starts, ends + self._starts[-1]])
        self._pairs = np.concatenate([self._pairs, pairs])
        self._labels.extend([None] * len(ids))
        order = np.argsort(self.ids, kind="stable")
        self._sorted_ids, self._sorted_ordinals = self.ids[order], order
        counts = np.diff(ends, prepend=0)
        self._segments.append(_segment(pairs, np.repeat(ordinals, counts)))
        if len(self._segments) > _MAX_SEGMENTS:
            self._segments = [_segment(self._pairs, np.repeat(np.arange(len(self.ids)), np.diff(self._starts)))]

    def ordinals_of(self, ids: npt.NDArray[np.uint64]) -> Ordinals:
        """The ordinals of series by id, -1 for those that are not here."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self._sorted_ids, ids), len(self.ids) - 1)
        return np.where(self._sorted_ids[at] == ids, self._sorted_ordinals[at], -1)

    def seen_on(self, ordinals: Ordinals, days: npt.NDArray[np.int64]) -> None:
        """Note that series were seen on days; an ordinal may occur several times."""
        np.maximum.at(self.last_days, ordinals, days)
        np.minimum.at(self.first_days, ordinals, days)

    def present(self, ordinals: Ordinals, first_day: int, last_day: int) -> npt.NDArray[np.bool_]:
        """Which of some series may have samples between two days.

        The days of a series are those of partitions: what is older than a month is kept by months, then by years.
        """
        low, high = self.first_days[ordinals], self.last_days[ordinals]
        widest = np.where(high == 0, _BEFORE_2000_DAYS, np.where(high < self._recent_day(), _YEAR_DAYS, 0))
        later = high >= _FUTURE_DAY
        return (low <= last_day) & ((high + widest >= first_day) | later)

    def _recent_day(self) -> int:
        return int(time.time() // 86_400) - _DAILY_DAYS

    def labels(self, ordinal: int) -> Labels:
        """The label set of a series."""
        found = self._labels[ordinal]
        if found is None:
            pairs = self.numbers.pairs
            numbers = self._pairs[self._starts[ordinal] : self._starts[ordinal + 1]].tolist()
            found = self._labels[ordinal] = tuple(sorted(pairs[number] for number in numbers))
        return found

    def select(self, matchers: Iterable[Matcher]) -> Ordinals:
        """The series that meet every matcher, ascending."""
        chosen: Ordinals | None = None
        excluded: list[Ordinals] = []
        for matcher in matchers:
            accepted = self._accepted(matcher)
            values = self.numbers.by_name.get(matcher.name, {})
            if matcher.matches(""):
                # A series without the label meets it: take away those whose value does not.
                if len(accepted) < len(values):
                    refused = set(values.values()).difference(accepted)
                    excluded.append(self._having(sorted(refused)))
                continue
            having = self._having(accepted)
            chosen = having if chosen is None else _in_both(chosen, having)
            if not len(chosen):
                return chosen
        if chosen is None:
            chosen = np.arange(len(self.ids))
        for ordinals in excluded:
            chosen = np.setdiff1d(chosen, ordinals, assume_unique=True)
        return chosen

    def label_names(self, ordinals: Ordinals | None = None) -> set[str]:
        """The names of the labels of some series, or of all."""
        if ordinals is None:
            return set(self.numbers.by_name)
        return {self.numbers.pairs[number][0] for number in self._pairs_of(ordinals)}

    def label_values(self, name: str, ordinals: Ordinals | None = None) -> set[str]:
        """The values of a label on some series, or on all."""
        values = self.numbers.by_name.get(name, {})
        if ordinals is None:
            return set(values)
        wanted = np.fromiter(values.values(), np.int64, len(values))
        present = np.intersect1d(wanted, self._pairs_of(ordinals))
        return {self.numbers.pairs[number][1] for number in present.tolist()}

    def series_by_pair(self, ordinals: Ordinals) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The numbers of the pairs on some series, and on how many of them each is."""
        numbers, counts = np.unique(self._slice(ordinals), return_counts=True)
        return numbers.astype(np.int64), counts.astype(np.int64)

    def _pairs_of(self, ordinals: Ordinals) -> list[int]:
        found: list[int] = np.unique(self._slice(ordinals)).tolist()
        return found

    def _slice(self, ordinals: Ordinals) -> npt.NDArray[np.int32]:
        starts, ends = self._starts[ordinals], self._starts[ordinals + 1]
        return self._pairs[ranges(starts, ends - starts)]

    def _accepted(self, matcher: Matcher) -> list[int]:
        """The pairs of a matcher's label whose value it accepts. Each value is looked at once."""
        values = self.numbers.by_name.get(matcher.name, {})
        if matcher.op == "=":
            number = values.get(matcher.value)
            return [] if number is None else [number]
        if matcher.op == "=~" and matcher.values is not None:
            return [number for number in map(values.get, matcher.values) if number is not None]
        known = self._known.get(matcher)
        if known is None:
            if len(self._known) > _MAX_KNOWN or self._accepted_pairs > _MOST_ACCEPTED:
                self._known.clear()
                self._accepted_pairs = 0
            known = self._known[matcher] = _Known()
        if known.seen < len(values):
            fresh = list(values.items())[known.seen :] if known.seen else values.items()
            accepted = [number for value, number in fresh if matcher.matches(value)]
            known.pairs += accepted
            self._accepted_pairs += len(accepted)
            known.seen = len(values)
        return known.pairs

    def _having(self, pairs: Sequence[int]) -> Ordinals:
        """The series that have one of some pairs of one label."""
        lists = [found for pair in pairs for segment in self._segments if len(found := segment.find(pair))]
        if not lists:
            return np.empty(0, np.int64)
        return lists[0] if len(lists) < _SEVERAL else np.sort(np.concatenate(lists))


_MAX_KNOWN = 10_000
_MOST_ACCEPTED = 4_000_000
"""Values that all matchers accepted of which that is remembered, at 8 bytes each."""


def ranges(starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The indexes ``starts[i] … starts[i]+sizes[i]-1`` for every `i`, one after the other."""
    total = int(sizes.sum())
    before = np.cumsum(sizes) - sizes
    found: npt.NDArray[np.int64] = np.arange(total) + np.repeat(starts - before, sizes)
    return found


def _in_both(one: Ordinals, other: Ordinals) -> Ordinals:
    """What two ascending lists have in common. The shorter one is looked up in the longer one."""
    short, long = (one, other) if len(one) < len(other) else (other, one)
    if not len(short):
        return short
    at = np.minimum(long.searchsorted(short), len(long) - 1)
    found: Ordinals = short[long[at] == short]
    return found


def _segment(pairs: npt.NDArray[np.int32], ordinals: Ordinals) -> _Segment:
    order = np.argsort(pairs, kind="stable")
    ordered = pairs[order].astype(np.int64)
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return _Segment(ordered[starts], np.append(starts, len(ordered)), ordinals[order])
