"""What the machine and the platform's own processes do, under node-exporter's names where it has them.

https://github.com/prometheus/node_exporter. Its dashboards and rules work on what is collected here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import platform
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psutil

from vedette.errors import VedetteError
from vedette.server.scrape.encoding import STALE_BITS, metadata
from vedette.server.scrape.series import Batch, SeriesBook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Write = Callable[[Batch], Awaitable[None]]

__all__ = ["FAMILIES", "HostCollector"]

log = logging.getLogger(__name__)

_LAG_SECONDS = 0.5
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_UNREAL = {"autofs", "overlay", "proc", "squashfs", "sysfs", "tmpfs", "tracefs", "fuse.lxcfs"}

FAMILIES = {
    "node_boot_time_seconds": ("gauge", "When the machine started, in seconds since 1970."),
    "node_context_switches_total": ("counter", "Context switches."),
    "node_cpu_seconds_total": ("counter", "Seconds that each CPU spent in each mode."),
    "node_disk_io_time_seconds_total": ("counter", "Seconds spent doing I/Os."),
    "node_disk_read_bytes_total": ("counter", "Bytes read."),
    "node_disk_read_time_seconds_total": ("counter", "Seconds spent by all reads."),
    "node_disk_reads_completed_total": ("counter", "Reads completed."),
    "node_disk_write_time_seconds_total": ("counter", "Seconds spent by all writes."),
    "node_disk_writes_completed_total": ("counter", "Writes completed."),
    "node_disk_written_bytes_total": ("counter", "Bytes written."),
    "node_filesystem_avail_bytes": ("gauge", "Bytes that are free to users who are not root."),
    "node_filesystem_free_bytes": ("gauge", "Bytes that are free."),
    "node_filesystem_size_bytes": ("gauge", "Size in bytes."),
    "node_intr_total": ("counter", "Interrupts served."),
    "node_load1": ("gauge", "Load, average of a minute."),
    "node_load15": ("gauge", "Load, average of 15 minutes."),
    "node_load5": ("gauge", "Load, average of 5 minutes."),
    "node_memory_Buffers_bytes": ("gauge", "Memory of buffers."),
    "node_memory_Cached_bytes": ("gauge", "Memory of the page cache."),
    "node_memory_MemAvailable_bytes": ("gauge", "Memory that programs can have without swapping."),
    "node_memory_MemFree_bytes": ("gauge", "Memory that is not used for anything."),
    "node_memory_MemTotal_bytes": ("gauge", "Memory of the machine."),
    "node_memory_MemUsed_bytes": ("gauge", "Memory that programs use; node-exporter has no such metric."),
    "node_memory_SwapFree_bytes": ("gauge", "Swap that is free."),
    "node_memory_SwapTotal_bytes": ("gauge", "Swap of the machine."),
    "node_network_receive_bytes_total": ("counter", "Bytes received."),
    "node_network_receive_drop_total": ("counter", "Received packets dropped."),
    "node_network_receive_errs_total": ("counter", "Errors of receiving."),
    "node_network_receive_packets_total": ("counter", "Packets received."),
    "node_network_transmit_bytes_total": ("counter", "Bytes sent."),
    "node_network_transmit_drop_total": ("counter", "Packets to be sent that were dropped."),
    "node_network_transmit_errs_total": ("counter", "Errors of sending."),
    "node_network_transmit_packets_total": ("counter", "Packets sent."),
    "node_tcp_connection_states": ("gauge", "TCP connections by state."),
    "node_time_seconds": ("gauge", "The machine's clock, in seconds since 1970."),
    "node_uname_info": ("gauge", "1, with what uname says as labels."),
    "process_cpu_seconds_total": ("counter", "CPU that a process of the platform used."),
    "process_open_fds": ("gauge", "Files that a process of the platform has open."),
    "process_resident_memory_bytes": ("gauge", "Resident memory of a process of the platform."),
    "process_threads": ("gauge", "Threads of a process of the platform."),
    "python_gc_collections_total": ("counter", "Garbage collections of the worker."),
    "python_gc_pause_seconds_total": ("counter", "Seconds that garbage collections held the worker up."),
    "up": ("gauge", "1: the collector runs."),
    "vedette_event_loop_lag_seconds": (
        "gauge",
        "By how much the worker's event loop is late, at most since the last time.",
    ),
}


class Reading(NamedTuple):
    """One value of a family, with its labels."""

    name: str
    value: float
    labels: dict[str, str]


class HostCollector:
    """Reads the machine every so often and writes what it reads.

    Args:
        write: Keeps samples.
        tenant: Whose they are.
        interval_seconds: Between two readings.
    """

    def __init__(self, write: Write, tenant: str, interval_seconds: float) -> None:
        self._write = write
        self._interval = interval_seconds
        self._book = SeriesBook(tenant)
        self._common = {"job": "node", "instance": platform.node() or "localhost"}
        self._own = {"job": "vedette", "instance": self._common["instance"]}
        self._live: set[int] = set()
        self._is_told = False
        self._lag = 0.0
        self._collections: dict[int, list[float]] = {}
        self._gc_began = 0.0

    async def run(self) -> None:
        """Collect until cancelled."""
        gc.callbacks.append(self._note_collection)
        watch = asyncio.create_task(self._watch_lag())
        try:
            while True:
                now = time.time()
                due = (now // self._interval + 1) * self._interval
                await asyncio.sleep(due - now)
                await self._collect(round(due * 1000))
        finally:
            watch.cancel()
            gc.callbacks.remove(self._note_collection)

    async def _collect(self, time_ms: int) -> None:
        readings = await asyncio.to_thread(lambda: list(self._read()))
        batch = Batch()
        if not self._is_told:
            batch.told += [metadata(name, kind, help_, "") for name, (kind, help_) in FAMILIES.items()]
            batch.told_rows += len(FAMILIES)
        numbers = [self._book.number({"__name__": one.name, **one.labels}) for one in readings]
        gone = np.array(sorted(self._live.difference(numbers)), np.int64)
        values = np.array([one.value for one in readings], np.float64)
        self._book.write(batch, np.array(numbers), np.full(len(numbers), time_ms), values.view(np.uint64))
        self._book.write(batch, gone, np.full(len(gone), time_ms), np.full(len(gone), STALE_BITS))
        self._live = set(numbers)
        try:
            await self._write(batch)
            self._is_told = True
        except VedetteError as error:
            self._book.forget()
            log.warning("What the machine does is not kept: %s", error)

    async def _watch_lag(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LAG_SECONDS)
            self._lag = max(self._lag, time.monotonic() - began - _LAG_SECONDS)

    def _note_collection(self, phase: str, facts: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            sums = self._collections.setdefault(facts["generation"], [0.0, 0.0])
            sums[0] += 1
            sums[1] += time.perf_counter() - self._gc_began

    def _read(self) -> Iterator[Reading]:
        for name, value, labels in (*_machine(), *_memory(), *_disks(), *_network()):
            yield Reading(name, value, {**self._common, **labels})
        for reading in self._processes():
            yield reading._replace(labels={**self._own, **reading.labels})
        yield Reading("up", 1.0, self._common)

    def _processes(self) -> Iterator[Reading]:
        for name, process in _family():
            labels = {"process": name}
            # A process may end at any time, and its files are its owner's.
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                yield Reading("process_cpu_seconds_total", times.user + times.system, labels)
                yield Reading("process_resident_memory_bytes", float(process.memory_info().rss), labels)
                yield Reading("process_threads", float(process.num_threads()), labels)
                yield Reading("process_open_fds", float(process.num_fds()), labels)
        for generation, (count, seconds) in sorted(self._collections.items()):
            labels = {"process": "worker", "generation": str(generation)}
            yield Reading("python_gc_collections_total", count, labels)
            yield Reading("python_gc_pause_seconds_total", seconds, labels)
        yield Reading("vedette_event_loop_lag_seconds", self._lag, {"process": "worker"})
        self._lag = 0.0


def _family() -> Iterator[tuple[str, psutil.Process]]:
    """The platform's processes by name: the supervisor and its children."""
    with contextlib.suppress(psutil.Error):
        supervisor = psutil.Process(os.getppid())
        yield "supervisor", supervisor
        for child in supervisor.children():
            words = child.cmdline()
            yield next((word for word in words if word in {"server", "worker"}), "engine"), child


