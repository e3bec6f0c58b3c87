"""A server of HTTP for tests: an application that tells what it was asked, and what clients send and read."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from http.client import HTTPResponse
from io import BytesIO

from vedette.server.http.server import HttpServer
from vedette.server.settings import Address

LOCAL = Address("127.0.0.1", 0)


async def read_all(receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        body += message["body"]
        if not message["more_body"]:
            return body


async def echo(scope, receive, send) -> None:
    """Answer with what came, as JSON."""
    said = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "fields": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": (await read_all(receive)).decode("latin-1"),
    }
    await answer(send, json.dumps(said).encode())


async def answer(send, *bodies: bytes, status: int = 200, fields=()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*fields]})
    for body in bodies[:-1]:
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": bodies[-1]})


class Site:
    """A server and a way to talk to it."""

    def __init__(self, server: HttpServer, port: int) -> None:
        self.server, self.port = server, port

    @asynccontextmanager
    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def talk(self, *pieces: bytes) -> bytes:
        """What comes until the server closes, when pieces are sent one by one."""
        async with self.connect() as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            found = b""
            with suppress(ConnectionError):
                while piece := await reader.read(1 << 16):
                    found += piece
            return found


@asynccontextmanager
async def site(app, *, head_seconds=60, **options):
    server = HttpServer(app, head_seconds=head_seconds, **options)
    await server.start(LOCAL)
    yield Site(server, server.port)
    await server.stop(5)


class Kept(BytesIO):
    """What the standard library's client reads answers from."""

    def makefile(self, *_: object) -> Kept:
        return self

    def close(self) -> None:
        """Stay, as more answers are behind."""


def answers(data: bytes, *methods: str) -> list[tuple[int, dict[str, str], bytes]]:
    """Answers to requests of some methods, as the standard library reads them."""
    source, found = Kept(data), []
    for method in methods:
        one = HTTPResponse(source, method=method)
        one.begin()
        found.append((one.status, {name.lower(): value for name, value in one.getheaders()}, one.read()))
    assert source.read() == b""
    return found


def post(path: bytes, body: bytes, *, chunks: int = 0, last: bool = False, fields: bytes = b"") -> bytes:
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n" + fields + (b"Connection: close\r\n" if last else b"")
    if not chunks:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = [body[at : at + chunks] for at in range(0, len(body), chunks)]
    return (
        head
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x;why=not\r\n%b\r\n" % (len(one), one) for one in pieces)
        + b"0\r\nX-Trailer: late\r\n\r\n"
    )
