"""What expressions mean where samples are unusual: each test states one rule, on data of its own."""

from __future__ import annotations

import math
from typing import Any

import pytest
from promql_cases import STALE, CaseSource, points_of

from vedette.server.query.promql.engine import Options, QueryResult, evaluate
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.histogram import CounterReset, Histogram

MINUTE = 60_000


def series(name: str, *values: Any, **labels: str) -> dict[str, Any]:
    """A sample a minute from 0 on."""
    return {"labels": {"__name__": name, **labels}, "start": 0, "step": MINUTE, "values": list(values)}


def histogram(*counts: float, **changes: Any) -> dict[str, Any]:
    """A native histogram; buckets begin at (0.5, 1], or with `custom_values` at the first bound."""
    raw = {"schema": -53 if "custom_values" in changes else 0, "count": sum(counts), "sum": 1.0, "custom_values": []}
    raw |= {"zero_count": 0, "zero_threshold": 0, "hint": None, "neg": {"offset": 0, "buckets": []}}
    return raw | {"pos": {"offset": 0, "buckets": list(counts)}} | changes


async def ask(query: str, *data: dict[str, Any], at: int = 0, end: int | None = None, **options: bool) -> QueryResult:
    source = CaseSource([{"nhcb": False, "series": list(data)}])
    step = 0 if end is None else MINUTE
    return await evaluate(query, at, at if end is None else end, step, source, "acme", options=Options(**options))


async def value(query: str, *data: dict[str, Any], at: int = 0, **options: bool) -> Any:
    """The only point of the answer."""
    [[point]] = points_of(await ask(query, *data, at=at, **options)).values()
    return point


async def error(query: str, *data: dict[str, Any], at: int = 0) -> str:
    with pytest.raises(EvaluationError) as caught:
        await ask(query, *data, at=at)
    return str(caught.value)


# -- functions


async def test_factors_of_smoothing_matter_where_there_is_something_to_smooth() -> None:
    data = series("m", 1, 2, 3)
    assert math.isnan(await value("double_exponential_smoothing(m[3m], NaN, 0.5)", data, at=2 * MINUTE))
    told = await error("double_exponential_smoothing(m[3m], 0.5, Inf)", data, at=2 * MINUTE)
    assert told == "invalid trend factor. Expected: 0 < tf < 1, got: +Inf"
    assert points_of(await ask("double_exponential_smoothing(m[3m], 2, 0.5)", data, at=99 * MINUTE)) == {}


async def test_a_group_with_leading_zeros_is_a_name_that_no_group_has() -> None:
    query = 'label_replace(m, "b", "$1|$01|${0}", "a", "(x).")'
    [labels] = points_of(await ask(query, series("m", 1, a="xy")))
    assert dict(labels)["b"] == "x||xy"


async def test_numbers_out_of_histograms_keep_type_and_unit() -> None:
    data = series("m", histogram(1, 2), __type__="histogram", __unit__="seconds")
    for function in ("histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar"):
        [labels] = points_of(await ask(f"{function}(m)", data))
        assert labels == (("__type__", "histogram"), ("__unit__", "seconds"))
    assert list(points_of(await ask("histogram_quantile(0.5, m)", data))) == [()]


async def test_sums_of_incompatible_histograms_tell_nothing_of_resets() -> None:
    samples = [histogram(1, hint="reset"), histogram(2, hint="not_reset"), histogram(3, custom_values=[1])]
    result = await ask("sum_over_time(m[5m])", series("m", *samples), at=2 * MINUTE)
    text = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name"
    assert result.warnings == [f'PromQL warning: {text} "m" (1:15)']


# -- classic and native histograms


async def test_infinities_of_both_signs_are_no_missing_observations() -> None:
    whole, part = histogram(2, 2, sum="NaN"), histogram(2, 2, sum="NaN", count=5)
    for function, place in (("histogram_quantile(0.4,", "1:25"), ("histogram_fraction(0, 1,", "1:26")):
        assert (await ask(f"{function} m)", series("m", whole))).infos == []
        [info] = (await ask(f"{function} m)", series("m", part))).infos
        assert info.endswith(f'for metric name "m" ({place})')


async def test_with_observations_of_nan_the_rank_inside_of_a_bucket_counts_in_the_last_one() -> None:
    """So it is in Prometheus; where the bucket is the last one, or nothing is NaN, this makes no difference."""
    data = series("m", histogram(2, 0, 2, sum="NaN", count=5))
    assert await value("histogram_quantile(0.2, m)", data) == pytest.approx(2**1.5)
    assert await value("histogram_quantile(0.6, m)", data) == pytest.approx(2**1.5)
    assert math.isnan(await value("histogram_quantile(0.9, m)", data))
    assert await value("histogram_quantile(0.2, m)", series("m", histogram(2, 0, 2, count=5))) == pytest.approx(2**-0.5)


