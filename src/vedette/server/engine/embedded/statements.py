"""As much of ClickHouse's lexer as the HTTP interface needs: where a statement ends, its format, an INSERT's data.

What a statement means is left to the engine. A statement that this module reads differently from the engine ends in
the engine's own syntax error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from vedette.server.engine.embedded.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Insert", "Query", "Statement", "read_statement"]

# Statements whose answer may be large and takes INTO OUTFILE. (SHOW takes it as well, and writes nothing.)
_SELECTS = frozenset({b"SELECT", b"WITH", b"FROM", b"("})
_REPORTS = frozenset({b"SHOW", b"DESCRIBE", b"DESC", b"EXISTS", b"EXPLAIN", b"KILL", b"CHECK", b"BACKUP", b"RESTORE"})
_TOKEN = re.compile(
    rb"""
      (?P<space>   [ \t\r\n\f\v\0]+ | --[^\n]* | \#(?:[ !][^\n]*) | /\*.*?\*/ )
    | (?P<quoted>  '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`
                 | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ | \xe2\x80\x98.*?\xe2\x80\x99 | \xe2\x80\x9c.*?\xe2\x80\x9d )
    | (?P<word>    [A-Za-z_][A-Za-z0-9_$]* | [0-9][A-Za-z0-9_.]* )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)
