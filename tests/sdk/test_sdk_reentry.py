"""The SDK is called while it works: by signal handlers, by the garbage collector, and by children forked meanwhile."""

from __future__ import annotations

import json

import pytest

SETUP = """
    import os, signal, sys, threading, vedette
    vedette.configure("reentry", log_format="none", process_metrics=False, audit_file="audit.jsonl", log_rate=3,
                      {sampling})
    log = vedette.get_logger("reentry")
"""
TAIL = "sampling=0.0, tail_keep_slow_seconds=3600"
RATE = "sampling=__import__('vedette.sdk.traces.sampling').sdk.traces.sampling.RateLimited(1e9)"


@pytest.mark.parametrize("sampling", [TAIL, RATE], ids=["tail", "rate"])
def test_handlers_of_signals_may_record_whatever_they_interrupt(programs, sampling):
    """They come some ten thousand times, so that each lock is held when one of them does."""
    programs.run(
        SETUP.format(sampling=sampling)
        + """
    def record(number):
        with vedette.span("work"):
            log.info("record")
        vedette.counter(f"counter_{number % 50}_total")
    depth = [0]
    def handle(*_):
        if not depth[0]:
            depth[0] = 1
            record(handled[0]); handled[0] += 1
            depth[0] = 0
    handled = [0]
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    number = 0
    while handled[0] < 10_000:
        record(number); number += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    """
    )


def test_a_handler_may_audit_while_its_thread_does(programs):
    programs.run(
        SETUP.format(sampling="")
        + """
    signal.signal(signal.SIGUSR1, lambda *_: vedette.audit("from the handler"))
    synced, sync = [], os.fsync
    def fsync(descriptor):
        sync(descriptor)
        if not synced:
            synced.append(descriptor)
            signal.raise_signal(signal.SIGUSR1)
    os.fsync = fsync
    assert vedette.audit("from the program").durable
    """
    )
    lines = (programs.directory / "audit.jsonl").read_text().splitlines()
    assert {json.loads(line)["action"] for line in lines} == {"from the program", "from the handler"}


@pytest.mark.parametrize("sampling", [TAIL, RATE], ids=["tail", "rate"])
def test_children_forked_while_threads_hold_locks_record(programs, sampling):
    result = programs.run(
        SETUP.format(sampling=sampling)
        + """
    sys.setswitchinterval(1e-6)
    going = True
    def busy():
        while going:
            with vedette.span("busy"):
                log.info("busy")
    threads = [threading.Thread(target=busy, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        pid = os.fork()
        if not pid:
            with vedette.span("child"):
                log.info("busy")
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    going = False
    for thread in threads:
        thread.join()
    print("done")
    """
    )
    assert result.stdout == "done\n"
