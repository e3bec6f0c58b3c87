"""The usual metrics of requests, and `track_requests` for functions that are no routes."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from time import perf_counter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from vedette.sdk.metrics.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["track_requests"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


@overload
def track_requests(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...


@overload
def track_requests(name: str, /, *, namespace: str = ...) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...


def track_requests(target: Any, /, *, namespace: str = "tracked") -> Any:
    """Count the calls of a function: ``@track_requests`` or ``@track_requests("import", namespace="graph")``.

    Gives `<namespace>_requests_total{name,status}` (status `ok` or `error`),
    `<namespace>_request_duration_seconds{name}` and `<namespace>_active_requests{name}`.
    """
    if callable(target):
        return _track(target, str(getattr(target, "__qualname__", target)), namespace)
    return lambda function: _track(function, target, namespace)


def _track(function: Any, name: str, namespace: str) -> Any:
    total = registry.counter(f"{namespace}_requests_total", "Calls by outcome", ["name", "status"])
    seconds = registry.histogram(f"{namespace}_request_duration_seconds", "Seconds per call", ["name"], unit="s")
    active = registry.gauge(f"{namespace}_active_requests", "Calls that are running", ["name"])
    fine, failed = total.labels(name, "ok"), total.labels(name, "error")
    observe, running = seconds.labels(name).observe, active.labels(name)

    if iscoroutinefunction(function):

        @wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            running.inc()
            begin = perf_counter()
            outcome = failed
            try:
                result = await function(*args, **kwargs)
                outcome = fine
                return result
            finally:
                observe(perf_counter() - begin, exemplar=True)
                outcome.inc()
                running.dec()

        return call_async

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        running.inc()
        begin = perf_counter()
        outcome = failed
        try:
            result = function(*args, **kwargs)
            outcome = fine
            return result
        finally:
            observe(perf_counter() - begin, exemplar=True)
            outcome.inc()
            running.dec()

    return call
