"""Makes the pictures of docs/images/ from the demo's shop: every page in both themes, on a wide window and on a phone.

`make screenshots` runs it; with `--url` it takes a platform that runs already and has an hour of the shop's data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, Page, sync_playwright
from ui_visitors import CHROMIUM

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
LISTEN, OTLP_HTTP, OTLP_GRPC = "127.0.0.1:17470", "127.0.0.1:17418", "127.0.0.1:17417"
OPEN_SECONDS = 240
REQUESTS = '{"http.server.request.duration_seconds_count"}'
DURATIONS = '{"http.server.request.duration_seconds_bucket"}'
QUANTILE = f"histogram_quantile(0.95, sum by (le, job) (rate({DURATIONS}[1m])))"
BUCKETS = f"sum by (le) (rate({DURATIONS}[1m]))"
STATEMENT = """SELECT
  toStartOfInterval(time, INTERVAL 5 SECOND) AS moment,
  service,
  count() AS spans
FROM spans
WHERE time > now() - INTERVAL 5 MINUTE
GROUP BY moment, service
ORDER BY moment, service"""
RULES = f"""groups:
  - name: requests
    interval: 15s
    rules:
      - record: job:requests:rate1m
        expr: 'sum by (job) (rate({REQUESTS}[1m]))'
      - record: job:errors:ratio1m
        expr: 'sum by (job) (rate({REQUESTS[:-1]}, "http.response.status_code"=~"5.."}}[1m])) / job:requests:rate1m'
        labels: {{team: shop}}
  - name: alerts
    interval: 15s
    rules:
      - alert: TargetDown
        expr: up == 0
        for: 30s
        labels: {{severity: critical}}
        annotations: {{summary: "{{{{ $labels.job }}}} at {{{{ $labels.instance }}}} does not answer"}}
      - alert: FailedRequests
        expr: job:errors:ratio1m > 0.001
        for: 10m
        labels: {{severity: critical}}
        annotations:
          summary: "{{{{ $labels.job }}}} fails {{{{ $value | humanizePercentage }}}} of its requests"
      - alert: SlowRequests
        expr: {QUANTILE} > 0.1
        for: 1m
        keep_firing_for: 5m
        labels: {{severity: warning}}
        annotations:
          summary: "{{{{ $labels.job }}}} takes {{{{ $value | humanizeDuration }}}} for one in twenty requests"
      - alert: NoRequests
        expr: absent(job:requests:rate1m)
        for: 5m
        labels: {{severity: critical}}
        annotations: {{summary: No service has requests}}
"""
SCRAPE = f"""scrape_configs:
  - job_name: vedette
    scrape_interval: 5s
    static_configs:
      - targets: ["{LISTEN}"]
  - job_name: printer
    scrape_interval: 5s
    static_configs:
      - targets: ["127.0.0.1:9"]
        labels: {{floor: "3"}}
"""


@contextmanager
def demo() -> Iterator[str]:
    """The platform and the shop, open long enough for a picture."""
    with tempfile.TemporaryDirectory(prefix="vedette-pictures-") as folder:
        command = [sys.executable, "-m", "vedette.cli.main", "demo", "--plain", "--data-dir", folder, "--rate", "6"]
        command += ["--day", "120", "--listen", LISTEN, "--otlp-http", OTLP_HTTP, "--otlp-grpc", OTLP_GRPC]
        for name, text in (("rules.yml", RULES), ("prometheus.yml", SCRAPE)):
            (Path(folder) / name).write_text(text)
        environment = {**os.environ, "VEDETTE_RULE_FILES": "rules.yml", "VEDETTE_SCRAPE_CONFIG": "prometheus.yml"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder, env=environment)
        try:
            time.sleep(OPEN_SECONDS)
            yield f"http://{LISTEN}"
        finally:
            process.terminate()
            process.wait()


def ask(url: str, path: str, **parameters: str) -> Any:
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:
        return json.load(answer)


def subjects(url: str, search: dict[str, str]) -> dict[str, tuple[str, dict[str, str]]]:
    """What is shown: a path and its parameters, by the picture's name."""
    found = ask(url, "traces", **search, q='root:true name:"POST /checkout"', limit="200")["traces"]
    quick = sorted((one for one in found if one["duration_ns"] < 3e9), key=lambda one: one["span_count"])
    usual, trace = quick[len(quick) // 2], quick[-1]
    whole = ask(url, f"traces/{trace['trace_id']}")
    span = next(one["span_id"] for one in whole["spans"] if "db.query.text" in one["attributes"])
    at = f"/traces/{trace['trace_id']}"
    return {
        "overview": ("/", {}),
        "services": ("/services", {}),
        "service": ("/services/orders", {"tab": "releases"}),
        "map": ("/map", {}),
        "traces": ("/traces", {}),
        "trace": (at, {"span": span, "critical": "true"}),
        "flame": (at, {"view": "flame"}),
        "compare": ("/compare", {"a": usual["trace_id"], "b": trace["trace_id"]}),
        "logs": ("/logs", {}),
        "metrics": ("/explore", {"q": json.dumps([QUANTILE]), "exemplars": "true"}),
        "heat": ("/explore", {"q": json.dumps([BUCKETS]), "as": "heat"}),
        "catalogue": ("/explore/catalogue", {"metric": "http.server.request.duration_seconds"}),
        "targets": ("/explore/targets", {}),
        "rules": ("/explore/rules", {}),
        "sql": ("/sql", {"sql": STATEMENT, "chart": "line"}),
    }


def settle(page: Page) -> None:
    """Wait until nothing is asked for any more and nothing says that it is loading."""
    page.locator("main h1").wait_for()
    for _ in range(3):
        page.wait_for_load_state("networkidle")
        while page.locator("[aria-label=Loading], [data-ready=false], .mantine-Skeleton-root").count():
            page.wait_for_timeout(200)
        page.wait_for_timeout(700)


def take(browser: Browser, url: str, search: dict[str, str], only: list[str] | None) -> None:
    shown = {name: one for name, one in subjects(url, search).items() if only is None or name in only}
    for scheme in ("light", "dark"):
        for size, viewport in (("wide", WIDE), ("phone", PHONE)):
            context = browser.new_context(viewport=viewport, color_scheme=scheme, timezone_id="UTC")
            page = context.new_page()
            for name, (path, own) in shown.items():
                # A phone shows the trace or the span; the picture is of the trace.
                asked = {key: value for key, value in own.items() if size == "wide" or key != "span"}
                page.goto(f"{url}{path}?{urllib.parse.urlencode({**search, **asked})}")
                settle(page)
                page.screenshot(path=IMAGES / f"{name}-{size}-{scheme}.png")
            context.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", help="a platform that runs already")
    arguments.add_argument("--from", dest="start", default="now-5m", help="start of the range")
    arguments.add_argument("--to", dest="end", default="now", help="its end")
    arguments.add_argument("--only", action="append", help="the name of a picture; may be given again")
    wanted = arguments.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    search = {"from": wanted.start, "to": wanted.end}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        if wanted.url:
            take(browser, wanted.url, search, wanted.only)
        else:
            with demo() as url:
                take(browser, url, search, wanted.only)
        browser.close()


if __name__ == "__main__":
    main()
