"""``vedette tail``: follow log lines as they come in, by the server's HTTP API."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, ServerUrl, Tenant, reporting
from vedette.cli.query_logs import LinePrinter

__all__ = ["tail"]


def tail(
    query: Annotated[
        str,
        typer.Argument(help="Only lines that match: severity:>=warn service:checkout.", show_default=False),
    ] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
    tenant: Tenant = "",
) -> None:
    """Follow log lines as they come in, until Ctrl-C. A broken connection is taken up again where it ended."""
    with reporting():
        printer = LinePrinter()
        # After a break within a batch the server sends all of it again.
        batch: set[str] = set()
        for event in Client(url, api_key, tenant=tenant).events("/api/v1/logs/tail", {"q": query}):
            if event.name == "position":
                batch.clear()
            elif event.name == "skipped":
                if not as_json:
                    printer.say(f"… {json.loads(event.data)['lines']} more lines came in at once and are left out.")
            elif event.name == "message":
                line = json.loads(event.data)
                if line["id"] in batch:
                    continue
                batch.add(line["id"])
                if as_json:
                    typer.echo(json.dumps(line))
                else:
                    printer.show(line)
