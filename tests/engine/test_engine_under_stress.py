"""Greedy queries, slow clients, crowds and garbage: the engine's process stays up and small."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import EngineError, EngineUnavailable, QueryLimit
from vedette.server.engine.client import Engine

MIB = 1024 * 1024


async def until_idle(engine: Engine) -> None:
    """Wait until no statement runs but the one that looks."""
    while (await engine.rows("SELECT count() AS n FROM system.processes"))[0]["n"] > 1:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.05)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_a_query_that_eats_memory_fails_alone(make_engine):
    process = make_engine(max_memory=400 * MIB).start()
    engine = Engine(process.unix_url)
    greedy = [
        "SELECT groupArray(number) FROM numbers(1000000000)",
        "SELECT number, count() FROM numbers(100000000) GROUP BY number FORMAT Null",
        "SELECT a.number FROM numbers(100000000) AS a JOIN numbers(100000000) AS b ON a.number = b.number FORMAT Null",
        "SELECT repeat('x', 1000000000), repeat('y', 1000000000)",
    ]
    no_spill = {"max_bytes_before_external_group_by": 0, "max_bytes_ratio_before_external_group_by": 0}

    async def eat(sql: str) -> None:
        with pytest.raises((QueryLimit, EngineUnavailable, EngineError)):
            await engine.query(sql, settings=no_spill)

    async def work() -> None:
        for _ in range(20):
            assert await engine.rows("SELECT sum(number) AS s FROM numbers(1000)") == [{"s": 499500}]

    await asyncio.gather(eat(greedy[0]), work())
    for sql in greedy:
        await eat(sql)
    await work()
    assert process.memory_bytes() < 900 * MIB
    await engine.close()
    assert process.stop() == 0


async def test_a_result_larger_than_memory_streams(make_engine):
    process = make_engine(max_memory=400 * MIB).start()
    engine = Engine(process.unix_url)
    for fmt in ("JSONEachRow", "JSON", "Native"):
        size = 0
        async with engine.stream("SELECT number, repeat('x', 200) FROM numbers(4000000)", fmt=fmt) as chunks:
            async for chunk in chunks:
                size += len(chunk)
        assert size > 800_000_000
    assert process.memory_bytes() < 800 * MIB
    await engine.close()


async def test_slow_clients_do_not_fill_the_engine(make_engine):
    process = make_engine("--threads", "24").start()
    engine = Engine(process.unix_url)
    await engine.query("SELECT 1")
    before = process.memory_bytes()
    sql = b"SELECT number, 'twenty characters or so' FROM numbers(1000000000)"
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(sql), sql)
    slow = []
    for _ in range(12):
        connection = process.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request)
        assert connection.recv(1000)
        slow.append(connection)
    for _ in range(30):
        await engine.query("SELECT 1")
        await asyncio.sleep(0.05)
    assert process.memory_bytes() - before < 300 * MIB
    for connection in slow:
        connection.close()
    await until_idle(engine)
    await engine.close()


async def test_a_slow_insert_does_not_hold_others_up(embedded):
    await embedded.execute("CREATE TABLE slow_insert (a UInt64) ENGINE = MergeTree ORDER BY a")
    gate = asyncio.Event()

    async def lines():
        yield b"1\n"
        await gate.wait()
        yield b"2\n"

    task = asyncio.create_task(embedded.insert("slow_insert", "TSV", lines()))
    for _ in range(20):
        assert await embedded.rows("SELECT 1 AS one") == [{"one": 1}]
    gate.set()
    await task
    assert await embedded.rows("SELECT count() AS n FROM slow_insert") == [{"n": 2}]
    await embedded.execute("DROP TABLE slow_insert SYNC")


async def test_hundreds_of_connections(shared_engine):
    engines = [Engine(shared_engine.unix_url) for _ in range(300)]
    answers = await asyncio.gather(*(engine.rows(f"SELECT {n} AS n") for n, engine in enumerate(engines)))
    assert answers == [[{"n": n}] for n in range(300)]
    for engine in engines:
        await engine.close()


async def test_kills_and_disconnects_in_a_crowd(embedded):
    async def give_up(n: int) -> None:
        task = asyncio.create_task(embedded.query("SELECT count() FROM system.numbers", query_id=f"crowd-{n}"))
        await asyncio.sleep(0.02 * n)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def killed(n: int) -> None:
        task = asyncio.create_task(embedded.query("SELECT count() FROM system.numbers", query_id=f"victim-{n}"))
        while not task.done():
            await embedded.execute(f"KILL QUERY WHERE query_id = 'victim-{n}' ASYNC")
            await asyncio.sleep(0.05)
        with pytest.raises(EngineError) as caught:
            await task
        assert caught.value.code == 394

    async def work(n: int) -> None:
        for _ in range(10):
            assert await embedded.rows("SELECT {n:Int32} AS n", params={"n": n}) == [{"n": n}]

    await asyncio.gather(*(give_up(n) for n in range(10)), *(killed(n) for n in range(5)), *(work(n) for n in range(5)))
    await until_idle(embedded)


async def test_kill_works_when_every_slot_is_taken(make_engine):
    process = make_engine("--threads", "2").start()
    engine = Engine(process.unix_url)
    tasks = [
        asyncio.create_task(engine.query("SELECT count() FROM system.numbers", query_id=f"busy-{n}")) for n in range(2)
    ]
    for n, task in enumerate(tasks):
        while not task.done():
            await engine.execute(f"KILL QUERY WHERE query_id = 'busy-{n}' ASYNC")
            await asyncio.sleep(0.05)
        with pytest.raises(EngineError):
            await task
    assert await engine.rows("SELECT 1 AS one") == [{"one": 1}]
    await engine.close()


async def test_descriptors_and_threads_do_not_leak(embedded, shared_engine):
    async def mixed() -> None:
        for n in range(20):
            await embedded.query("SELECT 1")
            with pytest.raises(EngineError):
                await embedded.query("SELECT * FROM nowhere")
            with pytest.raises(EngineError):
                await embedded.insert("nowhere", "TSV", b"1\n")
            async with embedded.stream("SELECT number FROM system.numbers") as chunks:
                await anext(chunks)
            if n % 5 == 0:
                await embedded.ping()
        await until_idle(embedded)

    await mixed()
    before = descriptors(shared_engine.pid)
    await mixed()
    assert descriptors(shared_engine.pid) <= before + 5


def exchange(process, data: bytes, *, end: bool = True) -> bytes:
    """Send bytes, perhaps end, and read all that comes."""
    with process.connect() as connection:
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\0",
        b"GET / HTTP/9.9\r\n\r\n",
        b"HELLO\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /" + b"x" * 5_000_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000 + b"\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"GET /?%zz=%&query=%ff%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
async def test_garbage_gets_a_clean_answer(shared_engine, embedded, data):
    answer = await asyncio.to_thread(exchange, shared_engine, data)
    assert answer == b"" or answer.split(b" ", 2)[1][:1] == b"4"
    assert b"Traceback" not in answer
    assert await embedded.ping()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_statement_is_answered_cleanly(shared_engine, text):
    head = (
        b"POST /?readonly=1&max_execution_time=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    )
    answer = exchange(shared_engine, head % len(text) + text, end=False)
    assert answer.startswith(b"HTTP/1.1 "), text
    status = int(answer[9:12])
    assert status == 200 or b"Code: " in answer, answer
    assert b"Traceback" not in answer
