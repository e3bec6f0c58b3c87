"""Recording rules: a real platform evaluates real files, and what they record is asked for by the HTTP API."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "remote_write")]

from ruled_platform import TENANT, Ruled, gauge, now_ms  # noqa: E402
from write_requests import STALE, histogram, sample, series_one  # noqa: E402

HISTOGRAM = {"schema": 0, "count": 3.0, "sum": 5.0, "positive": {0: 1.0, 1: 2.0}}


@pytest.fixture(scope="module")
def ruled(tmp_path_factory, new_platform):
    made = Ruled(new_platform, tmp_path_factory.mktemp("ruled"))
    yield made
    made.platform.stop()


def test_rules_see_what_the_rules_before_them_recorded(ruled):
    ruled.send(gauge("load", 3, job="a", cpu="0"), gauge("load", 4, job="a", cpu="1"), gauge("load", 5, job="b"))
    rules = [
        {"record": "job:load:sum", "expr": "sum by (job) (load)", "labels": {"team": "x", "job": ""}},
        {"record": "job_load", "expr": 'sum by (job) ({__name__="load"})', "labels": {"team": "x"}},
        {"record": "job_load:twice", "expr": 'job_load{team=~"x|y"} * 2'},
        {"record": "all:load", "expr": 'sum({__name__=~"job_load:.*"})'},
        {"record": "constant", "expr": "1 + 2"},
        {"alert": "Loaded", "expr": "load > 1", "for": "5m", "labels": {"severity": "page"}, "annotations": {"a": "b"}},
    ]
    ruled.write("one", {"name": "first", "rules": rules})
    ruled.wait("all:load", ["24"])
    assert ruled.vector("job_load:twice") == {
        '{"__name__": "job_load:twice", "job": "a", "team": "x"}': "14",
        '{"__name__": "job_load:twice", "job": "b", "team": "x"}': "10",
    }
    assert list(ruled.vector("constant").values()) == ["3"]
    # In the first moment already: each rule has as many samples as the one that it builds on, at the same times.
    steps = ruled.api("query", query="{__name__=~'job_load|job_load:twice|all:load'}[1h]")["data"]["result"]
    begun = {one["metric"]["__name__"]: one["values"][0][0] for one in steps}
    assert len(set(begun.values())) == 1, begun

    group = ruled.group("first")
    assert group["interval"] == 1
    assert group["file"] == str(ruled.folder / "one.yml")
    failed, good = group["rules"][0], group["rules"][1]
    # Two jobs, and the rule takes the label away that tells them apart.
    assert failed["health"] == "err"
    assert "same labelset" in failed["lastError"]
    assert (good["health"], good["lastError"], good["type"]) == ("ok", "", "recording")
    assert good["query"] == 'sum by (job) ({__name__="load"})'
    assert good["labels"] == {"team": "x"}
    assert good["evaluationTime"] > 0
    alert = group["rules"][5]
    assert (alert["type"], alert["state"], alert["duration"]) == ("alerting", "pending", 300)
    assert [one["labels"]["job"] for one in alert["alerts"]] == ["a", "a", "b"]
    kinds = ruled.api("rules", type="alert", **{"rule_group[]": "first"})["data"]["groups"]
    assert [rule["name"] for rule in kinds[0]["rules"]] == ["Loaded"]
    matched = ruled.api("rules", **{"match[]": '{severity="page"}'})["data"]["groups"]
    assert [rule["name"] for one in matched for rule in one["rules"]] == ["Loaded"]
    assert ruled.api("rules", tenant="another")["data"]["groups"] == []


def test_a_series_that_is_gone_ends_and_histograms_are_recorded(ruled):
    at = now_ms()
    names = (("__name__", "sizes"), ("kind", "h"))
    ruled.send(gauge("passing", 1, kind="p"), series_one(names, (4, histogram(HISTOGRAM, at))))
    ruled.write(
        "ends",
        {
            "name": "ends",
            "rules": [
                {"record": "passing:kept", "expr": "passing"},
                {"record": "sizes:sum", "expr": "sum(sizes)"},
            ],
        },
    )
    ruled.wait("passing:kept", ["1"])
    while not (found := ruled.vector("sizes:sum")):
        time.sleep(0.1)
    [document] = found.values()
    assert (document["count"], document["sum"]) == ("3", "5")
    assert [bucket[3] for bucket in document["buckets"]] == ["1", "2"]
    gone = (("__name__", "passing"), ("kind", "p"))
    ruled.send(series_one(gone, (2, sample(STALE, now_ms()))))
    ruled.wait("passing:kept", [])
    # A group that is taken away ends what it recorded.
    ruled.remove("ends")
    ruled.wait("count(sizes:sum)", [])


def test_files_are_followed_and_wrong_ones_change_nothing(ruled):
    ruled.send(gauge("followed", 7))
    ruled.write("follow", {"name": "follow", "rules": [{"record": "followed:a", "expr": "followed"}]})
    ruled.wait("followed:a", ["7"])
    ruled.write("follow", {"name": "follow", "rules": [{"record": "followed:a", "expr": "followed +"}]})
    answer = ruled.platform.request("/prometheus/-/reload", b"", headers={"X-Scope-OrgID": TENANT})
    assert answer.status == 400
    assert "follow.yml" in answer.json()["error"]
    assert "unexpected end of input" in answer.json()["error"]
    warned = ruled.api("rules", **{"rule_group[]": "follow"})
    assert "unexpected end of input" in warned["warnings"][0]
    assert warned["data"]["groups"][0]["rules"][0]["query"] == "followed"
    rules = [
        {"record": "followed:b", "expr": "followed * 3"},
        {"record": "many", "expr": 'label_replace(followed,"a","b","","") or vector(1)'},
    ]
    ruled.write("follow", {"name": "follow", "limit": 1, "query_offset": "1s", "rules": rules})
    assert ruled.platform.request("/prometheus/-/reload", b"", headers={"X-Scope-OrgID": TENANT}).status == 200
    ruled.wait("followed:b", ["21"])
    ruled.wait("followed:a", [])
    group = ruled.group("follow")
    assert group["limit"] == 1
    assert group["rules"][1]["lastError"] == "exceeded limit of 1 with 2 series"
    assert "warnings" not in ruled.api("rules")
    ruled.remove("follow")


def test_the_offset_of_the_configuration_is_that_of_groups_that_name_none(ruled):
    rules = ruled.folder / "offset.json"
    groups = [
        {"name": "usual", "rules": [{"record": "usual:a", "expr": "vector(time())"}]},
        {"name": "own", "query_offset": "0s", "rules": [{"record": "own:a", "expr": "vector(time())"}]},
    ]
    rules.write_text(json.dumps({"groups": groups}))
    common = {"evaluation_interval": "1s", "rule_query_offset": "2m"}
    ruled.configure({"global": common, "rule_files": [str(rules)]})
    ruled.wait("time() - usual:a > bool 110", ["1"])
    ruled.wait("time() - own:a < bool 60", ["1"])
    ruled.configure({})
    ruled.wait("own:a", [])


def test_groups_come_in_pages_and_our_metrics_count(ruled):
    ruled.send(gauge("paged", 1))
    groups = [{"name": f"page{i}", "rules": [{"record": f"paged:{i}", "expr": "paged"}]} for i in range(3)]
    ruled.write("pages", *groups)
    ruled.wait("paged:2", ["1"])
    seen: list[str] = []
    token = ""
    while True:
        more = {"group_next_token": token} if token else {}
        data = ruled.api("rules", group_limit=1, **{"rule_name[]": [f"paged:{i}" for i in range(3)]}, **more)["data"]
        seen += [group["name"] for group in data["groups"]]
        token = data.get("groupNextToken", "")
        if not token:
            break
    assert seen == ["page0", "page1", "page2"]
    ruled.write("alert", {"name": "alert", "rules": [{"alert": "A", "expr": "paged"}]})
    [alert] = ruled.group("alert")["rules"]
    assert [one["state"] for one in alert["alerts"]] == ["firing"]
    without = ruled.api("rules", exclude_alerts="true", **{"rule_name[]": "A"})["data"]["groups"][0]["rules"][0]
    assert without["name"] == "A"
    assert "alerts" not in without
    ruled.remove("alert")
    key = f'rule_group="{ruled.folder}/pages.yml;page2"'
    lines = ruled.platform.request("/metrics").body.decode().splitlines()
    figures = {line.split("{")[0]: float(line.split()[-1]) for line in lines if key in line}
    assert figures["vedette_rule_evaluations_total"] >= 1
    assert figures["vedette_rule_evaluation_failures_total"] == 0
    assert figures["vedette_rule_group_last_evaluation_samples"] == 1
    assert figures["vedette_rule_group_interval_seconds"] == 1


def test_what_waits_is_counted_as_missed_and_evaluated_when_it_is_readable(ruled):
    ruled.send(gauge("late", 1))
    ruled.write("late", {"name": "late", "rules": [{"record": "late:a", "expr": "late"}]})
    ruled.wait("late:a", ["1"])
    before = _iterations(ruled, "late", "missed")
    ruled.platform.kill("engine")
    while _iterations(ruled, "late", "missed") <= before:
        time.sleep(0.1)
    ruled.send(gauge("late", 2))
    ruled.wait("late:a", ["2"])


def test_a_backlog_holds_rules_back_for_as_long_as_they_have_patience(ruled):
    ruled.send(gauge("early", 1))
    ruled.write("early", {"name": "early", "rules": [{"record": "early:a", "expr": "early"}]})
    ruled.wait("early:a", ["1"])
    before = _iterations(ruled, "early", "incomplete")
    worker = ruled.platform.child("worker")
    os.kill(worker, signal.SIGSTOP)  # what is acknowledged goes nowhere
    try:
        ruled.send(gauge("early", 2))
        while not (rule := ruled.group("early")["rules"][0])["lastError"]:
            time.sleep(0.1)
        assert rule["health"] == "ok"
        assert "evaluated on what could be read after 3 s (--rules-patience)" in rule["lastError"]
        while _iterations(ruled, "early", "incomplete") <= before:
            time.sleep(0.1)
        assert list(ruled.vector("early").values()) == ["1"]
    finally:
        os.kill(worker, signal.SIGCONT)
    ruled.wait("early:a", ["2"])
    while ruled.group("early")["rules"][0]["lastError"]:
        time.sleep(0.1)


def _iterations(ruled: Ruled, group: str, kind: str) -> float:
    lines = ruled.platform.request("/metrics").body.decode().splitlines()
    name = f'vedette_rule_group_iterations_{kind}_total{{rule_group="{ruled.folder}/{group}.yml;{group}"}}'
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))
