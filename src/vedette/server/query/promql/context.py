"""What all parts of an evaluation share: the data, the limits, the annotations and the steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.errors import QueryCancelled, QueryTimeout, TooManySamples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vedette.server.query.promql.annotations import Annotations
    from vedette.server.query.promql.ast import VectorSelector
    from vedette.server.query.promql.block import Ints
    from vedette.server.query.promql.source import SelectedSeries, SelectRequest

DEFAULT_LOOKBACK_MS: Final = 300_000
NEVER_STOPS: Final = np.zeros(1, np.int64)
"""For what is computed where nobody can stop it."""
_EXECUTION: Final = "query execution"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take.

    `max_samples` bounds the samples that are read, and the points that any part of the expression holds at a time;
    `max_series` the series of any part; `timeout_seconds` the time from the call to the answer.
    """

    max_samples: int = 50_000_000
    max_series: int = 500_000
    timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Options:
    """How Prometheus' switches stand.

    `delayed_name_removal` keeps the names of metrics until the end of the evaluation (``promql-delayed-name-removal``).
    `type_and_unit_labels` trusts ``__type__`` more than a metric's name (``type-and-unit-labels``).
    `start_times` uses the start times of samples (``use-start-timestamps``).
    `subquery_step_ms` is the step of a subquery that names none.
    """

    delayed_name_removal: bool = False
    type_and_unit_labels: bool = False
    start_times: bool = True
    subquery_step_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Steps:
    """The moments at which an expression is evaluated; one moment has step 1."""

    start_ms: int
    step_ms: int
    count: int

    @property
    def times(self) -> Ints:
        """All moments."""
        if self.count == 1:
            return np.array([self.start_ms], np.int64)
        return self.start_ms + self.step_ms * np.arange(self.count, dtype=np.int64)

    @property
    def end_ms(self) -> int:
        """The last moment."""
        return self.start_ms + self.step_ms * (self.count - 1)

    @property
    def first(self) -> Steps:
        """The first moment alone."""
        return Steps(self.start_ms, self.step_ms, 1)


@dataclass(slots=True)
class Context:
    """One query's evaluation."""

    annotations: Annotations
    limits: Limits
    options: Options
    lookback_ms: int
    deadline: float
    data: Sequence[SelectedSeries] = ()
    places: dict[int, int] = field(default_factory=dict)
    numbers: Mapping[int, float] = field(default_factory=dict)
    """What stands in the expression instead of some literals of its tree, given by their `id()`."""
    select: Callable[[list[SelectRequest]], Sequence[SelectedSeries]] | None = None
    cancelled: bool = False
    stop: Ints = field(default_factory=lambda: NEVER_STOPS)
    """Set to 1 to end a compiled function that is running; a checkpoint then says why."""
    peak_samples: int = 0

    def selected(self, node: VectorSelector) -> SelectedSeries:
        """What the storage gave for a selector."""
        return self.data[self.places[id(node)]]

    def checkpoint(self) -> None:
        """Stop here if nobody waits any more, or the time is over.

        Raises:
            QueryCancelled: `cancelled` is set.
            QueryTimeout: the deadline has passed.
        """
        if self.cancelled:
            raise QueryCancelled("query was canceled in expression evaluation")
        if time.monotonic() > self.deadline:
            raise QueryTimeout("query timed out in expression evaluation")

    def reserve(self, series: int, steps: int) -> None:
        """Ask for room for a block.

        Raises:
            TooManySamples: more points or series than the query may hold.
        """
        self.checkpoint()
        points = series * steps
        self.peak_samples = max(self.peak_samples, points)
        if points > self.limits.max_samples:
            raise TooManySamples(f"query processing would load too many samples into memory in {_EXECUTION}")
        if series > self.limits.max_series:
            raise TooManySamples(
                f"the query needs {series} series, more than the limit of {self.limits.max_series}: "
                "narrow its selectors or aggregate earlier"
            )
