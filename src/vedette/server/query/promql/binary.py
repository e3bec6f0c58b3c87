"""Operators between scalars and vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.ast import BinaryExpr, Cardinality, Matching
from vedette.server.query.promql.block import (
    METADATA_LABELS,
    Block,
    Bools,
    Floats,
    Histograms,
    drop_metadata,
    empty,
    is_set,
    label_value,
    masked,
)
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.gotext import format_labels
from vedette.server.query.promql.histogram_operators import combine
from vedette.server.query.promql.labels import METRIC_NAME, Labels
from vedette.server.query.promql.names import drop_names, settle
from vedette.server.query.promql.typecheck import COMPARISONS, SET_OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.query.promql.context import Context

_ARITHMETIC: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
_COMPARE: Final[dict[str, Callable[[Floats, Floats], Bools]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
_TRIMS: Final = frozenset({"</", ">/"})


def scalars(op: str, left: Floats, right: Floats) -> Floats:
    """Apply an operator to two scalars.

    Raises:
        EvaluationError: it is one for histograms.
    """
    if op in _TRIMS:
        raise EvaluationError(f'operator "{op}" not allowed for Scalar operations')
    with np.errstate(all="ignore"):
        if op in _COMPARE:
            return _COMPARE[op](left, right).astype(np.float64)
        return _ARITHMETIC[op](left, right)


def _elementwise(op: str, left: Floats, right: Floats, mask: Bools) -> tuple[Floats, Bools]:
    """Values and the points that stay; where nothing is, anything may come out."""
    with np.errstate(all="ignore"):
        if op in _COMPARE:
            return _spread(left, mask), mask & _COMPARE[op](left, right)
        if op in _TRIMS:
            return _spread(left, mask), np.zeros(mask.shape, np.bool_)
        return _ARITHMETIC[op](left, right), mask


def _spread(values: Floats, mask: Bools) -> Floats:
    return values if values.shape == mask.shape else np.broadcast_to(values, mask.shape)


def vector_scalar(context: Context, node: BinaryExpr, block: Block, scalar: Floats, *, swapped: bool) -> Block:
    """Apply an operator to a vector and a scalar; `swapped` if the scalar stands on the left."""
    op = node.op
    left, right = (scalar, block.values) if swapped else (block.values, scalar)
    floats = block.floats()
    values, kept = _elementwise(op, left, right, floats)
    if op in COMPARISONS and swapped:
        values = block.values
    histograms = None
    if op in _TRIMS and floats.any():
        context.annotations.incompatible_types("float", op, "float", node)
    if block.histograms is not None:
        nothing = np.full(block.histograms.shape, None, np.object_)
        pair = (nothing, block.histograms) if swapped else (block.histograms, nothing)
        matrix = _spread(scalar, block.present)
        sides = (matrix, block.values) if swapped else (block.values, matrix)
        histograms, added, compared = combine(context, node, sides, pair, block.histogram_points())
        if histograms is not None and op in COMPARISONS and swapped:
            histograms = masked(block.histograms, added)
        kept = kept | added
        if node.return_bool:
            # A comparison that cannot be made leaves nothing, one that fails leaves 0.
            floats = floats | compared
    if node.return_bool:
        result = Block(block.labels, kept.astype(np.float64), floats, None, block.drop_name)
    else:
        result = Block(block.labels, values, kept, histograms, block.drop_name)
    result = result.without_empty_rows()
    if op in _ARITHMETIC or node.return_bool:
        result = drop_names(context, result)
    return settle(context, result)


def vectors(context: Context, node: BinaryExpr, left: Block, right: Block) -> Block:
    """Apply an operator to two vectors."""
    matching = node.matching
    if matching is None:
        raise TypeError("two vectors without matching")
    if node.op in SET_OPERATORS:
        return _set_operation(context, node.op, matching, left, right)
    swapped = matching.card is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    pairs = _Pairs(context, matching, many, one)
    context.reserve(len(pairs.many_rows), many.steps)
    if not pairs.many_rows:
        return empty(left.steps)
    many_values, many_hist = pairs.samples(many, pairs.many_rows, pairs.many_fill)
    one_values, one_hist = pairs.samples(one, pairs.one_rows, pairs.one_fill)
    values = (one_values, many_values) if swapped else (many_values, one_values)
    hists = (one_hist, many_hist) if swapped else (many_hist, one_hist)
    out, compared, kept, histograms = _apply(context, node, values, hists, pairs.present)
    is_delayed = context.options.delayed_name_removal
    labels = [result_labels(node, matching, *pair, is_delayed=is_delayed) for pair in pairs.labels(many, one)]
    _check_unique(matching.card, pairs.groups, labels, compared)
    drops = None
    if is_delayed:
        drops = [node.return_bool] * len(labels)
    if node.return_bool:
        result = Block(labels, kept.astype(np.float64), compared, None, drops)
    else:
        result = Block(labels, out, kept, histograms, drops)
    return settle(context, result.without_empty_rows())


def _apply(
    context: Context,
    node: BinaryExpr,
    values: tuple[Floats, Floats],
    hists: tuple[Histograms | None, Histograms | None],
    present: Bools,
) -> tuple[Floats, Bools, Bools, Histograms | None]:
    """Values, the points to which the operator applies, the points that stay, and the histograms among them."""
    left, right = values
    if hists[0] is None and hists[1] is None:
        if node.op in _TRIMS and present.any():
            context.annotations.incompatible_types("float", node.op, "float", node)
        out, kept = _elementwise(node.op, left, right, present)
        return out, kept if node.op in _TRIMS else present, kept, None
    nothing = np.full(present.shape, None, np.object_)
    pair = (nothing if hists[0] is None else hists[0], nothing if hists[1] is None else hists[1])
    involved = (is_set(pair[0]) | is_set(pair[1])) & present
    floats = present & ~involved
    if node.op in _TRIMS and floats.any():
        context.annotations.incompatible_types("float", node.op, "float", node)
    out, kept = _elementwise(node.op, left, right, floats)
    histograms, added, compared = combine(context, node, values, pair, involved)
    return out, (kept if node.op in _TRIMS else floats) | compared, kept | added, histograms


class _Pairs:
    """Which rows of the two sides meet, and at which steps.

    A side that is filled in has row -1 and its fill value. `one` is the side of which a sample may match several.
    """

    def __init__(self, context: Context, matching: Matching, many: Block, one: Block) -> None:
        self._context = context
        self._matching = matching
        self.many_rows: list[int] = []
        self.one_rows: list[int] = []
        self.many_fill: list[float] = []
        self.one_fill: list[float] = []
        self.groups: list[int] = []
        self._masks: list[Bools] = []
        self._group = 0
        # As in Prometheus, `fill_right` stands in for the "one" side of a grouped match, whichever side that is.
        fill_one, fill_many = matching.fill_right, matching.fill_left
        typed = context.options.type_and_unit_labels
        by_signature = tuple(rows_by_signature(matching, side.labels, typed=typed) for side in (many, one))
        looked_at = np.ones(many.steps, np.bool_)
        if fill_one is None and fill_many is None:
            looked_at = np.logical_and(many.present.any(axis=0), one.present.any(axis=0))
        for signature in dict.fromkeys([*by_signature[0], *by_signature[1]]):
            many_rows, one_rows = by_signature[0].get(signature, []), by_signature[1].get(signature, [])
            self._check_one(one, one_rows, looked_at)
            any_one = _any(one, one_rows)
            self._group += 1
            for m in many_rows:
                for o in one_rows:
                    self._add(m, o, many.present[m] & one.present[o])
                if fill_one is not None:
                    self._add(m, -1, many.present[m] & ~any_one, one_fill=fill_one)
            if fill_many is not None:
                any_many = _any(many, many_rows)
                for o in one_rows:
                    self._add(-1, o, one.present[o] & ~any_many, many_fill=fill_many)
        self._order()

    def _order(self) -> None:
        """Put the pairs in the order in which Prometheus works them off: its last note at a step is the one it tells.

        That is the order of the many side's samples, whatever they match, and then of those that match none of them.
        """
        rows = self.many_rows
        order = sorted(range(len(rows)), key=lambda pair: (rows[pair] < 0, rows[pair], self.one_rows[pair]))
        if order == list(range(len(rows))):
            return
        self.many_rows, self.one_rows, self.groups = (
            [column[pair] for pair in order] for column in (self.many_rows, self.one_rows, self.groups)
        )
        self.many_fill, self.one_fill = ([fill[pair] for pair in order] for fill in (self.many_fill, self.one_fill))
        self._masks = [self._masks[pair] for pair in order]

    def _add(self, m: int, o: int, mask: Bools, *, many_fill: float = 0.0, one_fill: float = 0.0) -> None:
        if mask.any():
            self.many_rows.append(m)
            self.one_rows.append(o)
            self.many_fill.append(many_fill)
            self.one_fill.append(one_fill)
            self.groups.append(self._group)
            self._masks.append(mask)

    def _check_one(self, one: Block, rows: list[int], looked_at: Bools) -> None:
        if len(rows) < 2:
            return
        double = np.flatnonzero((one.present[rows].sum(axis=0) > 1) & looked_at)
        if not len(double):
            return
        first, second = [row for row in rows if one.present[row, double[0]]][:2]
        side = "left" if self._matching.card is Cardinality.ONE_TO_MANY else "right"
        group = _matched_labels(self._matching, one.labels[second])
        raise EvaluationError(
            f"found duplicate series for the match group {format_labels(group)} on the {side} hand-side of the "
            f"operation: [{format_labels(one.labels[first])}, {format_labels(one.labels[second])}]"
            ";many-to-many matching not allowed: matching labels must be unique on one side"
        )

    @property
    def present(self) -> Bools:
        """Where both sides have a sample."""
        return np.array(self._masks)

    def samples(self, block: Block, rows: list[int], fill: list[float]) -> tuple[Floats, Histograms | None]:
        """One side's samples for every pair."""
        index = np.asarray(rows)
        if not len(block.labels):
            return np.repeat(np.asarray(fill).reshape(-1, 1), block.steps, axis=1), None
        values = block.values[index]
        histograms = None if block.histograms is None else block.histograms[index]
        filled = index < 0
        if filled.any():
            values[filled] = np.asarray(fill)[filled][:, None]
            if histograms is not None:
                histograms[filled] = None
        if histograms is not None:
            histograms = masked(histograms, block.present[index])
        return values, histograms

    def labels(self, many: Block, one: Block) -> list[tuple[Labels, Labels]]:
        """Both sides' labels for every pair."""
        pairs = []
        for m, o in zip(self.many_rows, self.one_rows, strict=True):
            many_labels = many.labels[m] if m >= 0 else _matched_labels(self._matching, one.labels[o])
            one_labels = one.labels[o] if o >= 0 else _matched_labels(self._matching, many.labels[m])
            pairs.append((many_labels, one_labels))
        return pairs


