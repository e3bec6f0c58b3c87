"""What `vedette serve` does, and a way to it past the framework of commands, which takes a third of a second."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.errors import SettingsError, StartError, VedetteError
from vedette.server.process import EXIT_START_FAILED
from vedette.server.settings import load_settings, setting_names
from vedette.server.supervisor import supervise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["run_platform", "serve_plainly"]


def run_platform(flags: Mapping[str, str], config: Path | None) -> int:
    """Run the platform until it is told to stop. Returns the exit status.

    What only a person can mend, a wrong setting too, is one sentence and a status of its own.
    """
    try:
        return asyncio.run(supervise(load_settings(flags, file=config)))
    except (SettingsError, StartError) as error:
        sys.stderr.write(f"vedette: {error}\n")
        return EXIT_START_FAILED


def serve_plainly(words: Sequence[str]) -> int | None:
    """`vedette serve` with these words behind it; None if one of them is anything but an option with its value."""
    if (flags := _flags(words)) is None:
        return None
    config = flags.pop("config", None)
    try:
        return run_platform(flags, Path(config) if config else None)
    except VedetteError as error:
        sys.stderr.write(f"vedette: {error}\n")
        return 1


def _flags(words: Sequence[str]) -> dict[str, str] | None:
    options = {f"--{name.replace('_', '-')}": name for name in ("config", *setting_names())}
    flags: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        given = value if equals else next(rest, None)
        if option not in options or given is None:
            return None
        flags[options[option]] = given
    return flags
