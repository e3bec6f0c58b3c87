"""Operators on points of which at least one is a native histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.histogram import Bucket, CounterReset, Histogram, IncompatibleSchemas
from vedette.server.query.promql.histogram_sum import add, subtract

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.query.promql.ast import BinaryExpr
    from vedette.server.query.promql.block import Bools, Floats, Histograms
    from vedette.server.query.promql.context import Context

_OPERATIONS: Final = {"+": "addition", "-": "subtraction"}


def combine(
    context: Context,
    node: BinaryExpr,
    values: tuple[Floats, Floats],
    histograms: tuple[Histograms, Histograms],
    mask: Bools,
) -> tuple[Histograms | None, Bools, Bools]:
    """Apply an operator to the points in `mask`: what comes out, where it stays, and where the operator applies."""
    kept, applied = np.zeros(mask.shape, np.bool_), np.zeros(mask.shape, np.bool_)
    out = np.full(mask.shape, None, np.object_)
    notes: dict[int, Callable[[], None]] = {}
    for i, j in zip(*np.nonzero(mask), strict=True):
        left, right = histograms[0][i, j], histograms[1][i, j]
        combiner = _Combiner(context, node)
        result = combiner.point(left, right, values[0][i, j], values[1][i, j])
        if combiner.note is not None:
            notes[int(j)] = combiner.note
        if result is not None:
            out[i, j], kept[i, j] = result
            applied[i, j] = True
    for note in notes.values():
        note()
    return (out if kept.any() else None), kept, applied


@dataclass(slots=True)
class _Combiner:
    """Applies an operator to two points. Of each moment's notes Prometheus tells the last one alone."""

    context: Context
    node: BinaryExpr
    note: Callable[[], None] | None = None

    def point(
        self, left: Histogram | None, right: Histogram | None, left_value: float, right_value: float
    ) -> tuple[Histogram, bool] | None:
        """The histogram and whether it stays; None where the operator leaves nothing."""
        op = self.node.op
        if left is not None and right is not None:
            if op in _OPERATIONS:
                return self._add_or_subtract(left, right)
            if op == "==":
                return left, left == right
            if op == "!=":
                return left, left != right
            return self._incompatible("histogram", "histogram")
        if left is None:
            if op == "*" and right is not None:
                return right.scaled(float(left_value)).compact(), True
            return self._incompatible("float", "histogram")
        match op:
            case "*":
                return left.scaled(float(right_value)).compact(), True
            case "/":
                return left.divided(float(right_value)).compact(), True
            case "</" | ">/":
                return trim(left, float(right_value), upper=op == "</"), True
        return self._incompatible("histogram", "float")

    def _incompatible(self, left: str, right: str) -> tuple[Histogram, bool] | None:
        self.note = partial(self.context.annotations.incompatible_types, left, self.node.op, right, self.node)
        return None

    def _add_or_subtract(self, left: Histogram, right: Histogram) -> tuple[Histogram, bool] | None:
        result, op, annotations = left.copy(), self.node.op, self.context.annotations
        try:
            outcome = add(result, right) if op == "+" else subtract(result, right)
        except IncompatibleSchemas:
            self.note = partial(annotations.incompatible_layout, op, self.node)
            return None
        if op == "-":
            result.counter_reset = CounterReset.GAUGE
        if outcome.reset_collision:
            # As in Prometheus, nothing is left of two counters that contradict each other.
            self.note = partial(annotations.reset_collision, _OPERATIONS[op], self.node)
            return None
        if outcome.bounds_reconciled:
            self.note = partial(annotations.bounds_reconciled, _OPERATIONS[op], self.node)
        return result.compact(), True


def trim(histogram: Histogram, at: float, *, upper: bool) -> Histogram:
    """Only the observations below (`upper`) or above `at`; buckets that contain it are interpolated."""
    trimmer = _Trimmer(histogram, at, upper=upper)
    result = histogram.copy()
    result.positive = trimmer.side(histogram.positive, histogram.positive_buckets(), positive=True)
    result.negative = trimmer.side(histogram.negative, histogram.negative_buckets(), positive=False)
    if histogram.zero_count > 0:
        result.zero_count = trimmer.zero(histogram.zero_bucket())
    if trimmer.trimmed:
        result.count, result.sum = trimmer.count, trimmer.sum
        result.compact()
    return result


