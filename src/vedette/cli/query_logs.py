"""``vedette query logs``: search log lines by the server's HTTP API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, ServerUrl, Tenant, inert, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LinePrinter", "logs"]

_PAGE: Final = 1_000
_STYLES: Final = {
    "trace": "dim",
    "debug": "dim",
    "info": "green",
    "warn": "yellow",
    "error": "bold red",
    "fatal": "bold white on red",
}
_TIME_WIDTH: Final = len("2026-07-01T12:00:00.000")


def logs(
    query: Annotated[
        str,
        typer.Argument(
            help='What to look for: severity:>=warn service:checkout "card declined" http.route:"/cart" -retry:true',
            show_default=False,
        ),
    ] = "",
    *,
    since: Annotated[str, typer.Option(help="How far back, or from when: 15m, now-1d/d, 2026-07-01T12:00:00Z.")] = "1h",
    until: Annotated[str, typer.Option(help="Until when.", show_default="now")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Lines at most, the newest ones.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, newest first.")] = False,
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
    tenant: Tenant = "",
) -> None:
    """Search log lines. They are printed like a log, the newest at the end."""
    with reporting():
        found = _newest(Client(url, api_key, tenant=tenant), {"q": query, "from": since, "to": until}, limit)
        if as_json:
            for line in found:
                typer.echo(json.dumps(line))
            return
        printer = LinePrinter()
        shown = list(found)
        for line in reversed(shown):
            printer.show(line)
        if not shown:
            printer.say("No line matches. Look further back with --since.")


def _newest(client: Client, asked: Mapping[str, object], limit: int) -> Iterator[dict[str, Any]]:
    """Page by page, newest first; the cursor keeps out what comes in meanwhile."""
    cursor, left = "", limit
    while left > 0:
        page = client.json("/api/v1/logs", {**asked, "limit": min(left, _PAGE), "cursor": cursor})
        yield from page["logs"]
        left -= len(page["logs"])
        cursor = page["next_cursor"] or ""
        if not cursor:
            return


class LinePrinter:
    """Prints log lines for people: time, severity, service, body, attributes. Nothing in them moves the terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)

    def show(self, line: Mapping[str, Any]) -> None:
        """Prints one line as the API gives it."""
        severity = str(line["severity"])
        body = line["body"] if isinstance(line["body"], str) else json.dumps(line["body"], ensure_ascii=False)
        text = Text.assemble(
            (inert(str(line["time"]))[:_TIME_WIDTH].replace("T", " "), "dim"),
            " ",
            (f"{'-' if severity == 'unset' else severity.upper():5}", _STYLES.get(severity, "")),
            " ",
            (inert(str(line["service"])), "cyan"),
            " ",
            inert(body),
        )
        for key, value in dict(line["attributes"]).items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            text.append(f" {inert(str(key))}=", "dim")
            text.append(inert(shown))
        if line["trace_id"]:
            text.append(f" trace_id={inert(str(line['trace_id']))}", "dim")
        self._console.print(text)

    def say(self, sentence: str) -> None:
        """Prints a remark of ours between the lines."""
        self._console.print(Text(sentence, style="dim"))
