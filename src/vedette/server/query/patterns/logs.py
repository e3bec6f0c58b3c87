"""Patterns of log lines: messages that differ in numbers, ids, quoted texts and names count as one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.logs.counts import nice_width_ns
from vedette.server.query.patterns.merging import merged
from vedette.server.query.sqlfiles import SqlFiles
from vedette.server.query.timerange import TimeRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.logs.selection import Selection
    from vedette.server.query.reader import Reader

__all__ = ["MAX_PATTERNS", "PATTERN_FILES", "before", "log_patterns", "rfc3339"]

MAX_PATTERNS: Final = 200

PATTERN_FILES: Final = SqlFiles(Path(__file__).parent)

_SAMPLED_LINES: Final = 200_000
"""How many lines are looked at, about: a second of the engine's time. More would not change what comes first."""
_SLICES: Final = 20_000
_SHAPES: Final = 500
_LEAST_BEFORE_NS: Final = 3_600 * 10**9
_MARK: Final = re.compile(r"<(?:text|url|email|id|time|ip|number|word)>")
_TOKENS: Final = re.compile(r"[0-9A-Za-z\x80-\U0010ffff]+(?:[^0-9A-Za-z\x80-\U0010ffff]+[0-9A-Za-z\x80-\U0010ffff]+)*")
_WORD_AT_START: Final = re.compile(r"^[0-9A-Za-z\x80-\U0010ffff]+")
_WORD_AT_END: Final = re.compile(r"[0-9A-Za-z\x80-\U0010ffff]+$")
_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Scale:
    """How the lines are sampled and counted over time."""

    range_ns: int
    width_ns: int
    buckets: int
    slice_ns: int
    one_in: int

    @property
    def params(self) -> dict[str, object]:
        return {
            "range_ns": self.range_ns,
            "width_ns": self.width_ns,
            "buckets": self.buckets,
            "slice_ns": self.slice_ns,
            "one_in": self.one_in,
        }


def before(time_range: TimeRange) -> TimeRange:
    """The time that a range is compared with: as long, or an hour, just before it."""
    length = max(time_range.duration_ns, _LEAST_BEFORE_NS)
    return TimeRange(max(0, time_range.start_ns - length), time_range.start_ns)


async def log_patterns(reader: Reader, selection: Selection, *, limit: int, buckets: int) -> dict[str, Any]:
    """``{"total", "sampled", "before_from", "bucket_seconds", "patterns": […]}``, the most frequent pattern first.

    Of very many lines a sample is grouped, and the counts are estimates (`sampled`). A pattern is new when no line of
    it lies in the time before the range (see `before`).
    """
    time_range = selection.time_range
    earlier = before(time_range)
    whole = selection.within(TimeRange(earlier.start_ns, time_range.end_ns))
    parts = {"condition": selection.condition.sql}
    params = {**whole.params, "range_ns": time_range.start_ns}
    volume = (await reader.rows(selection.tenant, PATTERN_FILES.statement("volume", **parts), params=params))[0]
    total, total_before = int(volume["lines"]), int(volume["lines_before"])
    scale = _scale(time_range, whole.time_range, total + total_before, buckets)
    sql = PATTERN_FILES.statement("patterns", **parts)
    rows = await reader.rows(selection.tenant, sql, params={**params, **scale.params, "shapes": _SHAPES})
    return {
        "total": total,
        "sampled": scale.one_in > 1,
        "before_from": rfc3339(earlier.start_ns),
        "from": rfc3339(time_range.start_ns),
        "bucket_seconds": scale.width_ns / _SECOND,
        "patterns": _patterns(rows, scale, total)[:limit],
    }


def _scale(time_range: TimeRange, whole: TimeRange, lines: int, buckets: int) -> _Scale:
    width = nice_width_ns(time_range.duration_ns, buckets)
    return _Scale(
        range_ns=time_range.start_ns,
        width_ns=width,
        buckets=-(-time_range.duration_ns // width),
        slice_ns=max(1, whole.duration_ns // _SLICES),
        one_in=max(1, -(-lines // _SAMPLED_LINES)),
    )


def _patterns(rows: Sequence[dict[str, Any]], scale: _Scale, total: int) -> list[dict[str, Any]]:
    """The rows, at most `_SHAPES`, with those of one pattern brought together."""
    groups = merged([(None, str(row["pattern"])) for row in rows])
    found = [_pattern(text, [rows[index] for index in members], scale, total) for text, members in groups]
    return sorted(found, key=lambda pattern: (-pattern["count"], pattern["pattern"]))


def _pattern(text: str, rows: Sequence[dict[str, Any]], scale: _Scale, total: int) -> dict[str, Any]:
    count = sum(int(row["lines"]) for row in rows) * scale.one_in
    lines_before = sum(int(row["lines_before"]) for row in rows) * scale.one_in
    severities: Counter[str] = Counter()
    for row in rows:
        severities.update({name: int(lines) * scale.one_in for name, lines in row["severities"].items()})
    trends = zip(*(row["trend"] for row in rows), strict=True)
    return {
        "pattern": text,
        "count": count,
        "share": min(1.0, round(count / total, 6)) if total else 0.0,
        "before_count": lines_before,
        "is_new": lines_before == 0,
        "severities": dict(severities.most_common()),
        "services": sorted({service for row in rows for service in row["services"]}),
        "first_seen": rfc3339(min(int(row["first_ns"]) for row in rows)),
        "last_seen": rfc3339(max(int(row["last_ns"]) for row in rows)),
        "trend": [sum(int(lines) for lines in column) * scale.one_in for column in trends],
        "sample": max(rows, key=lambda row: int(row["last_ns"]))["example"],
        "query": _query(text),
    }


def _query(pattern: str) -> str:
    """A query of the log search that finds the lines: the words that they share, as phrases."""
    phrases: list[str] = []
    if pattern.startswith("{"):
        keys, _, pattern = pattern.partition("}")
        phrases += [key for key in keys[1:].split(", ") if _TOKENS.search(key)]
    pieces = _MARK.split(pattern)
    for number, piece in enumerate(pieces):
        # A word that touches a mark is part of a longer one.
        inner = piece if number == 0 else _WORD_AT_START.sub("", piece)
        inner = inner if number == len(pieces) - 1 else _WORD_AT_END.sub("", inner)
        phrases += [found[0] for found in [_TOKENS.search(inner)] if found]
    quoted = (phrase.replace("\\", "\\\\").replace('"', '\\"') for phrase in dict.fromkeys(phrases))
    return " ".join(f'"{phrase}"' for phrase in quoted)


def rfc3339(at_ns: int) -> str:
    """A time with its milliseconds."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1_000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03d}Z"
