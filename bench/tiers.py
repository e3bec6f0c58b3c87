"""What summing metrics up costs and saves: a month of samples, asked by the hour from samples and from sums.

CPU time of all processes of the platform; what it takes anyway while nobody asks is subtracted. What is asked ends some
days ago, so that no samples of it stay in memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

from bench.metric_data import Writer, standard_values
from bench.platform import Platform
from bench.report import report

_HOUR = 3600
_INTERVAL_MS = 15_000
_PER_REQUEST = 11520
_QUESTIONS = ("rate(m[1h])", "sum by (job) (rate(m[1h]))", "avg_over_time(m[1h])", "max_over_time(m[6h])", "m")


def _load(platform: Platform, series: int, days: int, begin: int) -> int:
    count = days * 24 * _HOUR * 1000 // _INTERVAL_MS
    values = standard_values(series, count)
    times = begin * 1000 + np.arange(1, count + 1, dtype=np.int64) * _INTERVAL_MS + 7
    times = np.broadcast_to(times, (series, count))
    writer = Writer(0, series, _PER_REQUEST)
    for first in range(0, count, _PER_REQUEST):
        part = slice(first, first + _PER_REQUEST)
        url = f"http://127.0.0.1:{platform.port}/prometheus/api/v1/write"
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        body = writer.request(times[:, part], values[:, part])
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            answer.read()
    return series * count


def _ask(platform: Platform, query: str, begin: int, end: int) -> int:
    """Ask by the hour; how many points there are."""
    form = urllib.parse.urlencode({"query": query, "start": begin + _HOUR, "end": end, "step": _HOUR})
    found = json.loads(platform.get(f"/prometheus/api/v1/query_range?{form}"))
    return sum(len(one["values"]) for one in found["data"]["result"])


def _resting(platform: Platform, seconds: float = 5.0) -> float:
    before = platform.cpu_seconds()
    time.sleep(seconds)
    return (platform.cpu_seconds() - before) / seconds


def _measure(platform: Platform, begin: int, end: int, often: int) -> dict[str, tuple[float, int]]:
    """CPU milliseconds of each question, and its points."""
    found = {}
    for query in _QUESTIONS:
        _ask(platform, query, begin, end)
    resting = _resting(platform)
    for query in _QUESTIONS:
        before, began = platform.cpu_seconds(), time.monotonic()
        points = [_ask(platform, query, begin, end) for _ in range(often)]
        spent = platform.cpu_seconds() - before - resting * (time.monotonic() - began)
        found[query] = 1000 * spent / often, points[0]
    return found


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--series", type=int, default=20)
    arguments.add_argument("--days", type=int, default=30)
    arguments.add_argument("--often", type=int, default=3)
    given = arguments.parse_args()
    begin = (int(time.time()) // _HOUR - 24 * (given.days + 2)) * _HOUR
    end = begin + given.days * 24 * _HOUR
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder:
        data = Path(folder) / "data"
        with Platform("--metrics-rollup-delay", "3650d", data_dir=data) as platform:
            samples = _load(platform, given.series, given.days, begin)
            while platform.sql("SELECT count() AS n FROM samples")[0]["n"] < samples:
                time.sleep(0.5)
            loading = platform.cpu_seconds()
            print(f"{samples} samples are in, {loading:.1f} s of CPU", flush=True)
            time.sleep(10)
            raw = _measure(platform, begin, end, given.often)
        with Platform("--metrics-rollup-delay", "1s", "--upkeep-interval", "1s", data_dir=data) as platform:
            while platform.sql("SELECT sum(count) AS n FROM samples_1h")[0]["n"] < samples:
                time.sleep(0.5)
            summing = platform.cpu_seconds()
            print(f"They are summed up, {summing:.1f} s of CPU", flush=True)
            time.sleep(10)
            sums = _measure(platform, begin, end, given.often)
    rows: list[dict[str, object]] = [
        {
            "query": query,
            "samples, ms": round(cpu, 1),
            "sums, ms": round(sums[query][0], 1),
            "ratio": round(sums[query][0] / cpu, 3),
            "points": points,
        }
        for query, (cpu, points) in raw.items()
    ]
    if any(sums[query][1] != points for query, (_, points) in raw.items()):
        raise SystemExit("Samples and sums give different numbers of points.")
    report("tiers", rows)
    print(f"CPU milliseconds; {given.series} series, {given.days} days at 15 s, {samples} samples.")
    print(f"Taking them in took {loading:.1f} s (start included), summing them up {summing:.1f} s (start included).")


if __name__ == "__main__":
    main()
