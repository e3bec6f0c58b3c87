"""label_replace and label_join: functions that change labels and leave samples alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vedette.server.query.promql.block import Block, label_value, merge_same_labels, set_labels
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.gotext import is_utf8_label
from vedette.server.query.promql.labels import METRIC_NAME, InvalidRegex, Labels, compile_regex, expand_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.query.promql.ast import Call
    from vedette.server.query.promql.evaluator import Evaluator


def _replace(evaluator: Evaluator, node: Call) -> Block:
    target, replacement, source, pattern = (evaluator.string(arg) for arg in node.args[1:])
    try:
        regex = compile_regex(pattern)
    except InvalidRegex as error:
        raise EvaluationError(f"invalid regular expression in label_replace(): {pattern}") from error
    if not is_utf8_label(target):
        raise EvaluationError(f"invalid destination label name in label_replace(): {target}")

    def change(labels: Labels) -> Labels:
        match = regex.fullmatch(label_value(labels, source))
        return labels if match is None else set_labels(labels, {target: expand_groups(replacement, match)})

    return _relabel(evaluator, node, target, change)


def _join(evaluator: Evaluator, node: Call) -> Block:
    target, separator, *sources = (evaluator.string(arg) for arg in node.args[1:])
    for source in sources:
        if not is_utf8_label(source):
            raise EvaluationError(f"invalid source label name in label_join(): {source}")
    if not is_utf8_label(target):
        raise EvaluationError(f"invalid destination label name in label_join(): {target}")

    def change(labels: Labels) -> Labels:
        return set_labels(labels, {target: separator.join(label_value(labels, source) for source in sources)})

    return _relabel(evaluator, node, target, change)


def _relabel(evaluator: Evaluator, node: Call, target: str, change: Callable[[Labels], Labels]) -> Block:
    block = evaluator.vector(node.args[0])
    labels, drops = [], []
    for row, old in enumerate(block.labels):
        new = change(old)
        labels.append(new)
        drops.append(block.drops(row) and (target != METRIC_NAME or new is old))
    drop_name = drops if block.drop_name is not None else None
    return merge_same_labels(Block(labels, block.values, block.present, block.histograms, drop_name))


LABEL_FUNCTIONS: Final[dict[str, Callable[[Evaluator, Call], Block]]] = {
    "label_join": _join,
    "label_replace": _replace,
}
