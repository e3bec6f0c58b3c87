"""Vedette: observability for Python services and AI agents, in one package.

The names here are the SDK; they are loaded when they are first used, so that `import vedette` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.sdk.configure import configure, flush, shutdown
    from vedette.sdk.traces.spans import current_span, span, traced

__all__ = [
    "__version__",
    "configure",
    "current_span",
    "flush",
    "shutdown",
    "span",
    "traced",
]

__version__ = "0.1.0"

_HOMES = {
    "configure": "vedette.sdk.configure",
    "flush": "vedette.sdk.configure",
    "shutdown": "vedette.sdk.configure",
    "current_span": "vedette.sdk.traces.spans",
    "span": "vedette.sdk.traces.spans",
    "traced": "vedette.sdk.traces.spans",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - most programs that import vedette have it loaded

    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
