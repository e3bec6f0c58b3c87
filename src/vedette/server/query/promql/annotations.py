"""Warnings and notes that come with an answer, in Prometheus' words and with the place in the expression."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vedette.server.query.promql.gotext import format_general, quote
from vedette.server.query.promql.parser_base import position_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vedette.server.query.promql.ast import Node

INFO: Final = "PromQL info: "
WARNING: Final = "PromQL warning: "

_MONOTONICITY: Final = (
    INFO + "input to histogram_quantile needed to be fixed for monotonicity "
    "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)


@dataclass(slots=True)
class _Forced:
    """How the counts of classic buckets had to be changed, over all steps."""

    lowest: float
    highest: float
    difference: float
    count: int
    first_ms: int
    last_ms: int


class Annotations:
    """The annotations of one query. The same sentence is kept once, with the first of its places.

    Args:
        text: The expression.
        place: Where in it stands what the tree has at an offset.
    """

    def __init__(self, text: str, place: Callable[[int], int] = int) -> None:
        self._text = text
        self._place = place
        self._places: dict[str, int] = {}
        self._forced: dict[str, _Forced] = {}
        self._foreign: dict[str, None] = {}

    def _add(self, message: str, node: Node) -> None:
        self._places.setdefault(message, node.start)

    def add_foreign(self, warnings: Iterable[str], infos: Iterable[str]) -> None:
        """Add sentences of the storage, which have no place."""
        self._foreign.update(dict.fromkeys(WARNING + text for text in warnings))
        self._foreign.update(dict.fromkeys(INFO + text for text in infos))

    def texts(self) -> tuple[list[str], list[str]]:
        """All warnings, and all notes."""
        shown: tuple[list[str], list[str]] = [], []
        for text in self._foreign:
            shown[text.startswith(INFO)].append(text)
        for message, start in self._places.items():
            place = position_of(self._text, self._place(start))
            details = self._details(message) if self._forced else ""
            shown[message.startswith(INFO)].append(f"{message}{details} ({place})")
        return shown

    def _details(self, message: str) -> str:
        forced = self._forced.get(message)
        if forced is None:
            return ""
        return (
            f", from buckets {format_general(forced.lowest)} to {format_general(forced.highest)}, "
            f"with a max diff of {forced.difference:.2g}, over {forced.count} samples "
            f"from {_rfc3339(forced.first_ms)} to {_rfc3339(forced.last_ms)}"
        )

    def invalid_quantile(self, q: float, node: Node) -> None:
        """A quantile outside of 0 … 1."""
        self._add(f"{WARNING}quantile value should be between 0 and 1, got {format_general(q)}", node)

    def invalid_ratio(self, ratio: float, limit: float, node: Node) -> None:
        """A ratio outside of -1 … 1."""
        self._add(
            f"{WARNING}ratio value should be between -1 and 1, got {format_general(ratio)}, "
            f"capping to {format_general(limit)}",
            node,
        )

    def bad_bucket_label(self, name: str, value: str, node: Node) -> None:
        """A classic bucket without a number in `le`."""
        text = f'{WARNING}bucket label "le" is missing or has a malformed value of {quote(value)}'
        self._add(text + _for_metric(name), node)

    def mixed_samples(self, name: str, node: Node) -> None:
        """Floats and histograms in one range."""
        self._add(f"{WARNING}encountered a mix of histograms and floats for metric name {quote(name)}", node)

    def mixed_aggregation(self, node: Node) -> None:
        """Floats and histograms in one group."""
        self._add(f"{WARNING}encountered a mix of histograms and floats for aggregation", node)

    def mixed_classic_native(self, name: str, node: Node) -> None:
        """A native histogram beside classic buckets of the same labels."""
        self._add(f"{WARNING}vector contains a mix of classic and native histograms{_for_metric(name)}", node)

    def mixed_schemas(self, name: str, node: Node) -> None:
        """Exponential and custom buckets together."""
        text = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name"
        self._add(f"{WARNING}{text} {quote(name)}", node)

    def not_counter_histogram(self, name: str, node: Node) -> None:
        """A gauge histogram where a counter belongs."""
        self._add(f"{WARNING}this native histogram metric is not a counter: {quote(name)}", node)

    def not_gauge_histogram(self, name: str, node: Node) -> None:
        """A counter histogram where a gauge belongs."""
        self._add(f"{WARNING}this native histogram metric is not a gauge: {quote(name)}", node)

    def start_time_overlap(self, name: str, node: Node) -> None:
        """A start time before the sample in front of it."""
        text = "sample has start time that overlaps with previous sample timestamp for metric"
        self._add(f"{WARNING}{text} {quote(name)}", node)

    def sort_in_range(self, node: Node) -> None:
        """A sorting function in a range query."""
        text = "sort is ineffective for range queries since results are always ordered by labels"
        self._add(WARNING + text, node)

    def incompatible_layout(self, operator: str, node: Node) -> None:
        """Histograms that an operator cannot bring together."""
        self._add(f"{WARNING}incompatible bucket layout encountered for binary operator {operator}", node)

    def reset_collision(self, operation: str, node: Node) -> None:
        """A reset counter histogram with one that was not."""
        self._add(f"{WARNING}conflicting counter resets during histogram {operation}", node)

    def bounds_reconciled(self, operation: str, node: Node) -> None:
        """Histograms of different custom bounds."""
        self._add(f"{INFO}mismatched custom buckets were reconciled during {operation}", node)

    def possible_non_counter(self, name: str, node: Node) -> None:
        """A rate of something that is not named like a counter."""
        self._add(_possible_non_counter(name), node)

    def possible_non_counter_type(self, name: str, found: str, node: Node) -> None:
        """A rate of something whose type is not that of a counter."""
        text = 'metric might not be a counter, __type__ label is not set to "counter" or "histogram"'
        self._add(f"{INFO}{text}, got {quote(found)}: {quote(name)}", node)

    def incompatible_types(self, left: str, operator: str, right: str, node: Node) -> None:
        """An operator between samples that it does not take."""
        text = "incompatible sample types encountered for binary operator"
        self._add(f"{INFO}{text} {quote(operator)}: {left} {operator} {right}", node)

    def histogram_ignored(self, aggregation: str, node: Node) -> None:
        """A histogram in an aggregation of floats."""
        self._add(f"{INFO}ignored histogram in {aggregation} aggregation", node)

    def histograms_ignored_in_range(self, name: str, node: Node) -> None:
        """Histograms among the floats of a range."""
        text = "ignored histograms in a range containing both floats and histograms for metric name"
        self._add(f"{INFO}{text} {quote(name)}", node)

    def nan_quantile(self, name: str, node: Node, *, skewed: bool) -> None:
        """NaN observations in a histogram whose quantile is asked."""
        effect = "result is skewed higher" if skewed else "result is NaN"
        text = f"input to histogram_quantile has NaN observations, {effect}"
        self._add(INFO + text + _for_metric(name), node)

    def nan_fraction(self, name: str, node: Node) -> None:
        """NaN observations in a histogram whose fraction is asked."""
        text = "input to histogram_fraction has NaN observations, which are excluded from all fractions"
        self._add(INFO + text + _for_metric(name), node)

    def forced_monotonicity(
        self,
        name: str,
        node: Node,
        *,
        lowest: float,
        highest: float,
        difference: float,
        count: int,
        times_ms: tuple[int, int],
    ) -> None:
        """Classic buckets whose counts fell."""
        message = _MONOTONICITY + _for_metric(name)
        self._add(message, node)
        known = self._forced.get(message)
        if known is None:
            self._forced[message] = _Forced(lowest, highest, difference, count, *times_ms)
            return
        known.lowest, known.highest = min(known.lowest, lowest), max(known.highest, highest)
        known.difference = max(known.difference, difference)
        known.count += count
        known.first_ms, known.last_ms = min(known.first_ms, times_ms[0]), max(known.last_ms, times_ms[1])


@lru_cache(maxsize=1024)
def _possible_non_counter(name: str) -> str:
    """What rules ask of gauges is asked in every round."""
    return f"{INFO}metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {quote(name)}"


def _for_metric(name: str) -> str:
    return f" for metric name {quote(name)}" if name else ""


def _rfc3339(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
