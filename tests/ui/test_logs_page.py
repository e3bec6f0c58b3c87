"""The Logs page shows what the API answers, and leads from there to everything about a line."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import urllib.parse
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect
from ui_figures import count, share

HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "=cmd|' /C calc'!A0",
    "\u202eevil\u202c \u0007 line\r\nset-cookie: a=b",
    '{"__proto__":{"polluted":true},"message":"<script>document.title=1</script>"}',
]


def thousands(number: int) -> str:
    return f"{number:,}"


def rows(page):
    return page.get_by_role("grid", name="Log lines").get_by_role("row")


def send(shop, tenant: str, bodies: list[str], service: str = "hut", severity: int = 9) -> None:
    """Send log lines of now to a tenant of the test's own."""
    now = time.time_ns()
    records = [
        {"timeUnixNano": str(now + n), "severityNumber": severity, "body": {"stringValue": body}}
        for n, body in enumerate(bodies)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    request = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
    headers = {"Content_Type": "application/json", "X_Scope_OrgID": tenant}
    assert shop.platform.otlp("logs", json.dumps(request).encode(), **headers).status == 200


def total_of(page, number: int) -> None:
    expect(page.get_by_text(f"{thousands(number)} lines", exact=True)).to_be_visible()


def test_lines_are_those_of_the_api_in_their_order_and_dragging_over_their_histogram_zooms(visitor):
    page = visitor.open("/logs", compare="10s")
    found = visitor.shop.api("logs", limit=3)["logs"]
    told = visitor.shop.api("logs/histogram", buckets=80)
    total_of(page, told["total"])
    for index, line in enumerate(found):
        row = rows(page).nth(index)
        expect(row).to_contain_text(line["service"])
        expect(row).to_contain_text(line["time"][11:23])
        expect(row).to_contain_text(line["body"] if isinstance(line["body"], str) else json.dumps(line["body"])[:10])
    chart = page.get_by_role("region", name="Lines over time")
    # The range before is drawn over it, and the legend names each severity that there is.
    severities = {severity for bucket in told["buckets"] for severity, lines in bucket["counts"].items() if lines}
    assert set(chart.get_by_role("listitem").all_inner_texts()) == {*severities, "all before"}
    plot = chart.locator(".u-over")
    box = plot.bounding_box()
    assert box
    # Under the pointer stand the lines of a bucket by severity.
    busy = max(range(len(told["buckets"])), key=lambda n: sum(told["buckets"][n]["counts"].values()))
    bucket = told["buckets"][busy]
    begin, end = visitor.shop.start.timestamp(), visitor.shop.end.timestamp()
    at = datetime.fromisoformat(bucket["time"]).timestamp() + told["bucket_seconds"] * 0.2
    page.mouse.move(box["x"] + box["width"] * (at - begin) / (end - begin), box["y"] + 20)
    for severity, lines in bucket["counts"].items():
        if lines:
            expect(chart).to_contain_text(f"{severity} {count(lines)}")
    before = visitor.search()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20, steps=6)
    page.mouse.up()
    expect(page.get_by_label("Back to the range before")).to_be_visible()
    zoomed = visitor.search()
    assert before["from"] < zoomed["from"] < zoomed["to"] < before["to"]
    inside = {"from": zoomed["from"], "to": zoomed["to"]}
    total_of(page, visitor.shop.api("logs/histogram", **inside)["total"])
    page.get_by_text("Oldest", exact=True).click()
    oldest = visitor.shop.api("logs", order="oldest", limit=1, **inside)["logs"][0]
    expect(rows(page).first).to_contain_text(oldest["time"][11:23])


