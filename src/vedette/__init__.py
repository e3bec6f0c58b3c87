"""Vedette: observability for Python services and AI agents, in one package.

The names here are the SDK; they are loaded when they are first used, so that `import vedette` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.sdk.metrics import preloaded as _preloaded  # noqa: F401 - what is before a fork is seen here alone
from vedette.version import __version__

if TYPE_CHECKING:
    from vedette.sdk.agents.budget import Budget, BudgetExceeded
    from vedette.sdk.agents.observability import ObservableAgent, observe
    from vedette.sdk.audit.events import audit
    from vedette.sdk.configure import configure, flush, shutdown
    from vedette.sdk.context import context, correlation_id
    from vedette.sdk.instrumentation.applications import instrument
    from vedette.sdk.logs.logger import Logger, get_logger, set_level
    from vedette.sdk.metrics.requests import track_requests
    from vedette.sdk.metrics.surface import counter, gauge, histogram, info, metrics_text, summary
    from vedette.sdk.traces.spans import current_span, span, traced

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Logger",
    "ObservableAgent",
    "__version__",
    "audit",
    "configure",
    "context",
    "correlation_id",
    "counter",
    "current_span",
    "flush",
    "gauge",
    "get_logger",
    "histogram",
    "info",
    "instrument",
    "metrics_text",
    "observe",
    "set_level",
    "shutdown",
    "span",
    "summary",
    "traced",
    "track_requests",
]

_HOMES = {
    "Budget": "vedette.sdk.agents.budget",
    "BudgetExceeded": "vedette.sdk.agents.budget",
    "ObservableAgent": "vedette.sdk.agents.observability",
    "observe": "vedette.sdk.agents.observability",
    "audit": "vedette.sdk.audit.events",
    "configure": "vedette.sdk.configure",
    "flush": "vedette.sdk.configure",
    "shutdown": "vedette.sdk.configure",
    "context": "vedette.sdk.context",
    "correlation_id": "vedette.sdk.context",
    "Logger": "vedette.sdk.logs.logger",
    "counter": "vedette.sdk.metrics.surface",
    "gauge": "vedette.sdk.metrics.surface",
    "get_logger": "vedette.sdk.logs.logger",
    "histogram": "vedette.sdk.metrics.surface",
    "info": "vedette.sdk.metrics.surface",
    "instrument": "vedette.sdk.instrumentation.applications",
    "metrics_text": "vedette.sdk.metrics.surface",
    "summary": "vedette.sdk.metrics.surface",
    "track_requests": "vedette.sdk.metrics.requests",
    "set_level": "vedette.sdk.logs.logger",
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
