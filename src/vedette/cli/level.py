"""``vedette level``: the log levels of programs that run, changed without touching them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, ServerUrl, inert, reporting

__all__ = ["app"]

app = typer.Typer(name="level", help="Log levels of running programs, changed from here.", no_args_is_help=True)

_PATH = "/api/v1/log-levels"

Logger = Annotated[str, typer.Argument(help="A logger and those below it, for example app.payments; root is all.")]
Service = Annotated[str, typer.Option("--service", help="Service whose programs are told; * is every service.")]


@app.command("list")
def list_(*, url: ServerUrl = DEFAULT_URL, api_key: ApiKey = "") -> None:
    """Show what programs are told."""
    with reporting():
        found: list[dict[str, Any]] = Client(url, api_key).json(_PATH)["levels"]
        if not found:
            typer.echo("No level is set: every program logs as it was configured.")
            return
        table = Table(box=None, header_style="bold")
        for column in ("service", "logger", "level", "since"):
            table.add_column(column)
        for row in found:
            table.add_row(*(Text(inert(str(row[key]))) for key in ("service", "logger", "level", "updated")))
        Console().print(table)


@app.command("set")
def set_(
    logger: Logger,
    level: Annotated[str, typer.Argument(help="debug, info, warning, error or critical.")],
    *,
    service: Service = "*",
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Set a level. Programs on our SDK hear of it with the next answer to what they send."""
    with reporting():
        body = json.dumps({"service": service, "logger": logger, "level": level.lower()}).encode()
        Client(url, api_key).json(_PATH, method="PUT", body=body)


@app.command()
def remove(logger: Logger, *, service: Service = "*", url: ServerUrl = DEFAULT_URL, api_key: ApiKey = "") -> None:
    """Take a level back: programs log again as they were configured."""
    with reporting():
        for _ in Client(url, api_key).chunks(_PATH, {"service": service, "logger": logger}, method="DELETE"):
            pass
