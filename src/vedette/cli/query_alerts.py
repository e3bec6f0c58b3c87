"""``vedette query alerts``: what fires now, and what is about to."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from vedette.cli.client import DEFAULT_URL, ApiKey, Client, ServerUrl, Tenant, inert, reporting

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["alerts"]

_TOLD = ("summary", "description", "message")
"""Annotations that people write for people, the shortest first."""
_COLOURS = {"firing": "bold red", "pending": "yellow"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def alerts(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The alerts as the API gives them.")] = False,
    url: ServerUrl = DEFAULT_URL,
    api_key: ApiKey = "",
    tenant: Tenant = "",
) -> None:
    """The alerts that fire, and those that are pending; the oldest first."""
    with reporting():
        found = Client(url, api_key, tenant=tenant).json("/prometheus/api/v1/alerts")["data"]["alerts"]
        found.sort(key=lambda alert: (alert["state"] != "firing", alert["activeAt"]))
        if as_json:
            sys.stdout.write(json.dumps(found, ensure_ascii=not sys.stdout.isatty()) + "\n")
            return
        _show(found)


def _show(found: list[dict[str, Any]]) -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for alert in found:
        labels = {name: text for name, text in alert["labels"].items() if name != "alertname"}
        line = Text(f"{alert['state'].upper():8}", style=_COLOURS.get(alert["state"], ""))
        line.append(f"{inert(alert['labels'].get('alertname', ''))}", style="bold")
        line.append(
            f"  {_since(alert['activeAt'])}  {_pairs(labels)}  value {_plain(alert['value'])}", style="not bold"
        )
        console.print(line)
        if told := next((alert["annotations"][name] for name in _TOLD if alert["annotations"].get(name)), ""):
            console.print(Text(f"        {inert(told)}", style="dim"))
    firing = sum(alert["state"] == "firing" for alert in found)
    console.print(Text(f"{firing} firing, {len(found) - firing} pending" if found else "Nothing fires.", style="dim"))


def _pairs(labels: Mapping[str, str]) -> str:
    return inert(", ".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in labels.items()))


def _plain(value: str) -> str:
    """The API writes numbers with an exponent, as Prometheus does."""
    try:
        return f"{float(value):.6g}"
    except ValueError:  # a native histogram
        return inert(value)


def _since(moment: str) -> str:
    seconds = int((dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(moment)).total_seconds())
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR}h"
