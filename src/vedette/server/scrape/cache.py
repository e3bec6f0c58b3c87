"""What one target's lines mean: labels are parsed, relabelled and encoded when a line is new, and never again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vedette.errors import InvalidInput
from vedette.server.scrape.encoding import STALE, exemplar, metadata, sample, series_labels, series_message
from vedette.server.scrape.exposition import Line, Metadata, parse_labels, parse_lines
from vedette.server.scrape.relabel import relabel

if TYPE_CHECKING:
    from vedette.server.scrape.config import Job

__all__ = ["ScrapeCache", "Scraped"]


@dataclass(slots=True)
class _Entry:
    """A line's labels as bytes; None if relabeling drops it. `scrape` is the last one that had it."""

    encoded: bytes | None
    scrape: int = 0
    has_own_time: bool = False


@dataclass(slots=True)
class Scraped:
    """The messages of one scrape and what is told of it. `rows` are samples, markers and metadata."""

    pieces: list[bytes] = field(default_factory=list)
    rows: int = 0
    scraped: int = 0
    kept: int = 0
    added: int = 0


class ScrapeCache:
    """The memory of one target."""

    def __init__(self, job: Job, labels: dict[str, str]) -> None:
        self._job = job
        self._labels = labels
        self._entries: dict[str, _Entry] = {}
        self._live: dict[bytes, _Entry] = {}
        self._families: dict[str, list[str]] = {}
        self._told: dict[str, tuple[str, ...]] = {}
        self._scrape = 0

    def take(self, text: str, time_ms: int, *, openmetrics: bool) -> Scraped:
        """Turn an exposition into messages; what is gone since the last one gets a stale marker.

        Raises:
            InvalidInput: it cannot be parsed, or is over a limit of the job; nothing of it counts then.
        """
        self._scrape += 1
        found = Scraped()
        live: dict[bytes, _Entry] = {}
        for line in parse_lines(text, openmetrics=openmetrics):
            if isinstance(line, Metadata):
                self._note(line)
                continue
            found.scraped += 1
            entry = self._entries.get(line.series)
            if entry is None:
                entry = self._entries[line.series] = _Entry(self._encoded(line.series))
            if entry.encoded is None:
                entry.scrape = self._scrape
                continue
            found.kept += 1
            found.added += entry.encoded not in self._live and entry.encoded not in live
            self._add(found, entry, line, time_ms, openmetrics=openmetrics)
            live[entry.encoded] = entry
        if self._job.sample_limit and found.kept > self._job.sample_limit:
            raise InvalidInput(
                f"sample limit exceeded: {found.kept} samples, and sample_limit is {self._job.sample_limit}"
            )
        self._mark_gone(found, live, time_ms)
        self._tell_families(found)
        if len(self._entries) > 2 * len(live) + 1000:
            self._entries = {key: entry for key, entry in self._entries.items() if entry.scrape == self._scrape}
        return found

    def end(self, time_ms: int) -> Scraped:
        """The target did not answer, or is gone: everything it had ends."""
        found = Scraped()
        self._mark_gone(found, {}, time_ms)
        return found

    def _add(self, found: Scraped, entry: _Entry, line: Line, time_ms: int, *, openmetrics: bool) -> None:
        at = time_ms
        entry.scrape = self._scrape
        entry.has_own_time = line.time is not None and self._job.honor_timestamps
        if entry.has_own_time and line.time is not None:
            at = round(line.time * 1000) if openmetrics else int(line.time)
        points = sample(line.value, max(at, 0))
        found.rows += 1
        if line.exemplar:
            points += _exemplar(line.exemplar, at)
            found.rows += 1
        found.pieces.append(series_message(entry.encoded or b"", points))

    def _mark_gone(self, found: Scraped, live: dict[bytes, _Entry], time_ms: int) -> None:
        stale = sample(STALE, time_ms)
        for encoded, entry in self._live.items():
            if encoded not in live and not entry.has_own_time:
                found.pieces.append(series_message(encoded, stale))
                found.rows += 1
        self._live = live

    def _encoded(self, series: str) -> bytes | None:
        try:
            scraped = parse_labels(series)
        except ValueError as error:
            raise InvalidInput(f"{error}: {series[:200]!r}") from None
        if "__name__" not in scraped:
            raise InvalidInput(f"a series has no name: {series[:200]!r}")
        _normalize(scraped)
        labels = dict(self._labels)
        for name, value in scraped.items():
            if name in self._labels and not self._job.honor_labels:
                labels[_free_name(name, labels, scraped)] = value
            else:
                labels[name] = value
        kept = relabel(labels, self._job.metric_relabel)
        if kept is None or "__name__" not in kept:
            return None
        self._check(kept)
        return series_labels(kept)

    def _check(self, labels: dict[str, str]) -> None:
        job = self._job
        if job.label_limit and len(labels) > job.label_limit:
            raise InvalidInput(f"label_limit exceeded: {len(labels)} labels on {labels['__name__']}")
        for name, value in labels.items():
            if job.label_name_length_limit and len(name) > job.label_name_length_limit:
                raise InvalidInput(f"label_name_length_limit exceeded by {name[:100]!r}")
            if job.label_value_length_limit and len(value) > job.label_value_length_limit:
                raise InvalidInput(f"label_value_length_limit exceeded by a value of {name[:100]!r}")

    def _note(self, line: Metadata) -> None:
        facts = self._families.setdefault(line.name, ["unknown", "", ""])
        place = {"TYPE": 0, "HELP": 1, "UNIT": 2}[line.kind]
        facts[place] = line.text

    def _tell_families(self, found: Scraped) -> None:
        for name, facts in self._families.items():
            if self._told.get(name) != tuple(facts):
                kind, help_, unit = facts
                # OpenMetrics names a counter without _total; PromQL's users look for the name of the series.
                full = (
                    f"{name}_total" if kind == "counter" and not name.endswith("_total") and self._has(name) else name
                )
                found.pieces.append(metadata(full, kind, help_, unit))
                found.rows += 1
                self._told[name] = tuple(facts)

    def _has(self, name: str) -> bool:
        """Whether the family's series are called ``…_total``."""
        return any(series.startswith(f"{name}_total") for series in self._entries)


def _free_name(name: str, labels: dict[str, str], scraped: dict[str, str]) -> str:
    found = f"exported_{name}"
    while found in labels or found in scraped:
        found = f"exported_{found}"
    return found


def _exemplar(text: str, time_ms: int) -> bytes:
    close = text.rfind("}")
    parts = text[close + 1 :].split()
    at = round(float(parts[1]) * 1000) if len(parts) > 1 else time_ms
    return exemplar(parse_labels(text[: close + 1]), float(parts[0]), at)


def _normalize(labels: dict[str, str]) -> None:
    """Bounds as OpenMetrics writes them: ``le="1"`` is ``le="1.0"``."""
    for name in ("le", "quantile"):
        text = labels.get(name)
        if text is not None:
            try:
                labels[name] = _bound(float(text))
            except ValueError:
                return


def _bound(value: float) -> str:
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