async def test_a_quantile_at_the_end_of_all_numbers_is_infinite() -> None:
    assert (
        await value("histogram_quantile(1, m)", series("m", histogram(1, pos={"offset": 1024, "buckets": [1]})))
        == math.inf
    )


async def test_a_custom_bucket_around_zero_begins_at_zero_for_fractions() -> None:
    data = series("m", histogram(1, 1, 1, 1, custom_values=[-5, 5, 10]))
    assert await value("histogram_fraction(0, 2.5, m)", data) == 0.125
    assert await value("histogram_fraction(-4, 0, m)", data) == 0.0


async def test_fractions_take_classic_buckets_as_they_are() -> None:
    data = [series("m", count, le=le) for le, count in (("1", 4), ("2", 3), ("+Inf", 8))]
    assert await value("histogram_fraction(1, 2, m)", *data) == -0.125


async def test_who_asks_for_counts_and_sums_meets_no_buckets() -> None:
    data = [series("a", histogram(1, 2, custom_values=[1])), series("b", histogram(1, 2, custom_values=[1, 2]))]
    reconciled = "PromQL info: mismatched custom buckets were reconciled during addition"
    assert (await ask("a + b", *data)).infos == [f"{reconciled} (1:1)"]
    counted = await ask("histogram_count(a + b)", *data)
    assert (points_of(counted), counted.infos) == ({(): [6.0]}, [])
    for query in ("histogram_count(a </ 0.5)", "histogram_count(sum_over_time(a[1m]) </ 0.5)"):
        assert await value(query, *data) == 0.5


async def test_resets_between_counts_are_seen_past_gauges_stale_markers_and_other_layouts() -> None:
    before, after = histogram(4), histogram(2)
    text = "PromQL warning: conflicting counter resets during histogram aggregation (1:31)"
    for between in (STALE, histogram(9, hint="gauge"), histogram(9, 9, schema=1)):
        data = series("m", histogram(3), before, between, after)
        assert (await ask("histogram_count(sum_over_time(m[9m]))", data, at=3 * MINUTE)).warnings == [text]


# -- operators


async def test_two_scalars_have_nothing_to_trim() -> None:
    assert await error("1 </ 2") == 'operator "</" not allowed for Scalar operations'


async def test_counters_that_contradict_each_other_leave_nothing() -> None:
    data = [series("a", histogram(2, hint="reset")), series("b", histogram(1, hint="not_reset"))]
    for operator, word in (("+", "addition"), ("-", "subtraction")):
        result = await ask(f"a {operator} b", *data)
        assert points_of(result) == {}
        assert result.warnings == [f"PromQL warning: conflicting counter resets during histogram {word} (1:1)"]


async def test_of_several_pairs_that_do_not_go_together_the_last_one_is_told() -> None:
    data = [
        series(name, one, i=i)
        for i, pair in (("1", (2, histogram(1))), ("2", (histogram(1), 2)))
        for name, one in zip(("a", "b"), pair, strict=True)
    ]
    text = 'incompatible sample types encountered for binary operator "+": histogram + float'
    assert (await ask("a + b", *data)).infos == [f"PromQL info: {text} (1:1)"]


# -- selectors


async def test_a_smoothed_selector_shows_counters_from_zero_behind_a_reset() -> None:
    data = series("m", histogram(8), None, histogram(4), hint="x")
    assert (await value("m smoothed", data, at=MINUTE)).count == 2.0
    gauges = series("m", histogram(8, hint="gauge"), None, histogram(4, hint="gauge"))
    assert (await value("m smoothed", gauges, at=MINUTE)).count == 6.0


async def test_a_smoothed_histogram_from_before_is_known_for_no_reset() -> None:
    data = series("m", histogram(8), histogram(9, hint="not_reset"))
    for at, known in ((MINUTE, CounterReset.NOT_RESET), (2 * MINUTE, CounterReset.UNKNOWN)):
        point = await value("m smoothed", data, at=at)
        assert isinstance(point, Histogram)
        assert point.counter_reset is known