def test_an_answer_that_comes_while_one_drags_waits_until_the_drag_has_zoomed(visitor):
    page = visitor.open("/logs")
    severity = page.get_by_label("Facets").get_by_role("region", name="severity")
    chosen = severity.get_by_role("button", name=re.compile("^error")).first
    expect(chosen).to_be_visible()
    told = visitor.shop.api("logs/histogram", q="severity:error")["total"]
    on_the_way: list[Route] = []

    def hold(route: Route) -> None:
        on_the_way.append(route)

    page.route("**/api/v1/logs/histogram*", hold)
    with page.expect_request("**/api/v1/logs/histogram*"):
        chosen.click()
    box = page.get_by_role("region", name="Lines over time").locator(".u-over").bounding_box()
    assert box
    y = box["y"] + 20
    page.mouse.move(box["x"] + box["width"] * 0.3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=3)
    for route in on_the_way:
        route.continue_()
    page.unroute("**/api/v1/logs/histogram*")
    total_of(page, told)  # the page has the answer: other series than the chart was made of
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=3)
    page.mouse.up()
    expect(page.get_by_label("Back to the range before")).to_be_visible()
    zoomed = visitor.search()
    start, end = (datetime.fromisoformat(visitor.shop.range[edge]) for edge in ("from", "to"))
    parts = [(datetime.fromisoformat(zoomed[edge]) - start) / (end - start) for edge in ("from", "to")]
    assert parts == pytest.approx([0.3, 0.7], abs=0.05)
    assert "error" in zoomed["q"]


def test_a_query_narrows_lines_histogram_and_facets_and_is_in_the_address(visitor):
    page = visitor.open("/logs")
    bar = page.get_by_label("Search logs")
    bar.click()
    bar.press_sequentially("serv")
    page.get_by_role("option", name=re.compile("^service column")).click()
    expect(bar).to_have_value("service:")
    bar.press_sequentially("gate")
    page.get_by_role("option", name=re.compile("^gateway")).click()
    expect(bar).to_have_value("service:gateway ")
    bar.press_sequentially("AND severity:>=info")
    bar.press("Enter")
    query = "service:gateway AND severity:>=info"
    total = visitor.shop.api("logs/histogram", q=query)["total"]
    assert total > 0
    total_of(page, total)
    expect(page.get_by_role("img", name=f"Lines over time by severity, {total} in all")).to_be_visible()
    facet = page.get_by_label("Facets").get_by_role("region", name="service")
    expect(facet.get_by_role("button", name=re.compile("^gateway"))).to_contain_text(str(total))
    assert visitor.search()["q"] == query
    page.reload()
    expect(bar).to_have_value(query)
    total_of(page, total)


def test_an_error_of_the_query_is_told_under_its_character(visitor):
    query = "service:payments AND (severity:error"
    page = visitor.open("/logs", q=query)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The query ends too early")
    refused = visitor.shop.platform.request(
        f"/api/v1/logs?{urllib.parse.urlencode({'q': query})}", headers={"X-Scope-OrgID": "shop"}
    )
    expect(alert).to_contain_text(refused.json()["detail"])
    before = "b => b.previousSibling.textContent.length"
    assert alert.locator("b").evaluate(before) == refused.json()["position"]
    bar = page.get_by_label("Search logs")
    for typed, said in (("body:/[/ x", "regular expression"), ("surely-not-there", "")):
        bar.fill(typed)
        bar.press("Enter")
        expect(alert).to_contain_text(said) if said else expect(page.get_by_text("No line matches")).to_be_visible()
    visitor.complaints[:] = [text for text in visitor.complaints if "400" not in text]


def test_facets_narrow_widen_and_leave_out_and_any_field_can_be_one_and_a_column(visitor):
    page = visitor.open("/logs")
    facets = page.get_by_label("Facets")
    service = facets.get_by_role("button", name=re.compile("^gateway"))
    counts = {v["value"]: v["lines"] for v in visitor.shop.api("logs/facets", field="service")["facets"][0]["values"]}
    facets.get_by_label("Leave out service gateway").click()
    total_of(page, sum(counts.values()) - counts["gateway"])
    page.go_back()
    expect(service).to_contain_text(thousands(counts["gateway"]))
    service.click()
    total_of(page, counts["gateway"])
    assert visitor.search()["q"] == "service:gateway"
    picker = page.get_by_role("combobox", name="Count the values of a field")
    picker.fill("service.version")
    page.get_by_role("option", name="service.version", exact=True).click()
    facet = facets.get_by_role("region", name="service.version")
    (told,) = visitor.shop.api("logs/facets", q="service:gateway", field="service.version")["facets"]
    version = told["values"][0]
    expect(facet.get_by_role("button", name=re.compile(f"^{version['value']}"))).to_contain_text(str(version["lines"]))
    facet.get_by_label("Show service.version as a column").click()
    expect(rows(page).first.locator("[title^='service.version: ']")).to_contain_text(re.compile(r"\d+\.\d+\.\d+"))
    page.reload()
    expect(rows(page).first.locator("[title^='service.version: ']")).to_be_visible()
    page.get_by_label("Remove the column service.version").click()
    expect(rows(page).first.locator("[title^='service.version: ']")).to_have_count(0)
    service.click()  # once more: no longer asked for
    total_of(page, sum(counts.values()))


