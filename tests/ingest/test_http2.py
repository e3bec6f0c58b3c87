"""What clients of HTTP/2 may do, what they must not do, and what nobody should."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from http2_client import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    EXPORT,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PRIORITY_FIELDS,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Http2,
    frame,
    message,
    setting,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 1, 3, 5, 6
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11


def spans(name: str, count: int = 1) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(count):
        scope.spans.add(name=name, trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), start_time_unix_nano=1)
    return request.SerializeToString()


@pytest.fixture
def client(shared_platform):
    with Http2(shared_platform.otlp_grpc) as found:
        yield found


def test_a_call_in_single_bytes_is_answered(client):
    call = frame(HEADERS, END_HEADERS, 1, client.block()) + frame(DATA, END_STREAM, 1, message())
    for byte in call:
        client.send(bytes([byte]))
    answer = client.until(1)
    assert answer.fields == [
        {":status": "200", "content-type": "application/grpc", "grpc-accept-encoding": "identity,gzip,deflate,zstd"},
        {"grpc-status": "0"},
    ]
    assert (answer.data, answer.reset) == (message(), None)


def test_fields_in_pieces_with_padding_and_priority_are_read_and_the_end_may_come_alone(client):
    block = client.block()
    first = b"\x03" + bytes(5) + block[:10] + bytes(3)
    client.send(
        frame(HEADERS, PADDED | PRIORITY_FIELDS, 1, first)
        + frame(CONTINUATION, 0, 1, block[10:20])
        + frame(CONTINUATION, END_HEADERS, 1, block[20:])
        + frame(PRIORITY, 0, 1, bytes(5))
        + frame(DATA, PADDED, 1, b"\x02" + message()[:3] + bytes(2))
        + frame(250, 255, 1, b"of a kind that nobody knows")
        + frame(DATA, 0, 1, message()[3:])
        + frame(DATA, END_STREAM, 1)
    )
    assert client.until(1).status == "0"
    client.send(frame(HEADERS, END_HEADERS, 3, client.block()) + frame(DATA, 0, 3, message()))
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, client.encoder.encode([("x-last", "word")])))
    assert client.until(3).status == "0"


def test_calls_side_by_side_are_all_kept(shared_platform, client):
    streams = range(1, 1001, 2)
    for stream in streams:
        client.send(frame(HEADERS, END_HEADERS, stream, client.block(x_scope_orgid="h2-many")))
    for stream in reversed(streams):
        client.send(frame(DATA, END_STREAM, stream, message(spans(f"call {stream}"))))
    client.until(*streams)
    assert {client.answers[stream].status for stream in streams} == {"0"}
    shared_platform.eventually("SELECT count(DISTINCT name) FROM spans", len(streams), "h2-many")


def test_fields_that_enter_no_table_are_read_anew_when_the_table_has_changed(shared_platform, client):
    def text(value: str) -> bytes:
        return bytes((len(value),)) + value.encode()

    # The path as a literal that enters no table, as nghttp2 writes it; the tenant as an entry of the table, or by its place.
    plain = b"\x83\x86\x14" + text(EXPORT) + b"\x0f\x10" + text("application/grpc")
    newest = plain + b"\xbe"
    adding = {tenant: plain + b"\x40" + text("x-scope-orgid") + text(tenant) for tenant in ("h2-first", "h2-second")}
    blocks = [adding["h2-first"], newest, newest, adding["h2-second"], newest, newest]
    for number, block in enumerate(blocks):
        stream = 2 * number + 1
        client.send(frame(HEADERS, END_HEADERS, stream, block))
        client.send(frame(DATA, END_STREAM, stream, message(spans(f"{number}"))))
        assert client.until(stream).status == "0"
    for tenant, names in (("h2-first", "012"), ("h2-second", "345")):
        shared_platform.eventually("SELECT arrayStringConcat(arraySort(groupArray(name))) FROM spans", names, tenant)


def test_a_long_message_goes_through_windows(shared_platform, client):
    content = message(spans("n" * 1000, 3000))
    client.send(frame(HEADERS, END_HEADERS, 1, client.block(x_scope_orgid="h2-long")))
    for at in range(0, len(content), 16_384):
        if at and at % (16_384 * 32) == 0:
            client.until_pong()  # half a window
        client.send(frame(DATA, 0, 1, content[at : at + 16_384]))
    client.send(frame(DATA, END_STREAM, 1))
    assert client.until(1).status == "0"
    shared_platform.eventually("SELECT count() FROM spans", 3000, "h2-long")


def test_an_answer_waits_for_the_clients_windows(shared_platform):
    with Http2(shared_platform.otlp_grpc, setting(4, 0)) as client:
        client.call(1)
        while not client.answers.get(1) or not client.answers[1].fields:
            client.until_pong()
        assert client.answers[1].data == b""
        client.send(frame(WINDOW_UPDATE, 0, 1, (3).to_bytes(4, "big")))
        while not client.answers[1].data:
            client.until_pong()
        assert client.answers[1].data == message()[:3]
        client.send(frame(SETTINGS, 0, 0, setting(4, 100)))
        answer = client.until(1)
        assert (answer.data, answer.status) == (message(), "0")


def test_a_client_without_a_table_is_told_that_there_is_none(shared_platform):
    with Http2(shared_platform.otlp_grpc, setting(1, 0)) as client:
        client.decoder.max_allowed_table_size = 0
        client.until_pong()
        client.call(1)
        assert client.until(1).status == "0"
        assert client.raw_blocks[0][0] == 0x20


def test_a_server_that_stops_answers_what_has_begun(make_platform):
    platform = make_platform()
    with Http2(platform.otlp_grpc) as client:
        client.send(frame(HEADERS, END_HEADERS, 1, client.block()) + frame(DATA, 0, 1, message()[:2]))
        client.until_pong()
        platform.process.send_signal(signal.SIGTERM)
        while client.goaway is None:
            client._take()
        assert client.goaway == (0, "")
        client.send(frame(DATA, END_STREAM, 1, message()[2:]))
        assert client.until(1).status == "0"
        with pytest.raises(ConnectionError):
            client.until(3)


def test_what_is_no_call_is_told_so(shared_platform, client):
    for stream, fields, status, said in (
        (1, {"path": "/nobody.Service/Call"}, "12", "There is no method /nobody.Service/Call"),
        (3, {"grpc_encoding": "snappy"}, "12", "'snappy' is not understood"),
    ):
        client.send(frame(HEADERS, END_HEADERS, stream, client.block(**fields)))
        client.send(frame(DATA, END_STREAM, stream, b"\x01" + message(b"x")[1:]))
        answer = client.until(stream)
        assert answer.status == status
        assert said in answer.fields[-1]["grpc-message"]
    for stream, fields, status in ((5, {"__method": "GET"}, "405"), (7, {"content_type": "text/html"}, "415")):
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block(**fields)))
        answer = client.until(stream)
        assert answer.fields[0][":status"] == status
        assert b"OTLP over gRPC" in answer.data
    with socket.create_connection(("127.0.0.1", shared_platform.otlp_grpc)) as other:
        other.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n")
        said = b""
        while piece := other.recv(4096):
            said += piece
    assert said.startswith(b"\0\0") or b"HTTP/1.1 400" in said
    assert b"OTLP over HTTP has a port of its own" in said


@pytest.mark.parametrize("content", [b"", b"\0", message(b"abc")[:-1], message(b"abc") + b"d", message() + message()])
def test_a_call_has_one_whole_message(client, content):
    client.send(frame(HEADERS, END_HEADERS, 1, client.block()) + frame(DATA, END_STREAM, 1, content))
    answer = client.until(1)
    assert answer.status == "3"
    assert "A unary call has one message" in answer.fields[-1]["grpc-message"]


def test_who_says_at_once_that_a_message_is_too_long_is_answered_at_once(client):
    begin = b"\0" + (1 << 30).to_bytes(4, "big") + b"x"
    client.send(frame(HEADERS, END_HEADERS, 1, client.block()) + frame(DATA, 0, 1, begin))
    answer = client.until(1)
    assert answer.status == "8"
    assert "max_body_bytes" in answer.fields[-1]["grpc-message"]
    client.send(frame(DATA, END_STREAM, 1, b"more of it, on its way"))
    client.call(3)
    assert client.until(3).status == "0"


@pytest.fixture(scope="module")
def strict(new_platform, tmp_path_factory):
    """A platform of little patience and room."""
    limits = ["--body-timeout", "1s", "--max-inflight-bytes", "100000"]
    platform = new_platform(tmp_path_factory.mktemp("strict") / "data", limits).start()
    yield platform
    platform.stop()


def test_a_message_that_stops_arriving_is_given_up(strict):
    with Http2(strict.otlp_grpc) as client, Http2(strict.otlp_grpc, greet=False) as silent:
        client.send(frame(HEADERS, END_HEADERS, 1, client.block()) + frame(DATA, 0, 1, message(b"abc")[:6]))
        answer = client.until(1)
        assert answer.status == "3"
        assert "stopped arriving" in answer.fields[-1]["grpc-message"]
        assert silent.until_goaway()[0] == ENHANCE_YOUR_CALM


def test_a_call_that_is_given_up_gives_its_room_back(strict):
    with Http2(strict.otlp_grpc) as client:
        for stream in range(1, 201, 2):
            part = b"\0" + (60_000).to_bytes(4, "big") + bytes(10_000)
            client.send(frame(HEADERS, END_HEADERS, stream, client.block()) + frame(DATA, 0, stream, part))
            client.send(frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big")))
        client.send(
            frame(HEADERS, END_HEADERS, 201, client.block()) + frame(DATA, 0, 201, message(bytes(90_000))[:16_000])
        )
        client.until_pong()
    with Http2(strict.otlp_grpc) as client:  # also what a lost connection held
        for stream in range(1, 9, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, client.block()))
            client.send(frame(DATA, 0, stream, (b"\0" + (60_000).to_bytes(4, "big") + bytes(16_000))))
            client.until_pong()
        assert not client.ended
        client.send(b"".join(frame(DATA, 0, stream, bytes(16_000)) for stream in (1, 3, 5)))
        assert client.until(5).status == "14"  # beyond the bound, and told when to come back
        assert "google.rpc.retryinfo-bin" in client.answers[5].fields[-1]


FAULTS = {
    "the first frame is not of settings": (None, lambda _: PREFACE + frame(PING, 0, 0, bytes(8)), PROTOCOL_ERROR),
    "a frame is too long": ((), lambda _: frame(DATA, 0, 1, bytes(16_385)), FRAME_SIZE_ERROR),
    "data of no stream": ((), lambda _: frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    "data of a stream that is not open": ((), lambda _: frame(DATA, 0, 9, b"x"), PROTOCOL_ERROR),
    "fields of no stream": ((), lambda c: frame(HEADERS, END_HEADERS, 0, c.block()), PROTOCOL_ERROR),
    "an even stream": ((), lambda c: frame(HEADERS, END_HEADERS, 2, c.block()), STREAM_CLOSED),
    "a stream opened again": (
        (),
        lambda c: frame(HEADERS, END_HEADERS, 5, c.block()) + frame(HEADERS, END_HEADERS, 3, c.block()),
        STREAM_CLOSED,
    ),
    "data behind the end": (
        (),
        lambda c: frame(HEADERS, END_HEADERS | END_STREAM, 1, c.block()) + frame(DATA, 0, 1, b"x"),
        STREAM_CLOSED,
    ),
    "fields within a message": (
        (),
        lambda c: frame(HEADERS, END_HEADERS, 1, c.block()) + frame(HEADERS, END_HEADERS, 1, c.block()),
        PROTOCOL_ERROR,
    ),
    "interrupted fields": (
        (),
        lambda c: frame(HEADERS, 0, 1, c.block()) + frame(PING, 0, 0, bytes(8)),
        PROTOCOL_ERROR,
    ),
    "fields that only continue": ((), lambda c: frame(CONTINUATION, END_HEADERS, 1, c.block()), PROTOCOL_ERROR),
    "fields without end": (
        (),
        lambda c: frame(HEADERS, 0, 1, c.block()) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 4,
        ENHANCE_YOUR_CALM,
    ),
    "fields that unfold": (
        (),
        lambda c: frame(HEADERS, END_HEADERS, 1, c.encoder.encode([("x", "y" * 3000)] * 100)),
        ENHANCE_YOUR_CALM,
    ),
    "fields that are none": ((), lambda _: frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff"), COMPRESSION_ERROR),
    "padding longer than the frame": (
        (),
        lambda _: frame(HEADERS, PADDED | END_HEADERS, 1, b"\xff\x82"),
        PROTOCOL_ERROR,
    ),
    "settings of five bytes": ((), lambda _: frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "a window that cannot be": ((), lambda _: frame(SETTINGS, 0, 0, setting(4, 1 << 31)), FLOW_CONTROL_ERROR),
    "frames that cannot be": ((), lambda _: frame(SETTINGS, 0, 0, setting(5, 1)), PROTOCOL_ERROR),
    "a window that grows by nothing": ((), lambda _: frame(WINDOW_UPDATE, 0, 0, bytes(4)), PROTOCOL_ERROR),
    "a window that grows too far": (
        (),
        lambda _: frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
        FLOW_CONTROL_ERROR,
    ),
    "a window's growth of three bytes": ((), lambda _: frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "a ping of nine bytes": ((), lambda _: frame(PING, 0, 0, bytes(9)), FRAME_SIZE_ERROR),
    "a reset of nothing": ((), lambda _: frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL_ERROR),
    "a reset of three bytes": ((), lambda _: frame(RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE_ERROR),
    "a promise": ((), lambda _: frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), PROTOCOL_ERROR),
    "pings without end": ((), lambda _: frame(PING, 0, 0, bytes(8)) * 6000, ENHANCE_YOUR_CALM),
    "calls that are taken back at once": (
        (),
        lambda c: b"".join(
            frame(HEADERS, END_HEADERS, stream, c.block()) + frame(RST_STREAM, 0, stream, bytes(4))
            for stream in range(1, 12_001, 2)
        ),
        ENHANCE_YOUR_CALM,
    ),
    "settings without end": ((), lambda _: frame(SETTINGS, 0, 0) * 6000, ENHANCE_YOUR_CALM),
    "data of nothing without end": (
        (),
        lambda c: frame(HEADERS, END_HEADERS, 1, c.block()) + frame(DATA, 0, 1) * 6000,
        ENHANCE_YOUR_CALM,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_the_connection_with_its_code(shared_platform, fault):
    settings, said, code = FAULTS[fault]
    with Http2(shared_platform.otlp_grpc, greet=settings is not None) as client:
        client.send(said(client))
        found, reason = client.until_goaway()
    assert found == code
    assert reason
    with Http2(shared_platform.otlp_grpc) as another:
        another.call(1)
        assert another.until(1).status == "0"
