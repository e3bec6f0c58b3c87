"""The metrics explorer, the catalogue, the targets and the rules show what Prometheus' API answers."""

from __future__ import annotations

import json
import math
import re
import urllib.parse
from typing import Any

import pytest
from playwright.sync_api import expect
from ui_visitors import TENANT

COUNTS = 'count by (job) ({job=~"shop/.+"})'
BUCKETS = 'sum by (le) ({"http.server.request.duration_seconds_bucket"})'
STEP = 5


def prometheus(shop, path: str, **parameters: str | float) -> Any:
    """What the API answers to the shop's tenant."""
    query = urllib.parse.urlencode(parameters)
    answer = shop.platform.request(f"/prometheus/api/v1/{path}?{query}", headers={"X-Scope-OrgID": TENANT})
    assert answer.status == 200, answer.body
    return answer.json()["data"]


def ranged(shop, query: str) -> list[dict[str, Any]]:
    """The series over the shop's range, at the moments that the page asks for."""
    start, end = math.ceil(shop.start.timestamp() / STEP) * STEP, shop.end.timestamp() // STEP * STEP
    return prometheus(shop, "query_range", query=query, start=start, end=end, step=STEP)["result"]


def explore(visitor, *queries: str, **search: str | int | bool):
    page = visitor.open("/explore", q=json.dumps(queries), step=STEP, **search)
    expect(page.get_by_role("heading", name="Metrics", exact=True)).to_be_visible()
    return page


def series_rows(page):
    return page.get_by_role("table", name="Series").locator("tbody tr")


def run(page, expression: str, query: str = "A") -> None:
    page.get_by_label(f"Expression {query}").fill(expression)
    page.get_by_label(f"Expression {query}").press("Control+Enter")


def test_a_typed_expression_is_drawn_and_told_with_the_figures_of_the_api(visitor):
    told = {one["metric"]["job"]: [float(v) for _, v in one["values"]] for one in ranged(visitor.shop, COUNTS)}
    assert len(told) > 1
    page = visitor.open("/explore", step=STEP)
    run(page, COUNTS)
    expect(series_rows(page)).to_have_count(len(told))
    expect(page.get_by_role("img", name=f"{len(told)} series over time")).to_be_visible()
    for name, last, _, least, most in [row.locator("td").all_inner_texts() for row in series_rows(page).all()]:
        values = told[re.search(r'job="([^"]+)"', name)[1]]
        assert [float(last), float(least), float(most)] == [values[-1], min(values), max(values)]
    assert json.loads(visitor.search()["q"]) == [COUNTS]

    # One of the legend is shown alone.
    name = series_rows(page).first.get_by_role("button").inner_text()
    series_rows(page).first.get_by_role("button").click()
    expect(series_rows(page).locator("nth=0").get_by_role("button", pressed=True)).to_be_visible()
    assert visitor.search()["only"] == name
    expect(page.locator("tr[data-off]")).to_have_count(len(told) - 1)

    at = visitor.shop.end.timestamp()
    now = prometheus(visitor.shop, "query", query=COUNTS, time=at)["result"]
    page.get_by_text("Table", exact=True).click()
    expect(page.get_by_text(re.compile(rf"^{len(now)} values at "))).to_be_visible()
    shown = {row[0].removeprefix("job="): row[1] for row in visitor.table("Values")}
    assert shown == {one["metric"]["job"]: one["value"][1] for one in now}
    page.get_by_text("Graph", exact=True).click()
    expect(series_rows(page)).to_have_count(len(told))
    assert "as" not in visitor.search()


def test_several_queries_are_drawn_together_left_out_and_stacked_in_the_address_and_saved(visitor):
    both = len(ranged(visitor.shop, COUNTS)) + 1
    page = explore(visitor, COUNTS)
    page.get_by_role("button", name="Add a query").click()
    page.get_by_label("Expression B").fill("vector(3)")
    page.get_by_role("button", name="Run").click()
    expect(series_rows(page)).to_have_count(both)
    page.get_by_role("switch", name="Stacked").press("Space")
    page.get_by_role("button", name="Leave out query A").click()
    expect(series_rows(page)).to_have_count(1)
    expect(series_rows(page).first).to_contain_text("vector(3)")
    page.reload()
    expect(series_rows(page)).to_have_count(1)
    assert (visitor.search()["off"], visitor.search()["stacked"]) == ("A", "true")
    page.get_by_role("button", name="Show query A").click()
    expect(series_rows(page)).to_have_count(both)
    page.get_by_role("button", name="Remove query B").click()
    expect(page.get_by_label("Expression B")).to_have_count(0)
    assert json.loads(visitor.search()["q"]) == [COUNTS]
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this view…").click()
    page.get_by_label("Name", exact=True).fill("Series by job")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page = visitor.open("/explore")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Series by job", exact=True).click()
    expect(page.get_by_label("Expression A")).to_have_text(COUNTS)
    assert visitor.search()["stacked"] == "true"


