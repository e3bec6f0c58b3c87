"""Expressions that share what is made of them: each has its own answer, notes and errors, whoever was asked before."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from promql_cases import CaseSource
from test_promql_few_series import AT, wild_series

from vedette.errors import RequestError
from vedette.server.query.promql.engine import Limits, Options, evaluate, evaluate_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.promql.source import SelectedSeries, SelectRequest

PLAIN = [
    'counter{a="%s"}',
    "counter{a='%s', b=\"%s\"} > %n",
    'rate(counter{a="%s"}[5m]) > %n',
    'sum by (a) (rate(calm{b!="%s"}[5m])) <= bool %n',
    'sum(counter{a=~"%s"}) / sum(counter{a="%s"}) < %n',
    'calm{a="%s"} - on (a, b) calm{a="%s"}',
    '(sum without (b) (rate(counter{a="%s"}[5m])) >=%n) != %n',
    '1.5 <\n increase(calm{b=~"%s"}[10m])',
]
LOOK_ALIKE = [
    'counter{a="%s"} # "x" > 3',
    'counter{a="\\u0078%s"}',
    'counter{"a"="%s"} > %n',
    '{a="%s"}',
    'counter{a="%s"} > %n * 2',
    'counter{a="%s"} > %n ^ 2 ^ 0.5',
    'label_replace(counter{a="%s"}, "c", "$1 = \'%s\'", "b", "(.*)")',
    'counter{a="%s"} > %nm',
    'counter{a="%s"} > 0%n',
    'counter{a="%s"} > %n.',
    "counter{a=%n}",
    'counter{a="%s", __name__="%s"}',
    'sum by (a="%s") (counter)',
    "counter{a='%s\"} > 3",
    'counter == "%s"',
    "3 == bool %n == bool 2",
    "3 == %n",
    'counter{a="%s"} @ %n > 1',
    'quantile_over_time(0.%n, calm{a="%s"}[5m])',
    'counter{a=~"%s)"} > %n',
]
VALUES = ["x", "y", "1", "2", "", "z", "x|y", ".*", "(", "a longer one"]
NUMBERS = ["0.5", "7", "100", "500", "600", "1200", "1e3", "NaN", "x"]


class Held(CaseSource):
    """All of it is in memory."""

    def held(
        self, tenant: str, requests: Sequence[SelectRequest], moved_ms: int, *, max_samples: int
    ) -> list[SelectedSeries]:
        assert tenant == "acme"
        assert max_samples > 0
        moved = [replace(one, start_ms=one.start_ms + moved_ms, end_ms=one.end_ms + moved_ms) for one in requests]
        return [self._select(one) for one in moved]


@pytest.fixture(scope="module")
def source() -> Held:
    return Held([{"nhcb": False, "series": [*wild_series(random.Random(3))]}])


async def by_itself(text: str, source: Held) -> Any:
    """What the evaluator says of a range that is this moment alone, which shares nothing."""
    try:
        found = await evaluate(text, AT, AT, 60_000, source, "acme", Limits(), options=Options(start_times=False))
    except RequestError as error:
        return str(error)
    points = {
        labels: float(found.values[row, 0]).hex() for row, labels in enumerate(found.labels) if found.present[row, 0]
    }
    return points, found.warnings, found.infos


def shared(text: str, source: Held) -> Any:
    try:
        found = evaluate_few(text, AT, source, "acme", Limits(), Options(start_times=False))
    except RequestError as error:
        return str(error)
    if found is None:
        return None
    points = {labels: value.hex() for labels, value in zip(found.labels, found.values, strict=True)}
    return points, found.warnings, found.infos


def variants(form: str, chance: random.Random) -> list[str]:
    pieces = re.split("(%[sn])", form)
    return [
        "".join(chance.choice({"%s": VALUES, "%n": NUMBERS}.get(piece, [piece])) for piece in pieces) for _ in range(40)
    ]


@pytest.mark.parametrize("form", PLAIN)
async def test_each_value_has_its_own_answer(form: str, source: Held) -> None:
    answered = 0
    for text in variants(form, random.Random(form)):
        found, expected = shared(text, source), await by_itself(text, source)
        assert found in (None, expected), text
        answered += found == expected and not isinstance(found, str)
    assert answered > 3


@pytest.mark.parametrize("form", LOOK_ALIKE)
async def test_what_only_looks_alike_is_taken_by_itself(form: str, source: Held) -> None:
    # One that is right comes first, so that there may be something to share.
    for text in ['counter{a="x"} > 3', 'counter{a="x"}', "calm{a='x'} > 3", *variants(form, random.Random(form))]:
        found = shared(text, source)
        assert found is None or found == await by_itself(text, source), text


async def test_a_note_names_the_place_in_the_expression_that_was_asked(source: Held) -> None:
    places = set()
    for value, threshold in (("x", "1"), ("x|y", "1000"), (".*", "0.25"), ("y", "3")):
        text = f'calm{{a=~"{value}"}} > {threshold} or rate(calm{{a=~"{value}"}}[5m]) > 0'.replace(
            " or ", " < on (a, b) "
        )
        found = shared(text, source)
        assert found == await by_itself(text, source)
        places.add(found[2][0].rsplit(" ", 1)[1])
    assert len(places) > 2
