"""What the evaluator asks of the storage of samples.

An expression is evaluated in three steps: the evaluator collects every selector of the expression, asks a
`SampleSource` for all of them in one call, and computes on the arrays that come back. It never returns to the source in
the middle, but for `info()`, whose second look depends on the first answer.

A source is shared by concurrent queries. It hands out arrays that nobody changes any more: the evaluator only reads
them, and reads them in another thread while the event loop goes on. So a source that appends to its arrays in place
must do so behind every `last` that it has handed out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from vedette.server.query.promql.block import HistogramPool
    from vedette.server.query.promql.histogram import Histogram
    from vedette.server.query.promql.labels import Labels, Matcher

STALE_NAN_BITS: Final = 0x7FF0000000000002
"""The bit pattern of the NaN that marks a series' end; every other NaN is a value."""


@dataclass(frozen=True, slots=True)
class SelectRequest:
    """One selector of an expression, over the whole time that the evaluation looks at.

    Times are milliseconds since 1970 and inclusive at both ends. The other fields are hints for a source that keeps
    downsampled data or reads ahead; an exact source may ignore them:
    `step_ms` is the query's resolution (0 for one moment), `range_ms` the width of a range selector (0 for an instant
    selector), `function` the function or aggregation applied directly to the selector (`""` if none).
    `moment_ms` is one of the moments that the selector looks at, the others are `step_ms` apart; None asks for the
    samples themselves. `extended` looks beyond the window (``anchored``, ``smoothed``).
    """

    matchers: tuple[Matcher, ...]
    start_ms: int
    end_ms: int
    step_ms: int = 0
    range_ms: int = 0
    function: str = ""
    moment_ms: int | None = None
    extended: bool = False


@dataclass(slots=True)
class SelectedSeries:
    """The series that one `SelectRequest` chose, with their samples, in pools that the series point into.

    Series `i` is labelled `labels[i]` and has the samples `first[i] … last[i]-1` of the pools. No label set occurs
    twice. Its times ascend strictly: of samples with equal times only one is left. Samples before `start_ms` or after
    `end_ms` may be among them; the evaluator looks at its windows alone. A series without samples may be there or be
    left out.

    A sample is a float in `values`, unless `histograms` has an object in its place. A stale marker is the NaN with the
    bits `STALE_NAN_BITS` in `values` (and None in `histograms`), and must survive the way from the disk bit for bit.
    `start_times_ms` tells since when a cumulative sample counts (0 = unknown).

    The order of the series is free but must not change from one request to the next.
    `warnings` and `infos` are sentences for the caller (for example, that downsampled data was used).

    Where samples have been summed up per `resolution_ms`, the evaluator looks at the last multiple of it at or before
    each moment. The samples are the last one of each bucket; or, where the function can be computed from the buckets'
    sums, `times_ms` are the buckets' ends, and `buckets` has the columns that the function needs (`bucket_functions`).
    `histogram_buckets` are native histograms of such buckets then, enough of them for the function.
    """

    labels: Sequence[Labels]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    times_ms: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    start_times_ms: npt.NDArray[np.int64] | None = None
    histograms: Sequence[Histogram | None] | None = None
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    resolution_ms: int = 0
    buckets: Mapping[str, npt.NDArray[np.float64]] | None = None
    histogram_buckets: HistogramPool | None = None
    samples: int | None = None
    """How many samples they are, where the source has counted them."""


class HoldingSource(Protocol):
    """A source that has some samples in memory."""

    def held(
        self, tenant: str, requests: Sequence[SelectRequest], moved_ms: int, *, max_samples: int
    ) -> Sequence[SelectedSeries] | None:
        """What `SampleSource.select` answers, if all of it is in memory, else None. All times are `moved_ms` later.

        Raises:
            QueryLimit: more than `max_samples` samples.
        """
        ...


class SampleSource(Protocol):
    """Where samples come from."""

    async def select(
        self, tenant: str, requests: Sequence[SelectRequest], *, max_samples: int
    ) -> Sequence[SelectedSeries]:
        """Answer every request, in their order, from the series of `tenant` alone.

        `max_samples` bounds the samples that may be brought into memory for all requests together.

        Raises:
            QueryLimit: more than `max_samples` samples, or a limit of the store's own (series, time).
            EngineUnavailable: the store does not answer.
        """
        ...
