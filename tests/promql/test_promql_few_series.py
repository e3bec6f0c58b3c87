"""What is computed of few series at one moment, beside what the evaluator says of a range that is this moment alone."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from promql_cases import CaseSource
from promql_expressions import random_expression

from vedette.errors import RequestError
from vedette.server.query.promql.ast import ValueType
from vedette.server.query.promql.engine import evaluate as ask
from vedette.server.query.promql.engine import parse
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.few_series import make_part
from vedette.server.query.promql.planner import QueryTimes, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN, INTERVAL, SAMPLES = 1_672_531_207_123, 15_000, 90
AT = BEGIN + INTERVAL * SAMPLES + 1_001
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e308, -1e308, 5e-324]
FREQUENT = [
    "counter",
    'counter{a="x"} offset 1m',
    "rate(counter[5m])",
    "sum by (a) (rate(counter[5m])) > 5",
    "sum without (b) (increase(counter[5m] @ 1672532000))",
    "2 * (avg(odd) - 1)",
    "3 / max by (a, b) (holes) <= bool -(1 + 2)",
    "sum(rate(counter[5m])) / sum(rate(calm[1m]))",
    "sum by (a) (calm) / on (a) count by (a) (odd)",
    "max_over_time(odd[5m]) != ignoring (b) group(odd)",
    "calm > bool counter",
    "min by (none) (delta(holes[2m]))",
    "avg(odd) == avg(odd)",
    "irate(counter[1m]) * 0",
    "odd / 0",
    "last_over_time(holes[10m])",
    "calm + counter",
    "resets(counter[10m]) < 1e3",
    "changes(odd[5m])",
]
CLASHES = ['rate({a="x"}[5m])', 'sum_over_time({b="1"}[5m]) > 0', '{a="x"} * 2', "calm / on (a) counter"]


def wild_series(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Gaps, ends, restarts, and numbers that are none."""

    def series(name: str, values: list[Any], **labels: str) -> dict[str, Any]:
        return {"labels": {"__name__": name, **labels}, "start": BEGIN, "step": INTERVAL, "values": values}

    for a in ("x", "y", "z"):
        for b in ("1", "2"):
            values = [round(chance.gauss(0, 50), chance.randrange(4)) for _ in range(SAMPLES)]
            yield series("calm", values, a=a, b=b)
            ended = chance.randrange(40, SAMPLES) if b == "2" else SAMPLES
            yield series("holes", [None if chance.random() < 0.5 else one for one in values[:ended]], a=a, b=b)
            grown = [float(i * 7 % 200 if b == "2" else i * 7) for i in range(SAMPLES)]
            yield series("counter", [*grown[:-3], "stale", *grown[-2:]] if a == "z" else grown, a=a, b=b)
        odd = [chance.choice(SPECIAL) if chance.random() < 0.2 else chance.random() for _ in range(SAMPLES)]
        yield series("odd", odd, a=a)
        yield series("latency_bucket", grown, a=a, le="+Inf")


@pytest.fixture(scope="module")
def source() -> CaseSource:
    return CaseSource([{"nhcb": False, "series": [*wild_series(random.Random(3))]}])


async def answer(query: str, source: CaseSource, step: int) -> Any:
    try:
        result = await ask(query, AT, AT, step, source, "acme")
    except RequestError as error:
        return str(error)
    shown = [value.hex() for value in map(float, result.values[:, 0])]
    points = {row: shown[place] for place, row in enumerate(result.labels) if result.present[place, 0]}
    return points, result.warnings, result.infos


async def compare(query: str, source: CaseSource) -> None:
    at_once, by_steps = await answer(query, source, 0), await answer(query, source, 60_000)
    assert at_once == by_steps, query


@pytest.mark.parametrize("query", FREQUENT)
async def test_what_is_asked_all_the_time_is_computed_without_the_evaluator_and_equal(
    query: str, source: CaseSource
) -> None:
    assert make_part(prepare(parse(query), QueryTimes(AT, AT, 0))) is not None
    await compare(query, source)


@pytest.mark.parametrize("query", CLASHES)
async def test_what_cannot_be_computed_is_refused_in_the_same_words(query: str, source: CaseSource) -> None:
    await compare(query, source)
    assert isinstance(await answer(query, source, 0), str)


async def test_random_expressions_have_the_same_value(source: CaseSource) -> None:
    chance = random.Random(10)
    for query in [random_expression(chance) for _ in range(1500)]:
        with suppress(ParseError):  # two numbers compared
            if parse(query).type is ValueType.VECTOR and "sort" not in query:  # sorting is nothing to a range
                await compare(query, source)
