"""Audit events on the disk before the call returns, through kills, full disks and restarts."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from sdk_programs import Collector, Programs, attributes_of, value_of

from vedette.sdk.audit.trail import AuditTrail

SETUP = """
    import vedette
    vedette.configure("shop", audit_file="audit.jsonl", log_format="none")
"""


def test_an_event_says_who_did_what_where_and_in_which_trace(programs, collector):
    programs.run(
        SETUP
        + """
    with vedette.span("refund"), vedette.context(tenant="acme", correlation_id="c-1"):
        receipt = vedette.audit("order.refund", actor="ann@x", target="order/42", result="denied", danger="high",
                                amount=9.99, api_key="s3cret")
    assert receipt.durable
    """
    )
    (event,) = [json.loads(line) for line in (programs.directory / "audit.jsonl").read_text().splitlines()]
    assert (event["action"], event["actor"], event["target"]) == ("order.refund", "ann@x", "order/42")
    assert (event["result"], event["danger"], event["tenant"]) == ("denied", "high", "acme")
    assert event["details"] == {"amount": 9.99, "api_key": "[redacted]"}
    assert event["trace_id"] == collector.spans[0].trace_id.hex()
    assert (programs.directory / "audit.jsonl").stat().st_mode & 0o077 == 0
    (sent,) = collector.logs
    assert (sent.trace_id, sent.span_id) == (collector.spans[0].trace_id, collector.spans[0].span_id)
    assert (sent.event_name, attributes_of(sent)["audit.id"]) == ("audit", event["id"])
    assert value_of(sent.body) == "order.refund by ann@x on order/42: denied"


def test_what_is_no_text_or_no_known_result_is_kept_and_told(programs, collector):
    told = programs.run(
        SETUP
        + """
    class User:
        def __repr__(self): return "User(7)"
    class Broken:
        def __str__(self): raise ValueError("no text")
    for _ in range(2):
        assert vedette.audit("order.refund", actor=User(), target=42, result="sucess", danger="high").durable
    assert vedette.audit("job.done", actor=Broken()).durable
    assert vedette.audit("job.begun").durable
    """
    ).stderr
    events = [json.loads(line) for line in (programs.directory / "audit.jsonl").read_text().splitlines()]
    assert [(event["actor"], event["target"], event["result"]) for event in events[1:3]] == [
        ("User(7)", "42", "sucess"),
        ("<Broken>", None, "success"),
    ]
    assert told == "vedette: an audit event's result is 'sucess'; reviews know success, failure, denied\n"
    assert [value_of(record.body) for record in collector.logs][1:] == [
        "order.refund by User(7) on 42: sucess",
        "job.done by <Broken>: success",
        "job.begun: success",
    ]


def test_what_was_acknowledged_survives_a_kill(programs):
    process = programs.start(
        SETUP
        + """
    number = 0
    while True:
        vedette.audit("a", number=number)
        print(number, flush=True)
        number += 1
    """
    )
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen += [int(line) for line in process.stdout.read().splitlines() if line.isdigit()]
    trail = AuditTrail(programs.directory / "audit.jsonl")
    kept = [event["details"]["number"] for _, event in trail.read()]
    assert set(seen) - {seen[-1]} <= set(kept)


def test_a_disk_that_refuses_is_told_and_never_raises(programs, collector):
    result = programs.run(
        """
        import resource, signal, vedette
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        vedette.configure("shop", audit_file="audit.jsonl", log_format="none")
        vedette.audit("fine")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        print(vedette.audit("lost").durable)
        """
    )
    assert result.stdout == "False\n"
    assert "audit events cannot be written" in result.stderr
    assert {attributes_of(record)["audit.action"] for record in collector.logs} == {"fine", "lost"}


def test_threads_and_processes_share_a_file_without_mixing_lines(programs):
    programs.run(
        SETUP
        + """
    import os, threading
    def work(who):
        for number in range(50):
            vedette.audit("a", who=who, number=number, text="x" * 500)
    children = []
    for child in range(2):
        pid = os.fork()
        if pid == 0:
            threads = [threading.Thread(target=work, args=(f"{child}.{n}",)) for n in range(3)]
            [t.start() for t in threads]; [t.join() for t in threads]
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    """
    )
    events = [event for _, event in AuditTrail(programs.directory / "audit.jsonl").read()]
    assert len({(e["details"]["who"], e["details"]["number"]) for e in events}) == len(events) == 300


def test_shipping_goes_on_where_it_ended_and_repeats_what_was_not_taken(tmp_path):
    path = tmp_path / "audit.jsonl"
    trail = AuditTrail(path)
    for number in range(10):
        trail.append({"id": number})
    taken: list[int] = []
    answers = iter([True, False])

    def send(events: list[dict[str, int]]) -> bool:
        taken.extend(event["id"] for event in events)
        return next(answers, True)

    assert trail.ship(send, batch=4) == 4
    assert AuditTrail(path).ship(send, batch=4) == 6
    assert taken == [0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 8, 9]
    assert AuditTrail(path).ship(send) == 0


def test_a_line_cut_short_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b'{"id":1}\n{"id":2,"act')
    trail = AuditTrail(path)
    trail.append({"id": 3})
    assert [event["id"] for _, event in trail.read()] == [1, 3]
    assert trail.query(id=3) == [{"id": 3}]
    assert path.stat().st_size > 20


def test_lines_that_are_no_audit_events_hold_nothing_up(programs, collector):
    lines = ["7", "[]", '{"action": "older"}', '{"details": 1, "time": 2}', "[" * 100_000, "null"]
    trail_of(programs).write_text("\n".join(lines) + "\n")
    result = programs.run(
        SETUP
        + """
    vedette.audit("a")
    vedette.shutdown()
    from vedette.sdk.audit.events import trail
    from vedette.sdk.guard import drops
    print( [event["action"] for event in trail().query(result="success")], drops())
    """
    )
    assert [attributes_of(record)["audit.action"] for record in collector.logs] == ["a"]
    assert "['a'] {('audit events', 'they are no audit events; they stay in the file'): 2}" in result.stdout
    assert "has a line that is no audit event" in result.stderr


def test_events_that_are_too_large_together_go_apart(programs, collector):
    """An endpoint takes three events at a time, and one of them never."""

    def answer(_path: str) -> tuple[int, dict[str, str], bytes]:
        return (413 if collector.sizes[-1] > 2000 else 200), {}, b""

    collector.answer = answer
    result = programs.run(
        SETUP.replace("log_format", "export=True, process_metrics=False, log_format")
        + """
    for number in range(9):
        vedette.audit("a", number=number, text="x" * (5000 if number == 4 else 10))
    vedette.shutdown()
    from vedette.sdk.guard import drops
    print(drops())
    """,
        VEDETTE_COMPRESSION="none",
    )
    assert [attributes_of(record)["audit.details.number"] for record in collector.logs] == [0, 1, 2, 3, 5, 6, 7, 8]
    assert "the endpoint finds them too large; they stay in the file'): 1" in result.stdout


def test_a_file_that_is_moved_away_is_begun_anew(tmp_path):
    """As logrotate does it; the new one has grown beyond what was sent of the old one when it is looked at."""
    path = tmp_path / "audit.jsonl"
    trail, taken = AuditTrail(path), []

    def send(events: list[dict[str, int]]) -> bool:
        taken.extend(event["id"] for event in events)
        return True

    trail.append({"id": 1})
    trail.ship(send)
    path.rename(tmp_path / "audit.jsonl.1")
    for number in (2, 3, 4):
        trail.append({"id": number})
    trail.ship(send)
    path.unlink()
    trail.append({"id": 5})
    trail.ship(send)
    assert taken == [1, 2, 3, 4, 5]
    assert [event["id"] for _, event in trail.read()] == [5]


def test_what_is_audited_after_the_end_is_in_the_same_file_and_sent_by_the_next(programs, collector):
    """A function that the program registered with atexit before it configured runs after the SDK's own."""
    programs.run(
        """
    import atexit, vedette
    atexit.register(lambda: vedette.audit("stopped", api_key="s3cret"))
    """
        + SETUP
    )
    programs.run(SETUP)
    (sent,) = [attributes_of(record) for record in collector.logs]
    assert (sent["audit.action"], sent["audit.service"]) == ("stopped", "shop")
    assert sent["audit.details.api_key"] == "[redacted]"


