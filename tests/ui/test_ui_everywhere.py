"""What holds on every page: accessible, calm, inert, wide and narrow."""

from __future__ import annotations

import json
import time

import pytest
from playwright.sync_api import expect

PAGES = [
    "/",
    "/services",
    "/services/gateway",
    "/services/gateway?tab=errors",
    "/map",
    "/traces",
    "/compare",
    "/explore",
    "graph",
    "heat",
    "/explore/catalogue?metric=process.thread.count",
    "/explore/targets",
    "/explore/rules",
    "trace",
    "span",
]
HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "<script>document.title='owned'</script>",
    "javascript:document.title='owned'",
    "{{constructor.constructor('document.title=1')()}}",
    "\u202eevil\u202c \u0007 '; DROP TABLE spans; --",
]


EXPRESSION = 'histogram_quantile(0.9, sum by (le, job) ({"http.server.request.duration_seconds_bucket"}))'


def open_page(visitor, path: str):
    search = {}
    if path in {"graph", "heat"}:
        search = {"q": json.dumps([EXPRESSION]), "exemplars": "true", **({"as": "heat"} if path == "heat" else {})}
        path = "/explore"
    if path in {"trace", "span"}:
        trace = visitor.shop.trace_of("POST /checkout")
        if path == "span":
            spans = visitor.shop.api(f"traces/{trace['trace_id']}")["spans"]
            search["span"] = next(s["span_id"] for s in spans if "db.query.text" in s["attributes"])
        path = f"/traces/{trace['trace_id']}"
    path, _, query = path.partition("?")
    search |= dict(part.split("=") for part in query.split("&") if part)
    page = visitor.open(path, **search)
    page.wait_for_load_state("networkidle")
    expect(page.locator("main h1")).to_be_visible()
    return page


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_phone_and_axe_finds_nothing_serious_in_either_theme(examined, path):
    open_page(examined, path)
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
    shop.platform.eventually(f"SELECT count() FROM spans WHERE trace_id = '{trace_id}'", len(HOSTILE), "hostile")
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
    for path in ("/traces", "/services", "/map", "/", f"/traces/{hostile_trace}?view=flame&tenant=hostile", "/logs"):
        page.goto(f"{base}{path}{'' if '?' in path else '?tenant=hostile'}")
        page.wait_for_load_state("networkidle")
        assert page.locator("img[src=x]").count() == 0, path
        assert "owned" not in page.title(), path
        assert page.locator("a[href^='javascript']").count() == 0, path
    expect(page.locator("body")).to_be_visible()


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
    platform.eventually(f"SELECT count() FROM spans WHERE trace_id = '{trace_id}'", count, "large")
    page = visitor.page
    page.goto(f"{platform.url}/traces/{trace_id}?tenant=large")
    grid = page.get_by_role("treegrid", name="Spans")
    expect(grid).to_have_attribute("aria-rowcount", str(count))
    assert page.locator("[role=row]").count() < 120
    grid.evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(page.locator(f"[aria-rowindex='{count}']")).to_be_visible()
    assert page.locator("[role=row]").count() < 120
