"""What scraping costs: 100 targets of 1,000 series every 15 s, CPU seconds of all the platform's processes.

One process serves all targets under addresses of their own (127.0.1.1 and so on); it is not counted. Bodies look like
those of real exporters: histograms, counters and gauges with labels, values of which most change with every scrape.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.platform import Platform, free_port
from bench.report import report

_VARIANTS = 8
_METHODS = ("GET", "POST", "PUT", "DELETE")


def exposition(series: int, variant: int) -> bytes:
    """The text of one target: a fifth gauges, two fifths counters, two fifths histograms."""
    chance = random.Random(variant)
    lines = ["# HELP process_open_fds Open files.", "# TYPE process_open_fds gauge"]
    lines += [
        f'process_pool_size{{pool="pool-{i}",state="idle",zone="eu-central"}} {chance.random() * 100}'
        for i in range(series // 5)
    ]
    lines.append("# TYPE http_requests_total counter")
    for i in range(series * 2 // 5):
        labels = f'handler="/api/v1/things/{i // 4}",method="{_METHODS[i % 4]}",code="200"'
        lines.append(f"http_requests_total{{{labels}}} {1_000_000 + variant * 100 + i}")
    lines.append("# TYPE http_request_duration_seconds histogram")
    left = series - len([line for line in lines if line[0] != "#"])
    bounds = ("0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf")
    for i in range(left):
        labels = f'handler="/api/v1/things/{i // 8}",le="{bounds[i % 8]}"'
        lines.append(f"http_request_duration_seconds_bucket{{{labels}}} {variant * 10 + i}")
    return "\n".join(lines).encode() + b"\n"


def _serve(port: int, series: int) -> None:
    bodies = [exposition(series, variant) for variant in range(_VARIANTS)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = bodies[int(time.time() / 15) % _VARIANTS]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--targets", type=int, default=100)
    arguments.add_argument("--series", type=int, default=1000)
    arguments.add_argument("--interval", type=float, default=15.0)
    arguments.add_argument("--seconds", type=float, default=120.0)
    arguments.add_argument("--convert", action="store_true", help="classic histograms become native ones")
    given = arguments.parse_args()
    port = free_port()
    exporter = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, given.series), daemon=True)
    exporter.start()
    addresses = [f"127.0.{1 + i // 250}.{1 + i % 250}:{port}" for i in range(given.targets)]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "prometheus.yml"
        job: dict[str, object] = {"job_name": "bench", "static_configs": [{"targets": addresses}]}
        job |= {"convert_classic_histograms_to_nhcb": True} if given.convert else {}
        limits = {"scrape_interval": f"{given.interval:g}s", "scrape_timeout": f"{given.interval:g}s"}
        config.write_text(json.dumps({"global": limits, "scrape_configs": [job]}))
        with Platform() as idle:
            time.sleep(2 * given.interval)
            before = idle.processes()
            time.sleep(given.seconds / 2)
            resting = _spent(before, idle.processes(), given.seconds / 2)
        with Platform("--scrape-config", str(config)) as platform:
            time.sleep(3 * given.interval)
            before = platform.processes()
            time.sleep(given.seconds)
            after = platform.processes()
            spent = _spent(before, after, given.seconds)
            kept = platform.sql("SELECT count() AS n FROM samples")[0]["n"]
    rows: list[dict[str, object]] = [
        {"process": name, "% of a core": round(spent[name], 2), "idle": round(resting.get(name, 0), 2), "MB": mb}
        for name, mb in ((name, round(after[name][1] / 1e6)) for name in sorted(after))
    ]
    total = {"process": "all", "% of a core": round(sum(spent.values()), 2), "idle": round(sum(resting.values()), 2)}
    rows.append(total | {"MB": round(sum(size for _, size in after.values()) / 1e6)})
    report("scrape", rows)
    print(f"{given.targets} targets of {given.series} series every {given.interval:g} s; {kept} samples kept")
    exporter.terminate()


def _spent(
    before: dict[str, tuple[float, int]], after: dict[str, tuple[float, int]], seconds: float
) -> dict[str, float]:
    """Percent of a core by process."""
    return {name: (after[name][0] - before[name][0]) / seconds * 100 for name in after}


if __name__ == "__main__":
    main()
