"""Parameters as Prometheus reads them: from the URL and, of a POST or PUT, from the form in its body."""

from __future__ import annotations

import datetime as dt
import math
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from vedette.errors import InvalidInput
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.parser import parse_selector
from vedette.server.query.promql.plans import Kept

if TYPE_CHECKING:
    from fastapi import Request

    from vedette.server.query.promql.labels import Matcher

__all__ = ["LONG_AGO_MS", "Parameters", "parameters", "parse_duration_ms", "parse_parameters", "unescaped_name"]

LONG_AGO_MS = 0
FAR_AHEAD_MS = 4_291_747_199_999

_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LARGEST = 9_223_372_036
_MOST_FIELDS = 10_000
_MOST_BYTES = 1 << 22
_FREQUENT = tuple((b"%%%02X" % ord(one), one.encode()) for one in "\"()=[]{},/:<>|*!~^'+ \n")
"""Escapes that expressions are full of. None of their characters can be a part of another escape."""
_ESCAPED = re.compile(r"U__(?:[^_]|__|_[0-9a-fA-F]{1,6}_)*", re.DOTALL)
_ESCAPE = re.compile(r"__|_([0-9a-fA-F]{1,8})_")


class Parameters:
    """The parameters of one request; the first of several counts where one is meant."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values = values = dict[str, list[str]]()
        for name, value in pairs:
            if name in values:
                values[name].append(value)
            else:
                values[name] = [value]

    def text(self, name: str, default: str = "") -> str:
        """A parameter as it is."""
        return self._values.get(name, [default])[0]

    def has_only(self, names: frozenset[str]) -> bool:
        """Whether there are no other parameters than these."""
        return names.issuperset(self._values)

    def texts(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return self._values.get(name, [])

    def time_ms(self, name: str, default: int | None = None) -> int:
        """A time in milliseconds: seconds since 1970 or RFC 3339.

        Raises:
            InvalidInput: it is neither, or missing where there is no default.
        """
        given = self.text(name)
        if not given and default is not None:
            return default
        found = _time_ms(given)
        if found is None:
            raise InvalidInput(f'invalid parameter "{name}": cannot parse "{given}" to a valid timestamp')
        return found

    def duration_ms(self, name: str) -> int:
        """A duration in milliseconds: seconds, or like 5m.

        Raises:
            InvalidInput: it is neither.
        """
        given = self.text(name)
        found = parse_duration_ms(given)
        if found is None:
            raise InvalidInput(f'invalid parameter "{name}": cannot parse "{given}" to a valid duration')
        return found

    def limit(self, name: str = "limit") -> int:
        """A number of results; 0 is no limit.

        Raises:
            InvalidInput: it is no whole number, or negative.
        """
        given = self.text(name)
        if not given:
            return 0
        if not re.fullmatch(r"[+-]?\d+", given):
            raise InvalidInput(f'invalid parameter "{name}": cannot parse "{given}" to a whole number')
        if int(given) < 0:
            raise InvalidInput(f'invalid parameter "{name}": {name} must be non-negative')
        return int(given)

    def selector(self, name: str) -> tuple[Matcher, ...]:
        """A selector that may be left out.

        Raises:
            InvalidInput: it is no selector.
        """
        text = self.text(name)
        try:
            return parse_selector(text) if text else ()
        except ParseError as error:
            raise InvalidInput(f'invalid parameter "{name}": {error}', position=error.position) from error

    def selectors(self) -> list[tuple[Matcher, ...]]:
        """Every ``match[]``.

        Raises:
            InvalidInput: one is no selector, or would match the empty string everywhere.
        """
        found = []
        for text in self.texts("match[]"):
            try:
                matchers = parse_selector(text)
            except ParseError as error:
                raise InvalidInput(f'invalid parameter "match[]": {error}', position=error.position) from error
            if all(matcher.matches("") for matcher in matchers):
                raise InvalidInput('invalid parameter "match[]": match[] must contain at least one non-empty matcher')
            found.append(matchers)
        return found


async def parameters(request: Request) -> Parameters:
    """The parameters of a request; those of the body come first."""
    body = await request.body() if request.method in {"POST", "PUT"} else b""
    return parse_parameters(request.scope["query_string"], body)


def parse_parameters(query_string: bytes, form: bytes) -> Parameters:
    """The parameters of a URL and of a form in a body, either may be empty."""
    pairs = [_pair(part) for part in form.split(b"&", _MOST_FIELDS) if part] if form else []
    if len(pairs) > _MOST_FIELDS:
        raise InvalidInput(f"more than {_MOST_FIELDS} parameters in a form")
    if query_string:
        pairs += [_pair(part) for part in query_string.split(b"&") if part]
    return Parameters(pairs)


def _pair(part: bytes) -> tuple[str, str]:
    """A parameter's name and value. Dashboards and rules ask the same again, at other times."""
    if b"%" in part or b"+" in part:
        return _PAIRS[part]
    name, _, value = part.partition(b"=")
    return name.decode("utf-8", "replace"), value.decode("utf-8", "replace")


def _read_pair(part: bytes) -> tuple[str, str]:
    name, _, value = part.replace(b"+", b" ").partition(b"=")
    return _unquoted(name).decode("utf-8", "replace"), _unquoted(value).decode("utf-8", "replace")


def _unquoted(text: bytes) -> bytes:
    """A text without its escapes. To look for each of an expression's takes a fifth of the time of a general loop."""
    for escape, character in _FREQUENT:
        text = text.replace(escape, character)
    return unquote_to_bytes(text) if b"%" in text else text


_PAIRS = Kept(_read_pair, _MOST_BYTES)


def now_ms() -> int:
    """The time."""
    return time.time_ns() // 1_000_000


def parse_duration_ms(text: str) -> int | None:
    """A duration in milliseconds, or None: a number of seconds, or units from years to milliseconds in order."""
    number = _number(text)
    if number is not None:
        return round(number * 1000) if abs(number) < _LARGEST else None
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return 0 if text == "0" else None
    return sum(int(count) * unit for count, unit in zip(match.groups(), _UNITS_MS, strict=True) if count)


def _number(text: str) -> float | None:
    try:
        found = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _time_ms(text: str) -> int | None:
    number = _number(text)
    if number is not None:
        return round(number * 1000) if abs(number) < _LARGEST else None
    if text in {"-292273086-05-16T16:47:06Z", "0001-01-01T00:00:00Z"}:  # how clients say "from the beginning"
        return LONG_AGO_MS
    if text == "292277025-08-18T07:12:54.999999999Z":
        return FAR_AHEAD_MS
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + round(float(match[2] or 0) * 1000)


def unescaped_name(name: str) -> str:
    """A label's name from a path, where characters outside of ``[a-zA-Z0-9_]`` may be written ``U__…_2e_…``."""
    if not _ESCAPED.fullmatch(name):
        return name
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "_", name[3:])