def test_an_expression_is_completed_corrected_and_told_where_it_is_wrong(visitor):
    page = explore(visitor, "sum(rate(up[5m])) + )")
    expect(page.get_by_role("alert")).to_contain_text("unexpected right parenthesis ')'")
    expect(page.locator(".cm-lintRange-error")).to_have_text(")")
    visitor.complaints[:] = [text for text in visitor.complaints if "400" not in text]

    field = page.get_by_label("Expression A")
    run(page, '{"shop.orders.placed_total"}')
    better = 'rate({"shop.orders.placed_total"}[1m])'
    page.get_by_role("button", name=f"Use {better}").click()
    expect(field).to_have_text(better)
    expect(page.get_by_role("button", name=f"Use {better}")).to_have_count(0)
    assert json.loads(visitor.search()["q"]) == [better]

    field.fill("")
    field.press_sequentially("sum(process.thr")
    expect(page.get_by_role("option", name=re.compile(r"^process\.thread\.count\s*gauge"))).to_be_visible()
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_text('sum({"process.thread.count"})')


def test_the_range_before_is_drawn_when_asked_and_dragging_over_the_graph_zooms(visitor):
    count = len(ranged(visitor.shop, COUNTS))
    page = explore(visitor, COUNTS, compare="10s")
    expect(series_rows(page)).to_have_count(2 * count)
    expect(series_rows(page).last).to_contain_text("before")
    before = visitor.search()
    plot = page.locator("[role=img][aria-label$='series over time'] .u-over")
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20, steps=6)
    page.mouse.up()
    expect(page.get_by_label("Back to the range before")).to_be_visible()
    zoomed = visitor.search()
    assert before["from"] < zoomed["from"] < zoomed["to"] < before["to"]


def test_buckets_and_native_histograms_are_heat_maps(visitor):
    buckets = ranged(visitor.shop, BUCKETS)
    page = explore(visitor, BUCKETS, **{"as": "heat"})
    points = int(visitor.shop.end.timestamp() // STEP - math.ceil(visitor.shop.start.timestamp() / STEP)) + 1
    label = f"Heat map: {len(buckets)} buckets over {points} points"
    expect(page.get_by_role("img", name=label)).to_be_visible()
    run(page, COUNTS)
    expect(page.get_by_text("These are no buckets")).to_be_visible()
    page.get_by_text("Graph", exact=True).click()
    expect(series_rows(page).first).to_be_visible()
    run(page, '{"payments.provider.duration_seconds"}')
    page.get_by_role("button", name="Show the heat map").click()
    expect(page.get_by_role("img", name=re.compile(r"^Heat map: \d+ buckets"))).to_be_visible()
    assert visitor.search()["as"] == "heat"


def test_exemplars_lead_to_their_traces(visitor):
    query = 'histogram_quantile(0.95, {"http.server.request.duration_seconds_bucket"})'
    start, end = visitor.shop.start.timestamp(), visitor.shop.end.timestamp()
    told = prometheus(visitor.shop, "query_exemplars", query=query, start=start, end=end)
    traces = {one["labels"]["trace_id"] for series in told for one in series["exemplars"]}
    assert traces
    page = explore(visitor, query, exemplars="true")
    link = page.get_by_role("list", name="Exemplars").get_by_role("link").first
    expect(link).to_be_visible()
    trace = re.search("/traces/([0-9a-f]{32})", link.get_attribute("href") or "")[1]
    assert trace in traces
    link.focus()
    link.press("Enter")
    expect(page).to_have_url(re.compile(trace))


def test_the_catalogue_counts_series_says_where_they_come_from_and_leads_to_the_explorer(visitor):
    counts = prometheus(visitor.shop, "status/tsdb", limit=100_000)["seriesCountByMetricName"]
    family = "http.server.request.duration_seconds"
    series = sum(
        one["value"] for one in counts if re.fullmatch(rf"{re.escape(family)}_(bucket|count|sum)", one["name"])
    )
    told = visitor.shop.api("cardinality", limit=1000)
    page = visitor.open("/explore/catalogue")
    first = page.get_by_role("list", name="Most series").get_by_role("listitem").first
    expect(first).to_have_text(
        re.compile(rf"^{re.escape(told['by_metric'][0]['name'])}{told['by_metric'][0]['series']:,}$")
    )
    labels = [one for one in told["by_label"] if one["name"] != "__name__"]
    top = page.get_by_role("list", name="Labels with most values").get_by_role("listitem").first
    expect(top).to_contain_text(f"{labels[0]['name']}{labels[0]['values']:,}")

    page.get_by_label("Find a metric").fill("http.server.request.dur")
    expect(page.get_by_role("table", name="Metrics").locator("tbody tr")).to_have_count(1)
    name, kind, unit, shown, _ = visitor.table("Metrics")[0]
    assert name.startswith(f"{family}\nDuration of HTTP server requests")
    assert (kind, unit, shown) == ("histogram", "seconds", f"{series:,}")

    page.get_by_label("Find a metric").fill("process.thread")
    page.get_by_role("button", name=re.compile(r"^process\.thread\.count")).click()
    of_metric = visitor.shop.api("cardinality", limit=1000, match='{"process.thread.count"}')
    labelled = {row[0]: (row[1], row[2]) for row in visitor.table("Labels")}
    assert labelled == {
        one["name"]: (f"{one['values']:,}", f"{one['series']:,}")
        for one in of_metric["by_label"]
        if one["name"] != "__name__"
    }
    assert visitor.search()["metric"] == "process.thread.count"

    page.get_by_label("Find a metric").fill("http.server.request.dur")
    page.get_by_role("link", name=f"Explore {family}").click()
    expect(page.get_by_label("Expression A")).to_contain_text("histogram_quantile(0.95")
    expect(page.get_by_role("img", name=re.compile("series over time"))).to_be_visible()

    navigation = page.get_by_role("navigation", name="Metrics")
    for name, heading in (("Catalogue", "Metric catalogue"), ("Targets", "Targets"), ("Rules", "Rules")):
        navigation.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_text("No rules are evaluated for this tenant")).to_be_visible()
    navigation.get_by_role("link", name="Targets", exact=True).click()
    expect(page.get_by_text("Nothing is scraped for this tenant")).to_be_visible()


