"""Services, their pages, the map and the overview."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

SERVICES = {"catalog", "gateway", "orders", "payments", "worker"}


def test_list_has_every_service_with_its_figures(visitor):
    figures = {one["service"]: one for one in visitor.shop.api("services")["services"]}
    visitor.open("/services")
    table = {row[0]: row for row in visitor.table("Services")}
    assert set(table) == set(figures) == SERVICES
    for service, row in table.items():
        shown, unit = row[2].split("/")
        per_second = float(shown) / (60 if unit == "min" else 1)
        assert per_second == figures[service]["rate"] or abs(per_second / figures[service]["rate"] - 1) < 0.05
    expect(visitor.page.locator("svg title").first).to_contain_text("at most")


def test_services_are_sorted_and_filtered_in_the_address(visitor):
    slowest = max(visitor.shop.api("services")["services"], key=lambda one: one["p95_ms"])["service"]
    page = visitor.open("/services")
    page.get_by_role("button", name="p95").click()
    assert visitor.table("Services")[0][0] == slowest
    page.get_by_label("Filter services").fill("pay")
    expect(page.get_by_role("table", name="Services").locator("tbody tr")).to_have_count(1)
    assert visitor.search()["q"] == "pay"


def test_service_page_shows_operations_and_narrows_to_one(visitor):
    operations = visitor.shop.api("services/orders/operations")["operations"]
    page = visitor.open("/services/orders")
    table = visitor.table("Operations")
    assert {(row[0], row[1]) for row in table} == {(one["name"], one["kind"]) for one in operations}
    page.get_by_role("link", name="POST /orders", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("^Only POST .orders"))).to_be_visible()
    assert visitor.search()["operation"] == "POST /orders"


def test_service_page_has_a_heat_map_of_all_its_spans(visitor):
    total = visitor.shop.api("traces/heatmap", q="service:orders", columns=100)["total_count"]
    page = visitor.open("/services/orders")
    expect(page.get_by_role("img", name=f"Spans by time and duration: {total} spans")).to_be_visible()


def test_dependencies_are_those_of_the_map(visitor):
    edges = visitor.shop.api("service-map")["edges"]
    visitor.open("/services/orders", tab="dependencies")
    callers = visitor.table("Callers")
    called = visitor.table("Called services")
    assert {row[0] for row in callers} == {
        e["client"] for e in edges if e["server"] == "orders" and e["connection_type"] != "database"
    }
    assert {(row[0], row[1]) for row in called} == {
        (e["server"], e["connection_type"]) for e in edges if e["client"] == "orders"
    }


def test_errors_by_kind_lead_to_a_trace(visitor):
    services = visitor.shop.api("services")["services"]
    failing = next(one["service"] for one in services if visitor.shop.api("errors", service=one["service"])["errors"])
    errors = visitor.shop.api("errors", service=failing)["errors"]
    page = visitor.open(f"/services/{failing}", tab="errors")
    table = visitor.table("Errors by kind")
    assert len(table) == len(errors)
    assert errors[0]["kind"] in table[0][0]
    page.get_by_role("link", name="trace", exact=True).first.click()
    expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()


def test_recent_logs_instances_and_releases(visitor):
    logs = visitor.shop.api("logs", q='service:"gateway"', limit=50)["logs"]
    page = visitor.open("/services/gateway", tab="logs")
    lines = page.get_by_role("list", name="Recent log lines").get_by_role("listitem")
    expect(lines).to_have_count(len(logs))
    expect(lines.first).to_contain_text(logs[0]["body"])
    page.get_by_role("tab", name="Instances").click()
    instances = visitor.shop.api("services/gateway/instances")["instances"]
    assert {row[0] for row in visitor.table("Instances")} == {one["instance"] for one in instances}
    page.get_by_role("tab", name="Releases").click()
    releases = visitor.shop.api("services/gateway/releases")["releases"]
    assert {row[0].split()[0] for row in visitor.table("Releases")} == {one["version"] for one in releases}


def test_release_is_held_against_the_one_before(visitor):
    for service in sorted(SERVICES):
        releases = visitor.shop.api(f"services/{service}/releases")["releases"]
        if len(releases) >= 2:
            break
    target, base = releases[0]["version"], releases[1]["version"]
    comparison = visitor.shop.api(f"services/{service}/releases/compare", base=base, target=target)
    visitor.open(f"/services/{service}", tab="releases")
    table = visitor.table("Operations under both releases")
    assert {row[0] for row in table} == {one["name"] for one in comparison["operations"]}


def test_range_before_is_drawn_when_asked(visitor):
    page = visitor.open("/services/gateway", compare="1h")
    expect(page.get_by_text("requests before")).to_be_visible()


def test_map_has_every_service_and_call(visitor):
    edges = visitor.shop.api("service-map")["edges"]
    page = visitor.open("/map")
    graph = page.get_by_label("Service map", exact=True)
    for service in SERVICES:
        expect(graph.get_by_role("group", name=re.compile(f"^{service}: ")).first).to_be_visible()
    expect(page.get_by_text(re.compile(rf"\d+ nodes, {len(edges)} calls"))).to_be_visible()
    page.get_by_label("Find services").fill("payments")
    expect(graph.locator("[data-pale]").first).to_be_attached()
    graph.get_by_text("payments", exact=True).click()
    expect(page).to_have_url(re.compile("/services/payments"))


READ = """graph => [...graph.querySelectorAll('strong, small, [class*=note]')].map((text) => {
  const box = text.getBoundingClientRect();
  const zoom = box.width / text.offsetWidth;
  return { px: zoom * parseFloat(getComputedStyle(text).fontSize), left: box.left, right: box.right, cut: text.scrollWidth > text.offsetWidth + 1 };
})"""


def test_map_of_a_shop_is_read_without_moving_it(visitor):
    visitor.open("/map")
    graph = visitor.page.get_by_label("Service map", exact=True)
    expect(graph.get_by_role("group", name=re.compile("^gateway: "))).to_be_visible()
    texts = graph.evaluate(READ)
    assert len(texts) > 2 * len(SERVICES)
    assert min(text["px"] for text in texts) >= 11
    assert not any(text["cut"] for text in texts)
    pane = graph.bounding_box()
    assert all(pane["x"] <= text["left"] and text["right"] <= pane["x"] + pane["width"] for text in texts)


def test_map_on_a_phone_begins_with_who_is_called_first_and_can_be_read(phone):
    phone.open("/map")
    graph = phone.page.get_by_label("Service map", exact=True)
    gateway = graph.get_by_role("group", name=re.compile("^gateway: "))
    expect(gateway).to_be_in_viewport(ratio=1)
    assert min(text["px"] for text in graph.evaluate(READ)) >= 11
    expect(phone.page.get_by_label("The whole map in small")).to_be_visible()


@pytest.fixture
def many_services(shop):
    """A tenant of 200 services, of which each but the first is called by the one before, in groups of twenty."""
    now = time.time_ns()
    names = [f"area{number // 20}-part{number % 20}" for number in range(200)]
    spans: dict[str, list[dict]] = {name: [] for name in names}
    for number, (caller, called) in enumerate(itertools.pairwise(names)):
        common = {"traceId": f"{now + number:032x}", "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 10**7)}
        parent = f"{number + 1:016x}"
        spans[caller].append({**common, "spanId": parent, "name": "ask", "kind": 3})
        spans[called].append(
            {**common, "spanId": f"{number + 1000:016x}", "parentSpanId": parent, "name": "do", "kind": 2}
        )
    resources = [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]},
            "scopeSpans": [{"spans": own}],
        }
        for name, own in spans.items()
    ]
    body = json.dumps({"resourceSpans": resources}).encode()
    sent = shop.platform.otlp("traces", body, Content_Type="application/json", X_Scope_OrgID="crowded")
    assert sent.status == 200
    shop.platform.eventually("SELECT uniq(service) FROM spans", 200, "crowded")


@pytest.mark.usefixtures("many_services")
def test_map_of_many_services_is_in_groups_and_leads_from_neighbour_to_neighbour(visitor):
    page = visitor.open("/map", tenant="crowded", **{"from": "now-1h", "to": "now"})
    graph = page.get_by_label("Service map", exact=True)
    groups = graph.get_by_role("group", name=re.compile("^area[0-9]: 20 services: "))
    while not page.get_by_text("200 nodes, 199 calls").count():  # the rollup of calls comes a little later
        page.wait_for_timeout(1000)
        page.get_by_label("Refresh", exact=True).click()
    expect(groups).to_have_count(10)
    groups.first.click()
    expect(page.get_by_role("button", name="Close 1 group")).to_be_visible()
    expect(graph.get_by_role("group", name=re.compile("^area[0-9]-part")).first).to_be_visible()
    page.get_by_label("Find services").fill("area3-part7")
    expect(page.get_by_text("3 nodes around “area3-part7”")).to_be_visible()
    expect(graph.get_by_role("group", name=re.compile("^area3-part[678]: "))).to_have_count(3)
    around = page.get_by_text("3 nodes around “area3-part8”")
    while not around.count():  # what is pressed while the picture still moves is moved away from under the pointer
        graph.get_by_text("area3-part8", exact=True).click()
        with contextlib.suppress(PlaywrightTimeout):
            around.wait_for(timeout=5000)
    assert visitor.search()["find"] == "area3-part8"
    expect(graph.get_by_role("group", name=re.compile("^area3-part9: "))).to_have_count(1)
    graph.get_by_text("area3-part8", exact=True).click()
    expect(page).to_have_url(re.compile("/services/area3-part8"))


def test_range_before_is_drawn_on_the_overview(visitor):
    page = visitor.open("/", compare="10s")
    expect(page.get_by_text("gateway before").first).to_be_visible()


def test_overview_says_what_the_api_says(visitor):
    overview = visitor.shop.api("overview")
    page = visitor.open("/")
    for title, rows in (("With errors", overview["unhealthy"]), ("Slow", overview["slow"]), ("Loud", overview["loud"])):
        panel = page.locator("section", has=page.get_by_role("heading", name=title, exact=True))
        expect(panel.get_by_role("listitem")).to_have_count(min(8, len(rows)))
        if rows:
            expect(panel.get_by_role("listitem").first).to_contain_text(rows[0]["service"])
    services = visitor.shop.api("services")["services"]
    expect(page.get_by_text(f"{len(services)} services, {len(overview['unhealthy'])} with errors")).to_be_visible()
    changed = page.locator("section", has=page.get_by_role("heading", name="Changed", exact=True))
    expect(changed.get_by_role("listitem").first).to_be_visible()
    usage = visitor.shop.api("usage")["usage"]
    _scroll_to(page, page.get_by_role("heading", name="Not kept"))  # it is asked for when one comes to it
    for signal in {one["signal"] for one in usage}:
        expect(page.get_by_text(re.compile(rf"^{signal} \("))).to_be_visible()


def _scroll_to(page, part):
    """Scroll down until a part of the page is there; the page grows while its first parts arrive."""
    while not part.count():
        page.mouse.wheel(0, 5000)
        page.wait_for_timeout(200)
    expect(part).to_be_visible()


def test_ledger_tells_what_was_refused(visitor):
    refused = visitor.shop.platform.otlp("traces", b"\xff\xff not protobuf", X_Scope_OrgID="shop")
    assert refused.status == 400
    page = visitor.page
    address = f"{visitor.shop.platform.url}/?tenant=shop"
    row = page.get_by_role("row", name=re.compile("^traces"))
    page.goto(address)
    _scroll_to(page, page.get_by_role("heading", name="Not kept"))
    while not row.count():
        page.wait_for_timeout(1000)
        page.keyboard.press("r")
    expect(row.first).to_be_visible()
