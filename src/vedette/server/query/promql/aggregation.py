"""Aggregations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.block import (
    Block,
    Bools,
    Floats,
    Histograms,
    Ints,
    empty,
    label_value,
    set_labels,
)
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.gotext import format_float, format_general, is_utf8_label, quote
from vedette.server.query.promql.hashing import hash_labels
from vedette.server.query.promql.histogram import CounterReset, Histogram
from vedette.server.query.promql.histogram_sum import HistogramSum
from vedette.server.query.promql.histogram_windows import mean_of
from vedette.server.query.promql.kernels import groups
from vedette.server.query.promql.labels import METRIC_NAME, Labels
from vedette.server.query.promql.names import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.query.promql.ast import AggregateExpr
    from vedette.server.query.promql.context import Context, Steps

_CHOOSING: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_IGNORES_HISTOGRAMS: Final = frozenset({"min", "max", "stddev", "stdvar", "quantile", "topk", "bottomk"})
_MAX_INT: Final = 2.0**63


@dataclass(slots=True)
class _Groups:
    """Which group every row belongs to.

    `order` lists the rows by group, `bounds` where each group begins in it.
    """

    labels: list[Labels]
    of_row: Ints

    @property
    def order(self) -> Ints:
        return np.argsort(self.of_row, kind="stable")

    @property
    def bounds(self) -> Ints:
        counts = np.bincount(self.of_row, minlength=len(self.labels))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def aggregate(
    context: Context,
    node: AggregateExpr,
    steps: Steps,
    parameter: Floats | None,
    label: str,
    operand: Callable[[], Block],
) -> Block:
    """Aggregate the vector that `operand` evaluates to.

    `parameter` is the number in front of it, one for every step; `label` the label's name of `count_values`.
    """
    if node.op == "count_values":
        if not is_utf8_label(label):
            raise EvaluationError(f"invalid label name {quote(label)}")
        return _count_values(context, node, operand(), label)
    block = operand()
    if node.op in _CHOOSING:
        if parameter is None:
            raise TypeError("a choosing aggregation without parameter")
        return _choose(context, node, block, steps, parameter)
    if node.op == "quantile" and parameter is not None and node.param is not None:
        _check_quantiles(context, node, parameter)
    if not block.labels:
        return empty(steps.count)
    grouped = _group(node, block)
    context.reserve(len(grouped.labels), steps.count)
    out = np.zeros((len(grouped.labels), steps.count))
    found = np.zeros(out.shape, np.bool_)
    _annotate_ignored(context, node, block, node.op)
    _run(node.op, block, grouped, parameter, out, found)
    histograms = None
    if node.op in {"sum", "avg"} and block.histograms is not None:
        histograms = _aggregate_histograms(context, node, block, grouped, found)
    drops = None
    if block.drop_name is not None:
        drops = [False] * len(grouped.labels)
        for row, group in enumerate(grouped.of_row):
            drops[group] = drops[group] or block.drops(row)
    return Block(grouped.labels, out, found, histograms, drops).without_empty_rows()


def _group(node: AggregateExpr, block: Block) -> _Groups:
    if not node.without and not node.grouping:
        return _Groups([()], np.zeros(len(block.labels), np.int64))
    labels, of_row = group_rows(node, block.labels)
    return _Groups(labels, np.array(of_row, np.int64))


def group_rows(node: AggregateExpr, rows: Sequence[Labels]) -> tuple[list[Labels], list[int]]:
    """The labels of an aggregation's groups, and which of them each row belongs to."""
    names = {*node.grouping, METRIC_NAME} if node.without else set(node.grouping)
    keep = not node.without
    known: dict[Labels, int] = {}
    of_row = []
    for labels in rows:
        key = tuple([pair for pair in labels if (pair[0] in names) is keep])
        of_row.append(known.setdefault(key, len(known)))
    return list(known), of_row


