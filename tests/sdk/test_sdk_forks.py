"""What arrives from processes that fork: each span and log record once, from the process whose it is."""

from __future__ import annotations

from collections import Counter

import pytest
from sdk_programs import attributes_of

FORKS = {
    "os.fork": """
        import os
        pid = os.fork()
        work("child" if pid == 0 else "parent")
        if pid:
            os.waitpid(pid, 0)
    """,
    "multiprocessing fork": """
        import multiprocessing
        child = multiprocessing.get_context("fork").Process(target=work, args=("child",))
        child.start(); work("parent"); child.join()
    """,
    "process pool": """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pool.map(work, ["child"])
            pool.close(); pool.join()
        work("parent")
    """,
}


@pytest.mark.parametrize("how", FORKS)
def test_parent_and_forked_child_each_deliver_their_own_once(programs, collector, how):
    programs.run(
        """
        import vedette
        vedette.configure("delivery", process_metrics=False)
        def work(who):
            with vedette.span(who):
                pass
        work("before")
        """
        + FORKS[how]
    )
    assert collector.names() == ["before", "child", "parent"]
    by_name = {span.name: span for span in collector.spans}
    assert by_name["child"].span_id != by_name["parent"].span_id
    ids = {
        next(a.value.int_value for a in r.resource.attributes if a.key == "process.pid")
        for r in collector.resources("/v1/traces")
    }
    assert len(ids) == 2


@pytest.mark.parametrize("options", ["", "sampling=0.0, tail_keep_slow_seconds=0,"])
def test_a_span_that_is_open_when_a_process_forks_is_the_parents_alone(programs, collector, options):
    """The child's own spans and log records go on with its trace."""
    programs.run(
        f"""
        import os, vedette
        from opentelemetry import trace
        vedette.configure("delivery", {options} process_metrics=False)
        class Processor:
            seen = []
            def on_start(self, span, parent_context=None): pass
            def on_end(self, span): self.seen.append(span.name)
            def shutdown(self): pass
            def force_flush(self, timeout_millis=0): return True
        trace.get_tracer_provider().add_span_processor(Processor())
        aside = trace.get_tracer("t").start_span("aside", record_exception=False)
        with vedette.span("outer"), vedette.span("inner") as inner:
            pid = os.fork()
            who = "parent" if pid else "child"
            inner.set_attribute("who", who)
            with vedette.span(who):
                vedette.get_logger("t").info(who)
                with vedette.span("of the " + who): pass
        aside.end()
        assert ("inner" in Processor.seen) is bool(pid) and who in Processor.seen, Processor.seen
        with vedette.span("later in the " + who): pass
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
        """
    )
    every = ["aside", "child", "inner", "later in the child", "later in the parent", "of the child", "of the parent"]
    assert collector.names() == sorted([*every, "outer", "parent"])
    by_name = {span.name: span for span in collector.spans}
    assert attributes_of(by_name["inner"])["who"] == "parent"
    for who in ("parent", "child"):
        assert by_name[who].parent_span_id == by_name["inner"].span_id
        assert by_name[f"of the {who}"].parent_span_id == by_name[who].span_id
        record = next(record for record in collector.logs if record.body.string_value == who)
        assert (record.trace_id, record.span_id) == (by_name["outer"].trace_id, by_name[who].span_id)


def test_a_fork_while_the_threads_are_busy_does_not_hang(programs, collector):
    result = programs.run(
        """
        import os, threading, vedette
        vedette.configure("delivery", process_metrics=False, export_interval_seconds=0.01)
        stop = False
        def busy():
            while not stop:
                with vedette.span("busy"):
                    pass
                vedette.flush(0.01)
        threads = [threading.Thread(target=busy, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = []
        for number in range(20):
            pid = os.fork()
            if pid == 0:
                with vedette.span(f"child {number}"):
                    pass
                vedette.shutdown()
                os._exit(0)
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        stop = True
        """
    )
    names = Counter(name for name in collector.names() if name.startswith("child"))
    assert names == Counter(f"child {number}" for number in range(20)), result.stderr


def test_a_fork_waits_for_what_the_exporting_thread_loads(programs, collector):
    """A module that is half loaded when the process forks is never loaded in the child: who asks for it waits for ever."""
    programs.write("import time\ntime.sleep(2.5)\n", "slow_to_load.py")
    programs.run(
        """
        import os, threading, vedette
        from opentelemetry import metrics
        vedette.configure("delivery", process_metrics=False)
        loading = threading.Event()
        def read(_):
            loading.set()
            import slow_to_load
            return [metrics.Observation(1)]
        metrics.get_meter("loading").create_observable_gauge("loaded", [read])
        threading.Thread(target=vedette.flush, daemon=True).start()
        loading.wait()
        pid = os.fork()
        if pid == 0:
            with vedette.span("child"):
                pass
            vedette.shutdown()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        """,
        VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="10",
    )
    assert "child" in collector.names()


def test_a_spawned_child_configures_itself(programs, collector):
    programs.run(
        """
        import multiprocessing, vedette
        vedette.configure("delivery", process_metrics=False)
        def work(who):
            with vedette.span(who):
                pass
        if __name__ == "__main__":
            child = multiprocessing.get_context("spawn").Process(target=work, args=("child",))
            child.start(); child.join(); work("parent")
        """
    )
    assert collector.names() == ["child", "parent"]
