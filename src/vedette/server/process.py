"""Entry point of the children: ``python -m vedette.server.process server|worker``; settings come by environment."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
import time

from vedette.errors import SettingsError, StartError
from vedette.server.settings import Settings

__all__ = ["EXIT_START_FAILED", "PARENT_VARIABLE", "SETTINGS_VARIABLE", "main", "set_up_logging"]

SETTINGS_VARIABLE = "_VEDETTE_SETTINGS"
PARENT_VARIABLE = "_VEDETTE_SUPERVISOR"

EXIT_START_FAILED = 78
"""Exit status for what only a person can mend (EX_CONFIG of sysexits.h); the supervisor does not try again."""

_PR_SET_PDEATHSIG = 1
_YOUNG_OBJECTS = 20_000
"""New objects before garbage is looked for among them. What is kept, such as plans of expressions, hardly has cycles,
and with Python's 700 it is looked through again and again while it grows."""

_DEEPEST_CALLS = 4_000
"""Calls within calls. An operator of a long sum in PromQL is a level of its tree and takes three; with Python's 1,000,
330 terms were too many. Calls of Python's own functions take no stack of C."""


def main() -> int:
    """Run the process named by the first argument."""
    _die_with_parent()
    name = sys.argv[1]
    settings = Settings.from_json(os.environ[SETTINGS_VARIABLE])
    set_up_logging(settings.log_level)
    # What loading makes stays as long as the process: there is no garbage to look for in it, now or ever.
    gc.disable()
    sys.setrecursionlimit(_DEEPEST_CALLS)
    import uvloop  # noqa: PLC0415 - the supervisor imports this module and stays small

    from vedette.server.certificates import load_aiohttp  # noqa: PLC0415 - the same

    load_aiohttp()

    try:
        if name == "server":
            from vedette.server.app import serve as run  # noqa: PLC0415 - each child loads its own half only
        else:
            from vedette.server.worker import work as run  # noqa: PLC0415
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, 10, 10)
        gc.enable()
        uvloop.run(run(settings))
    except (StartError, SettingsError) as error:
        print(f"vedette: {error}", file=sys.stderr)  # noqa: T201 - for the person who starts it
        return EXIT_START_FAILED
    except asyncio.CancelledError:
        return 1
    return 0


def set_up_logging(level: str) -> None:
    """One line an event on standard error, times in UTC."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        stream=sys.stderr,
        force=True,
    )
    for noisy in ("asyncio", "alembic", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _die_with_parent() -> None:
    """A killed supervisor must not leave children behind that hold ports and locks."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != int(os.environ[PARENT_VARIABLE]):  # it died before the line above
            sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
