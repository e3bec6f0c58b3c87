"""Answers that are valid and odd, or no answers at all: none of them ends the sending, and nothing is lost unsaid."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from sdk_elasticsearch import Elasticsearch
from sdk_programs import Collector, Programs

DRAIN = """
    import pathlib, time
    while not vedette.flush(60) or any(pathlib.Path("spool").rglob("*.otlp")):
        time.sleep(0.02)
"""
ONE_SPAN = """
    import sys, vedette
    vedette.configure("answers", process_metrics=False, log_format="none")
    with vedette.span(sys.argv[1]):
        pass
"""
ONE_DOCUMENT = """
    import sys, vedette
    vedette.configure("shop", export=False, log_format="none", elasticsearch_url=sys.argv[1], process_metrics=False)
    vedette.get_logger("shop").info("kept")
"""
DROPS = """
    from vedette.sdk.guard import drops
    for (signal, reason), count in drops().items():
        print(signal, reason, count, sep=": ")
"""


@pytest.mark.parametrize("length", [130, 1030, 5000])
def test_a_partial_success_with_a_long_message_is_counted_and_told(programs, collector, length):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 7
    answer.partial_success.error_message = "too old " + "x" * length
    collector.answer = lambda _path: (200, {}, answer.SerializeToString())
    result = programs.run(ONE_SPAN + "\n    vedette.flush()\n" + DROPS, "partly")
    assert "traces: the endpoint rejected a part: 7\n" in result.stdout
    assert "the endpoint refuses some traces: too old xxx" in result.stderr


def test_a_warning_of_the_endpoint_is_told(programs, collector):
    answer = ExportTraceServiceResponse()
    answer.partial_success.error_message = "use another port"
    collector.answer = lambda _path: (200, {}, answer.SerializeToString())
    result = programs.run(ONE_SPAN + "\n    vedette.flush()\n" + DROPS, "taken")
    assert "the endpoint takes traces and warns: use another port" in result.stderr
    assert not result.stdout


def test_a_redirection_says_where_to(programs, collector):
    collector.answer = lambda _path: (308, {"Location": "https://other.example/v1/traces"}, b"")
    told = programs.run(ONE_SPAN, "moved").stderr
    assert "the endpoint refuses traces: HTTP 308 to 'https://other.example/v1/traces'" in told


def test_what_comes_byte_by_byte_is_given_up_and_sent_again(tmp_path, collector):
    """The first connection is answered by a byte now and then, for ever; each comes before a timeout would end it."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip(client: socket.socket) -> None:
            client.recv(1 << 16)
            with contextlib.suppress(OSError):
                client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not ended.wait(0.05):
                    client.sendall(b"a")

        def pass_on(client: socket.socket) -> None:
            with client, socket.create_connection(("127.0.0.1", collector.port)) as onward:
                both = [(client, onward), (onward, client)]
                threads = [threading.Thread(target=pump, args=pair, daemon=True) for pair in both]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

        def pump(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with contextlib.suppress(OSError):
                first = server.accept()[0]
                threading.Thread(target=drip, args=(first,), daemon=True).start()
                while True:
                    threading.Thread(target=pass_on, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        programs = Programs(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        programs.run(ONE_SPAN + DRAIN, "patient", VEDETTE_TIMEOUT_SECONDS="0.5")
        ended.set()
    assert collector.names() == ["patient"]


@pytest.mark.parametrize("said", [[], {"errors": True}, {"errors": True, "items": [{}]}, {"errors": True, "items": 1}])
def test_what_is_no_answer_to_a_bulk_is_an_outage(programs, said, monkeypatch):
    running = Elasticsearch().start()
    real, odd = running.answer, iter([said])

    def answer(*request: Any) -> tuple[int, Any]:
        return (200, rubbish) if (rubbish := next(odd, None)) is not None else real(*request)

    monkeypatch.setattr(running, "answer", answer)
    programs.run(
        ONE_DOCUMENT + DRAIN,
        running.url,
    )
    running.stop()
    assert [document["message"] for document in running.documents.values()] == ["kept"]


SPANS = """
    import sys, vedette
    from vedette.sdk.guard import drops
    vedette.configure("answers", process_metrics=False, log_format="none")
    def span(name):
        with vedette.span(name):
            pass
        vedette.flush(0.2)
"""


def test_damaged_files_in_the_spool_are_told_and_hold_nothing_up(tmp_path):
    away = Collector(port=unused_port())
    programs = Programs(tmp_path, away.url)
    for name in ("first", "second"):
        programs.run(ONE_SPAN, name)
    (directory,) = (tmp_path / "spool" / "answers").iterdir()
    odd = [
        b"",
        b"\0" * 100,
        b'["traces", 1, ""]\nolder',
        b'["traces", Infinity, "", "k"]\n',
        b"[" * 100_000,
        b'["tra\\nces", 1, "", "k"]\n',
        b'["traces", 1, "a\\r\\nb", "k"]\n',
        b'{"a": 1, "b": 2, "c": 3, "d": 4}\n',
    ]
    for number, content in enumerate(odd):
        (directory / f"{number:020d}-000001.otlp").write_bytes(content)
    away.start()
    result = programs.run(ONE_SPAN + DRAIN + DROPS, "third")
    away.stop()
    assert away.names() == ["first", "second", "third"]
    assert f"batches: their files in the spool are gone or damaged: {len(odd)}\n" in result.stdout
    assert "in the spool is gone or damaged" in result.stderr


def test_a_spool_that_is_tidied_away_is_made_again(tmp_path):
    away = Collector(port=unused_port())
    programs = Programs(tmp_path, away.url)
    program = """
    import shutil
    span("gone")
    shutil.rmtree("spool")
    span("kept")
    vedette.shutdown()
    print(drops())
    """
    result = programs.run(SPANS + program)
    assert "cannot be written" not in result.stdout
    away.start()
    programs.run(ONE_SPAN + DRAIN, "later")
    away.stop()
    assert away.names() == ["kept", "later"]


def test_a_program_with_too_many_open_files_keeps_its_spool(tmp_path):
    """Its connection is open when it has no descriptor left to read a file by."""
    taken = threading.Event()
    collector = Collector(answer=lambda _path: (200, {}, b"") if taken.is_set() else (503, {}, b"")).start()
    programs = Programs(tmp_path, collector.url)
    process = programs.start(
        SPANS
        + """
    import os, pathlib, resource
    import vedette.sdk.export.spool as spool
    told = []
    spool.tell = lambda _, sentence: told.append(sentence)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for number in range(3):
        span(f"kept {number}")
    files = []
    try:
        while True:
            files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        print("full", flush=True)
    sys.stdin.readline()
    while not any("cannot be read" in said for said in told):
        span("meanwhile")
    for file in files:
        os.close(file)
    while list(pathlib.Path("spool").rglob("*.otlp")):
        span("afterwards")
    print(drops(), flush=True)
    """
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "full\n"
    taken.set()
    out, err = process.communicate("\n")
    collector.stop()
    assert process.returncode == 0, err
    assert [name for name in collector.names() if name.startswith("kept")] == ["kept 0", "kept 1", "kept 2"]
    assert "gone or damaged" not in out


MANY_SERIES = """
    import vedette
    vedette.configure("answers", process_metrics=False, log_format="none", spool_dir="off", compression="none")
    seconds = vedette.histogram("seconds", "Time", labels=["where", "note"])
    for number in range(9_000):
        seconds.labels(str(number), "n" * 400).observe(1)
    vedette.flush()
"""


def test_many_series_arrive_though_they_are_more_than_may_wait_in_memory(programs, collector):
    result = programs.run(MANY_SERIES + DROPS)
    assert not result.stdout
    points = {
        point.attributes[0].value.string_value
        for metric in collector.metrics
        if metric.name == "seconds"
        for point in metric.histogram.data_points
    }
    assert len(points) == 9_000
    assert max(int(headers["Content-Length"]) for _, headers, _ in collector.requests) < 1_100_000


def test_what_grpc_refuses_as_too_large_holds_nothing_up(tmp_path):
    def refuse(request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> None:
        if "too large" in names_of(request):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max")

    taken, told = run_by_grpc(tmp_path, refuse, [ONE_SPAN.replace("sys.argv[1]", "'too large'") + THEN_ANOTHER])
    assert taken == ["another"]
    assert "the endpoint refuses traces: RESOURCE_EXHAUSTED" in told


def test_what_grpc_cannot_take_now_comes_again_when_it_says(tmp_path):
    seen: list[str] = []
    # google.rpc.Status: code 8, and as its detail google.rpc.RetryInfo with a delay of 10 ms.
    kind, delay = b"type.googleapis.com/google.rpc.RetryInfo", b"\x0a\x05\x10\x80\xad\xe2\x04"
    detail = b"\x0a" + bytes([len(kind)]) + kind + b"\x12" + bytes([len(delay)]) + delay
    status = b"\x08\x08\x1a" + bytes([len(detail)]) + detail

    def once(_request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> None:
        seen.append("")
        if len(seen) == 1:
            context.set_trailing_metadata((("grpc-status-details-bin", status),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    taken, _ = run_by_grpc(tmp_path, once, [ONE_SPAN.replace("sys.argv[1]", "'again'") + DRAIN])
    assert taken == ["again"]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_was_kept_for_http_arrives_by_grpc(tmp_path, compression):
    Programs(tmp_path, f"http://127.0.0.1:{unused_port()}").run(ONE_SPAN, "kept", VEDETTE_COMPRESSION=compression)
    taken, _ = run_by_grpc(tmp_path, lambda *_: None, [ONE_SPAN.replace("sys.argv[1]", "'new'") + DRAIN])
    assert sorted(taken) == ["kept", "new"]


THEN_ANOTHER = """
    vedette.flush()
    with vedette.span("another"):
        pass
"""


def names_of(request: ExportTraceServiceRequest) -> list[str]:
    return [span.name for r in request.resource_spans for scope in r.scope_spans for span in scope.spans]


def run_by_grpc(
    tmp_path: Any, decide: Callable[[ExportTraceServiceRequest, grpc.ServicerContext], None], sources: list[str]
) -> tuple[list[str], str]:
    """The names of the spans that were taken of programs that send by gRPC, and what these said."""
    taken: list[str] = []

    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        request = ExportTraceServiceRequest.FromString(body)
        decide(request, context)
        taken.extend(names_of(request))
        return b""

    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.method_handlers_generic_handler(
        "opentelemetry.proto.collector.trace.v1.TraceService", {"Export": grpc.unary_unary_rpc_method_handler(export)}
    )
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    programs = Programs(tmp_path, f"http://127.0.0.1:{port}")
    told = [programs.run(source, VEDETTE_PROTOCOL="grpc").stderr for source in sources]
    server.stop(None)
    return taken, "".join(told)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
