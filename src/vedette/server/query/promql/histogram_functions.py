"""histogram_quantile and its kin, over native histograms and classic buckets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.block import (
    Block,
    Bools,
    Floats,
    Ints,
    drop_metadata,
    label_value,
    set_labels,
)
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.gomath import exp2
from vedette.server.query.promql.gotext import format_float, format_general, is_utf8_label
from vedette.server.query.promql.histogram import Bucket, Histogram
from vedette.server.query.promql.kernels import groups
from vedette.server.query.promql.labels import METRIC_NAME, Labels
from vedette.server.query.promql.names import drop_names, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.query.promql.ast import Call, Node
    from vedette.server.query.promql.context import Context
    from vedette.server.query.promql.evaluator import Evaluator


def _statistic(of: Callable[[Histogram], float]) -> Callable[[Evaluator, Call], Block]:
    def apply(evaluator: Evaluator, node: Call) -> Block:
        block = evaluator.vector(node.args[0])
        points = block.histogram_points()
        values = np.zeros(block.values.shape)
        if block.histograms is not None:
            for i, j in zip(*np.nonzero(points), strict=True):
                values[i, j] = of(block.histograms[i, j])
        result = Block(block.labels, values, points, None, block.drop_name).without_empty_rows()
        return settle(evaluator.context, drop_names(evaluator.context, result, keeps_type=True))

    return apply


def _divide(left: float, right: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(left) / np.float64(right))


def _variance(histogram: Histogram) -> float:
    mean = _divide(histogram.sum, histogram.count)
    parts = []
    for bucket in histogram.buckets():
        if not bucket.count:
            continue
        if histogram.is_custom:
            value = (bucket.upper + bucket.lower) / 2
        elif bucket.lower <= 0 <= bucket.upper:
            value = 0.0
        else:
            value = math.copysign(math.sqrt(bucket.upper * bucket.lower), bucket.upper)
        parts.append(bucket.count * (value - mean) * (value - mean))
    total = math.fsum(parts) if all(map(math.isfinite, parts)) else sum(parts)
    return _divide(total, histogram.count)


def _deviation(histogram: Histogram) -> float:
    variance = _variance(histogram)
    return math.sqrt(variance) if variance >= 0 else math.nan


@dataclass(slots=True)
class _Classic:
    """Classic histograms: groups of rows whose labels differ in `le` alone.

    `order` lists the rows by histogram and rising upper bound, `bounds` where each histogram begins in it.
    """

    labels: list[Labels]
    uppers: Floats
    order: Ints
    bounds: Ints
    present: Bools


def _split(context: Context, block: Block, argument: Node) -> tuple[_Classic, Bools]:
    """The classic histograms of a vector, and where its native ones count: not beside classic buckets."""
    native = block.histogram_points()
    floats = block.present & ~native
    uppers = np.full(len(block.labels), np.nan)
    rows: dict[Labels, list[int]] = {}
    for row, labels in enumerate(block.labels):
        if not floats[row].any():
            continue
        text = label_value(labels, "le")
        try:
            uppers[row] = _parse_bound(text)
        except ValueError:
            name = label_value(labels, METRIC_NAME)
            context.annotations.bad_bucket_label(name, text, argument)
            continue
        rows.setdefault(tuple(pair for pair in labels if pair[0] != "le"), []).append(row)
    if native.any():
        for row in map(int, np.flatnonzero(native.any(axis=1))):
            beside = rows.get(block.labels[row])
            if not beside:
                continue
            both = native[row] & floats[beside].any(axis=0)
            if both.any():
                name = label_value(block.labels[row], METRIC_NAME)
                context.annotations.mixed_classic_native(name, argument)
                native[row] &= ~both
                floats[beside] &= ~both
    order = [row for group in rows.values() for row in sorted(group, key=lambda one: uppers[one])]
    bounds = np.cumsum([0, *(len(group) for group in rows.values())])
    classic = _Classic(list(rows), uppers, np.asarray(order, np.int64), bounds.astype(np.int64), floats)
    return classic, native


def _parse_bound(text: str) -> float:
    if text != text.strip() or not text:
        raise ValueError(text)
    return float(text.replace("_", "x"))


def _join(
    evaluator: Evaluator,
    block: Block,
    native: Bools,
    native_values: Floats,
    classic: _Classic,
    values: Floats,
    found: Bools,
) -> Block:
    """The results of native and classic histograms in one vector."""
    labels = [*block.labels, *classic.labels]
    result = Block(
        labels, np.concatenate([native_values, values]), np.concatenate([native, found])
    ).without_empty_rows()
    if evaluator.context.options.delayed_name_removal:
        result.drop_name = [True] * len(result.labels)
        return result
    result.labels = [drop_metadata(one) for one in result.labels]
    return result


def _quantile(evaluator: Evaluator, node: Call) -> Block:
    quantiles = evaluator.scalar(node.args[0])
    block = evaluator.vector(node.args[1])
    _check_quantiles(evaluator.context, quantiles, node.args[0])
    classic, native = _split(evaluator.context, block, node.args[1])
    result = _quantiles_of(evaluator, block, classic, native, quantiles, node.args[1])
    return settle(evaluator.context, result)


def _check_quantiles(context: Context, quantiles: Floats, node: Node) -> None:
    for q in np.unique(quantiles[~((quantiles >= 0) & (quantiles <= 1))]):
        context.annotations.invalid_quantile(float(q), node)


def _quantiles_of(
    evaluator: Evaluator, block: Block, classic: _Classic, native: Bools, quantiles: Floats, place: Node
) -> Block:
    context = evaluator.context
    native_values = np.zeros(block.values.shape)
    if block.histograms is not None:
        for i, j in zip(*np.nonzero(native), strict=True):
            name = label_value(block.labels[i], METRIC_NAME)
            native_values[i, j] = quantile(block.histograms[i, j], float(quantiles[j]), context, name, place)
    count = len(classic.labels)
    values, found = np.zeros((count, block.steps)), np.zeros((count, block.steps), np.bool_)
    forced = np.zeros((count, 6))
    if count:
        groups.bucket_quantile(
            quantiles,
            block.values,
            classic.present,
            classic.uppers,
            classic.order,
            classic.bounds,
            values,
            found,
            forced,
        )
    times = evaluator.steps.times
    for row in np.flatnonzero(forced[:, 0]):
        name = label_value(classic.labels[row], METRIC_NAME)
        often, lowest, highest, difference, first, last = forced[row]
        context.annotations.forced_monotonicity(
            name,
            place,
            lowest=lowest,
            highest=highest,
            difference=difference,
            count=int(often),
            times_ms=(int(times[int(first)]), int(times[int(last)])),
        )
    return _join(evaluator, block, native, native_values, classic, values, found)


def _quantiles(evaluator: Evaluator, node: Call) -> Block:
    block = evaluator.vector(node.args[0])
    label = evaluator.string(node.args[1])
    if not is_utf8_label(label):
        raise EvaluationError(f"invalid label name {label}")
    wanted = [evaluator.scalar(arg) for arg in node.args[2:]]
    for q, arg in zip(wanted, node.args[2:], strict=True):
        _check_quantiles(evaluator.context, q, arg)
    classic, native = _split(evaluator.context, block, node.args[0])
    parts = []
    for q in wanted:
        part = _quantiles_of(evaluator, block, classic, native, q, node.args[0])
        for value in np.unique(q):
            steps = (q == value) | (np.isnan(q) & np.isnan(value))
            named = [set_labels(labels, {label: _open_metrics(float(value))}) for labels in part.labels]
            parts.append(Block(named, part.values, part.present & steps, None, part.drop_name).without_empty_rows())
    drops = [drop for part in parts for drop in part.drop_name or []] or None
    result = Block(
        [labels for part in parts for labels in part.labels],
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.present for part in parts]),
        None,
        drops,
    )
    return settle(evaluator.context, result)


def _open_metrics(value: float) -> str:
    """A number as OpenMetrics writes it, always with a point or an exponent."""
    if not math.isfinite(value):
        return format_float(value)
    text = format_general(value or 0.0)
    return text if "." in text or "e" in text else text + ".0"


def quantile(histogram: Histogram, q: float, context: Context, name: str, node: Node) -> float:
    """The quantile of a native histogram, interpolated: exponentially, but linearly in zero and custom buckets."""
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    if histogram.count == 0 or math.isnan(q):
        return math.nan
    has_nan = math.isnan(histogram.sum)
    forward = has_nan or q < 0.5
    buckets = iter(histogram.buckets() if forward else histogram.buckets()[::-1])
    rank = (q if forward else 1 - q) * histogram.count
    count = 0.0
    bucket = Bucket(0.0, 0.0, 0.0)
    for bucket in buckets:
        count += bucket.count
        if bucket.count and count >= rank:
            break
    count = min(count, histogram.count)
    if histogram.is_custom:
        if bucket.lower == -math.inf:
            if bucket.upper <= 0:
                return bucket.upper
            bucket.lower = 0.0
        elif bucket.upper == math.inf:
            return bucket.lower
    elif bucket.lower < 0 < bucket.upper:
        _narrow(histogram, bucket)
    if has_nan and count < rank:
        context.annotations.nan_quantile(name, node, skewed=False)
        return math.nan
    if count < rank:
        return bucket.upper
    rank = rank - (count - bucket.count) if forward else count - rank
    if has_nan:
        rest = list(buckets)
        # With no fewer than are counted, infinities of both signs are what makes the sum no number.
        if count + math.fsum(one.count for one in rest) < histogram.count:
            context.annotations.nan_quantile(name, node, skewed=True)
        # As in Prometheus, the rank counts in the last bucket then, whichever it was found in.
        bucket = rest[-1] if rest else bucket
    fraction = _divide(rank, bucket.count)
    if histogram.is_custom or bucket.lower <= 0 <= bucket.upper:
        return bucket.lower + (bucket.upper - bucket.lower) * fraction
    low, high = math.log2(abs(bucket.lower)), math.log2(abs(bucket.upper))
    if bucket.lower > 0:
        return exp2(low + (high - low) * fraction)
    return -exp2(high + (low - high) * (1 - fraction))


def _narrow(histogram: Histogram, bucket: Bucket) -> None:
    """A zero bucket begins or ends at zero if all other observations lie on one side."""
    if not histogram.negative and histogram.positive:
        bucket.lower = 0.0
    elif not histogram.positive and histogram.negative:
        bucket.upper = 0.0


def _fraction(evaluator: Evaluator, node: Call) -> Block:
    lowers, uppers = evaluator.scalar(node.args[0]), evaluator.scalar(node.args[1])
    block = evaluator.vector(node.args[2])
    context = evaluator.context
    classic, native = _split(context, block, node.args[2])
    native_values = np.zeros(block.values.shape)
    if block.histograms is not None:
        for i, j in zip(*np.nonzero(native), strict=True):
            name = label_value(block.labels[i], METRIC_NAME)
            native_values[i, j] = fraction(
                block.histograms[i, j], float(lowers[j]), float(uppers[j]), context, name, node.args[2]
            )
    count = len(classic.labels)
    values, found = np.zeros((count, block.steps)), np.zeros((count, block.steps), np.bool_)
    if count:
        groups.bucket_fraction(
            lowers,
            uppers,
            block.values,
            classic.present,
            classic.uppers,
            classic.order,
            classic.bounds,
            values,
            found,
        )
    return settle(context, _join(evaluator, block, native, native_values, classic, values, found))


def fraction(histogram: Histogram, lower: float, upper: float, context: Context, name: str, node: Node) -> float:
    """The share of a native histogram's observations between two values."""
    if histogram.count == 0 or math.isnan(lower) or math.isnan(upper):
        return math.nan
    if lower >= upper:
        return 0.0
    inside = histogram.count
    if math.isnan(histogram.sum):
        # Observations of NaN are in no bucket: they lie beyond every bound.
        inside = math.fsum(bucket.count for bucket in histogram.buckets())
        if inside < histogram.count:
            context.annotations.nan_fraction(name, node)
    ranks = [_rank(histogram, value) for value in (lower, upper)]
    low, high = (min(rank, inside) if rank is not None else inside for rank in ranks)
    return (high - low) / histogram.count


