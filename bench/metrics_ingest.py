"""Remote write at a steady rate over many active series, beside Debian's Prometheus and VictoriaMetrics.

The peers run one after the other. Requests have 2,000 samples of 2,000 series each, as Prometheus sends them. CPU is that
of all processes of a server, from the first request until the last sample can be queried; memory is the most it had.
"""

from __future__ import annotations

import argparse
import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench.metric_data import Writer
from bench.peers import Peer, Prometheus, Vedette, VictoriaMetrics
from bench.report import report

_BLOCK = 2000
_CONNECTIONS = 4
_HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}


class _Sender:
    """Sends blocks of series over a few connections, at a rate."""

    def __init__(self, peer: Peer, series: int) -> None:
        self._peer = peer
        self._writers = [Writer(first, _BLOCK, 1) for first in range(0, series, _BLOCK)]
        self._chance = np.random.default_rng(3)
        self._values = np.cumsum(self._chance.integers(0, 1000, (len(self._writers), _BLOCK, 1)), axis=0).astype(float)
        self._local = threading.local()
        self.refused = 0

    def run(self, rate: float, seconds: float) -> int:
        """Send for so long; the samples that were taken."""
        began, sent = time.monotonic(), 0
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            waiting = []
            while (now := time.monotonic() - began) < seconds:
                if sent > now * rate:
                    time.sleep(0.002)
                    continue
                block = sent // _BLOCK % len(self._writers)
                self._values[block] += self._chance.integers(0, 100, (_BLOCK, 1))
                times = np.full((_BLOCK, 1), time.time_ns() // 1_000_000)
                waiting.append(pool.submit(self._send, self._writers[block].request(times, self._values[block])))
                sent += _BLOCK
                if len(waiting) >= 2 * _CONNECTIONS:
                    waiting.pop(0).result()
            for one in waiting:
                one.result()
        return sent - self.refused * _BLOCK

    def _send(self, body: bytes) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            port = self._peer.platform.port if isinstance(self._peer, Vedette) else self._peer.port
            connection = self._local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("POST", f"{self._peer.prefix}/api/v1/write", body, _HEADERS)
        answer = connection.getresponse()
        answer.read()
        if answer.status // 100 != 2:
            self.refused += 1


def _measured(peer: Peer, series: int, rate: float, seconds: float) -> dict[str, object]:
    sender = _Sender(peer, series)
    most = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            most[0] = max(most[0], peer.resident_bytes())

    before, began = peer.cpu_seconds(), time.monotonic()
    watcher = threading.Thread(target=watch)
    watcher.start()
    taken = sender.run(rate, seconds)
    sending = time.monotonic() - began
    if isinstance(peer, Vedette):
        peer.loaded(taken)
    lag = time.monotonic() - began - sending
    spent = peer.cpu_seconds() - before
    done.set()
    watcher.join()
    peer.settle()
    return {
        "server": peer.name,
        "samples/s": round(taken / sending),
        "refused": sender.refused,
        "CPU s per million": round(spent / taken * 1e6, 2),
        "loaded after, s": round(lag, 1),
        "most resident MB": round(most[0] / 1e6),
        "bytes a sample": round(peer.disk_bytes() / taken, 2),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--series", type=int, default=100_000)
    arguments.add_argument("--rate", type=float, default=100_000)
    arguments.add_argument("--seconds", type=float, default=60.0)
    given = arguments.parse_args()
    rows = []
    for make in (Vedette, Prometheus, VictoriaMetrics):
        with make() as peer:
            rows.append(_measured(peer, given.series, given.rate, given.seconds))
            print(rows[-1], flush=True)
    report("metrics_ingest", rows)
    print(f"{given.series} active series, {given.rate:g} samples/s for {given.seconds:g} s")


if __name__ == "__main__":
    main()
