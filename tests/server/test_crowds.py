"""Many connections, slow ones, and a query that wants everything: the others are served all the same."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest


def _one_line() -> bytes:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
    record.body.string_value = "line"
    return request.SerializeToString()


def _head(tenant: str, length: int) -> bytes:
    lines = ("POST /v1/logs HTTP/1.1", "Host: x", "Content-Type: application/x-protobuf", f"X-Scope-OrgID: {tenant}")
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


@pytest.fixture(scope="module")
def platform(new_platform, tmp_path_factory):
    limits = ["--body-timeout", "1s", "--query-max-memory", "100MiB", "--max-body-bytes", "2MiB"]
    made = new_platform(tmp_path_factory.mktemp("crowds") / "data", limits).start()
    yield made
    made.stop()


@pytest.fixture
def connect():
    with contextlib.ExitStack() as stack:
        yield lambda port: stack.enter_context(socket.create_connection(("127.0.0.1", port)))


def test_a_thousand_connections_are_held_and_each_is_served(platform, connect):
    body = _one_line()
    crowd = [connect(platform.otlp_http) for _ in range(1000)]
    assert platform.otlp("logs", body).status == 200
    for each in crowd:
        each.sendall(_head("crowd", len(body)) + body)
    for each in crowd:
        assert each.recv(4096).startswith(b"HTTP/1.1 200")
    platform.eventually("SELECT count() FROM logs", 1000, "crowd")


def test_those_who_stop_in_the_middle_are_let_go(platform, connect):
    body = _one_line()
    slow = [connect(platform.otlp_http) for _ in range(100)]
    for each in slow:
        each.sendall(_head("slow", len(body)) + body[:3])
    assert platform.otlp("logs", body, X_Scope_OrgID="slow").status == 200
    for each in slow:
        answer = b""
        while b"nothing came for 1 s after 3 bytes" not in answer:
            piece = each.recv(4096)
            assert piece, answer
            answer += piece
        assert answer.startswith(b"HTTP/1.1 400")
    platform.eventually("SELECT count() FROM logs", 1, "slow")
    assert platform.request("/healthz").status == 200


@pytest.mark.parametrize(
    "asked", ["/api/v1/sql", "/api/v1/views", "/prometheus/api/v1/query", "/prometheus/api/v1/query_range"]
)
def test_questions_that_stop_in_the_middle_are_let_go(platform, connect, asked):
    head = f"POST {asked} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    slow, left = connect(platform.port), connect(platform.port)
    for each in (slow, left):
        each.sendall(head.encode() + b"{")
    left.close()
    answer = _all(slow)
    assert answer[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 408"}
    assert b"The body stopped arriving" in answer
    assert "Traceback" not in platform.log


def test_a_body_over_the_bound_is_told_so_wherever_it_is_read(platform):
    json_type = {"Content-Type": "application/json"}
    for asked in ("/api/v1/sql", "/api/v1/views", "/prometheus/api/v1/query", "/prometheus/api/v1/series"):
        answer = platform.request(asked, b'"' + b"x" * (3 << 20) + b'"', method="POST", headers=json_type)
        assert (answer.status, b"(max_body_bytes)" in answer.body) == (413, True), (asked, answer.body)


def test_heads_without_end_are_let_go(platform, connect):
    silent, slow, long = (connect(platform.otlp_http) for _ in range(3))
    slow.sendall(_head("slow", 3)[:-2])
    with contextlib.suppress(ConnectionError):
        for number in range(20_000):
            long.sendall(f"x-{number}: {'y' * 100}\r\n".encode() if number else _head("long", 3)[:-2])
    assert _all(slow).startswith(b"HTTP/1.1 408")
    assert _all(long)[:12] == b"HTTP/1.1 431"
    assert _all(silent) == b""
    assert platform.request("/healthz").status == 200


def _all(connection: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(4096):
            found += piece
    return found


def test_a_query_that_eats_memory_fails_alone(platform):
    assert platform.otlp("logs", _one_line(), X_Scope_OrgID="greedy").status == 200
    platform.eventually("SELECT count() FROM logs", 1, "greedy")
    greedy = "SELECT length(groupArray(toString(number))) FROM (SELECT arrayJoin(range(100000000)) AS number FROM logs)"
    answers = []

    def eat() -> None:
        answers.append(
            platform.request("/api/v1/sql", greedy.encode(), method="POST", headers={"X-Scope-OrgID": "greedy"})
        )

    eaters = [threading.Thread(target=eat) for _ in range(3)]
    for each in eaters:
        each.start()
    while any(each.is_alive() for each in eaters):
        assert platform.sql("SELECT count() AS n FROM logs", "greedy") == [{"n": 1}]
        assert platform.otlp("logs", b"").status == 200
    for answer in answers:
        assert 400 <= answer.status < 500, answer.body
        assert "memory" in answer.json()["detail"]
    assert platform.request("/readyz").status == 200
