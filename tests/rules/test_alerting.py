"""Alerting rules: a real platform evaluates them, tells of them as Prometheus does, and goes on after a crash."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from real_platform import wait_for

sys.path[:0] = [str(Path(__file__).parent)]

from ruled_platform import TENANT, Ruled, gauge  # noqa: E402


@pytest.fixture(scope="module")
def ruled(tmp_path_factory, new_platform):
    made = Ruled(new_platform, tmp_path_factory.mktemp("alerted"))
    yield made
    made.platform.stop()


def rule(ruled: Ruled, group: str, place: int = 0) -> dict[str, Any]:
    return ruled.group(group)["rules"][place]


def becomes(ruled: Ruled, group: str, state: str, place: int = 0) -> dict[str, Any]:
    """The rule once it has this state."""
    while (found := rule(ruled, group, place))["state"] != state:
        time.sleep(0.1)
    return found


def seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def in_terminal(ruled: Ruled, tenant: str, *more: str) -> str:
    command = [sys.executable, "-m", "vedette.cli.main", "query", "alerts", "--url", ruled.platform.url]
    return subprocess.run([*command, "--tenant", tenant, *more], check=True, capture_output=True, text=True).stdout


def doctor(ruled: Ruled) -> list[dict[str, str]]:
    """What the doctor finds, who finds something bad."""
    command = [sys.executable, "-m", "vedette.cli.main", "doctor", "--json", "--url", ruled.platform.url]
    directory = {"VEDETTE_DATA_DIR": str(ruled.platform.data_dir), "VEDETTE_RULES_TENANT": TENANT}
    found = subprocess.run(command, env=os.environ | directory, check=False, capture_output=True, text=True)
    assert found.returncode == 1, found.stderr
    return json.loads(found.stdout)


def moments(ruled: Ruled, selector: str) -> list[float]:
    """The times of a series' samples, once it has any."""
    while not (found := ruled.api("query", query=f"{selector}[1h]")["data"]["result"]):
        time.sleep(0.1)
    return [at for at, _ in found[0]["values"]]


def test_an_alert_is_pending_then_firing_then_over(ruled):
    ruled.configure({"global": {"external_labels": {"region": "north"}}})
    ruled.send(gauge("heat", 90.5, room="a"), gauge("heat", 20, room="b"), gauge("limit", 80))
    hot = {
        "alert": "Hot",
        "expr": "heat > 80",
        "for": "3s",
        "labels": {"severity": "page", "where": "{{ $labels.room }} {{ $externalLabels.region }}"},
        "annotations": {"summary": "{{ $value }} over {{ with query `limit` }}{{ . | first | value }}{{ end }}"},
    }
    quiet = {"alert": "Quiet", "expr": "heat < 0", "annotations": {"summary": "{{ $value }}"}}
    counted = {"record": "alerts:firing", "expr": 'count(ALERTS{alertstate="firing", alertname="Hot"})'}
    ruled.write("hot", {"name": "hot", "rules": [hot, quiet, counted]})
    ruled.wait('ALERTS{alertstate="pending",alertname="Hot"}', ["1"])
    ruled.wait("alerts:firing", ["1"])  # a rule sees what the one before it says of the same moment

    found = becomes(ruled, "hot", "firing")
    [alert] = found["alerts"]
    assert alert["labels"] == {"alertname": "Hot", "room": "a", "severity": "page", "where": "a north"}
    assert alert["annotations"] == {"summary": "90.5 over 80"}
    assert (alert["state"], alert["value"]) == ("firing", "9.05e+01")
    assert (found["health"], found["lastError"], found["keepFiringFor"]) == ("ok", "", 0)
    assert found["annotations"] == hot["annotations"]
    assert ruled.api("alerts")["data"]["alerts"] == [alert]
    assert ruled.api("alerts", tenant="another")["data"]["alerts"] == []
    told = in_terminal(ruled, TENANT).splitlines()
    assert re.fullmatch(r'FIRING  Hot  \d+s  room="a", severity="page", where="a north"  value 90.5', told[0])
    assert told[1:] == ["        90.5 over 80", "1 firing, 0 pending"]
    assert json.loads(in_terminal(ruled, TENANT, "--json")) == [alert]
    assert in_terminal(ruled, "another") == "Nothing fires.\nNo alerting rule is evaluated for this tenant.\n"
    assert (rule(ruled, "hot", 1)["state"], rule(ruled, "hot", 1)["alerts"]) == ("inactive", [])
    [began] = ruled.vector("ALERTS_FOR_STATE").values()
    assert float(began) == int(seconds(alert["activeAt"]))
    pending = moments(ruled, 'ALERTS{alertstate="pending",alertname="Hot"}')
    firing = moments(ruled, 'ALERTS{alertstate="firing",alertname="Hot"}')
    active_at = seconds(alert["activeAt"])
    assert pending[0] == active_at
    assert pending[-1] < active_at + 3 <= firing[0]

    ruled.send(gauge("heat", 20, room="a"))
    assert becomes(ruled, "hot", "inactive")["alerts"] == []
    ruled.wait("ALERTS", [])
    ruled.remove("hot")


