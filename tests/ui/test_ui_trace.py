"""The page of one trace."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import expect
from ui_figures import duration_ns, plural


@pytest.fixture(scope="module")
def checkout(shop):
    return shop.trace_of("POST /checkout")


@pytest.fixture(scope="module")
def whole(shop, checkout):
    return shop.api(f"traces/{checkout['trace_id']}")


@pytest.fixture(scope="module")
def root(whole):
    return next(span for span in whole["spans"] if span["parent_span_id"] is None)


def span_rows(page):
    return page.get_by_role("treegrid", name="Spans").locator("[role=row][data-span]")


def row_of(page, span_id: str):
    return page.locator(f"[data-span='{span_id}']")


def spans_in(grid, number: int) -> None:
    expect(grid).to_have_attribute("aria-rowcount", str(number))


def walk_by_keys(page, grid, root: str, count: int) -> None:
    """The root, the span below it, the root again, which is folded and unfolded."""
    row_of(page, root).click()
    grid.press("ArrowDown")
    expect(grid.locator("[aria-selected=true]")).to_have_attribute("aria-rowindex", "2")
    grid.press("ArrowUp")
    expect(row_of(page, root)).to_have_attribute("aria-selected", "true")
    grid.press("ArrowLeft")
    spans_in(grid, 1)
    grid.press("ArrowRight")
    spans_in(grid, count)
    page.get_by_label("Close the span").click()


def narrow_the_time(page, whole) -> None:
    """To a part, which is in the address, and back to the whole."""
    map_ = page.get_by_label("The whole trace in small").bounding_box()
    assert map_
    ticks = page.locator("[class*=axis] span[data-edge]")
    expect(ticks).to_have_text(["0", duration_ns(whole["duration_ns"])])
    page.mouse.move(map_["x"] + map_["width"] * 0.5, map_["y"] + 10)
    page.mouse.down()
    page.mouse.move(map_["x"] + map_["width"] * 0.9, map_["y"] + 10, steps=4)
    page.mouse.up()
    whole_time = page.get_by_role("button", name="Whole time")
    expect(whole_time).to_be_visible()
    expect(ticks.first).not_to_have_text("0")
    narrowed = ticks.all_inner_texts()
    page.reload()  # the part is in the address
    expect(ticks).to_have_text(narrowed)
    whole_time.click()
    expect(whole_time).to_be_hidden()
    expect(ticks.first).to_have_text("0")


def test_waterfall_is_the_tree_of_all_spans_folded_searched_and_narrowed(visitor, checkout, whole, root):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    grid = page.get_by_role("treegrid", name="Spans")
    count = len(whole["spans"])
    spans_in(grid, count)
    expect(page.get_by_test_id("span-count")).to_have_text(str(whole["span_count"]))
    expect(page.locator("h1")).to_have_text("gateway POST /checkout")
    expect(row_of(page, root["span_id"])).to_contain_text(duration_ns(root["duration_ns"]))
    by_id = {span["span_id"]: span for span in whole["spans"]}
    child = next(span for span in whole["spans"] if span["parent_span_id"] in by_id)
    parent_level = int(row_of(page, child["parent_span_id"]).get_attribute("aria-level") or 0)
    expect(row_of(page, child["span_id"])).to_have_attribute("aria-level", str(parent_level + 1))

    row_of(page, root["span_id"]).get_by_role("button").click()
    spans_in(grid, 1)
    expect(row_of(page, root["span_id"]).get_by_role("button")).to_have_text(f"+{count - 1}")
    page.get_by_label("Expand all").click()
    spans_in(grid, count)
    walk_by_keys(page, grid, root["span_id"], count)

    expected = visitor.shop.api(f"traces/{checkout['trace_id']}/matches", q="name:INSERT*")["span_id"]
    status = page.locator("[class*=find] [role=status]")
    page.get_by_label("Find spans").fill("name:INSERT*")
    expect(status).to_have_text(f"1/{len(expected)}")
    expect(page.locator("[data-matched=true]")).to_have_count(len(expected))
    page.get_by_label("Find spans").press("Enter")
    page.get_by_label("Find spans").press("Enter")
    expect(status).to_have_text(f"{min(2, len(expected))}/{len(expected)}")
    expect(page.locator("[aria-selected=true][data-matched=true]")).to_have_count(1)
    page.get_by_label("Find spans").press("Escape")
    page.get_by_label("Close the span").click()

    narrow_the_time(page, whole)

    catalog = sum(span["service"] == "catalog" for span in whole["spans"])
    page.get_by_role("button", name=re.compile("^catalog")).click()
    spans_in(grid, count - catalog)
    page.reload()
    spans_in(grid, count - catalog)


def test_span_shows_its_attributes_and_statement_copies_them_and_leads_to_others_like_it(
    visitor, checkout, whole, root
):
    asked = next(s for s in whole["spans"] if "INSERT" in str(s["attributes"].get("db.query.text")))
    page = visitor.open(f"/traces/{checkout['trace_id']}", span=asked["span_id"])
    statement = page.get_by_label("SQL statement", exact=True)
    expect(statement).to_contain_text(re.compile(r"INSERT INTO\n\s+\w+"))
    drawer = page.get_by_role("complementary", name="Span")
    drawer.get_by_label("Copy the statement").click()
    expect(drawer.get_by_label("Copy the statement")).to_have_attribute("title", "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == asked["attributes"]["db.query.text"]
    page.get_by_role("treegrid", name="Spans").evaluate("grid => grid.scrollTo(0, 0)")
    row_of(page, root["span_id"]).click()
    for name, value in root["attributes"].items():
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        expect(drawer.get_by_role("row", name=f"{name} {text}").first).to_be_visible()
    expect(drawer.get_by_role("row", name=re.compile("^service.version"))).to_be_visible()
    drawer.get_by_label("Copy http.route", exact=True).click()
    expect(drawer.get_by_label("Copy http.route", exact=True)).to_have_attribute("title", "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "/checkout"
    drawer.get_by_label("Find traces with this http.route").click()
    expect(page.get_by_label("Search traces")).to_have_value("http.route:/checkout")


def test_events_links_and_exceptions_are_rendered(visitor):
    found = visitor.shop.api("traces", q="event:exception status:error", limit=1)["traces"][0]
    matched = found["matched_spans"][0]["span_id"]
    trace = visitor.shop.api(f"traces/{found['trace_id']}")
    failed = next(s for s in trace["spans"] if s["span_id"] == matched)
    event = next(e for e in failed["events"] if e["name"] == "exception")
    page = visitor.open(f"/traces/{found['trace_id']}", span=matched)
    expect(row_of(page, matched).get_by_role("gridcell", name=re.compile("^error .*, starts at"))).to_be_visible()
    drawer = page.get_by_role("complementary", name="Span")
    expect(drawer.locator("strong.error-text").first).to_have_text(event["attributes"]["exception.type"])
    expect(drawer.get_by_text(event["attributes"]["exception.message"], exact=True).first).to_be_visible()
    expect(drawer.get_by_label("Stack trace", exact=True)).to_contain_text("Traceback (most recent call last)")

    (retried,) = visitor.shop.platform.sql(
        "SELECT trace_id, span_id, groupArray(JSONExtractRaw(said, 'retry.attempt')) AS attempts FROM spans "
        "ARRAY JOIN events.name AS event, events.attributes AS said WHERE event = 'retry' "
        "GROUP BY ALL ORDER BY length(attempts) DESC LIMIT 1",
        "shop",
    )
    page = visitor.open(f"/traces/{retried['trace_id']}", span=retried["span_id"])
    expect(drawer.get_by_text("retry", exact=True)).to_have_count(len(retried["attempts"]))
    for attempt in retried["attempts"]:
        expect(drawer.get_by_role("row", name=f"retry.attempt {attempt}")).to_be_visible()

    (linked,) = visitor.shop.platform.sql(
        "SELECT trace_id, span_id FROM spans WHERE notEmpty(links.trace_id) ORDER BY time LIMIT 1", "shop"
    )
    told = visitor.shop.api(f"traces/{linked['trace_id']}/spans/{linked['span_id']}")
    page = visitor.open(f"/traces/{linked['trace_id']}", span=linked["span_id"])
    link = told["links"][0]
    shown = drawer.get_by_role("link", name=f"{link['trace_id'][:16]}… / {link['span_id']}")
    expect(shown).to_be_visible()
    shown.click()
    expect(page).to_have_url(re.compile(f"/traces/{link['trace_id']}.*span={link['span_id']}"))
    expect(row_of(page, link["span_id"])).to_have_attribute("aria-selected", "true")


def test_views_of_a_trace_say_what_the_api_says(visitor, checkout, whole, root):
    lines = visitor.shop.api(f"traces/{checkout['trace_id']}/logs")["logs"]
    page = visitor.open(f"/traces/{checkout['trace_id']}", critical="true")
    # The critical path covers the root from its beginning to its end.
    expect(span_rows(page).first).to_be_visible()
    lane = row_of(page, root["span_id"]).locator("[role=gridcell]").nth(1).bounding_box()
    bar = row_of(page, root["span_id"]).locator("[class*=bar]").bounding_box()
    axis = page.locator("[class*=axis] > div").bounding_box()
    assert lane
    assert bar
    assert axis
    # The times above are those of the bars below.
    assert (axis["x"], axis["width"]) == (pytest.approx(lane["x"], abs=1.5), pytest.approx(lane["width"], abs=1.5))
    segments = page.locator("[class*=critical]").all()
    covered = sum(box["width"] for box in (s.bounding_box() for s in segments) if box)
    assert covered == pytest.approx(bar["width"], rel=0.08)

    page.get_by_role("switch", name="Logs").check(force=True)
    grid = page.get_by_role("treegrid", name="Spans")
    spans_in(grid, len(whole["spans"]) + len(lines))
    expect(grid.locator("[data-log]").filter(has_text=lines[0]["body"]).first).to_be_visible()
    views = page.get_by_role("radiogroup", name="View")
    views.get_by_text("Logs").click()
    expect(page.get_by_role("list", name="Log lines of the trace").get_by_role("listitem")).to_have_count(len(lines))

    views.get_by_text("Statistics").click()
    counts = Counter((span["service"], span["name"]) for span in whole["spans"])
    totals: Counter[tuple[str, str]] = Counter()
    for span in whole["spans"]:
        totals[span["service"], span["name"]] += span["duration_ns"]
    assert {((row[0], row[1]), row[2], row[4]) for row in visitor.table("Statistics of the operations")} == {
        (key, str(number), duration_ns(totals[key])) for key, number in counts.items()
    }
    expect(page.get_by_role("button", name=re.compile("^Self"))).to_be_visible()

    views.get_by_text("Flame graph").click()
    page.get_by_role("button", name=re.compile("^POST .checkout")).hover()
    busy = re.compile(r"gateway POST /checkout: 1 span, busy .* 100 % of the trace's busy time")
    expect(page.get_by_text(busy)).to_be_visible()

    views.get_by_text("Services").click()
    graph = page.get_by_label("Services of the trace").last
    for service, number in Counter(span["service"] for span in whole["spans"]).items():
        name = re.compile(f"^{service}: {number} spans?, self ")
        expect(graph.get_by_role("group", name=name)).to_be_visible()


def calls(spans) -> Counter:
    """How often each operation was called in the same way, from the root on."""
    by_id = {span["span_id"]: span for span in spans}

    def path(span) -> tuple[tuple[str, str], ...]:
        above = by_id.get(span["parent_span_id"])
        return (*(path(above) if above else ()), (span["service"], span["name"]))

    return Counter(map(path, spans))


def test_two_traces_are_compared(visitor, checkout, whole):
    other = visitor.shop.trace_of("GET /")
    spans = visitor.shop.api(f"traces/{other['trace_id']}")["spans"]
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_label("First trace")).to_have_value(checkout["trace_id"])
    page.get_by_label("Second trace").fill(other["trace_id"])
    page.get_by_role("button", name="Show").last.click()
    told = f"{plural(other['span_count'], 'span')}, {plural(other['error_count'], 'error')}"
    expect(page.get_by_text(told, exact=True)).to_be_visible()

    of_a, of_b = calls(whole["spans"]), calls(spans)
    both, only = of_a.keys() & of_b.keys(), (of_a.keys() - of_b.keys(), of_b.keys() - of_a.keys())
    told = f"{plural(len(both), 'call')} in both, {len(only[0])} only in the first, {len(only[1])} only in the second"
    expect(page.get_by_text(told, exact=True)).to_be_visible()
    tree = page.get_by_role("treegrid", name="Calls of both traces")
    expect(tree).to_have_attribute("aria-rowcount", str(len(of_a.keys() | of_b.keys())))
    shown = Counter()
    for row in tree.get_by_role("row").all():
        name, counts, _, _ = (cell.inner_text() for cell in row.get_by_role("gridcell").all())
        name, tag, where = name.removeprefix("\u2212").strip().partition("only in the ")
        shown[int(row.get_attribute("aria-level")), name.strip(), counts, tag + where] += 1
    expected = Counter()
    for path in of_a.keys() | of_b.keys():
        counts = " \u2192 ".join(str(side[path]) if side[path] else "\u2013" for side in (of_a, of_b))
        tag = "only in the first" if path in only[0] else "only in the second" if path in only[1] else ""
        expected[len(path), " ".join(path[-1]), counts, tag] += 1
    assert shown == expected
    tree.get_by_role("button", name=re.compile("^Hide what is below")).first.click()
    below = sum(1 for path in of_a.keys() | of_b.keys() if path[0] == min(of_a, key=len)[0]) - 1
    expect(tree.get_by_role("row").first).to_contain_text(f"+{below}")

    page.get_by_text("Operations", exact=True).click()
    expect(page).to_have_url(re.compile("operations="))
    counts = [Counter((s["service"], s["name"]) for s in of) for of in (whole["spans"], spans)]
    table = {(row[0], row[1]): row[2:4] for row in visitor.table("Operations of both traces")}
    assert table == {
        key: [str(side[key]) if side[key] else "\u2013" for side in counts] for key in counts[0] | counts[1]
    }


def test_downloads_have_every_span(visitor, checkout, whole):
    page = visitor.open(f"/traces/{checkout['trace_id']}")
    ids = {span["span_id"] for span in whole["spans"]}
    documents = {}
    for name in ("OTLP JSON", "Jaeger JSON"):
        page.get_by_role("button", name="Download").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=name).click()
        documents[name] = json.loads(Path(download.value.path()).read_text())
        assert checkout["trace_id"] in download.value.suggested_filename
    scopes = [scope for one in documents["OTLP JSON"]["resourceSpans"] for scope in one["scopeSpans"]]
    assert {span["spanId"] for scope in scopes for span in scope["spans"]} == ids
    assert {span["spanID"] for span in documents["Jaeger JSON"]["data"][0]["spans"]} == ids
    page = visitor.open("/traces/0123456789abcdef0123456789abcdef")
    expect(page.get_by_role("alert")).to_contain_text("There is no trace 0123456789abcdef0123456789abcdef")
    visitor.complaints.clear()