def _run(op: str, block: Block, grouped: _Groups, parameter: Floats | None, out: Floats, found: Bools) -> None:
    of_row = grouped.of_row
    floats = block.present if op in {"count", "group"} else block.floats()
    match op:
        case "sum":
            groups.aggregate_sum(block.values, floats, of_row, out, found)
        case "avg":
            groups.aggregate_mean(block.values, floats, of_row, out, found)
        case "min" | "max":
            groups.aggregate_extreme(1.0 if op == "max" else -1.0, block.values, floats, of_row, out, found)
        case "count" | "group":
            groups.aggregate_count(floats, of_row, out, found)
            if op == "group":
                out[found] = 1.0
        case "stddev" | "stdvar":
            groups.aggregate_variance(block.values, floats, of_row, out, found)
            if op == "stddev":
                np.sqrt(out, out=out)
        case _:
            if parameter is None:
                raise TypeError("a quantile without parameter")
            groups.aggregate_quantile(parameter, block.values, floats, grouped.order, grouped.bounds, out, found)


def _check_quantiles(context: Context, node: AggregateExpr, parameter: Floats) -> None:
    if node.param is None:
        return
    if np.isnan(parameter).any():
        context.annotations.invalid_quantile(float("nan"), node.param)
        parameter = parameter[np.isinf(parameter)]  # where one is no number, Prometheus sees no others but these
    if len(parameter) and parameter.max() > 1:
        context.annotations.invalid_quantile(float(parameter.max()), node.param)
    if len(parameter) and parameter.min() < 0:
        context.annotations.invalid_quantile(float(parameter.min()), node.param)


def _annotate_ignored(
    context: Context, node: AggregateExpr, block: Block, op: str, looked_at: Bools | slice = slice(None)
) -> None:
    """Say that histograms are left out, if there are any at the steps that were looked at."""
    if op not in _IGNORES_HISTOGRAMS or block.histograms is None:
        return
    if block.histogram_points()[:, looked_at].any():
        place = node if op in {"topk", "bottomk"} else node.expr
        context.annotations.histogram_ignored(op, place)


def _aggregate_histograms(
    context: Context, node: AggregateExpr, block: Block, grouped: _Groups, found: Bools
) -> Histograms:
    """Sums and means of histograms; where floats are in the same group, nothing is left."""
    points, floats = block.histogram_points(), block.floats()
    out = np.full(found.shape, None, np.object_)
    members: dict[tuple[int, int], list[int]] = {}
    for row, step in zip(*np.nonzero(points), strict=True):
        members.setdefault((int(grouped.of_row[row]), int(step)), []).append(int(row))
    for (group, step), rows in members.items():
        samples = [block.histograms[row, step] for row in rows] if block.histograms is not None else []
        labels = [block.labels[row] for row in rows]
        if found[group, step]:
            found[group, step] = False
            first_float = int(np.flatnonzero((grouped.of_row == group) & floats[:, step])[0])
            odd = None if first_float < rows[0] else _annotate_differences(context, node, samples, labels)
            if odd is None or rows[odd] > first_float:
                context.annotations.mixed_aggregation(node.expr)
            continue
        if _annotate_differences(context, node, samples, labels) is None:
            out[group, step] = _combine_histograms(context, node, samples)
            found[group, step] = True
    return out


def _annotate_differences(
    context: Context, node: AggregateExpr, samples: list[Histogram], labels: list[Labels]
) -> int | None:
    """Tell of bounds that differ, and of the first histogram that does not go together with those before: its place."""
    odd = next((i for i, one in enumerate(samples) if one.is_custom != samples[0].is_custom), None)
    if any(one.custom_values != samples[0].custom_values for one in samples[:odd]):
        context.annotations.bounds_reconciled("aggregation", node.expr)
    if odd is not None:
        context.annotations.mixed_schemas(label_value(labels[odd], METRIC_NAME), node.expr)
    return odd