def ids_of(collector: Collector) -> list[str]:
    return [attributes_of(record)["audit.id"] for record in collector.logs]


def test_events_are_shipped_after_an_outage_in_order_and_by_the_next_process(programs, collector):
    collector.answer = lambda _path: (503, {}, b"")
    told = programs.run(SETUP + "    for number in range(3): vedette.audit('a', number=number)")
    assert "does not take audit events" in told.stderr
    assert collector.logs == []
    collector.answer = lambda _path: (200, {}, b"")
    programs.run(SETUP)
    programs.run(SETUP + "    vedette.audit('b')")
    programs.run(SETUP)
    assert ids_of(collector) == [event["id"] for _, event in AuditTrail(trail_of(programs)).read()]
    assert len(collector.logs) == 4


def test_a_killed_process_leaves_its_events_to_the_next(programs, collector):
    collector.answer = lambda _path: (503, {}, b"")
    process = programs.start(SETUP + "    print(vedette.audit('a').id, flush=True)\n    import time; time.sleep(600)")
    assert process.stdout is not None
    acknowledged = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.wait()
    collector.answer = lambda _path: (200, {}, b"")
    programs.run(SETUP)
    assert ids_of(collector) == [acknowledged]


def test_the_same_events_are_sent_again_under_the_same_key(programs, collector):
    collector.answer = lambda _path: (503 if len(collector.keys) == 1 else 200, {}, b"")
    programs.run(
        SETUP
        + """
    from vedette.sdk.audit.events import trail
    import time
    vedette.audit("a")
    while trail().behind():
        time.sleep(0.02)
    """,
        VEDETTE_METRICS_INTERVAL_SECONDS="600",
    )
    keys = [key for path, key in collector.keys if path == "/v1/logs"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert len(collector.logs) == 1


def test_processes_that_share_a_file_send_each_event_once(programs, collector):
    programs.run(
        SETUP
        + """
    import os
    from vedette.sdk.audit.events import trail
    import time
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            for number in range(20): vedette.audit("a", number=number)
            vedette.shutdown()
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    vedette.audit("last")
    while trail().behind():
        time.sleep(0.02)
    """
    )
    assert sorted(ids_of(collector)) == sorted(event["id"] for _, event in AuditTrail(trail_of(programs)).read())
    assert len(collector.logs) == 61


def trail_of(programs: Programs) -> Path:
    return programs.directory / "audit.jsonl"
