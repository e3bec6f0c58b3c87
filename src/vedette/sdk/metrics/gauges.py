"""Instruments that go up and down, and those whose value is read elsewhere.

Steps of one, as those of requests that begin and end, are ticks like a counter's: no lock, and exact under threads.
"""

from __future__ import annotations

import threading
from itertools import count
from time import time_ns
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from vedette.sdk.guard import tell
from vedette.sdk.metrics.instruments import FREE_THREADED, around, as_number, number, ticks_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Gauge", "InProgress", "ObservedCounter"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("_down", "_downs", "_function", "_lock", "_ticked", "_up", "_ups", "_value", "line")

    def __init__(self) -> None:
        self.line = ""
        self._function: Callable[[], float] | None = None
        self.reset()

    def reset(self) -> None:
        """Begin at zero."""
        self._value: float = 0
        self._lock = threading.RLock()  # a signal handler may look, too
        self._ticked = False
        self._up: Callable[[], Any] = self._first_up
        self._down: Callable[[], Any] = self._first_down

    def set(self, value: float) -> None:
        """Set the value; what is no number is ignored, and told once."""
        if type(value) is not float:
            found = as_number(value)
            if found is None:
                return
            value = found
        if self._ticked:
            with self._lock:
                self._begin_ticks()
                self._value = value
        else:
            self._value = value

    def inc(self, amount: float = 1) -> None:
        """Add `amount`."""
        if amount == 1:
            self._up()
        else:
            self._add(amount)

    def dec(self, amount: float = 1) -> None:
        """Subtract `amount`."""
        if amount == 1:
            self._down()
        else:
            found = as_number(amount)
            if found is not None:
                self._add(-found)

    def _add(self, amount: float) -> None:
        found = amount if type(amount) is float else as_number(amount)
        if found is not None:
            with self._lock:
                self._value += found

    # Steps of one are ticks, as a counter's; a gauge that is only set has none.

    def _begin_ticks(self) -> None:
        self._ups, self._downs = count(), count()
        self._up, self._down = self._ups.__next__, self._downs.__next__
        self._ticked = True

    def _first_up(self) -> None:
        if FREE_THREADED:
            self._add(1)
            return
        with self._lock:
            if not self._ticked:
                self._begin_ticks()
        self._up()

    def _first_down(self) -> None:
        if FREE_THREADED:
            self._add(-1)
            return
        with self._lock:
            if not self._ticked:
                self._begin_ticks()
        self._down()

    def set_to_current_time(self) -> None:
        """Set the value to the Unix time in seconds."""
        self._value = time_ns() / 1e9

    def set_function(self, function: Callable[[], float]) -> None:
        """Ask `function` for the value whenever somebody looks."""
        self._function = function

    def track_inprogress(self) -> InProgress:
        """A context manager and decorator that counts what is going on."""
        return InProgress(self)

    def value(self) -> float:
        """The value now; NaN when its function fails."""
        function = self._function
        if function is None:
            if self._ticked:
                with self._lock:
                    return self._value + (ticks_of(self._ups) - ticks_of(self._downs))
            return self._value
        try:
            return float(function())
        except Exception as error:  # noqa: BLE001 - the host's function may do anything
            tell(f"gauge {self.line}", f"the function of a gauge failed: {type(error).__name__}: {error}")
            return float("nan")

    def text(self) -> str:
        """The value as the exposition formats print it."""
        return number(self.value())


class ObservedCounter(Gauge):
    """A growing sum that is read elsewhere and set here: the kernel's counts, a callback's."""

    __slots__ = ()

    def exemplar(self) -> None:
        """Observed sums have none."""


class InProgress:
    """Counts a gauge up on entry and down on exit."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge

    def __enter__(self) -> None:
        self._gauge.inc()

    def __exit__(self, *_: object) -> None:
        self._gauge.dec()

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Count each call of `function` while it runs."""
        wrapped: Callable[_P, _R] = around(function, lambda: self)
        return wrapped
