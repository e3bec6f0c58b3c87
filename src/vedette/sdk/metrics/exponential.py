"""Exponential histograms: buckets whose width grows with the value, with a scale that adapts.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from math import ceil, inf, isinf, log, log2

from vedette.sdk.metrics.instruments import _Observer

__all__ = ["ExponentialHistogram"]

_MOST_BUCKETS = 160
_FIRST_SCALE = 20
_LOWEST_SCALE = -10


class ExponentialHistogram(_Observer):
    """Counts observations in at most 160 buckets on each side of zero, with about 2 % relative error or better."""

    __slots__ = ("maximum", "minimum", "negative", "positive", "scale", "total", "zeros")

    def reset(self) -> None:
        """Forget every observation."""
        super().reset()
        self.scale = _FIRST_SCALE
        self.positive: dict[int, int] = {}
        self.negative: dict[int, int] = {}
        self.zeros = 0
        self.total = 0.0
        self.minimum, self.maximum = inf, -inf

    def _take(self, values: list[float]) -> None:
        finite = [value for value in values if not isinf(value)]
        if not finite:
            return
        self.minimum, self.maximum = min(self.minimum, finite[0]), max(self.maximum, finite[-1])
        self.total += sum(finite)
        below, above = bisect_left(finite, 0.0), bisect_right(finite, 0.0)
        self.zeros += above - below
        self._count(self.positive, finite[above:])
        self._count(self.negative, [-value for value in reversed(finite[:below])])

    def _count(self, side: dict[int, int], magnitudes: list[float]) -> None:
        """Bring in ascending magnitudes, at a scale at which all of the side's buckets are few enough."""
        if not magnitudes:
            return
        low, high = self._index(magnitudes[0]), self._index(magnitudes[-1])
        if side:
            low, high = min(low, *side), max(high, *side)
        while high - low >= _MOST_BUCKETS and self.scale > _LOWEST_SCALE:
            low, high = low >> 1, high >> 1
            self._widen()
        for index, number in Counter(map(self._index, magnitudes)).items():
            side[index] = side.get(index, 0) + number

    def _widen(self) -> None:
        """Make one bucket of two, on both sides."""
        self.scale -= 1
        for held in (self.positive, self.negative):
            merged: dict[int, int] = {}
            for place, number in held.items():
                merged[place >> 1] = merged.get(place >> 1, 0) + number
            held.clear()
            held.update(merged)

    def _index(self, magnitude: float) -> int:
        """The bucket (base^index, base^(index+1)] that holds the magnitude; base = 2^(2^-scale)."""
        if self.scale > 0:
            return ceil(log(magnitude) / log(2) * (1 << self.scale)) - 1
        return (ceil(log2(magnitude)) - 1) >> -self.scale

    def count(self) -> int:
        """How many observations were folded in."""
        return self.zeros + sum(self.positive.values()) + sum(self.negative.values())

    def classic(self) -> list[tuple[float, int]]:
        """(upper bound, cumulative count) pairs, for formats that know classic buckets only."""
        step = 2.0**-self.scale
        below = 0
        pairs = []
        for index in sorted(self.negative, reverse=True):
            below += self.negative[index]
            pairs.append((-(2.0 ** (index * step)), below))
        below += self.zeros
        pairs.append((0.0, below))
        for index in sorted(self.positive):
            below += self.positive[index]
            pairs.append((2.0 ** ((index + 1) * step), below))
        return pairs
