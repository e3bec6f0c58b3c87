"""The file that says that everything has been compiled, beside what the compiler keeps.

It is named by everything that the compiler's work depends on, so it can be looked for without loading the compiler.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["MODULES", "mark_name", "missing_mark"]

MODULES = (
    "ingest.delta_kernel",
    "ingest.delta_sums",
    "ingest.key_table",
    "ingest.known_points_kernel",
    "ingest.known_series",
    "ingest.point_faults_kernel",
    "ingest.points_kernel",
    "ingest.protobuf_kernel",
    "ingest.remote_write_kernel",
    "ingest.remote_write_labels",
    "ingest.remote_write_points",
    "ingest.series_ids",
    "ingest.series_kernel",
    "ingest.stream_hashes",
    "query.metrics.kernels",
    "query.metrics.xor_chunks",
    "query.promql.kernels.buckets",
    "query.promql.kernels.common",
    "query.promql.kernels.decimals",
    "query.promql.kernels.groups",
    "query.promql.kernels.machine",
    "query.promql.kernels.rates",
    "query.promql.kernels.quantiles",
    "query.promql.kernels.windows",
    "scrape.classic_lines",
    "scrape.custom_buckets",
    "scrape.lines",
    "scrape.protobuf",
    "scrape.protobuf_histograms",
    "scrape.protobuf_rows",
    "scrape.protobuf_series",
    "scrape.protobuf_text",
)
"""Where functions are that are compiled, in ``vedette.server``."""

_SERVER = Path(__file__).parent.parent


def mark_name() -> str:
    """The name of the mark for this Python, these packages, this processor and these sources."""
    parts = [sys.version, platform.machine(), _processor()]
    for package in ("numba", "llvmlite", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            parts.append(version(package))
    for name in (*MODULES, "compiled", "precompile.exercises"):
        with contextlib.suppress(OSError):
            facts = (_SERVER / f"{name.replace('.', '/')}.py").stat()
            parts.append(f"{name} {facts.st_mtime_ns} {facts.st_size}")
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=12)
    return f"vedette-{digest.hexdigest()}.compiled"


def missing_mark() -> Path | None:
    """The mark, if everything is still to be compiled; None if it is done, or if nothing can be kept on disk."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                mark = folder / mark_name()
                return None if mark.exists() else mark
    return None


def _folders() -> list[Path]:
    """Where numba keeps what it has compiled: the first of these that can be written."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    own = Path(__file__).parent / "__pycache__"
    users = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "numba"
    return [*([Path(given)] if given else []), own, users]


def _processor() -> str:
    """The processor's name and what it can do: code for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}))
