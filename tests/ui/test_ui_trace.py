"""The page of one trace."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect


@pytest.fixture
def checkout(shop):
    return shop.trace_of("POST /checkout")


@pytest.fixture
def whole(shop, checkout):
    return shop.api(f"traces/{checkout['trace_id']}")


def span_rows(page):
    return page.get_by_role("treegrid", name="Spans").locator("[role=row][data-span]")


def row_of(page, span_id: str):
    return page.locator(f"[data-span='{span_id}']")


def test_waterfall_has_every_span_as_a_tree(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    grid = page.get_by_role("treegrid", name="Spans")
    expect(grid).to_have_attribute("aria-rowcount", str(len(whole["spans"])))
    expect(page.get_by_test_id("span-count")).to_have_text(str(whole["span_count"]))
    expect(page.locator("h1")).to_have_text("gateway POST /checkout")
    by_id = {span["span_id"]: span for span in whole["spans"]}
    child = next(span for span in whole["spans"] if span["parent_span_id"] in by_id)
    parent_level = int(row_of(page, child["parent_span_id"]).get_attribute("aria-level") or 0)
    expect(row_of(page, child["span_id"])).to_have_attribute("aria-level", str(parent_level + 1))


def test_collapsing_hides_what_is_below(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    root = next(span for span in whole["spans"] if span["parent_span_id"] is None)
    row_of(page, root["span_id"]).get_by_role("button").click()
    expect(page.get_by_role("treegrid", name="Spans")).to_have_attribute("aria-rowcount", "1")
    expect(row_of(page, root["span_id"]).get_by_role("button")).to_have_text(f"+{len(whole['spans']) - 1}")
    page.get_by_label("Expand all").click()
    expect(span_rows(page)).not_to_have_count(1)


def test_services_are_hidden_and_the_address_remembers(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    catalog = sum(span["service"] == "catalog" for span in whole["spans"])
    page.get_by_role("button", name=re.compile("^catalog")).click()
    rest = str(len(whole["spans"]) - catalog)
    expect(page.get_by_role("treegrid", name="Spans")).to_have_attribute("aria-rowcount", rest)
    page.reload()
    expect(page.get_by_role("treegrid", name="Spans")).to_have_attribute("aria-rowcount", rest)


def test_search_finds_attributes_and_steps_through(visitor, checkout):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    expected = visitor.shop.api(f"traces/{checkout['trace_id']}/matches", q="name:INSERT*")["span_id"]
    page.get_by_label("Find spans").fill("name:INSERT*")
    expect(page.locator("[class*=find] [role=status]")).to_have_text(f"1/{len(expected)}")
    expect(page.locator("[data-matched=true]")).to_have_count(len(expected))
    page.get_by_label("Find spans").press("Enter")
    page.get_by_label("Find spans").press("Enter")
    expect(page.locator("[class*=find] [role=status]")).to_have_text(f"{min(2, len(expected))}/{len(expected)}")
    expect(page.locator("[aria-selected=true][data-matched=true]")).to_have_count(1)


def test_span_shows_typed_attributes_and_leads_to_others_like_it(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    root = next(span for span in whole["spans"] if span["parent_span_id"] is None)
    row_of(page, root["span_id"]).click()
    drawer = page.get_by_role("complementary", name="Span")
    code = root["attributes"]["http.response.status_code"]
    expect(drawer.get_by_role("row", name=f"http.response.status_code {code}")).to_be_visible()
    expect(drawer.get_by_role("row", name=re.compile("^service.version"))).to_be_visible()
    drawer.get_by_label("Find traces with this http.route").click()
    expect(page.get_by_label("Search traces")).to_have_value("http.route:/checkout")


def test_sql_is_formatted(visitor, checkout, whole):
    span = next(
        s for s in whole["spans"] if "db.query.text" in s["attributes"] and "INSERT" in s["attributes"]["db.query.text"]
    )
    page = visitor.open(f"/traces/{checkout['trace_id']}", span=span["span_id"])
    statement = page.get_by_label("SQL statement", exact=True)
    expect(statement).to_contain_text(re.compile(r"INSERT INTO\n\s+\w+"))


def test_exception_is_rendered(visitor):
    found = visitor.shop.api("traces", q="event:exception", limit=1)["traces"]
    span = found[0]["matched_spans"][0]
    trace = visitor.shop.api(f"traces/{found[0]['trace_id']}")
    whole = next(s for s in trace["spans"] if s["span_id"] == span["span_id"])
    event = next(e for e in whole["events"] if e["name"] == "exception")
    page = visitor.open(f"/traces/{found[0]['trace_id']}", span=span["span_id"])
    drawer = page.get_by_role("complementary", name="Span")
    expect(drawer.locator("strong.error-text").first).to_have_text(event["attributes"]["exception.type"])
    expect(drawer.get_by_label("Stack trace", exact=True)).to_contain_text("Traceback (most recent call last)")


def test_log_lines_stand_among_the_spans(visitor, checkout, whole):
    lines = visitor.shop.api(f"traces/{checkout['trace_id']}/logs")["logs"]
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    page.get_by_role("switch", name="Logs").check(force=True)
    grid = page.get_by_role("treegrid", name="Spans")
    expect(grid).to_have_attribute("aria-rowcount", str(len(whole["spans"]) + len(lines)))
    expect(grid.locator("[data-log]").filter(has_text=lines[0]["body"]).first).to_be_visible()
    page.get_by_role("radiogroup", name="View").get_by_text("Logs").click()
    expect(page.get_by_role("list", name="Log lines of the trace").get_by_role("listitem")).to_have_count(len(lines))


def test_critical_path_covers_the_trace(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}", critical="true")
    root = next(span for span in whole["spans"] if span["parent_span_id"] is None)
    expect(span_rows(page).first).to_be_visible()
    segments = page.locator("[class*=critical]")
    lane = row_of(page, root["span_id"]).locator("[role=gridcell]").nth(1).bounding_box()
    bar = row_of(page, root["span_id"]).locator("[class*=bar]").bounding_box()
    assert lane
    assert bar
    covered = sum(box["width"] for box in (s.bounding_box() for s in segments.all()) if box)
    assert covered == pytest.approx(bar["width"], rel=0.08)


def test_statistics_add_up_to_the_api(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}", view="statistics")
    table = visitor.table("Statistics of the operations")
    counts: dict[tuple[str, str], int] = {}
    for span in whole["spans"]:
        key = (span["service"], span["name"])
        counts[key] = counts.get(key, 0) + 1
    assert {(row[0], row[1]): int(row[2]) for row in table} == counts
    expect(page.get_by_role("button", name=re.compile("^Self"))).to_be_visible()


def test_flame_graph_and_services(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}", view="flame")
    page.get_by_role("button", name=re.compile("^POST .checkout")).hover()
    expect(
        page.get_by_text(re.compile(r"gateway POST /checkout: 1 span, busy .* 100 % of the trace's busy time"))
    ).to_be_visible()
    page.get_by_role("radiogroup", name="View").get_by_text("Services").click()
    graph = page.get_by_label("Services of the trace").last
    for service in {span["service"] for span in whole["spans"]}:
        expect(graph.get_by_text(service, exact=True)).to_be_visible()


def test_two_traces_are_compared(visitor, checkout):
    other = visitor.shop.trace_of("GET /")
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_label("First trace")).to_have_value(checkout["trace_id"])
    page.get_by_label("Second trace").fill(other["trace_id"])
    page.get_by_role("button", name="Show").last.click()
    table = visitor.table("Operations of both traces")
    one_sided = [row for row in table if row[:2] == ["gateway", "POST /checkout"]]
    assert one_sided
    assert one_sided[0][3] == "–"  # noqa: RUF001 - what the page shows for nothing


@pytest.mark.parametrize(("item", "member"), [("OTLP JSON", "resourceSpans"), ("Jaeger JSON", "data")])
def test_download(visitor, checkout, item, member):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=item).click()
    document = json.loads(Path(download.value.path()).read_text())
    assert document[member]
    assert checkout["trace_id"] in download.value.suggested_filename


def test_minimap_narrows_the_time(visitor, checkout):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    box = page.get_by_label("The whole trace in small").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 10, steps=4)
    page.mouse.up()
    whole_time = page.get_by_role("button", name="Whole time")
    expect(whole_time).to_be_visible()
    whole_time.click()
    expect(whole_time).to_be_hidden()


def test_unknown_trace_is_said_in_words(visitor):
    page = visitor.open("/traces/0123456789abcdef0123456789abcdef")
    expect(page.get_by_role("alert")).to_contain_text("There is no trace 0123456789abcdef0123456789abcdef")
    visitor.complaints.clear()
