"""Feeds a decoder with what coverage finds: `python decoders.py NAME -runs=N`. Only errors that a client may see pass."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import warnings

import atheris

# The fuzzer sees what the interpreter runs, and an index out of bounds is an error there. Hashes overflow on purpose.
os.environ["NUMBA_DISABLE_JIT"] = "1"
warnings.filterwarnings("ignore", "overflow", RuntimeWarning)

with atheris.instrument_imports(include=["vedette"]):
    from vedette.errors import RequestError
    from vedette.server.http.connection import Connection as HttpConnection
    from vedette.server.http.rules import Rules as HttpRules
    from vedette.server.ingest import body, otlp, remote_write_kernel
    from vedette.server.ingest.grpc.calls import CallError, Code
    from vedette.server.ingest.grpc.connection import Connection
    from vedette.server.ingest.grpc.frames import GOAWAY, INTERNAL_ERROR, PREFACE, SETTINGS, frame
    from vedette.server.ingest.grpc.rules import Rules
    from vedette.server.query.logs.compiler import compile_query
    from vedette.server.scrape.cache import ScrapeCache
    from vedette.server.scrape.config import Job
    from vedette.server.scrape.lines import Texts
    from vedette.server.scrape.protobuf import read_families
    from vedette.server.wal.records import scan

LIMIT = 1 << 20


def _unpack(data: bytes) -> None:
    for encoding in ("gzip", "deflate", "zstd"):
        try:
            assert len(body.unpack(data, encoding, LIMIT)) <= LIMIT
        except RequestError:
            continue


def _json(data: bytes) -> None:
    for signal in (otlp.TRACES, otlp.LOGS, otlp.METRICS):
        try:
            otlp.from_json(signal, "acme", data)
        except RequestError:
            continue


def _protobuf(data: bytes) -> None:
    for signal in (otlp.TRACES, otlp.LOGS, otlp.METRICS):
        try:
            otlp.from_protobuf(signal, "acme", data)
        except RequestError:
            continue


def _log(data: bytes) -> None:
    found = scan(data)
    assert sum(len(record.payload) for record in found.records) <= len(data)


def _lucene(data: bytes) -> None:
    try:
        compile_query(data.decode(errors="replace"))
    except RequestError:
        return


CACHES = {
    (openmetrics, convert): ScrapeCache(Job("job", 15, 10, convert_classic=convert), {"job": "job"}, "acme")
    for openmetrics in (False, True)
    for convert in (False, True)
}


def _exposition(data: bytes) -> None:
    for (openmetrics, _), cache in CACHES.items():
        try:
            found = cache.take(data, 1_700_000_000_000, openmetrics=openmetrics)
        except RequestError:
            continue
        assert found.scraped <= data.count(b"\n") + 1


def _families(data: bytes) -> None:
    for convert in (False, True):
        with contextlib.suppress(RequestError):
            read_families(data, Texts(), 0, native=True, classic=True, honor_timestamps=True, convert=convert)


def _remote_write(data: bytes) -> None:
    for two in (False, True):
        for room in (len(data), LIMIT):
            size, _, out = remote_write_kernel.convert_request(data, two=two, max_bytes=room)
            assert size <= len(out)


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return "127.0.0.1", 1

    def pause_reading(self) -> None:
        """Come what may."""

    resume_reading = write_eof = pause_reading

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close


LOOP = asyncio.new_event_loop()


def _frames(data: bytes) -> bytes:
    """Frames of any kind, of few streams, from any bytes."""
    out = b""
    while len(data) > 3:
        kind, flags, stream, size = data[0] % 11, data[1], data[2] % 8, data[3] % 64
        out += frame(kind, flags, stream, data[4 : 4 + size])
        data = data[4 + size :]
    return out


async def _talk(data: bytes) -> None:
    held = 0

    def hold(size: int) -> None:
        nonlocal held
        held += size

    async def answer(call: object) -> bytes:
        if call.fault is not None:
            raise CallError(Code.INVALID_ARGUMENT, str(call.fault))
        return call.message

    rules = Rules({"/": answer}, max_message_bytes=100, patience_seconds=1, reserve=hold, release=lambda n: hold(-n))
    wire, connection = Wire(), Connection(rules)
    connection.connection_made(wire)
    connection.data_received(PREFACE + frame(SETTINGS, 0, 0))
    # A POST of application/grpc to /, then anything.
    connection.data_received(frame(1, 4, 1, b"\x83\x84\x0f\x10\x10application/grpc"))
    for piece in (data, _frames(data)):
        connection.data_received(piece)
    if wire.closed:
        assert INTERNAL_ERROR.to_bytes(4, "big") not in wire.written.rpartition(bytes([GOAWAY, 0, 0, 0, 0, 0]))[2][4:8]
    connection.look(LOOP.time() + 100)
    connection.connection_lost(None)
    await asyncio.gather(*rules.calls)
    assert held == 0


def _http2(data: bytes) -> None:
    LOOP.run_until_complete(_talk(data))


async def _echo(_scope: object, receive: object, send: object) -> None:
    size, is_last = 0, False
    while not is_last:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, is_last = size + len(message["body"]), not message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


def _at_once(scope: dict[str, bytes], body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
    return (200, [], scope["query_string"]) if len(body) % 2 else None


WORDS = (
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.1\r\n",
    b"HEAD http://x/ HTTP/1.0\r\n",
    b"CONNECT x:1 HTTP/1.1\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n",
    b"abc",
    b"\r\n",
)


async def _ask(data: bytes) -> None:
    """Words of HTTP in any order, in pieces of any size, and any bytes between them."""
    rules = HttpRules(_echo, 1, {"/a": _at_once}, lambda scope: scope["method"] == "GET")
    words = [WORDS[one] if one < len(WORDS) else bytes([one]) for one in data]
    for size in (1, 3, len(words) or 1):
        wire, connection = Wire(), HttpConnection(rules)
        connection.connection_made(wire)
        for at in range(0, len(words), size):
            connection.data_received(b"".join(words[at : at + size]))
            await asyncio.sleep(0)
        for later in (1000, 2000):  # it is told that it waited too long, and has a moment to read that
            connection.look(LOOP.time() + later)
        assert wire.closed or rules.tasks
        connection.connection_lost(None)
        await asyncio.gather(*rules.tasks, return_exceptions=True)  # questions are cancelled
        assert b" 500 " not in wire.written


def _http1(data: bytes) -> None:
    LOOP.run_until_complete(_ask(data))


DECODERS = {
    "unpack": _unpack,
    "json": _json,
    "protobuf": _protobuf,
    "log": _log,
    "lucene": _lucene,
    "exposition": _exposition,
    "families": _families,
    "remote_write": _remote_write,
    "http1": _http1,
    "http2": _http2,
}

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, DECODERS[name])
    atheris.Fuzz()
