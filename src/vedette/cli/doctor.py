"""``vedette doctor``: looks at a data directory and a running platform, and says what is wrong and what to do."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from vedette.cli.client import ApiKey, Client, RequestFailed, inert
from vedette.errors import SettingsError
from vedette.server.settings import Settings, load_settings
from vedette.server.wal.segments import WalFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["doctor"]

_LOW_DISK = 0.05
_SHOWN = 5
_MARKS = {"ok": "[green]ok[/]   ", "note": "[yellow]note[/] ", "bad": "[red]bad[/]  "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: `level` is ok, note or bad; `advice` says what to do where something is wrong."""

    level: str
    text: str
    advice: str = ""


def doctor(
    *,
    data_dir: Annotated[Path | None, typer.Option(envvar="VEDETTE_DATA_DIR", help="the platform's directory")] = None,
    url: Annotated[str, typer.Option("--url", envvar="VEDETTE_URL", help="its address, if not the settings'")] = "",
    api_key: ApiKey = "",
    as_json: Annotated[bool, typer.Option("--json", help="findings as JSON")] = False,
) -> None:
    """Explain what is wrong and what to do. Exits with 1 if something is."""
    findings = list(_examine(data_dir, url, api_key))
    if as_json:
        typer.echo(json.dumps([{"level": f.level, "text": f.text, "advice": f.advice} for f in findings], indent=2))
    else:
        console = Console()
        for finding in findings:
            console.print(_MARKS[finding.level], end="")
            console.print(inert(finding.text), markup=False, highlight=False)
            if finding.advice:
                console.print(f"      → {inert(finding.advice)}", markup=False, highlight=False)
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(1)


def _examine(data_dir: Path | None, url: str, api_key: str) -> Iterator[Finding]:
    try:
        settings = load_settings({"data_dir": str(data_dir)} if data_dir else None)
    except SettingsError as error:
        yield Finding("bad", str(error), "Mend the setting; `vedette serve --help` lists them all.")
        return
    yield Finding("ok", "The settings are understood.")
    yield from _directory(settings)
    yield from _log(settings)
    yield from _platform(url or f"http://{settings.listen}", api_key, settings.rules_tenant)


