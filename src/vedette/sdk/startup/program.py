"""What happens in an instrumented program before its first line, and how it is started."""

from __future__ import annotations

import os
import sys
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.errors import StartError
from vedette.sdk.instrumentation.imports import when_imported

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["begin", "launch"]

_SITE = Path(__file__).parent / "site"
# FastAPI's begins without that of Starlette, its base.
_CLASSES = (
    ("starlette.applications", "Starlette"),
    ("fastapi.applications", "FastAPI"),
    ("flask.app", "Flask"),
    ("litestar.app", "Litestar"),
)
_FACTORIES = (("django.core.wsgi", "get_wsgi_application"), ("django.core.asgi", "get_asgi_application"))


def launch(command: Sequence[str]) -> None:
    """Become `command`, with the SDK in it. Settings are taken from `VEDETTE_*` and `OTEL_*` variables.

    Raises:
        StartError: there is no such program.
    """
    environment = dict(os.environ)
    paths = [str(_SITE), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606 - the command is the caller's own
    except OSError as error:
        hint = f" Is it `vedette run -- python {command[0]}`?" if Path(command[0]).suffix == ".py" else ""
        raise StartError(f"{command[0]!r} cannot be started: {error.strerror}.{hint}") from None


def begin() -> None:
    """Configure the SDK, instrument libraries, and be ready for web frameworks."""
    from vedette.sdk.configure import configure, runtime  # noqa: PLC0415 - after the path is in order
    from vedette.sdk.instrumentation.applications import instrument_libraries  # noqa: PLC0415

    configure()
    if runtime() is None:
        return
    instrument_libraries()
    for module, name in _CLASSES:
        when_imported(module, partial(_each_instance, module, name))
    for module, name in _FACTORIES:
        when_imported(module, partial(_each_result, module, name))


def _each_instance(module: str, name: str) -> None:
    """Instrument every application of a class, once it is made."""
    from vedette.sdk.instrumentation.applications import instrument  # noqa: PLC0415 - the framework is there now

    kind: Any = getattr(sys.modules[module], name)
    original = kind.__init__

    @wraps(original)  # some frameworks look at the parameters
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        instrument(self)

    kind.__init__ = init


def _each_result(module: str, name: str) -> None:
    """Instrument every application that a function gives."""
    from vedette.sdk.instrumentation.applications import instrument  # noqa: PLC0415 - the framework is there now

    home: Any = sys.modules[module]
    original = getattr(home, name)
    setattr(home, name, lambda: instrument(original()))
