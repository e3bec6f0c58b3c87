"""A query's way through the engine: kinds of answers, limits, cancellation, tenants."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vedette.server.query.promql.ast import VectorSelector
from vedette.server.query.promql.engine import (
    DEFAULT_LOOKBACK_MS,
    Limits,
    Options,
    evaluate,
    format_query,
    parse,
)
from vedette.server.query.promql.errors import EvaluationError, ParseError, QueryTimeout, TooManySamples
from vedette.server.query.promql.planner import QueryTimes, Requests, prepare
from vedette.server.query.promql.source import SelectedSeries, SelectRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE = 60_000


class GridSource:
    """Every tenant has its own number of series `m`, with a sample a second."""

    def __init__(self, series: int = 3, samples: int = 600, *, delay: float = 0.0) -> None:
        self.samples, self.delay = samples, delay
        self.sizes = {"acme": series}
        self.asked: list[tuple[str, list[SelectRequest]]] = []
        self.threads: set[int] = set()

    async def select(
        self, tenant: str, requests: Sequence[SelectRequest], *, max_samples: int
    ) -> Sequence[SelectedSeries]:
        assert max_samples > 0
        self.asked.append((tenant, list(requests)))
        self.threads.add(threading.get_ident())
        await asyncio.sleep(self.delay)
        return [self._all(self.sizes.get(tenant, 0)) for _ in requests]

    def _all(self, count: int) -> SelectedSeries:
        first = np.arange(count, dtype=np.int64) * self.samples
        return SelectedSeries(
            [(("__name__", "m"), ("i", str(i))) for i in range(count)],
            first,
            first + self.samples,
            np.tile(np.arange(self.samples, dtype=np.int64) * 1000, count),
            np.arange(count * self.samples, dtype=np.float64),
        )


@pytest.mark.parametrize(
    "text",
    [
        'm + rate(m[5m] offset 1m) > m{i="1"}',
        "sum by (i) (m) / on () group_left () sum(m offset -3m)",
        "rate(m[2m] anchored) + m smoothed",
        "m @ 60 + m",
        "max_over_time(rate(m[1m])[10m:1m] offset 7s)",
        "rate(m[range() + 1m]) + m @ end()",
        "m + m",
    ],
)
async def test_what_is_read_depends_on_the_times_alone(text: str) -> None:
    """Not on what was asked before: what an expression needs is kept and moved."""
    for times in ((400_000, 400_000, 0), (430_007, 470_007, 10_000), (500_000, 500_000, 0), (410_000, 450_000, 10_000)):
        source = GridSource()
        await evaluate(text, *times, source, "acme")
        collected = Requests(DEFAULT_LOOKBACK_MS, Options().subquery_step_ms)
        collected.collect(prepare(parse(text), QueryTimes(*times)), QueryTimes(*times))
        assert source.asked[0][1] == collected.requests


@pytest.mark.parametrize(
    ("query", "told"), [("quantile_over_time(1+1, m[5m])", ["1:20"]), ("quantile_over_time(2, m[5m] offset 1h)", [])]
)
async def test_a_wrong_quantile_of_a_range_is_named_where_it_stands_if_there_is_something_to_rank(
    query: str, told: list[str]
) -> None:
    result = await evaluate(query, 400_000, 400_000, 0, GridSource(), "acme")
    text = "PromQL warning: quantile value should be between 0 and 1, got 2"
    assert result.warnings == [f"{text} ({place})" for place in told]


async def test_all_selectors_are_read_in_one_call() -> None:
    source = GridSource()
    await evaluate('m + rate(m[5m] offset 1m) > m{i="1"} @ 60', 400_000, 500_000, 10_000, source, "acme")
    [(tenant, requests)] = source.asked
    assert tenant == "acme"
    spans = [(one.start_ms, one.end_ms, one.range_ms, one.function) for one in requests]
    assert spans == [
        (100_001, 500_000, 0, ""),
        (40_001, 440_000, 300_000, "rate"),
        (-239_999, 60_000, 0, ""),
    ]


def _selectors_alive() -> int:
    """How many selectors the process holds; ``type`` and not ``isinstance``, which asks weak proxies of the dead."""
    gc.collect()
    return sum(type(one) is VectorSelector for one in gc.get_objects())


def test_trees_are_kept_and_their_memory_is_bounded() -> None:
    assert parse("kept_for_later + 1") is parse("kept_for_later + 1")
    before = _selectors_alive()
    for number in range(600):
        parse(f'm{number}{{label="{"x" * 2000}"}}')
    kept = _selectors_alive() - before
    assert kept < 550
    long = f'm{{label="{"x" * 5000}"}}'
    assert parse(long) is not parse(long)


async def test_equal_selectors_are_read_once() -> None:
    source = GridSource()
    await evaluate("sum(m) / count(m)", 400_000, 500_000, 10_000, source, "acme")
    assert len(source.asked[0][1]) <= 2


async def test_a_tenant_sees_nothing_of_others() -> None:
    source = GridSource()
    assert len((await evaluate("m", 60_000, 60_000, 0, source, "acme")).labels) == 3
    assert len((await evaluate("m", 60_000, 60_000, 0, source, "other")).labels) == 0


async def test_constants_ask_for_nothing() -> None:
    source = GridSource()
    result = await evaluate("1 + 2", 0, 0, 0, source, "acme")
    assert (result.kind, float(result.values[0, 0])) == ("scalar", 3.0)
    assert (await evaluate('"text"', 0, 0, 0, source, "acme")).string == "text"
    assert source.asked == []


@pytest.mark.parametrize(
    ("query", "kind"), [('"text"', "string"), ("m[5m]", "range vector"), ("m[5m:1m]", "range vector")]
)
async def test_a_range_query_has_an_instant_vector_or_a_scalar(query: str, kind: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        await evaluate(query, 0, MINUTE, MINUTE, GridSource(), "acme")
    expected = f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
    assert str(caught.value) == expected


async def test_a_limit_of_points_stops_a_query() -> None:
    limits = Limits(max_samples=100)
    with pytest.raises(TooManySamples, match="too many samples"):
        await evaluate("m", 0, 500_000, 1000, GridSource(), "acme", limits)
    await evaluate("m", 0, 10_000, 1000, GridSource(), "acme", limits)


async def test_a_limit_of_series_stops_a_query() -> None:
    with pytest.raises(TooManySamples, match="the query needs 3 series, more than the limit of 2"):
        await evaluate("m", 0, 0, 0, GridSource(), "acme", Limits(max_series=2))


async def test_a_slow_source_times_out() -> None:
    with pytest.raises(QueryTimeout):
        await evaluate("m", 0, 0, 0, GridSource(delay=5), "acme", Limits(timeout_seconds=0.01))


async def test_a_source_may_time_out_itself() -> None:
    class Broken(GridSource):
        def _all(self, count: int) -> SelectedSeries:
            raise TimeoutError(f"the disk with {count} series")

    with pytest.raises(TimeoutError, match="the disk with 3 series"):
        await evaluate("m", 0, 0, 0, Broken(), "acme")


async def test_a_long_computation_times_out() -> None:
    deep = "+".join(["sum_over_time(m[5m])"] * 100)
    with pytest.raises(QueryTimeout, match="timed out in expression evaluation"):
        await evaluate(deep, 0, 599_000, 1000, GridSource(200), "acme", Limits(timeout_seconds=0.2))


async def test_large_queries_leave_the_event_loop_free() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await evaluate("quantile_over_time(0.5, m[5m])", 0, 599_000, 1000, GridSource(500), "acme")
    ticking.cancel()
    assert ticks > 3


async def test_a_cancelled_query_stops_its_thread() -> None:
    deep = "+".join(["quantile_over_time(0.5, m[5m])"] * 200)
    before = threading.active_count()
    query = asyncio.create_task(evaluate(deep, 0, 599_000, 1000, GridSource(500), "acme"))
    await asyncio.sleep(0.2)
    query.cancel()
    with pytest.raises(asyncio.CancelledError):
        await query
    await asyncio.sleep(0)
    assert threading.active_count() <= before + 1


async def test_infos_second_look_comes_from_the_event_loop() -> None:
    source = GridSource()
    await evaluate("info(m)", 60_000, 60_000, 0, source, "acme")
    assert source.threads == {threading.get_ident()}


async def test_what_the_source_says_reaches_the_caller() -> None:
    class Talking(GridSource):
        def _all(self, count: int) -> SelectedSeries:
            found = super()._all(count)
            found.infos = ("answered from samples of five minutes",)
            return found

    result = await evaluate("sum(m)", 60_000, 60_000, 0, Talking(), "acme")
    assert result.infos == ["PromQL info: answered from samples of five minutes"]


async def test_statistics_count_the_samples() -> None:
    result = await evaluate("sum(m)", 60_000, 60_000, 0, GridSource(), "acme")
    assert result.stats.samples == 1800
    assert result.stats.peak_points == 3


def test_trees_are_kept() -> None:
    assert parse("sum by (a) (m)") is parse("sum by (a) (m)")
    assert format_query("sum by(a)(m)") == "sum by (a) (m)"
    with pytest.raises(ParseError, match=r"^1:3: parse error: unclosed left parenthesis$"):
        parse("((")
