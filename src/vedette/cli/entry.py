"""The script `vedette`, also where the package is installed without the platform."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from vedette.errors import VedetteError

__all__ = ["main"]


def main() -> None:
    """Run the command line; without what the platform needs there is `vedette run`."""
    if sys.argv[1:2] == ["serve"] and find_spec("typer"):
        from vedette.cli.start import serve_plainly  # noqa: PLC0415 - nothing of it for the other commands

        if (status := serve_plainly(sys.argv[2:])) is not None:
            sys.exit(status)
    try:
        from vedette.cli.main import main as whole  # noqa: PLC0415 - it may not be there
    except ModuleNotFoundError as error:
        _run_alone(sys.argv[1:], error)
    else:
        whole()


def _run_alone(words: list[str], missing: ModuleNotFoundError) -> None:
    from vedette.sdk.startup.program import launch  # noqa: PLC0415 - used by this command alone

    command = words[2:] if words[1:2] == ["--"] else words[1:]
    try:
        if words[:1] == ["run"] and command:
            launch(command)
    except VedetteError as error:
        sys.exit(f"vedette: {error}")
    sys.exit(
        f"vedette: {missing}. Without the platform there is `vedette run -- python app.py`; "
        "the other commands come with: pip install 'vedette[server]'"
    )


if __name__ == "__main__":
    main()
