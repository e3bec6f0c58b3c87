"""The alerts of a group of rules: they outlive a restart, and others are told of them.

Prometheus takes up pending alerts alone after a restart, by ``ALERTS_FOR_STATE``. Here everything that was known goes
on, an alert's end that nobody heard of included, and the time in which nothing was evaluated does not count.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

from vedette.errors import VedetteError
from vedette.server.alerting.notice import Notice
from vedette.server.rules.saved_alerts import resume, saved, shift, take_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from vedette.server.control.alert_states import SavedAlerts
    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.query.promql.labels import Labels
    from vedette.server.rules.alerts import AlertStates, Ask
    from vedette.server.rules.recent import Point

__all__ = ["AlertSurroundings", "GroupAlerts"]

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

_AGAIN_AFTER_MS: Final = 60_000
_AT_ONCE: Final = 32
_COUNTS_FOR: Final = 4
"""An alert counts as firing for so many times of being told again, or evaluated again, if that is longer."""
_PATIENT_FOR: Final = 3
"""Evaluations after an outage in which an alert does not end because its series has not come yet."""


@dataclass(frozen=True, slots=True)
class AlertSurroundings:
    """What the alerts of groups are given.

    `url` is where people reach this installation, `search` what a link to its pages has to say besides. `load` gives
    what is kept of all groups; `save` keeps a group's alerts as of a moment in milliseconds, `None` for those that are
    kept already; `forget` says that there are none any more. `tell` never waits.
    """

    url: str
    search: Mapping[str, str]
    load: Callable[[], Awaitable[dict[str, SavedAlerts]]]
    save: Callable[[str, int, dict[str, Any] | None], Awaitable[None]]
    forget: Callable[[str], Awaitable[None]]
    tell: Callable[[Sequence[Notice]], None]


class GroupAlerts:
    """The alerts of the group called `key`; `labels` are those that this installation adds to what it sends."""

    def __init__(
        self, key: str, rules: Sequence[AlertStates], interval_seconds: float, around: AlertSurroundings
    ) -> None:
        self._key = key
        self._rules = rules
        self._interval_ms = round(interval_seconds * 1000)
        self._around = around
        self._saved: dict[str, Any] = {}
        self._stopped_at_ms = 0
        self._evaluated: list[AlertStates] = []
        self.labels: Mapping[str, str] = {}

    def resume(self, before: SavedAlerts) -> None:
        """Go on with what was saved before a restart."""
        resume(self._rules, before.state)
        self._saved, self._stopped_at_ms = saved(self._rules), before.evaluated_ms

    def inherit(self, before: GroupAlerts) -> None:
        """Go on with the alerts of the group that this one replaces, those of rules that it has not left out."""
        take_over(self._rules, before._rules)
        self._saved, self._stopped_at_ms = before._saved, before._stopped_at_ms

    def begin(self, due_ms: int) -> None:
        """Get ready for an evaluation; a time in which there was none is left out."""
        for rule in self._rules:
            rule.external = (self.labels, self._around.url)
        if self._stopped_at_ms:
            if due_ms - self._stopped_at_ms > self._interval_ms:
                shift(self._rules, due_ms - self._stopped_at_ms)
            for rule in self._rules:
                rule.patient_until_ms = due_ms + _PATIENT_FOR * self._interval_ms
            self._stopped_at_ms = 0
        self._evaluated = []

    async def evaluate(
        self, rule: AlertStates, result: QueryResult, due_ms: int, query: Ask, limit: int
    ) -> dict[Labels, Point]:
        """Take a rule to a moment; returns the series that tell of its alerts.

        In a thread where templates wait for answers, or there are many to be expanded.

        Raises:
            RuleFailed: see `AlertStates.evaluate`.
        """
        texts = [*rule.rule.labels.values(), *rule.rule.annotations.values()]

        def evaluate() -> dict[Labels, Point]:
            rule.evaluate(result, due_ms, query, limit)
            return rule.points()

        asks = any("query" in text for text in texts)
        points = await _apart(evaluate, is_long=asks or len(result.labels) > _AT_ONCE)
        self._evaluated.append(rule)
        return points

    async def tell(self, due_ms: int) -> None:
        """Save the alerts as of a moment, and tell of those that are due; not of rules that could not be evaluated."""
        count = sum(len(rule.active) + len(rule.ended) for rule in self._rules)

        def collect() -> tuple[list[Notice], dict[str, Any], bool]:
            notices = [notice for rule in self._evaluated for notice in self._notices(rule, due_ms)]
            state = saved(self._rules)
            return notices, state, _differs(state, self._saved)

        notices, state, differs = await _apart(collect, is_long=count > _AT_ONCE)
        try:
            await self._save(due_ms, state, differs=differs)
        except VedetteError as error:
            log.warning("The alerts of the group %s could not be saved: %s", self._key, error)
        if notices:
            self._around.tell(notices)

    async def end(self) -> None:
        """The group is gone from the files, and its alerts with it."""
        await self._around.forget(self._key)

    async def _save(self, due_ms: int, state: dict[str, Any], *, differs: bool) -> None:
        if state:
            await self._around.save(self._key, due_ms, state if differs else None)
        elif self._saved:
            await self._around.forget(self._key)
        self._saved = state

    def _notices(self, rule: AlertStates, due_ms: int) -> list[Notice]:
        """What others are to be told of a rule's alerts at a moment."""
        counts_until_ms = due_ms + _COUNTS_FOR * max(self._interval_ms, _AGAIN_AFTER_MS)
        link = f"{self._around.url}/explore?{urlencode({'q': rule.rule.expr, 'as': 'table', **self._around.search})}"
        return [
            Notice(alert.labels, dict(alert.annotations), alert.fired_at_ms, alert.ended_at_ms or counts_until_ms, link)
            for alert in rule.due(due_ms, _AGAIN_AFTER_MS)
        ]


async def _apart(work: Callable[[], _Answer], *, is_long: bool) -> _Answer:
    """Do something; in a thread if it takes long, as others wait for the event loop."""
    return await asyncio.to_thread(work) if is_long else work()


def _differs(state: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether more differs than what the next evaluation makes anew, and when others were told last.

    Whoever is told once more hears nothing new; and a row that says so would be written anew every minute.
    """
    return _lasting(state) != _lasting(before)


def _lasting(state: dict[str, Any]) -> list[Any]:
    left_out = {"value", "annotations", "told_at_ms"}
    return [
        [rule["alert"], rule["labels"], [{k: v for k, v in one.items() if k not in left_out} for one in rule["alerts"]]]
        for rule in state.get("rules", ())
    ]
