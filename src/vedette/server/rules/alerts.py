"""The state of an alerting rule from moment to moment, as Prometheus keeps it.

An alert is pending until it has been active for the rule's ``for``, then firing; when its series is gone it stays
firing for ``keep_firing_for``. That it has ended is told for a quarter of an hour, or until it is active again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vedette.errors import VedetteError
from vedette.server.query.promql.labels import METRIC_NAME
from vedette.server.rules.evaluation import RuleFailed, with_labels
from vedette.server.rules.expansion import Record
from vedette.server.rules.template_functions import expand_alert
from vedette.server.rules.templates import TemplateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.query.promql.labels import Labels
    from vedette.server.rules.files import Rule
    from vedette.server.rules.recent import Point

    Ask = Callable[[str], list[dict[str, Any]]]

__all__ = ["FIRING", "INACTIVE", "PENDING", "Alert", "AlertStates", "asking"]

log = logging.getLogger(__name__)

PENDING: Final = "pending"
FIRING: Final = "firing"
INACTIVE: Final = "inactive"
_ENDED_IS_TOLD_MS: Final = 15 * 60_000


@dataclass(slots=True)
class Alert:
    """One alert that is active, or has fired and ended; times are milliseconds since 1970, 0 for not yet.

    `value` is a number or a native histogram. `resumed` is one of before a restart whose series was not seen since.
    """

    labels: Labels
    annotations: dict[str, str]
    state: str
    active_at_ms: int
    value: Any
    kept_since_ms: int | None = None
    fired_at_ms: int = 0
    ended_at_ms: int = 0
    told_at_ms: int = 0
    resumed: bool = False


class AlertStates:
    """The alerts of one rule.

    Attributes:
        rule: The rule.
        external: Labels and URL of this installation, for templates.
        active: Pending and firing alerts by their labels.
        ended: Alerts that fired, as long as their end is told.
        patient_until_ms: Until then, resumed alerts do not end: the samples of after an outage may not have come yet.
    """

    def __init__(self, rule: Rule, external: tuple[Mapping[str, str], str] = ({}, "")) -> None:
        self.rule = rule
        self.external = external
        self.active: dict[Labels, Alert] = {}
        self.ended: dict[Labels, Alert] = {}
        self.patient_until_ms = 0

    @property
    def state(self) -> str:
        """The rule's own state: that of its furthest alert."""
        states = {alert.state for alert in self.active.values()}
        return FIRING if FIRING in states else PENDING if states else INACTIVE

    def evaluate(self, result: QueryResult, at_ms: int, query: Ask, limit: int = 0) -> None:
        """Go on to a moment with what the rule's expression gives then; on an error the state stays.

        Raises:
            RuleFailed: the expression gives no series, two alerts would have the same labels, or there are more than
                `limit`.
        """
        found = self._found(result, at_ms, query)
        active = dict(self.active)
        for labels, alert in found.items():
            known = active.setdefault(labels, alert)
            if known is not alert:
                known.value, known.annotations, known.kept_since_ms = alert.value, alert.annotations, None
                known.resumed = False
        ended = []
        for labels, alert in list(active.items()):
            if labels in found:
                if alert.state == PENDING and at_ms - alert.active_at_ms >= self.rule.for_seconds * 1000:
                    alert.state, alert.fired_at_ms = FIRING, at_ms
            elif not self._stays(alert, at_ms):
                ended.append(active.pop(labels))
        if limit and len(active) > limit:
            self.active, self.ended = {}, {}
            raise RuleFailed(f"exceeded limit of {limit} with {len(active)} alerts")
        self.active = active
        self._end(ended, at_ms)

    def due(self, at_ms: int, again_after_ms: int) -> list[Alert]:
        """The alerts to tell others of at a moment, which then count as told: new ones, and those told long ago."""
        told = [alert for alert in self.active.values() if alert.state == FIRING]
        due = [
            alert
            for alert in [*told, *self.ended.values()]
            if alert.ended_at_ms > alert.told_at_ms or at_ms >= alert.told_at_ms + again_after_ms
        ]
        for alert in due:
            alert.told_at_ms = at_ms
        return due

    def _found(self, result: QueryResult, at_ms: int, query: Ask) -> dict[Labels, Alert]:
        """An alert for each series that the rule's expression gives."""
        if result.kind not in {"vector", "scalar"}:
            raise RuleFailed("rule result is not a vector or scalar")
        found: dict[Labels, Alert] = {}
        for row, labels in enumerate(result.labels):
            if result.present[row, 0]:
                native: Any = None if result.histograms is None else result.histograms[row, 0]
                value = float(result.values[row, 0]) if native is None else native
                alert = self._alert(labels, value, at_ms, query)
                if alert.labels in found:
                    raise RuleFailed("vector contains metrics with the same labelset after applying alert labels")
                found[alert.labels] = alert
        return found

    def _end(self, alerts: list[Alert], at_ms: int) -> None:
        for alert in alerts:
            if alert.state == FIRING:  # nobody heard of those that were pending
                alert.state, alert.ended_at_ms = INACTIVE, at_ms
                self.ended[alert.labels] = alert
        self.ended = {
            labels: alert
            for labels, alert in self.ended.items()
            if labels not in self.active and at_ms - alert.ended_at_ms <= _ENDED_IS_TOLD_MS
        }

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
        query: Ask,
    ) -> Alert:
        texts = dict(labels)

        def expanded(text: str) -> str:
            shown = value if isinstance(value, float) else str(value)
            try:
                return expand_alert(text, texts, shown, query, self.external, at_ms=at_ms)
            except TemplateError as error:
                return f"<error expanding template: {error}>"
            except Exception:  # whatever a text comes to, the alert is told
                log.exception("A template of the alert %s cannot be expanded: %s", self.rule.alert, text)
                return "<error expanding template: Vedette failed; its log says more>"

        changes = {name: expanded(text) for name, text in self.rule.labels.items()}
        changes |= {METRIC_NAME: "", "alertname": self.rule.alert}
        annotations = {name: expanded(text) for name, text in self.rule.annotations.items()}
        return Alert(with_labels(labels, changes), annotations, PENDING, at_ms, value)

    def _stays(self, alert: Alert, at_ms: int) -> bool:
        """Whether an alert stays as it is although its series is gone."""
        if alert.resumed and at_ms < self.patient_until_ms:
            return True
        if alert.state != FIRING or not self.rule.keep_firing_for_seconds:
            return False
        if alert.kept_since_ms is None:
            alert.kept_since_ms = at_ms
        return at_ms - alert.kept_since_ms < self.rule.keep_firing_for_seconds * 1000


def asking(ask: Callable[[str], Awaitable[QueryResult]]) -> Ask:
    """``query`` of templates, to be called in another thread than that of the running event loop."""
    loop = asyncio.get_running_loop()

    async def answer(text: str) -> QueryResult:
        return await ask(text)

    def query(text: str) -> list[dict[str, Any]]:
        try:
            result = asyncio.run_coroutine_threadsafe(answer(text), loop).result()
        except VedetteError as error:
            raise TemplateError(str(error)) from error
        if result.kind not in {"vector", "scalar"}:
            raise TemplateError("rule result is not a vector or scalar")
        return [
            Record(Labels=dict(labels), Value=float(result.values[row, 0]))
            for row, labels in enumerate(result.labels)
            if result.present[row, 0]
        ]

    return query
