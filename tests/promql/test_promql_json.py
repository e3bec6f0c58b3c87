"""Answers in the JSON of Prometheus' HTTP API."""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from promql_cases import CaseSource

from vedette.server.query.promql.engine import QueryResult, evaluate
from vedette.server.query.promql.json_writer import number, single_number, to_json

HISTOGRAM = {
    "schema": 0,
    "sum": 12.5,
    "count": 9,
    "zero_count": 2,
    "zero_threshold": 0.001,
    "pos": {"offset": 0, "buckets": [1, 0, 3]},
    "neg": {"offset": 1, "buckets": [3]},
    "custom_values": [],
    "hint": None,
}
DATA = CaseSource(
    [
        {
            "step": 15_500,
            "nhcb": False,
            "series": [
                {
                    "labels": {"__name__": "m", "path": 'a"b\\c\nd</é\x01'},
                    "start": 0,
                    "step": 15_500,
                    "values": [1, None, 1e-7, "stale", "NaN"],
                },
                {"labels": {"__name__": "h"}, "start": 0, "step": 15_500, "values": [2, HISTOGRAM]},
            ],
        }
    ]
)


async def ask(query: str, start: int, end: int, step: int) -> Any:
    return json.loads(to_json(await evaluate(query, start, end, step, DATA, "acme", lookback_ms=15_500)))


def expected(value: float) -> str:
    """What Go's strconv makes of a number, in Prometheus' choice of formats."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value and not 1e-6 <= abs(value) < 1e21:
        mantissa, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
        return f"{mantissa}e{exponent[0]}{exponent[1:].rjust(2, '0')}"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@settings(max_examples=2000, deadline=None)
@given(
    st.one_of(st.floats(), st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0]))
)
def test_numbers_are_the_shortest_that_read_back(value: float) -> None:
    text = number(value).decode()
    assert text == expected(value)
    assert single_number(value).decode() == text
    if not math.isnan(value):
        assert float(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-06, "0.000001"),
        (9e-07, "9e-07"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (123456.125, "123456.125"),
    ],
)
def test_numbers_at_the_edges(value: float, text: str) -> None:
    assert number(value).decode() == single_number(value).decode() == text


async def test_a_matrix() -> None:
    labels = {"__name__": "m", "path": 'a"b\\c\nd</é\x01'}
    assert await ask("m", 0, 62_000, 15_500) == {
        "resultType": "matrix",
        "result": [{"metric": labels, "values": [[0, "1"], [31, "1e-07"], [62, "NaN"]]}],
    }


async def test_a_matrix_of_floats_and_histograms() -> None:
    buckets = [[1, "-2", "-1", "3"], [3, "-0.001", "0.001", "2"], [0, "0.5", "1", "1"], [0, "2", "4", "3"]]
    histogram = {"count": "9", "sum": "12.5", "buckets": buckets}
    assert await ask("h", 0, 31_000, 15_500) == {
        "resultType": "matrix",
        "result": [{"metric": {"__name__": "h"}, "values": [[0, "2"]], "histograms": [[15.5, histogram]]}],
    }
    vector = await ask("h", 15_500, 15_500, 0)
    assert vector["result"] == [{"metric": {"__name__": "h"}, "histogram": [15.5, histogram]}]


# Twice the entries of the tables in Prometheus' source, which differ from the powers of 2 in their last digits.
BOUNDS = {
    1: "1 1.414213562373095 2 2.82842712474619 4",
    3: "1 1.0905077326652577 1.189207115002721 1.2968395546510096 1.414213562373095 1.5422108254079407 1.6817928305074288",
    5: "1 1.0218971486541166 1.0442737824274138 1.0671404006768235 1.0905077326652577 1.1143867425958924",
}


@pytest.mark.parametrize(("schema", "bounds"), BOUNDS.items())
async def test_buckets_end_where_prometheus_has_them_end(schema: int, bounds: str) -> None:
    ends = bounds.split()
    filled = HISTOGRAM | {"schema": schema, "zero_count": 0, "neg": {"offset": 0, "buckets": []}}
    filled["pos"] = {"offset": 1, "buckets": [1] * (len(ends) - 1)}
    source = CaseSource(
        [
            {
                "step": 1,
                "nhcb": False,
                "series": [{"labels": {"__name__": "h"}, "start": 0, "step": 1, "values": [filled]}],
            }
        ]
    )
    (found,) = json.loads(to_json(await evaluate("h", 0, 0, 0, source, "acme")))["result"]
    assert [bucket[1:3] for bucket in found["histogram"][1]["buckets"]] == [list(pair) for pair in pairwise(ends)]


async def test_a_vector_a_scalar_and_a_string() -> None:
    assert await ask("sum(m)", 500, 500, 0) == {
        "resultType": "vector",
        "result": [{"metric": {}, "value": [0.5, "1"]}],
    }
    assert await ask("1 / 3", -1500, -1500, 0) == {"resultType": "scalar", "result": [-1.5, "0.3333333333333333"]}
    assert await ask('"\\n<"', 0, 0, 0) == {"resultType": "string", "result": [0, "\n<"]}
    assert await ask("none", 0, 0, 0) == {"resultType": "vector", "result": []}


async def test_raw_samples_keep_their_times() -> None:
    answer = await ask("h[1m]", 20_000, 20_000, 0)
    assert [at for at, _ in answer["result"][0]["values"]] == [0]
    assert [at for at, _ in answer["result"][0]["histograms"]] == [15.5]


@pytest.mark.parametrize("count", [0, 1, 50, 51, 200])
async def test_vectors_of_any_size(count: int) -> None:
    values: list[float | str | None] = [1.5, "NaN", "+Inf", -0.0, 1e-9, 7]
    series = [
        {"labels": {"__name__": "m", "i": f"{i:03}"}, "start": 0, "step": 1000, "values": [values[i % 6]]}
        for i in range(count)
    ]
    source = CaseSource([{"nhcb": False, "series": series}])
    answer = json.loads(to_json(await evaluate("m", 0, 0, 0, source, "acme")))
    shown = ["1.5", "NaN", "+Inf", "-0", "1e-09", "7"]
    assert [one["value"] for one in answer["result"]] == [[0, shown[i % 6]] for i in range(count)]
    assert [one["metric"]["i"] for one in answer["result"]] == [f"{i:03}" for i in range(count)]


@pytest.mark.parametrize(
    "start", [-10_000_500, -1_001, -999, -7, 0, 7, 999, 86_400_050, 1_700_000_000_123, 253_402_300_799_000]
)
def test_times_of_points(start: int) -> None:
    times = [start, start + 1, start + 10, start + 1_000, start + 3_600_000]
    ones = np.ones((1, len(times)))
    body = to_json(QueryResult("matrix", np.array(times), [()], ones, ones > 0)).decode()
    shown = [f"{'-' * (at < 0)}{abs(at) // 1000}" + (f".{abs(at) % 1000:03}" if at % 1000 else "") for at in times]
    points = ",".join(f'[{at},"1"]' for at in shown)
    assert body == f'{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{points}]}}]}}'
