"""Alerts are told while what keeps them hangs, while there are very many, and go on with what they were."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from vedette.errors import SettingsError, Unavailable
from vedette.server.control.alert_states import SavedAlerts
from vedette.server.query.promql.engine import QueryResult
from vedette.server.rules.alerts import AlertStates
from vedette.server.rules.files import Rule
from vedette.server.rules.group import Surroundings
from vedette.server.rules.group_alerts import AlertSurroundings, GroupAlerts
from vedette.server.rules.manager import RuleManager, RuleSources
from vedette.server.rules.patience import Patience
from vedette.server.rules.wiring import alert_surroundings
from vedette.server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.alerting.notice import Notice

DOWN = Rule("", "Down", "up == 0", annotations={"summary": "{{ $labels.instance }} is down"})


def down(count: int) -> QueryResult:
    """So many series that are zero."""
    labels = [(("__name__", "up"), ("instance", f"i{number}")) for number in range(count)]
    return QueryResult("vector", np.array([0]), labels, np.zeros((count, 1)), np.ones((count, 1), np.bool_))


async def evaluated(alerts: GroupAlerts, states: AlertStates, count: int, at_ms: int) -> None:
    alerts.begin(at_ms)
    await alerts.evaluate(states, down(count), at_ms, lambda _: [], 0)


class Store:
    """Keeps alerts as the control database does, and hangs when it is told to."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.saved: list[dict[str, Any] | None] = []

    def save(self, _tenant: str, _group: str, _evaluated_ms: int, state: dict[str, Any] | None) -> None:
        self.goes_on.wait(60)
        self.saved.append(state)


async def test_people_are_told_while_the_control_database_hangs(tmp_path):
    told: list[str] = []

    def tell(notices: Sequence[Notice]) -> None:
        told.extend(dict(notice.labels)["instance"] for notice in notices)

    store = Store()
    settings = Settings(data_dir=tmp_path)
    around = alert_surroundings(settings, cast("Any", store), tell, Patience(0.01))
    states = AlertStates(DOWN)
    alerts = GroupAlerts("file;group", [states], 60, around)
    for count, at_ms in ((1, 60_000), (2, 120_000)):
        await evaluated(alerts, states, count, at_ms)
        await alerts.tell(at_ms)
    assert told == ["i0", "i0", "i1"]
    assert not store.saved
    store.goes_on.set()
    while len(store.saved) < 2:  # it answers again: everything is saved, as nothing is known to be
        await alerts.tell(180_000)
        await asyncio.sleep(0.01)
    assert [len(state["rules"][0]["alerts"]) for state in store.saved if state] == [1, 2]


async def test_others_have_a_turn_while_very_many_alerts_are_told():
    turns = 0

    async def nothing(*_: Any) -> Any:
        return None

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    told: list[int] = []
    around = AlertSurroundings("", {}, nothing, nothing, nothing, lambda notices: told.append(len(notices)))
    states = AlertStates(DOWN)
    alerts = GroupAlerts("file;group", [states], 60, around)
    await evaluated(alerts, states, 2000, 60_000)
    task = asyncio.create_task(other())
    await alerts.tell(60_000)
    task.cancel()
    assert told == [2000]
    assert turns > 1


async def test_rules_wait_for_what_their_alerts_were(tmp_path):
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "g", "rules": [{"alert": "Down", "expr": "up == 0"}]}]}))
    now_ms = time.time_ns() // 1_000_000
    firing = {"labels": {"alertname": "Down"}, "annotations": {}, "state": "firing", "value": "0"}
    times = {"active_at_ms": 1000, "kept_since_ms": None, "fired_at_ms": 2000, "ended_at_ms": 0, "told_at_ms": 2000}
    state = {"rules": [{"alert": "Down", "labels": {}, "alerts": [firing | times]}]}
    answers: list[Any] = [Unavailable("It is away."), {f"{file};g": SavedAlerts(now_ms, state)}]

    async def load() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def nothing(*_: Any) -> Any:
        return None

    class Never:
        async def run(self) -> None:
            await asyncio.Event().wait()

        async def wait(self, *_: Any) -> bool:
            await asyncio.Event().wait()
            return False

    unused: Any = None
    alerts = AlertSurroundings("", {}, load, nothing, nothing, lambda _: None)
    around = Surroundings(unused, unused, unused, cast("Any", Never()), unused, asyncio.Semaphore(), 1.0, alerts)
    manager = RuleManager(lambda: RuleSources((str(file),), 60.0), around, "default")
    with pytest.raises(SettingsError, match="Rules wait for what their alerts were: It is away"):
        await manager.reload()
    assert manager.groups == []
    await manager.reload(only_changed=True)
    task = asyncio.create_task(manager.run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [found] = manager.groups[0].states
    assert found.alerts is not None
    assert [alert.fired_at_ms for alert in found.alerts.active.values()] == [2000]
    assert manager.error == ""
