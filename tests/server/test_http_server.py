"""The HTTP server through real sockets: what clients may send, in any pieces, and what no client should."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress

import pytest
from http_site import answer, answers, echo, post, read_all, site
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CLOSE = b"Connection: close\r\n\r\n"

REQUESTS = st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 50)), min_size=1, max_size=5)


def at_once(scope, body: bytes):
    """Answer what begins with a small byte, leave the others, and fail now and then."""
    if body[:1] > b"\xf0":
        raise ValueError(body)
    said = json.dumps({"path": scope["path"], "body": body.decode("latin-1")}).encode()
    return None if body[:1] > b"\x80" else (200, [(b"content-type", b"application/json")], said)


AT_ONCE = {f"/{number}": at_once for number in range(0, 10, 2)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS, st.lists(st.integers(1, 200), max_size=20))
def test_requests_in_any_pieces_one_behind_the_other_are_answered_in_their_order(requests, cuts):
    stream = b"".join(
        post(b"/%d" % number, body, chunks=chunks, last=number == len(requests) - 1)
        for number, (body, chunks) in enumerate(requests)
    )
    pieces = []
    for cut in cuts:
        pieces.append(stream[:cut])
        stream = stream[cut:]

    async def ask() -> bytes:
        async with site(echo, at_once=AT_ONCE) as here:
            return await here.talk(*pieces, stream)

    found = answers(asyncio.run(ask()), *["POST"] * len(requests))
    assert [(json.loads(body)["path"], json.loads(body)["body"].encode("latin-1")) for _, _, body in found] == [
        (f"/{number}", body) for number, (body, _) in enumerate(requests)
    ]
    assert not any(b"x-trailer" in body for _, _, body in found)
    assert [fields.get("connection") for _, fields, _ in found] == [None] * (len(requests) - 1) + ["close"]


# Few heads, so that they come again: of one length or of another, with a body or chunks, whole or with a part of the next.
AGAIN = st.tuples(
    st.integers(0, 1), st.sampled_from([0, 1, 23, 30]), st.sampled_from([0, 0, 0, 9]), st.integers(1, 120)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(AGAIN, min_size=2, max_size=12), st.lists(st.sampled_from([0, 0, 0, 1, 90, 140]), max_size=12))
def test_heads_that_come_again_mean_what_they_meant(asked, ahead):
    async def ask() -> list[tuple[int, bytes]]:
        found = []
        async with site(echo, at_once={"/0": at_once}) as here, here.connect() as (reader, writer):
            early = 0
            for place, (number, size, chunks, letter) in enumerate(asked):
                request = post(b"/%d" % number, bytes([letter]) * size, chunks=chunks)
                further = b""
                if place + 1 < len(asked) and place < len(ahead):
                    after, next_size, next_chunks, next_letter = asked[place + 1]
                    further = post(b"/%d" % after, bytes([next_letter]) * next_size, chunks=next_chunks)[: ahead[place]]
                writer.write(request[early:] + further)
                early = len(further)
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length"))
                found.append((int(head.split()[1]), await reader.readexactly(int(length.split(b":")[1]))))
        return found

    for (number, size, chunks, letter), (status, body) in zip(asked, asyncio.run(ask()), strict=True):
        said = json.loads(body)
        assert (status, said["path"], said["body"]) == (200, f"/{number}", chr(letter) * size)
        if "fields" in said:
            framing = ["transfer-encoding", "chunked"] if chunks else ["content-length", str(size)]
            assert said["fields"] == [["host", "x"], framing]


async def test_what_may_be_answered_at_once_waits_for_the_body_and_for_a_client_that_reads():
    asked = []

    def count(scope, body: bytes):  # noqa: ARG001
        asked.append(len(body))
        return 200, [], b"x" * 400_000

    async with site(echo, at_once={"/a": count}) as here:
        large = post(b"/a", b"y" * 300_000, last=True)  # more than is held for that
        ((status, _, body),) = answers(await here.talk(large), "POST")
        assert (status, len(json.loads(body)["body"]), asked) == (200, 300_000, [])
        async with here.connect() as (reader, writer):
            for _ in range(300):  # 120 MB of answers, of which the client takes none for now
                writer.write(post(b"/a", b"z"))
            writer.write(post(b"/b", b"", last=True))
            found = b""
            while piece := await reader.read(1 << 20):
                assert len(asked) * 400_000 - len(found) < 20_000_000
                found += piece
        assert len(answers(found, *["POST"] * 301)) == 301
        assert asked


async def test_a_target_is_read_in_all_its_forms():
    async with site(echo) as here:
        for target, path, query in (
            (b"/a%20b%C3%A4?c=%20d", "/a bä", "c=%20d"),
            (b"/?", "/", ""),
            (b"http://example.org/a?b#c", "/a", "b"),
            (b"http://example.org", "/", ""),
            (b"/a#b", "/a", ""),
        ):
            ((_, _, body),) = answers(await here.talk(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE), "GET")
            said = json.loads(body)
            assert (said["path"], said["query"]) == (path, query)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"hello\r\n\r\n", b"This is no request of HTTP/1.1"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", b"This is no request of HTTP/1.1"),
        (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", b"This is no request of HTTP/1.1"),
        (b"GET / HTTP/1.1\r\na b: c\r\n\r\n", b"This is no request of HTTP/1.1"),
        (post(b"/", b"")[:-4] + b"\r\nTransfer-Encoding: chunked\r\n\r\n", b"This is no request of HTTP/1.1"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", b"This is no request of HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"by default 4317"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"use http:// instead of https://"),
    ],
)
async def test_what_is_no_request_is_told_so_and_let_go(sent, said):
    async with site(echo) as here:
        ((status, fields, body),) = answers(await here.talk(sent), "GET")
        assert (status, fields["connection"]) == (400, "close")
        assert said in body


async def test_what_came_before_rubbish_is_answered():
    async with site(echo) as here:
        ((status, fields, body),) = answers(await here.talk(post(b"/", b"body") + b"rubbish\r\n\r\n"), "POST")
        assert (status, fields["connection"], json.loads(body)["body"]) == (200, "close", "body")


async def test_a_head_and_trailers_without_end_are_refused():
    begins = (b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    async with site(echo) as here:
        for begin in begins:
            async with here.connect() as (reader, writer):
                writer.write(begin)
                with suppress(ConnectionError):
                    for number in range(30_000):
                        writer.write(b"x-%d: %b\r\n" % (number, b"y" * 100))
                        await writer.drain()
                found = b""
                with suppress(ConnectionError):
                    found = await reader.read()
                assert found[:12] == b"HTTP/1.1 431"


async def test_answers_are_framed_as_their_client_understands():
    async def app(scope, _receive, send) -> None:
        path = scope["path"]
        if path == "/known":
            await answer(send, b"abc", b"def", fields=[(b"content-length", b"6")])
        elif path == "/streamed":
            await answer(send, b"abc", b"", b"def", b"")
        elif path == "/empty":
            await answer(send, b"", status=204)
        else:
            await answer(send, b"abcdef", fields=[(b"X-Case", b"kept")])

    def get(path: bytes, version: bytes, *, method: bytes = b"GET", more: bytes = b"") -> bytes:
        return method + b" " + path + b" HTTP/" + version + b"\r\n" + more + b"\r\n"

    async with site(app) as here:
        sent = [get(path, b"1.1") for path in (b"/known", b"/streamed", b"/empty", b"/")]
        sent += [get(path, b"1.1", method=b"HEAD") for path in (b"/known", b"/streamed", b"/")]
        sent.append(get(b"/", b"1.1", more=b"Connection: close\r\n"))
        methods = ["GET"] * 4 + ["HEAD"] * 3 + ["GET"]
        found = answers(await here.talk(b"".join(sent)), *methods)
        assert [body for _, _, body in found] == [b"abcdef", b"abcdef", b"", b"abcdef", b"", b"", b"", b"abcdef"]
        assert [fields.get("content-length") for _, fields, _ in found] == ["6", None, None, "6", "6", None, "6", "6"]
        assert [fields.get("transfer-encoding") for _, fields, _ in found] == [None, "chunked", *[None] * 6]
        assert found[3][1]["x-case"] == "kept"
        assert all("date" in fields for _, fields, _ in found)
        # A client of HTTP/1.0 knows no chunks, and stays only if it says so.
        kept = get(b"/", b"1.0", more=b"Connection: keep-alive\r\n")
        found = answers(await here.talk(kept + get(b"/streamed", b"1.0")), "GET", "GET")
        assert [(fields["connection"], body) for _, fields, body in found] == [
            ("keep-alive", b"abcdef"),
            ("close", b"abcdef"),
        ]


async def test_a_status_that_has_no_name_is_told_as_a_number():
    async def app(_scope, _receive, send) -> None:
        await answer(send, b"gone", status=499)

    async with site(app) as here:
        ((status, _, body),) = answers(await here.talk(post(b"/", b"", last=True)), "POST")
    assert (status, body) == (499, b"gone")


async def test_an_upgrade_is_ignored_and_what_follows_is_read():
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    sent = (
        b"GET /1 HTTP/1.1\r\n" + upgrade + b"\r\n" + post(b"/2", b"two", fields=upgrade) + post(b"/3", b"", last=True)
    )
    async with site(echo) as here:
        found = answers(await here.talk(sent), "GET", "POST", "POST")
    assert [json.loads(body)["path"] for _, _, body in found] == ["/1", "/2", "/3"]
    assert json.loads(found[1][2])["body"] == "two"


async def test_who_waits_to_be_told_is_told_to_go_on():
    async with site(echo) as here, here.connect() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        ((status, _, body),) = answers(await reader.read(), "POST")
        assert (status, json.loads(body)["body"]) == (200, "body")


async def test_who_is_answered_early_may_ask_again_behind_the_rest_of_the_body():
    async def app(_scope, _receive, send) -> None:
        await answer(send, b"no", status=413)

    async with site(app) as here, here.connect() as (reader, writer):
        writer.write(post(b"/", b"x" * 1_000_000)[:-500_000])
        assert await reader.readuntil(b"\r\n\r\nno") != b""
        writer.write(b"x" * 500_000 + post(b"/", b"", last=True))
        ((status, _, body),) = answers(await reader.read(), "POST")
        assert (status, body) == (413, b"no")


async def test_who_is_answered_early_and_for_the_last_time_reads_the_answer():
    async def app(_scope, _receive, send) -> None:
        await answer(send, b"no", status=413)

    async with site(app) as here, here.connect() as (reader, writer):
        writer.write(post(b"/", b"x" * 3_000_000, last=True))
        ((status, _, body),) = answers(await reader.read(), "POST")
        assert (status, body) == (413, b"no")


async def test_who_stops_in_the_middle_of_what_may_be_answered_at_once_is_told_so():
    async with site(echo, head_seconds=0.2, at_once={"/a": lambda _scope, body: (200, [], body)}) as here:
        ((status, _, body),) = answers(await here.talk(post(b"/a", b"12345")[:-2]), "POST")
        assert (status, body) == (408, b"The body stopped arriving (body_timeout).\n")
        assert answers(await here.talk(post(b"/a", b"12345", last=True)), "POST")[0][2] == b"12345"


async def test_a_body_that_nobody_takes_is_not_taken_in():
    may_take, sent = asyncio.Event(), b"x" * 30_000_000

    async def app(_scope, receive, send) -> None:
        await may_take.wait()
        await answer(send, b"%d" % len(await read_all(receive)))

    async with site(app) as here, here.connect() as (reader, writer):
        writer.write(post(b"/", sent, last=True))
        drained = asyncio.create_task(writer.drain())
        # The pipe is full when the server takes no more; it would have taken all of it meanwhile.
        before = -1
        while before != (now := writer.transport.get_write_buffer_size()):
            before = now
            await asyncio.sleep(0.2)
        assert before > len(sent) // 2
        may_take.set()
        ((_, _, body),) = answers(await reader.read(), "POST")
        assert int(body) == len(sent)
        await drained


async def test_an_answer_waits_for_a_client_that_does_not_read():
    written = 0

    async def app(_scope, _receive, send) -> None:
        nonlocal written
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 500_000, "more_body": True})
            written += 1
        await send({"type": "http.response.body"})

    async with site(app) as here, here.connect() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" + CLOSE)
        before = -1
        while before != written or not written:
            before = written
            await asyncio.sleep(0.2)
        assert written < 90
        ((_, _, body),) = answers(await reader.read(), "GET")
        assert len(body) == 50_000_000


async def test_an_application_hears_that_its_client_is_gone():
    heard = asyncio.Event()

    async def app(_scope, receive, send) -> None:
        await read_all(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        assert await receive() == {"type": "http.disconnect"}
        with pytest.raises(OSError):  # noqa: PT011 - ASGI says no more of it
            await send({"type": "http.response.body", "body": b"nobody reads it"})
        heard.set()

    async with site(app) as here:
        async with here.connect() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"first")
        await heard.wait()
        stopping = asyncio.create_task(here.server.stop(0))
        await stopping


async def test_what_only_asks_ends_with_its_client():
    ended, may_end, is_over = [], asyncio.Event(), asyncio.Event()

    async def app(scope, _receive, _send) -> None:
        try:
            await may_end.wait()
        finally:
            ended.append(scope["path"])
            is_over.set()

    async with site(app, ends_with_client=lambda scope: scope["path"] == "/question") as here:
        for path in (b"/change", b"/question"):
            async with here.connect() as (_, writer):
                writer.write(post(path, b""))
                await writer.drain()
        await is_over.wait()
        assert ended == ["/question"]
        may_end.set()


async def test_whoever_stops_says_goodbye_to_those_it_serves():
    may_answer, is_asked = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send) -> None:
        is_asked.set()
        if scope["path"] == "/long":
            assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
            assert await receive() == {"type": "http.disconnect"}
        else:
            await may_answer.wait()
            await answer(send, b"done")

    async with site(app) as here, here.connect() as (idle, _), here.connect() as (reader, writer):  # noqa: SIM117
        async with here.connect() as (long, long_writer):
            writer.write(b"GET /short HTTP/1.1\r\n\r\n")
            await is_asked.wait()
            is_asked.clear()
            long_writer.write(b"GET /long HTTP/1.1\r\n\r\n")
            await is_asked.wait()
            stopping = asyncio.create_task(here.server.stop(0.2))
            assert await idle.read() == b""
            may_answer.set()
            ((_, fields, body),) = answers(await reader.read(), "GET")
            assert (fields["connection"], body) == ("close", b"done")
            assert await long.read() == b""
            await stopping
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", here.port)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/raises", b"Internal Server Error"),
        ("/silent", b"Internal Server Error"),
        ("/split", b"Internal Server Error"),
        ("/backwards", b"Internal Server Error"),
        ("/long", b"Internal Server Error"),
        ("/short", None),
        ("/cut", None),
    ],
)
async def test_an_application_that_fails_never_looks_as_if_it_had_answered(path, said, caplog):
    async def app(scope, _receive, send) -> None:
        match scope["path"]:
            case "/raises":
                raise ValueError("of the application")
            case "/split":
                await answer(send, b"x", fields=[(b"x-name", b"value\r\nx-injected: yes")])
            case "/backwards":
                await send({"type": "http.response.body", "body": b"x"})
            case "/long":
                await answer(send, b"xyz", fields=[(b"content-length", b"2")])
            case "/short":
                await answer(send, b"x", fields=[(b"content-length", b"2")])
            case "/cut":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async with site(app) as here:
        with caplog.at_level(logging.CRITICAL):
            found = await here.talk(b"GET " + path.encode() + b" HTTP/1.1\r\n\r\n")
    if said is None:
        assert not found.endswith(b"0\r\n\r\n")
    else:
        ((status, fields, body),) = answers(found, "GET")
        assert (status, fields["connection"], body.strip()) == (500, "close", said)
        assert "x-injected" not in fields
