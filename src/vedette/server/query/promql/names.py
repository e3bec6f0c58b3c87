"""The removal of metric names from results, at once or in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.server.query.promql.block import Block, drop_metadata, map_labels, merge_same_labels
from vedette.server.query.promql.labels import METRIC_NAME, Labels

if TYPE_CHECKING:
    from vedette.server.query.promql.context import Context


def drop_names(context: Context, block: Block, *, keeps_type: bool = False) -> Block:
    """Take the metrics' names off, or note that they have to go; `keeps_type` leaves type and unit where they are."""
    if context.options.delayed_name_removal:
        return Block(block.labels, block.values, block.present, block.histograms, [True] * len(block.labels))
    return map_labels(block, _unnamed if keeps_type else drop_metadata)


def _unnamed(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != METRIC_NAME)


def finish_names(block: Block) -> Block:
    """Take off the names that have to go, and join the rows that are alike then."""
    if block.drop_name is None:
        return merge_same_labels(block)
    labels = [drop_metadata(one) if drops else one for one, drops in zip(block.labels, block.drop_name, strict=True)]
    return merge_same_labels(Block(labels, block.values, block.present, block.histograms))


def settle(context: Context, block: Block) -> Block:
    """Join the rows of an operator's or a function's result that have the same labels.

    With delayed removal of names an instant query may have such rows until the end.
    """
    if context.options.delayed_name_removal and block.steps == 1:
        return block
    return merge_same_labels(block)