def _machine() -> Iterator[Reading]:
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode in _MODES:
            if (seconds := getattr(times, mode, None)) is not None:
                yield Reading("node_cpu_seconds_total", seconds, {"cpu": str(number), "mode": mode})
    for name, load in zip(("node_load1", "node_load5", "node_load15"), psutil.getloadavg(), strict=True):
        yield Reading(name, load, {})
    facts = psutil.cpu_stats()
    yield Reading("node_context_switches_total", float(facts.ctx_switches), {})
    yield Reading("node_intr_total", float(facts.interrupts), {})
    yield Reading("node_boot_time_seconds", psutil.boot_time(), {})
    yield Reading("node_time_seconds", time.time(), {})
    system = platform.uname()
    names = {"nodename": system.node, "release": system.release, "sysname": system.system}
    yield Reading("node_uname_info", 1.0, {**names, "machine": system.machine, "version": system.version})


def _memory() -> Iterator[Reading]:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    for name, field in (
        ("MemTotal", "total"),
        ("MemAvailable", "available"),
        ("MemFree", "free"),
        ("MemUsed", "used"),
        ("Buffers", "buffers"),
        ("Cached", "cached"),
    ):
        if (size := getattr(memory, field, None)) is not None:
            yield Reading(f"node_memory_{name}_bytes", float(size), {})
    yield Reading("node_memory_SwapTotal_bytes", float(swap.total), {})
    yield Reading("node_memory_SwapFree_bytes", float(swap.free), {})


