"""What forks and processes do to metrics, in real ones; and what is watched of a process and its host."""

from __future__ import annotations

from typing import Any

import pytest
from sdk_programs import attributes_of

HELD_AT_A_FORK = {
    "by a collection": """
        library = threading.Lock()  # as prometheus_client has them for each value
        class Slow:
            def describe(self): return []
            def collect(self):
                with library:
                    inside.set()
                    forking.wait()
                    sum(range(1_000_000))
                return []
        p.REGISTRY.register(Slow())
        os.register_at_fork(before=forking.set)
        threading.Thread(target=vedette.metrics_text, daemon=True).start()
        def in_child():
            with library: pass
    """,
    "by the program's own thread": """
        class Slow(float):
            def __radd__(self, other):
                inside.set()
                threading.Event().wait()
        def count(): theirs.labels("x").inc(Slow(1))
        threading.Thread(target=count, daemon=True).start()
        def in_child(): theirs.labels("x").inc(4)
    """,
}


@pytest.mark.parametrize("held", HELD_AT_A_FORK.values(), ids=HELD_AT_A_FORK)
def test_a_fork_while_a_lock_of_prometheus_client_is_held_leaves_a_child_that_counts(programs, collector, held):
    programs.run(
        """
        import os, threading, prometheus_client as p, vedette
        vedette.configure("forking", log_format="none", process_metrics=False, metrics_interval_seconds=3600)
        theirs = p.Counter("theirs", "t", ["a"])
        theirs.labels("x").inc(3)
        inside, forking = threading.Event(), threading.Event()
"""
        + held
        + """
        inside.wait()
        pid = os.fork()
        if not pid:
            in_child()
            vedette.counter("child_total").inc()
            assert vedette.flush()
        else:
            os._exit(os.waitpid(pid, 0)[1])
        """
    )
    pushed = {metric.name: metric for metric in collector.metrics}
    assert pushed["child_total"].sum.data_points[0].as_int == 1
    assert pushed["theirs_total"].sum.data_points[0].as_int == (4 if "inc(4)" in held else 0)


def test_a_forked_child_begins_at_zero(programs, collector):
    programs.run(
        """
        import os, vedette
        count = vedette.counter("count_total")
        vedette.configure("x", process_metrics=False, metrics_interval_seconds=3600)
        count.inc(5)
        pid = os.fork()
        if pid == 0:
            count.inc(2); vedette.shutdown(); os._exit(0)
        os.waitpid(pid, 0)
        """
    )
    assert sorted(m.sum.data_points[0].as_int for m in collector.metrics if m.name == "count_total") == [2, 5]


def test_children_that_configure_themselves_begin_at_zero(programs, collector):
    """As a server's do that loads its application before it forks them. What gauges were set to stays."""
    programs.run(
        """
        import os, vedette
        count, took = vedette.counter("count_total", labels=["kind"]), vedette.histogram("took")
        level = vedette.gauge("level")
        count.labels("a").inc(5); took.observe(1); level.set(3)
        for _ in range(2):
            pid = os.fork()
            if not pid:
                vedette.configure("x", process_metrics=False, metrics_interval_seconds=3600)
                count.labels("a").inc(2); took.observe(1)
                vedette.shutdown()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        """
    )
    points: dict[str, list[Any]] = {}
    for metric in collector.metrics:
        held = getattr(metric, metric.WhichOneof("data")).data_points
        points.setdefault(metric.name, []).extend(held)
    assert [point.as_int for point in points["count_total"]] == [2, 2]
    assert [point.count for point in points["took"]] == [1, 1]
    assert [point.as_int for point in points["level"]] == [3, 3]


def test_what_prometheus_client_counted_before_children_that_configure_themselves_is_told_by_none(programs, collector):
    """Also if a thread of the server's is counting when it forks them."""
    programs.run(
        """
        import os, threading, prometheus_client as p, vedette
        loaded = p.Counter("loaded", "l", ["kind"])
        took = p.Histogram("took_seconds", "t", buckets=[1, 2])
        busy = p.Counter("busy", "b")
        inside = threading.Event()
        class Slow(float):
            def __radd__(self, other):
                inside.set()
                threading.Event().wait()
        loaded.labels("a").inc(5); took.observe(1.5); took.observe(3)
        threading.Thread(target=busy.inc, args=[Slow(1)], daemon=True).start()
        inside.wait()
        for _ in range(2):
            pid = os.fork()
            if not pid:
                vedette.configure("x", process_metrics=False, metrics_interval_seconds=3600)
                loaded.labels("a").inc(2); took.observe(0.5); took.observe(1.5); busy.inc(3)
                vedette.shutdown()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        os._exit(0)
        """
    )
    found: dict[str, list[Any]] = {}
    for metric in collector.metrics:
        found.setdefault(metric.name, []).append(getattr(metric, metric.WhichOneof("data")).data_points[0])
    assert [point.as_int for point in found["loaded_total"]] == [2, 2]
    assert [point.as_int for point in found["busy_total"]] == [3, 3]
    assert [(p.count, p.sum, *p.bucket_counts) for p in found["took_seconds"]] == [(2, 2, 1, 1, 0), (2, 2, 1, 1, 0)]


