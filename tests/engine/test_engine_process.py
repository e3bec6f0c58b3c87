"""The engine's process: start, stop, murder, and what it says when it cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vedette.errors import EngineUnavailable, VedetteError
from vedette.server.engine.client import Engine


async def test_kill_9_loses_no_acknowledged_row(make_engine):
    process = make_engine("--tcp-write").start()
    acknowledged: set[int] = set()
    next_row = 0
    for turn in range(4):
        engine = Engine(process.unix_url)
        if turn == 0:
            await engine.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        killer = threading.Timer(0.3 + 0.2 * turn, process.send, [signal.SIGKILL])
        killer.start()
        with contextlib.suppress(EngineUnavailable):
            while True:
                rows = range(next_row, next_row + 10)
                next_row += 10
                await engine.insert("t", "TSV", b"".join(b"%d\n" % row for row in rows))
                acknowledged.update(rows)
        killer.join()
        assert process.wait() == -signal.SIGKILL
        await engine.close()
        process.start()
        engine = Engine(process.unix_url)
        kept = [row["a"] for row in await engine.rows("SELECT a FROM t")]
        await engine.close()
        assert len(kept) == len(set(kept))
        assert acknowledged <= set(kept)
        assert set(kept) <= set(range(next_row))
    assert len(acknowledged) > 10


async def test_a_token_makes_an_insert_count_once_across_a_kill(make_engine):
    process = make_engine().start()
    engine = Engine(process.unix_url)
    await engine.execute(
        "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100"
    )
    token = {"insert_deduplication_token": "segment-1", "insert_deduplicate": 1}
    await engine.insert("t", "TSV", b"1\n2\n", settings=token)
    await engine.close()
    process.send(signal.SIGKILL)
    process.wait()
    process.start()
    engine = Engine(process.unix_url)
    await engine.insert("t", "TSV", b"1\n2\n", settings=token)
    assert await engine.rows("SELECT count() AS n FROM t") == [{"n": 2}]
    await engine.close()


async def test_sigterm_ends_with_zero_and_leaves_no_socket(make_engine):
    process = make_engine().start()
    engine = Engine(process.unix_url)
    await engine.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
    await engine.insert("t", "TSV", b"1\n")
    assert process.stop() == 0, process.log
    assert not process.socket.exists()
    with pytest.raises(EngineUnavailable):
        await engine.query("SELECT 1")
    process.start()
    assert await engine.rows("SELECT a FROM t") == [{"a": 1}]
    await engine.close()


async def test_sigterm_lets_a_short_query_end_and_cancels_a_long_one(make_engine):
    process = make_engine().start()
    engine = Engine(process.unix_url)
    short = asyncio.create_task(engine.query("SELECT sleep(1.5)", fmt="TSV"))
    long = asyncio.create_task(engine.query("SELECT count() FROM system.numbers"))
    while (await engine.rows("SELECT count() AS n FROM system.processes"))[0]["n"] < 3:
        pass
    assert await asyncio.to_thread(process.stop) == 0
    assert await short == b"0\n"
    with pytest.raises(VedetteError):
        await long
    await engine.close()


def test_it_ends_when_its_parent_is_killed(make_engine):
    process = make_engine()
    start = f"p = subprocess.Popen({process.command()!r}); print(p.pid, flush=True)"
    middle = f"import subprocess, time; {start}; time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", middle], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    while not process.answers():
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    while Path(f"/proc/{child}").exists() and "\nState:\tZ" not in Path(f"/proc/{child}/status").read_text():
        time.sleep(0.05)
    assert not process.socket.exists()
    process.start()  # nothing holds the directory


def failing(process) -> tuple[int, str]:
    """Exit code and last line of a process that cannot start."""
    process.start(wait=False)
    code = process.wait()
    return code, process.log.splitlines()[-1]


def test_a_directory_in_use(make_engine):
    first = make_engine().start()
    second = make_engine()
    second.path.parent.mkdir(exist_ok=True)
    second.path.symlink_to(first.path)
    code, line = failing(second)
    assert code == 11
    assert "is in use by another process" in line
    assert first.answers()
    assert not second.socket.exists()


@pytest.mark.parametrize("what", ["file", "no right"])
def test_a_directory_that_cannot_be_used(make_engine, what):
    process = make_engine()
    if what == "file":
        process.path.write_text("")
    else:
        process.path.symlink_to("/proc/vedette")
    code, line = failing(process)
    assert code == 10
    assert "cannot be used" in line


def test_a_socket_in_use(make_engine):
    process = make_engine()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(process.socket))
        other.listen()
        code, line = failing(process)
    assert (code, "is in use by another process" in line) == (12, True)
    assert process.socket.exists()


def test_a_file_in_the_place_of_the_socket_is_kept(make_engine):
    process = make_engine()
    process.socket.write_text("precious")
    code, line = failing(process)
    assert (code, "is no socket" in line) == (12, True)
    assert process.socket.read_text() == "precious"


def test_a_stale_socket_is_replaced(make_engine):
    process = make_engine()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(process.socket))
    process.start()
    mode = process.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert mode & 0o777 == 0o600


def test_a_port_in_use(make_engine):
    process = make_engine()
    with socket.socket() as other:
        other.bind(("127.0.0.1", process.port))
        other.listen()
        code, line = failing(process)
    assert (code, "cannot be bound" in line) == (12, True)
    assert not process.socket.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tcp", "0.0.0.0:0"], "reachable from outside"),
        (["--tcp", "nonsense"], "--tcp takes HOST:PORT"),
        (["--tcp-password-file", "/no/such/file"], "password file /no/such/file cannot be read"),
        (["--tcp-password-file", "/dev/null"], "must have one line, user:password"),
    ],
)
def test_tcp_arguments_that_are_wrong(make_engine, arguments, sentence):
    code, line = failing(make_engine(*arguments))
    assert code == 12
    assert sentence in line


def test_a_socket_path_that_is_too_long(make_engine):
    process = make_engine()
    process.home = process.home / ("x" * 100)
    process.home.mkdir()
    code, line = failing(process)
    assert (code, "longer than" in line) == (12, True)


async def test_background_merges_run(embedded):
    await embedded.execute("CREATE TABLE merging (a UInt64) ENGINE = MergeTree ORDER BY a")
    for n in range(12):
        await embedded.insert("merging", "TSV", b"%d\n" % n)
    sql = "SELECT count() AS n FROM system.parts WHERE table = 'merging' AND active"
    while (await embedded.rows(sql))[0]["n"] >= 12:  # noqa: ASYNC110 - the engine tells nobody
        await asyncio.sleep(0.1)
    await embedded.execute("DROP TABLE merging SYNC")


async def test_temporary_files_stay_in_the_directory(shared_engine, embedded):
    [disk] = await embedded.rows("SELECT path FROM system.disks")
    assert Path(disk["path"]).resolve() == shared_engine.path.resolve()
    task = asyncio.create_task(
        embedded.query(
            "SELECT number % 3000000 AS k, count() FROM numbers(6000000) GROUP BY k FORMAT Null",
            settings={"max_bytes_before_external_group_by": 1_000_000, "max_threads": 1},
        )
    )
    seen = set()
    while not task.done():
        seen |= {str(path) for path in (shared_engine.path / "tmp").rglob("*")}
        await asyncio.sleep(0.01)
    await task
    assert seen
