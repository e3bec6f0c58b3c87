"""Time ranges of queries: `from` and `to` as people and tools write them.

One point in time may be written as

* RFC 3339 with up to nine decimals (``2026-07-01T12:00:00.123456789+02:00``); without an offset it is UTC,
  without a time it is midnight;
* a Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude, with decimals;
* relative to now: ``now``, ``now-15m``, ``now-1d/d``, or just ``15m`` for fifteen minutes ago. Units are
  ``ns us ms s m h d w M y``; ``/unit`` rounds to the calendar in UTC, down in `from` and up in `to`, so that
  ``from=now-1d/d&to=now-1d/d`` is the whole of yesterday.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from vedette.errors import InvalidInput

__all__ = ["DEFAULT_SPAN_NS", "TimeRange", "now_ns", "parse_duration_ns", "parse_range", "parse_time_ns"]

DEFAULT_SPAN_NS: Final = 3_600_000_000_000
"""How far a query looks back when `from` is not given: one hour, in nanoseconds."""

_EXAMPLE: Final = "Examples: 2026-07-01T12:00:00Z, 1782907200, now-15m, now-1d/d, 15m."
_NS: Final = 1_000_000_000
_LAST_NS: Final = 2**63 - 1
"""The last instant of the engine's DateTime64(9): a signed 64-bit count of nanoseconds."""

_FIXED_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": _NS,
    "m": 60 * _NS,
    "h": 3_600 * _NS,
    "d": 86_400 * _NS,
    "w": 7 * 86_400 * _NS,
}
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"\d{1,20}(?:\.\d{1,12})?", re.ASCII)
_RELATIVE: Final = re.compile(r"(now)?((?:[+-]?\d{1,12}(?:ns|us|µs|ms|s|m|h|d|w|M|y))*)(?:/([smhdwMy]))?", re.ASCII)
_STEP: Final = re.compile(r"([+-]?)(\d+)(ns|us|µs|ms|[smhdwMy])", re.ASCII)
_DURATION_PART: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h|d|w)", re.ASCII)

