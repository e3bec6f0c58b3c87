"""Words of a query as text, wildcard patterns, numbers and points in time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from vedette.errors import InvalidInput
from vedette.server.query.timerange import parse_time_ns

__all__ = [
    "Instant",
    "Pattern",
    "Wildcard",
    "is_canonical_integer",
    "number_of",
    "parse_instant",
    "parse_word",
    "unescape",
]

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_CANONICAL: Final = re.compile(r"-?[1-9]\d{0,14}|0", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY_NS: Final = 86_400 * 10**9
_INT64: Final = range(-(2**63), 2**63)
_MAX_INTEGER_DIGITS: Final = 20


class Wildcard(Enum):
    """``*`` stands for any run of characters, ``?`` for one."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A word as a sequence of literal texts and wildcards; neighbouring texts and ``**`` are joined."""

    parts: tuple[str | Wildcard, ...]

    @property
    def literal(self) -> str | None:
        """The text, where the word has no wildcard."""
        if any(isinstance(part, Wildcard) for part in self.parts):
            return None
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def matches_everything(self) -> bool:
        """Whether the word is ``*``."""
        return self.parts == (Wildcard.ANY,)

    def like(self) -> str:
        """The same as a pattern of SQL's LIKE."""
        spelled = {Wildcard.ANY: "%", Wildcard.ONE: "_"}
        return "".join(
            spelled[part] if isinstance(part, Wildcard) else re.sub(r"([\\%_])", r"\\\1", part) for part in self.parts
        )


def parse_word(value: str) -> Pattern:
    """Reads a word as written: a backslash makes the next character literal, ``*`` and ``?`` are wildcards."""
    parts: list[str | Wildcard] = []
    characters = iter(value)
    for character in characters:
        wild = Wildcard(character) if character in "*?" else None
        if wild is not None:
            if not (wild is Wildcard.ANY and parts[-1:] == [Wildcard.ANY]):
                parts.append(wild)
            continue
        text = next(characters, "\\") if character == "\\" else character
        last = parts[-1] if parts else None
        if isinstance(last, str):
            parts[-1] = last + text
        else:
            parts.append(text)
    return Pattern(tuple(parts))


def unescape(value: str) -> str:
    """The text without its escaping backslashes."""
    return re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)


def number_of(text: str) -> int | float | None:
    """The number that `text` spells, None where it spells none. Integers of 64 bits stay exact."""
    if not _NUMBER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    if digits.isdigit() and len(digits) <= _MAX_INTEGER_DIGITS and int(text) in _INT64:
        return int(text)
    return float(text)


def is_canonical_integer(text: str) -> bool:
    """Whether the text is how every type of number prints this value, so that comparing texts is enough."""
    return bool(_CANONICAL.fullmatch(text))


@dataclass(frozen=True, slots=True)
class Instant:
    """What a written time covers, ``start_ns <= t < end_ns``: a day for a date, else one nanosecond."""

    start_ns: int
    end_ns: int


def parse_instant(text: str, *, position: int | None) -> Instant:
    """Reads a time as `timerange` does."""
    try:
        start = parse_time_ns(text, name="time")
    except InvalidInput as error:
        raise InvalidInput(str(error), position=position) from None
    return Instant(start, min(start + (_DAY_NS if _DATE.fullmatch(text.strip()) else 1), _INT64[-1]))
