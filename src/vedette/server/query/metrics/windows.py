"""Samples of the series that are asked for again and again, in memory and kept up to date.

All windows of a tenant lie in one pool of times and values. A window has room behind its end, so that new samples are
appended in place; readers hold ends of their own and never see them. A window without room is moved to the pool's end,
and a full pool is written anew without what nobody asks for any more. Readers keep the arrays that they were given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vedette.server.query.metrics.index import ranges
from vedette.server.query.metrics.kernels import copy_runs, find_held, fit_tails

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.samples import Samples

    Integers = npt.NDArray[np.int64]
    Held = tuple[Integers, Integers, int]

__all__ = ["Windows"]

_NEVER = np.iinfo(np.int64).max
_LEAST_ROOM = 16
_ROOM_PART = 8
"""A window has an eighth of its samples as room, and at least 16 places."""
_LEAST_POOL = 1 << 12
_RECENT_SECONDS = 60.0


class Windows:
    """The windows of one tenant's series, by ordinal. A window holds every sample since `since`."""

    def __init__(self, max_samples: int) -> None:
        self._max_samples = max_samples
        self._count = 0
        self.times_ms: Integers = np.empty(_LEAST_POOL, np.int64)
        self.values: npt.NDArray[np.float64] = np.empty(_LEAST_POOL)
        self.start_times_ms: Integers | None = None
        self._used = 0
        self._begin: Integers = np.empty(0, np.int64)
        self._end: Integers = np.empty(0, np.int64)
        self._limit: Integers = np.empty(0, np.int64)
        self._since: Integers = np.empty(0, np.int64)
        self._asked: npt.NDArray[np.float64] = np.empty(0)
        self._span: Integers = np.empty(0, np.int64)

    def grow(self, series: int) -> None:
        """Know of more series, which have no window yet."""
        more = series - self._count
        if more <= 0:
            return
        zeros = np.zeros(more, np.int64)
        self._begin = np.concatenate([self._begin, zeros])
        self._end = np.concatenate([self._end, zeros])
        self._limit = np.concatenate([self._limit, zeros])
        self._since = np.concatenate([self._since, np.full(more, _NEVER)])
        self._asked = np.concatenate([self._asked, np.zeros(more)])
        self._span = np.concatenate([self._span, zeros])
        self._count = series

    @property
    def samples(self) -> int:
        """Samples in all windows."""
        return int((self._end - self._begin).sum())

    def hot(self) -> Integers:
        """The series that have a window."""
        return np.flatnonzero(self._since != _NEVER)

    def bounds(self, ordinals: Integers) -> tuple[Integers, Integers]:
        """Where the windows of some series are in the pool."""
        return self._begin[ordinals], self._end[ordinals]

    def since(self, ordinals: Integers) -> Integers | None:
        """Since when the windows of some series hold samples, None if some have no window."""
        found = self._since[ordinals]
        return None if (found == _NEVER).any() else found

    def missing(self, ordinals: Integers, since_ms: int, now: float, now_ms: int) -> Integers:
        """Note that some series are asked for since a time, and tell which have no window that reaches back so far."""
        self._asked[ordinals] = now
        self._span[ordinals] = np.maximum(self._span[ordinals], now_ms - since_ms)
        return ordinals[self._since[ordinals] > since_ms]

    def held(self, ordinals: Integers, times_ms: tuple[int, int], now: float, now_ms: int) -> Held | None:
        """Where the samples of some series between two times are, None if a window does not reach back so far."""
        first, last = np.empty(len(ordinals), np.int64), np.empty(len(ordinals), np.int64)
        start_ms, end_ms = times_ms
        windows = self._since, self._begin, self._end, self.times_ms
        count = find_held(
            ordinals, start_ms, end_ms, now, now_ms - start_ms, self._asked, self._span, *windows, first, last
        )
        return None if count < 0 else (first, last, count)

    def hold(self, ordinals: Integers, since_ms: int) -> bool:
        """Whether all of some series have a window that reaches back to a time."""
        return bool((self._since[ordinals] <= since_ms).all())

    def takes(self, samples: int) -> bool:
        """Whether so many more samples may be kept."""
        return samples <= self._max_samples // 2

    def put(self, ordinals: Integers, found: Samples, since_ms: int, now: float, now_ms: int) -> None:
        """Keep what was read of some series since a time, up to the newest; those without samples get a window, too."""
        sizes = np.zeros(len(ordinals), np.int64)
        at = np.searchsorted(ordinals, found.owners)
        sizes[at] = found.last - found.first
        source = np.zeros(len(ordinals), np.int64)
        source[at] = found.first
        self.drop(ordinals)
        begins = self._place(sizes, now, now_ms)
        self._take(found, source, sizes, begins)
        self._begin[ordinals], self._end[ordinals] = begins, begins + sizes
        self._limit[ordinals] = begins + sizes + _room(sizes)
        self._since[ordinals] = since_ms

    def drop(self, ordinals: Integers) -> None:
        """Forget windows; they are read anew when they are asked for."""
        self._begin[ordinals] = self._end[ordinals] = self._limit[ordinals] = 0
        self._since[ordinals] = _NEVER

    def drop_idle(self, before: float) -> None:
        """Forget the windows that nobody asked for since."""
        self.drop(np.flatnonzero((self._since != _NEVER) & (self._asked < before)))

    def append(self, found: Samples, now: float, now_ms: int) -> None:
        """Take in samples that were read again or anew. A window that others belong into than it has is forgotten."""
        keep = self._since[found.owners] != _NEVER
        owners, firsts, lasts = found.owners[keep], found.first[keep], found.last[keep]
        skip, late = np.zeros(len(owners), np.int64), np.zeros(len(owners), bool)
        new = found.times_ms, found.values.view(np.int64)
        known = self._begin, self._end, self.times_ms, self.values.view(np.int64)
        fit_tails(owners, firsts, lasts, *new, *known, self._since, skip, late)
        self.drop(owners[late])
        sizes = lasts - firsts - skip
        some = ~late & (sizes > 0)
        owners, firsts, sizes = owners[some], (firsts + skip)[some], sizes[some]
        full = self._end[owners] + sizes > self._limit[owners]
        if full.any():
            self._move(owners[full], sizes[full], now, now_ms)
        # Writing a full pool anew may have let go of windows that nobody asked for.
        there = self._since[owners] != _NEVER
        owners, firsts, sizes = owners[there], firsts[there], sizes[there]
        self._take(found, firsts, sizes, self._end[owners])
        self._end[owners] += sizes

    def _take(self, found: Samples, firsts: Integers, sizes: Integers, begins: Integers) -> None:
        """Write some of what was read to places in the pool."""
        copy_runs(found.times_ms, firsts, sizes, self.times_ms, begins)
        copy_runs(found.values, firsts, sizes, self.values, begins)
        if found.start_times_ms is not None:
            copy_runs(found.start_times_ms, firsts, sizes, self._with_start_times(), begins)
        elif self.start_times_ms is not None:
            self.start_times_ms[ranges(begins, sizes)] = 0

    def _with_start_times(self) -> Integers:
        if self.start_times_ms is None:
            self.start_times_ms = np.zeros(len(self.times_ms), np.int64)
        return self.start_times_ms

    def _move(self, owners: Integers, more: Integers, now: float, now_ms: int) -> None:
        """Give windows more room at the end of the pool."""
        sizes = self._end[owners] - self._begin[owners] + more
        begins = self._place(sizes, now, now_ms)
        held = self._end[owners] - self._begin[owners]
        for column in (self.times_ms, self.values, self.start_times_ms):
            if column is not None:
                copy_runs(column, self._begin[owners], held, column, begins)
        self._begin[owners], self._end[owners] = begins, begins + held
        self._limit[owners] = begins + sizes + _room(sizes)

    def _place(self, sizes: Integers, now: float, now_ms: int) -> Integers:
        """Where new windows of some sizes begin, with room behind each."""
        places = sizes + _room(sizes)
        total = int(places.sum())
        if self._used + total > len(self.times_ms):
            self._renew(total, now, now_ms)
        begins: Integers = np.cumsum(places) - places + self._used
        self._used += total
        return begins

    def _renew(self, more: int, now: float, now_ms: int) -> None:
        """A new pool, without what is older than anybody asks for."""
        if self.samples + more > self._max_samples:
            self.drop_idle(now - _RECENT_SECONDS)
        if self.samples + more > self._max_samples:
            self.drop(self.hot())
        hot = self.hot()
        begin, end = self._begin[hot], self._end[hot]
        # A quarter more than what was asked for, so that the next question finds it still.
        oldest = now_ms - self._span[hot] - self._span[hot] // 4
        cut = self._since[hot] < oldest
        for at in np.flatnonzero(cut).tolist():
            begin[at] += np.searchsorted(self.times_ms[begin[at] : end[at]], oldest[at])
        self._since[hot] = np.maximum(self._since[hot], oldest)
        sizes = end - begin
        places = sizes + _room(sizes)
        begins = np.cumsum(places) - places
        capacity = max(_LEAST_POOL, (int(places.sum()) + more) * 3 // 2)
        times, values = np.empty(capacity, np.int64), np.empty(capacity)
        copy_runs(self.times_ms, begin, sizes, times, begins)
        copy_runs(self.values, begin, sizes, values, begins)
        if self.start_times_ms is not None:
            starts = np.zeros(capacity, np.int64)
            copy_runs(self.start_times_ms, begin, sizes, starts, begins)
            self.start_times_ms = starts
        self.times_ms, self.values = times, values
        self._used = int(places.sum())
        self._begin[hot], self._end[hot], self._limit[hot] = begins, begins + sizes, begins + places


def _room(sizes: Integers) -> Integers:
    room: Integers = np.maximum(sizes // _ROOM_PART, _LEAST_ROOM)
    return room
