"""The alerts of a group's rules as a JSON object, and back: what a restart goes on with."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.promql.histogram import Histogram
from vedette.server.rules.alerts import INACTIVE, Alert

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.server.rules.alerts import AlertStates

__all__ = ["resume", "saved", "shift", "take_over"]

_TIMES: Final = ("active_at_ms", "kept_since_ms", "fired_at_ms", "ended_at_ms", "told_at_ms")


def saved(rules: Iterable[AlertStates]) -> dict[str, Any]:
    """The alerts of rules, or an empty object where there are none."""
    found = [
        {"alert": rule.rule.alert, "labels": rule.rule.labels, "alerts": [_document(one) for one in alerts]}
        for rule in rules
        if (alerts := [*rule.active.values(), *rule.ended.values()])
    ]
    return {"rules": found} if found else {}


def resume(rules: Iterable[AlertStates], state: dict[str, Any]) -> None:
    """Let rules go on with what was saved of those of the same name and labels, in the order of their files."""
    waiting = defaultdict(list)
    for found in state["rules"]:
        waiting[_key(found["alert"], found["labels"])].append(found["alerts"])
    for rule in rules:
        if same := waiting[_key(rule.rule.alert, rule.rule.labels)]:
            for alert in map(_alert, same.pop(0)):
                (rule.ended if alert.state == INACTIVE else rule.active)[alert.labels] = alert


def take_over(rules: Iterable[AlertStates], before: Iterable[AlertStates]) -> None:
    """Let rules go on with the alerts of others of the same name and labels."""
    waiting = defaultdict(list)
    for old in before:
        waiting[_key(old.rule.alert, old.rule.labels)].append(old)
    for rule in rules:
        if same := waiting[_key(rule.rule.alert, rule.rule.labels)]:
            rule.active, rule.ended = same[0].active, same[0].ended
            rule.patient_until_ms = same.pop(0).patient_until_ms


def shift(rules: Iterable[AlertStates], away_ms: int) -> None:
    """Leave out a time in which nothing was evaluated: it counts neither as pending nor as kept."""
    for rule in rules:
        for alert in rule.active.values():
            if not alert.fired_at_ms:
                alert.active_at_ms += away_ms
            if alert.kept_since_ms is not None:
                alert.kept_since_ms += away_ms


def _key(alert: str, labels: dict[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    return alert, tuple(sorted(labels.items()))


def _document(alert: Alert) -> dict[str, Any]:
    value = str(alert.value) if isinstance(alert.value, Histogram) else alert.value
    return {
        "labels": dict(alert.labels),
        "annotations": alert.annotations,
        "state": alert.state,
        "value": value if isinstance(value, str) else repr(value),
        **{name: getattr(alert, name) for name in _TIMES},
    }


def _alert(found: dict[str, Any]) -> Alert:
    try:
        value: Any = float(found["value"])
    except ValueError:
        value = found["value"]
    times = {name: found[name] for name in _TIMES}
    labels = tuple(sorted(found["labels"].items()))
    return Alert(labels, found["annotations"], found["state"], value=value, resumed=True, **times)
