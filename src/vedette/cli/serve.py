"""``vedette serve``: run the platform. Its options are the settings, from their one declaration."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.start import run_platform
from vedette.server.settings import setting_names

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["serve", "with_settings"]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for every setting; it gets those that were given, by name, as `flags`."""

    def run(**options: Any) -> None:  # noqa: ANN401 - options of several types
        flags = {name: options.pop(name) for name in setting_names()}
        command(flags={name: value for name, value in flags.items() if value is not None}, **options)

    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "flags"]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(f"--{name.replace('_', '-')}", help=help_, show_default=default or False, metavar="TEXT"),
            ],
        )
        for name, (default, help_) in setting_names().items()
    ]
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    run.__doc__ = command.__doc__
    return run


@with_settings
def serve(
    *,
    config: Annotated[Path | None, typer.Option(help="a TOML file with settings; vedette.toml here by default")] = None,
    flags: dict[str, str],
) -> None:
    """Run the platform: take telemetry in, keep it, and answer questions about it."""
    sys.exit(run_platform(flags, config))