def test_a_line_opens_with_everything_in_it_its_surroundings_and_its_trace(visitor):
    line = next(
        found
        for found in visitor.shop.api("logs", q="service:orders AND _exists_:trace_id", limit=200)["logs"]
        if isinstance(found["body"], str)
    )
    page = visitor.open("/logs", q=f"trace_id:{line['trace_id']} AND service:orders")
    row = rows(page).filter(has_text=line["body"][:40]).first
    row.click()
    drawer = page.get_by_label("Log line", exact=True)
    expect(drawer).to_contain_text(line["body"])
    for name, value in line["resource"].items():
        expect(drawer.get_by_role("row", name=re.compile(f"^{re.escape(name)} "))).to_contain_text(str(value))
    page.reload()
    expect(drawer).to_contain_text(line["body"])
    drawer.get_by_label("Copy the message").click()
    expect(drawer.get_by_title("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == line["body"]

    drawer.get_by_text("Surrounding").click()
    around = visitor.shop.api("logs/context", id=visitor.search()["line"], before=20, after=20)
    items = page.get_by_role("list", name="Surrounding lines").get_by_role("listitem")
    expect(items).to_have_count(len(around["before"]) + 1 + len(around["after"]))
    current = items.nth(len(around["before"]))
    expect(current).to_have_attribute("aria-current", "true")
    expect(current).to_contain_text(line["body"][:20])
    if around["before"]:
        expect(items.nth(len(around["before"]) - 1)).to_contain_text(around["before"][0]["time"][11:23])

    drawer.get_by_text("Line", exact=True).click()
    drawer.get_by_role("row", name=re.compile("^service.version ")).hover()
    drawer.get_by_label("Only lines with this service.version").click()
    assert f"service.version:{line['resource']['service.version']}" in visitor.search()["q"].replace('\\"', "")
    rows(page).first.click()
    drawer.get_by_role("link", name="Go to the trace").click()
    expect(page).to_have_url(re.compile(f"/traces/{line['trace_id']}"))


def test_patterns_count_what_says_the_same_and_lead_to_the_lines(visitor):
    page = visitor.open("/logs", patterns="true")
    told = visitor.shop.api("logs/patterns", limit=100, buckets=40)
    expect(page.get_by_text(f"{len(told['patterns'])} patterns in {thousands(told['total'])} lines")).to_be_visible()
    items = page.get_by_role("list", name="Patterns").get_by_role("listitem")
    expect(items).to_have_count(len(told["patterns"]))
    for item, pattern in zip(items.all()[:3], told["patterns"], strict=False):
        expect(item).to_contain_text(f"{count(pattern['count'])}")
        expect(item).to_contain_text(share(pattern["share"]))
        expect(item.locator("title")).to_contain_text(f"at most {thousands(max(pattern['trend']))}")
    cart = next(one for one in told["patterns"] if one["pattern"] == "added <number> x <id> to the cart")
    items.filter(has_text="to the cart").get_by_role("button").click()
    total_of(page, cart["count"])
    expect(rows(page).first).to_contain_text("to the cart")


def test_a_pattern_that_was_not_there_before_is_new(visitor):
    send(visitor.shop, "patterns", ["known 1", "known 2"])
    visitor.shop.platform.eventually("SELECT count() FROM logs", 2, "patterns")
    # The range begins after the first lines, which then are the time before.
    split = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    time.sleep(1.5)
    send(visitor.shop, "patterns", ["known 3", "never seen 4"])
    visitor.shop.platform.eventually("SELECT count() FROM logs", 4, "patterns")
    page = visitor.open("/logs", tenant="patterns", patterns="true", **{"from": split, "to": "now"})
    items = page.get_by_role("list", name="Patterns").get_by_role("listitem")
    expect(items.filter(has_text="never seen")).to_contain_text("new since")
    expect(items.filter(has_text="known")).not_to_contain_text("new since")


def test_live_tail_follows_pauses_and_goes_on(visitor):
    shop = visitor.shop
    page = visitor.open("/logs", tenant="live", live="true")
    expect(page.get_by_role("status")).to_contain_text("Following")
    send(shop, "live", ["first of all", "second of all"])
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("second of all")
    expect(page.get_by_role("status")).not_to_contain_text("0.0 lines/s")
    page.get_by_role("button", name="Pause").click()
    send(shop, "live", ["while paused"])
    expect(page.get_by_role("status")).to_contain_text("1 waiting")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Go on").click()
    expect(rows(page).first).to_contain_text("while paused")
    bar = page.get_by_label("Search logs")
    bar.fill("wanted")
    bar.press("Enter")
    expect(rows(page)).to_have_count(0)
    expect(page.get_by_role("status")).to_contain_text("Following")
    send(shop, "live", ["not this", "but wanted", "nor this"])
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("but wanted")


def test_views_are_saved_opened_and_deleted(visitor):
    page = visitor.open("/logs", q="severity:error", columns='["host.name"]')
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this view…").click()
    page.get_by_role("textbox", name="Name").fill("Errors with hosts")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    (view,) = visitor.shop.api("views", page="logs")["views"]
    assert view["state"] == {"q": "severity:error", "columns": ["host.name"]}

    page = visitor.open("/logs")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Errors with hosts").click()
    expect(page.get_by_label("Search logs")).to_have_value("severity:error")
    expect(page.get_by_label("Remove the column host.name")).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Delete the view Errors with hosts").click()
    expect(page.get_by_text("No view is saved yet.")).to_be_visible()


def test_export_has_every_matching_line(visitor):
    page = visitor.open("/logs", q="service:worker")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="CSV for spreadsheets").click()
    assert started.value.suggested_filename == "logs.csv"
    lines = list(csv.DictReader(io.StringIO(Path(started.value.path()).read_text())))
    assert len(lines) == visitor.shop.api("logs/histogram", q="service:worker")["total"]
    assert {line["service"] for line in lines} == {"worker"}


def test_scrolling_brings_page_after_page_and_keeps_few_rows_in_the_document(visitor):
    shop = visitor.shop
    for _ in range(3):
        send(shop, "many", [f"line {n}" for n in range(1_000)])
    shop.platform.eventually("SELECT count() FROM logs", 3_000, "many")
    page = visitor.open("/logs", tenant="many", **{"from": "now-1h", "to": "now"})
    expect(page.get_by_text("3,000 lines", exact=True)).to_be_visible()
    grid = page.get_by_role("grid", name="Log lines")
    seen = 0
    while seen < 3_000:
        grid.evaluate("element => { element.scrollTop = element.scrollHeight }")
        page.wait_for_timeout(100)
        seen = int(grid.get_attribute("aria-rowcount") or 0)
        assert rows(page).count() < 120
    expect(page.get_by_text("That is all: 3,000 lines.")).to_be_visible()
    grid.evaluate("element => { element.scrollTop = element.scrollHeight }")
    expect(page.locator("[aria-rowindex='3000']")).to_contain_text("line 0")


def test_hostile_lines_are_texts(visitor):
    send(visitor.shop, "hostile-logs", HOSTILE, service=HOSTILE[0], severity=17)
    visitor.shop.platform.eventually("SELECT count() FROM logs", len(HOSTILE), "hostile-logs")
    page = visitor.open("/logs", tenant="hostile-logs", **{"from": "now-1h", "to": "now"})
    for index in range(len(HOSTILE)):
        rows(page).nth(index).click()
        expect(page.get_by_label("Log line", exact=True)).to_be_visible()
        rows(page).nth(index).click()
    page.get_by_text("Patterns", exact=True).click()
    expect(page.get_by_role("list", name="Patterns").get_by_text("onerror").first).to_be_visible()
    assert page.title() == "Logs · Vedette"
    assert page.evaluate("({}).polluted") is None
    assert page.locator("img[src=x]").count() == 0


def test_logs_fit_a_phone_and_axe_finds_nothing_serious(examined):
    page = examined.open("/logs", q="severity:warn")
    expect(rows(page).first).to_be_visible()
    assert examined.obstacles() == []
    rows(page).first.click()
    assert examined.obstacles() == []
    page.get_by_label("Close the line").click()
    page.get_by_text("Patterns", exact=True).click()
    assert examined.obstacles() == []
    page.get_by_role("button", name="Live").click()
    assert examined.obstacles() == []
