"""Native histograms: exponential buckets, or custom bounds."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from vedette.server.query.promql.gomath import exp2, ldexp
from vedette.server.query.promql.gotext import format_general

CUSTOM_BUCKETS_SCHEMA: Final = -53
COARSEST: Final = -4
FINEST: Final = 8
_LARGEST: Final = 1.7976931348623157e308
_PAST_FINITE: Final = 1024
"""The least power of 2 that is no number any more."""


class IncompatibleSchemas(ValueError):
    """Exponential and custom buckets cannot be brought together."""


class CounterReset(IntEnum):
    """What is known of a counter reset between a histogram and the one before it in its series."""

    UNKNOWN = 0
    RESET = 1
    NOT_RESET = 2
    GAUGE = 3


def _bounds() -> list[list[float]]:
    """The bounds of each schema between 0.5 and 1, by the steps by which Prometheus' table was made.

    Each second one is that of the schema below. Bounds of another last digit would be other buckets to who reads both.
    """
    schemas: list[list[float]] = []
    for schema in range(FINEST + 1):
        factor = exp2(exp2(-schema))
        found = [0.5]
        for place in range(1, 1 << schema):
            found.append(found[-1] * factor if place % 2 else schemas[-1][place // 2])
        schemas.append(found)
    return schemas


_BOUNDS: Final = _bounds()


@lru_cache(maxsize=65_536)
def exponential_bound(index: int, schema: int) -> float:
    """The upper end of an exponential bucket; that of the last finite one is the largest number."""
    if schema < 0:
        exponent = index << -schema
        return _LARGEST if exponent == _PAST_FINITE else ldexp(1.0, exponent)
    exponent, part = index >> schema, index & ((1 << schema) - 1)
    return _LARGEST if exponent == _PAST_FINITE and not part else ldexp(_BOUNDS[schema][part], exponent + 1)


@dataclass(slots=True)
class Bucket:
    """One bucket with its ends."""

    lower: float
    upper: float
    count: float

    def __str__(self) -> str:
        opening = "[" if self.lower < 0 else "("
        closing = "]" if self.upper > 0 else ")"
        ends = f"{format_general(self.lower)},{format_general(self.upper)}"
        return f"{opening}{ends}{closing}:{format_general(self.count)}"


@dataclass(slots=True)
class Histogram:
    """One native histogram sample, in floats.

    Buckets are sparse: `positive` and `negative` map a bucket's index to its count (not cumulative), ascending.
    With an exponential `schema` (-4 … 8) bucket `i` ends at 2^(i·2^-schema), inclusive, and starts where `i-1` ends;
    negative buckets mirror that. With `CUSTOM_BUCKETS_SCHEMA`, `custom_values` are the upper bounds, bucket `i` ends at
    `custom_values[i]`, and the bucket behind the last bound goes to +Inf; there are no negative and zero buckets then.

    Treat an instance as immutable once it is in a series.
    """

    schema: int
    count: float
    sum: float
    zero_count: float
    zero_threshold: float
    positive: dict[int, float]
    negative: dict[int, float]
    custom_values: tuple[float, ...] = ()
    counter_reset: CounterReset = CounterReset.UNKNOWN

    @property
    def is_custom(self) -> bool:
        """Whether the buckets have custom bounds."""
        return self.schema == CUSTOM_BUCKETS_SCHEMA

    def copy(self) -> Histogram:
        """An independent copy."""
        return Histogram(
            self.schema,
            self.count,
            self.sum,
            self.zero_count,
            self.zero_threshold,
            dict(self.positive),
            dict(self.negative),
            self.custom_values,
            self.counter_reset,
        )

    def __eq__(self, other: object) -> bool:
        """Equality of everything but what is known of resets; NaN equals NaN."""
        if not isinstance(other, Histogram):
            return NotImplemented
        if self.schema != other.schema or self.custom_values != other.custom_values:
            return False
        if self.positive.keys() != other.positive.keys() or self.negative.keys() != other.negative.keys():
            return False
        numbers = zip(self._numbers(), other._numbers(), strict=True)
        return all(mine == theirs or (math.isnan(mine) and math.isnan(theirs)) for mine, theirs in numbers)

    def _numbers(self) -> list[float]:
        zeros = () if self.is_custom else (self.zero_count, self.zero_threshold)
        return [self.count, self.sum, *zeros, *self.positive.values(), *self.negative.values()]

    __hash__ = None  # type: ignore[assignment]

    def bounds(self, index: int) -> tuple[float, float]:
        """The ends of a positive bucket."""
        if not self.is_custom:
            return exponential_bound(index - 1, self.schema), exponential_bound(index, self.schema)
        values = self.custom_values
        lower = -math.inf if index <= 0 else values[index - 1] if index <= len(values) else math.inf
        return lower, values[index] if index < len(values) else math.inf

    def positive_buckets(self) -> list[Bucket]:
        """The positive buckets, ascending."""
        return [Bucket(*self.bounds(index), count) for index, count in self.positive.items()]

    def negative_buckets(self) -> list[Bucket]:
        """The negative buckets, the one next to zero first."""
        out = []
        for index, count in self.negative.items():
            lower, upper = self.bounds(index)
            out.append(Bucket(-upper, -lower, count))
        return out

    def zero_bucket(self) -> Bucket:
        """The zero bucket."""
        return Bucket(-self.zero_threshold, self.zero_threshold, self.zero_count)

    def buckets(self) -> list[Bucket]:
        """All buckets, ascending; those next to the zero bucket are cut where it begins."""
        out = []
        for bucket in reversed(self.negative_buckets()):
            bucket.upper = min(bucket.upper, -self.zero_threshold) if not self.is_custom else bucket.upper
            out.append(bucket)
        if self.zero_count > 0 and not self.is_custom:
            out.append(self.zero_bucket())
        for bucket in self.positive_buckets():
            if not self.is_custom and bucket.lower < self.zero_threshold:
                bucket.lower = self.zero_threshold
            out.append(bucket)
        return out

    def __str__(self) -> str:
        parts = [f"count:{format_general(self.count)}", f"sum:{format_general(self.sum)}"]
        parts += [str(bucket) for bucket in reversed(self.negative_buckets()) if bucket.count]
        if self.zero_count:
            zero = self.zero_bucket()
            ends = f"{format_general(zero.lower)},{format_general(zero.upper)}"
            parts.append(f"[{ends}]:{format_general(zero.count)}")
        parts += [str(bucket) for bucket in self.positive_buckets() if bucket.count]
        return "{" + ", ".join(parts) + "}"

    def scaled(self, factor: float) -> Histogram:
        """Every count and the sum times `factor`; a negative one makes it a gauge."""
        return Histogram(
            self.schema,
            self.count * factor,
            self.sum * factor,
            self.zero_count * factor,
            self.zero_threshold,
            {index: count * factor for index, count in self.positive.items()},
            {index: count * factor for index, count in self.negative.items()},
            self.custom_values,
            CounterReset.GAUGE if factor < 0 else self.counter_reset,
        )

    def divided(self, divisor: float) -> Histogram:
        """Every count and the sum by `divisor`; division by zero leaves no buckets."""
        hint = CounterReset.GAUGE if divisor < 0 else self.counter_reset
        if divisor == 0:
            count, total, zero = (_by_zero(value, divisor) for value in (self.count, self.sum, self.zero_count))
            return Histogram(self.schema, count, total, zero, self.zero_threshold, {}, {}, self.custom_values, hint)
        return Histogram(
            self.schema,
            self.count / divisor,
            self.sum / divisor,
            self.zero_count / divisor,
            self.zero_threshold,
            {index: count / divisor for index, count in self.positive.items()},
            {index: count / divisor for index, count in self.negative.items()},
            self.custom_values,
            hint,
        )

    def compact(self) -> Histogram:
        """Remove the empty buckets, in place."""
        if not all(self.positive.values()):
            self.positive = {index: count for index, count in self.positive.items() if count}
        if not all(self.negative.values()):
            self.negative = {index: count for index, count in self.negative.items() if count}
        return self

    def reduced(self, schema: int) -> Histogram:
        """A copy of a lower resolution; what is known of resets is lost with the change."""
        if schema == self.schema:
            return self.copy()
        copy = self.copy()
        copy.reduce(schema)
        copy.counter_reset = CounterReset.UNKNOWN
        return copy

    def reduce(self, schema: int) -> None:
        """Merge buckets to a lower resolution, in place."""
        shift = self.schema - schema
        self.positive, self.negative = merge_indices(self.positive, shift), merge_indices(self.negative, shift)
        self.schema = schema

    def zero_count_within(self, threshold: float) -> tuple[float, float]:
        """The zero count for a larger zero threshold, and that threshold, moved to the end of a populated bucket."""
        if threshold == self.zero_threshold:
            return self.zero_count, threshold
        while True:
            count = self.zero_count
            for bucket in self.positive_buckets():
                if bucket.lower >= threshold:
                    break
                count += bucket.count
                if bucket.upper > threshold:
                    if bucket.count:
                        threshold = bucket.upper
                    break
            for bucket in self.negative_buckets():
                if bucket.upper <= -threshold:
                    return count, threshold
                count += bucket.count
                if bucket.lower < -threshold:
                    if bucket.count:
                        threshold = -bucket.lower
                        break
                    return count, threshold
            else:
                return count, threshold

    def trim_zero_bucket(self) -> None:
        """Remove the buckets inside the zero bucket, in place."""
        for buckets in (self.positive, self.negative):
            inside = [index for index in buckets if exponential_bound(index - 1, self.schema) < self.zero_threshold]
            for index in inside:
                del buckets[index]
        self.compact()

    def resets(self, previous: Histogram) -> bool:
        """Tell whether the counter was reset since `previous`."""
        if self.counter_reset is CounterReset.RESET:
            return True
        if self.counter_reset is CounterReset.NOT_RESET:
            return False
        if self.is_custom != previous.is_custom or self.count < previous.count:
            return True
        if self.is_custom:
            return self._custom_resets(previous)
        if self.schema > previous.schema or self.zero_threshold < previous.zero_threshold:
            return True
        previous_zero, threshold = previous.zero_count_within(self.zero_threshold)
        if threshold != self.zero_threshold or self.zero_count < previous_zero:
            return True
        shift = previous.schema - self.schema
        for mine, theirs in ((self.positive, previous.positive), (self.negative, previous.negative)):
            for index, count in merge_indices(theirs, shift).items():
                if exponential_bound(index, self.schema) <= self.zero_threshold:
                    continue
                if count and mine.get(index, 0.0) < count:
                    return True
                if not count and mine.get(index, 0.0) < 0:
                    return True
        return False

    def _custom_resets(self, previous: Histogram) -> bool:
        mine, theirs = self, previous
        if self.custom_values != previous.custom_values:
            bounds = intersect_bounds(self.custom_values, previous.custom_values)
            mine, theirs = with_bounds(self, bounds), with_bounds(previous, bounds)
        return any(mine.positive.get(index, 0.0) < count for index, count in theirs.positive.items())


def _by_zero(value: float, zero: float) -> float:
    if value == 0 or math.isnan(value):
        return math.nan
    return math.copysign(math.inf, value) * math.copysign(1.0, zero)


def merge_indices(buckets: dict[int, float], shift: int) -> dict[int, float]:
    """Buckets at a resolution that is lower by `shift`."""
    if shift == 0:
        return buckets
    merged: dict[int, float] = {}
    for index, count in buckets.items():
        target = ((index - 1) >> shift) + 1
        merged[target] = merged.get(target, 0.0) + count
    return merged


def intersect_bounds(left: tuple[float, ...], right: tuple[float, ...]) -> tuple[float, ...]:
    """The custom bounds that two histograms share."""
    known = set(right)
    return tuple(value for value in left if value in known)


def with_bounds(histogram: Histogram, bounds: tuple[float, ...]) -> Histogram:
    """A copy of a histogram with fewer custom bounds."""
    copy = histogram.copy()
    merged: dict[int, float] = {}
    for index, count in histogram.positive.items():
        upper = histogram.bounds(index)[1]
        target = len(bounds) if math.isinf(upper) and upper > 0 else bisect_left(bounds, upper)
        merged[target] = merged.get(target, 0.0) + count
    copy.positive = dict(sorted(merged.items()))
    copy.custom_values = bounds
    return copy