_DESCRIBES = frozenset({b"DESCRIBE", b"DESC"})
_ORDERS = frozenset({b"ASC", b"DESC"})  # "ORDER BY format DESC" names no format
# Without one of these words there is nothing in the middle of a query that concerns us, and most queries need no lexing:
# of a long one it takes milliseconds.
_KEPT_BYTES = 16 * 1024
_NOTEWORTHY = re.compile(rb";|\bformat\b|\boutfile\b|\binfile\b|\bfile\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Query:
    """A statement without data.

    `head` and `tail` are what stands before and after the place of an INTO OUTFILE clause. `fmt` is the output format
    that the statement names, `keyword` its first word in upper case.
    """

    head: bytes
    tail: bytes
    fmt: str | None
    keyword: bytes

    @property
    def selects(self) -> bool:
        """Whether this is a query whose answer may be large."""
        return self.keyword in _SELECTS

    @property
    def reports(self) -> bool:
        """Whether this is another statement that has an answer."""
        return self.keyword in _REPORTS

    @property
    def sql(self) -> bytes:
        """The statement as it came, without what stands behind its end."""
        return self.head + self.tail


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose data follow.

    `sql` ends before SETTINGS, FORMAT or VALUES, `settings` is the SETTINGS clause, `data` what followed in the same
    text.
    """

    sql: bytes
    fmt: str
    data: bytes
    settings: bytes = b""


Statement = Query | Insert


@dataclass(frozen=True, slots=True)
class _Token:
    text: bytes  # in upper case when it is a word
    start: int
    end: int
    is_word: bool


def read_statement(text: bytes, *, complete: bool, readonly: bool) -> Statement:
    """Read one statement.

    Args:
        text: the statement; of an INSERT with a large body, its beginning.
        complete: whether `text` is all there is. An ``INSERT … VALUES`` that is complete is left to the engine whole.
        readonly: refuse what the engine lets through although it is read-only: the scalar function ``file``, which
            reads any file of the machine, and DESCRIBE of a table function, which connects to where it points.

    Raises:
        Failure: more than one statement, an INTO OUTFILE or FROM INFILE clause, or a function that is forbidden.
    """
    keyword = _first_word(text)
    if not keyword:
        raise Failure(62, "SYNTAX_ERROR", "Empty query")
    if keyword == b"INSERT":
        return _read_insert(text, complete=complete)
    # What is asked again and again is the same text with other parameters.
    return (_read_again if len(text) <= _KEPT_BYTES else _read)(text, keyword, readonly=readonly)


def _read(text: bytes, keyword: bytes, *, readonly: bool) -> Statement:
    if not _NOTEWORTHY.search(text) and not (readonly and _may_hide_a_name(text, keyword)):
        return Query(text, b"", None, keyword)
    tokens = _tokens(text)
    while tokens and tokens[-1].text == b";":
        tokens.pop()
    if not tokens:
        raise Failure(62, "SYNTAX_ERROR", "Empty query")
    _check(tokens)
    if readonly:
        _check_readonly(tokens)
    end = tokens[-1].end if tokens else 0
    at = _format_clause(tokens)
    if at is None:
        return Query(text[:end], b"", None, keyword)
    name = text[tokens[at + 1].start : tokens[at + 1].end].decode("ascii", "replace")
    return Query(text[: tokens[at].start], text[tokens[at].start : end], name, keyword)


_read_again = lru_cache(maxsize=256)(_read)


def _first_word(text: bytes) -> bytes:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            return match[0].upper()
    return b""


def _tokens(text: bytes) -> list[_Token]:
    return [
        _Token(match[0].upper() if match["word"] else match[0], match.start(), match.end(), match["word"] is not None)
        for match in _TOKEN.finditer(text)
        if match["space"] is None
    ]


def _may_hide_a_name(text: bytes, keyword: bytes) -> bool:
    """Whether a quoted name may be spelled with escapes, or the statement may call a table function."""
    return keyword in _DESCRIBES or (b"\\" in text and (b"`" in text or b'"' in text))


def _check(tokens: list[_Token]) -> None:
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.text == b";":
            raise Failure(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
        if following is not None and token.text == b"INTO" and following.text == b"OUTFILE":
            raise Failure(48, "NOT_IMPLEMENTED", "INTO OUTFILE is not allowed: read the answer from the response")


def _check_readonly(tokens: list[_Token]) -> None:
    previous = b""
    for token in tokens:
        quoted = token.text[:1] in {b"`", b'"'}
        if quoted and b"\\" in token.text:
            raise Failure(164, "READONLY", "A quoted name with a backslash is not allowed in readonly mode")
        # Not only file(…): arrayMap(file, …) and APPLY file call it as well. A column can be written with its table.
        if token.text.strip(b'`"').upper() == b"FILE" and previous != b"." and (token.is_word or quoted):
            raise Failure(
                164, "READONLY", "The function file is not allowed in readonly mode (write a column as table.file)"
            )
        previous = token.text
    names = [token.text for token in tokens[:4]]
    if names[0] in _DESCRIBES and b"(" in names[2:]:
        raise Failure(164, "READONLY", "DESCRIBE of a table function is not allowed in readonly mode")


def _format_clause(tokens: list[_Token]) -> int | None:
    """The index of the FORMAT that ends the statement (only SETTINGS may follow its name)."""
    for index in range(len(tokens) - 2, 0, -1):
        name = tokens[index + 1]
        if tokens[index].text == b"FORMAT" and name.is_word and name.text not in _ORDERS:
            follows = tokens[index + 2].text if index + 2 < len(tokens) else b"SETTINGS"
            return index if follows == b"SETTINGS" else None
    return None


def _read_insert(text: bytes, *, complete: bool) -> Statement:
    settings: int | None = None
    for word, start, end in _clause_words(text):
        if word == b"SETTINGS" and settings is None:
            settings = start
        if word == b"FORMAT":
            return _insert_with_format(text, settings, start, end)
        if word == b"VALUES" and complete:
            return Query(_single(text, end), b"", None, b"INSERT")
        if word == b"VALUES":
            return _insert(text[:start], settings, "Values", text[end:])
        if word in {b"SELECT", b"WITH", b"WATCH"}:
            return _insert_select(text)
        if word == b"INFILE":
            raise Failure(48, "NOT_IMPLEMENTED", "FROM INFILE is not allowed: send the data in the request's body")
    return _insert(text.rstrip(b" \t\r\n;"), settings, "Values", b"")


def _insert(head: bytes, settings: int | None, fmt: str, data: bytes) -> Insert:
    return Insert(head[:settings], fmt, data, b"" if settings is None else head[settings:])


def _clause_words(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The words of an INSERT outside parentheses, save those that stand where a name does."""
    depth = 0
    previous = b""
    for match in _TOKEN.finditer(text):
        if match["space"] is not None:
            continue
        token = match[0].upper() if match["word"] else match[0]
        depth += (token == b"(") - (token == b")")
        if match["word"] is not None and not depth and previous not in {b"INTO", b"TABLE", b"."}:
            yield token, match.start(), match.end()
        previous = token


def _insert_with_format(text: bytes, settings: int | None, start: int, end: int) -> Insert:
    match = re.compile(rb"\s+(?P<name>\w+)(?P<gap>[ \t\f]*;?\r?\n?)").match(text, end)
    if match is None:
        raise Failure(62, "SYNTAX_ERROR", "Syntax error: a format's name is expected after FORMAT")
    return _insert(text[:start], settings, match["name"].decode("ascii", "replace"), text[match.end() :])


def _insert_select(text: bytes) -> Query:
    tokens = _tokens(text)
    while tokens and tokens[-1].text == b";":
        tokens.pop()
    _check(tokens)
    return Query(text[: tokens[-1].end], b"", None, b"INSERT")


def _single(text: bytes, values_end: int) -> bytes:
    """The text of an INSERT … VALUES, of which nothing may follow a semicolon."""
    tokens = _tokens(text[values_end:])
    while tokens and tokens[-1].text == b";":
        tokens.pop()
    _check(tokens)
    return text[: values_end + tokens[-1].end] if tokens else text