@pytest.fixture
def monitored(make_platform, tmp_path):
    """A platform that scrapes itself and something that is gone, and evaluates a rule that works and one that does not."""
    (tmp_path / "scrape.yml").write_text(
        "scrape_configs:\n"
        "  - {job_name: gone, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:9'], labels: {team: shop}}]}\n"
    )
    (tmp_path / "rules.yml").write_text(
        "groups:\n"
        "  - name: figures\n"
        "    interval: 1s\n"
        "    rules:\n"
        "      - {record: 'answer:always', expr: vector(42), labels: {team: shop}}\n"
        '      - {record: \'answer:never\', expr: \'label_replace(vector(1), "a", "$1", "b", "(")\'}\n'
    )
    return make_platform("--scrape-config", str(tmp_path / "scrape.yml"), "--rule-files", str(tmp_path / "rules.yml"))


def test_targets_and_rules_say_how_they_do(visitor, monitored):
    page = visitor.page

    def until(path: str, done) -> dict[str, Any]:
        while not done(told := monitored.request(f"/prometheus/api/v1/{path}").json()["data"]):
            page.wait_for_timeout(500)
        return told

    told = until("targets", lambda data: any(one["lastError"] for one in data["activeTargets"]))
    page.goto(f"{monitored.url}/explore/targets")
    expect(page.get_by_text("1 target, 1 down")).to_be_visible()
    row = page.get_by_role("table", name="Targets of gone").locator("tbody tr")
    expect(row).to_contain_text("down")
    expect(row).to_contain_text(told["activeTargets"][0]["scrapeUrl"])
    expect(row).to_contain_text(told["activeTargets"][0]["lastError"])
    until("rules", lambda data: data["groups"] and all(r["health"] != "unknown" for r in data["groups"][0]["rules"]))
    page.goto(f"{monitored.url}/explore/rules")
    rules = page.get_by_role("table", name="Rules of figures").locator("tbody tr")
    expect(rules).to_have_count(2)
    expect(rules.first).to_contain_text("answer:always")
    expect(rules.first).to_contain_text("team=shop")
    page.get_by_role("link", name="vector(42)").click()
    expect(page.get_by_label("Expression A")).to_have_text("vector(42)")
