"""Kernels that keep something from one window to the next, against the plain way."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from vedette.server.query.metrics.kernels import assemble
from vedette.server.query.promql.kernels import quantiles, rates

WIDTH, STEP = 300, 60
NO_STARTS = np.empty(0, np.int64)
GO_ON = np.zeros(1, np.int64)


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times with gaps, and values with repetitions, resets and NaN."""
    chance = random.Random(seed)
    at, times, values = 0, [], []
    for _ in range(chance.randrange(400)):
        at += chance.choice([1, 10, 15, 15, 15, 60, 299, 300, 301, 2000])
        times.append(at)
        values.append(math.nan if chance.random() < 0.1 else float(chance.randrange(20)))
    return np.array(times, np.int64), np.array(values)


def plain_quantile(window: np.ndarray, q: float) -> float:
    ordered = sorted(window, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    lower = math.floor(rank)
    upper = min(lower + 1, len(ordered) - 1)
    return ordered[lower] * (1 - (rank - lower)) + ordered[upper] * (rank - lower)


def plain_rate(times: np.ndarray, values: np.ndarray, start: int, end: int) -> float:
    increase = values[-1] - values[0]
    increase += sum(a for a, b in pairwise(values) if b < a)
    sampled = (times[-1] - times[0]) / 1000
    average = sampled / (len(times) - 1)
    before, behind = (times[0] - start) / 1000, (end - times[-1]) / 1000
    before = average / 2 if before >= average * 1.1 else before
    behind = average / 2 if behind >= average * 1.1 else behind
    if increase > 0 and values[0] >= 0:
        before = min(before, sampled * values[0] / increase)
    return float(increase * (sampled + before + behind) / sampled / (WIDTH / 1000))


@pytest.mark.parametrize("seed", range(40))
def test_sliding_windows(seed: int) -> None:
    times, values = samples(seed)
    ends = np.arange(30, 9_000, STEP, dtype=np.int64)
    first, last = np.array([0]), np.array([len(times)])
    shape = (1, len(ends))
    found, present = np.zeros(shape), np.zeros(shape, np.bool_)
    q = np.full(len(ends), (seed % 5) / 4)
    quantiles.quantile_over_time(first, last, times, values, ends, WIDTH, q, GO_ON, found, present)
    rate, some, overlaps = np.zeros(shape), np.zeros(shape, np.bool_), np.zeros(1, np.bool_)
    rates.extrapolated(True, True, first, last, times, values, NO_STARTS, ends, WIDTH, GO_ON, rate, some, overlaps)  # noqa: FBT003
    for j, end in enumerate(ends):
        inside = (times > end - WIDTH) & (times <= end)
        assert present[0, j] == inside.any()
        assert some[0, j] == (inside.sum() > 1)
        if present[0, j]:
            assert found[0, j] == pytest.approx(plain_quantile(values[inside], q[j]), nan_ok=True)
        if some[0, j]:
            expected = plain_rate(times[inside], values[inside], end - WIDTH, end)
            assert rate[0, j] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("seed", range(8))
def test_chunks_of_several_parts_are_put_in_order(seed: int) -> None:
    """Series of hours, of which several parts of a table have some samples each; of one time, all stay as they came."""
    chance = np.random.default_rng(seed)
    owners, bases, lists = [], [], []
    for owner in range(5):
        for hour in range(3):
            offsets = np.concatenate(
                [np.sort(chance.integers(0, 3_000, chance.integers(0, 200))) for _ in range(seed)] or [np.arange(9)]
            )
            owners.append(owner)
            bases.append(hour * 3_600_000)
            lists.append(offsets)
    sizes = [len(one) for one in lists]
    ends = np.cumsum(sizes)
    offsets, values = np.concatenate(lists).astype(np.uint32), np.arange(float(ends[-1]))
    times, found = np.empty(len(values), np.int64), np.empty(len(values))
    strictly = assemble(
        np.arange(len(sizes)), np.array(owners), ends - sizes, ends, np.array(bases), offsets, values, times, found
    )
    every, whose = np.repeat(bases, sizes) + offsets, np.repeat(owners, sizes)
    order = np.lexsort((every, whose))
    np.testing.assert_array_equal(times, every[order])
    np.testing.assert_array_equal(found, values[order])
    assert strictly == all((np.diff(times[whose == owner]) > 0).all() for owner in range(5))


KINDS = {
    "few whole numbers": lambda chance, count: chance.integers(-3, 4, count).astype(float),
    "a counter": lambda chance, count: np.cumsum(chance.integers(0, 9, count)).astype(float),
    "a falling one": lambda chance, count: -np.cumsum(chance.random(count)),
    "everything there is": lambda chance, count: chance.choice(
        [math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -5e-324, 1.7e308, -1.7e308, 1.0, -1.0], count
    ),
    "any bits": lambda chance, count: chance.integers(0, 2**64, count, np.uint64, endpoint=False).view(np.float64),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 63, 64, 65, 900, 9_000])