def _rank(histogram: Histogram, value: float) -> float | None:
    """How many observations lie below a value; None if it lies above all buckets."""
    rank = 0.0
    for bucket in histogram.buckets():
        zero = False
        if bucket.lower <= 0 <= bucket.upper:
            zero = True
            _narrow(histogram, bucket)
        if bucket.lower >= value:
            return rank
        if bucket.lower < value < bucket.upper:
            if bucket.lower == -math.inf:
                return rank + bucket.count
            if histogram.is_custom or zero:
                return rank + bucket.count * ((value - bucket.lower) / (bucket.upper - bucket.lower))
            low, high, at = (math.log2(abs(x)) for x in (bucket.lower, bucket.upper, value))
            share = (at - low) / (high - low) if value > 0 else 1 - (at - high) / (low - high)
            return rank + bucket.count * share
        rank += bucket.count
    return None


HISTOGRAM_FUNCTIONS: Final[dict[str, Callable[[Evaluator, Call], Block]]] = {
    "histogram_avg": _statistic(lambda histogram: _divide(histogram.sum, histogram.count)),
    "histogram_count": _statistic(lambda histogram: histogram.count),
    "histogram_fraction": _fraction,
    "histogram_quantile": _quantile,
    "histogram_quantiles": _quantiles,
    "histogram_stddev": _statistic(_deviation),
    "histogram_stdvar": _statistic(_variance),
    "histogram_sum": _statistic(lambda histogram: histogram.sum),
}
