"""The search for traces: what is shown is what the API answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from playwright.sync_api import expect
from ui_figures import duration_ms, duration_ns, plural, share


def rows(page):
    return page.get_by_role("list", name="Traces", exact=True).get_by_role("listitem")


def moment(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def search(page, query: str) -> None:
    page.get_by_label("Search traces").fill(query)
    page.keyboard.press("Escape")
    page.get_by_label("Search traces").press("Enter")


def test_list_and_picture_have_the_traces_of_the_api_and_selected_ones_say_what_they_share(visitor):
    told = visitor.shop.api("traces", limit=200)
    expected = told["traces"]
    page = visitor.open("/traces")
    expect(rows(page)).to_have_count(len(expected))
    first = rows(page).first
    for said in (
        expected[0]["root_name"],
        duration_ns(expected[0]["duration_ns"]),
        plural(expected[0]["span_count"], "span"),
    ):
        expect(first).to_contain_text(said)
    expect(first.get_by_role("link")).to_have_attribute("href", re.compile(expected[0]["trace_id"]))
    more = "+" if told["next_cursor"] else ""
    expect(page.get_by_role("heading", name=f"{len(expected)}{more} traces")).to_be_visible()
    field = page.get_by_role("img", name=f"{len(expected)} traces by start and duration")
    box = field.bounding_box()
    assert box
    page.mouse.move(box["x"] + 62, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] * 0.45, steps=5)
    page.mouse.up()
    panel = page.locator("section", has_text="from the rest")
    expect(panel.get_by_text(re.compile(r"\d+ selected spans"))).to_be_visible()
    start, end, least, most = (float(part) for part in visitor.search()["pick"].split(","))
    begin, finish = (at.timestamp() * 1000 for at in (visitor.shop.start, visitor.shop.end))
    deltas = visitor.shop.api(
        "traces/deltas",
        q="root:true",
        selected=f"duration:>={least}ms duration:<={most}ms",
        selected_from=moment(max(start, begin)),
        selected_to=moment(min(end, finish)),
    )
    expect(panel.get_by_text(f"{deltas['selected_count']:,} selected spans")).to_be_visible()
    assert deltas["attributes"]
    apart = deltas["attributes"][0]
    heading = f"{apart['key']} {share(apart['score'])} apart"
    expect(panel.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    value = apart["values"][0]
    name = "missing" if value["value"] is None else value["value"]
    expect(panel.get_by_title(f"{name}: {share(value['selected_share'])} of the sel").first).to_be_visible()


def test_a_search_is_ordered_narrowed_and_in_the_address_and_says_what_is_wrong_with_it(visitor):
    page = visitor.open("/traces")
    page.get_by_text("Slowest", exact=True).click()
    slowest = visitor.shop.api("traces", order="slowest", limit=1)["traces"][0]
    expect(rows(page).first.get_by_role("link")).to_have_attribute("href", re.compile(slowest["trace_id"]))
    assert visitor.search()["order"] == "slowest"
    page.get_by_role("button", name="Errors", exact=True).click()
    expected = visitor.shop.api("traces", q="status:error", order="slowest", limit=200)["traces"]
    expect(rows(page)).to_have_count(len(expected))
    expect(rows(page).first).to_contain_text(plural(expected[0]["error_count"], "error"))

    query = "service:payments duration:>1ms"
    expected = visitor.shop.api("traces", q=query, limit=200)["traces"]
    search(page, query)
    expect(rows(page)).to_have_count(len(expected))
    assert visitor.search()["q"] == query
    page.reload()
    expect(page.get_by_label("Search traces")).to_have_value(query)
    expect(rows(page)).to_have_count(len(expected))

    search(page, "duration:>fast")
    expect(page.get_by_role("alert")).to_contain_text("fast")
    assert any("400" in text for text in visitor.complaints)
    visitor.complaints.clear()
    search(page, "service:nobody")
    expect(page.get_by_text("No trace matches")).to_be_visible()


def test_keys_and_values_are_completed_and_groups_have_the_figures_of_the_api(visitor):
    page = visitor.open("/traces")
    groups = visitor.shop.api("traces/breakdown", by="http.route", limit=50)["groups"]
    page.get_by_role("combobox", name="Group by").fill("http.route")
    page.get_by_role("option", name="http.route").click()
    assert {tuple(row) for row in visitor.table("Spans by http.route")} == {
        (
            one["value"],
            f"{one['count']:,}",
            f"{one['error_count']} ({share(one['error_count'] / one['count'])})" if one["error_count"] else "\u2013",
            *(duration_ms(one[f"{p}_ms"]) for p in ("p50", "p95", "p99")),
        )
        for one in groups
    }
    page.get_by_role("button", name="/search", exact=True).click()
    box = page.get_by_label("Search traces")
    expect(box).to_have_value("http.route:/search")

    box.fill("")
    box.press_sequentially("http.ro")
    page.get_by_role("option", name="http.route").click()
    expect(box).to_have_value("http.route:")
    box.press_sequentially("/check")
    page.get_by_role("option", name="/checkout").click()
    expect(box).to_have_value("http.route:/checkout ")
    box.press("Escape")
    box.press("Enter")
    expected = visitor.shop.api("traces", q="http.route:/checkout", limit=200)["traces"]
    expect(rows(page)).to_have_count(len(expected))


def test_a_search_is_saved_and_opened_again(visitor):
    page = visitor.open("/traces", q="service:payments", order="slowest")
    expect(rows(page).first).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this view…").click()
    page.get_by_label("Name", exact=True).fill("Slow payments")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    saved = visitor.shop.platform.request("/api/v1/views?page=traces", headers={"X-Scope-OrgID": "shop"}).json()
    assert [(one["name"], one["state"]) for one in saved["views"]] == [
        ("Slow payments", {"q": "service:payments", "order": "slowest"})
    ]
    page = visitor.open("/traces")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Slow payments", exact=True).click()
    expect(page.get_by_label("Search traces")).to_have_value("service:payments")
    assert visitor.search()["order"] == "slowest"
