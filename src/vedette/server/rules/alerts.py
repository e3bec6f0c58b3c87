"""The state of an alerting rule from moment to moment, as Prometheus keeps it.

An alert is pending until it has been active for the rule's ``for``, then firing; when its series is gone it stays
firing for ``keep_firing_for``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.promql.labels import METRIC_NAME
from vedette.server.rules.evaluation import RuleFailed, with_labels
from vedette.server.rules.template_functions import expand_alert
from vedette.server.rules.templates import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.query.promql.labels import Labels
    from vedette.server.rules.files import Rule
    from vedette.server.rules.recent import Point

__all__ = ["FIRING", "PENDING", "Alert", "AlertStates"]

PENDING: Final = "pending"
FIRING: Final = "firing"


@dataclass(slots=True)
class Alert:
    """One alert that is active; times are milliseconds since 1970."""

    labels: Labels
    annotations: dict[str, str]
    state: str
    active_at_ms: int
    value: Any
    kept_since_ms: int | None = None


class AlertStates:
    """The alerts of one rule.

    Args:
        rule: The rule.
        external: Labels and URL of this installation, for templates.
    """

    def __init__(self, rule: Rule, external: tuple[Mapping[str, str], str] = ({}, "")) -> None:
        self.rule = rule
        self.active: dict[Labels, Alert] = {}
        self._external = external

    def evaluate(
        self, result: QueryResult, at_ms: int, query: Callable[[str], list[dict[str, Any]]], limit: int = 0
    ) -> None:
        """Go on to a moment with what the rule's expression gives then; on an error the state stays.

        Raises:
            RuleFailed: two alerts would have the same labels, or there are more than `limit`.
        """
        found: dict[Labels, Alert] = {}
        for row, labels in enumerate(result.labels):
            if result.present[row, 0]:
                native: Any = None if result.histograms is None else result.histograms[row, 0]
                value = float(result.values[row, 0]) if native is None else native
                alert = self._alert(labels, value, at_ms, query)
                if alert.labels in found:
                    raise RuleFailed("vector contains metrics with the same labelset after applying alert labels")
                found[alert.labels] = alert
        active = dict(self.active)
        for labels, alert in found.items():
            known = active.get(labels)
            if known is None:
                active[labels] = alert
            else:
                known.value, known.annotations, known.kept_since_ms = alert.value, alert.annotations, None
        for labels, alert in list(active.items()):
            if labels not in found and not self._stays(alert, at_ms):
                del active[labels]
            elif alert.state == PENDING and at_ms - alert.active_at_ms >= self.rule.for_seconds * 1000:
                alert.state = FIRING
        if limit and len(active) > limit:
            self.active = {}
            raise RuleFailed(f"exceeded limit of {limit} with {len(active)} alerts")
        self.active = active

    def points(self) -> dict[Labels, Point]:
        """The series ``ALERTS`` and ``ALERTS_FOR_STATE``."""
        found: dict[Labels, Point] = {}
        for alert in self.active.values():
            found[with_labels(alert.labels, {METRIC_NAME: "ALERTS", "alertstate": alert.state})] = 1.0
            began = with_labels(alert.labels, {METRIC_NAME: "ALERTS_FOR_STATE"})
            found[began] = float(alert.active_at_ms // 1000)
        return found

    def _alert(
        self,
        labels: Labels,
        value: Any,  # noqa: ANN401
        at_ms: int,
        query: Callable[[str], list[dict[str, Any]]],
    ) -> Alert:
        texts = dict(labels)

        def expanded(text: str) -> str:
            shown = value if isinstance(value, float) else str(value)
            try:
                return expand_alert(text, texts, shown, query, self._external)
            except TemplateError as error:
                return f"<error expanding template: {error}>"

        changes = {name: expanded(text) for name, text in self.rule.labels.items()}
        changes |= {METRIC_NAME: "", "alertname": self.rule.alert}
        annotations = {name: expanded(text) for name, text in self.rule.annotations.items()}
        return Alert(with_labels(labels, changes), annotations, PENDING, at_ms, value)

    def _stays(self, alert: Alert, at_ms: int) -> bool:
        """Whether an alert stays firing although its series is gone."""
        if alert.state != FIRING or not self.rule.keep_firing_for_seconds:
            return False
        if alert.kept_since_ms is None:
            alert.kept_since_ms = at_ms
        return at_ms - alert.kept_since_ms < self.rule.keep_firing_for_seconds * 1000