def test_one_is_kept_and_wrong_ones_say_what_is_wrong(ruled):
    ruled.send(gauge("flow", 1, pipe="a"), gauge("flow", 1, pipe="b"))
    kept = {"alert": "Kept", "expr": 'flow{pipe="a"} > 0', "keep_firing_for": "3s"}
    same = {"alert": "Same", "expr": "flow > 0", "labels": {"pipe": ""}}
    odd = {"alert": "Odd", "expr": 'flow{pipe="a"} > 0', "annotations": {"summary": "{{ $labels.pipe | toTime }}"}}
    ruled.write("kept", {"name": "kept", "rules": [kept, same, odd]})
    becomes(ruled, "kept", "firing")
    assert "same labelset after applying alert labels" in rule(ruled, "kept", 1)["lastError"]
    assert in_terminal(ruled, TENANT).endswith("1 of 3 alerting rules fail, what would fire there is not known: Same\n")
    told = {finding["text"].partition(":")[0]: finding for finding in doctor(ruled)}
    assert told["The rule Same fails"]["level"] == "bad"
    assert "same labelset" in told["The rule Same fails"]["text"]
    assert "Name an Alertmanager" in told["Alerts are evaluated, and nobody is told of them."]["advice"]
    assert "error expanding template" in rule(ruled, "kept", 2)["alerts"][0]["annotations"]["summary"]
    ruled.send(gauge("flow", -1, pipe="a"))
    while not (since := [a.get("keepFiringSince") for a in rule(ruled, "kept")["alerts"]]) or not since[0]:
        time.sleep(0.05)
    becomes(ruled, "kept", "inactive")
    assert seconds(since[0]) <= moments(ruled, 'ALERTS{alertname="Kept"}')[-1] < seconds(since[0]) + 3
    ruled.remove("kept")


def test_alerts_go_on_where_they_were_when_a_rule_changes(ruled):
    ruled.send(gauge("queue", 100))
    long = {"alert": "Long", "expr": "queue > 10", "annotations": {"summary": "before"}}
    ruled.write("queue", {"name": "queue", "rules": [long]})
    [before] = becomes(ruled, "queue", "firing")["alerts"]
    ruled.write(
        "queue", {"name": "queue", "rules": [long | {"expr": "queue > 11", "annotations": {"summary": "after"}}]}
    )
    while (now := rule(ruled, "queue")["alerts"]) == [] or now[0]["annotations"]["summary"] != "after":
        assert now == [] or now[0]["activeAt"] == before["activeAt"]
        time.sleep(0.1)
    assert now == [before | {"annotations": {"summary": "after"}}]
    ruled.remove("queue")
    ruled.wait("ALERTS", [])


def test_the_link_of_an_alert_leads_to_its_tenant(ruled):
    told: list[dict[str, Any]] = []

    class Alertmanager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Alertmanager) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        targets = [f"127.0.0.1:{server.server_port}"]
        ruled.configure({"alerting": {"alertmanagers": [{"static_configs": [{"targets": targets}]}]}})
        ruled.write("linked", {"name": "linked", "rules": [{"alert": "Linked", "expr": "vector(1) > 0"}]})
        wait_for(lambda: {one["labels"]["alertname"] for one in told}, {"Linked"}, "the Alertmanager")
        server.shutdown()
    link = urlsplit(told[0]["generatorURL"])
    assert link.path == "/explore"
    assert parse_qs(link.query) == {"q": ["vector(1) > 0"], "as": ["table"], "tenant": [TENANT]}
    ruled.configure({})
    ruled.remove("linked")
    ruled.wait("ALERTS", [])


def test_a_crash_ends_nothing_and_its_time_does_not_count(ruled):
    ruled.send(gauge("disk", 99), gauge("memory", 99), gauge("memory", 1, kind="short"))
    firing = {"alert": "Full", "expr": "disk > 90"}
    waiting = {"alert": "Filling", "expr": 'memory{kind=""} > 90', "for": "8s"}
    ruled.write("crash", {"name": "crash", "rules": [firing, waiting]})
    before = [becomes(ruled, "crash", state, place)["alerts"][0] for place, state in enumerate(("firing", "pending"))]
    ruled.wait("ALERTS_FOR_STATE", [str(int(seconds(one["activeAt"]))) for one in before])
    for name in ("worker", "server", "engine"):
        ruled.platform.kill(name)
    assert ruled.platform.process is not None
    os.kill(ruled.platform.process.pid, signal.SIGKILL)
    ruled.platform.process.wait()
    stopped = time.time()
    time.sleep(6)  # what the platform misses; with it, the alert would have been pending for long enough
    away = time.time() - stopped
    ruled.platform.start()
    full = becomes(ruled, "crash", "firing")["alerts"]
    assert full[0]["activeAt"] == before[0]["activeAt"]
    [filling] = becomes(ruled, "crash", "pending", 1)["alerts"]
    assert seconds(filling["activeAt"]) - seconds(before[1]["activeAt"]) >= away
    becomes(ruled, "crash", "firing", 1)
    fired = moments(ruled, 'ALERTS{alertname="Filling",alertstate="firing"}')
    assert fired[0] - seconds(filling["activeAt"]) >= 8
    ruled.remove("crash")