def test_quantiles_are_those_of_numpy(kind: str, count: int) -> None:
    """Bit for bit, however the windows lie to each other, in series that follow each other."""
    chance = np.random.default_rng(count)
    values = KINDS[kind](chance, 2 * count)
    times = np.tile(np.cumsum(chance.choice([1, 2, 400], count, p=[0.5, 0.49, 0.01])), 2)
    places = np.array([0, count]), np.array([count, 2 * count])
    for width, step in ((3, 1), (100, 7), (500, 0), (900, 1_000), (20_000, 100)):
        ends = times[count // 2] + step * np.arange(60, dtype=np.int64)
        q = chance.choice([0, 0.25, 0.5, 0.9, 1, -1, 2, math.nan], len(ends))
        found, present = np.zeros((2, len(ends))), np.zeros((2, len(ends)), np.bool_)
        quantiles.quantile_over_time(*places, times, values, ends, width, q, GO_ON, found, present)
        expected = np.zeros(found.shape)
        for row, j in np.ndindex(found.shape):
            inside = (times[:count] > ends[j] - width) & (times[:count] <= ends[j])
            assert present[row, j] == inside.any()
            if inside.any():
                expected[row, j] = numpy_quantile(values[row * count : (row + 1) * count][inside], q[j])
        np.testing.assert_array_equal(found, expected)


def numpy_quantile(window: np.ndarray, q: float) -> float:
    """As Prometheus has it: NaN is the smallest, and between two neighbours lies their weighted mean."""
    if not 0 <= q <= 1:
        return math.nan if math.isnan(q) else math.copysign(math.inf, q)
    nans = np.isnan(window)
    ordered = np.concatenate([window[nans], np.sort(window[~nans])])
    rank = q * (len(ordered) - 1)
    lower = math.floor(rank)
    with np.errstate(all="ignore"):
        return float(ordered[lower] * (1 - (rank - lower)) + ordered[min(lower + 1, len(ordered) - 1)] * (rank - lower))


@pytest.mark.parametrize("step", [7, 300, 5_000, 40_000])
def test_quantiles_of_wide_windows(step: int) -> None:
    """Windows into which hundreds of samples come at once, with gaps between them and NaN within."""
    chance = np.random.default_rng(step)
    times = np.cumsum(chance.choice([1, 2, 30], 3_000, p=[0.6, 0.39, 0.01]))
    times[2_000:] += 60_000
    values = np.where(chance.random(3_000) < 0.05, np.nan, chance.integers(0, 50, 3_000).astype(float))
    ends = np.arange(step, times[-1] + 4_000, step, dtype=np.int64)[:400]
    out, present, width = np.zeros((1, len(ends))), np.zeros((1, len(ends)), np.bool_), 2_000
    places = np.array([0]), np.array([len(times)])
    quantiles.quantile_over_time(*places, times, values, ends, width, np.full(len(ends), 0.7), GO_ON, out, present)
    for j, end in enumerate(ends):
        inside = values[(times > end - width) & (times <= end)]
        assert present[0, j] == bool(len(inside))
        if len(inside):
            assert out[0, j] == pytest.approx(plain_quantile(inside, 0.7), nan_ok=True)
