"""Somebody with a browser window, and a tenant that the demo's shop has filled."""

from __future__ import annotations

import shutil
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, ViewportSize, expect

TENANT = "shop"
CHROMIUM = next(
    (found for name in ("chromium-headless-shell", "chromium") if (found := shutil.which(name))), "/usr/bin/chromium"
)
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
# A colour on its way from one theme to the other is none that could be judged; see `reduced_motion` of the windows.
MOVING = "() => document.getAnimations().map(one => one.effect.target.outerHTML.slice(0, 80))"
PATIENCE_MS = 60_000  # a busy machine is slow, a hang must end

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Shop:
    """A tenant with some minutes of the shop's telemetry, and the range that it lies in."""

    platform: Any
    start: datetime
    end: datetime

    @property
    def range(self) -> dict[str, str]:
        return {
            "from": self.start.isoformat().replace("+00:00", "Z"),
            "to": self.end.isoformat().replace("+00:00", "Z"),
        }

    def api(self, path: str, **parameters: str | int) -> Any:
        query = urllib.parse.urlencode({**self.range, **parameters})
        answer = self.platform.request(f"/api/v1/{path}?{query}", headers={"X-Scope-OrgID": TENANT})
        assert answer.status == 200, answer.body
        return answer.json()

    def trace_of(self, root: str) -> dict[str, Any]:
        """The trace with the most spans that begins with this operation and did not wait for its queue."""
        traces = self.api("traces", q=f'root:true name:"{root}"', limit=200)["traces"]
        return max((t for t in traces if t["duration_ns"] < 5e9), key=lambda trace: trace["span_count"])

    def failed_trace(self) -> dict[str, Any]:
        """The trace with the most spans among those with an error."""
        traces = self.api("traces", q="status:error", limit=200)["traces"]
        return max(traces, key=lambda trace: trace["span_count"])


@dataclass
class Visitor:
    """Somebody with a browser window. What the console or the policy complained about is in `complaints`."""

    page: Page
    shop: Shop
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str, **search: str | int | bool) -> Page:
        """Open a page in the range of the shop's data."""
        parameters = {**self.shop.range, "tenant": TENANT, **{key: str(value) for key, value in search.items()}}
        self.page.goto(f"{self.shop.platform.url}{path}?{urllib.parse.urlencode(parameters)}")
        return self.page

    def search(self) -> dict[str, str]:
        """The address's parameters, as the page reads them."""
        query = urllib.parse.urlsplit(self.page.url).query
        return {key: value.strip('"') for key, value in urllib.parse.parse_qsl(query)}

    def table(self, name: str) -> list[list[str]]:
        """The texts of a table's rows, when all of them are there."""
        table = self.page.get_by_role("table", name=name, exact=True)
        expect(table).to_be_visible()
        expect(table).not_to_have_attribute("aria-busy", "true")
        rows = table.locator("tbody tr")
        return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows.all()]

    def rest(self) -> None:
        """Wait until the page asks for nothing, fades nothing and has drawn what it has."""
        expect(self.page.locator("[data-asking], [data-stale], [aria-label=Loading]")).to_have_count(0)
        assert self.page.evaluate(MOVING) == []
        self.page.evaluate(DRAWN)

    def calm(self, locator: Locator) -> str:
        expect(locator).to_be_visible()
        return locator.inner_text()

    def obstacles(self) -> list[str]:
        """What is too wide on a phone, then what axe finds serious on a wide window, in both themes.

        The window has a phone's width before, and no policy that keeps axe out.
        """
        page = self.page
        wide = page.evaluate("document.documentElement.scrollWidth")
        found = [f"{page.url}: {wide} pixels wide on a phone"] if wide > PHONE["width"] else []
        page.set_viewport_size(WIDE)
        found += self.barriers("light")
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
        found += self.barriers("dark")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)
        return found

    def barriers(self, scheme: str) -> list[str]:
        """What axe finds serious on the page. Two themes differ in colours only: in the dark one, these are looked at."""
        self.rest()
        if scheme == "light":
            self.page.add_script_tag(content=AXE.read_text())
        rules = ", runOnly: ['color-contrast']" if scheme == "dark" else ""
        found = self.page.evaluate(f"axe.run(document, {{resultTypes: ['violations']{rules}}})")
        return [
            f"{self.page.url}: {one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary'][:300]}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
        ]
