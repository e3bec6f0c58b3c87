"""The search for traces: what is shown is what the API answers."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def rows(page):
    return page.get_by_role("list", name="Traces", exact=True).get_by_role("listitem")


def search(page, query: str) -> None:
    page.get_by_label("Search traces").fill(query)
    page.keyboard.press("Escape")
    page.get_by_label("Search traces").press("Enter")


def test_list_has_the_traces_that_the_api_finds(visitor):
    expected = visitor.shop.api("traces", limit=200)["traces"]
    page = visitor.open("/traces")
    expect(rows(page)).to_have_count(len(expected))
    first = rows(page).first
    expect(first).to_contain_text(expected[0]["root_name"])
    expect(first.get_by_role("link")).to_have_attribute("href", re.compile(expected[0]["trace_id"]))
    more = "+" if visitor.shop.api("traces", limit=200)["next_cursor"] else ""
    expect(page.get_by_role("heading", name=f"{len(expected)}{more} traces")).to_be_visible()


def test_query_is_in_the_address_and_narrows_the_list(visitor):
    query = "service:payments duration:>1ms"
    expected = visitor.shop.api("traces", q=query, limit=200)["traces"]
    page = visitor.open("/traces")
    search(page, query)
    expect(rows(page)).to_have_count(len(expected))
    assert visitor.search()["q"] == query
    page.reload()
    expect(page.get_by_label("Search traces")).to_have_value(query)
    expect(rows(page)).to_have_count(len(expected))


def test_slowest_come_first_when_asked(visitor):
    slowest = visitor.shop.api("traces", order="slowest", limit=1)["traces"][0]
    page = visitor.open("/traces")
    page.get_by_text("Slowest", exact=True).click()
    expect(rows(page).first.get_by_role("link")).to_have_attribute("href", re.compile(slowest["trace_id"]))
    assert visitor.search()["order"] == "slowest"


def test_errors_are_one_press_away(visitor):
    expected = visitor.shop.api("traces", q="status:error", limit=200)["traces"]
    page = visitor.open("/traces")
    page.get_by_role("button", name="Errors", exact=True).click()
    expect(rows(page)).to_have_count(len(expected))
    expect(rows(page).first).to_contain_text("error")


def test_keys_and_values_are_completed(visitor):
    page = visitor.open("/traces")
    box = page.get_by_label("Search traces")
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


def test_query_that_cannot_be_read_says_where(visitor):
    page = visitor.open("/traces")
    search(page, "duration:>fast")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("fast")
    assert any("400" in text for text in visitor.complaints)
    visitor.complaints.clear()


def test_grouping_has_the_figures_of_the_api(visitor):
    groups = visitor.shop.api("traces/breakdown", by="http.route", limit=50)["groups"]
    page = visitor.open("/traces")
    page.get_by_role("combobox", name="Group by").fill("http.route")
    page.get_by_role("option", name="http.route").click()
    table = visitor.table("Spans by http.route")
    assert {row[0]: int(row[1].replace(",", "")) for row in table} == {g["value"]: g["count"] for g in groups}
    page.get_by_role("button", name="/search", exact=True).click()
    expect(page.get_by_label("Search traces")).to_have_value("http.route:/search")


def test_picture_selects_slow_traces_and_says_what_they_share(visitor):
    page = visitor.open("/traces")
    field = page.locator("canvas[role=img]")
    expect(field).to_be_visible()
    expect(rows(page).first).to_be_visible()
    box = field.bounding_box()
    assert box
    page.mouse.move(box["x"] + 62, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] * 0.45, steps=5)
    page.mouse.up()
    panel = page.locator("section", has_text="from the rest")
    expect(panel.get_by_text(re.compile(r"\d+ selected spans"))).to_be_visible()
    minimum = visitor.search()["pick"].split(",")[2]
    maximum = visitor.search()["pick"].split(",")[3]
    deltas = visitor.shop.api("traces/deltas", q="root:true", selected=f"duration:>={minimum}ms duration:<={maximum}ms")
    assert deltas["attributes"]
    expect(
        panel.get_by_role("heading", name=re.compile(f"^{re.escape(deltas['attributes'][0]['key'])}"))
    ).to_be_visible()


def test_nothing_found_says_what_to_try(visitor):
    page = visitor.open("/traces", q="service:nobody")
    expect(page.get_by_text("No trace matches")).to_be_visible()


def test_a_search_is_saved_and_opened_again(visitor):
    page = visitor.open("/traces", q="service:payments", order="slowest")
    expect(rows(page).first).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Save this view…").click()
    page.get_by_label("Name", exact=True).fill("Slow payments")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    saved = visitor.shop.platform.request("/api/v1/views?page=traces", headers={"X-Scope-OrgID": "shop"}).json()[
        "views"
    ]
    assert [(one["name"], one["state"]) for one in saved] == [
        ("Slow payments", {"q": "service:payments", "order": "slowest"})
    ]
    page = visitor.open("/traces")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("menuitem", name="Slow payments", exact=True).click()
    expect(page.get_by_label("Search traces")).to_have_value("service:payments")
    assert visitor.search()["order"] == "slowest"