def _any(block: Block, rows: list[int]) -> Bools:
    return (
        np.any(block.present[rows], axis=0, out=np.zeros(block.steps, np.bool_))
        if rows
        else np.zeros(block.steps, np.bool_)
    )


def rows_by_signature(matching: Matching, rows: Sequence[Labels], *, typed: bool = False) -> dict[Labels, list[int]]:
    """The rows by the labels that are matched on; `typed` leaves type and unit out as well as the name."""
    groups: dict[Labels, list[int]] = {}
    names = set(matching.labels)
    if not matching.on:
        names |= METADATA_LABELS if typed else {METRIC_NAME}
    for row, labels in enumerate(rows):
        key = tuple([pair for pair in labels if (pair[0] in names) is matching.on])
        groups.setdefault(key, []).append(row)
    return groups


def _matched_labels(matching: Matching, labels: Labels) -> Labels:
    if matching.on:
        return tuple(pair for pair in labels if pair[0] in matching.labels)
    return tuple(pair for pair in labels if pair[0] not in matching.labels and pair[0] != METRIC_NAME)


def result_labels(
    node: BinaryExpr, matching: Matching, many: Labels, one: Labels, *, is_delayed: bool = False
) -> Labels:
    """The labels of what an operator makes of two series; `is_delayed` if names are taken off in the end."""
    labels = many
    if node.op in _ARITHMETIC:
        labels = drop_metadata(labels)
    if matching.card is Cardinality.ONE_TO_ONE:
        names = matching.labels
        labels = tuple(pair for pair in labels if (pair[0] in names) == matching.on) if names or matching.on else labels
    if matching.include:
        merged = {pair[0]: pair[1] for pair in labels if pair[0] not in matching.include}
        merged |= {name: label_value(one, name) for name in matching.include}
        labels = tuple(sorted((name, value) for name, value in merged.items() if value))
    if node.return_bool and not is_delayed:
        labels = tuple(pair for pair in labels if pair[0] not in METADATA_LABELS)
    return labels


