"""``vedette query sql``: ask in SQL by the server's HTTP API."""

from __future__ import annotations

import codecs
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, ServerUrl, Tenant, inert, reporting

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["sql"]

_PATH = "/api/v1/sql"
_SHOWN_ROWS = 1_000


def sql(
    statement: Annotated[
        str,
        typer.Argument(
            help="A SELECT over spans, logs, samples, series …; - reads it from standard input.", show_default=False
        ),
    ],
    *,
    output: Annotated[
        str,
        typer.Option(
            "--format",
            help="Any output format of ClickHouse: JSONEachRow, CSVWithNames, Parquet …",
            show_default="a table on a terminal, else TSVWithNames",
        ),
    ] = "",
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
    tenant: Tenant = "",
) -> None:
    """Ask in SQL (ClickHouse's dialect), read-only."""
    with reporting():
        text = sys.stdin.read() if statement == "-" else statement
        client, body = Client(url, api_key, tenant=tenant), text.encode("utf-8", "replace")
        if not output and sys.stdout.isatty():
            _show_table(client, body)
            return
        chunks = client.chunks(
            _PATH, {"format": output or "TSVWithNames"}, method="POST", body=body, content_type="text/plain"
        )
        _copy(chunks)


def _show_table(client: Client, body: bytes) -> None:
    answer = client.chunks(_PATH, {"format": "JSONCompact"}, method="POST", body=body, content_type="text/plain")
    raw = b"".join(answer)
    try:
        document = json.loads(raw)
        columns, rows = document["meta"], document["data"]
    except (ValueError, KeyError, TypeError):
        # The statement names a format of its own.
        _copy([raw])
        return
    table = Table(highlight=False)
    for column in columns:
        numeric = column["type"].startswith(("UInt", "Int", "Float", "Decimal"))
        table.add_column(Text(inert(column["name"])), justify="right" if numeric else "left", overflow="fold")
    for row in rows[:_SHOWN_ROWS]:
        table.add_row(*(Text(inert(_cell(value))) for value in row))
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(table)
    more = f", {_SHOWN_ROWS} of them shown; --format gives all" if len(rows) > _SHOWN_ROWS else ""
    console.print(Text(f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}{more}", style="dim"))


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _copy(chunks: Iterable[bytes]) -> None:
    """The bytes as they are into a file or pipe; on a terminal what it would obey is written out."""
    if not sys.stdout.isatty():
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        sys.stdout.write(inert(decoder.decode(chunk), keep_newlines=True))
    sys.stdout.flush()
