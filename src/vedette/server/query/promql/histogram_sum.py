"""Sums and differences of native histograms, compensated or plain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vedette.server.query.promql.histogram import (
    CounterReset,
    Histogram,
    IncompatibleSchemas,
    exponential_bound,
    intersect_bounds,
    merge_indices,
    with_bounds,
)


@dataclass(slots=True)
class Outcome:
    """What had to be settled: contradicting resets, and different custom bounds."""

    reset_collision: bool = False
    bounds_reconciled: bool = False


def add(left: Histogram, right: Histogram) -> Outcome:
    """Add `right` to `left`, in place.

    Raises:
        IncompatibleSchemas: one has custom buckets, the other has not.
    """
    return _combine(left, right, 1.0, None)


def subtract(left: Histogram, right: Histogram) -> Outcome:
    """Subtract `right` from `left`, in place.

    Raises:
        IncompatibleSchemas: one has custom buckets, the other has not.
    """
    return _combine(left, right, -1.0, None)


class HistogramSum:
    """A running sum of histograms, compensated (Kahan's, with Neumaier's improvement)."""

    def __init__(self, first: Histogram) -> None:
        self.total = first.copy()
        self.compensation = Histogram(
            first.schema, 0.0, 0.0, 0.0, first.zero_threshold, {}, {}, first.custom_values, first.counter_reset
        )

    def copy(self) -> HistogramSum:
        """An independent copy."""
        copy = HistogramSum(self.total)
        copy.compensation = self.compensation.copy()
        return copy

    def add(self, histogram: Histogram) -> Outcome:
        """Add one more.

        Raises:
            IncompatibleSchemas: it has custom buckets and those before have not, or the other way round.
        """
        return _combine(self.total, histogram, 1.0, self.compensation)

    def scale(self, factor: float) -> None:
        """Multiply what was added so far."""
        self.total, self.compensation = self.total.scaled(factor), self.compensation.scaled(factor)

    def divide(self, divisor: float) -> None:
        """Divide what was added so far."""
        self.total, self.compensation = self.total.divided(divisor), self.compensation.divided(divisor)

    @property
    def overflows(self) -> bool:
        """Whether a count or the sum has become infinite."""
        total = self.total
        numbers = [total.count, total.sum, total.zero_count, *total.positive.values(), *total.negative.values()]
        return any(math.isinf(number) for number in numbers)

    def result(self) -> Histogram:
        """The sum."""
        total = self.total.copy()
        hint = total.counter_reset
        _combine(total, self.compensation, 1.0, None)
        total.counter_reset = hint
        return total


def _kahan(increment: float, total: float, compensation: float) -> tuple[float, float]:
    result = total + increment
    if math.isinf(result):
        return result, 0.0
    if abs(total) >= abs(increment):
        return result, compensation + ((total - result) + increment)
    return result, compensation + ((increment - result) + total)


def _combine(left: Histogram, right: Histogram, sign: float, compensation: Histogram | None) -> Outcome:
    if left.is_custom != right.is_custom:
        raise IncompatibleSchemas
    outcome = Outcome(reset_collision=_settle_reset(left, right))
    if left.is_custom:
        if left.custom_values != right.custom_values:
            outcome.bounds_reconciled = True
            bounds = intersect_bounds(left.custom_values, right.custom_values)
            left.positive, left.custom_values = with_bounds(left, bounds).positive, bounds
            right = with_bounds(right, bounds)
            if compensation is not None:
                compensation.positive = with_bounds(compensation, bounds).positive
                compensation.custom_values = bounds
        left.positive = _add_buckets(left.positive, right.positive, sign, compensation, negative=False)
    else:
        zero_count = _settle_zero_buckets(left, right, compensation)
        if right.schema < left.schema:
            left.reduce(right.schema)
            if compensation is not None:
                compensation.reduce(right.schema)
        shift = right.schema - left.schema
        beyond = [
            {
                index: count
                for index, count in merge_indices(buckets, shift).items()
                if exponential_bound(index, left.schema) > left.zero_threshold
            }
            for buckets in (right.positive, right.negative)
        ]
        left.zero_count = _add_number(left.zero_count, sign * zero_count, compensation, "zero_count")
        left.positive = _add_buckets(left.positive, beyond[0], sign, compensation, negative=False)
        left.negative = _add_buckets(left.negative, beyond[1], sign, compensation, negative=True)
    left.count = _add_number(left.count, sign * right.count, compensation, "count")
    left.sum = _add_number(left.sum, sign * right.sum, compensation, "sum")
    return outcome


def _add_number(total: float, increment: float, compensation: Histogram | None, name: str) -> float:
    if compensation is None:
        return total + increment
    total, rest = _kahan(increment, total, getattr(compensation, name))
    setattr(compensation, name, rest)
    return total


def _add_buckets(
    left: dict[int, float], right: dict[int, float], sign: float, compensation: Histogram | None, *, negative: bool
) -> dict[int, float]:
    merged = dict(left)
    if compensation is None:
        for index, count in right.items():
            merged[index] = merged.get(index, 0.0) + sign * count
    else:
        rest = compensation.negative if negative else compensation.positive
        for index, count in right.items():
            merged[index], rest[index] = _kahan(sign * count, merged.get(index, 0.0), rest.get(index, 0.0))
    return merged if len(merged) == len(left) else dict(sorted(merged.items()))


def _settle_reset(left: Histogram, right: Histogram) -> bool:
    """Set what is known of resets of the result; tell whether the two contradict."""
    mine, theirs = left.counter_reset, right.counter_reset
    if mine is theirs or mine is CounterReset.GAUGE:
        return False
    if theirs is CounterReset.GAUGE:
        left.counter_reset = CounterReset.GAUGE
        return False
    left.counter_reset = CounterReset.UNKNOWN
    return CounterReset.UNKNOWN not in {mine, theirs}


def _settle_zero_buckets(left: Histogram, right: Histogram, compensation: Histogram | None) -> float:
    """Widen the zero bucket of `left` until both fit; the zero count that `right` has then."""
    count, threshold = right.zero_count, right.zero_threshold
    while threshold != left.zero_threshold:
        if left.zero_threshold > threshold:
            count, threshold = right.zero_count_within(left.zero_threshold)
        if threshold > left.zero_threshold:
            left.zero_count, left.zero_threshold = left.zero_count_within(threshold)
            left.trim_zero_bucket()
            if compensation is not None:
                compensation.zero_threshold = left.zero_threshold
                compensation.trim_zero_bucket()
    return count
