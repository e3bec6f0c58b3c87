"""Functions of range vectors: one value from the samples of each window (end - width, end]."""

from __future__ import annotations

import numpy as np

from vedette.server.query.promql.kernels.common import Bools, Floats, Ints, after, inlined, kahan, kernel

SUM, AVG, MIN, MAX, COUNT, STDDEV, STDVAR, LAST, FIRST, PRESENT = range(10)
CHANGES, TS_FIRST, TS_LAST, TS_MIN, TS_MAX, MAD, DERIV, PREDICT, SMOOTH = range(10, 19)


@inlined
def _mean(values: Floats, low: int, high: int) -> float:
    total, compensation = values[low], 0.0
    mean = 0.0
    incremental = False
    for i in range(low + 1, high):
        count = float(i - low + 1)
        if not incremental:
            new_total, new_compensation = kahan(values[i], total, compensation)
            if not np.isinf(new_total):
                total, compensation = new_total, new_compensation
                continue
            incremental = True
            mean = total / (count - 1)
            compensation /= count - 1
        q = (count - 1) / count
        mean, compensation = kahan(values[i] / count, q * mean, q * compensation)
    if incremental:
        return mean + compensation
    count = float(high - low)
    return total / count + compensation / count


@inlined
def _variance(values: Floats, low: int, high: int) -> float:
    mean, mean_c, aux, aux_c = 0.0, 0.0, 0.0, 0.0
    for i in range(low, high):
        delta = values[i] - (mean + mean_c)
        mean, mean_c = kahan(delta / (i - low + 1), mean, mean_c)
        aux, aux_c = kahan(delta * (values[i] - (mean + mean_c)), aux, aux_c)
    return (aux + aux_c) / (high - low)


@inlined
def _extreme(values: Floats, low: int, high: int, sign: float, last: int) -> int:
    """The index of the smallest (`sign` -1) or largest value, with `last` the last of equals; NaN only if alone."""
    best = low
    for i in range(low, high):
        value, current = sign * values[i], sign * values[best]
        if value > current or (last and value == current) or np.isnan(current):
            best = i
    return best


@inlined
def quantile_sorted(ordered: Floats, count: int, q: float) -> float:
    """A quantile of values in order: what lies between two of them is their weighted mean."""
    if count == 0 or np.isnan(q):
        return np.nan
    if q < 0:
        return -np.inf
    if q > 1:
        return np.inf
    rank = q * (count - 1)
    lower = max(0, int(np.floor(rank)))
    upper = min(count - 1, lower + 1)
    weight = rank - np.floor(rank)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


@inlined
def _mad(values: Floats, low: int, high: int) -> float:
    window = values[low:high].copy()
    for value in window:
        if np.isnan(value):
            return np.nan
    window.sort()
    median = quantile_sorted(window, len(window), 0.5)
    for i in range(len(window)):
        window[i] = abs(window[i] - median)
    window.sort()
    return quantile_sorted(window, len(window), 0.5)


@inlined
def _regression(times: Ints, values: Floats, low: int, high: int, intercept_time: int) -> tuple[float, float]:
    """Slope and intercept of the least-squares line."""
    sum_x, c_x, sum_y, c_y = 0.0, 0.0, 0.0, 0.0
    sum_xy, c_xy, sum_x2, c_x2 = 0.0, 0.0, 0.0, 0.0
    constant = True
    for i in range(low, high):
        if values[i] != values[low]:
            constant = False
        x = (times[i] - intercept_time) / 1e3
        sum_x, c_x = kahan(x, sum_x, c_x)
        sum_y, c_y = kahan(values[i], sum_y, c_y)
        sum_xy, c_xy = kahan(x * values[i], sum_xy, c_xy)
        sum_x2, c_x2 = kahan(x * x, sum_x2, c_x2)
    if constant:
        if np.isinf(values[low]):
            return np.nan, np.nan
        return 0.0, values[low]
    n = float(high - low)
    sum_x, sum_y, sum_xy, sum_x2 = sum_x + c_x, sum_y + c_y, sum_xy + c_xy, sum_x2 + c_x2
    slope = (sum_xy - sum_x * sum_y / n) / (sum_x2 - sum_x * sum_x / n)
    return slope, sum_y / n - slope * sum_x / n


@inlined
def _double_smoothing(values: Floats, low: int, high: int, smoothing: float, trend: float) -> float:
    previous, current = 0.0, values[low]
    b = values[low + 1] - values[low]
    for i in range(low + 1, high):
        if i > low + 1:
            b = trend * (current - previous) + (1 - trend) * b
        previous, current = current, smoothing * values[i] + (1 - smoothing) * (current + b)
    return current


@inlined
def _window_value(
    op: int, times: Ints, values: Floats, low: int, high: int, moment: int, first_param: float, second_param: float
) -> float:
    if op == SUM:
        total, compensation = 0.0, 0.0
        for i in range(low, high):
            total, compensation = kahan(values[i], total, compensation)
        return total + compensation
    if op == AVG:
        return _mean(values, low, high)
    if op in (MIN, MAX):
        return values[_extreme(values, low, high, -1.0 if op == MIN else 1.0, 0)]
    if op == COUNT:
        return float(high - low)
    if op == STDVAR:
        return _variance(values, low, high)
    if op == STDDEV:
        return np.sqrt(_variance(values, low, high))
    if op == LAST:
        return values[high - 1]
    if op == FIRST:
        return values[low]
    if op == PRESENT:
        return 1.0
    if op == CHANGES:
        changes = 0
        for i in range(low + 1, high):
            if values[i] != values[i - 1] and not (np.isnan(values[i]) and np.isnan(values[i - 1])):
                changes += 1
        return float(changes)
    if op == TS_FIRST:
        return times[low] / 1000
    if op == TS_LAST:
        return times[high - 1] / 1000
    if op in (TS_MIN, TS_MAX):
        return times[_extreme(values, low, high, -1.0 if op == TS_MIN else 1.0, 1)] / 1000
    if op == MAD:
        return _mad(values, low, high)
    if op == DERIV:
        return _regression(times, values, low, high, times[low])[0]
    if op == PREDICT:
        slope, intercept = _regression(times, values, low, high, moment)
        return slope * first_param + intercept
    return _double_smoothing(values, low, high, first_param, second_param)


@kernel
def over_time(
    op: int,
    first: Ints,
    last: Ints,
    times: Ints,
    values: Floats,
    ends: Ints,
    width: int,
    lookback: int,
    moments: Ints,
    first_params: Floats,
    second_params: Floats,
    stop: Ints,
    out: Floats,
    present: Bools,
) -> None:
    """Apply the function `op` to every window; `moments` are the steps' times, the parameters one per step.

    With a `lookback`, a window begins with the sample in front of it. When `stop` is set, the rest of the windows is
    left out.
    """
    least = 2 if op >= DERIV else 1
    for k in range(len(first)):
        high = low = after(times, first[k], last[k], ends[0] - width)
        for j in range(len(ends)):
            if stop[0] != 0:
                return
            while high < last[k] and times[high] <= ends[j]:
                high += 1
            while low < high and times[low] <= ends[j] - width:
                low += 1
            if high - low >= least:
                begin = low
                if lookback > 0 and low > first[k] and times[low - 1] > ends[j] - width - lookback:
                    begin = low - 1
                out[k, j] = _window_value(op, times, values, begin, high, moments[j], first_params[j], second_params[j])
                present[k, j] = True
