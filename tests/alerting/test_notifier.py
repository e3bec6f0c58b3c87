"""Alertmanagers are told of alerts as Prometheus tells them: a real one, and some that fail in every way."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from real_platform import free_port

sys.path[:0] = [str(Path(__file__).parent)]

from real_alertmanager import ALERTMANAGER, Alertmanager, Posts, Telling, until  # noqa: E402

from vedette.server.alerting.notice import Notice  # noqa: E402

NOW_MS = time.time_ns() // 1_000_000
A_DAY_MS = 86_400_000  # the tests may come long after they were collected
STARTED = 1_700_000_000_123
STARTED_TEXT = "2023-11-14T22:13:20.123Z"


def notice(name: str, ends_in_ms: int = A_DAY_MS, **labels: str) -> Notice:
    texts = tuple(sorted({"alertname": name, **labels}.items()))
    return Notice(texts, {"summary": f"{name} é"}, STARTED, NOW_MS + ends_in_ms, "http://127.0.0.1:7070/rules#" + name)


@pytest.fixture
async def telling(tmp_path):
    made = Telling(tmp_path / "prometheus.yml")
    yield made
    await made.close()


@pytest.fixture
def posts():
    """Makes Alertmanagers that answer as it is told."""
    made: list[Posts] = []

    def make(*answers: int, port: int = 0) -> Posts:
        made.append(Posts(*answers, port=port))
        return made[-1]

    yield make
    for one in made:
        one.close()


def at(*addresses: str, **more: Any) -> dict[str, Any]:
    return {"static_configs": [{"targets": list(addresses)}], **more}


@pytest.mark.skipif(ALERTMANAGER is None, reason="Alertmanager is not installed (Debian: prometheus-alertmanager).")
async def test_a_real_alertmanager_is_told_until_an_alert_is_over(telling, tmp_path):
    real = Alertmanager(tmp_path)
    try:
        telling.of(real.config, labels={"site": "north", "zone": "other"})
        telling.notifier.tell([notice("Hot", zone="eu"), notice("Cold", ends_in_ms=-1, zone="eu")])
        await until(lambda: [alert["labels"]["alertname"] for alert in real.alerts()], ["Hot"])
        hot = real.alerts()[0]
        assert hot["labels"] == {"alertname": "Hot", "site": "north", "zone": "eu"}
        assert hot["annotations"] == {"summary": "Hot é"}
        assert hot["generatorURL"] == "http://127.0.0.1:7070/rules#Hot"
        assert hot["startsAt"] == STARTED_TEXT
        assert (
            hot["endsAt"] == time.strftime("%FT%T", time.gmtime((NOW_MS + A_DAY_MS) // 1000)) + f".{NOW_MS % 1000:03}Z"
        )
        await until(lambda: [body["status"] for body in real.webhook.bodies], ["firing"])
        assert telling.notifier.active == [real.url]

        telling.notifier.tell([notice("Hot", ends_in_ms=-1, zone="eu")])
        await until(lambda: [body["status"] for body in real.webhook.bodies], ["firing", "resolved"])
        assert real.alerts() == []
        await until(lambda: telling.figures()["sent_total", real.url], 3)
        assert telling.figures()["latency_seconds_count", real.url] == 2
        assert telling.figures()["latency_seconds_sum", real.url] > 0
    finally:
        real.close()


async def test_relabeling_of_alerts_and_of_alertmanagers(telling, posts):
    one, other = posts(), posts()
    drop = {"source_labels": ["severity"], "regex": "debug", "action": "drop"}
    rename = {"source_labels": ["team"], "target_label": "owner"}
    shorter = {"regex": "replica|team", "action": "labeldrop"}
    only_mine = {"source_labels": ["owner"], "regex": "mine", "action": "keep"}
    by_label = {"source_labels": ["path"], "target_label": "__alerts_path__", "replacement": "/x y/$1"}
    gone = {"source_labels": ["__address__"], "regex": "gone:.*", "action": "drop"}
    found = {"targets": [other.address, "gone:1"], "labels": {"path": "a?b"}}
    telling.of(
        at(one.address),
        {"static_configs": [found], "relabel_configs": [by_label, gone], "alert_relabel_configs": [only_mine]},
        at("a:1", scheme="ftp"),
        labels={"replica": "b"},
        alert_relabel_configs=[drop, rename, shorter],
    )
    quiet = notice("Quiet", severity="debug", team="mine")
    telling.notifier.tell([quiet, notice("Mine", team="mine"), notice("Theirs", team="theirs"), quiet])
    await until(lambda: (one.names, other.names), (["Mine", "Theirs"], ["Mine"]))
    assert other.bodies[0][0]["labels"] == one.bodies[0][0]["labels"] == {"alertname": "Mine", "owner": "mine"}
    assert other.paths == ["/x%20y/a%3Fb"]
    assert telling.notifier.active == [
        f"http://{one.address}/api/v2/alerts",
        f"http://{other.address}/x%20y/a%3Fb",
    ]
    assert telling.notifier.dropped == ["http://gone:1/api/v2/alerts", "ftp://a:1/api/v2/alerts"]
    assert telling.figures()["alertmanagers_discovered", ""] == 2


async def test_one_that_never_answers_holds_up_no_other(telling, posts):
    connections: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0)
    host, port = silent.sockets[0].getsockname()
    quick = posts()
    telling.of(at(f"{host}:{port}", quick.address, timeout="1h"))
    await until(lambda: len(telling.notifier.active), 2)
    waits, takes = (f"http://{address}/api/v2/alerts" for address in (f"{host}:{port}", quick.address))
    for first in range(0, 12_000, 1000):
        many = [notice(f"A{number}") for number in range(first, first + 1000)]
        telling.notifier.tell(many)
        # Told once more, alerts that wait take no second place.
        telling.notifier.tell(many)
        await until(lambda last=f"A{first + 999}": last in quick.names, expected=True)
    assert max(map(len, quick.bodies)) == 256
    assert [*dict.fromkeys(quick.names)] == [f"A{number}" for number in range(12_000)]
    figures = telling.figures()
    assert [figures[name, takes] for name in ("errors_total", "dropped_total", "queue_length")] == [0, 0, 0]
    # The first 256 are on their way, of what came after them the oldest have gone.
    assert (figures["queue_length", waits], figures["sent_total", waits]) == (10_000, 0)
    assert figures["dropped_total", waits] == 12_000 - 256 - 10_000
    silent.close()
    for connection in connections:
        connection.close()


async def test_one_that_is_away_is_told_when_it_is_back(telling, posts, caplog):
    caplog.set_level("INFO")
    port = free_port()
    refuses = posts(400, 200)
    telling.of(at(f"127.0.0.1:{port}", refuses.address))
    telling.notifier.tell([notice("First")])
    url, other = (f"http://{address}/api/v2/alerts" for address in (f"127.0.0.1:{port}", refuses.address))
    await until(lambda: telling.figures().get(("errors_total", url)), 1)
    back = posts(port=port)
    await until(lambda: back.names, ["First"])
    # What is refused for what it is does not go out again, and what comes after it does.
    telling.notifier.tell([notice("Second")])
    await until(lambda: [telling.figures()["sent_total", one] for one in (url, other)], [2, 1])
    assert (back.names, refuses.names) == (["First", "Second"], ["First", "Second"])
    figures = telling.figures()
    assert (figures["errors_total", url], figures["dropped_total", url]) == (1, 0)
    assert (figures["errors_total", other], figures["dropped_total", other]) == (1, 1)
    assert f"The Alertmanager {other} did not take 1 alerts: it answers 400 Bad Request: not now" in caplog.text
    assert f"The Alertmanager {url} takes alerts again." in caplog.text


async def test_files_are_followed_and_a_wrong_configuration_changes_nothing(telling, posts, caplog):
    one, other = posts(), posts()
    groups = telling.file.parent / "groups.json"
    groups.write_text(json.dumps([{"targets": [one.address], "labels": {"__alerts_path__": "/told"}}]))
    by_file = {"file_sd_configs": [{"files": ["groups.json"]}]}
    # Before the configuration is read, and before somebody is found, notices wait.
    telling.notifier.tell([notice("Early")])
    telling.of(by_file)
    await until(lambda: one.names, ["Early"])
    assert one.paths == ["/told"]

    groups.write_text(json.dumps([{"targets": [other.address]}]))
    telling.of({**by_file, "colour": "red"})
    wrong = "alerting, alertmanagers[0]: field colour is unknown."
    now = [f"http://{other.address}/api/v2/alerts"]
    await until(lambda: (telling.notifier.error, telling.notifier.active), (wrong, now))
    telling.notifier.tell([notice("Later")])
    await until(lambda: other.names, ["Later"])
    assert caplog.text.count("Alertmanagers stay as they were: alerting, alertmanagers[0]: field colour") == 1

    telling.of(at(one.address), labels={"site": "new"})
    await until(lambda: telling.notifier.active, [f"http://{one.address}/api/v2/alerts"])
    telling.notifier.tell([notice("Last")])
    # Whoever stops the platform at once loses nothing that was told.
    await telling.close()
    assert telling.notifier.error == ""
    assert [(alert["labels"]["alertname"], alert["labels"].get("site")) for [alert] in one.bodies[1:]] == [
        ("Last", "new")
    ]
    assert other.names == ["Later"]


async def test_what_waits_for_one_goes_on_with_another_configuration(telling, posts):
    away = posts(503)
    telling.of(at(away.address))
    telling.notifier.tell([notice("Hot", zone="eu")])
    await until(lambda: away.names, ["Hot"])
    telling.notifier.tell([notice("Hot", ends_in_ms=-1, zone="eu"), notice("Cold")])
    port = int(away.address.rpartition(":")[2])
    away.close()
    back = posts(port=port)
    telling.of(at(back.address, path_prefix="/", timeout="5s"))
    # Of an alert that waits, the newest is what is told.
    await until(lambda: sorted(back.names[-2:]), ["Cold", "Hot"])
    ends = {alert["labels"]["alertname"]: alert["endsAt"] for body in back.bodies for alert in body}
    assert ends["Hot"] < ends["Cold"]