def _combine_histograms(context: Context, node: AggregateExpr, samples: list[Histogram]) -> Histogram:
    if node.op == "avg":
        result, _ = mean_of(samples)
    else:
        total = HistogramSum(samples[0])
        for sample in samples[1:]:
            total.add(sample)
        result = total.result()
    hints = {sample.counter_reset for sample in samples}
    if CounterReset.RESET in hints and CounterReset.NOT_RESET in hints:
        context.annotations.reset_collision("aggregation", node.expr)
    return result.compact()


def _choose(context: Context, node: AggregateExpr, block: Block, steps: Steps, parameter: Floats) -> Block:
    if node.op == "limit_ratio":
        return _limit_ratio(context, node, block, parameter)
    if np.isnan(parameter).any():
        raise EvaluationError("Parameter value is NaN")
    if parameter.max() < 1:
        return empty(steps.count)
    if parameter.min() <= -_MAX_INT:
        raise EvaluationError(f"Scalar value {format_general(float(parameter.min()))} underflows int64")
    if parameter.max() >= _MAX_INT:
        raise EvaluationError(f"Scalar value {format_general(float(parameter.max()))} overflows int64")
    if not block.labels:
        return block
    grouped = _group(node, block)
    limits = np.minimum(parameter, len(block.labels)).astype(np.int64)
    chosen = np.zeros(block.present.shape, np.bool_)
    if node.op == "limitk":
        groups.choose_first(limits, block.present, grouped.order, grouped.bounds, chosen)
        return Block(block.labels, block.values, chosen, block.histograms, block.drop_name).without_empty_rows()
    _annotate_ignored(context, node, block, node.op, limits >= 1)
    ranking = np.empty(len(block.labels), np.int64)
    count = groups.choose_extremes(
        1.0 if node.op == "topk" else -1.0,
        limits,
        block.values,
        block.floats(),
        grouped.order,
        grouped.bounds,
        chosen,
        ranking,
    )
    result = Block(block.labels, block.values, chosen, None, block.drop_name)
    return result.take(ranking[:count]) if steps.count == 1 else result.without_empty_rows()


def _limit_ratio(context: Context, node: AggregateExpr, block: Block, ratios: Floats) -> Block:
    if np.isnan(ratios).any():
        raise EvaluationError("Ratio value is NaN")
    if node.param is not None:
        if ratios.max() > 1:
            context.annotations.invalid_ratio(float(ratios.max()), 1.0, node.param)
        if ratios.min() < -1:
            context.annotations.invalid_ratio(float(ratios.min()), -1.0, node.param)
    ratios = np.clip(ratios, -1.0, 1.0)
    offsets = np.array([hash_labels(labels) / float(2**64 - 1) for labels in block.labels]).reshape(-1, 1)
    kept = np.where(ratios >= 0, offsets < ratios, offsets >= 1.0 + ratios)
    mask = block.present & kept & (ratios != 0)
    return Block(block.labels, block.values, mask, block.histograms, block.drop_name).without_empty_rows()


def _count_values(context: Context, node: AggregateExpr, block: Block, label: str) -> Block:
    """How many series have each value; the value becomes a label."""
    grouping = node.grouping if node.without else (*node.grouping, label)
    names = set(grouping) | ({METRIC_NAME} if node.without else set())
    counts: dict[Labels, Floats] = {}
    for row, labels in enumerate(block.labels):
        for step in np.flatnonzero(block.present[row]):
            histogram = None if block.histograms is None else block.histograms[row, step]
            text = format_float(float(block.values[row, step])) if histogram is None else str(histogram)
            valued = set_labels(labels, {label: text})
            key = tuple(pair for pair in valued if (pair[0] in names) is not node.without)
            if key not in counts:
                context.reserve(len(counts) + 1, block.steps)
                counts[key] = np.zeros(block.steps)
            counts[key][step] += 1
    if not counts:
        return empty(block.steps)
    values = np.array(list(counts.values()))
    return settle(context, Block(list(counts), values, values > 0))
