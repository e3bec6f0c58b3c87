"""The trace search language: ``service:checkout duration:>100ms http.route:/cart/* -status:ok "card declined"``.

A query is terms separated by blanks; a span matches when every term holds for it.

* ``word`` or ``"some words"``: text anywhere in the span's name, status message, attribute values or events;
* ``key:value``: equal, where an unquoted ``*`` stands for any characters and ``key:*`` means that the key is there;
* ``key:=value`` equal to the letter, ``key:!=value`` there and different;
* ``key:>100``, ``>=``, ``<``, ``<=``: by number (durations with a unit: ``duration:>=250ms``);
* ``key:~regex``, ``key:!~regex``: RE2, found anywhere in the value;
* ``-term``: not. Keys and values with blanks stand in double quotes, where a backslash escapes.

This module knows the form only. What the keys mean is decided in `conditions`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from vedette.errors import InvalidInput

__all__ = ["MAX_QUERY_CHARACTERS", "MAX_TERMS", "Operator", "Term", "parse_condition", "parse_query"]

MAX_QUERY_CHARACTERS: Final = 4_096
MAX_TERMS: Final = 64

Operator = Literal["text", "eq", "ne", "gt", "ge", "lt", "le", "match", "not_match", "like", "exists"]

# Longest first, so that ``>=`` is not read as ``>``.
_OPERATORS: Final[tuple[tuple[str, Operator], ...]] = (
    ("!=", "ne"),
    ("!~", "not_match"),
    (">=", "ge"),
    ("<=", "le"),
    ("=", "eq"),
    (">", "gt"),
    ("<", "lt"),
    ("~", "match"),
)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition on a span.

    `key` is empty for a text term. For `like`, `value` is the pattern of SQL's LIKE. `position` and
    `value_position` are the offsets of the term and of its value in the text that was parsed (0-based). `source`
    is the name of the request parameter that it came from.
    """

    key: str
    operator: Operator
    value: str
    negated: bool = False
    position: int = 0
    value_position: int = 0
    source: str = "q"


def parse_query(text: str, *, source: str = "q") -> list[Term]:
    """Reads a whole query. An empty one has no terms and matches every span.

    Raises:
        InvalidInput: the query cannot be read; `position` is where.
    """
    parser = _Parser(text, source, whole=False)
    terms: list[Term] = []
    while not parser.at_end():
        if len(terms) == MAX_TERMS:
            raise parser.error(f"more than {MAX_TERMS} terms", parser.position)
        terms.append(parser.term())
    return terms


def parse_condition(text: str, *, source: str, prefix: str = "") -> Term:
    """Reads one condition (``key:value``, ``key:>=100``, ``-key:*``) that is a whole parameter.

    An unquoted value goes to the end of the text, blanks included. `prefix` is put before the key.

    Raises:
        InvalidInput: the condition cannot be read; `position` is where.
    """
    parser = _Parser(text, source, whole=True)
    if parser.at_end():
        raise parser.error(f"it is empty; write it like {source}=http.route:/cart or {source}=retries:>=3", 0)
    term = parser.term()
    if not term.key:
        raise parser.error(
            f"a key and a colon are missing; write it like {source}=http.route:/cart or {source}=retries:>=3",
            term.position,
        )
    if not parser.at_end():
        raise parser.error("it goes on after the closing quote", parser.position)
    return replace(term, key=prefix + term.key)


def like_pattern(text: str) -> str:
    """The pattern of SQL's LIKE for a text in which ``*`` stands for any characters."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


class _Parser:
    """Reads terms from left to right. With `whole`, blanks belong to an unquoted value."""

    def __init__(self, text: str, source: str, *, whole: bool) -> None:
        self._text = text
        self._source = source
        self._whole = whole
        self.position = 0
        if len(text) > MAX_QUERY_CHARACTERS:
            raise self.error(f"longer than {MAX_QUERY_CHARACTERS} characters", MAX_QUERY_CHARACTERS)
        if (zero := text.find("\0")) >= 0:
            raise self.error("a NUL character", zero)

    def error(self, problem: str, position: int) -> InvalidInput:
        return InvalidInput(f"Parameter {self._source!r} cannot be read: {problem}.", position=position)

    def at_end(self) -> bool:
        while self._peek().isspace():
            self.position += 1
        return self.position == len(self._text)

    def term(self) -> Term:
        start = self.position
        negated = self._peek() == "-" and self._peek(1).strip() != ""
        self.position += negated
        body = self.position
        key, _ = self._token(":")
        if self._peek() != ":":
            self._must_end()
            if not key:
                raise self.error("the quotes are empty", body)
            return Term("", "text", key, negated, start, body, self._source)
        if not key:
            raise self.error(
                'the key before the colon is missing; write key:value, or "a:b" for text with a colon', self.position
            )
        self.position += 1
        operator = self._operator()
        while self._whole and self._peek().isspace():
            self.position += 1
        at = self.position
        value, quoted = self._token("")
        self._must_end()
        if not quoted and not value:
            raise self.error(f'{key} has no value; {key}:* asks whether it is there, {key}:"" for the empty one', at)
        if operator is None:
            operator, value = _implied(value, quoted=quoted)
        return Term(key, operator, value, negated, start, at, self._source)

    def _peek(self, ahead: int = 0) -> str:
        return self._text[self.position + ahead : self.position + ahead + 1]

    def _operator(self) -> Operator | None:
        for symbol, operator in _OPERATORS:
            if self._text.startswith(symbol, self.position):
                self.position += len(symbol)
                return operator
        return None

    def _token(self, stops: str) -> tuple[str, bool]:
        """The text up to a stop or a blank, or what stands in quotes, and whether it stood in quotes."""
        if self._peek() == '"':
            return self._quoted(), True
        start = self.position
        while (character := self._peek()) and character not in stops and (self._whole or not character.isspace()):
            self.position += 1
        value = self._text[start : self.position]
        return (value.strip() if self._whole else value), False

    def _quoted(self) -> str:
        opening = self.position
        characters: list[str] = []
        self.position += 1
        while character := self._peek():
            self.position += 1
            if character == '"':
                return "".join(characters)
            if character == "\\" and self._peek():
                character = self._peek()
                self.position += 1
            characters.append(character)
        raise self.error("the quote that opens here is never closed", opening)

    def _must_end(self) -> None:
        if not self._whole and self._peek() and not self._peek().isspace():
            raise self.error("a blank is missing after the closing quote", self.position)


def _implied(value: str, *, quoted: bool) -> tuple[Operator, str]:
    if quoted or "*" not in value:
        return "eq", value
    if value == "*":
        return "exists", ""
    return "like", like_pattern(value)
