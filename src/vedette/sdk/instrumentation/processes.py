"""Processes and process pools go on in the trace and the log context of whoever started them.

A forked process has its parent's context anyway; to one that is spawned it is sent along.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import propagate
from opentelemetry import trace as api
from opentelemetry.context import Context, attach, detach

from vedette.sdk.context import fields as context_fields
from vedette.sdk.instrumentation.imports import when_imported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["instrument", "uninstrument"]

_originals: dict[str, Any] = {}


class _Carried(NamedTuple):
    """A context as it can be sent: the headers of the propagators, and the fields of log lines."""

    headers: dict[str, str]
    fields: dict[str, Any] | str | None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make it current."""
        token, fields_token = attach(propagate.extract(self.headers, Context())), context_fields.set(self.fields)
        try:
            yield
        finally:
            context_fields.reset(fields_token)
            detach(token)


class _Task(NamedTuple):
    """A function with the context that it is called in."""

    carried: _Carried
    function: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self.carried.entered():
            return self.function(*args, **kwargs)


_NOTHING = _Carried({}, None)
# What a process of a pool runs: it is there for tasks of any trace.
_WORKERS = frozenset(("concurrent.futures.process", "multiprocessing.pool"))


def _carried() -> _Carried:
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return _Carried(headers, context_fields.get())


def instrument() -> None:
    """Carry the current trace, baggage and log context into processes and pools that are used from now on."""
    if not _originals:
        _originals["asked"] = True
        when_imported("multiprocessing.process", _processes)
        when_imported("concurrent.futures.process", _pools)


def _processes() -> None:
    kind: Any = sys.modules["multiprocessing.process"].BaseProcess
    start, bootstrap = kind.start, kind._bootstrap
    _originals["process"] = (start, bootstrap)

    @wraps(start)
    def start_carrying(self: Any) -> None:
        worker = getattr(self._target, "__module__", "") in _WORKERS
        self._vedette = _NOTHING if worker else _carried()
        start(self)

    @wraps(bootstrap)
    def run_carried(self: Any, *args: Any, **kwargs: Any) -> Any:
        carried = getattr(self, "_vedette", _NOTHING)
        if carried != _NOTHING and api.get_current_span().get_span_context().is_valid:  # a fork
            return bootstrap(self, *args, **kwargs)
        with carried.entered():
            return bootstrap(self, *args, **kwargs)

    kind.start, kind._bootstrap = start_carrying, run_carried


def _pools() -> None:
    kind: Any = sys.modules["concurrent.futures.process"].ProcessPoolExecutor
    submit = _originals["pool"] = kind.submit

    @wraps(submit)
    def submit_carrying(self: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, _Task(_carried(), function), *args, **kwargs)

    kind.submit = submit_carrying


def uninstrument() -> None:
    """Leave processes alone again."""
    if "process" in _originals:
        kind: Any = sys.modules["multiprocessing.process"].BaseProcess
        kind.start, kind._bootstrap = _originals["process"]
    if "pool" in _originals:
        sys.modules["concurrent.futures.process"].ProcessPoolExecutor.submit = _originals["pool"]
    _originals.clear()
