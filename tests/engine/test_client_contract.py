"""What the client promises, over every way to an engine (see `engine_url` in conftest.py)."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid

import pytest

from vedette.errors import EngineError, EngineUnavailable, QueryLimit, SettingsError
from vedette.server.engine.client import Engine


async def test_query_answers_in_the_format_asked_for(engine):
    assert await engine.query("SELECT 1 AS one") == b'{"one":1}\n'
    assert await engine.query("SELECT 1 AS one", fmt="CSVWithNames") == b'"one"\n1\n'


async def test_format_in_the_statement_wins(engine):
    assert await engine.query("SELECT 1 AS one FORMAT TSVWithNames", fmt="CSV") == b"one\n1\n"
    assert await engine.query("SELECT 1 AS one FORMAT TSV SETTINGS max_threads = 1; -- the end") == b"1\n"


async def test_statements_that_are_no_select_answer_too(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (a Int8) ENGINE = MergeTree ORDER BY a")
    assert await engine.rows(f"SHOW TABLES FROM {database}") == [{"name": "t"}]
    assert (await engine.rows(f"DESCRIBE TABLE {database}.t"))[0]["type"] == "Int8"
    assert await engine.rows(f"EXISTS {database}.t") == [{"result": 1}]
    assert b"CREATE TABLE" in await engine.query(f"SHOW CREATE TABLE {database}.t", fmt="TSV")
    assert b"ReadFromSystemNumbers" in await engine.query("EXPLAIN SELECT number FROM numbers(1)", fmt="TSV")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("String", "plain", "plain"),
        (
            "String",
            'it\'s "quoted" \\ back\nnew\ttab\r\0nul \b\f ü 漢 🦉',
            'it\'s "quoted" \\ back\nnew\ttab\r\0nul \b\f ü 漢 🦉',
        ),
        ("String", "\\N", "\\N"),
        ("String", "", ""),
        ("String", "&a=b;c%20+d#e?f", "&a=b;c%20+d#e?f"),
        ("Int64", -(2**63), -(2**63)),
        ("UInt256", 2**256 - 1, 2**256 - 1),
        ("Float64", 1e-300, 1e-300),
        ("Bool", True, True),
        ("UInt8", True, 1),
        ("Nullable(String)", None, None),
        ("Array(String)", ["a'b", "c\\d", "e\nf", ""], ["a'b", "c\\d", "e\nf", ""]),
        ("Array(String)", [], []),
        ("Array(Nullable(Int32))", [1, None], [1, None]),
        ("Array(Bool)", [True, False], [True, False]),
        ("Map(String, String)", {"k'1": "v\\1", "k2": ""}, {"k'1": "v\\1", "k2": ""}),
        ("Tuple(String, Int8)", ("x'", 1), ["x'", 1]),
        ("Date", dt.date(2024, 2, 29), "2024-02-29"),
        ("UUID", uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (
            "DateTime64(6, 'UTC')",
            dt.datetime(2024, 1, 1, 1, 0, 0, 250, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            "2024-01-01 00:00:00.000250",
        ),
    ],
)
async def test_parameters_arrive_as_they_are(engine, kind, value, expected):
    [row] = await engine.rows(f"SELECT {{value:{kind}}} AS v", params={"value": value})
    assert row["v"] == expected
    assert type(row["v"]) is type(expected)


async def test_bytes_parameters_need_no_utf8(engine):
    every = bytes(range(256))
    [row] = await engine.rows(
        "SELECT hex({b:String}) AS b, hex({f:FixedString(4)}) AS f, arrayMap(x -> hex(x), {a:Array(String)}) AS a",
        params={"b": every, "f": b"\xff\0'\\", "a": [every]},
    )
    assert row == {"b": every.hex().upper(), "f": "FF00275C", "a": [every.hex().upper()]}


async def test_special_floats_are_parameters(engine):
    body = await engine.query(
        "SELECT {a:Float64}, {b:Array(Float64)}",
        params={"a": float("nan"), "b": [float("inf"), float("-inf"), 0.1]},
        fmt="TSV",
    )
    assert body == b"nan\t[inf,-inf,0.1]\n"


async def test_identifiers_are_parameters(engine, database):
    await engine.execute("CREATE TABLE {d:Identifier}.t (a Int8) ENGINE = Memory", params={"d": database})
    assert await engine.rows("SELECT count() AS n FROM {d:Identifier}.t", params={"d": database}) == [{"n": 0}]


async def test_parameters_cannot_become_sql(engine):
    attack = "x' OR 1=1; DROP TABLE t; -- {value:String}"
    assert await engine.rows("SELECT {value:String} AS v", params={"value": attack}) == [{"v": attack}]


async def test_a_naive_datetime_is_refused(engine):
    with pytest.raises(TypeError, match="time zone"):
        await engine.query("SELECT {t:DateTime}", params={"t": dt.datetime(2024, 1, 1)})  # noqa: DTZ001 - the point


async def test_rows_keep_integers_exact(engine):
    rows = await engine.rows(
        "SELECT toUInt64(18446744073709551615) AS u, toInt64(-9223372036854775808) AS i, 'a\nb' AS s"
    )
    assert rows == [{"u": 18446744073709551615, "i": -9223372036854775808, "s": "a\nb"}]
    assert await engine.rows("SELECT 1 AS one WHERE 0") == []


async def test_settings_hold_for_one_statement(engine):
    sql = "SELECT getSetting('max_block_size') AS v"
    before = await engine.rows(sql)
    assert await engine.rows(sql, settings={"max_block_size": 4321}) == [{"v": 4321}]
    assert await engine.rows(sql) == before
    assert await engine.rows("SELECT getSetting('join_use_nulls') AS v", settings={"join_use_nulls": True}) == [
        {"v": True}
    ]


async def test_table_filters_are_a_setting_that_a_readonly_query_cannot_change(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (tenant String) ENGINE = MergeTree ORDER BY tenant")
    await engine.insert(f"{database}.t", "TSV", b"acme\nother\nit's\n")
    settings = {"additional_table_filters": f"{{'{database}.t': 'tenant = \\'it\\\\\\'s\\''}}", "readonly": 1}
    assert await engine.rows(f"SELECT tenant FROM {database}.t", settings=settings) == [{"tenant": "it's"}]
    with pytest.raises(EngineError) as caught:
        await engine.rows(f"SELECT * FROM {database}.t SETTINGS additional_table_filters = {{}}", settings=settings)
    assert caught.value.code == 164


async def test_an_unknown_setting_is_named(engine):
    with pytest.raises(EngineError) as caught:
        await engine.query("SELECT 1", settings={"no_such_setting": 1})
    assert caught.value.code == 115
    assert "no_such_setting" in str(caught.value)


async def test_url_settings_hold_for_every_statement(engine_url):
    engine = Engine(f"{engine_url}?max_block_size=1234")
    assert await engine.rows("SELECT getSetting('max_block_size') AS v") == [{"v": 1234}]
    await engine.close()


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("SELECT * FROM no_such_table", 60, "UNKNOWN_TABLE"),
        ("SELECT FROM WHERE", 62, "SYNTAX_ERROR"),
        ("SELECT no_such_column", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT 1 FORMAT NoSuchFormat", 73, "UNKNOWN_FORMAT"),
        ("SELECT throwIf(1, 'on purpose (really)')", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR"),
    ],
)
async def test_exceptions_carry_code_and_name(engine, sql, code, name):
    with pytest.raises(EngineError) as caught:
        await engine.query(sql)
    assert (caught.value.code, caught.value.name) == (code, name)
    assert "DB::Exception" not in str(caught.value)


async def test_limits_have_an_error_of_their_own(engine):
    with pytest.raises(QueryLimit, match="time"):
        await engine.query("SELECT count() FROM system.numbers", settings={"max_execution_time": 0.2})
    with pytest.raises(QueryLimit, match="memory"):
        await engine.query(
            "SELECT groupArray(number) FROM numbers(50000000)", settings={"max_memory_usage": 50_000_000}
        )
    with pytest.raises(QueryLimit, match="rows to read"):
        await engine.query("SELECT sum(number) FROM numbers(2000000)", settings={"max_rows_to_read": 1000})
    with pytest.raises(QueryLimit, match="answer"):
        await engine.query("SELECT number FROM numbers(2000000)", settings={"max_result_rows": 1000})


async def test_readonly_refuses_writes(engine, database):
    with pytest.raises(EngineError) as caught:
        await engine.execute(f"CREATE TABLE {database}.t (a Int8) ENGINE = Memory", settings={"readonly": 1})
    assert caught.value.code == 164


async def test_insert_takes_bytes(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (a Int64, s String) ENGINE = MergeTree ORDER BY a")
    await engine.insert(f"{database}.t", "JSONEachRow", b'{"a":1,"s":"x\\ny"}\n{"a":2,"s":"FORMAT VALUES ; --"}\n')
    await engine.insert(f"{database}.t (a)", "CSV", b"3\n")
    rows = await engine.rows(f"SELECT * FROM {database}.t ORDER BY a")
    assert rows == [{"a": 1, "s": "x\ny"}, {"a": 2, "s": "FORMAT VALUES ; --"}, {"a": 3, "s": ""}]


async def test_insert_takes_protobuf_with_an_inline_schema(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (name String, n UInt64) ENGINE = MergeTree ORDER BY n")
    message = b"\x0a\x03abc\x10\x07"
    settings = {
        "format_schema_source": "string",
        "format_schema": 'syntax = "proto3"; message M { string name = 1; uint64 n = 2; }',
        "format_schema_message_name": "M",
    }
    await engine.insert(f"{database}.t", "Protobuf", (bytes([len(message)]) + message) * 2, settings=settings)
    assert await engine.rows(f"SELECT * FROM {database}.t") == [{"name": "abc", "n": 7}] * 2


async def test_insert_streams(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (a UInt64) ENGINE = MergeTree ORDER BY a")

    async def lines():
        for start in range(0, 1_000_000, 10_000):
            yield b"".join(b"%d\n" % n for n in range(start, start + 10_000))

    await engine.insert(f"{database}.t", "TSV", lines())
    assert await engine.rows(f"SELECT count() AS n, sum(a) AS s FROM {database}.t") == [
        {"n": 1_000_000, "s": sum(range(1_000_000))}
    ]


async def test_an_insert_that_fails_inserts_nothing(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (a UInt64) ENGINE = MergeTree ORDER BY a")
    with pytest.raises(EngineError) as caught:
        await engine.insert(f"{database}.t", "TSV", b"1\n2\nthree\n")
    assert caught.value.code == 27
    with pytest.raises(EngineError) as caught:
        await engine.insert(f"{database}.missing", "TSV", b"1\n" * 3_000_000)
    assert caught.value.code == 60
    assert await engine.rows(f"SELECT count() AS n FROM {database}.t") == [{"n": 0}]


async def test_an_insert_whose_source_fails_inserts_nothing(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (a UInt64) ENGINE = MergeTree ORDER BY a")

    class SourceError(Exception):
        pass

    async def lines():
        yield b"1\n2\n"
        await asyncio.sleep(0.1)
        raise SourceError

    with pytest.raises((SourceError, EngineUnavailable)):
        await engine.insert(f"{database}.t", "TSV", lines())
    await asyncio.sleep(0.5)
    assert await engine.rows(f"SELECT count() AS n FROM {database}.t") == [{"n": 0}]


async def test_insert_select_and_values_are_statements(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
    await engine.execute(f"INSERT INTO {database}.t SELECT number, 'FORMAT' FROM numbers(3)")
    await engine.execute(f"INSERT INTO {database}.t VALUES (10, 'a;b'), (11, {{s:String}})", params={"s": "it's"})
    rows = await engine.rows(f"SELECT s FROM {database}.t ORDER BY a")
    assert [row["s"] for row in rows] == ["FORMAT"] * 3 + ["a;b", "it's"]


async def test_a_stream_comes_in_pieces_and_whole(engine):
    sizes = []
    last = b""
    async with engine.stream("SELECT number FROM numbers(3000000)", fmt="TSV") as chunks:
        async for chunk in chunks:
            sizes.append(len(chunk))
            last = (last + chunk)[-20:]
    assert len(sizes) > 10
    assert sum(sizes) == sum(len(str(n)) + 1 for n in range(3_000_000))
    assert last.endswith(b"\n2999999\n")


@pytest.mark.parametrize("fmt", ["JSON", "JSONCompact", "CSVWithNames", "JSONCompactEachRowWithNamesAndTypes"])
async def test_large_answers_are_one_document(engine, fmt):
    body = await engine.query("SELECT number AS n FROM numbers(300000)", fmt=fmt)
    if fmt.startswith("CSV"):
        lines = body.splitlines()
        assert (lines[0], len(lines), lines.count(b'"n"')) == (b'"n"', 300_001, 1)
    elif fmt == "JSONCompactEachRowWithNamesAndTypes":
        assert len([json.loads(line) for line in body.splitlines()]) == 300_002
    else:
        assert len(json.loads(body)["data"]) == 300_000


async def test_large_answers_are_one_arrow_or_parquet_file(engine):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    sql = "SELECT number AS n FROM numbers(300000)"
    stream = await engine.query(sql, fmt="ArrowStream")
    assert pyarrow.ipc.open_stream(stream).read_all().num_rows == 300_000
    file = await engine.query(sql, fmt="Parquet")
    assert parquet.read_table(pyarrow.BufferReader(file)).num_rows == 300_000


async def test_an_exception_in_the_middle_is_never_a_whole_answer(engine):
    sql = "SELECT number, throwIf(number = 2900000, 'in the middle') FROM numbers(3000000)"
    settings = {"max_block_size": 10_000, "max_threads": 1}
    received = 0
    with pytest.raises(EngineError, match="in the middle") as caught:
        async with engine.stream(sql, fmt="TSV", settings=settings) as chunks:
            async for chunk in chunks:
                received += len(chunk)
                assert b"__exception__" not in chunk
                assert b"DB::Exception" not in chunk
    assert caught.value.code == 395
    assert received > 1_000_000
    with pytest.raises(EngineError, match="in the middle"):
        await engine.query(sql, settings=settings)


async def test_text_that_looks_like_an_exception_is_data(engine):
    fake = "\r\n__exception__\r\nabcdefghijklmnop\r\nCode: 1. DB::Exception: no"
    body = await engine.query("SELECT {s:String} FROM numbers(50000)", params={"s": fake}, fmt="RawBLOB")
    assert body == fake.encode() * 50_000


async def _running(engine, marker: str) -> int:
    [row] = await engine.rows(
        "SELECT count() AS n FROM system.processes "
        "WHERE position(query, {m:String}) > 0 AND query NOT LIKE '%system.processes%'",
        params={"m": marker},
    )
    return int(row["n"])


async def _until_running(engine, marker: str, count: int) -> None:
    while await _running(engine, marker) != count:  # noqa: ASYNC110 - the engine tells nobody
        await asyncio.sleep(0.02)


async def test_leaving_a_stream_cancels_the_query(engine):
    marker = uuid.uuid4().hex
    async with engine.stream(f"SELECT number, '{marker}' FROM system.numbers", settings={"readonly": 1}) as chunks:
        await anext(chunks)
        assert await _running(engine, marker) == 1
    await _until_running(engine, marker, 0)
    assert await engine.ping()


async def test_cancelling_the_caller_cancels_the_query_before_its_first_row(engine):
    marker = uuid.uuid4().hex
    task = asyncio.create_task(
        engine.query(f"SELECT count(), '{marker}' FROM system.numbers", settings={"readonly": 1})
    )
    await _until_running(engine, marker, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until_running(engine, marker, 0)


async def test_kill_query_takes_the_callers_id(engine):
    query_id = f"id-{uuid.uuid4().hex}"
    task = asyncio.create_task(engine.query("SELECT count() FROM system.numbers", query_id=query_id))
    while not task.done():
        await engine.execute("KILL QUERY WHERE query_id = {id:String} ASYNC".replace("{id:String}", f"'{query_id}'"))
        await asyncio.sleep(0.05)
    with pytest.raises(EngineError) as caught:
        await task
    assert (caught.value.code, caught.value.name) == (394, "QUERY_WAS_CANCELLED")


async def test_killing_a_read_only_query_leaves_others_of_its_kind_alone(engine):
    async def short(n: int) -> None:
        rows = await engine.rows("SELECT {n:UInt64} AS n", params={"n": n}, settings={"readonly": 1})
        assert rows == [{"n": n}]

    for by_statement in (True, False) * 4:
        query_id = f"id-{uuid.uuid4().hex}"
        endless = "SELECT count(), {n:UInt64} FROM system.numbers"
        task = asyncio.create_task(engine.query(endless, params={"n": 1}, settings={"readonly": 1}, query_id=query_id))
        killed: type[BaseException] = EngineError if by_statement else asyncio.CancelledError
        n = 0
        while not task.done():
            await asyncio.gather(*(short(n + i) for i in range(4)))
            if by_statement:
                await engine.execute(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC")
            elif n:
                task.cancel()
            n += 4
        with pytest.raises(killed):
            await task


async def test_a_read_only_query_finds_nothing_of_the_one_before(engine):
    read_only = {"readonly": 1}
    rows = await engine.rows("SELECT {v:String} AS v", params={"v": "mine"}, settings=read_only)
    assert rows == [{"v": "mine"}]
    for _ in range(2):
        with pytest.raises(EngineError, match="`v` is not set"):
            await engine.rows("SELECT {v:String} AS v", settings=read_only)
        with pytest.raises(EngineError, match="`v` is not set"):
            await engine.rows("SELECT {v:String} AS v", params={"w": "other"}, settings=read_only)
    for threads in (3, 5, 3):
        rows = await engine.rows(
            "SELECT getSetting('max_threads') AS n", settings={**read_only, "max_threads": threads}
        )
        assert rows == [{"n": threads}]
    with pytest.raises(EngineError, match="throwIf"):
        await engine.rows("SELECT throwIf({v:UInt8})", params={"v": 1}, settings=read_only)
    assert await engine.rows("SELECT throwIf({v:UInt8}) AS no", params={"v": 0}, settings=read_only) == [{"no": 0}]


async def test_many_at_once_keep_their_parameters_apart(engine, database):
    await engine.execute(f"CREATE TABLE {database}.t (a UInt64) ENGINE = MergeTree ORDER BY a")

    async def ask(n: int) -> None:
        for i in range(8):
            value = f"{n}-{i}'\\"
            rows = await engine.rows(
                "SELECT {v:String} AS v, getSetting('max_block_size') AS b, sum(number) AS s FROM numbers({n:UInt64})",
                params={"v": value, "n": n + 1},
                settings={"max_block_size": 1000 + n, "readonly": 1},
            )
            assert rows == [{"v": value, "b": 1000 + n, "s": n * (n + 1) // 2}]

    async def put(n: int) -> None:
        for i in range(4):
            await engine.insert(f"{database}.t", "TSV", b"%d\n" % (n * 4 + i) * 10)

    async def fail() -> None:
        for _ in range(8):
            with pytest.raises(EngineError):
                await engine.query("SELECT throwIf(number = 5) FROM numbers(10)")

    await asyncio.gather(*(ask(n) for n in range(12)), *(put(n) for n in range(6)), *(fail() for _ in range(3)))
    assert await engine.rows(f"SELECT count() AS n, uniqExact(a) AS u FROM {database}.t") == [{"n": 240, "u": 24}]


async def test_ping(engine):
    assert await engine.ping()


@pytest.mark.parametrize("url", ["unix:///no/such/engine.sock", "http://127.0.0.1:9"])
async def test_an_absent_engine_is_unavailable(url):
    engine = Engine(url)
    assert not await engine.ping()
    with pytest.raises(EngineUnavailable, match="does not answer"):
        await engine.query("SELECT 1")
    with pytest.raises(EngineUnavailable):
        await engine.insert("t", "TSV", b"1\n")
    await engine.close()


@pytest.mark.parametrize("url", ["ftp://host", "host:8123", "unix:", "http://", "unix://relative/path"])
def test_a_malformed_address_is_refused(url):
    with pytest.raises(SettingsError, match="engine's address"):
        Engine(url)


async def test_the_callers_own_errors_pass_through_a_stream(engine):
    with pytest.raises(ConnectionResetError):
        async with engine.stream("SELECT number FROM numbers(1000000)") as chunks:
            await anext(chunks)
            raise ConnectionResetError
    assert await engine.ping()


@pytest.mark.parametrize("settings", [{}, {"max_memory_usage": 40_000_000}])
async def test_an_insert_that_fails_behind_a_view_is_no_success(engine, database, settings):
    """Neither a constraint of the last table nor its memory may be lost on the way back: the caller would forget."""
    await engine.execute(f"CREATE TABLE {database}.door (a UInt64) ENGINE = Null")
    await engine.execute(f"CREATE TABLE {database}.room (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    await engine.execute(
        f"CREATE MATERIALIZED VIEW {database}.v TO {database}.room AS SELECT a, repeat('x', a) AS b FROM {database}.door"
    )
    await engine.execute(f"ALTER TABLE {database}.room ADD CONSTRAINT odd CHECK a != 3")
    data = b"3\n" if not settings else b"900000\n" * 100
    with pytest.raises((EngineError, QueryLimit)):
        await engine.insert(f"{database}.door", "TSV", data, settings=settings)
    assert await engine.rows(f"SELECT count() AS n FROM {database}.room") == [{"n": 0}]
    await engine.insert(f"{database}.door (a)", "TSV", b"1\n2\n")
    assert await engine.rows(f"SELECT count() AS n FROM {database}.room") == [{"n": 2}]


async def test_a_large_insert_is_one_block(engine, database):
    """The log's tokens hold for a whole insert; threads that parse would cut it."""
    await engine.execute(f"CREATE TABLE {database}.t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    body = b"".join(b'{"a":%d,"b":"%s"}\n' % (i, b"x" * 1000) for i in range(70_000))
    whole = {"max_block_size": 1_000_000, "min_insert_block_size_rows": 0, "min_insert_block_size_bytes": 0}
    await engine.insert(f"{database}.t", "JSONEachRow", body, settings={**whole, "max_insert_threads": 1})
    parts = f"SELECT count() AS n, sum(rows) AS r FROM system.parts WHERE database = '{database}' AND table = 't'"
    assert await engine.rows(parts + " AND NOT match(name, '_[1-9][0-9]*$')") == [{"n": 1, "r": 70_000}]
