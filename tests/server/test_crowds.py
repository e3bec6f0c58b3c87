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


def _head(length: int) -> bytes:
    return (
        f"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.fixture
def connect():
    with contextlib.ExitStack() as stack:
        yield lambda port: stack.enter_context(socket.create_connection(("127.0.0.1", port)))


def test_a_thousand_connections_are_held_and_each_is_served(platform, connect):
    body = _one_line()
    crowd = [connect(platform.otlp_http) for _ in range(1000)]
    assert platform.otlp("logs", body).status == 200
    for each in crowd:
        each.sendall(_head(len(body)) + body)
    for each in crowd:
        assert each.recv(4096).startswith(b"HTTP/1.1 200")
    platform.eventually("SELECT count() FROM logs", 1001)


def test_those_who_stop_in_the_middle_are_let_go(make_platform, connect):
    platform = make_platform("--body-timeout", "1s")
    body = _one_line()
    slow = [connect(platform.otlp_http) for _ in range(100)]
    for each in slow:
        each.sendall(_head(len(body)) + body[:3])
    assert platform.otlp("logs", body).status == 200
    for each in slow:
        answer = each.recv(4096)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"nothing came for 1 s after 3 bytes" in answer
    platform.eventually("SELECT count() FROM logs", 1)
    assert platform.request("/healthz").status == 200


def test_a_query_that_eats_memory_fails_alone(make_platform):
    platform = make_platform("--query-max-memory", "100MiB")
    assert platform.otlp("logs", _one_line()).status == 200
    platform.eventually("SELECT count() FROM logs", 1)
    greedy = "SELECT length(groupArray(toString(number))) FROM (SELECT arrayJoin(range(100000000)) AS number FROM logs)"
    answers = []

    def eat() -> None:
        answers.append(platform.request("/api/v1/sql", greedy.encode(), method="POST"))

    eaters = [threading.Thread(target=eat) for _ in range(3)]
    for each in eaters:
        each.start()
    while any(each.is_alive() for each in eaters):
        assert platform.sql("SELECT count() AS n FROM logs") == [{"n": 1}]
        assert platform.otlp("logs", b"").status == 200
    for answer in answers:
        assert 400 <= answer.status < 500, answer.body
        assert "memory" in answer.json()["detail"]
    assert platform.request("/readyz").status == 200
