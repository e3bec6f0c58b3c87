"""Services, their pages, the map and the overview."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from collections import defaultdict
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect
from ui_figures import change, count, duration_ms, plural, rate, share, size

SERVICES = {"catalog", "gateway", "orders", "payments", "worker"}
SHOWN = 8
LABELS = "nodes => nodes.map(node => node.getAttribute('aria-label'))"


def shown(figures: dict[str, Any], *percentiles: str) -> list[str]:
    """What a table says of a row: rate, share of errors, percentiles."""
    return [
        rate(figures["rate"]),
        share(figures["error_rate"]),
        *(duration_ms(figures[f"{p}_ms"]) for p in percentiles),
    ]


def test_list_has_every_service_with_its_figures_sorted_and_filtered_in_the_address(visitor):
    figures = {one["service"]: one for one in visitor.shop.api("services")["services"]}
    trends = {one["service"]: one for one in visitor.shop.api("service-trends", points=60)["services"]}
    page = visitor.open("/services")
    rows = visitor.table("Services")
    visitor.rest()  # the courses come after the figures
    assert {row[0] for row in rows} == SERVICES
    for name, one in figures.items():
        row = next(row for row in rows if row[0] == name)
        assert row[1:6] == shown(one, "p50", "p95", "p99")
        assert row[6:] == [str(one["operation_count"]), ", ".join(one["versions"][-3:])]
        assert one["versions"], name
        cells = page.get_by_role("row", name=re.compile(f"^{name} ")).locator("td").all()
        assert all(said.startswith("Requests: from ") for said in cells[1].locator("title").all_text_contents())
        for cell, values, text in (
            (cells[2], trends[name]["error_counts"], count),
            (cells[4], trends[name]["p95_ms"], duration_ms),
        ):
            known = [value for value in values if value is not None]
            said = [one.rpartition(", ")[2] for one in cell.locator("title").all_text_contents()]
            assert said == ([f"at most {text(max(known) or 1)}"] if len(known) > 1 else [])
    page.get_by_role("button", name="p95").click()
    assert visitor.table("Services")[0][0] == max(figures.values(), key=lambda one: one["p95_ms"])["service"]
    page.get_by_label("Filter services").fill("pay")
    expect(page.get_by_role("table", name="Services").locator("tbody tr")).to_have_count(1)
    assert (visitor.search()["q"], visitor.search()["sort"]) == ("pay", "p95")


def test_service_page_shows_figures_heat_map_and_operations_and_narrows_to_one(visitor):
    operations = visitor.shop.api("services/orders/operations")["operations"]
    (orders,) = (one for one in visitor.shop.api("services")["services"] if one["service"] == "orders")
    spans = visitor.shop.api("traces/heatmap", q="service:orders", columns=100)["total_count"]
    page = visitor.open("/services/orders", compare="1h")
    assert {tuple(row[:7]) for row in visitor.table("Operations")} == {
        (one["name"], one["kind"], *shown(one, "p50", "p95", "p99")) for one in operations
    }
    said = f"{rate(orders['rate'])}, {share(orders['error_rate'])} errors, p50 {duration_ms(orders['p50_ms'])}, p95 "
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("img", name=f"Spans by time and duration: {spans} spans")).to_be_visible()
    expect(page.get_by_text("requests before")).to_be_visible()
    page.get_by_role("link", name="POST /orders", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("^Only POST .orders"))).to_be_visible()
    assert visitor.search()["operation"] == "POST /orders"


def test_tabs_of_a_service_are_its_dependencies_logs_and_instances(visitor):
    edges = visitor.shop.api("service-map")["edges"]
    page = visitor.open("/services/orders", tab="dependencies")
    assert {tuple(row) for row in visitor.table("Callers")} == {
        (e["client"], e["connection_type"], *shown(e, "p95"))
        for e in edges
        if e["server"] == "orders" and e["connection_type"] != "database"
    }
    assert {tuple(row) for row in visitor.table("Called services")} == {
        (e["server"], e["connection_type"], *shown(e, "p95")) for e in edges if e["client"] == "orders"
    }
    page.get_by_role("tab", name="Logs").click()
    logs = visitor.shop.api("logs", q='service:"orders"', limit=50)["logs"]
    lines = page.get_by_role("list", name="Recent log lines").get_by_role("listitem")
    expect(lines).to_have_count(len(logs))
    expect(lines.first).to_contain_text(logs[0]["body"])
    page.get_by_role("tab", name="Instances").click()
    instances = visitor.shop.api("services/orders/instances")["instances"]
    assert {(row[0], row[1], *row[3:7]) for row in visitor.table("Instances")} == {
        (one["instance"], one["version"], *shown(one, "p50", "p95")) for one in instances
    }
    assert visitor.search()["tab"] == "instances"


def test_errors_by_kind_lead_to_a_trace(visitor):
    services = visitor.shop.api("services")["services"]
    failing = next(one["service"] for one in services if visitor.shop.api("errors", service=one["service"])["errors"])
    errors = visitor.shop.api("errors", service=failing)["errors"]
    page = visitor.open(f"/services/{failing}", tab="errors")
    rows = visitor.table("Errors by kind")
    assert sorted((row[1], row[2]) for row in rows) == sorted((one["operation"], f"{one['count']:,}") for one in errors)
    for one in errors:
        assert any(row[0].startswith(one["kind"]) and row[0].endswith(one["message"]) for row in rows), one
    page.get_by_role("link", name="trace", exact=True).first.click()
    expect(page.get_by_role("treegrid", name="Spans")).to_be_visible()


def test_release_is_held_against_the_one_before(visitor):
    for service in sorted(SERVICES):
        releases = visitor.shop.api(f"services/{service}/releases")["releases"]
        if len(releases) >= 2:
            break
    target, base = releases[0]["version"], releases[1]["version"]
    comparison = visitor.shop.api(f"services/{service}/releases/compare", base=base, target=target)
    visitor.open(f"/services/{service}", tab="releases")
    assert {(row[0].split()[0], *row[4:7]) for row in visitor.table("Releases")} == {
        (one["version"], *shown(one, "p95")) for one in releases
    }

    def both(one: dict[str, Any], figure: str, text: Any) -> str:
        base, target = (text(one[side][figure]) if one[side] else "\u2013" for side in ("base", "target"))
        return f"{base} → {target}"

    assert {(row[0], row[1], row[4]) for row in visitor.table("Operations under both releases")} == {
        (one["name"], both(one, "rate", rate), both(one, "p95_ms", duration_ms)) for one in comparison["operations"]
    }


READ = """graph => [...graph.querySelectorAll('strong, small, [class*=note]')].map((text) => {
  const box = text.getBoundingClientRect();
  const zoom = box.width / text.offsetWidth;
  return { px: zoom * parseFloat(getComputedStyle(text).fontSize), left: box.left, right: box.right, cut: text.scrollWidth > text.offsetWidth + 1 };
})"""


def notes_of(edges: list[dict[str, Any]]) -> list[str]:
    """What stands on the lines: rate and errors, then the p95; calls of both kinds to one place are one line."""
    lines = defaultdict(list)
    for edge in edges:
        lines[edge["client"], edge["server"], edge["connection_type"] == "database"].append(edge)
    notes = []
    for line in lines.values():
        requests, errors = (sum(edge[f"{what}_count"] for edge in line) for what in ("request", "error"))
        failed = f" · {share(errors / requests)} err" if errors else ""
        p95 = max((edge["p95_ms"] for edge in line if edge["p95_ms"] is not None), default=None)
        notes.append(f"{rate(sum(edge['rate'] for edge in line))}{failed}\n{duration_ms(p95)}")
    return sorted(notes)


def test_map_has_every_service_and_call_with_their_figures_and_is_read_without_moving_it(visitor):
    edges = visitor.shop.api("service-map")["edges"]
    page = visitor.open("/map")
    graph = page.get_by_label("Service map", exact=True)
    expect(page.get_by_text(re.compile(rf"\d+ nodes, {len(notes_of(edges))} calls"))).to_be_visible()
    for one in visitor.shop.api("services")["services"]:
        failed = share(one["error_count"] / max(1, one["request_count"]))
        note = f"{rate(one['rate'])} · {failed} err · {duration_ms(one['p95_ms'])}"
        expect(graph.get_by_role("group", name=f"{one['service']}: {note}", exact=True)).to_be_visible()
    notes = graph.locator(".react-flow__edgelabel-renderer > div")
    expect(notes).to_have_count(len(notes_of(edges)))
    assert sorted(notes.all_text_contents()) == notes_of(edges)
    texts = graph.evaluate(READ)
    assert len(texts) > 2 * len(SERVICES)
    assert min(text["px"] for text in texts) >= 11
    assert not any(text["cut"] for text in texts)
    pane = graph.bounding_box()
    assert all(pane["x"] <= text["left"] and text["right"] <= pane["x"] + pane["width"] for text in texts)
    page.get_by_label("Find services").fill("payments")
    expect(graph.locator("[data-pale]").first).to_be_attached()
    graph.get_by_text("payments", exact=True).click()
    expect(page).to_have_url(re.compile("/services/payments"))


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


def panel_of(page, title: str):
    return page.locator("section", has=page.get_by_role("heading", name=title, exact=True)).get_by_role("listitem")


def test_overview_says_what_the_api_says(visitor):
    overview = visitor.shop.api("overview")
    services = visitor.shop.api("services")["services"]
    page = visitor.open("/", compare="10s")
    expect(page.get_by_text(f"{len(services)} services, {len(overview['unhealthy'])} with errors")).to_be_visible()
    expect(page.get_by_text("gateway before").first).to_be_visible()

    def before(now: float, then: float | None) -> str:
        return "new" if then is None else change(now, then)

    expected = {
        "With errors": [
            f"{one['service']}\n{share(one['error_rate'])} of {count(one['request_count'])}\n"
            + ("new" if one["error_rate_before"] is None else f"was {share(one['error_rate_before'])}")
            for one in overview["unhealthy"]
        ],
        "Slow": [
            f"{one['service']}\n{one['operation']} p95 {duration_ms(one['p95_ms'])}\n"
            + before(one["p95_ms"], one["p95_before_ms"])
            for one in overview["slow"]
        ],
        "Loud": [
            f"{one['service']}\n{plural(one['lines'], 'line')}"
            + (f" {plural(one['error_lines'], 'error')}" if one["error_lines"] else "")
            + f"\n{change(one['lines'], one['lines_before'])}"
            for one in overview["loud"]
        ],
    }
    for title, rows in expected.items():
        items = panel_of(page, title)
        expect(items).to_have_count(min(SHOWN, len(rows)))
        assert items.all_inner_texts() == rows[:SHOWN]
    assert any(expected.values())
    changed = panel_of(page, "Changed").all_inner_texts()
    for name, kind in (("new error", "new_error"), ("release", "deployment"), ("new service", "new_service")):
        told = [text for text in changed if text.split("\n")[1].startswith(name)]
        changes = [one for one in overview["changes"] if one["type"] == kind]
        assert len(told) >= min(2, len(changes)) > 0
        for text in told:
            service, *_, at = text.split("\n")
            assert any(
                one["service"] == service
                and one["version"] in text
                and one["error"] in text
                and one["time"][11:19] == at
                for one in changes
            ), (text, changes)


def _scroll_to(page, part):
    """Scroll down until a part of the page is there; the page grows while its first parts arrive."""
    while not part.count():
        page.mouse.wheel(0, 5000)
        page.wait_for_timeout(200)
    expect(part).to_be_visible()


def test_the_foot_of_the_overview_tells_what_was_kept_and_what_was_refused(visitor):
    refused = visitor.shop.platform.otlp("traces", b"\xff\xff not protobuf", X_Scope_OrgID="shop")
    assert refused.status == 400
    page = visitor.page
    row = page.get_by_role("row", name=re.compile("^traces"))
    page.goto(f"{visitor.shop.platform.url}/?tenant=shop")
    _scroll_to(page, page.get_by_role("heading", name="Not kept"))  # it is asked for when one comes to it
    while not row.count():
        page.wait_for_timeout(1000)
        page.keyboard.press("r")
    day = {"from": "now-1d", "to": "now"}
    told = [one for one in visitor.shop.api("ledger", **day)["totals"] if one["signal"] == "traces"]
    assert [one.locator("td").all_inner_texts()[:2] for one in row.all()] == [
        [one["reason"].replace("_", " "), f"{one['count']:,}"] for one in told
    ]
    kept: dict[str, float] = defaultdict(int)
    for hour in visitor.shop.api("usage", **day)["usage"]:
        kept[hour["signal"]] += hour["bytes"]
    for signal, stored in kept.items():
        expect(page.get_by_text(f"{signal} ({size(stored)})", exact=True)).to_be_visible()
