"""Runs a judged statement inside the caller's tenant."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vedette.errors import EngineError, InvalidInput
from vedette.server.query.sql.names import DATABASE, VIEWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.reader import Reader
    from vedette.server.query.sql.guard import Statement

__all__ = ["run_statement", "schema", "split_format"]

_COLUMNS: Final = Path(__file__).with_name("columns.sql").read_text(encoding="utf-8")
_FORMAT: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)
_FAILED_AT: Final = re.compile(r"failed at position (\d+)")
# What the engine adds that is no help: what else could have stood there, its own names, the statement once more, and
# the clause by which the embedded engine hands on its answer.
_OWN_WORDS: Final = re.compile(
    r"\s*(?:\.? Expected one of:|\.? Maybe you meant|[,.:]? [Ii]n scope |: while executing"
    r"|\nINTO OUTFILE '[^']*' TRUNCATE FORMAT \w+).*",
    re.DOTALL,
)
_SETTINGS: Final = {
    "database": DATABASE,
    # What the functions that look into the process itself would need.
    "allow_introspection_functions": 0,
    "output_format_json_quote_64bit_integers": 0,
}


async def split_format(text: str, default: str) -> tuple[str, str]:
    """Judges a statement; the text to run and the output format that it or the request names.

    Raises:
        InvalidInput: the statement may not run, with position and reason.
    """
    # Parsing is the only work here that takes more than a moment.
    statement = await asyncio.to_thread(_judged, text)
    name = statement.format or default
    if not _FORMAT.fullmatch(name):
        raise InvalidInput(f"{name[:40]!r} is no output format; one is JSONEachRow, others are CSVWithNames, Parquet.")
    return statement.sql, name


def _judged(text: str) -> Statement:
    # The parser takes longer to load than the rest of a start, and is not needed before somebody asks.
    from vedette.server.query.sql.guard import check_statement  # noqa: PLC0415

    return check_statement(text)


async def run_statement(reader: Reader, tenant: str, sql: str, format_name: str) -> AsyncIterator[bytes]:
    """The answer's bytes as the engine makes them.

    Raises:
        InvalidInput: the engine cannot answer the statement: an unknown column, a type that does not fit.
        QueryLimit: it ran past a limit.
    """
    try:
        async with reader.stream(tenant, sql, fmt=format_name, settings=_SETTINGS) as chunks:
            async for chunk in chunks:
                yield chunk
    except EngineError as error:
        raise _blamed(sql, error) from None


async def schema(reader: Reader, tenant: str) -> list[dict[str, Any]]:
    """The tables that statements may read, with the names and types of their columns."""
    rows = await reader.rows(tenant, _COLUMNS, params={"database": DATABASE, "views": sorted(VIEWS)})
    return [
        {"name": row["name"], "columns": [{"name": name, "type": kind} for name, kind in row["columns"]]}
        for row in rows
    ]


def _blamed(sql: str, error: EngineError) -> InvalidInput:
    # The statement is the caller's, so whatever the engine has against it is, too.
    match = _FAILED_AT.search(str(error))
    position = None
    if match:
        # The engine counts bytes from one.
        position = len(sql.encode()[: int(match[1]) - 1].decode("utf-8", "ignore"))
    words = _OWN_WORDS.sub("", str(error)).rstrip(". ")
    return InvalidInput(
        f"The engine cannot answer this statement ({error.name or error.code}): {words}.", position=position
    )
