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
_MOST_NAMED = 5
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
        client = Client(url, api_key, tenant=tenant)
        found = client.json("/prometheus/api/v1/alerts")["data"]["alerts"]
        found.sort(key=lambda alert: (alert["state"] != "firing", alert["activeAt"]))
        if as_json:
            sys.stdout.write(json.dumps(found, ensure_ascii=not sys.stdout.isatty()) + "\n")
            return
        rules = client.json("/prometheus/api/v1/rules", {"type": "alert", "exclude_alerts": "true"})
        _show(found, rules)


def _show(found: list[dict[str, Any]], rules: dict[str, Any]) -> None:
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
    for doubt in _doubts(rules):
        console.print(Text(doubt, style="yellow"))


def _doubts(answer: dict[str, Any]) -> list[str]:
    """Why there may be more to tell than is told."""
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    failing = [rule["name"] for rule in rules if rule["health"] == "err"]
    waiting = sum(rule["health"] == "unknown" for rule in rules)
    found = [f"The rule files are not used as they are: {inert(text)}" for text in answer.get("warnings", ())]
    if not rules:
        found.append("No alerting rule is evaluated for this tenant.")
    if failing:
        names = ", ".join(failing[:_MOST_NAMED]) + (" …" if len(failing) > _MOST_NAMED else "")
        found.append(
            f"{len(failing)} of {len(rules)} alerting rules fail, what would fire there is not known: {inert(names)}"
        )
    if waiting:
        found.append(f"{waiting} of {len(rules)} alerting rules were not evaluated yet.")
    return found


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
