"""`vedette run`: start a program with the SDK in it, without changing the program."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.sdk.startup.program import launch

__all__ = ["run"]


def run(command: Annotated[list[str], typer.Argument(help="the program and its arguments, after --")]) -> None:
    """Run a Python program instrumented: `vedette run -- python app.py`.

    Settings come from VEDETTE_* and OTEL_* variables, such as VEDETTE_SERVICE and VEDETTE_ENDPOINT.
    """
    launch(command)
