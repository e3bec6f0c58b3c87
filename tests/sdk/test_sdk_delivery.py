"""What arrives when the endpoint is away, slow, refusing or talking rubbish, and when processes are killed."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from sdk_programs import Collector, Programs

ONE_SPAN = """
    import sys, vedette
    vedette.configure("delivery", process_metrics=False)
    with vedette.span(sys.argv[1]):
        pass
"""


@pytest.fixture
def away():
    """An endpoint where nothing listens yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Collector(port=probe.getsockname()[1])


def spooled(directory: Path) -> list[Path]:
    return sorted(directory.glob("spool/delivery/*/*.otlp"))


def test_spans_of_a_finished_program_arrive(programs, collector):
    programs.run(ONE_SPAN, "alone")
    assert collector.names() == ["alone"]


def test_with_the_endpoint_down_the_program_ends_and_a_later_one_delivers_once(tmp_path, away):
    programs = Programs(tmp_path, away.url)
    told = [programs.run(ONE_SPAN, name).stderr for name in ("first", "second")]
    assert all("kept on disk and sent later" in text for text in told)
    assert len(spooled(tmp_path)) == 2
    away.start()
    programs.run(
        """
        import time, vedette
        vedette.configure("delivery", process_metrics=False)
        with vedette.span("third"):
            pass
        vedette.flush()
        time.sleep(1)
        """
    )
    away.stop()
    assert away.names() == ["first", "second", "third"]
    assert not spooled(tmp_path)


def test_an_outage_loses_and_doubles_nothing(tmp_path, away):
    programs = Programs(tmp_path, away.url)
    running = programs.start(
        """
        import sys, vedette
        vedette.configure("delivery", process_metrics=False, export_interval_seconds=0.05)
        number = 0
        for line in sys.stdin:
            for _ in range(300):
                with vedette.span(f"span {number}"):
                    number += 1
            vedette.flush(0.2)
            print(number, flush=True)
        """
    )

    def more() -> None:
        running.stdin.write("go\n")
        running.stdin.flush()
        running.stdout.readline()

    away.start()
    more()
    away.stop()
    for _ in range(4):
        more()
    away.start()
    more()
    away.wait(lambda: len(away.spans) >= 1800)
    running.stdin.close()
    assert running.wait() == 0
    away.stop()
    assert Counter(away.names()) == Counter(f"span {number}" for number in range(1800))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_refusal_that_may_be_retried_is(programs, collector, status):
    answers = iter([(status, {"Retry-After": "0"}, b"busy")] * 2)
    collector.answer = lambda _path: next(answers, (200, {}, b""))
    programs.run(ONE_SPAN, "patient", VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="20")
    if not collector.spans:  # the program may end during the back-off; the spool has the span then
        programs.run(ONE_SPAN + "\n    vedette.flush(); __import__('time').sleep(1)\n", "patient")
    assert collector.names()[:1] == ["patient"]


def test_retry_after_is_waited_for(programs, collector):
    times: list[float] = []

    def answer(_path: str) -> tuple[int, dict[str, str], bytes]:
        times.append(time.monotonic())
        return (429, {"Retry-After": "2"}, b"") if len(times) == 1 else (200, {}, b"")

    collector.answer = answer
    running = programs.start(
        "import vedette, sys\nvedette.configure('delivery', process_metrics=False)\nwith vedette.span('x'): pass\nvedette.flush(0.1)\nimport time; time.sleep(30)"
    )
    collector.wait(lambda: len(times) == 2)
    running.kill()
    assert times[1] - times[0] >= 1.95


@pytest.mark.parametrize("pause", ["inf", "nan", "1e999", "soon", "-5", "Mon, 01 Jan 2024 00:00:00 +9999999999999"])
def test_a_retry_after_that_is_no_time_is_no_end(programs, collector, pause):
    answers = iter([(503, {"Retry-After": pause}, b"")])
    collector.answer = lambda _: next(answers, (200, {}, b""))
    programs.run(
        """
        import time, vedette
        vedette.configure("delivery", export_interval_seconds=0.05)
        with vedette.span("patient"):
            pass
        vedette.flush(1)
        for _ in range(100):
            if vedette.flush(1):
                break
            time.sleep(0.1)
        """
    )
    assert "patient" in collector.names()


def test_a_final_refusal_is_told_and_counted(programs, collector):
    collector.answer = lambda _path: (400, {}, b"malformed")
    told = programs.run(ONE_SPAN, "refused").stderr
    assert "the endpoint refuses traces: HTTP 400 'malformed'" in told
    assert "traces are being dropped: the endpoint refused them" in told
    assert collector.attempts == 1


def test_a_partial_success_is_counted(programs, collector):
    collector.answer = lambda _path: (200, {}, b"\x0a\x02\x08\x05")
    result = programs.run(
        ONE_SPAN + "\n    vedette.flush()\n    from vedette.sdk import guard; print(guard.drops())\n", "partly"
    )
    assert "('traces', 'the endpoint rejected a part'): 5" in result.stdout


