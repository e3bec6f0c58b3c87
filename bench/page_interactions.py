"""How long the pages take to answer: from the input event to the frame that shows what was asked for, by Chromium's clock.

`pages.py` runs it. What a page asks the server meanwhile counts only where nothing could be shown without.
"""

from __future__ import annotations

import json
import statistics
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

# After the event, frame by frame, until the page shows it; the message comes when that frame is painted.
WATCH = """() => {
  const shown = () => %s;
  window.taken = new Promise((resolve) => addEventListener('%s', (event) => {
    const painted = new MessageChannel();
    painted.port1.onmessage = () => resolve(performance.now() - event.timeStamp);
    const look = () => shown() ? painted.port2.postMessage(0) : requestAnimationFrame(look);
    requestAnimationFrame(look);
  }, { capture: true, once: true }));
}"""
TAKEN = "() => Promise.race([window.taken, new Promise((resolve) => setTimeout(resolve, 5000, 5000))])"
"""What never shows counts five seconds."""
READY = "main h1:not(:empty)"


@dataclass(frozen=True)
class Interaction:
    """What is done, by which event it begins, and what holds in the document when it is shown."""

    name: str
    event: str
    act: Callable[[Page], None]
    shown: str


def _drag(field: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        box = page.locator(field).first.bounding_box() or {"x": 0, "y": 0, "width": 0, "height": 0}
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.4, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, y, steps=4)
        page.mouse.up()

    return act


def _hover(field: str) -> Callable[[Page], None]:
    return lambda page: page.locator(field).first.hover(force=True)


def _click(find: Callable[[Page], Locator]) -> Callable[[Page], None]:
    return lambda page: find(page).first.click()


def _key(key: str, find: Callable[[Page], Locator] | None = None) -> Callable[[Page], None]:
    return lambda page: find(page).press(key) if find else page.keyboard.press(key)


