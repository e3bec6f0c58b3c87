"""What this process uses: CPU, memory, descriptors, threads, context switches, garbage collection.

Read from `/proc` when somebody looks; names are those of Prometheus' client libraries. Where there is no `/proc`, what
the standard library knows is reported.
"""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedette.sdk.metrics.registry import Registry

__all__ = ["watch_process"]

_GC_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class _ProcessWatch:
    def __init__(self, registry: Registry) -> None:
        gauge, observed = registry.gauge, registry.observed_counter
        self._cpu = observed("process_cpu_seconds_total", "CPU time used, user and system", unit="s")
        self._memory = gauge("process_resident_memory_bytes", "Resident memory", unit="By")
        self._virtual = gauge("process_virtual_memory_bytes", "Virtual memory", unit="By")
        self._descriptors = gauge("process_open_fds", "Open file descriptors")
        self._threads = gauge("process_threads", "Threads of the process")
        self._start = gauge("process_start_time_seconds", "Unix time at which the process began", unit="s")
        self._switches = observed("process_context_switches_total", "Context switches", ["kind"])
        self._collections = observed("python_gc_collections_total", "Garbage collections", ["generation"])
        self._pauses = registry.histogram(
            "python_gc_pause_seconds",
            "How long a garbage collection stopped the program",
            unit="s",
            buckets=_GC_BUCKETS,
        )
        self._began = 0.0
        gc.callbacks.append(self._collecting)

    def _collecting(self, phase: str, _details: Any) -> None:
        if phase == "start":
            self._began = perf_counter()
        else:
            self._pauses.observe(perf_counter() - self._began)

    def __call__(self) -> None:
        used = os.times()
        self._cpu.set(used.user + used.system)
        self._threads.set(threading.active_count())
        for generation, state in enumerate(gc.get_stats()):
            self._collections.labels(str(generation)).set(state["collections"])
        try:
            self._from_proc()
        except (OSError, ValueError, IndexError):  # no /proc here
            return

    def _from_proc(self) -> None:
        proc = Path("/proc/self")
        fields = (proc / "stat").read_text().rsplit(")", 1)[1].split()
        self._threads.set(int(fields[17]))
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        self._start.set(int(boot.split()[1]) + int(fields[19]) / _TICKS)
        size, resident = (proc / "statm").read_text().split()[:2]
        self._virtual.set(int(size) * _PAGE)
        self._memory.set(int(resident) * _PAGE)
        self._descriptors.set(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - names are counted, not used
        for line in (proc / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                key, _, value = line.partition(":")
                kind = "involuntary" if key.startswith("nonvoluntary") else "voluntary"
                self._switches.labels(kind).set(int(value))


_watched: set[int] = set()


def watch_process(registry: Registry) -> None:
    """Report this process in `registry`, once."""
    if id(registry) not in _watched:
        _watched.add(id(registry))
        registry.observers.append(_ProcessWatch(registry))