def _check_unique(card: Cardinality, groups: list[int], labels: list[Labels], applied: Bools) -> None:
    """At no step may the results of one match group have the same labels, or be several if that was not asked for.

    Results that a comparison drops afterwards count.
    """
    alone = card is Cardinality.ONE_TO_ONE
    keys = groups if alone else list(zip(groups, labels, strict=True))
    if len(set(keys)) == len(keys):
        return
    seen: dict[object, Bools] = {}
    for key, mask in zip(keys, applied, strict=True):
        known = seen.get(key)
        if known is not None and (known & mask).any():
            what = (
                "many-to-one matching must be explicit (group_left/group_right)"
                if alone
                else "grouping labels must ensure unique matches"
            )
            raise EvaluationError(f"multiple matches for labels: {what}")
        seen[key] = mask if known is None else known | mask


def _set_operation(context: Context, op: str, matching: Matching, left: Block, right: Block) -> Block:
    typed = context.options.type_and_unit_labels
    left_groups, right_groups = (rows_by_signature(matching, side.labels, typed=typed) for side in (left, right))
    if op == "or":
        mask = right.present.copy()
        for signature, rows in right_groups.items():
            others = left_groups.get(signature)
            if others:
                mask[rows] &= ~left.present[others].any(axis=0)
        added = Block(right.labels, right.values, mask, right.histograms, right.drop_name).without_empty_rows()
        return settle(context, _stack(left, added))
    mask = left.present.copy()
    for signature, rows in left_groups.items():
        others = right_groups.get(signature)
        found = right.present[others].any(axis=0) if others else np.zeros(left.steps, np.bool_)
        mask[rows] &= found if op == "and" else ~found
    return Block(left.labels, left.values, mask, left.histograms, left.drop_name).without_empty_rows()


def _stack(left: Block, right: Block) -> Block:
    if not right.labels:
        return left
    if not left.labels:
        return right
    histograms = None
    if left.histograms is not None or right.histograms is not None:
        parts = [np.full(one.values.shape, None) if one.histograms is None else one.histograms for one in (left, right)]
        histograms = np.concatenate(parts)
    drops = None
    if left.drop_name is not None or right.drop_name is not None:
        drops = [one.drops(row) for one in (left, right) for row in range(len(one.labels))]
    return Block(
        left.labels + right.labels,
        np.concatenate([left.values, right.values]),
        np.concatenate([left.present, right.present]),
        histograms,
        drops,
    )