PALETTE = "document.querySelector('[aria-label=\"What to go to\"]') !== null"
BACK = "document.querySelector('[aria-label=\"Back to the range before\"]') !== null"
READOUT = "[...document.querySelectorAll('[class*=readout]')].some((one) => one.textContent !== '')"
TRACE = [
    Interaction("open a span", "click", _click(lambda p: p.locator("[data-span]").nth(3)), "document.querySelector('aside[aria-label=Span]') !== null"),
    Interaction("type into the trace's search", "keydown", _key("e", lambda p: p.get_by_label("Find spans")), "document.querySelector('[aria-label=\"Find spans\"]').value === 'e'"),
    Interaction("collapse the first span", "click", _click(lambda p: p.locator("[data-span] [role=button]")), "document.querySelectorAll('[data-span]').length === 1"),
    Interaction("expand all", "click", _click(lambda p: p.get_by_label("Expand all")), "document.querySelectorAll('[data-span]').length > 1"),
    Interaction("narrow the trace's time", "pointerup", _drag("[class*=minimap] canvas"), "document.body.textContent.includes('Whole time')"),
    Interaction("show the critical path", "click", lambda p: p.get_by_role("switch", name="Critical path").check(force=True), "document.querySelector('[class*=critical]') !== null"),
    Interaction("its statistics", "click", _click(lambda p: p.get_by_text("Statistics", exact=True)), "document.querySelector('table[aria-label^=Statistics]') !== null"),
    Interaction("its flame graph", "click", _click(lambda p: p.get_by_text("Flame graph", exact=True)), "document.querySelector('[class*=flame] button') !== null"),
]  # fmt: skip
LOGS = [
    Interaction("hover over the histogram", "mousemove", _hover(".u-over"), READOUT),
    Interaction("open a line", "click", _click(lambda p: p.locator("[role=grid] [role=row]").nth(4)), "document.querySelector('aside[aria-label=\"Log line\"]') !== null"),
    Interaction("close the line", "click", _click(lambda p: p.get_by_label("Close the line")), "document.querySelector('aside[aria-label=\"Log line\"]') === null"),
    Interaction("a column more", "click", _click(lambda p: p.get_by_label("Show service.version as a column")), "document.querySelector('[aria-label=\"Remove the column service.version\"]') !== null"),
    Interaction("a column less", "click", _click(lambda p: p.get_by_label("Remove the column service.version")), "document.querySelector('[aria-label=\"Remove the column service.version\"]') === null"),
    Interaction("select a facet", "click", _click(lambda p: p.locator("[aria-label=Facets] button[aria-pressed]")), "document.querySelector('[aria-label=Facets] button[aria-pressed=true]') !== null"),
    Interaction("zoom by dragging", "pointerup", _drag(".u-over"), BACK),
    Interaction("type into the query", "keydown", _key("#", lambda p: p.get_by_label("Search logs")), "document.querySelector('[aria-label=\"Search logs\"]').value.includes('#')"),
    Interaction("patterns", "click", _click(lambda p: p.get_by_text("Patterns", exact=True)), "document.querySelector('[aria-label=\"Log lines\"]') === null"),
]  # fmt: skip
SERVICE = [
    Interaction("hover over a chart", "mousemove", _hover(".u-over"), READOUT),
    Interaction("switch the tab", "click", _click(lambda p: p.get_by_role("tab", name="Dependencies")), "document.querySelector('[role=tab][aria-selected=true]').textContent === 'Dependencies'"),
    Interaction("open the palette", "keydown", _key("Control+k"), PALETTE),
    Interaction("type into the palette", "keydown", _key("p", lambda p: p.get_by_label("What to go to")), "document.querySelector('[aria-label=\"What to go to\"]').value === 'p'"),
    Interaction("close the palette", "keydown", _key("Escape"), f"!({PALETTE})"),
    Interaction("open the settings", "click", _click(lambda p: p.get_by_label("Settings")), "document.querySelector('[role=menuitemradio]') !== null"),
    Interaction("dark theme", "click", _click(lambda p: p.get_by_role("menuitemradio", name="Dark")), "document.documentElement.dataset.mantineColorScheme === 'dark'"),
    Interaction("open the time range", "click", _click(lambda p: p.get_by_label("Time range")), "document.querySelector('[aria-label=Ranges]') !== null"),
]  # fmt: skip
LARGE = [one for one in TRACE if one.name != "its flame graph"]


def measured(page: Page, interactions: list[Interaction]) -> list[float]:
    """Milliseconds of each, one after the other on the page that is open."""
    taken = []
    for one in interactions:
        page.evaluate(WATCH % (one.shown, one.event))
        one.act(page)
        taken.append(float(page.evaluate(TAKEN)))
        page.wait_for_load_state("networkidle")
    return taken


def a_trace(url: str) -> str:
    """The trace of the demo's shop with the most spans."""
    with urllib.request.urlopen(f"{url}/api/v1/traces?limit=200&q=root%3Atrue") as answer:
        traces = json.load(answer)["traces"]
    return str(max(traces, key=lambda one: int(one["span_count"]))["trace_id"])


def report(new_page: Callable[[], Page], url: str, large: str, rounds: int) -> None:
    """Print each interaction's middle and slowest time over `rounds`, each on a page of its own."""
    shop = f"{url}/traces/{a_trace(url)}"
    for title, address, interactions in (
        ("a trace", shop, TRACE),
        ("50,000 spans", large, LARGE),
        ("logs", f"{url}/logs?facets=%5B%22service.version%22%5D", LOGS),
        ("a service", f"{url}/services/gateway", SERVICE),
    ):
        times: list[list[float]] = []
        for _ in range(rounds):
            page = new_page()
            page.goto(address)
            page.locator(READY).wait_for()
            page.wait_for_load_state("networkidle")
            times.append(measured(page, interactions))
            page.evaluate("localStorage.clear()")  # what was chosen is not the next round's choice
            page.close()
        for one, taken in zip(interactions, zip(*times, strict=True), strict=True):
            print(f"{title:13} {one.name:32} {statistics.median(taken):5.0f} ms (slowest {max(taken):.0f})")
