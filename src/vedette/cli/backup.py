"""``vedette backup`` and ``vedette restore``: of a running platform, through its API."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, ServerUrl, reporting
from vedette.errors import VedetteError

__all__ = ["backup", "restore"]

_POLL_SECONDS = 0.5


def backup(
    name: Annotated[str, typer.Argument(help="name of the backup; the time by default")] = "",
    *,
    list_: Annotated[bool, typer.Option("--list", help="list the finished backups instead")] = False,
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Back up everything while the platform runs."""
    with reporting():
        client = Client(url, api_key)
        if list_:
            _show(client.json("/api/v1/backups"))
            return
        name = name or datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        client.json("/api/v1/backups", method="POST", body=json.dumps({"name": name}).encode())
        _wait(client, f"Backing up to {name}")
        _show([found for found in client.json("/api/v1/backups") if found["name"] == name])


def restore(
    name: Annotated[str, typer.Argument(help="name of the backup; `vedette backup --list` shows them")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
) -> None:
    """Go back to a backup: replaces everything stored since."""
    with reporting():
        client = Client(url, api_key)
        if not yes:
            typer.confirm(f"Replace everything stored at {url} by the backup {name}?", abort=True)
        client.json(f"/api/v1/backups/{name}/restore", method="POST")
        _wait(client, f"Restoring {name}")
        typer.echo(f"Restored {name}.")


def _wait(client: Client, doing: str) -> None:
    with Console(stderr=True).status(f"{doing} …"):
        while (status := client.json("/api/v1/backups/status"))["state"] in {"waiting", "running"}:
            time.sleep(_POLL_SECONDS)
    if status["state"] == "failed":
        raise VedetteError(f"The {status['action']} failed: {status['error']}")


def _show(manifests: list[dict[str, Any]]) -> None:
    table = Table("name", "made", "MiB", "version", "keys and users")
    for found in manifests:
        made = datetime.fromtimestamp(found["created"], UTC).isoformat(timespec="seconds")
        size = f"{found['bytes'] / (1 << 20):.1f}"
        table.add_row(found["name"], made, size, found["version"], "yes" if found["control"] else "no")
    Console().print(table)