def test_process_and_host_are_watched(programs, collector):
    programs.run("import gc, vedette\nvedette.configure('x', host_metrics=True)\ngc.collect()")
    found = {metric.name: metric for metric in collector.metrics}
    value = {name: m.gauge.data_points[0] for name, m in found.items() if m.HasField("gauge")}
    assert value["process_resident_memory_bytes"].as_int > 1_000_000
    assert value["process_open_fds"].as_int > 2
    assert found["process_cpu_seconds_total"].sum.data_points[0].as_double > 0
    assert found["python_gc_pause_seconds"].histogram.data_points[0].count >= 1
    cores = {attributes_of(p)["core"] for p in found["host_cpu_seconds_total"].sum.data_points}
    assert "0" in cores
    memory = {attributes_of(p)["state"]: p.as_int for p in found["host_memory_bytes"].gauge.data_points}
    assert memory["total"] == memory["used"] + memory["available"]
    load = {attributes_of(p)["minutes"] for p in found["host_load_average"].gauge.data_points}
    assert load == {"1", "5", "15"}
    disk = {tuple(attributes_of(p).values()): p.as_int for p in found["host_disk_bytes"].gauge.data_points}
    assert disk["/", "total"] > disk["/", "free"] > 0  # also where it is an overlay, as in a container
    sent = {tuple(attributes_of(p).values()) for p in found["host_network_bytes_total"].sum.data_points}
    assert {("lo", "receive"), ("lo", "transmit")} <= sent
    states = {attributes_of(p)["state"]: p.as_int for p in found["host_tcp_connections"].gauge.data_points}
    assert states["listen"] >= 1  # the collector's
    assert {attributes_of(p)["kind"] for p in found["process_context_switches_total"].sum.data_points} == {
        "voluntary",
        "involuntary",
    }


def test_what_prometheus_client_counted_before_a_fork_is_told_by_the_parent_alone(programs, collector):
    """A server that loads its application before it forks its workers would tell it once for each of them."""
    told = programs.run(
        """
        import os, prometheus_client as p, vedette
        vedette.configure("preloaded", process_metrics=False, log_format="none", metrics_interval_seconds=3600)
        loaded = p.Counter("loaded", "l", ["kind"])
        took = p.Histogram("took_seconds", "t", buckets=[1, 2])
        sizes = p.Summary("sizes", "s")
        level = p.Gauge("level", "g")
        again = p.Counter("again", "set back in the child")
        def count(factor):
            for kind in ("a", "b"):
                loaded.labels(kind).inc(factor)
            for seconds in (0.5, 1.5, 3.0):
                for _ in range(factor):
                    took.observe(seconds)
            sizes.observe(10 * factor)
            level.inc(factor)
            again.inc(factor)
        count(5)
        for number in range(2):
            pid = os.fork()
            if not pid:
                again.reset()
                count(1)
                loaded.labels("new").inc()
                print(vedette.metrics_text(), end="", flush=True)
                assert vedette.flush()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        print(p.generate_latest().decode(), end="")
        """
    ).stdout
    assert told.count('loaded_total{kind="a"} 1\n') == 2
    assert told.count('loaded_total{kind="a"} 5.0\n') == 1  # the library's own exposition is its own
    found: dict[str, list[Any]] = {}
    for metric in collector.metrics:
        found.setdefault(metric.name, []).append(metric)
    loads = [{attributes_of(point)["kind"]: point.as_int for point in m.sum.data_points} for m in found["loaded_total"]]
    assert sorted(loads, key=str) == [{"a": 1, "b": 1, "new": 1}, {"a": 1, "b": 1, "new": 1}, {"a": 5, "b": 5}]
    times = [metric.histogram.data_points[0] for metric in found["took_seconds"]]
    assert sorted((point.count, point.sum, *point.bucket_counts) for point in times) == [
        (3, 5, 1, 1, 1), (3, 5, 1, 1, 1), (15, 25, 5, 5, 5)
    ]  # fmt: skip
    summed = [metric.summary.data_points[0] for metric in found["sizes"]]
    assert sorted((point.count, point.sum) for point in summed) == [(1, 10), (1, 10), (1, 50)]
    assert sorted(metric.sum.data_points[0].as_int for metric in found["again_total"]) == [1, 1, 5]
    assert sorted(metric.gauge.data_points[0].as_int for metric in found["level"]) == [5, 6, 6]
