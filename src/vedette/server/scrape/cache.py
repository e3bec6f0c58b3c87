"""What one target's lines mean: labels are parsed, relabelled and encoded when a line is new, and never again."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.errors import InvalidInput
from vedette.server.query.promql.histogram import FINEST
from vedette.server.scrape.classic_lines import ClassicLines
from vedette.server.scrape.custom_buckets import FAULTS
from vedette.server.scrape.encoding import (
    STALE_BITS,
    exemplar,
    histogram,
    metadata,
    series_message,
    stale_histogram,
)
from vedette.server.scrape.exposition import parse_comment, parse_labels
from vedette.server.scrape.lines import (
    ENTRY,
    EXEMPLAR,
    EXEMPLAR_END,
    TEXT,
    TEXT_END,
    VALUE,
    VALUE_END,
    Lines,
    Texts,
    read_lines,
)
from vedette.server.scrape.native_limits import TooManyBuckets, coarser
from vedette.server.scrape.protobuf import BOUND_MARK, protobuf_exemplar, read_bound, read_families
from vedette.server.scrape.relabel import relabel
from vedette.server.scrape.series import Batch, SeriesBook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vedette.server.scrape.config import Job
    from vedette.server.scrape.exposition import Metadata

    Numbers = np.ndarray[Any, np.dtype[Any]]

__all__ = ["OverLimit", "ScrapeCache", "Scraped"]

log = logging.getLogger(__name__)

_LAST_TIME_MS = 4_291_747_199_999
_DROPPED = -1
_OPEN = -2  # what a text's series is was not asked yet
_SPARE_ENTRIES = 1000
_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LEGACY_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(slots=True)
class Scraped:
    """What one scrape adds to the log, and what is told of it in the target's own series."""

    batch: Batch = field(default_factory=Batch)
    scraped: int = 0
    kept: int = 0
    added: int = 0


class OverLimit(InvalidInput):
    """More than a limit allows: nothing is kept, and how many samples there were is told all the same."""

    def __init__(self, message: str, found: Scraped) -> None:
        super().__init__(message)
        self.scraped = found.scraped
        self.kept = found.kept


