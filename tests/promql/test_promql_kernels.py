"""Kernels that keep something from one window to the next, against the plain way."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from vedette.server.query.promql.kernels import rates, windows

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
    quantiles, present = np.zeros(shape), np.zeros(shape, np.bool_)
    q = np.full(len(ends), (seed % 5) / 4)
    windows.quantile_over_time(first, last, times, values, ends, WIDTH, q, GO_ON, quantiles, present)
    rate, some, overlaps = np.zeros(shape), np.zeros(shape, np.bool_), np.zeros(1, np.bool_)
    rates.extrapolated(True, True, first, last, times, values, NO_STARTS, ends, WIDTH, GO_ON, rate, some, overlaps)  # noqa: FBT003
    for j, end in enumerate(ends):
        inside = (times > end - WIDTH) & (times <= end)
        assert present[0, j] == inside.any()
        assert some[0, j] == (inside.sum() > 1)
        if present[0, j]:
            assert quantiles[0, j] == pytest.approx(plain_quantile(values[inside], q[j]), nan_ok=True)
        if some[0, j]:
            expected = plain_rate(times[inside], values[inside], end - WIDTH, end)
            assert rate[0, j] == pytest.approx(expected, nan_ok=True)


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
    windows.quantile_over_time(*places, times, values, ends, width, np.full(len(ends), 0.7), GO_ON, out, present)
    for j, end in enumerate(ends):
        inside = values[(times > end - width) & (times <= end)]
        assert present[0, j] == bool(len(inside))
        if len(inside):
            assert out[0, j] == pytest.approx(plain_quantile(inside, 0.7), nan_ok=True)