# Unix times are told apart by size: a bound is past the year 5000 in its own unit, before 1974 in the next.
_MAGNITUDES: Final = ((10**11, _NS), (10**14, 1_000_000), (10**17, 1_000))


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open range of time, ``start_ns <= t < end_ns``, in nanoseconds since 1970-01-01 UTC."""

    start_ns: int
    end_ns: int

    @classmethod
    def around(cls, first_ns: int, last_ns: int, margin_ns: int = 0) -> TimeRange:
        """From a margin before the first to a margin behind the last, as far as time goes."""
        return cls(max(0, first_ns - margin_ns), min(last_ns + margin_ns + 1, _LAST_NS))

    @property
    def duration_ns(self) -> int:
        """How long the range is, in nanoseconds."""
        return self.end_ns - self.start_ns


def now_ns() -> int:
    """The wall clock in nanoseconds since 1970-01-01 UTC."""
    return time.time_ns()


def parse_range(
    from_: str | None,
    to: str | None,
    now: int | None = None,
    *,
    from_name: str = "from",
    to_name: str = "to",
    default_span_ns: int = DEFAULT_SPAN_NS,
) -> TimeRange:
    """Reads the two ends of a range.

    Args:
        from_: The start; missing or empty means `default_span_ns` before the end.
        to: The end (exclusive); missing or empty means now.
        now: What ``now`` means, in nanoseconds since 1970; the wall clock when missing.
        from_name: The parameter's name as the caller knows it, for messages.
        to_name: The same for the end.
        default_span_ns: How far back a missing start lies.

    Raises:
        InvalidInput: an end cannot be read, or the range is empty or backwards.
    """
    moment = now_ns() if now is None else now
    end = parse_time_ns(to, moment, name=to_name, edge="end") if to and to.strip() else moment
    if from_ and from_.strip():
        start = parse_time_ns(from_, moment, name=from_name, edge="start")
    else:
        start = max(0, end - default_span_ns)
    if start >= end:
        raise InvalidInput(
            f"The range is empty: {from_name!r} ({_rfc3339(start)}) is not before {to_name!r} ({_rfc3339(end)})."
        )
    return TimeRange(start, end)


def parse_time_ns(
    text: str, now: int | None = None, *, name: str = "time", edge: Literal["start", "end"] = "start"
) -> int:
    """Reads one point in time into nanoseconds since 1970-01-01 UTC.

    `edge` says where ``/unit`` rounds to: the start of the unit, or its end.

    Raises:
        InvalidInput: the text is none of the forms, or lies before 1970 or after 2262.
    """
    moment = now_ns() if now is None else now
    cleaned = _restore_plus(text.strip())
    if match := _RFC3339.fullmatch(cleaned):
        result = _absolute(match, name, text)
    elif _NUMBER.fullmatch(cleaned):
        result = _unix(cleaned)
    elif cleaned and (match := _RELATIVE.fullmatch(cleaned)) and (match[1] or match[2]):
        result = _relative(match, moment, name, text, edge)
    else:
        raise InvalidInput(f"Parameter {name!r} is not a time: {_shown(text)}. {_EXAMPLE}")
    if not 0 <= result <= _LAST_NS:
        raise _outside(name, text)
    return result


def parse_duration_ns(text: str, *, name: str = "duration") -> int:
    """Reads a duration such as ``250ms``, ``1.5s`` or ``1h30m`` into nanoseconds.

    Raises:
        InvalidInput: the text is not a sum of numbers with units, or longer than 292 years.
    """
    cleaned = text.strip()
    parts = _DURATION_PART.findall(cleaned)
    if not parts or "".join(number + unit for number, unit in parts) != cleaned:
        raise InvalidInput(
            f"Parameter {name!r} is not a duration: {_shown(text)}. Write a number with a unit "
            "(ns, us, ms, s, m, h, d, w), for example 250ms, 1.5s or 1h30m."
        )
    total = int(sum(Decimal(number) * _FIXED_UNITS[unit] for number, unit in parts))
    if total > _LAST_NS:
        raise InvalidInput(f"Parameter {name!r} is too long a duration: {_shown(text)}. At most 292 years.")
    return total


def _restore_plus(text: str) -> str:
    # A plus sign that was not percent-encoded arrives in a query string as a blank.
    if len(text) > 10 and text[10] == " " and text[4:5] == "-":  # noqa: PLR2004 - the width of a date
        text = text[:10] + "T" + text[11:]
    return text.replace(" ", "+")


def _absolute(match: re.Match[str], name: str, text: str) -> int:
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        # A leap second is no time of its own in Unix time: it is the following second.
        leap = second == "60"
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            59 if leap else int(second or 0),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise InvalidInput(f"Parameter {name!r} is not a time: {_shown(text)} ({error}). {_EXAMPLE}") from None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) + leap
    if offset and offset not in "Zz":
        sign = -1 if offset[0] == "-" else 1
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        if hours > 23 or minutes > 59:  # noqa: PLR2004 - a clock's bounds
            raise InvalidInput(f"Parameter {name!r} has no such UTC offset: {_shown(text)}. {_EXAMPLE}")
        seconds -= sign * (hours * 3_600 + minutes * 60)
    return seconds * _NS + int((fraction or "").ljust(9, "0"))


def _unix(text: str) -> int:
    value = Decimal(text)
    for bound, factor in _MAGNITUDES:
        if value < bound:
            return int(value * factor)
    return int(value)


def _relative(match: re.Match[str], now: int, name: str, text: str, edge: Literal["start", "end"]) -> int:
    word, steps, rounding = match.groups()
    result = now
    for position, (sign, amount, unit) in enumerate(_STEP.findall(steps)):
        if not sign and (word or position):
            raise InvalidInput(f"Parameter {name!r} lacks a sign after 'now': {_shown(text)}. {_EXAMPLE}")
        count = int(amount) if sign == "+" else -int(amount)
        result = _shift(result, count, unit, name, text)
    if rounding:
        if not 0 <= result <= _LAST_NS:
            raise _outside(name, text)
        result = _round(result, rounding, edge)
    return result


def _shift(at: int, count: int, unit: str, name: str, text: str) -> int:
    if unit in _FIXED_UNITS:
        return at + count * _FIXED_UNITS[unit]
    months = count * (12 if unit == "y" else 1)
    if not 0 <= at <= _LAST_NS:
        raise _outside(name, text)
    moment = _datetime(at)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1_970 <= year <= 2_262:  # noqa: PLR2004 - the years that nanoseconds in 63 bits reach
        raise _outside(name, text)
    # The 31st of a shorter month is its last day, as in every calendar that people use.
    last = _next_month(datetime(year, month + 1, 1, tzinfo=UTC)) - timedelta(days=1)
    day = min(moment.day, last.day)
    shifted = moment.replace(year=year, month=month + 1, day=day, microsecond=0)
    return _epoch_seconds(shifted) * _NS + at % _NS


def _round(at: int, unit: str, edge: Literal["start", "end"]) -> int:
    if unit in "smhd":
        size = _FIXED_UNITS[unit]
        start = at - at % size
        return start if edge == "start" else start + size
    moment = _datetime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        moment -= timedelta(days=moment.weekday())
        following = moment + timedelta(days=7)
    elif unit == "M":
        moment = moment.replace(day=1)
        following = _next_month(moment)
    else:
        moment = moment.replace(month=1, day=1)
        following = moment.replace(year=moment.year + 1)
    return _epoch_seconds(moment if edge == "start" else following) * _NS


def _next_month(first: datetime) -> datetime:
    return (first + timedelta(days=31)).replace(day=1)


def _datetime(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at // _NS)


def _epoch_seconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def _rfc3339(at: int) -> str:
    fraction = f"{at % _NS:09d}".rstrip("0")
    return _datetime(at).strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"


def _outside(name: str, text: str) -> InvalidInput:
    return InvalidInput(f"Parameter {name!r} lies outside 1970 to 2262: {_shown(text)}. {_EXAMPLE}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - enough to recognise