class ScrapeCache:
    """The memory of one target.

    Args:
        job: Says how series are relabelled, and their limits.
        labels: Of the target.
        tenant: Whose the series are.
        report: Names of the series that tell of the scrape itself.
        phase: See `SeriesBook`.
    """

    def __init__(
        self, job: Job, labels: Mapping[str, str], tenant: str, report: Sequence[str] = (), phase: float = 0.0
    ) -> None:
        self.is_warm = False
        """Whether there was a scrape: the first one parses all its labels, and may have to compile what does it."""
        self._job = job
        self._labels = dict(labels)
        self._texts = Texts()
        self._series: Numbers = np.empty(0, np.int64)  # of each text
        self._book = SeriesBook(tenant, phase)
        self._report = np.array([self._book.number({"__name__": name, **labels}) for name in report], np.int64)
        # Which series the last scrape had, and whether they are to end when they are gone.
        self._live: Numbers = np.zeros(len(self._book), bool)
        self._ends: Numbers = np.zeros(len(self._book), bool)
        self._classic = ClassicLines(keep=job.classic_histograms) if job.convert_classic else None
        self._refused: set[int] = set()  # histograms that could not be converted
        self._exemplars: dict[int | tuple[int, int], bytes] = {}
        self._natives: set[int] = set()
        self._families: dict[str, list[str]] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        self._names: set[str] = set()
        self._has_news = False

    def take(self, body: bytes, time_ms: int, *, openmetrics: bool = False, protobuf: bool = False) -> Scraped:
        """Turn an exposition into samples; what is gone since the last one gets a stale marker.

        Raises:
            InvalidInput: it cannot be parsed, or is over a limit of the job; nothing of it counts then.
        """
        job = self._job
        if protobuf:
            lines = read_families(
                body,
                self._texts,
                time_ms,
                native=job.native_histograms,
                classic=job.classic_histograms,
                honor_timestamps=job.honor_timestamps,
                convert=job.convert_classic,
            )
        else:
            lines = read_lines(body, self._texts, openmetrics=openmetrics)
        self._learn(lines)
        seen = np.concatenate((lines.comments[:, ENTRY], lines.facts[:, ENTRY]))
        if self._classic is not None:
            if not protobuf:
                lines = self._convert(
                    self._classic, lines, self._times(lines.times, time_ms, openmetrics=openmetrics)[0]
                )
            seen = np.concatenate((seen, self._classic.native_of(seen)))
            self._settle(lines.facts[:, ENTRY])
        numbers = self._series[lines.facts[:, ENTRY]]
        found = Scraped(scraped=len(numbers))
        kept = np.flatnonzero(numbers != _DROPPED)
        numbers = numbers[kept]
        found.kept = len(numbers)
        limit = job.sample_limit
        if limit and found.kept > limit:
            raise OverLimit(f"sample limit exceeded: {found.kept} samples, and sample_limit is {limit}", found)
        times, is_own = self._times(lines.times[kept], time_ms, openmetrics=openmetrics)
        chosen = _first_of_each(numbers, times)
        chosen = chosen[(times[chosen] >= 0) & (times[chosen] <= _LAST_TIME_MS)]
        self._add_exemplars(found.batch, lines, kept[chosen], numbers[chosen], times[chosen])
        if lines.natives is not None:
            native = lines.facts[kept[chosen], VALUE_END] > 0
            self._add_native(found, lines, kept[chosen][native], numbers[chosen][native])
            self._add_pins(found.batch, lines, kept[chosen][native], numbers[chosen][native])
            chosen = chosen[~native]
        self._book.write(found.batch, numbers[chosen], times[chosen], lines.values[kept][chosen].view(np.uint64))
        self._mark_gone(found, numbers, numbers[~is_own], time_ms)
        self._tell_families(found.batch)
        self._shrink(seen)
        self.is_warm = True
        return found

    def inherit(self, before: ScrapeCache) -> None:
        """Go on where another one of the same target ends: the next scrape ends what it does not have."""
        live = np.flatnonzero(before._live)
        numbers = np.array([self._book.adopt(before._book, number) for number in live.tolist()], np.int64)
        self._live, self._ends = np.zeros(len(self._book), bool), np.zeros(len(self._book), bool)
        self._live[numbers] = True
        self._ends[numbers] = before._ends[live]
        both = zip(live.tolist(), numbers.tolist(), strict=True)
        self._natives = {number for old, number in both if old in before._natives}

    def end(self, time_ms: int) -> Scraped:
        """The target did not answer, or is gone: everything it had ends."""
        found = Scraped()
        self._mark_gone(found, [], [], time_ms)
        return found

    def report(self, found: Scraped, values: Sequence[float] | None, time_ms: int) -> None:
        """Add the samples that tell of the scrape, or their end."""
        bits = np.array(values).view(np.uint64) if values else np.full(len(self._report), STALE_BITS)
        self._book.write(found.batch, self._report, np.full(len(self._report), time_ms), bits)

    def forget(self) -> None:
        """What was written did not arrive: labels and metadata are told again."""
        self._book.forget()
        self._told.clear()
        self._exemplars.clear()
        self._has_news = True

    def _learn(self, lines: Lines) -> None:
        """Parse what is new: this is where labels cost something."""
        facts, comments = lines.facts, lines.comments
        new_lines = np.flatnonzero(facts[:, ENTRY] < 0)
        new_comments = np.flatnonzero(comments[:, ENTRY] < 0)
        if not len(new_lines) and not len(new_comments):
            return
        texts: dict[bytes, int] = {}
        first = commented = len(self._texts)
        for rows, chosen in ((comments, new_comments), (facts, new_lines)):
            for row in chosen:
                text = lines.data[rows[row, TEXT] : rows[row, TEXT_END]]
                rows[row, ENTRY] = texts.setdefault(text, first + len(texts))
            commented = first + len(texts) if rows is comments else commented
        new = list(texts)
        notes = [self._note(text) for text in new[: commented - first]]
        if self._classic is None:
            series = [_DROPPED] * len(notes) + [self._number(text) for text in new[len(notes) :]]
        else:
            new += self._classic.learn([*notes, *(_labels_of(text) for text in new[len(notes) :])])
            series = [_OPEN] * len(new)
        self._texts.add(new)
        self._series = np.concatenate((self._series, np.array(series, np.int64)))

    def _convert(self, classic: ClassicLines, lines: Lines, times_ms: Numbers) -> Lines:
        """Native histograms in the place of classic ones."""
        found, faults = classic.convert(lines, times_ms)
        if new := {entry: fault for entry, fault in faults if entry not in self._refused}:
            self._refused.update(new)
            entry, fault = next(iter(new.items()))
            shown = self._texts.text(entry).decode()[:200]
            log.warning(
                "Job %s: histograms that cannot become native ones: %s, such as %s: %s",
                *(self._job.name, len(new), shown, FAULTS[fault]),
            )
        return found

    def _settle(self, entries: Numbers) -> None:
        """Ask for the series of texts that are needed for the first time."""
        for entry in np.unique(entries[self._series[entries] == _OPEN]).tolist():
            self._series[entry] = self._number(self._texts.text(entry))

    def _number(self, text: bytes) -> int:
        return self._number_of(_labels_of(text))

    def _number_of(self, scraped: dict[str, str]) -> int:
        if "__name__" not in scraped:
            raise InvalidInput(f"a series has no name: {str(scraped)[:200]}")
        self._names.add(scraped["__name__"])
        _normalize(scraped)
        labels = dict(self._labels)
        for name, value in scraped.items():
            if name in self._labels and not self._job.honor_labels:
                labels[_free_name(name, labels, scraped)] = value
            else:
                labels[name] = value
        kept = relabel(labels, self._job.metric_relabel)
        if kept is None or "__name__" not in kept:
            return _DROPPED
        self._check(kept)
        return self._book.number(kept)

    def _check(self, labels: dict[str, str]) -> None:
        job = self._job
        if job.legacy_names and not _has_legacy_names(labels):
            raise InvalidInput(f"metric_name_validation_scheme is legacy, and these names are not: {labels}"[:300])
        if job.label_limit and len(labels) > job.label_limit:
            raise InvalidInput(
                f"label_limit exceeded: {len(labels)} labels on {labels['__name__']}, "
                f"and label_limit is {job.label_limit}"
            )
        for name, value in labels.items():
            if job.label_name_length_limit and len(name) > job.label_name_length_limit:
                raise InvalidInput(f"label_name_length_limit exceeded by {name[:100]!r}")
            if job.label_value_length_limit and len(value) > job.label_value_length_limit:
                raise InvalidInput(f"label_value_length_limit exceeded by a value of {name[:100]!r}")

    def _times(self, own: Numbers, time_ms: int, *, openmetrics: bool) -> tuple[Numbers, Numbers]:
        """When samples are, in milliseconds, and which of them say so themselves."""
        if not self._job.honor_timestamps:
            return np.full(len(own), time_ms), np.zeros(len(own), bool)
        is_own = ~np.isnan(own)
        times = np.rint(own * 1000) if openmetrics else np.trunc(own)
        times = np.where(is_own, np.clip(times, -1, _LAST_TIME_MS + 1), time_ms)
        return times.astype(np.int64), is_own

    def _add_exemplars(self, batch: Batch, lines: Lines, rows: Numbers, numbers: Numbers, times: Numbers) -> None:
        """Exemplars stay until there is a newer one; each is kept once."""
        read = _exemplar if lines.exemplars is lines.data else protobuf_exemplar
        for i in np.flatnonzero(lines.facts[rows, EXEMPLAR_END]):
            text = lines.exemplars[lines.facts[rows[i], EXEMPLAR] : lines.facts[rows[i], EXEMPLAR_END]]
            number = int(numbers[i])
            if self._exemplars.get(number) != text:
                batch.told.append(series_message(self._book.labels(number), read(text, int(times[i]))))
                batch.told_rows += 1
                self._exemplars[number] = text

    def _add_pins(self, batch: Batch, lines: Lines, rows: Numbers, numbers: Numbers) -> None:
        """Exemplars of native histograms: only those that have a time, as there are several."""
        read = _exemplar if lines.exemplars is lines.data else protobuf_exemplar
        by_row = np.full(len(lines.facts), _DROPPED)
        by_row[rows] = numbers
        for row, slot, begin, end in np.asarray(lines.pins).tolist():
            number, text = int(by_row[row]), lines.exemplars[begin:end]
            if number != _DROPPED and self._exemplars.get((number, slot)) != text:
                if found := read(text, None):
                    batch.told.append(series_message(self._book.labels(number), found))
                    batch.told_rows += 1
                self._exemplars[number, slot] = text

    def _add_native(self, found: Scraped, lines: Lines, rows: Numbers, numbers: Numbers) -> None:
        """Native histograms go with their labels, which are little beside their buckets."""
        natives = lines.natives or b""
        for row, number in zip(rows, numbers, strict=True):
            content = natives[lines.facts[row, VALUE] : lines.facts[row, VALUE_END]]
            if self._job.bucket_limit or self._job.finest_schema < FINEST:
                try:
                    content = coarser(content, self._job.bucket_limit, self._job.finest_schema)
                except TooManyBuckets as error:
                    raise OverLimit(f"native_histogram_bucket_limit exceeded: {error}", found) from error
            found.batch.told.append(series_message(self._book.labels(number), histogram(content)))
        found.batch.told_rows += len(rows)
        self._natives.update(numbers.tolist())

    def _mark_gone(
        self, found: Scraped, numbers: Numbers | list[int], ending: Numbers | list[int], time_ms: int
    ) -> None:
        """End what the last scrape had and this one has not. What has times of its own ends by itself."""
        live, ends = np.zeros(len(self._book), bool), np.zeros(len(self._book), bool)
        live[numbers] = True
        ends[numbers if self._job.track_timestamps else ending] = True
        had = np.zeros(len(self._book), bool)
        had[: len(self._live)] = self._live
        found.added = int(np.count_nonzero(live & ~had))
        had[: len(self._ends)] &= self._ends
        gone = np.flatnonzero(had & ~live)
        if self._natives:
            is_native = np.isin(gone, list(self._natives))
            for number in gone[is_native]:
                found.batch.told.append(series_message(self._book.labels(number), stale_histogram(time_ms)))
            found.batch.told_rows += int(np.count_nonzero(is_native))
            gone = gone[~is_native]
        self._book.write(found.batch, gone, np.full(len(gone), time_ms), np.full(len(gone), STALE_BITS))
        self._live, self._ends = live, ends

    def _note(self, line: bytes) -> Metadata | None:
        try:
            note = parse_comment(line.decode())
        except UnicodeDecodeError:
            raise InvalidInput(f"the exposition is not valid UTF-8: {line[:200]!r}") from None
        if note is not None:
            facts = self._families.setdefault(note.name, ["unknown", "", ""])
            facts[{"TYPE": 0, "HELP": 1, "UNIT": 2}[note.kind]] = note.text
            self._has_news = True
        return note

    def _tell_families(self, batch: Batch) -> None:
        if not self._has_news:
            return
        for name, facts in self._families.items():
            if self._told.get(name) != tuple(facts):
                kind, help_, unit = facts
                # OpenMetrics names a counter without _total; PromQL's users look for the name of the series.
                full = f"{name}_total" if kind == "counter" and f"{name}_total" in self._names else name
                batch.told.append(metadata(full, kind, help_, unit))
                batch.told_rows += 1
                self._told[name] = tuple(facts)
        self._has_news = False

    def _shrink(self, seen: Numbers) -> None:
        """Forget texts and series that are gone, once they are the most."""
        if len(self._texts) <= 2 * len(seen) + _SPARE_ENTRIES:
            return
        entries = seen[np.sort(np.unique(seen, return_index=True)[1])]
        if self._classic is not None:
            self._classic.keep(entries)
        self._texts.keep(entries)
        used = self._live.copy()
        used[self._report] = True
        numbers = np.flatnonzero(used)
        places = np.where(used, np.cumsum(used) - 1, _DROPPED)
        self._book.keep(numbers)
        # What a line that is dropped has, or one that was not asked for, stays what it is.
        self._series = np.append(places, [_OPEN, _DROPPED])[self._series[entries]]
        self._report, self._live, self._ends = places[self._report], self._live[numbers], self._ends[numbers]
        self._exemplars.clear()
        self._refused.clear()
        self._natives = {int(places[number]) for number in self._natives if used[number]}


