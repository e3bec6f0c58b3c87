"""The rules page says what fires and what is about to, who is told, and how every alerting rule is written."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect
from real_platform import wait_for
from ui_visitors import Visitor

PLACES = 60
FILLERS = 230
HIGH = 'label_replace(vector(0.25), "service", "payments", "", "") > 0.05'
RULES: dict[str, Any] = {
    "groups": [
        {
            "name": "watch",
            "interval": "1s",
            "rules": [
                {
                    "alert": "PaymentsFail",
                    "expr": HIGH,
                    "labels": {"severity": "critical"},
                    "annotations": {
                        "summary": "{{ $labels.service }} fails {{ $value | humanizePercentage }} of its requests",
                        "runbook_url": "https://runbooks.example/payments",
                    },
                },
                {
                    "alert": "QueueGrows",
                    "expr": 'label_replace(vector(7), "job", "shop/queue", "", "")',
                    "for": "1h",
                    "annotations": {"description": "It grows."},
                },
                {"alert": "DiskFull", "expr": "vector(0) > 1", "keep_firing_for": "90s"},
                {"alert": "Broken", "expr": 'label_replace(vector(1), "a", "$1", "b", "(")'},
                {
                    "alert": "Everywhere",
                    "expr": " or ".join(
                        f'label_replace(vector({n}), "place", "p{n}", "", "")' for n in range(1, PLACES + 1)
                    ),
                    "labels": {"severity": "info"},
                },
            ],
        },
        {
            "name": "fillers",
            "interval": "1h",
            "rules": [{"record": f"filler:{n:03}", "expr": "vector(1)"} for n in range(FILLERS)],
        },
    ]
}


class Watched:
    """A platform with rules that fire, pend, rest and fail."""

    def __init__(self, platform: Any, folder: Any) -> None:
        self.platform, self.folder = platform, folder

    def prometheus(self, path: str) -> Any:
        return self.platform.request(f"/prometheus/api/v1/{path}").json()["data"]

    def rules(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for group in self.prometheus("rules")["groups"] for one in group["rules"]}

    def watch(self) -> list[dict[str, Any]]:
        return [one for one in self.rules().values() if one["type"] == "alerting"]

    def open(self, visitor: Visitor, query: str = "") -> Any:
        visitor.page.goto(f"{self.platform.url}/explore/rules{query}")
        return visitor.page


def send_span(platform: Any, service: str) -> None:
    now = time.time_ns()
    span = {"traceId": f"{now:032x}", "spanId": f"{now:016x}", "name": "look", "kind": 2}
    span |= {"startTimeUnixNano": str(now - 1000), "endTimeUnixNano": str(now)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    assert platform.otlp("traces", json.dumps(body).encode(), Content_Type="application/json").status == 200
    platform.eventually("SELECT count() FROM spans", 1)


@pytest.fixture(scope="module")
def watched(browser, new_platform, tmp_path_factory):  # noqa: ARG001 - stopped before the browser is closed
    folder = tmp_path_factory.mktemp("watched")
    (folder / "rules.yml").write_text(json.dumps(RULES))
    (folder / "prometheus.yml").write_text("{}")
    flags = ["--rule-files", f"{folder}/*rules.yml", "--scrape-config", f"{folder}/prometheus.yml"]
    watched = Watched(new_platform(folder / "data", flags).start(), folder)
    try:
        wait_for(lambda: sorted({one["health"] for one in watched.watch()}), ["err", "ok"], "the first evaluation")
        send_span(watched.platform, "queue")
        yield watched
    finally:
        watched.platform.stop()


def alerts(page: Any, state: str) -> Any:
    return page.get_by_role("region", name=f"{state} alerts")


def test_what_fires_and_what_is_about_to_stand_first_with_what_they_say(visitor, watched):
    page = watched.open(visitor)
    expect(page.get_by_role("status").filter(has_text="fire")).to_have_text(
        f"{PLACES + 1} alerts fire, 1 is pending. "
        "1 alerting rule fails: what would fire there is not known. Nobody is notified."
    )
    expect(page).to_have_title(f"{PLACES + 1} firing · Rules · Vedette")
    first = alerts(page, "Firing").get_by_role("listitem").first
    for said in ("critical", "PaymentsFail", "payments fails 25% of its requests", "value 0.25", "service=payments"):
        expect(first).to_contain_text(said)
    since = watched.rules()["PaymentsFail"]["alerts"][0]["activeAt"]
    expect(first.locator("time")).to_have_text(f"{datetime.fromisoformat(since):%H:%M:%S}")
    runbook = first.get_by_role("link", name="https://runbooks.example/payments")
    expect(runbook).to_have_attribute("href", "https://runbooks.example/payments")
    expect(runbook).to_have_attribute("rel", "noopener noreferrer")
    pending = alerts(page, "Pending").get_by_role("listitem")
    expect(pending).to_contain_text(
        re.compile(r"QueueGrows.*fires in (59 min \d+ s|1 h 0 min) if it stays.*It grows\.", re.DOTALL)
    )
    expect(page.get_by_role("region", name="Who is notified")).to_contain_text("no Alertmanager is configured")
    expect(page.get_by_role("region", name="Who is notified")).to_contain_text("alertmanagers:")

    # Of many, the names stand first: a crowd hides none.
    names = page.get_by_role("group", name="Firing by name").get_by_role("button")
    expect(names).to_have_text(["PaymentsFail 1", f"Everywhere {PLACES}"])

    # A long list is made as one comes near its parts.
    items = alerts(page, "Firing").get_by_role("listitem")
    assert items.count() < PLACES
    pending.scroll_into_view_if_needed()
    expect(items).to_have_count(PLACES + 1)


def test_an_alert_leads_to_its_graph_and_to_the_logs_and_traces_of_its_service(visitor, watched):
    since = datetime.fromisoformat(watched.rules()["PaymentsFail"]["alerts"][0]["activeAt"])
    before = (since - timedelta(minutes=30)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    page = watched.open(visitor, "?state=pending")
    # The job's name is that of a service that there is, with its namespace.
    alerts(page, "Pending").get_by_role("link", name="Logs of queue").click()
    expect(page).to_have_url(re.compile(r"/logs\?"))
    assert visitor.search()["q"] == "service:queue"
    page = watched.open(visitor, "?q=payments&state=firing")
    alert = alerts(page, "Firing").get_by_role("listitem")
    expect(alert).to_have_count(1)
    for name, path in (("Logs of payments", "/logs"), ("Traces of payments", "/traces")):
        alert.get_by_role("link", name=name).click()
        expect(page).to_have_url(re.compile(f"{path}\\?"))
        assert (visitor.search()["q"], visitor.search()["from"]) == ("service:payments", before)
        page.go_back()
    alert.get_by_role("link", name="Graph of PaymentsFail").click()
    expect(page.get_by_label("Expression A")).to_have_text(HIGH)
    assert (visitor.search()["from"], visitor.search()["to"]) == (before, "now")


def test_rules_are_found_by_state_and_text_and_shown_as_they_are_written(visitor, watched):
    page = watched.open(visitor)
    page.get_by_label("State", exact=True).select_option("inactive (1)")
    rules = page.get_by_role("table", name="Rules of watch").locator("tbody tr")
    expect(rules).to_have_text(re.compile(r"^inactive\s*DiskFull\s*keep firing for 1m30svector\(0\) > 1"))
    assert visitor.search()["state"] == "inactive"
    page.reload()
    expect(rules).to_have_count(1)
    page.get_by_label("State", exact=True).select_option("failing (1)")
    expect(rules).to_contain_text(watched.rules()["Broken"]["lastError"])
    page.get_by_label("State", exact=True).select_option("Every state")
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("queuegrows")
    expect(rules).to_have_count(1)
    expect(rules).to_contain_text("for 1h")
    expect(alerts(page, "Firing")).to_contain_text("None of them matches.")
    page.get_by_label("Find by name").fill("humanizePercentage")
    expect(rules).to_contain_text(
        "summary: {{ $labels.service }} fails {{ $value | humanizePercentage }} of its requests"
    )
    page.get_by_label("Find by name").fill("filler")
    fillers = page.get_by_role("table", name="Rules of fillers").locator("tbody tr")
    expect(page.get_by_text(f"200 of {FILLERS} are shown; the search finds the others.")).to_be_visible()
    expect(fillers).to_have_count(200)
    page.get_by_label("Find by name").fill("filler:229")
    expect(fillers).to_have_count(1)


@pytest.fixture
def one_more(watched):
    """One more rule that fires, and an Alertmanager."""
    more = watched.folder / "more-rules.yml"

    def reload() -> None:
        assert watched.platform.request("/prometheus/-/reload", b"").status == 200

    def add() -> None:
        group = {"name": "more", "interval": "1s", "rules": [{"alert": "OneMore", "expr": "vector(1)"}]}
        more.write_text(json.dumps({"groups": [group]}))
        config = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9"]}]}]}}
        (watched.folder / "prometheus.yml").write_text(json.dumps(config))
        reload()

    yield add
    more.unlink()
    (watched.folder / "prometheus.yml").write_text("{}")
    reload()


def test_a_refresh_shows_what_has_come_and_the_overview_leads_here(visitor, watched, one_more):
    visitor.page.goto(f"{watched.platform.url}/")
    visitor.page.get_by_role("link", name=f"{PLACES + 1} alerts fire").click()
    page = visitor.page
    expect(alerts(page, "Firing").get_by_role("listitem").first).to_contain_text("PaymentsFail")
    assert visitor.search()["state"] == "firing"
    page.get_by_label("State", exact=True).select_option("Every state")
    notified = page.get_by_role("region", name="Who is notified")
    expect(notified).to_contain_text("Nobody is notified")
    one_more()
    wait_for(lambda: watched.rules().get("OneMore", {}).get("state"), "firing", "the rule that was added")

    def faults() -> list[bool]:
        return ["lastError" in one for one in watched.prometheus("alertmanagers")["activeAlertmanagers"]]

    wait_for(faults, [True], "the Alertmanager that nobody runs")
    page.keyboard.press("r")
    expect(page.get_by_role("status").filter(has_text="fire")).to_contain_text(f"{PLACES + 2} alerts fire")
    told = notified.get_by_role("listitem")
    untold = "The Alertmanager did not take the last alerts: nobody may have heard of them."
    expect(page.get_by_role("status").filter(has_text="fire")).to_contain_text(untold)
    expect(told).to_contain_text("http://127.0.0.1:9/api/v2/alerts did not take the last alerts: Cannot connect")
    page.goto(f"{watched.platform.url}/")
    expect(page.get_by_role("link", name=untold)).to_be_visible()


def test_alerts_fit_a_phone_and_axe_finds_nothing_serious_in_either_theme(examined, watched):
    page = watched.open(examined, "?q=watch")
    expect(alerts(page, "Pending").get_by_role("listitem")).to_be_visible()
    assert examined.obstacles() == []
