"""How long PromQL takes on samples that are in memory: ``python -m bench.promql_kernels``.

Nothing but the evaluator and the writing of JSON is measured, on one core. Times are the process' own, so that other
work on the machine matters less; the best of several runs counts, the first one compiles.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING

import numpy as np

from vedette.server.query.promql.engine import QueryResult, evaluate
from vedette.server.query.promql.json_writer import to_json
from vedette.server.query.promql.source import SelectedSeries, SelectRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

SERIES, HOURS, INTERVAL_MS, STEP_MS = 1_000, 24, 15_000, 60_000
SAMPLES = HOURS * 3_600_000 // INTERVAL_MS
END_MS = 1_700_000_000_000
START_MS = END_MS - (HOURS - 1) * 3_600_000
RANGE_QUERIES = [
    "rate(m[5m])",
    "m",
    "sum by (job) (rate(m[5m]))",
    "sum by (job) (m)",
    "quantile_over_time(0.9, m[1h])",
    "max_over_time(m[1h])",
    "avg_over_time(m[5m])",
    "stddev_over_time(m[5m])",
    "deriv(m[5m])",
    "topk(5, rate(m[5m]))",
    "histogram_quantile(0.9, sum by (le, job) (rate(m[5m])))",
    "m / on (instance, job, le) m",
]
INSTANT_QUERIES = ['m{instance="7"}', 'rate(m{instance="7"}[5m])', "m", "sum by (job) (rate(m[5m]))"]
RULES, RULE_SERIES = 10_000, 5


class Memory:
    """Counters of a thousand instances."""

    def __init__(self) -> None:
        chance = np.random.default_rng(1)
        jitter = chance.integers(-50, 50, (SERIES, SAMPLES))
        times = END_MS - np.arange(SAMPLES, dtype=np.int64)[::-1] * INTERVAL_MS + jitter
        self.times = np.ascontiguousarray(times).ravel()
        self.values = np.cumsum(chance.random((SERIES, SAMPLES)) * 100, axis=1).ravel()
        self.first = np.arange(SERIES, dtype=np.int64) * SAMPLES
        les = ("0.1", "0.5", "1", "5", "+Inf")
        self.labels = [
            (("__name__", "m"), ("instance", str(i)), ("job", f"job-{i // 5 % 10}"), ("le", les[i % 5]))
            for i in range(SERIES)
        ]

    async def select(
        self,
        tenant: str,  # noqa: ARG002
        requests: Sequence[SelectRequest],
        *,
        max_samples: int,  # noqa: ARG002
    ) -> list[SelectedSeries]:
        return [self._select(request) for request in requests]

    def _select(self, request: SelectRequest) -> SelectedSeries:
        rows = slice(0, SERIES)
        for matcher in request.matchers:
            if matcher.name == "instance":
                at = int(matcher.value)
                rows = slice(at, at + RULE_SERIES)
        first = self.first[rows]
        skipped = max(0, SAMPLES - 2 - (END_MS - request.start_ms) // INTERVAL_MS)
        return SelectedSeries(self.labels[rows], first + skipped, first + SAMPLES, self.times, self.values)


async def _run(query: str, source: Memory, span: tuple[int, int, int]) -> tuple[QueryResult, bytes, float, float]:
    gc.collect()
    began = time.process_time()
    result = await evaluate(query, *span, source, "bench")
    middle = time.process_time()
    body = to_json(result)
    return result, body, middle - began, time.process_time() - middle


async def main() -> None:
    """Measure and print."""
    source = Memory()
    print(f"{SERIES} series, {HOURS} h at {INTERVAL_MS / 1000:g} s, steps of {STEP_MS / 1000:g} s")
    for query, span, runs in [
        *[(query, (START_MS, END_MS, STEP_MS), 4) for query in RANGE_QUERIES],
        *[(query, (END_MS, END_MS, 0), 30) for query in INSTANT_QUERIES],
    ]:
        measured = [await _run(query, source, span) for _ in range(runs)]
        best = min(measured[1:], key=lambda one: one[2] + one[3])
        evaluated, written = best[2] * 1000, best[3] * 1000
        print(f"{query:58} {evaluated:9.2f} ms + JSON {written:8.2f} ms ({len(best[1]) / 1e6:.2f} MB)")
    rules = [f'sum by (job) (rate(m{{instance="{i % 900}"}}[5m])) > {i}' for i in range(RULES)]
    for name in ("first", "again"):
        began = time.process_time()
        for rule in rules:
            await evaluate(rule, END_MS, END_MS, 0, source, "bench")
        print(f"{RULES} rules over {RULE_SERIES} series each, {name}: {time.process_time() - began:.2f} s")


if __name__ == "__main__":
    asyncio.run(main())
