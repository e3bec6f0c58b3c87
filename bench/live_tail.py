"""The memory of a page that follows the log: one live tail on a fast stream, and its heap after a collection each minute.

`python bench/live_tail.py --url http://127.0.0.1:7070 --minutes 60` follows a platform that runs; it sends the lines
itself, to the tenant `bench-tail`. Chromium has to be installed (`/usr/bin/chromium`).
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import urllib.request
from typing import Any

from playwright.sync_api import CDPSession, sync_playwright

TENANT = "bench-tail"
BATCHES_PER_SECOND = 2
SHOWN = "() => document.querySelector('[role=grid]')?.getAttribute('aria-rowcount') ?? 'nothing'"


class Stream(threading.Thread):
    """Sends `rate` lines a second until it is told to stop; `sent` counts them."""

    def __init__(self, otlp: str, rate: int) -> None:
        super().__init__(daemon=True)
        self._otlp, self._size = otlp, max(1, rate // BATCHES_PER_SECOND)
        self.ended = threading.Event()
        self.sent = 0

    def run(self) -> None:
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bench"}}]}
        due = time.monotonic()
        while not self.ended.is_set():
            now = time.time_ns()
            records: list[dict[str, Any]] = [
                {
                    "timeUnixNano": str(now + index),
                    "severityNumber": 9 + 4 * (index % 3),
                    "body": {
                        "stringValue": f"request {self.sent + index} took {index % 97} ms for customer {index % 13}"
                    },
                    "attributes": [{"key": "index", "value": {"intValue": str(index)}}],
                }
                for index in range(self._size)
            ]
            body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
            headers = {"Content-Type": "application/json", "X-Scope-OrgID": TENANT}
            request = urllib.request.Request(f"{self._otlp}/v1/logs", json.dumps(body).encode(), headers)
            urllib.request.urlopen(request).close()
            self.sent += self._size
            due = max(due + 1 / BATCHES_PER_SECOND, time.monotonic() - 5)
            self.ended.wait(max(0.0, due - time.monotonic()))


def measured(session: CDPSession) -> dict[str, float]:
    """Figures of the page after a collection: bytes of script's heap, nodes, listeners, seconds computed."""
    session.send("HeapProfiler.collectGarbage")
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", default="http://127.0.0.1:7070")
    arguments.add_argument("--otlp", default="http://127.0.0.1:4318")
    arguments.add_argument("--rate", type=int, default=200, help="lines a second")
    arguments.add_argument("--minutes", type=float, default=60)
    wanted = arguments.parse_args()
    stream = Stream(wanted.otlp, wanted.rate)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        page.goto(f"{wanted.url}/logs?live=true&tenant={TENANT}")
        page.get_by_role("button", name="Pause").wait_for()
        stream.start()
        began = time.monotonic()
        heaps: list[float] = []
        for minute in range(1, max(1, round(wanted.minutes)) + 1):
            page.wait_for_timeout(max(0.0, 1000 * (began + 60 * minute - time.monotonic())))
            figures = measured(session)
            heaps.append(figures["JSHeapUsedSize"] / 1e6)
            print(
                f"{minute:3} min, {stream.sent:8} lines sent, {page.evaluate(SHOWN)} shown: heap {heaps[-1]:6.1f} MB, "
                f"{figures['Nodes']:.0f} nodes, {figures['JSEventListeners']:.0f} listeners, "
                f"main thread {figures['TaskDuration']:.0f} s",
                flush=True,
            )
        stream.ended.set()
        browser.close()


if __name__ == "__main__":
    main()