def _labels_of(text: bytes) -> dict[str, str]:
    try:
        series = text.decode()
        return parse_labels(series)
    except UnicodeDecodeError:
        raise InvalidInput(f"the exposition is not valid UTF-8: {text[:200]!r}") from None
    except ValueError as error:
        raise InvalidInput(f"{error}: {series[:200]!r}") from None


def _first_of_each(numbers: Numbers, times: Numbers) -> Numbers:
    """Rows without those whose series and time an earlier one has."""
    if not len(numbers) or np.bincount(numbers).max() == 1:
        return np.arange(len(numbers))
    pairs = np.stack((numbers, times), axis=1)
    return np.sort(np.unique(pairs, axis=0, return_index=True)[1])


def _has_legacy_names(labels: Mapping[str, str]) -> bool:
    names = (_LEGACY_NAME.fullmatch(name) for name in labels)
    return all(names) and _LEGACY_METRIC.fullmatch(labels["__name__"]) is not None


def _free_name(name: str, labels: dict[str, str], scraped: dict[str, str]) -> str:
    found = f"exported_{name}"
    while found in labels or found in scraped:
        found = f"exported_{found}"
    return found


def _exemplar(content: bytes, time_ms: int | None) -> bytes:
    """An exemplar as remote write has it; nothing if there is no time for it."""
    try:
        text = content.decode()
        close = text.rindex("}") + 1
        parts = text[close:].split()
        labels = parse_labels(text[:close])
        at = round(float(parts[1]) * 1000) if len(parts) > 1 else time_ms
        value = float(parts[0])
    except (ValueError, OverflowError, IndexError):
        raise InvalidInput(f"an exemplar is labels, a value and perhaps a timestamp: {content[:200]!r}") from None
    return b"" if at is None else exemplar(labels, value, min(max(at, 0), _LAST_TIME_MS))


def _normalize(labels: dict[str, str]) -> None:
    """Bounds as OpenMetrics writes them: ``le="1"`` is ``le="1.0"``."""
    for name in ("le", "quantile"):
        text = labels.get(name)
        if text is not None:
            try:
                value = read_bound(text) if text.startswith(BOUND_MARK) else float(text)
                labels[name] = bound_text(value)
            except ValueError:
                return


def bound_text(value: float) -> str:
    """A bound of a bucket or quantile as Go and OpenMetrics write it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    digits = repr(value)
    if value and not 1e-4 <= abs(value) < 1e6:  # noqa: PLR2004 - where Go writes an exponent
        mantissa, _, exponent = f"{value:e}".partition("e")
        for precision in range(17):
            mantissa, _, exponent = f"{value:.{precision}e}".partition("e")
            if float(f"{mantissa}e{exponent}") == value:
                break
        return f"{mantissa}e{exponent}"
    return digits
