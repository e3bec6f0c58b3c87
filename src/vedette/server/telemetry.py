"""The platform's own metrics, in Prometheus' text format at ``/metrics``.

Each process keeps its own registry; worker and supervisor write theirs into ``run/*.prom``, and the server, which
answers ``/metrics``, appends those files.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from prometheus_client.core import Metric

__all__ = ["CONTENT_TYPE", "Reading", "Telemetry", "write_exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Reading = tuple[str, str, str, float]
"""Name, help, ``counter`` or ``gauge``, value: one figure that is read when somebody asks."""


class Telemetry:
    """The server's metrics. Label values are bounded: signals, transports, statuses, reasons."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        requests = Counter(
            "vedette_ingest_requests",
            "Ingest requests answered, by signal, transport and status.",
            ["signal", "transport", "status"],
            registry=self.registry,
        )
        rows = Counter(
            "vedette_ingest_rows",
            "Spans, log records and data points acknowledged.",
            ["signal"],
            registry=self.registry,
        )
        sizes = Counter(
            "vedette_ingest_bytes",
            "Bytes of payload acknowledged, after decompression.",
            ["signal"],
            registry=self.registry,
        )
        self.refused = Counter(
            "vedette_ledger_lines",
            "Requests and rows refused or dropped, as the ledger has them.",
            ["signal", "reason"],
            registry=self.registry,
        )
        self.commit_seconds = Histogram(
            "vedette_ingest_commit_seconds",
            "Time from a checked request to its acknowledgement by the write-ahead log.",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
            registry=self.registry,
        )

        self.points_by_id = Counter(
            "vedette_otlp_points_by_id",
            "OTLP data points kept without names and labels, as the tables knew their series.",
            registry=self.registry,
        )

        # A figure's line, found once: a request of one span would spend a tenth of its time on looking them up.
        self.requests_of = cache(requests.labels)
        self.rows_of = cache(rows.labels)
        self.bytes_of = cache(sizes.labels)

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Add figures that are read at every exposition."""
        self.registry.register(_Readings(read))

    def exposition(self, others: Path) -> bytes:
        """Everything that this process and its siblings have to say, in text format 0.0.4."""
        parts = [generate_latest(self.registry)]
        parts += [path.read_bytes() for path in sorted(others.glob("*.prom"))]
        return b"".join(parts)


class _Readings(Collector):
    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        for name, help_, kind, value in self._read():
            family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            yield family(name, help_, value=value)


def write_exposition(path: Path, readings: Iterable[Reading]) -> None:
    """Leave figures for the server to show; readers never see half a file."""
    lines = []
    for name, help_, kind, value in readings:
        base = name.split("{", 1)[0]
        header = f"# HELP {base} {help_}\n# TYPE {base} {kind}\n"
        lines.append(("" if header in lines else header) + f"{name} {value!r}\n")
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text("".join(lines), encoding="utf-8")
    temporary.replace(path)
