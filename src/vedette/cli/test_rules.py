"""``vedette test rules``: run unit tests of rule files, as promtool does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vedette.cli.client import inert
from vedette.errors import SettingsError

__all__ = ["app"]

app = typer.Typer(help="Test what is evaluated later.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Keep ``rules`` a command of its own."""


@app.command("rules")
def rules(files: Annotated[list[Path], typer.Argument(help="Test files.", show_default=False)]) -> None:
    """Run the unit tests of rule files, in promtool's format."""
    from vedette.server.rules.unit_tests import run_test_file  # noqa: PLC0415 - only this command needs the server half

    failed = False
    for path in files:
        warnings: list[str] = []
        try:
            errors, warnings = run_test_file(path)
        except SettingsError as error:
            errors = [str(error)]
        typer.echo(f"{path}: {'FAILED' if errors else 'SUCCESS'}", err=bool(errors))
        for sentence in warnings:
            typer.echo(f"  WARNING: {inert(sentence)}", err=True)
        for sentence in errors:
            typer.echo(f"  {inert(sentence)}", err=True)
        failed |= bool(errors)
    if failed:
        raise typer.Exit(1)
