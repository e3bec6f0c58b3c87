"""What stands around every page: navigation, time range, palette, keys, theme, tenants, access."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import urllib.request
from datetime import datetime, timedelta

from playwright.sync_api import expect


def test_navigation_palette_and_keys_lead_everywhere_and_keep_the_range(visitor):
    trace = visitor.shop.trace_of("POST /checkout")
    page = visitor.open("/")
    for name, path in (
        ("Services", "/services"),
        ("Map", "/map"),
        ("Traces", "/traces"),
        ("Logs", "/logs"),
        ("Metrics", "/explore"),
        ("SQL", "/sql"),
    ):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
        expect(page).to_have_url(re.compile(rf"{path}\?"))
        assert visitor.search()["from"] == visitor.shop.range["from"]
    expect(page.get_by_role("link", name="SQL", exact=True)).to_have_attribute("data-status", "active")

    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.locator("h1", has_text="Traces")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Search traces")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Command palette")
    page.keyboard.press("Escape")

    page.keyboard.press("Control+k")
    page.get_by_label("What to go to").fill("paym")
    expect(page.get_by_role("option", name="payments")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/services/payments"))
    page.keyboard.press("Control+k")
    page.get_by_label("What to go to").fill(trace["trace_id"])
    expect(page.get_by_role("option", name=f"Trace {trace['trace_id']}")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(trace["trace_id"]))
    assert visitor.search()["from"] == visitor.shop.range["from"]


def test_a_range_is_chosen_or_typed_is_in_the_address_and_bad_ones_are_refused_in_words(visitor):
    page = visitor.page
    page.goto(f"{visitor.shop.platform.url}/services?tenant=shop")
    page.get_by_label("Time range: Last hour").click()
    page.get_by_role("button", name="Last 6 hours").click()
    expect(page).to_have_url(re.compile("from=now-6h"))
    page.reload()
    page.get_by_label("Time range: Last 6 hours").click()
    page.get_by_label("From").fill("yesterdayish")
    expect(page.get_by_text("Write 2026-07-01 12:00 (UTC), now-15m or a Unix time.")).to_be_visible()
    page.get_by_label("From").fill("2026-07-02 12:00")
    page.get_by_label("To", exact=True).fill("2026-07-01 12:00")
    expect(page.get_by_text("This is not after the start.")).to_be_visible()
    page.get_by_label("To", exact=True).fill("2026-07-02 13:00")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_label(re.compile("Time range: 2026-07-02 12:00:00 .* 13:00:00"))).to_be_visible()
    expect(page.get_by_text("No service has sent a span in this range")).to_be_visible()


def test_zoom_by_dragging_and_back(visitor):
    page = visitor.open("/services/gateway")
    before = visitor.search()
    plot = page.locator("[role=img][aria-label='Requests per second'] .u-over")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20, steps=6)
    page.mouse.up()
    back = page.get_by_label("Back to the range before")
    expect(back).to_be_visible()
    zoomed = visitor.search()
    # The chart begins and ends with whole minutes.
    start, end = (datetime.fromisoformat(before[key]).replace(second=0) for key in ("from", "to"))
    low, high = (datetime.fromisoformat(zoomed[key]) for key in ("from", "to"))
    assert start < low < high < end + timedelta(minutes=1)
    assert high - low < datetime.fromisoformat(before["to"]) - datetime.fromisoformat(before["from"])
    back.click()
    expect(back).to_be_hidden()
    assert visitor.search()["from"] == before["from"]
    page.keyboard.press("z")  # twice as wide, the middle stays
    expect(back).to_be_visible()
    assert visitor.search()["from"] < before["from"]
    page.keyboard.press("b")
    expect(back).to_be_hidden()
    assert visitor.search()["from"] == before["from"]


def test_a_key_or_the_clock_asks_again_for_what_came_late_and_the_old_picture_stays_meanwhile(visitor):
    page = visitor.open("/services")
    gateway = page.get_by_role("link", name="gateway")
    expect(gateway).to_be_visible()
    with page.expect_response(_asks_for_services):  # the range stays as it is
        page.keyboard.press("r")
    page.get_by_label(re.compile("^Time range")).click()
    with page.expect_response(_asks_for_services):
        page.get_by_role("button", name="Last 6 hours").click()
    expect(page.get_by_label("From", exact=True)).to_have_count(0)  # until it is gone, keys are typed into it
    expect(page.locator("[data-asking]")).to_have_count(0)
    with page.expect_response(_asks_for_services):  # the range moves
        page.keyboard.press("r")
    expect(page.locator("[data-asking]")).to_have_count(0)
    page.route("**/api/v1/services?*", lambda route: None)  # noqa: ARG005 - never answered
    with page.expect_request(_asks_for_services):
        page.keyboard.press("r")
    expect(page.get_by_label("Refresh", exact=True)).to_have_attribute("data-asking", "true")
    expect(page.locator("[class*=stale] table")).to_be_visible()
    expect(gateway).to_be_visible()
    expect(page.locator("[aria-label=Loading]")).to_have_count(0)
    page.unroute("**/api/v1/services?*")
    page.get_by_label("Refresh by itself: Off").click()
    page.get_by_role("menuitem", name="5 s", exact=True).click()
    expect(page).to_have_url(re.compile("refresh=5"))
    for _ in range(2):  # nobody presses anything
        with page.expect_response(_asks_for_services):
            pass


def _asks_for_services(answer):
    return "/api/v1/services?" in answer.url


def test_theme_and_zone_are_chosen_and_kept(make_visitor):
    visitor = make_visitor(timezone_id="Asia/Kolkata", color_scheme="light")
    page = visitor.open("/traces")
    first = page.get_by_role("list", name="Traces").get_by_role("listitem").first
    local = visitor.calm(first.locator("time"))
    page.get_by_label("Settings").click()
    page.get_by_role("menuitemradio", name="UTC").click()
    expect(first.locator("time")).not_to_have_text(local)
    page.get_by_role("menuitemradio", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    expect(first.locator("time")).not_to_have_text(local)


def test_tenants_are_apart_and_in_the_address_and_an_unknown_page_says_so(visitor):
    page = visitor.open("/services", tenant="empty-tenant")
    expect(page.get_by_text("No service has sent a span in this range")).to_be_visible()
    page.get_by_label("Tenant empty-tenant").click()
    page.get_by_role("menuitem", name="shop", exact=True).click()
    expect(page.get_by_role("link", name="gateway")).to_be_visible()
    assert visitor.search()["tenant"] == "shop"
    visitor.open("/nothing/here")
    expect(page.get_by_text("There is no page at this address")).to_be_visible()


def sent_by_hand(instructions: str) -> int:
    """The status of the request that a line for curl makes."""
    _, url, *flags = shlex.split(instructions)
    given = list(zip(flags[::2], flags[1::2], strict=True))
    headers = dict(value.split(": ", 1) for flag, value in given if flag == "-H")
    (body,) = (value for flag, value in given if flag == "-d")
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers)) as answer:
        return int(answer.status)


def test_where_nothing_was_sent_a_page_says_what_to_send_and_that_arrives(visitor):
    shop = visitor.shop
    page = visitor.open("/", tenant="beginner")
    shown = page.locator("pre").filter(has=page.get_by_role("button", name="Copy instructions"))
    for name, said in (
        ("Overview", "Nothing has arrived in this range"),
        ("Services", "No service has sent a span in this range"),
        ("Map", "No service has sent a span in this range"),
        ("Traces", "No traces in this range"),
        ("Logs", "No log lines in this range"),
        ("Metrics", "No metrics yet"),
    ):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_text(said)).to_be_visible()
        expect(shown).to_contain_text(f"ENDPOINT=http://127.0.0.1:{shop.platform.otlp_http}\n")
        expect(shown).to_contain_text("HEADERS='x-scope-orgid=beginner'")
        page.get_by_text("Python", exact=True).click()
        expect(shown).to_contain_text("vedette run -- python app.py")
        if name in {"Traces", "Logs", "Metrics"}:
            page.get_by_text("Try with curl", exact=True).click()
            expect(shown).to_contain_text(f"/v1/{name.lower()} ")
            assert sent_by_hand(shown.inner_text()) == 200
    for table, column in (("spans", "name"), ("logs", "body"), ("series", "name")):
        shop.platform.eventually(f"SELECT {column} FROM {table}", "hello", "beginner")
    page = visitor.open("/logs", tenant="beginner", **{"from": "now-1h", "to": "now"})
    expect(page.get_by_role("grid", name="Log lines").get_by_role("row")).to_contain_text("my-servicehello")


def test_key_is_asked_for_refused_in_words_and_kept_for_the_tab(make_platform, visitor, tmp_path):
    control = f"sqlite:///{tmp_path / 'control.db'}"
    create = [sys.executable, "-m", "vedette.cli.main", "key", "create", "one", "--scope", "admin"]
    made = subprocess.run([*create, "--control-url", control], check=True, capture_output=True, text=True)
    key = made.stdout.strip()
    platform = make_platform("--control-url", control, name="keyed")
    page = visitor.page
    page.goto(f"{platform.url}/services")
    expect(page.get_by_text("This server asks for an API key")).to_be_visible()
    page.get_by_label("API key", exact=True).fill("vdt_wrong")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("API key")
    page.get_by_label("API key", exact=True).fill(key)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    expect(page.get_by_text("This server asks for an API key")).to_be_hidden()
    page.reload()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    expect(page.locator("pre")).to_contain_text(f"authorization=Bearer%20{key}")
    assert key not in page.url
    visitor.complaints[:] = [text for text in visitor.complaints if "401" not in text and "400" not in text]
    assert not visitor.complaints
