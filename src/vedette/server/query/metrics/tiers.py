"""Samples summed up per 5 minutes and per hour, in place of the samples themselves.

They are read where they give the same and are fewer, and where the samples are gone: docs/adr/0007-downsampling.md.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vedette.server.engine.formats import fragments
from vedette.server.engine.fragments import expand
from vedette.server.engine.rollups.tiers import HOUR_MS, RESOLUTIONS_MS
from vedette.server.query.metrics.histogram_buckets import LAST, part_for, read_histogram_buckets
from vedette.server.query.metrics.histogram_rows import merged
from vedette.server.query.metrics.index import ranges
from vedette.server.query.metrics.late_buckets import ENDS, put_together, with_late
from vedette.server.query.metrics.native import blocks
from vedette.server.query.metrics.samples import Stretch, read_chunks, too_many
from vedette.server.query.promql.bucket_functions import COLUMNS, whole_width
from vedette.server.query.promql.source import STALE_NAN_BITS, SelectedSeries

if TYPE_CHECKING:
    import numpy.typing as npt

    from vedette.server.query.metrics.native import Lists
    from vedette.server.query.metrics.tenant import Selection, TenantMetrics
    from vedette.server.query.promql.source import SelectRequest
    from vedette.server.query.reader import Reader

    Ints = npt.NDArray[np.int64]

__all__ = ["Choice", "Tiers"]

_HERE = files("vedette.server.query.metrics")
_FRAGMENTS = fragments()


def _statement(name: str) -> str:
    return expand((_HERE / f"{name}.sql").read_text(encoding="utf-8"), _FRAGMENTS)


_BUCKETS: Final = _statement("buckets")
_KEPT: Final = _statement("kept_buckets")
_FRESH: Final = _statement("fresh_buckets")
_HOURS: Final = _statement("hours")
_RAW_GONE: Final = _statement("raw_gone")

_LASTS: Final = ("last", "last_before", "stale")
_NAMES: Final = {"samples_5m": "5m", "samples_1h": "1h"}
_GONE_SECONDS: Final = 10.0
"""How long it is believed until when samples are gone, so that questions about the last hour cost no statement more."""
_LEAST_STEP_MS: Final = min(RESOLUTIONS_MS.values())
_LEAST_SPAN_MS: Final = 36 * HOUR_MS
"""Less than this is read as fast from the samples, which are kept in memory then."""
_MOST_FRESH_HOURS: Final = 48
"""With more hours than this to be summed up first, samples that are there are read as they are."""
_BYTES_PER_BUCKET: Final = 60
_STALE: Final = np.array([STALE_NAN_BITS], np.uint64).view(np.float64)[0]
_BY_ORDER: Final = frozenset({"first_over_time", "last_over_time", "changes", "resets"}) | {
    "ts_of_first_over_time",
    "ts_of_last_over_time",
}
"""What has another value where floats and native histograms of a series come in another order."""
_OF_COUNTERS: Final = frozenset({"rate", "increase", "resets"})
_BY_START_TIMES: Final = frozenset({"rate", "increase", "resets"})


@dataclass(frozen=True, slots=True)
class Choice:
    """The buckets that are read in place of samples.

    `columns` are what a function needs of them, empty if the last sample of each is taken. `fresh_hours` are summed up
    by the query itself, and `info` tells in which way the answer differs.
    """

    table: str
    columns: tuple[str, ...] = ()
    fresh_hours: tuple[int, ...] = ()
    info: str = ""
    late: bool = False
    """Whether some may have come when others of their hour were gone."""

    @property
    def resolution_ms(self) -> int:
        """The width of a bucket."""
        return RESOLUTIONS_MS[self.table]


@dataclass(frozen=True, slots=True)
class _Hours:
    """How the hours of a request are kept.

    `gone` has the hours that the raw samples and each table have lost, `gone_ms` is until when any samples have gone.
    """

    due: tuple[int, ...]
    gone: dict[str, Ints]
    gone_ms: int
    late: bool

    def is_whole(self, table: str) -> bool:
        return not len(self.gone[table])


def _is_wide(request: SelectRequest) -> bool:
    """Whether buckets may be as good and are fewer."""
    return request.step_ms >= _LEAST_STEP_MS and request.end_ms - request.start_ms >= _LEAST_SPAN_MS


class Tiers:
    """Chooses between samples and buckets, and reads buckets.

    Args:
        reader: The door to the tables.
        start_times: Whether rates heed the start times of samples, which buckets do not have.
    """

    def __init__(self, reader: Reader, *, start_times: bool) -> None:
        self._reader = reader
        self._start_times = start_times

    @staticmethod
    def are_idle(metrics: TenantMetrics, request: SelectRequest, start_ms: int, now: float) -> bool:
        """Whether a request, moved to a start, is surely for the samples themselves, as far as is known now."""
        if request.moment_ms is None:
            return True
        is_known = now - metrics.raw_gone_read_at <= _GONE_SECONDS and max(start_ms, 0) >= metrics.raw_gone_ms
        return is_known and not _is_wide(request)

    async def choose(self, metrics: TenantMetrics, request: SelectRequest) -> Choice | None:
        """The buckets to answer a request from, or None for the samples.

        Buckets are taken where they give the same and the step is as wide as they are; and where samples are gone.
        """
        if request.moment_ms is None:
            return None
        # What looks back beyond 1970 finds nothing there, and nothing has gone.
        gone = max(request.start_ms, 0) < await self._raw_gone_ms(metrics)
        wide = _is_wide(request)
        if not gone and not wide:
            return None
        exact = [table for table in reversed(RESOLUTIONS_MS) if self._is_exact(request, RESOLUTIONS_MS[table])]
        ordinals, _ = metrics.select(request.matchers)
        if not gone and (not exact or metrics.windows.hold(ordinals, request.start_ms)):
            return None
        hours = await self._hours(metrics, request)
        if hours.is_whole("raw"):
            fit = [one for one in exact if request.step_ms >= RESOLUTIONS_MS[one] and hours.is_whole(one)]
            if wide and fit and len(hours.due) <= _MOST_FRESH_HOURS:
                return Choice(fit[0], _columns(request), hours.due, late=hours.late)
            return None
        found = next((one for one in exact if hours.is_whole(one)), None)
        exactly = Choice(found, _columns(request), hours.due, late=hours.late) if found else None
        return exactly or self._second_best(request, hours)

    def _is_exact(self, request: SelectRequest, resolution_ms: int) -> bool:
        """Whether buckets give what the samples give."""
        if request.extended or request.function == "start_timestamp":
            return False
        if (request.moment_ms or 0) % resolution_ms or request.step_ms % resolution_ms:
            return False
        if not request.range_ms:
            return True
        if self._start_times and request.function in _BY_START_TIMES:
            return False
        return request.function in COLUMNS and not request.range_ms % resolution_ms

    @staticmethod
    def _second_best(request: SelectRequest, hours: _Hours) -> Choice:
        """What is nearest to the samples that are gone: the finest buckets that are whole, else the most."""
        table = min(RESOLUTIONS_MS, key=lambda name: (len(hours.gone[name]), RESOLUTIONS_MS[name]))
        columns = _columns(request)
        every = _NAMES[table]
        resolution_ms = RESOLUTIONS_MS[table]
        parts = []
        if (request.moment_ms or 0) % resolution_ms or request.step_ms % resolution_ms:
            parts.append(f"each step shows what was there up to {every} before it")
        if request.range_ms and not columns:
            what = request.function or "the selector"
            parts.append(f"{what} is computed from the last sample of every {every}")
        elif request.range_ms % resolution_ms:
            width = whole_width(request.range_ms, resolution_ms) // resolution_ms
            parts.append(f"the range is taken as {width} x {every}")
        text = f"samples before {_moment(hours.gone_ms)} are gone and were read as sums of {every}"
        return Choice(table, columns, hours.due, f"{text}: {'; '.join(parts)}" if parts else text, hours.late)

    async def _raw_gone_ms(self, metrics: TenantMetrics) -> int:
        now = time.monotonic()
        if now - metrics.raw_gone_read_at > _GONE_SECONDS:
            rows = await self._reader.rows(metrics.tenant, _RAW_GONE)
            metrics.raw_gone_ms, metrics.raw_gone_read_at = int(rows[0]["until_ms"]), now
        return metrics.raw_gone_ms

    async def _hours(self, metrics: TenantMetrics, request: SelectRequest) -> _Hours:
        first, last = (max(0, at // HOUR_MS * HOUR_MS // 1000) for at in (request.start_ms, request.end_ms))
        # A range may be taken as wider than it is, by half a bucket, and its end as a bucket earlier.
        params = {"first_hour": first - 2 * HOUR_MS // 1000, "last_hour": last}
        due: list[int] = []
        late = False
        gone: dict[str, list[Ints]] = {name: [] for name in ("raw", *RESOLUTIONS_MS)}
        for block in blocks(await self._reader.query(metrics.tenant, _HOURS, fmt="Native", params=params)):
            hours = block["hour_seconds"].astype(np.int64)
            due += hours[block["due"] != 0].tolist()
            late = late or bool(block["late"].any())
            for name, found in gone.items():
                found.append(hours[(block[name] != 0) & (hours >= first)])
        nothing = np.empty(0, np.int64)
        return _Hours(
            tuple(due),
            {name: np.concatenate([nothing, *found]) for name, found in gone.items()},
            metrics.raw_gone_ms,
            late,
        )

    async def read(
        self, metrics: TenantMetrics, request: SelectRequest, choice: Choice, max_samples: int
    ) -> SelectedSeries:
        """The buckets of a request.

        Raises:
            QueryLimit: more than `max_samples`.
        """
        ordinals, labels = metrics.select(request.matchers)
        index = metrics.index
        width = choice.resolution_ms
        # Moments are taken back to a bucket's end, and ranges to whole buckets.
        more_ms = width + max(0, whole_width(request.range_ms, width) - request.range_ms) if choice.info else 0
        start_ms = request.start_ms - more_ms
        stretch = Stretch(index, ordinals, start_ms, request.end_ms, max_samples)
        columns = choice.columns or _LASTS
        if choice.late:
            columns = (*columns, *(name for name in (*ENDS, "count") if name not in columns))
        data = await read_chunks(
            self._reader,
            metrics.tenant,
            _text(replace(choice, columns=columns)),
            stretch,
            _BYTES_PER_BUCKET,
            resolution=width,
            hours=list(choice.fresh_hours),
        )
        found = _assembled(data, stretch, columns)
        some = replace(stretch, ordinals=metrics.with_histograms(ordinals))
        if not len(some.ordinals):
            return _floats(choice, (ordinals, labels), found)
        part = part_for(request.function) if choice.columns else LAST
        histograms = await read_histogram_buckets(self._reader, metrics.tenant, some, choice, part)
        if not choice.columns:
            selected = _floats(choice, (ordinals, labels), found)
            return merged(selected, ordinals, histograms.rows) if histograms.rows.owners else selected
        found = found.without_empty()
        if request.function in _BY_ORDER and len(np.intersect1d(found.owners, histograms.rows.owners)):
            return await self.read(metrics, request, _of_lasts(request, choice), max_samples)
        selected = _floats(choice, (ordinals, labels), found)
        selected.histogram_buckets = histograms.pool(ordinals, part)
        if request.function in _OF_COUNTERS and histograms.has_gauges():
            every = _NAMES[choice.table]
            what = (
                f"{request.function} of native histograms that are gauges is computed from the first and last of every"
            )
            selected.infos = (*selected.infos, f"{what} {every}")
        return selected


def _floats(choice: Choice, series: Selection, found: _Found) -> SelectedSeries:
    """What buckets have of floats: the sums that a function needs, or the last samples."""
    ordinals, labels = series
    width = choice.resolution_ms
    first, last = np.zeros(len(ordinals), np.int64), np.zeros(len(ordinals), np.int64)
    at = np.searchsorted(ordinals, found.owners)
    first[at], last[at] = found.first, found.last
    infos = (choice.info,) if choice.info else ()
    if choice.columns:
        values = found.columns["count"]
        selected = SelectedSeries(labels, first, last, found.times_ms, values, infos=infos, resolution_ms=width)
        selected.buckets = found.columns
        return selected
    times = found.times_ms - found.columns["last_before"].astype(np.int64)
    values = np.where(found.columns["stale"] != 0, _STALE, found.columns["last"])
    return SelectedSeries(labels, first, last, times, values, infos=infos, resolution_ms=width)


def _of_lasts(request: SelectRequest, choice: Choice) -> Choice:
    """The last samples alone, for series that have floats and native histograms between each other."""
    every = _NAMES[choice.table]
    info = f"{request.function} of floats and native histograms is computed from the last sample of every {every}"
    return replace(choice, columns=(), info="; ".join(filter(None, (choice.info, info))))


def _columns(request: SelectRequest) -> tuple[str, ...]:
    if not request.range_ms or request.extended:
        return ()
    found = COLUMNS.get(request.function)
    return () if found is None else (*found, "count")


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(choice: Choice) -> str:
    """The statement that reads the columns of a choice."""
    names = [name for name in choice.columns if name != "count"]
    rows = _KEPT
    if choice.fresh_hours:
        rows += "    UNION ALL\n    " + _FRESH
    raw_hours = sorted({hour + more for hour in choice.fresh_hours for more in (0, HOUR_MS // 1000)})
    sql = (
        _BUCKETS.replace("/*rows*/", rows)
        .replace("/*columns*/", "".join(f",\n    groupArray({name}::Float64) AS {name}_list" for name in names))
        .replace("/*names*/", "".join(f", {name}" for name in names))
        .replace("/*table*/", choice.table)
        .replace("/*start_of*/", "toStartOfHour" if choice.resolution_ms < HOUR_MS else "toStartOfDay")
        .replace("/*raw_hours*/", ",".join(map(str, raw_hours)))
        .replace("/*hours*/", ",".join(map(str, choice.fresh_hours)))
    )
    return with_late(sql, late=choice.late, table=choice.table)


@dataclass(slots=True)
class _Found:
    """Buckets of some series: those of the ordinal `owners[i]` are ``first[i]:last[i]``, times ascending."""

    owners: Ints
    first: Ints
    last: Ints
    times_ms: Ints
    columns: dict[str, npt.NDArray[np.float64]]

    def without_empty(self) -> _Found:
        """Those that have samples, and not a stale marker alone."""
        keep = self.columns["count"] > 0
        owner = np.repeat(self.owners, self.last - self.first)[keep]
        columns = {name: values[keep] for name, values in self.columns.items()}
        return _found(owner, self.times_ms[keep], columns)


def _found(owner: Ints, times_ms: Ints, columns: dict[str, npt.NDArray[np.float64]]) -> _Found:
    """Buckets whose owners ascend."""
    unique, first = np.unique(owner, return_index=True)
    return _Found(unique, first, np.append(first[1:], len(owner)), times_ms, columns)


def _assembled(data: bytes, stretch: Stretch, columns: tuple[str, ...]) -> _Found:
    wanted = [name for name in columns if name != "count"]
    names = ["counts", *(f"{name}_list" for name in wanted)]
    late = False
    parts: list[tuple[Any, ...]] = []
    before = 0
    for block in blocks(data):
        offsets: Lists = block["offsets"]
        begins = np.concatenate([[0], offsets.ends[:-1]]).astype(np.int64)
        late = "sinces" in block
        sinces = block["sinces"].items if late else np.zeros(1, np.uint32)
        lists = [sinces, *(block[name].items for name in ("versions", *names))]
        owners = stretch.index.ordinals_of(block["series"])
        bases = block["span_seconds"].astype(np.int64) * 1000
        parts.append((owners, bases, begins + before, offsets.ends - begins, offsets.items, *lists))
        before += len(offsets.items)
        if before > stretch.max_samples:
            raise too_many(stretch.max_samples)
    nothing = np.empty(0, np.int64)
    if not parts:
        return _Found(nothing, nothing, nothing, nothing, {name: np.empty(0) for name in (*columns, "count")})
    owners, bases, begins, sizes, offsets_ms, sinces, versions, *lists = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    keep = np.flatnonzero(np.isin(owners, stretch.ordinals))
    order = keep[np.lexsort((bases[keep], owners[keep]))]
    sizes = sizes[order]
    at = ranges(begins[order], sizes)
    owner = np.repeat(owners[order], sizes)
    times = np.repeat(bases[order], sizes) + offsets_ms[at]
    same_owner = owner[1:] == owner[:-1]
    if not (times[1:] > times[:-1])[same_owner].all():
        # The highest version of each bucket comes last and is kept.
        since = sinces[at] if late else np.zeros(len(at), np.uint32)
        sorting = np.lexsort((versions[at], since, times, owner))
        at, owner, times, since = at[sorting], owner[sorting], times[sorting], since[sorting]
        same = (times[1:] == times[:-1]) & (owner[1:] == owner[:-1]) & (since[1:] == since[:-1])
        final = np.append(~same, True)
        at, owner, times = at[final], owner[final], times[final]
    values = {name: column[at].astype(np.float64) for name, column in zip(("count", *wanted), lists, strict=True)}
    if late:
        sorting = np.lexsort((-values["first_before"], times, owner))
        values = {name: column[sorting] for name, column in values.items()}
        owner, times, values = put_together(owner[sorting], times[sorting], values)
    return _found(owner, times, values)