def test_rubbish_instead_of_http_is_an_outage(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def babble() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(100)
                    client.sendall(b"\x00\xffSSH-2.0 rubbish\r\n\r\n")

        threading.Thread(target=babble, daemon=True).start()
        programs = Programs(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        programs.run(ONE_SPAN, "kept", VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="1")
        assert len(spooled(tmp_path)) == 1


def test_an_endpoint_that_never_answers_does_not_hold_up_the_program(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        programs = Programs(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        programs.run(ONE_SPAN, "hung", VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="0.5")
        assert len(spooled(tmp_path)) == 1


def test_a_killed_process_leaves_whole_batches_for_the_next(tmp_path, away):
    programs = Programs(tmp_path, away.url)
    running = programs.start(
        """
        import vedette
        vedette.configure("delivery", process_metrics=False, export_interval_seconds=0.01)
        number = 0
        while True:
            with vedette.span(f"span {number}", text="x" * 2000):
                number += 1
            if number % 20 == 0:
                vedette.flush(0.05)
        """
    )
    while len(spooled(tmp_path)) < 30:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = len(spooled(tmp_path))
    away.start()
    later = programs.start("import vedette, time\nvedette.configure('delivery', process_metrics=False)\ntime.sleep(60)")
    away.wait(lambda: len(away.requests) >= kept)
    later.kill()
    away.stop()
    names = Counter(away.names())
    assert set(names.values()) == {1}
    numbers = sorted(int(name.split()[1]) for name in names)
    assert numbers == list(range(len(numbers)))  # no hole before the kill


def test_programs_that_run_for_a_moment_deliver_what_earlier_ones_left(tmp_path, away):
    """In the time that they have for their end; and one takes over the other's directory as it is."""
    programs = Programs(tmp_path, away.url)
    for begin in (0, 10):
        programs.run(
            f"""
            import vedette
            vedette.configure("delivery", process_metrics=False)
            for number in range({begin}, {begin} + 10):
                with vedette.span(f"span {{number}}"):
                    pass
                vedette.flush(0.01)
            """
        )
    (directory,) = {path.parent for path in spooled(tmp_path)}
    assert len(spooled(tmp_path)) > 1
    ended = threading.Event()

    def answer(_path: str) -> tuple[int, dict[str, str], bytes]:
        ended.wait()
        return 200, {}, b""

    away.answer = answer
    away.start()
    moment = programs.start(
        """
        import vedette
        vedette.configure("delivery", process_metrics=False)
        print("done", flush=True)
        """,
        VEDETTE_SHUTDOWN_TIMEOUT_SECONDS="600",
    )
    assert moment.stdout.readline() == "done\n"
    ended.set()
    assert moment.wait() == 0
    away.stop()
    assert sorted(away.names()) == sorted(f"span {number}" for number in range(20))
    assert not directory.exists()


def test_the_spool_is_bounded_and_says_what_it_drops(tmp_path, away):
    programs = Programs(tmp_path, away.url)
    result = programs.run(
        """
        import vedette
        from vedette.sdk import guard
        vedette.configure("delivery", process_metrics=False, spool_bytes=20_000)
        for number in range(50):
            with vedette.span("big", text="x" * 5000):
                pass
            vedette.flush(0.01)
        vedette.shutdown()
        print(guard.drops()[("traces", "the spool is full")])
        """
    )
    held = sum(path.stat().st_size for path in spooled(tmp_path))
    assert 0 < held <= 20_000
    assert int(result.stdout) + len(spooled(tmp_path)) == 50


def test_a_full_disk_is_survived_and_counted(tmp_path, away):
    programs = Programs(tmp_path, away.url)
    result = programs.run(
        """
        import resource, signal, vedette
        from vedette.sdk import guard
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        vedette.configure("delivery", process_metrics=False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with vedette.span("lost"):
            pass
        vedette.shutdown()
        print(guard.drops())
        """
    )
    assert "('traces', 'the spool cannot be written'): 1" in result.stdout
    assert "cannot be written" in result.stderr
    assert not list(tmp_path.glob("spool/delivery/*/*.part"))


def test_a_spool_that_others_can_write_is_refused(tmp_path, away):
    (tmp_path / "spool" / "delivery").mkdir(parents=True)
    (tmp_path / "spool" / "delivery").chmod(0o777)
    told = Programs(tmp_path, away.url).run(ONE_SPAN, "lost").stderr
    assert "can be written by others" in told
    assert not spooled(tmp_path)


def test_terminated_programs_deliver_first_and_die_of_the_signal(programs, collector):
    running = programs.start(
        """
        import time, vedette
        vedette.configure("delivery", process_metrics=False, export_interval_seconds=60)
        with vedette.span("before the end"):
            pass
        print("ready", flush=True)
        time.sleep(60)
        """
    )
    assert running.stdout is not None
    running.stdout.readline()
    running.terminate()
    assert running.wait() == -signal.SIGTERM
    assert collector.names() == ["before the end"]


def test_a_full_queue_drops_and_counts(programs, collector):
    result = programs.run(
        """
        import sys, vedette
        from vedette.sdk import guard
        vedette.configure("delivery", process_metrics=False, queue_size=10)
        sys.setswitchinterval(100)
        for _ in range(1000):
            with vedette.span("x"):
                pass
        vedette.shutdown()
        print(guard.drops()[("spans", "the queue is full")])
        """
    )
    assert int(result.stdout) + len(collector.spans) == 1000
    assert int(result.stdout) > 0
