"""``vedette check``: say whether configuration and rule files would be taken, and what is wrong where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.rules.files import RuleGroup

__all__ = ["app"]

app = typer.Typer(help="Check files before they are used.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="The files to check.", show_default=False)]


@app.command("config")
def config(files: Files) -> None:
    """Check Prometheus' configuration files, as far as Vedette uses them, and the rule files that they name."""
    from vedette.server.alerting import targets as alertmanagers  # noqa: PLC0415 - only these commands need the server
    from vedette.server.rules.files import load_rules  # noqa: PLC0415
    from vedette.server.scrape.config import load_config  # noqa: PLC0415
    from vedette.server.scrape.discovery.files import checked_groups  # noqa: PLC0415
    from vedette.server.scrape.targets import check_addresses  # noqa: PLC0415

    failed = False
    for path in files:
        try:
            found = load_config(path)
            for job in found.jobs:
                check_addresses(job, checked_groups(job.discovery.files))
            for group in found.alerting.alertmanagers:
                alertmanagers.check_addresses(group, checked_groups(group.discovery.files))
            typer.echo(f"{path}: {len(found.jobs)} jobs")
            for pattern in found.rule_files:
                for rule_file in _matching(pattern):
                    _tell(rule_file, load_rules(rule_file))
        except SettingsError as error:
            typer.echo(f"{path}: {error}", err=True)
            failed = True
    if failed:
        raise typer.Exit(1)


@app.command("rules")
def rules(files: Files) -> None:
    """Check Prometheus' rule files."""
    from vedette.server.rules.files import load_rules  # noqa: PLC0415

    failed = False
    for path in files:
        try:
            _tell(path, load_rules(path))
        except SettingsError as error:
            typer.echo(f"{path}: {error}", err=True)
            failed = True
    if failed:
        raise typer.Exit(1)


def _matching(pattern: str) -> list[Path]:
    found = sorted(Path(pattern).parent.glob(Path(pattern).name))
    if not found and not set(pattern) & set("*?["):
        raise SettingsError(f"rule_files: there is no file {pattern}.")
    return found


def _tell(path: Path, groups: Sequence[RuleGroup]) -> None:
    from vedette.server.rules.files import repeated  # noqa: PLC0415

    typer.echo(f"{path}: {sum(len(group.rules) for group in groups)} rules")
    for hint in repeated(groups):
        typer.echo(f"{path}: hint: {hint}")
