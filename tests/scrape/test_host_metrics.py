"""The machine, measured by the platform itself."""

from __future__ import annotations

import os
import time

import psutil
from test_scraping import _vector, _wait

from vedette.server.scrape.host import FAMILIES


def test_the_machine_under_the_names_of_node_exporter(make_platform):
    platform = make_platform("--host-metrics", "1s")
    _wait(platform, "up{job='node'}", [1])
    _wait(platform, "node_memory_MemTotal_bytes", [psutil.virtual_memory().total])
    _wait(platform, "count(count by (cpu) (node_cpu_seconds_total{mode='idle'}))", [psutil.cpu_count()])
    _wait(platform, "node_boot_time_seconds", [psutil.boot_time()])
    processes = {dict(one)["process"]: size for one, size in _vector(platform, "process_resident_memory_bytes").items()}
    assert set(processes) == {"supervisor", "engine", "server", "worker"}
    assert all(size > 1e6 for size in processes.values())
    root = os.statvfs("/")
    sizes = _vector(platform, "node_filesystem_size_bytes{mountpoint='/'}")
    assert list(sizes.values()) in ([root.f_blocks * root.f_frsize], [])  # a container's root is an overlay
    # What is counted goes on, and every series belongs to a family that is described.
    _wait(platform, "clamp_max(increase(node_context_switches_total[10s]), 1)", [1])
    names = set(platform.request("/prometheus/api/v1/label/__name__/values").json()["data"])
    assert names <= set(FAMILIES)
    assert {"node_load1", "node_tcp_connection_states", "node_network_receive_bytes_total"} <= names
    while len(known := platform.request("/prometheus/api/v1/metadata").json()["data"]) < len(FAMILIES):
        time.sleep(0.1)
    assert known["node_cpu_seconds_total"][0]["type"] == "counter"
