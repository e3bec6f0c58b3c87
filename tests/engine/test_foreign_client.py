"""clickhouse-connect, which knows nothing of us, against the engine's TCP port (or a ClickHouse that is named)."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
import uuid
from urllib.parse import urlsplit

import pytest

clickhouse_connect = pytest.importorskip("clickhouse_connect")
from clickhouse_connect.driver.exceptions import DatabaseError  # noqa: E402 - after the check that it is there


@pytest.fixture(params=["tcp", *(["clickhouse"] if os.environ.get("VEDETTE_TEST_CLICKHOUSE") else [])])
def connect(request):
    """Open clients of the engine; they are closed when the test ends."""
    opened = []
    url = (
        os.environ["VEDETTE_TEST_CLICKHOUSE"]
        if request.param == "clickhouse"
        else request.getfixturevalue("shared_engine").tcp_url
    )
    parts = urlsplit(url)

    def make(**options):
        client = clickhouse_connect.get_client(
            host=parts.hostname, port=parts.port, username=parts.username, password=parts.password or "", **options
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def table(connect):
    client = connect()
    name = f"cc_{uuid.uuid4().hex[:12]}"
    client.command(f"CREATE TABLE {name} (a Int64, s String, m Map(String, String)) ENGINE = MergeTree ORDER BY a")
    yield name
    client.command(f"DROP TABLE {name} SYNC")


def test_query_and_types(connect):
    row = connect().query("SELECT 1, 'x', [1, 2], map('k', 'v'), toDate('2024-01-01'), NULL, (1, 'a')").result_rows[0]
    assert row == (1, "x", [1, 2], {"k": "v"}, dt.date(2024, 1, 1), None, (1, "a"))


def test_parameters(connect):
    values = {"s": "it's\\\n\t", "a": ["x'y", "\\"], "n": None, "i": 7}
    sql = "SELECT {s:String}, {a:Array(String)}, {n:Nullable(Int32)}, {i:Int32}"
    assert connect().query(sql, parameters=values).result_rows == [("it's\\\n\t", ["x'y", "\\"], None, 7)]


@pytest.mark.parametrize("compress", [False, "gzip", "zstd", "lz4", True])
def test_insert_and_read_back_in_every_compression(connect, table, compress):
    client = connect(compress=compress)
    rows = [[n, f"row {n}", {"k": str(n)}] for n in range(20_000)]
    assert client.insert(table, rows, column_names=["a", "s", "m"]).written_rows == 20_000
    assert client.query(f"SELECT a, s, m FROM {table} ORDER BY a").result_rows == [tuple(row) for row in rows]


@pytest.mark.parametrize("compression", [None, "gzip", "lz4", "zstd"])
def test_raw_insert(connect, table, compression):
    body = b'{"a":1,"s":"one"}\n{"a":2,"s":"two"}\n'
    if compression == "gzip":
        body = pytest.importorskip("gzip").compress(body)
    elif compression == "lz4":
        body = pytest.importorskip("lz4.frame").compress(body)
    elif compression == "zstd":
        body = pytest.importorskip("zstandard").compress(body)
    client = connect()
    client.raw_insert(table, ["a", "s"], body, fmt="JSONEachRow", compression=compression)
    assert client.query(f"SELECT s FROM {table} ORDER BY a").result_rows == [("one",), ("two",)]


def test_streams(connect):
    with connect().query_row_block_stream("SELECT number FROM numbers(500000)") as blocks:
        assert sum(len(block) for block in blocks) == 500_000


def test_arrow(connect):
    pytest.importorskip("pyarrow")
    assert connect().query_arrow("SELECT number FROM numbers(100000)").num_rows == 100_000


def test_exceptions_early_and_late(connect):
    with pytest.raises(DatabaseError, match="code: 60"):
        connect().query("SELECT * FROM no_such_table")
    for compress in (True, False):
        client = connect(compress=compress)
        with pytest.raises(DatabaseError, match="in the middle"):
            client.query(
                "SELECT number, throwIf(number = 900000, 'in the middle') FROM numbers(1000000)",
                settings={"max_block_size": 10_000, "max_threads": 1},
            )
        assert client.query("SELECT 1").result_rows == [(1,)]


def test_settings_and_sessions(connect):
    client = connect()
    sql = "SELECT getSetting('max_block_size')"
    assert client.query(sql, settings={"max_block_size": 111}).result_rows == [(111,)]
    client.command("SET max_block_size = 222")
    assert client.query(sql).result_rows == [(222,)]
    assert connect().query(sql).result_rows != [(222,)]


def test_query_id_comes_back(connect):
    query_id = uuid.uuid4().hex
    assert connect().query("SELECT 1", settings={"query_id": query_id}).query_id == query_id


def test_summary(connect, table):
    client = connect()
    assert client.command(f"INSERT INTO {table} SELECT number, '', map() FROM numbers(10)").written_rows == 10
    assert int(client.query(f"SELECT sum(a) FROM {table}").summary["read_rows"]) == 10


def test_show_and_describe(connect, table):
    client = connect()
    assert (table,) in client.query("SHOW TABLES").result_rows
    assert [row[0] for row in client.query(f"DESCRIBE TABLE {table}").result_rows] == ["a", "s", "m"]


def test_cancel_by_kill_query(connect):
    query_id = uuid.uuid4().hex
    failures = []

    def run() -> None:
        try:
            connect().query("SELECT count() FROM system.numbers", settings={"query_id": query_id})
        except DatabaseError as error:
            failures.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    killer = connect()
    while thread.is_alive():
        killer.command(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC")
        time.sleep(0.05)
    thread.join()
    assert "code: 394" in failures[0]
