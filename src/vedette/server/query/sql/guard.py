"""The guard before read-only SQL: one statement that reads, of tables and functions that may be named.

What runs is the text that was judged: comments are blanked out first, as parsers disagree about where they end, and
whatever two parsers could read differently (heredocs, quotes in quoted names, letters outside ASCII outside quotes)
is refused. So the words that are judged are the words that the engine reads, and what is refused word by word (foreign
databases, functions that reach further, settings) is refused wherever it stands. Blanking keeps every character where
it was, so positions in the engine's messages are still right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from vedette.errors import InvalidInput
from vedette.server.query.sql.names import DATABASE, TABLE_FUNCTIONS, VIEWS, is_denied_function

__all__ = ["MAX_CHARACTERS", "Statement", "check_statement"]

MAX_CHARACTERS: Final = 32 * 1024
MAX_TOKENS: Final = 16_384
MAX_DEPTH: Final = 60

_BEGINNINGS: Final = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN})
_OPENING: Final = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING: Final = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_QUOTED: Final = frozenset({TokenType.STRING, TokenType.IDENTIFIER})
_REFUSED_TOKENS: Final = {
    TokenType.HEREDOC_STRING: "A heredoc ($$…$$) is not supported; write a string in single quotes.",
    TokenType.PARAMETER: '"@" is not supported.',
    TokenType.L_BRACE: "Parameters in braces are not supported; write the value.",
    TokenType.BLOCK_START: "Templates are not supported.",
}
_REFUSED_WORDS: Final = {
    "SETTINGS": "SETTINGS are not allowed; limits are the server's.",
    "OUTFILE": "INTO OUTFILE is not allowed; the answer comes over HTTP.",
    "INFILE": "FROM INFILE is not allowed.",
}
_TEXT: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_NAME: Final = re.compile(r"""(["`])[^"'`\\]*\1""")
_PLAIN: Final = re.compile(r"""[^"'`\\#$]+""")
_UNCLOSED: Final = "The statement cannot be read: a quotation mark or a comment in it is never closed."
_FOREIGN_DATABASES: Final = frozenset({"system", "information_schema", "vedette", "default"})
_FORMAT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{1,63}", re.ASCII)
_NOT_BLANK: Final = re.compile(r"[^\n]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that may run: its text without comments and FORMAT clause, and the format it named."""

    sql: str
    format: str | None


def check_statement(text: str) -> Statement:
    """Judges a statement.

    Raises:
        InvalidInput: with the position, the reason, and what to write instead.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(f"The statement has {len(text):,} characters and may have {MAX_CHARACTERS:,}.")
    if control := _CONTROL.search(text):
        raise InvalidInput("The statement holds a control character; remove it.", position=control.start())
    tokens = _tokens(text)
    _check_tokens(text, tokens)
    sql = _without_comments(text, tokens)
    sql, format_name = _split_format(sql, tokens)
    try:
        _check_tree(_parsed(sql))
    except RecursionError:
        raise InvalidInput("The statement is nested too deeply; use WITH to name its parts.") from None
    return Statement(sql, format_name)


def _tokens(text: str) -> list[Token]:
    try:
        tokens = ClickHouse().tokenize(text)
    except TokenError as error:
        raise InvalidInput(_UNCLOSED) from error
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise InvalidInput("The statement is empty. Write one, for example SELECT count() FROM spans.")
    if len(tokens) > MAX_TOKENS:
        raise InvalidInput(f"The statement has {len(tokens):,} words and signs and may have {MAX_TOKENS:,}.")
    if tokens[0].token_type not in _BEGINNINGS:
        raise InvalidInput(
            f"Only SELECT, WITH … SELECT and UNION can be asked, not {tokens[0].text[:40]!r}. "
            "For the tables and columns see GET /api/v1/sql/schema.",
            position=tokens[0].start,
        )
    return tokens


def _check_tokens(text: str, tokens: list[Token]) -> None:
    """What can be judged of the words alone, however they are put together."""
    depth = 0
    for index, token in enumerate(tokens):
        kind = token.token_type
        if kind in _OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"Brackets are nested deeper than {MAX_DEPTH} levels.", position=token.start)
        elif kind in _CLOSING:
            depth -= 1
        elif kind is TokenType.SEMICOLON:
            raise InvalidInput("Send one statement at a time.", position=token.start)
        if reason := _REFUSED_TOKENS.get(kind):
            raise InvalidInput(reason, position=token.start)
        _check_spelling(text, token)
        if kind is not TokenType.STRING:
            _check_word(tokens, index)


def _check_spelling(text: str, token: Token) -> None:
    """Every token must read the same to every parser: where one sees a text, another must not see the statement."""
    source = text[token.start : token.end + 1]
    if token.token_type is TokenType.STRING:
        if not _TEXT.fullmatch(source):
            raise InvalidInput("This text in quotes cannot be read without doubt.", position=token.start)
    elif token.token_type is TokenType.IDENTIFIER:
        if not _NAME.fullmatch(source):
            raise InvalidInput("A quoted name may hold neither quotes nor a backslash.", position=token.start)
    elif not source.isascii():
        raise InvalidInput(
            f"{source[:20]!r} has a character outside ASCII; put a name in \"double\" and a text in 'single' quotes.",
            position=token.start,
        )
    elif not _PLAIN.fullmatch(source) or "--" in source or "/*" in source:
        raise InvalidInput(f"{source[:20]!r} is not understood.", position=token.start)


def _check_word(tokens: list[Token], index: int) -> None:
    token = tokens[index]
    following = tokens[index + 1].token_type if index + 1 < len(tokens) else None
    word = token.text
    quoted = token.token_type is TokenType.IDENTIFIER
    if not quoted and (reason := _REFUSED_WORDS.get(word.upper())):
        raise InvalidInput(f"{reason} (Put a column of this name in double quotes.)", position=token.start)
    if following is TokenType.DOT and word.lower() in _FOREIGN_DATABASES:
        raise InvalidInput(
            f"{word!r} cannot be asked; the tables are {', '.join(sorted(VIEWS))}.", position=token.start
        )
    called = following is TokenType.L_PAREN and token.token_type is not TokenType.IN
    if (called or _is_applied(tokens, index)) and is_denied_function(word):
        raise InvalidInput(
            f"The function {word[:40]!r} is not allowed: it reaches beyond the tables.", position=token.start
        )


def _is_applied(tokens: list[Token], index: int) -> bool:
    """Whether the word is the function of ``APPLY(function)`` or ``APPLY function``."""
    before = [token.text.upper() for token in tokens[max(0, index - 2) : index]]
    return before[-1:] == ["APPLY"] or before == ["APPLY", "("]


def _without_comments(text: str, tokens: list[Token]) -> str:
    """The text with blanks for everything between the tokens, and after the last."""
    parts, end = [], 0
    for token in tokens:
        parts.append(_NOT_BLANK.sub(" ", text[end : token.start]))
        parts.append(text[token.start : token.end + 1])
        end = token.end + 1
    return "".join(parts)


def _split_format(sql: str, tokens: list[Token]) -> tuple[str, str | None]:
    """Takes a FORMAT clause from the end: the engine is told the format in another way."""
    if len(tokens) <= 2 or tokens[-2].text.upper() != "FORMAT" or tokens[-2].token_type in _QUOTED:  # noqa: PLR2004 - the clause alone is no statement
        return sql, None
    name = tokens[-1].text
    if tokens[-1].token_type in _QUOTED or not _FORMAT_NAME.fullmatch(name):
        raise InvalidInput(f"{name[:40]!r} is no output format.", position=tokens[-1].start)
    return sql[: tokens[-2].start].rstrip(), name


def _parsed(sql: str) -> exp.Expr:
    try:
        trees = sqlglot.parse(sql, dialect="clickhouse")
    except ParseError as error:
        raise _unparsed(sql, error) from None
    except TokenError as error:
        raise InvalidInput(_UNCLOSED) from error
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Query):
        raise InvalidInput("Only SELECT, WITH … SELECT and UNION can be asked.", position=0)
    return tree


def _check_tree(tree: exp.Expr) -> None:
    """Which tables are read: views of ours, names from WITH, and functions that make rows from nothing."""
    known = VIEWS | {cte.alias for cte in tree.find_all(exp.CTE)}
    for node in tree.walk():
        if isinstance(node, exp.DDL | exp.DML | exp.Command | exp.Into) and not isinstance(node, exp.Query):
            raise InvalidInput("Only reading is allowed.", position=_position(node))
        if isinstance(node, exp.Table):
            _check_table(node, known)
        elif isinstance(node, exp.In):
            _check_in(node)


def _check_table(table: exp.Table, known: frozenset[str] | set[str]) -> None:
    position = _position(table)
    if isinstance(table.this, exp.Func):
        name = table.this.name if isinstance(table.this, exp.Anonymous) else table.this.sql_name()
        if name.lower() not in TABLE_FUNCTIONS or table.db:
            raise InvalidInput(
                f"The table function {name[:40]!r} is not allowed; rows come from the tables "
                f"{', '.join(sorted(VIEWS))}, or from numbers(…).",
                position=position,
            )
        return
    if table.catalog or table.db not in {"", DATABASE} or (table.db and table.name not in VIEWS):
        raise InvalidInput(
            f"There is no table {table.sql('clickhouse')[:60]!r}; there are {', '.join(sorted(VIEWS))}.",
            position=position,
        )
    if table.name not in known:
        raise InvalidInput(
            f"There is no table {table.name[:60]!r}; there are {', '.join(sorted(VIEWS))}.", position=position
        )


def _check_in(node: exp.In) -> None:
    """The engine takes a name to the right of IN for a table's."""
    listed: list[Any] = node.expressions
    right = node.args.get("field") or (listed[0] if len(listed) == 1 else None)
    while isinstance(right, exp.Paren):
        right = right.this
    if isinstance(right, exp.Dot) or (isinstance(right, exp.Column) and right.table):
        raise InvalidInput("A table to the right of IN must be asked: write IN (SELECT …).", position=_position(right))


def _position(node: exp.Expr) -> int | None:
    """Where a node begins: the first of the names in it that the parser noted a place for."""
    starts = [part.meta["start"] for part in node.walk() if part.meta and isinstance(part.meta.get("start"), int)]
    return min(starts, default=None)


def _unparsed(sql: str, error: ParseError) -> InvalidInput:
    first = error.errors[0] if error.errors else {}
    what = str(first.get("description") or "it cannot be read").rstrip(".")
    lines = sql.split("\n")
    line, column = int(first.get("line") or 1), int(first.get("col") or 1)
    before = sum(len(text) + 1 for text in lines[: line - 1])
    highlighted = str(first.get("highlight") or "")
    position = max(0, min(before + column - max(1, len(highlighted)), len(sql)))
    near = f" near {highlighted[:40]!r}" if highlighted else ""
    return InvalidInput(f"The statement cannot be parsed{near}: {what}.", position=position)