class _Trimmer:
    """Adds up what is left of a histogram."""

    def __init__(self, histogram: Histogram, at: float, *, upper: bool) -> None:
        self._at = at
        self._upper = upper
        self._custom = histogram.is_custom
        self._populated = {True: any(histogram.positive.values()), False: any(histogram.negative.values())}
        self.count = 0.0
        self.sum = 0.0
        self.trimmed = False

    def side(self, counts: dict[int, float], buckets: list[Bucket], *, positive: bool) -> dict[int, float]:
        left = dict(counts)
        for index, bucket in zip(counts, buckets, strict=True):
            if not bucket.count:
                continue
            inside = bucket.upper <= self._at if self._upper else bucket.lower >= self._at
            split = bucket.lower < self._at if self._upper else bucket.upper > self._at
            if inside:
                self._keep(bucket.count, self._middle(bucket.lower, bucket.upper, positive=positive))
            elif split:
                kept, middle = self._split(bucket, positive=positive)
                self._keep(kept, middle)
                if left[index] != kept:
                    left[index] = kept
                    self.trimmed = True
            else:
                left[index] = 0.0
                self.trimmed = True
        return left

    def zero(self, bucket: Bucket) -> float:
        lower = 0.0 if self._populated[True] and not self._populated[False] else bucket.lower
        upper = 0.0 if self._populated[False] and not self._populated[True] else bucket.upper
        at = self._at
        if at <= lower or at >= upper:
            everything = (at > lower) if self._upper else (at <= lower)
            kept, middle = (bucket.count, (lower + upper) / 2) if everything else (0.0, 0.0)
        elif self._upper:
            kept, middle = bucket.count * ((at - lower) / (upper - lower)), (lower + at) / 2
        else:
            kept, middle = bucket.count * ((upper - at) / (upper - lower)), (at + upper) / 2
        if kept != bucket.count:
            self.trimmed = True
        self._keep(kept, middle)
        return kept

    def _keep(self, count: float, middle: float) -> None:
        self.count += count
        self.sum += middle * count

    def _split(self, bucket: Bucket, *, positive: bool) -> tuple[float, float]:
        if math.isinf(bucket.lower) or math.isinf(bucket.upper):
            return self._split_infinite(bucket)
        below = bucket.count * self._fraction(bucket, positive=positive)
        if self._upper:
            return below, self._middle(bucket.lower, self._at, positive=positive)
        return bucket.count - below, self._middle(self._at, bucket.upper, positive=positive)

    def _split_infinite(self, bucket: Bucket) -> tuple[float, float]:
        """How values spread in an infinite bucket is not known: it goes, unless it can be taken to begin at zero."""
        at, upper = self._at, bucket.upper
        if bucket.lower == -math.inf:
            if self._upper:
                if at > 0 and 0 < upper < math.inf:
                    return bucket.count * at / upper, at / 2
                return (bucket.count, at) if upper <= 0 else (0.0, 0.0)
            if at >= 0 and at < upper < math.inf:
                return bucket.count * (1 - at / upper), (at + upper) / 2
            return 0.0, 0.0
        if self._upper:
            return 0.0, 0.0
        return (bucket.count, at) if at >= bucket.lower else (0.0, 0.0)

    def _fraction(self, bucket: Bucket, *, positive: bool) -> float:
        if self._custom:
            return (self._at - bucket.lower) / (bucket.upper - bucket.lower)
        low, high, at = (math.log2(abs(x)) if x else -math.inf for x in (bucket.lower, bucket.upper, self._at))
        if positive:
            return (at - low) / (high - low)
        return 1 - (at - high) / (low - high)

    def _middle(self, lower: float, upper: float, *, positive: bool) -> float:
        if math.isinf(lower):
            if math.isinf(upper):
                return 0.0
            return upper / 2 if upper > 0 else upper
        if math.isinf(upper):
            return lower
        if self._custom:
            return (lower + upper) / 2
        middle = math.sqrt(abs(lower * upper))
        return middle if positive else -middle
