"""First view of every page with a cold cache, and a trace of 50,000 spans: opening and scrolling, by Chromium's own clock.

`python bench/pages.py --url http://127.0.0.1:7070` measures a platform that runs; it sends the large trace itself, to
the tenant `bench-pages`. Chromium has to be installed (`/usr/bin/chromium`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import urllib.request
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

PAGES = ["/", "/services", "/map", "/traces", "/logs", "/sql", "/explore"]
SPANS = 50_000
BATCH = 5_000
VIEW = """() => new Promise((resolve) => {
  const ready = () => document.querySelector('main h1') && !document.querySelector('[aria-label=Loading]');
  const look = () => ready() ? resolve(performance.now()) : requestAnimationFrame(look);
  look();
})"""
SCROLL = """() => new Promise((resolve) => {
  const grid = document.querySelector('[role=treegrid]');
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
        body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()
        headers = {"Content-Type": "application/json", "X-Scope-OrgID": "bench-pages"}
        urllib.request.urlopen(urllib.request.Request(f"{otlp}/v1/traces", body, headers)).close()
    return trace_id


def processor_ms(session: CDPSession) -> float:
    """What the page's main thread has computed, which a busy machine does not lengthen."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def watched(page: Page) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def first_view(browser: Browser, address: str) -> tuple[float, float, int]:
    """Milliseconds until the page shows its data with nothing cached, those of its main thread, bytes of script."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    session = watched(page)
    sizes: list[int] = []
    page.on(
        "response", lambda r: sizes.append(int(r.headers.get("content-length", 0))) if r.url.endswith(".js") else None
    )
    page.goto(address, wait_until="commit")
    took = float(page.evaluate(VIEW))
    computed = processor_ms(session)
    context.close()
    return took, computed, sum(sizes)


def large_trace(page: Page, address: str) -> tuple[float, float, float, float]:
    session = watched(page)
    page.goto(address, wait_until="commit")
    page.locator(f"[role=treegrid][aria-rowcount='{SPANS}']").wait_for()
    opened = float(page.evaluate("performance.now()"))
    before = processor_ms(session)
    frames = float(page.evaluate(SCROLL))
    return opened, before, frames, (processor_ms(session) - before) / (3 * frames)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:7070")
    arguments.add_argument("--otlp", default="http://127.0.0.1:4318")
    arguments.add_argument("--rounds", type=int, default=3)
    wanted = arguments.parse_args()
    trace_id = send_large_trace(wanted.otlp)
    time.sleep(6)  # until the engine has it
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        for path in PAGES:
            views = [first_view(browser, f"{wanted.url}{path}") for _ in range(wanted.rounds)]
            times = sorted(ms for ms, _, _ in views)
            computed = min(ms for _, ms, _ in views)
            print(
                f"{path:12} {statistics.median(times):6.0f} ms (best {times[0]:.0f}), main thread {computed:.0f} ms, "
                f"{views[0][2] / 1000:.0f} kB of script"
            )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        opened, computed, frames, each = large_trace(page, f"{wanted.url}/traces/{trace_id}?tenant=bench-pages")
        print(f"{SPANS} spans: open in {opened:.0f} ms, main thread {computed:.0f} ms")
        print(f"scrolling: {frames:.0f} frames/s, {each:.1f} ms of the main thread for each")
        browser.close()


if __name__ == "__main__":
    main()
