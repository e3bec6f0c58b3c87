"""Threads and thread pools go on in the context of whoever started them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

__all__ = ["instrument", "uninstrument"]

_originals: tuple[Any, Any] | None = None


def instrument() -> None:
    """Carry the current span, baggage and log context into threads and pools that are used from now on."""
    global _originals  # noqa: PLW0603 - installed once per process
    if _originals is not None:
        return
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    _originals = (start, submit)

    def start_in_context(self: threading.Thread) -> None:
        run, context = self.run, copy_context()
        self.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(self)

    def submit_in_context(self: ThreadPoolExecutor, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, copy_context().run, function, *args, **kwargs)

    threading.Thread.start = start_in_context  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[method-assign, assignment]


def uninstrument() -> None:
    """Leave threads alone again."""
    global _originals  # noqa: PLW0603 - installed once per process
    if _originals is not None:
        threading.Thread.start, ThreadPoolExecutor.submit = _originals  # type: ignore[method-assign]
        _originals = None