def _disks() -> Iterator[Reading]:
    for part in psutil.disk_partitions(all=False):
        if part.fstype in _UNREAL:
            continue
        labels = {"device": part.device, "fstype": part.fstype, "mountpoint": part.mountpoint}
        with contextlib.suppress(OSError):  # a mount that does not answer, or is not ours to see
            sizes = os.statvfs(part.mountpoint)
            for name, blocks in (("size", sizes.f_blocks), ("free", sizes.f_bfree), ("avail", sizes.f_bavail)):
                yield Reading(f"node_filesystem_{name}_bytes", float(blocks * sizes.f_frsize), labels)
    for device, facts in (psutil.disk_io_counters(perdisk=True) or {}).items():
        labels = {"device": device}
        yield Reading("node_disk_read_bytes_total", float(facts.read_bytes), labels)
        yield Reading("node_disk_written_bytes_total", float(facts.write_bytes), labels)
        yield Reading("node_disk_reads_completed_total", float(facts.read_count), labels)
        yield Reading("node_disk_writes_completed_total", float(facts.write_count), labels)
        yield Reading("node_disk_read_time_seconds_total", facts.read_time / 1000, labels)
        yield Reading("node_disk_write_time_seconds_total", facts.write_time / 1000, labels)
        if hasattr(facts, "busy_time"):
            yield Reading("node_disk_io_time_seconds_total", facts.busy_time / 1000, labels)


def _network() -> Iterator[Reading]:
    for device, facts in psutil.net_io_counters(pernic=True).items():
        labels = {"device": device}
        for way, size, packets, faults, drops in (
            ("receive", facts.bytes_recv, facts.packets_recv, facts.errin, facts.dropin),
            ("transmit", facts.bytes_sent, facts.packets_sent, facts.errout, facts.dropout),
        ):
            yield Reading(f"node_network_{way}_bytes_total", float(size), labels)
            yield Reading(f"node_network_{way}_packets_total", float(packets), labels)
            yield Reading(f"node_network_{way}_errs_total", float(faults), labels)
            yield Reading(f"node_network_{way}_drop_total", float(drops), labels)
    states: dict[str, int] = {}
    with contextlib.suppress(psutil.Error):  # some systems show them to root alone
        for connection in psutil.net_connections(kind="tcp"):
            states[connection.status.lower()] = states.get(connection.status.lower(), 0) + 1
    for state, count in states.items():
        yield Reading("node_tcp_connection_states", float(count), {"state": state})