async def test_neighbours_of_a_smoothed_moment_that_do_not_go_together_are_named() -> None:
    data = series("m", histogram(8), None, histogram(9, custom_values=[1]))
    [warning] = (await ask("m smoothed", data, at=MINUTE)).warnings
    assert warning.endswith('custom buckets schemas for metric name "m" (1:1)')


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("m[2m] anchored", {30_000: 1.0, MINUTE: 2.0, 2 * MINUTE: 3.0, 150_000: 3.0}),
        ("m[2m] smoothed", {30_000: 1.5, MINUTE: 2.0, 2 * MINUTE: 3.0, 150_000: 3.5}),
        ("m[2m] smoothed offset 2m30s", {-2 * MINUTE: 1.0, 0: 1.0}),
        ("m[1m] anchored offset -10m", {}),
    ],
)
async def test_a_range_selector_that_is_extended_has_a_sample_at_either_end(
    query: str, shown: dict[int, float]
) -> None:
    result = await ask(query, series("m", 1, 2, 3, 4, STALE), at=150_000)
    found = [dict(zip(result.times_ms.tolist(), points, strict=True)) for points in points_of(result).values()]
    assert found == ([shown] if shown else [])


async def test_an_extended_range_selector_shows_floats_alone() -> None:
    data = series("m", histogram(1), histogram(2))
    for modifier in ("anchored", "smoothed"):
        told = await error(f"m[2m] {modifier}", data, at=MINUTE)
        assert told == f"{modifier} modifier is not supported with histograms"


@pytest.mark.parametrize(
    ("duration", "told"),
    [
        ("(-1) ^ 0.5", "duration is NaN or infinite"),
        ("10 ^ 300 * 10 ^ 300", "duration is NaN or infinite"),
        ("min_of(5m, (-1) ^ 0.5)", "duration is NaN or infinite"),
        ("10 ^ 11", "duration is out of range"),
        ("1m * -1", "duration must be greater than 0"),
        ("1m / step()", "division by zero"),
        ("1m % step()", "modulo by zero"),
    ],
)
async def test_a_duration_that_is_none_is_refused_where_it_stands(duration: str, told: str) -> None:
    assert await error(f"sum_over_time(m[{duration}])", series("m", 1)) == f"16:{16 + len(duration)}: {told}"


# -- aggregations and info


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ((histogram(1), histogram(1, custom_values=[1]), 5), ["schemas"]),
        ((histogram(1), 5, histogram(1, custom_values=[1])), ["schemas", "floats"]),
        ((5, histogram(1), histogram(1, custom_values=[1])), ["floats"]),
    ],
)
async def test_what_does_not_go_together_in_a_group_is_told_in_the_order_of_its_series(
    samples: tuple[Any, ...], told: list[str]
) -> None:
    data = [series("m", sample, i=str(i)) for i, sample in enumerate(samples)]
    for operation in ("sum", "avg"):
        result = await ask(f"{operation}(m)", *data)
        assert points_of(result) == {}
        assert ["schemas" if "schemas" in text else "floats" for text in result.warnings] == told


async def test_where_a_quantile_is_no_number_other_wrong_ones_are_not_told() -> None:
    text = "PromQL warning: quantile value should be between 0 and 1, got"
    data = [series("m", 1, 1, 1), series("q", 2, "NaN", "+Inf"), series("p", 2, "NaN", -1)]
    told = (await ask("quantile(scalar(q), m)", *data, end=2 * MINUTE)).warnings
    assert told == [f"{text} NaN (1:10)", f"{text} +Inf (1:10)"]
    assert (await ask("quantile(scalar(p), m)", *data, end=2 * MINUTE)).warnings == [f"{text} NaN (1:10)"]


async def test_target_info_is_described_by_no_other_metric_whatever_labels_are_asked_for() -> None:
    data = series("target_info", 1, job="a", instance="b", data="c")
    [labels] = points_of(await ask('info(target_info, {other=~".+"})', data))
    assert dict(labels) == data["labels"]


async def test_histograms_count_as_ignored_only_at_steps_that_choose_any_series() -> None:
    data = [series("m", histogram(1), 2), series("k", 0, 1)]
    assert not (await ask("topk(scalar(k), m)", *data, end=MINUTE)).infos
    data = [series("m", 2, histogram(1)), series("k", 0, 1)]
    assert (await ask("topk(scalar(k), m)", *data, end=MINUTE)).infos


async def test_samples_that_are_filled_in_come_last_among_what_an_operator_tells() -> None:
    data = [series("a", histogram(1), i="x"), series("b", 1, i="x")]
    # `y` matches at the second step only; at the first it is the last to be worked off.
    data += [series("a", None, 1, i="y"), series("b", histogram(1), 1, i="y"), series("a", histogram(1), i="z")]
    text = 'PromQL info: incompatible sample types encountered for binary operator "-"'
    for end in (None, MINUTE):
        infos = (await ask("a - fill (0) b", *data, end=end)).infos
        assert infos[0] == f"{text}: float - histogram (1:1)"
