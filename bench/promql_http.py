"""PromQL over HTTP, JSON included, beside Debian's Prometheus and VictoriaMetrics on the same samples in one run.

Of these, the ones that are installed.
The CPU time of the server's processes counts, all of them: others work on the machine, and wall time is theirs as well.
Before that, all come to rest: a day of samples that came within minutes is still merged and summed up for minutes.
What a server does anyway while nobody asks is measured and subtracted. Every query is asked alternately of all
three, as often as it takes to measure it, and the first times do not count.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from contextlib import ExitStack

import numpy as np

from bench.metric_data import Writer, standard_values
from bench.peers import Peer, Prometheus, Vedette, VictoriaMetrics
from bench.platform import wait_until_quiet
from bench.report import report

_INTERVAL_MS = 15_000
_PER_REQUEST = 20
_HOUR = 3600
_LATE_PART = 0.1
_REST_SECONDS = 10.0


def _load(peers: list[Peer], series: int, hours: float, end_ms: int) -> int:
    """Give all peers the same samples, oldest first; how many."""
    count = int(hours * 3_600_000) // _INTERVAL_MS
    count -= count % _PER_REQUEST
    # Prometheus writes the times at which scrapes were due; a tenth is late by more than it tolerates.
    chance = np.random.default_rng(2)
    late = chance.integers(3, 50, (series, count)) * (chance.random((series, count)) < _LATE_PART)
    times = end_ms - np.arange(count, dtype=np.int64)[::-1] * _INTERVAL_MS + late
    values = standard_values(series, count)
    writer = Writer(0, series, _PER_REQUEST)
    for first in range(0, count, _PER_REQUEST):
        part = slice(first, first + _PER_REQUEST)
        body = writer.request(times[:, part], values[:, part])
        for peer in peers:
            if (status := peer.write(body)) // 100 != 2:
                raise SystemExit(f"{peer.name} answers {status}")
    return series * count


def _questions(end: int, hours: float) -> list[tuple[str, str, dict[str, object], int]]:
    """Name, path, form, and how often it is asked."""
    day = {"start": end - hours * _HOUR + _HOUR, "end": end, "step": 60}
    hour = {"start": end - _HOUR, "end": end, "step": 15}
    return [
        ("rate[5m], a day at 60 s", "query_range", {"query": "rate(m[5m])", **day}, 4),
        ("sum by (job) of it", "query_range", {"query": "sum by (job) (rate(m[5m]))", **day}, 4),
        ("instant, 1 series", "query", {"query": 'm{number="7"}', "time": end}, 300),
        ("instant, 1,000 series", "query", {"query": "m", "time": end}, 40),
        ("one series, 1 h", "query_range", {"query": 'm{number="7"}', **hour}, 300),
        ("quantile_over_time[1h]", "query_range", {"query": "quantile_over_time(0.9, m[1h])", **day}, 1),
    ]


def _resting(peers: list[Peer]) -> dict[str, float]:
    """CPU seconds a second that each of them takes anyway while nobody asks."""
    before = {peer.name: peer.cpu_seconds() for peer in peers}
    time.sleep(_REST_SECONDS)
    return {peer.name: (peer.cpu_seconds() - before[peer.name]) / _REST_SECONDS for peer in peers}


def _rules(peer: Peer, resting: dict[str, float], end: int, count: int) -> float:
    """CPU seconds of so many queries such as rules have, one after the other."""
    before, began = peer.cpu_seconds(), time.monotonic()
    for number in range(count):
        query = f'sum by (job) (rate(m{{instance="10.0.{number % 4}.{number % 250}:9100"}}[5m])) > {number}'
        peer.ask("query", query=query, time=end)
    return peer.cpu_seconds() - before - resting[peer.name] * (time.monotonic() - began)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--series", type=int, default=1000)
    arguments.add_argument("--hours", type=float, default=24.0)
    arguments.add_argument("--rules", type=int, default=10_000)
    arguments.add_argument("--rest", type=float, default=40.0)
    given = arguments.parse_args()
    end = int(time.time())
    with ExitStack() as stack:
        vedette = stack.enter_context(Vedette())
        others = [kind() for kind in (Prometheus, VictoriaMetrics) if shutil.which(kind.name)]
        peers: list[Peer] = [vedette, *map(stack.enter_context, others)]
        samples = _load(peers, given.series, given.hours, end * 1000)
        vedette.loaded(samples)
        for peer in peers:  # both caches that look at the newest inserts again for a while, and merges, come to rest
            peer.ask("query", query="m", time=end)
        time.sleep(given.rest)
        for peer in peers:
            wait_until_quiet(peer.cpu_seconds)
        resting = _resting(peers)
        rows: list[dict[str, object]] = []
        for name, path, form, often in _questions(end, given.hours):
            rows.append({"query": name, **_measure(peers, resting, path, form, often)})
            print(rows[-1], flush=True)
        # Rules come in rounds; only the first one has expressions that were never seen.
        for which in ("first round", "next round"):
            spent = {peer.name: _rules(peer, resting, end, given.rules) for peer in peers}
            rows.append({"query": f"{given.rules:,} rule-like, {which}, s", **_row(spent, 1.0)})
            print(rows[-1], flush=True)
        size: dict[str, float] = {}
        for peer in peers:
            peer.settle()
            size[peer.name] = peer.disk_bytes() / samples
        rows.append({"query": "bytes a sample", **{name: round(value, 2) for name, value in size.items()}})
        rows.append({"query": "resident MB", **{peer.name: round(peer.resident_bytes() / 1e6) for peer in peers}})
    report("promql_http", rows)
    print(f"CPU milliseconds; {given.series} series, {given.hours:g} h at 15 s, {samples} samples")


def _measure(
    peers: list[Peer], resting: dict[str, float], path: str, form: dict[str, object], often: int
) -> dict[str, object]:
    spent = dict.fromkeys((peer.name for peer in peers), 0.0)
    for peer in peers:
        if often == 1:  # it takes long, and the series have been asked for before
            continue
        if not json.loads(peer.ask(path, **form))["data"]["result"]:
            raise SystemExit(f"{peer.name} finds nothing for {form}")
        peer.ask(path, **form)
    rounds = min(often, 4)
    for _ in range(rounds):
        for peer in peers:
            before, began = peer.cpu_seconds(), time.monotonic()
            for _ in range(often // rounds):
                peer.ask(path, **form)
            anyway = resting[peer.name] * (time.monotonic() - began)
            spent[peer.name] += max(peer.cpu_seconds() - before - anyway, 0.0)
    return _row(spent, 1000 / (often // rounds * rounds))


def _row(spent: dict[str, float], factor: float) -> dict[str, object]:
    found: dict[str, object] = {name: round(value * factor, 2) for name, value in spent.items()}
    for peer in spent.keys() - {"vedette"}:
        found[f"÷ {peer}"] = round(spent["vedette"] / spent[peer], 2) if spent[peer] else ""
    return found


if __name__ == "__main__":
    main()
