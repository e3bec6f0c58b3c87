"""One recording rule at one moment: the query's answer becomes the recorded series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vedette.errors import RequestError
from vedette.server.query.metrics import prompb
from vedette.server.query.promql.histogram import Histogram
from vedette.server.query.promql.labels import METRIC_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.query.promql.labels import Labels
    from vedette.server.rules.alerts import AlertStates
    from vedette.server.rules.files import Rule
    from vedette.server.rules.recent import Point

__all__ = ["RuleFailed", "RuleState", "SeriesEncoder", "recorded", "with_labels"]


class RuleFailed(RequestError):
    """A rule cannot be evaluated; the message stands in the API as its ``lastError``."""

    status = 422
    title = "Rule cannot be evaluated"


@dataclass(slots=True)
class RuleState:
    """How a rule is: what it recorded last, how its last evaluation went, and the alerts of one that has them."""

    rule: Rule
    health: str = "unknown"
    error: str = ""
    evaluated_at: float = 0.0
    took_seconds: float = 0.0
    failures: int = 0
    recorded: set[Labels] = field(default_factory=set)
    alerts: AlertStates | None = None


def with_labels(labels: Labels, changes: Mapping[str, str]) -> Labels:
    """A label set with some labels set; an empty value takes a label away."""
    texts = {**dict(labels), **changes}
    return tuple(sorted((name, text) for name, text in texts.items() if text))


def recorded(rule: Rule, result: QueryResult, limit: int) -> dict[Labels, Point]:
    """The points that a rule records.

    Raises:
        RuleFailed: two series would have the same labels, or there are more than the group's limit, or the
            expression has no numbers.
    """
    if result.kind not in {"vector", "scalar"}:
        raise RuleFailed("rule result is not a vector or scalar")
    changes = {METRIC_NAME: rule.record, **rule.labels}
    found: dict[Labels, Point] = {}
    for row, labels in enumerate(result.labels):
        if not result.present[row, 0]:
            continue
        native: Any = None if result.histograms is None else result.histograms[row, 0]
        named = with_labels(labels, changes)
        if named in found:
            raise RuleFailed("vector contains metrics with the same labelset after applying rule labels")
        found[named] = native if isinstance(native, Histogram) else float(result.values[row, 0])
    if limit and len(found) > limit:
        raise RuleFailed(f"exceeded limit of {limit} with {len(found)} series")
    return found


class SeriesEncoder:
    """Points as messages of remote write. The labels of a series that is recorded again are encoded once."""

    def __init__(self) -> None:
        self._labels: dict[Labels, bytes] = {}

    def encode(self, labels: Labels, time_ms: int, point: Point) -> bytes:
        """One series with one point."""
        encoded = self._labels.get(labels)
        if encoded is None:
            encoded = self._labels[labels] = prompb.labels(labels)
        content = prompb.sample(point, time_ms) if isinstance(point, float) else prompb.histogram(point, time_ms)
        return prompb.series(encoded, content)

    def keep(self, series: set[Labels]) -> None:
        """Forget the series that are not among these, when they are many."""
        if len(self._labels) > 2 * len(series) + 1000:
            self._labels = {labels: text for labels, text in self._labels.items() if labels in series}
