"""Everything that is compiled, called once with what it is called with in earnest: the types of arguments count.

What the first user of a new installation needs comes first: to write samples, to ask for them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vedette.server.ingest import delta_kernel, remote_write_kernel, series_kernel
from vedette.server.ingest.deltas import DeltaStreams
from vedette.server.ingest.known_points import KnownPoints
from vedette.server.ingest.known_series import KnownSeries, Split
from vedette.server.ingest.points_kernel import without_points
from vedette.server.query.metrics import kernels as store_kernels
from vedette.server.query.metrics.xor_chunks import chunks, frame
from vedette.server.query.promql.bucket_functions import COLUMNS
from vedette.server.query.promql.engine import evaluate
from vedette.server.query.promql.json_writer import number, to_json
from vedette.server.query.promql.source import STALE_NAN_BITS, SelectedSeries
from vedette.server.scrape.cache import ScrapeCache
from vedette.server.scrape.config import Job
from vedette.server.scrape.protobuf import protobuf_exemplar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.promql.source import SelectRequest

__all__ = ["exercise"]

_STEP_MS = 60_000
_WIDTH_MS = 300_000
_FIRST = (
    "m",
    "rate(m[5m])",
    "sum(m)",
    "avg(m)",
    "max(m)",
    "count(m)",
    "avg_over_time(m[5m])",
    "histogram_quantile(1,m)",
)
_LATER = (
    "quantile_over_time(0.5, m[5m])",
    "irate(m[5m])",
    "resets(m[5m])",
    "stddev(m)",
    "quantile(0.5, m)",
    "topk(1, m)",
    "limitk(1, m)",
    "histogram_fraction(0, 1, m)",
    "m smoothed",
    "rate(m[5m] smoothed)",
)
_ON_BUCKETS = ("sum_over_time(m[5m])", "rate(m[5m])", "resets(m[5m])")


async def exercise() -> None:
    """Call every compiled function."""
    await _ask(_Samples(), _FIRST)
    store_kernels.warm_up()
    _write()
    await _export()
    with tempfile.TemporaryDirectory() as folder:
        await _sum_deltas(Path(folder))
    await _ask(_Samples(), _LATER)
    await _ask(_Buckets(), _ON_BUCKETS)
    number(1e300)
    _read_remotely()
    _scrape()
    _limit()


class _Samples:
    """A few classic buckets with a stale marker and a restart."""

    def __init__(self) -> None:
        stale = float(np.array([STALE_NAN_BITS], np.int64).view(np.float64)[0])
        self._times = np.tile(np.arange(10, dtype=np.int64) * _STEP_MS, 2)
        self._values = np.concatenate([np.arange(10.0), [1.0, 2.0, stale, 0.0, 1.5, 3.0, 4.0, 5.0, 6.0, 7.0]])
        self._labels = [(("__name__", "m"), ("le", le)) for le in ("1", "+Inf")]

    async def select(
        self,
        tenant: str,  # noqa: ARG002 - there is one
        requests: Sequence[SelectRequest],
        *,
        max_samples: int,  # noqa: ARG002 - there are few
    ) -> Sequence[SelectedSeries]:
        return [self.selected() for _ in requests]

    def selected(self) -> SelectedSeries:
        first, last = np.array([0, 10]), np.array([10, 20])
        return SelectedSeries(self._labels, first, last, self._times, self._values)


class _Buckets(_Samples):
    """The same, summed up."""

    def selected(self) -> SelectedSeries:
        found = super().selected()
        names = {"count", *(name for names in COLUMNS.values() for name in names)}
        found.buckets = {name: np.ones(20) for name in names}
        found.resolution_ms = _WIDTH_MS
        return found


async def _ask(source: _Samples, queries: Sequence[str]) -> None:
    for query in queries:
        to_json(await evaluate(query, _WIDTH_MS, 2 * _WIDTH_MS, _WIDTH_MS, source, ""))


def _write() -> None:
    for two in (False, True):
        remote_write_kernel.convert_request(b"", two=two, max_bytes=1)
    known = KnownSeries()
    known.split("", b"")
    known.remember(Split(b"", b"", 0, np.ones(1, np.uint64), np.ones(1, np.int64)))


async def _export() -> None:
    points = KnownPoints()
    await points.take("", b"", 0)
    await points.settled()
    without_points(np.frombuffer(b"", np.uint8), np.zeros(1, np.bool_))


async def _sum_deltas(folder: Path) -> None:
    await DeltaStreams(folder / "none", 1 << 20).cumulative("", b"")
    keys, begins, words = np.zeros(4, np.uint64), np.zeros(4, np.int64), np.zeros(4, np.uint64)
    delta_kernel.compact(keys, begins, words, 0, keys.copy(), begins.copy(), words.copy())


def _read_remotely() -> None:
    list(chunks(np.arange(3), np.arange(3.0)))
    frame(b"", 0)


def _scrape() -> None:
    line = b'm{a="b"} 1\n'
    for openmetrics in (False, True):
        ScrapeCache(Job("", 1, 1), {}, "").take(line + (b"# EOF\n" if openmetrics else b""), 0, openmetrics=openmetrics)
    ScrapeCache(Job("", 1, 1), {}, "").take(b"", 0, protobuf=True)
    ScrapeCache(Job("", 1, 1, convert_classic=True), {}, "").take(line, 0)
    protobuf_exemplar(b"\x11" + bytes(8), 0)


def _limit() -> None:
    """What is needed where tenants have a limit of series."""
    ids, table, data = np.ones(1, np.uint64), np.zeros(4, np.uint64), np.frombuffer(b"", np.uint8)
    series_kernel.fill(table, ids)
    series_kernel.contains(table, ids)
    series_kernel.select(data, np.uint64(1), table, 1, np.zeros(5, np.int64), ids, np.empty(0, np.uint8))
