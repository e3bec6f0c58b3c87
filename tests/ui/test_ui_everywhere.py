"""What holds on every page: accessible, calm, inert, wide and narrow."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import expect

HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "javascript:document.title='owned'",
    "{{constructor.constructor('document.title=1')()}}",
    "\u202eevil\u202c \u0007 '; DROP TABLE spans; --",
]


EXPRESSION = 'histogram_quantile(0.9, sum by (le, job) ({"http.server.request.duration_seconds_bucket"}))'


def pressed(*names: str):
    """What is pressed one after the other, each leading to something that is looked at."""
    return [lambda page, name=name: page.get_by_text(name, exact=True).first.click() for name in names]


def asks_the_database(page) -> None:
    """Open a span with a statement."""
    page.get_by_label("Find spans").fill("db.query.text:*")
    expect(page.locator("[data-matched=true]").first).to_be_attached()
    page.get_by_label("Find spans").press("Enter")
    expect(page.get_by_label("SQL statement", exact=True)).to_be_visible()


def leaves_for(*views: str):
    """Each other view of a trace, when the drawer that covers a phone is closed."""
    return [
        lambda page: page.get_by_label("Close the span").click(),
        *(
            lambda page, view=view: page.get_by_role("radiogroup", name="View").get_by_text(view).click()
            for view in views
        ),
    ]


def shows_a_metric(page) -> None:
    page.get_by_label("Find a metric").fill("process.thread")
    page.get_by_role("button", name=re.compile(r"^process\.thread\.count")).click()
    expect(page.get_by_role("table", name="Labels")).to_be_visible()


PAGES = {
    "/": [],
    "/services": pressed("Show the map"),
    "/services/gateway": [lambda page: page.get_by_role("tab", name="Errors").click()],
    "picked": [],
    "compare": [],
    "/explore": [*pressed("Catalogue"), shows_a_metric, *pressed("Targets", "Rules")],
    "graph": pressed("Heat map"),
    "trace": [asks_the_database, *leaves_for("Statistics", "Flame graph")],
}


def open_page(visitor, path: str):
    search = {}
    if path == "graph":
        search = {"q": json.dumps([EXPRESSION]), "exemplars": "true"}
        path = "/explore"
    if path == "picked":  # the slow ones held against the others
        ends = (at.timestamp() * 1000 for at in (visitor.shop.start, visitor.shop.end))
        search = {"pick": ",".join(f"{one:.0f}" for one in (*ends, 50, 100_000))}
        path = "/traces"
    if path in {"trace", "compare"}:
        trace = visitor.shop.failed_trace()["trace_id"]
        search = {"a": trace, "b": visitor.shop.trace_of("GET /")["trace_id"]} if path == "compare" else {}
        path = "/compare" if path == "compare" else f"/traces/{trace}"
    path, _, query = path.partition("?")
    search |= dict(part.split("=") for part in query.split("&") if part)
    page = visitor.open(path, **search)
    page.wait_for_load_state("networkidle")
    expect(page.locator("main h1")).to_be_visible()
    return page


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_phone_and_axe_finds_nothing_serious_in_either_theme(examined, path):
    page = open_page(examined, path)
    assert examined.obstacles() == []
    for act in PAGES[path]:
        act(page)
        assert examined.obstacles() == []


def test_navigation_on_a_phone(phone):
    page = open_page(phone, "/")
    page.get_by_label("Navigation", exact=True).click()
    page.get_by_role("link", name="Services", exact=True).click()
    expect(page.get_by_role("table", name="Services")).to_be_visible()


@pytest.fixture
def hostile_trace(shop):
    """A trace whose every text is an attack."""
    now = time.time_ns()
    trace_id = f"{now:032x}"
    spans = [
        {
            "traceId": trace_id,
            "spanId": f"{index + 1:016x}",
            "parentSpanId": "" if index == 0 else f"{1:016x}",
            "name": text,
            "kind": 2,
            "startTimeUnixNano": str(now + index),
            "endTimeUnixNano": str(now + 10_000_000),
            "status": {"code": 2, "message": text},
            "attributes": [
                {"key": text, "value": {"stringValue": text}},
                {"key": "db.query.text", "value": {"stringValue": text}},
                {"key": "url.full", "value": {"stringValue": "javascript:document.title='owned'"}},
            ],
            "events": [
                {
                    "timeUnixNano": str(now),
                    "name": "exception",
                    "attributes": [
                        {"key": f"exception.{part}", "value": {"stringValue": text}}
                        for part in ("type", "message", "stacktrace")
                    ],
                }
            ],
        }
        for index, text in enumerate(HOSTILE)
    ]
    log = {
        "timeUnixNano": str(now),
        "severityNumber": 17,
        "body": {"stringValue": HOSTILE[0]},
        "traceId": trace_id,
        "spanId": f"{1:016x}",
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": HOSTILE[1]}}]}
    traces = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [log]}]}]}
    headers = {"Content_Type": "application/json", "X_Scope_OrgID": "hostile"}
    for signal, body in (("traces", traces), ("logs", logs)):
        assert shop.platform.otlp(signal, json.dumps(body).encode(), **headers).status == 200
    shop.platform.eventually("SELECT count() FROM traces", 1, "hostile")
    shop.platform.eventually(f"SELECT count() FROM logs WHERE trace_id = '{trace_id}'", 1, "hostile")
    return trace_id


def test_hostile_names_stay_text(visitor, hostile_trace):
    page = visitor.page
    base = visitor.shop.platform.url
    root = f"{1:016x}"
    page.goto(f"{base}/traces/{hostile_trace}?tenant=hostile&logs=true&span={root}")
    expect(page.locator("h1")).to_contain_text(HOSTILE[0])
    expect(page.get_by_role("complementary", name="Span").get_by_label("Stack trace", exact=True)).to_have_text(
        HOSTILE[0]
    )
    page.get_by_role("radiogroup", name="View").get_by_text("Flame graph").click()
    expect(page.locator("button").filter(has_text=HOSTILE[0]).first).to_be_attached()
    _inert(page)
    for path in ("/traces", "/services", "/map", "/", "/logs"):
        page.goto(f"{base}{path}?tenant=hostile")
        expect(page.locator("#content").get_by_text(HOSTILE[1]).first).to_be_visible()
        _inert(page)


def _inert(page) -> None:
    assert page.locator("img[src=x]").count() == 0, page.url
    assert "owned" not in page.title(), page.url
    assert page.locator("a[href^='javascript']").count() == 0, page.url


def test_large_trace_keeps_few_rows_in_the_document(visitor):
    count = 3_000
    now = time.time_ns()
    trace_id = f"{now + 1:032x}"
    spans = [
        {
            "traceId": trace_id,
            "spanId": f"{index + 1:016x}",
            "parentSpanId": "" if index == 0 else f"{(index + 1) // 3 or 1:016x}",
            "name": f"step {index}",
            "kind": 1,
            "startTimeUnixNano": str(now + index * 1000),
            "endTimeUnixNano": str(now + 50_000_000 - index * 1000),
        }
        for index in range(count)
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "large"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
    platform = visitor.shop.platform
    sent = platform.otlp("traces", json.dumps(body).encode(), Content_Type="application/json", X_Scope_OrgID="large")
    assert sent.status == 200
    platform.eventually("SELECT count() FROM traces", 1, "large")
    page = visitor.page
    page.goto(f"{platform.url}/traces/{trace_id}?tenant=large")
    grid = page.get_by_role("treegrid", name="Spans")
    expect(grid).to_have_attribute("aria-rowcount", str(count))
    assert page.locator("[role=row]").count() < 120
    grid.evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(page.locator(f"[aria-rowindex='{count}']")).to_be_visible()
    assert page.locator("[role=row]").count() < 120
