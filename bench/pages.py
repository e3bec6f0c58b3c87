"""How fast the pages are, by Chromium's own clock.

That is the first view of every page with a cold cache, the time from an input to the frame that shows its effect, a
trace of 50,000 spans (opening and scrolling) and a log of 100,000 lines (scrolling).

`python bench/pages.py --url http://127.0.0.1:7070` measures a platform that runs; it should have the
demo's data. It sends the large trace and the long log itself, to the tenant `bench-pages`. Chromium has to be installed (`/usr/bin/chromium`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import urllib.request
from typing import Any

import page_interactions
from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

PAGES = [
    "/",
    "/services",
    "/services/gateway",
    "/map",
    "/traces",
    "/traces/{trace}",
    "/compare?a={trace}&b={trace}",
    "/logs",
]
PAGES += ["/sql", "/explore", "/explore/catalogue", "/explore/targets", "/explore/rules"]
SPANS = 50_000
LINES = 100_000
BATCH = 5_000
TENANT = "bench-pages"
PARTS = ("views", "interactions", "trace", "log")
VIEW = """() => new Promise((resolve) => {
  const waiting = '[aria-label=Loading], [data-ready=false]';
  const ready = () => document.querySelector('main h1') && !document.querySelector(waiting);
  const look = () => ready() ? resolve(performance.now()) : requestAnimationFrame(look);
  look();
})"""
SIZES = """() => performance.getEntriesByType('resource').filter((one) => one.name.endsWith('.js'))
  .map((one) => one.transferSize)"""
SCROLL = """() => new Promise((resolve) => {
  const grid = document.querySelector('[role=treegrid], [role=grid]');
  const began = performance.now();
  let frames = 0;
  const step = () => {
    frames += 1;
    grid.scrollTop += 900;
    const seconds = (performance.now() - began) / 1000;
    if (seconds < 3) requestAnimationFrame(step); else resolve(frames / seconds);
  };
  requestAnimationFrame(step);
})"""


def send_large_trace(otlp: str) -> str:
    """Send `SPANS` spans of one trace; its id."""
    now = time.time_ns()
    trace_id = f"{now:032x}"
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bench"}}]}
    for first in range(0, SPANS, BATCH):
        spans: list[dict[str, Any]] = [
            {
                "traceId": trace_id,
                "spanId": f"{index + 1:016x}",
                "parentSpanId": "" if index == 0 else f"{(index + 3) // 4:016x}",
                "name": f"step {index % 97}",
                "kind": 1,
                "startTimeUnixNano": str(now + index * 1000),
                "endTimeUnixNano": str(now + 80_000_000 - index * 500),
                "attributes": [{"key": "index", "value": {"intValue": str(index)}}],
            }
            for index in range(first, first + BATCH)
        ]
        send(otlp, "traces", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]})
    return trace_id


def send_long_log(otlp: str) -> None:
    """Send `LINES` log lines."""
    now = time.time_ns()
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bench"}}]}
    for first in range(0, LINES, BATCH):
        records = [
            {"timeUnixNano": str(now + n), "severityNumber": 9, "body": {"stringValue": f"line {n} took {n % 97} ms"}}
            for n in range(first, first + BATCH)
        ]
        send(otlp, "logs", {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]})


def send(otlp: str, signal: str, request: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json", "X-Scope-OrgID": TENANT}
    urllib.request.urlopen(urllib.request.Request(f"{otlp}/v1/{signal}", json.dumps(request).encode(), headers)).close()


def processor_ms(session: CDPSession) -> float:
    """What the page's main thread has computed, which a busy machine does not lengthen."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def watched(page: Page) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def first_view(window: BrowserContext, address: str) -> tuple[float, float, int]:
    """Milliseconds until the page shows its data with nothing cached, those of its main thread, bytes of script."""
    page = window.new_page()
    session = watched(page)
    session.send("Network.clearBrowserCache")  # and with it what was compiled of the scripts
    page.goto(address, wait_until="commit")
    took = float(page.evaluate(VIEW))
    computed = processor_ms(session)
    sizes: list[int] = page.evaluate(SIZES)
    if 0 in sizes:
        raise SystemExit(f"{address}: a script came from the cache")
    page.close()
    return took, computed, sum(sizes)


def large_trace(page: Page, address: str) -> tuple[float, float, float, float]:
    session = watched(page)
    page.goto(address, wait_until="commit")
    page.locator(f"[role=treegrid][aria-rowcount='{SPANS}']").wait_for()
    opened = float(page.evaluate("performance.now()"))
    before = processor_ms(session)
    frames = float(page.evaluate(SCROLL))
    return opened, before, frames, (processor_ms(session) - before) / (3 * frames)


def long_log(page: Page, address: str) -> tuple[int, float]:
    """Rows that are there after one has scrolled to the end again and again, and frames a second through them."""
    page.goto(address)
    grid = page.locator("[role=grid]")
    rows = 0
    while rows < LINES:
        grid.evaluate("element => { element.scrollTop = element.scrollHeight }")
        page.wait_for_timeout(50)
        rows = int(grid.get_attribute("aria-rowcount") or 0)
    grid.evaluate("element => { element.scrollTop = 0 }")
    return rows, float(page.evaluate(SCROLL))


def first_views(window: BrowserContext, url: str, rounds: int) -> None:
    trace = page_interactions.a_trace(url)
    for path in (page.format(trace=trace) for page in PAGES):
        views = [first_view(window, f"{url}{path}") for _ in range(rounds)]
        times = sorted(ms for ms, _, _ in views)
        computed = min(ms for _, ms, _ in views)
        print(
            f"{path[:20]:20} {statistics.median(times):6.0f} ms (best {times[0]:.0f}), main thread {computed:.0f} ms, "
            f"{views[0][2] / 1000:.0f} kB of script",
            flush=True,
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:7070")
    arguments.add_argument("--otlp", default="http://127.0.0.1:4318")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", choices=PARTS, action="append")
    wanted = arguments.parse_args()
    parts = wanted.only or PARTS
    trace_id = send_large_trace(wanted.otlp) if {"trace", "interactions"} & set(parts) else ""
    if "log" in parts:
        send_long_log(wanted.otlp)
    time.sleep(6)  # until the engine has it
    large = f"{wanted.url}/traces/{trace_id}?tenant={TENANT}"
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)

        # In one window: a new one for each page would measure how fast Chromium draws its own tabs and buttons, too.
        window = browser.new_context(viewport={"width": 1280, "height": 800})
        window.new_page()
        if "views" in parts:
            first_views(window, wanted.url, wanted.rounds)
        if "interactions" in parts:
            page_interactions.report(window.new_page, wanted.url, large, wanted.rounds)
        if "trace" in parts:
            for _ in range(wanted.rounds):
                opened, computed, frames, each = large_trace(window.new_page(), large)
                print(
                    f"{SPANS} spans: open in {opened:.0f} ms, main thread {computed:.0f} ms; "
                    f"scrolling {frames:.0f} frames/s, {each:.1f} ms of the main thread for each"
                )
        if "log" in parts:
            rows, frames = long_log(window.new_page(), f"{wanted.url}/logs?tenant={TENANT}")
            print(f"{rows} log lines: scrolling {frames:.0f} frames/s")
        browser.close()


if __name__ == "__main__":
    main()
