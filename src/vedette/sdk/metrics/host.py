"""What the host uses: CPU per core, load, memory, disks, network, connections; from Linux' `/proc`.

The counts of the kernel are shown as they are, since boot. Rates are the reader's business.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.sdk.guard import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vedette.sdk.metrics.registry import Registry

__all__ = ["watch_host"]

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_SECTOR_BYTES = 512
_TCP_STATES = (
    "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack",
    "listen", "closing",
)  # fmt: skip
_PSEUDO = frozenset(
    ("proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "overlay", "squashfs", "nsfs")
)


def _rows(path: str) -> Iterator[list[str]]:
    for line in Path(path).read_text().splitlines():
        yield line.replace(":", " ").split()


class _HostWatch:
    def __init__(self, registry: Registry) -> None:
        gauge, observed = registry.gauge, registry.observed_counter
        self._cpu = observed("host_cpu_seconds_total", "CPU time since boot", ["core", "mode"], unit="s")
        self._load = gauge("host_load_average", "Load average", ["minutes"])
        self._memory = gauge("host_memory_bytes", "Memory", ["state"], unit="By")
        self._disk = gauge("host_disk_bytes", "Space of a mounted filesystem", ["mount", "state"], unit="By")
        self._io = observed("host_disk_io_bytes_total", "Bytes read and written", ["device", "direction"], unit="By")
        self._network = observed("host_network_bytes_total", "Bytes", ["interface", "direction"], unit="By")
        self._connections = gauge("host_tcp_connections", "TCP connections", ["state"])

    def __call__(self) -> None:
        for part in (self._processors, self._memories, self._filesystems, self._devices, self._networks, self._tcp):
            try:
                part()
            except (OSError, ValueError, IndexError, KeyError) as error:
                tell(f"host {part.__name__}", f"host metrics are incomplete: {error}")

    def _processors(self) -> None:
        for row in _rows("/proc/stat"):
            if row[0].startswith("cpu") and row[0] != "cpu":
                for mode, ticks in zip(_MODES, row[1:], strict=False):
                    self._cpu.labels(row[0][3:], mode).set(int(ticks) / _TICKS)
        for minutes, load in zip(("1", "5", "15"), os.getloadavg(), strict=True):
            self._load.labels(minutes).set(load)

    def _memories(self) -> None:
        found = {row[0]: int(row[1]) * 1024 for row in _rows("/proc/meminfo") if len(row) > 1}
        total, available = found["MemTotal"], found["MemAvailable"]
        for state, value in (("total", total), ("available", available), ("used", total - available)):
            self._memory.labels(state).set(value)

    def _filesystems(self) -> None:
        for _, mount, kind, *_ in _rows("/proc/self/mounts"):
            if mount != "/" and (kind in _PSEUDO or mount.startswith(("/proc", "/sys", "/dev", "/etc/"))):
                continue
            try:
                held = os.statvfs(mount)
            except OSError:  # not ours to look at
                continue
            total, free = held.f_blocks * held.f_frsize, held.f_bavail * held.f_frsize
            for state, value in (("total", total), ("free", free), ("used", total - held.f_bfree * held.f_frsize)):
                self._disk.labels(mount, state).set(value)

    def _devices(self) -> None:
        for row in _rows("/proc/diskstats"):
            if not row[2].startswith(("loop", "ram", "dm-")):
                self._io.labels(row[2], "read").set(int(row[5]) * _SECTOR_BYTES)
                self._io.labels(row[2], "write").set(int(row[9]) * _SECTOR_BYTES)

    def _networks(self) -> None:
        for row in list(_rows("/proc/net/dev"))[2:]:
            self._network.labels(row[0], "receive").set(int(row[1]))
            self._network.labels(row[0], "transmit").set(int(row[9]))

    def _tcp(self) -> None:
        states: Counter[str] = Counter(dict.fromkeys(_TCP_STATES, 0))
        for path in ("/proc/net/tcp", "/proc/net/tcp6"):
            if Path(path).exists():
                for line in Path(path).read_text().splitlines()[1:]:
                    state = int(line.split()[3], 16)
                    if 1 <= state <= len(_TCP_STATES):
                        states[_TCP_STATES[state - 1]] += 1
        for name, connections in states.items():
            self._connections.labels(name).set(connections)


_watched: set[int] = set()


def watch_host(registry: Registry) -> None:
    """Report the host in `registry`, once."""
    if id(registry) not in _watched:
        _watched.add(id(registry))
        registry.observers.append(_HostWatch(registry))