def _directory(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir
    if not path.exists():
        yield Finding("note", f"There is no data directory {path} yet.", "`vedette serve` makes it.")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("bad", f"This user may not use {path}.", "Run as its owner, or choose another with --data-dir.")
        return
    usage = shutil.disk_usage(path)
    text = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB are free where {path} lies."
    if usage.free < usage.total * _LOW_DISK:
        yield Finding("bad", text, "Free some space or lower traces_budget, logs_budget and metrics_budget.")
    else:
        yield Finding("ok", text)
    metrics = settings.metrics_budget + settings.metrics_5m_budget + settings.metrics_1h_budget
    budgets = settings.traces_budget + settings.logs_budget + metrics + settings.wal_max_bytes
    used = _bytes_below(path / "engine")
    if budgets - used > usage.free:
        yield Finding(
            "note",
            f"The byte budgets allow {budgets / 1e9:.1f} GB; {used / 1e9:.1f} GB are used and the disk has less left.",
            "Lower the budgets, or the disk fills before they take effect.",
        )


def _bytes_below(path: Path) -> int:
    """The size of all files; parts of tables come and go meanwhile."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118 - one for each of many files
    return total


def _log(settings: Settings) -> Iterator[Finding]:
    folder = WalFolder(settings.wal_dir)
    if not folder.path.exists():
        return
    waiting = sum(segment.length for segment in folder.sealed())
    if waiting > settings.wal_max_bytes // 2:
        yield Finding(
            "bad",
            f"{waiting / 1e6:.0f} MB wait in the write-ahead log; ingest stops at {settings.wal_max_bytes / 1e6:.0f}.",
            "Look into the log of `vedette serve` for why the engine does not take them.",
        )
    else:
        yield Finding("ok", f"{waiting / 1e6:.1f} MB wait in the write-ahead log.")
    notes = sorted(folder.quarantine.glob("*.json"))
    for note in notes[:_SHOWN]:
        yield _quarantined(folder, note)
    if len(notes) > _SHOWN:
        yield Finding("bad", f"… and {len(notes) - _SHOWN} more are in {folder.quarantine}.")
    if not notes:
        yield Finding("ok", "Nothing is in quarantine.")


def _quarantined(folder: WalFolder, note: Path) -> Finding:
    records = note.with_suffix(".rec")
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        reason, back = str(facts["reason"]), facts.get("move_back_as")
    except (OSError, ValueError, KeyError, TypeError):
        return Finding(
            "bad", f"In quarantine: {records.name}; its note cannot be read.", "Keep a copy, then remove both."
        )
    text = f"In quarantine: {records.name}: {reason[:300]}"
    if not back:
        return Finding("bad", text, "It is no whole record any more: keep a copy if you like, then remove both files.")
    move = f"mv {shlex.quote(str(records))} {shlex.quote(str(folder.path / str(back)))}"
    return Finding("bad", text, f"Once the cause is gone: {move} loads it. Otherwise remove both files.")


def _platform(url: str, api_key: str, rules_tenant: str) -> Iterator[Finding]:
    client = Client(url, api_key, timeout_seconds=5)
    try:
        _ask(client, "/healthz")
    except RequestFailed as error:
        if error.status:
            yield Finding("bad", f"At {url} is no Vedette: {error}", "Name its address with --url, or free the port.")
        else:
            yield Finding("note", f"No platform answers at {url}.", "Start it with `vedette serve`.")
        return
    yield Finding("ok", f"The platform answers at {url}.")
    try:
        _ask(client, "/readyz")
        yield Finding("ok", "It is ready: engine, tables, log and replay.")
    except RequestFailed as error:
        yield Finding("bad", f"It is not ready: {error}", "Its log says more; a replay needs only time.")
    try:
        totals = client.json("/api/v1/ledger", {"from": "now-24h"}).get("totals", [])
    except RequestFailed as error:
        yield Finding("note", f"The ledger cannot be read: {error}", "Give a key with the scope read by --api-key.")
        return
    for line in totals[:_SHOWN]:
        yield Finding(
            "note",
            f"In the last 24 h, {line['count']} of {line['signal']} were not kept: {line['reason']}.",
            f"`curl '{url}/api/v1/ledger?from=24h'` lists them with details.",
        )
    if not totals:
        yield Finding("ok", "Nothing was refused or dropped in the last 24 hours.")
    with contextlib.suppress(RequestFailed):  # a key of another tenant than the rules'
        yield from _rules(Client(url, api_key, tenant=rules_tenant, timeout_seconds=5))


def _rules(client: Client) -> Iterator[Finding]:
    """Rules that cannot be evaluated, and alerts that nobody is told of."""
    document = client.json("/prometheus/api/v1/rules")
    for warning in document.get("warnings", ()):
        yield Finding("bad", f"The rule files are not used as they are: {warning}", "Mend the file; it is read again.")
    rules = [rule for group in document["data"]["groups"] for rule in group["rules"]]
    failing = [rule for rule in rules if rule["health"] == "err"]
    for rule in failing[:_SHOWN]:
        text = f"The rule {rule['name']} fails: {rule['lastError']}"
        yield Finding("bad", text, "The page of rules shows it; `vedette check rules` checks its file.")
    if len(failing) > _SHOWN:
        yield Finding("bad", f"… and {len(failing) - _SHOWN} rules more fail.")
    if rules and not failing:
        yield Finding("ok", f"{len(rules)} rules are evaluated.")
    told = client.json("/prometheus/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    for one in told:
        if fault := one.get("lastError"):
            text = f"The Alertmanager {one['url']} did not take the last alerts: {fault}"
            yield Finding("bad", text, "They are told again every minute while they fire.")
    if not told and any(rule["type"] == "alerting" for rule in rules):
        yield Finding(
            "note",
            "Alerts are evaluated, and nobody is told of them.",
            "Name an Alertmanager under `alerting` in the file of --scrape-config.",
        )


def _ask(client: Client, path: str) -> None:
    for _ in client.chunks(path):
        pass
