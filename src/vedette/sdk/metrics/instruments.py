"""The instruments: what a program counts, sets and observes.

A counter ticks an `itertools.count`, which is atomic under the interpreter's lock; amounts other than one go to a cell
per thread. A histogram appends to a deque and is folded later. Nothing here takes a lock on the hot path.
"""

from __future__ import annotations

import sys
import threading
from bisect import bisect_right
from collections import deque
from inspect import iscoroutinefunction
from itertools import count
from math import inf, isnan
from threading import get_ident
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk.guard import tell
from vedette.sdk.traces.span import Span, current_context
from vedette.sdk.values import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

__all__ = [
    "Counter",
    "Exemplar",
    "Histogram",
    "Info",
    "Summary",
    "Tally",
    "Timer",
    "UpDownCounter",
    "as_number",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_FOLD_AT = 2048
_MOST_EXEMPLARS = 16
_REPR_HEAD = len("count(")
_NUMBERS = frozenset((int, float))
_INT_END = 1 << 63
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


def as_number(value: Any) -> float | None:
    """`value` as a float, or as it is if it is an `int` of 64 bits; `None`, which is told once, if it is no number."""
    try:
        return value if type(value) is int and -_INT_END < value < _INT_END else float(value)
    except Exception:  # noqa: BLE001 - the host's object may do anything
        tell("odd amount", f"metrics take numbers; a {type(value).__name__} was ignored")
        return None


class Exemplar(NamedTuple):
    """An observation with the trace that it came from."""

    value: float
    time_ns: int
    trace_id: int
    span_id: int


def _exemplar(value: float, context: Any = None) -> Exemplar | None:
    """An exemplar of the span that is current, or in `context`, if it is recorded."""
    span: Any = (current_context() if context is None else context).get(_SPAN_KEY)
    if span is None:
        return None
    if type(span) is Span:  # without making its SpanContext, which nobody else may ask for
        return Exemplar(value, time_ns(), span._trace_id, span._span_id)
    try:
        found = span.get_span_context()
        return Exemplar(value, time_ns(), found.trace_id, found.span_id) if found.trace_flags & 1 else None
    except Exception:  # noqa: BLE001 - a span of another library may be anything; the observation counts all the same
        return None


class Counter:
    """A number that only grows."""

    __slots__ = ("_cells", "_exemplar", "_tick", "_ticks", "line")

    def __init__(self) -> None:
        self.line = ""  # the exposition keeps the series' name and labels here
        self._zero()

    def reset(self) -> None:
        """Begin at zero, again."""
        global epoch  # noqa: PLW0603 - one for the whole process
        epoch += 1
        self._zero()

    def _zero(self) -> None:
        self._ticks = count()
        # Without the interpreter's lock a tick is not atomic: ones go to the thread's cell, too.
        self._tick: Callable[[], Any] = self._ticks.__next__ if not FREE_THREADED else self._add_one
        self._cells: dict[int, float] | None = None
        self._exemplar: Exemplar | None = None

    # No keyword-only parameter: CPython specialises calls of functions that have none.
    def inc(self, amount: float = 1, exemplar: bool = False) -> None:
        """Add `amount`, which must not be negative; `exemplar` notes the current span beside it."""
        if amount == 1:
            self._tick()
        else:
            self._add(amount)
        if exemplar:
            self._exemplar = _exemplar(amount)

    def _add_one(self) -> None:
        self._add_any(1)

    def _add(self, amount: float) -> None:
        number = amount if type(amount) is float else as_number(amount)
        if number is None:
            return
        if not number >= 0:
            tell("negative counter", f"a counter cannot go down or take NaN; {number} was ignored")
            return
        self._add_any(number)

    def _add_any(self, amount: float) -> None:
        cells = self._cells
        if cells is None:
            cells = self._with_cells()
        thread = get_ident()
        try:
            cells[thread] += amount  # no other thread writes this cell
        except KeyError:
            cells[thread] = amount

    def _with_cells(self) -> dict[int, float]:
        global epoch  # noqa: PLW0603 - one for the whole process
        with _making:
            cells = self._cells
            if cells is None:
                cells = self._cells = {}
                epoch += 1
        return cells

    def feed(self, values: list[float]) -> None:
        """Count observations that a tally took."""
        self._add_any(len(values))

    def value(self) -> float:
        """The sum so far: an `int` as long as only whole numbers were added."""
        ticks = ticks_of(self._ticks)
        return ticks if self._cells is None else ticks + sum(list(self._cells.values()))

    def text(self) -> str:
        """The value as the exposition formats print it."""
        if self._cells is None:
            return repr(self._ticks)[_REPR_HEAD:-1]
        return number(self.value())

    def exemplar(self) -> Exemplar | None:
        """The latest exemplar."""
        found = self._exemplar
        value = None if found is None else as_number(found.value)
        return None if found is None or value is None else found._replace(value=value)


class UpDownCounter(Counter):
    """A sum that also goes down (OpenTelemetry's UpDownCounter)."""

    __slots__ = ()

    def _add(self, amount: float) -> None:
        number = amount if type(amount) is float else as_number(amount)
        if number is not None:
            self._add_any(number)


_making = threading.RLock()  # a signal handler may count, too
epoch = 0
"""Changes when a counter gets cells, or begins anew: what the exposition keeps about counters holds no more."""


def ticks_of(counted: count[int]) -> int:
    """How often a counter has ticked."""
    return int(repr(counted)[_REPR_HEAD:-1])


class Timer:
    """Measures a `with` block, sync or async, or as a decorator each call, in seconds."""

    __slots__ = ("_begin", "_record", "seconds")

    def __init__(self, record: Callable[[float], None]) -> None:
        self._record = record
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._begin = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = perf_counter() - self._begin
        self._record(self.seconds)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Measure each call of `function`."""
        record = self._record
        wrapped: Callable[_P, _R] = around(function, lambda: Timer(record))
        return wrapped


def around(function: Any, manager: Callable[[], Any]) -> Any:
    """`function`, sync or async, with a fresh context manager around each call."""
    from functools import wraps  # noqa: PLC0415 - used by decorators only

    if iscoroutinefunction(function):

        @wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            with manager():
                return await function(*args, **kwargs)

        return call_async

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with manager():
            return function(*args, **kwargs)

    return call


class _Observer:
    """Takes observations now and folds them later."""

    __slots__ = ("_exemplars", "_lock", "_pending", "line")

    def __init__(self) -> None:
        self.line: Any = ""
        self.reset()

    def reset(self) -> None:
        """Forget every observation."""
        self._pending: deque[float] = deque()
        self._exemplars: deque[tuple[float, int, int, int]] = deque(maxlen=_MOST_EXEMPLARS)
        self._lock = threading.RLock()  # a garbage collection inside `fold` is observed, too

    def observe(self, value: float, exemplar: bool = False) -> None:
        """Take an observation; `exemplar` notes the current span beside it."""
        pending = self._pending
        pending.append(value)
        if exemplar:
            span: Any = current_context().get(_SPAN_KEY)
            if type(span) is Span:  # without making its SpanContext, which nobody else may ask for
                self._exemplars.append((value, time_ns(), span._trace_id, span._span_id))
            else:
                self.note(value)
        if len(pending) >= _FOLD_AT:
            self.fold()

    def note(self, value: float, context: Any = None) -> None:
        """Keep an exemplar of `value` with the current span, or that of `context`, if it is recorded."""
        found = _exemplar(value, context)
        if found is not None:
            self._exemplars.append(found)

    def time(self) -> Timer:
        """A timer whose seconds are observed."""
        return Timer(self.observe)

    def exemplars(self) -> list[Exemplar]:
        """The latest exemplars."""
        found = [(as_number(value), at, trace, span) for value, at, trace, span in list(self._exemplars)]
        return [Exemplar(value, at, trace, span) for value, at, trace, span in found if value is not None]

    def fold(self) -> None:
        """Bring in what was observed since the last time."""
        with self._lock:
            pending = self._pending
            try:
                values = [pending.popleft() for _ in range(len(pending))]
            except IndexError:  # only this method takes values out; an emptied deque means it was reset
                return
            if values:
                self._take(_numbers(values))

    def _take(self, values: list[float]) -> None:
        raise NotImplementedError


def _numbers(values: list[Any]) -> list[float]:
    """`values`, sorted, without NaN and without what is no number."""
    try:
        total = sum(values)
        plain = type(total) in _NUMBERS and not isnan(total)
        if plain:
            values.sort()
    except Exception:  # noqa: BLE001 - the host's objects may do anything
        plain = False
    return values if plain else sorted(_fine(values))


def _fine(values: list[Any]) -> list[float]:
    """The numbers among `values`, as floats, in their order."""
    fine = [value for value in map(as_number, values) if value is not None and value == value]  # noqa: PLR0124
    if len(fine) < len(values):
        tell("odd observation", f"{len(values) - len(fine)} observations were NaN or no numbers and are left out")
    return fine


class Histogram(_Observer):
    """Counts observations in buckets; `bounds` are the upper bounds, ascending."""

    __slots__ = ("bounds", "counts", "maximum", "minimum", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        super().__init__()

    def reset(self) -> None:
        """Forget every observation."""
        super().reset()
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0
        self.minimum, self.maximum = inf, -inf

    def _take(self, values: list[float]) -> None:
        if not values:
            return
        counts, below, end = self.counts, 0, len(values)
        for place, bound in enumerate(self.bounds):
            upto = bisect_right(values, bound, below)
            if upto != below:
                counts[place] += upto - below
                below = upto
                if below == end:
                    break
        counts[-1] += end - below
        self.total += sum(values)
        self.minimum, self.maximum = min(self.minimum, values[0]), max(self.maximum, values[-1])

    def feed(self, values: list[float]) -> None:
        """Take ascending observations that a tally took."""
        with self._lock:
            self._take(values)

    def count(self) -> int:
        """How many observations were folded in."""
        return sum(self.counts)


class Tally(_Observer):
    """Takes observations for several series at once, and brings them in when it is folded.

    Histograms among `series` observe them, counters count them; `exemplified` gets the exemplars.
    """

    __slots__ = ("_exemplified", "_series")

    def __init__(self, series: Sequence[Counter | Histogram], exemplified: Histogram | None) -> None:
        self._series = tuple(series)
        self._exemplified = exemplified
        super().__init__()

    def fold(self) -> None:
        """Bring in what was observed since the last time."""
        super().fold()
        if self._exemplified is not None:
            taken, kept = self._exemplars, self._exemplified._exemplars
            try:
                while taken:
                    kept.append(taken.popleft())
            except IndexError:  # another thread folds as well
                return

    def _take(self, values: list[float]) -> None:
        for series in self._series:
            series.feed(values)


class Summary(_Observer):
    """Quantiles over the latest `window` observations, with linear interpolation, beside count and sum."""

    __slots__ = ("_recent", "observations", "quantiles", "total", "window")

    def __init__(self, quantiles: Sequence[float], window: int) -> None:
        self.quantiles = tuple(quantiles)
        self.window = window
        super().__init__()

    def reset(self) -> None:
        """Forget every observation."""
        super().reset()
        self._recent: deque[float] = deque(maxlen=self.window)
        self.observations = 0
        self.total = 0.0

    def fold(self) -> None:
        """Bring in what was observed, in the order of time."""
        with self._lock:
            pending = self._pending
            values: list[Any] = [pending.popleft() for _ in range(len(pending))]
            fine = _fine(values)
            self._recent.extend(fine)
            self.observations += len(fine)
            self.total += sum(fine)

    def values(self) -> list[tuple[float, float]]:
        """(quantile, value) pairs; none before the first observation."""
        with self._lock:
            recent = sorted(self._recent)
        if not recent:
            return []
        return [(quantile, interpolated(recent, quantile)) for quantile in self.quantiles]


def interpolated(ordered: Sequence[float], quantile: float) -> float:
    """The quantile (0 to 1) of ascending values, linear between the two nearest ranks."""
    place = quantile * (len(ordered) - 1)
    below = int(place)
    if below + 1 >= len(ordered):
        return ordered[-1]
    low, high = ordered[below], ordered[below + 1]
    return low + (high - low) * (place - below)


class Info:
    """Text about the program, as labels of a series whose value is 1."""

    __slots__ = ("labels", "line")

    def __init__(self) -> None:
        self.line = ""
        self.labels: dict[str, str] = {}

    def info(self, labels: dict[str, str]) -> None:
        """Say `labels` from now on."""
        self.labels = {text_of(key): text_of(value) for key, value in labels.items()}
        self.line = ""

    def reset(self) -> None:
        """Nothing: what is true of the parent is true of its fork."""


def number(value: float) -> str:
    """A number as the exposition formats print it."""
    if type(value) is int:
        return str(value)
    value = float(value)
    if value == inf:
        return "+Inf"
    if value == -inf:
        return "-Inf"
    if isnan(value):
        return "NaN"
    return repr(value) if not value.is_integer() or abs(value) >= 1e15 else f"{int(value)}"
