"""SQL over the public API: answers, formats, limits, and every way we know to look over the fence."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import time

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import EngineError, VedetteError
from vedette.server.engine.client import Engine
from vedette.server.query.reader import Limits, Reader
from vedette.server.query.sql.names import DATABASE, VIEWS


def test_rows_come_in_the_format_that_is_asked_for(tenant) -> None:
    statement = "SELECT body, severity, attributes['code'] AS code FROM logs"
    row = {"body": tenant.marker, "severity": "info", "code": "500"}
    answer = tenant.ask(statement)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert json.loads(answer.body) == row
    assert tenant.ask(statement, "JSON").json()["data"] == [row]
    assert tenant.ask(f"{statement} FORMAT CSVWithNames", "JSON").body.decode() == (
        f'"body","severity","code"\n"{tenant.marker}","info","500"\n'
    )
    assert pq.read_table(io.BytesIO(tenant.ask(statement, "Parquet").body)).to_pylist()[0]["code"] in {"500", b"500"}
    assert tenant.marker in tenant.ask(statement, "Vertical").body.decode()


def test_big_integers_are_exact(tenant) -> None:
    assert json.loads(tenant.ask("SELECT 18446744073709551615 AS n").body) == {"n": 2**64 - 1}


def test_the_schema_lists_what_can_be_asked(tenant) -> None:
    answer = tenant.platform.request("/api/v1/sql/schema", headers={"X-Scope-OrgID": tenant.name})
    tables = {table["name"]: {column["name"] for column in table["columns"]} for table in answer.json()["tables"]}
    assert {"spans", "logs", "samples", "series", "traces", "ledger"} <= set(tables) <= VIEWS
    assert {"time", "trace_id", "service", "duration_ns", "attributes"} <= tables["spans"]
    assert not any("tenant" in columns for columns in tables.values())
    for name in tables:
        assert tenant.ask(f"SELECT * FROM {name} LIMIT 1").status == 200, name


def test_what_the_engine_cannot_answer_is_the_callers_mistake(tenant) -> None:
    unknown = tenant.ask("SELECT nope FROM logs")
    assert unknown.status == 400
    assert "nope" in unknown.json()["detail"]
    assert "OUTFILE" not in unknown.json()["detail"]
    syntax = tenant.ask("SELECT 1 AS a,\n  2 AS b FROM numbers(1) WINDOW w")
    assert syntax.status == 400
    assert tenant.ask("SELECT throwIf(number = 3) FROM numbers(10)").status == 400
    assert tenant.ask("SELECT 1", "NoSuchFormat").status == 400
    assert tenant.ask("SELECT 1", "a'b").status == 400
    assert tenant.ask(b"SELECT '\xff'").status == 400
    assert tenant.ask(b"").status == 400


def test_a_refusal_carries_its_place(tenant) -> None:
    problem = tenant.ask("SELECT 1 /* é */, (SELECT 1 FROM system.one)").json()
    assert problem["position"] == 33
    assert problem["status"] == 400


@pytest.fixture(scope="module")
def strict(new_platform, tmp_path_factory):
    limits = ["--query-max-seconds", "2s", "--query-max-memory", "100MiB"]
    platform = new_platform(tmp_path_factory.mktemp("strict") / "data", limits).start()
    yield platform
    platform.stop()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT sum(cityHash64(number)) FROM numbers(1000000000000)",
        "SELECT groupArray(toString(number)) FROM numbers(1000000000)",
    ],
)
def test_greedy_statements_end_with_their_limit_named(strict, statement: str) -> None:
    answer = strict.request("/api/v1/sql", statement.encode(), method="POST")
    assert answer.status == 422, answer.body
    assert "limit" in answer.json()["detail"]
    assert strict.request("/api/v1/sql", b"SELECT 1", method="POST").status == 200


def test_a_question_whose_client_left_ends(make_platform) -> None:
    """More questions than may run at once, which would take years: if one of them went on, the last would wait."""
    platform = make_platform("--query-max-seconds", "1d", "--query-concurrency", "2")
    endless = b"SELECT sum(cityHash64(number)) FROM numbers(1000000000000000)"
    for _ in range(6):
        connection = http.client.HTTPConnection("127.0.0.1", platform.port)
        connection.request("POST", "/api/v1/sql", endless)
        time.sleep(0.2)
        connection.close()
    assert platform.request("/api/v1/sql", b"SELECT 1", method="POST").body == b'{"1":1}\n'


ATTACKS = [
    "SELECT * FROM vedette.logs",
    "SELECT * FROM `vedette`.`logs`",
    "SELECT * FROM vedette/**/.logs",
    "SELECT * FROM vedette . logs",
    'SELECT * FROM "vedette"."logs"',
    "SELECT * FROM merge('vedette', 'logs')",
    "SELECT * FROM merge(REGEXP('.*'), 'logs')",
    "SELECT * FROM remote('127.0.0.1', 'vedette.logs')",
    "SELECT * FROM remoteSecure('127.0.0.1', vedette, logs)",
    "SELECT * FROM cluster('default', vedette.logs)",
    "SELECT * FROM clusterAllReplicas('default', vedette.logs)",
    "SELECT * FROM loop(vedette.logs)",
    "SELECT * FROM mergeTreeIndex(vedette, logs)",
    "SELECT * FROM mergeTreeTextIndex(vedette, logs, body_tokens)",
    "SELECT * FROM mergeTreeProjection(vedette, logs, p)",
    "SELECT * FROM dictionary('vedette.logs')",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM logs))",
    "SELECT * FROM system.processes",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.parts_columns",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM INFORMATION_SCHEMA.TABLES",
    "SELECT * FROM logs SETTINGS additional_table_filters = {}",
    "SELECT * FROM logs SETTINGS additional_table_filters = {'vedette.logs': '1'}",
    "SELECT * FROM (SELECT * FROM logs SETTINGS additional_table_filters = {'vedette.logs': '1'})",
    "SELECT * FROM (SELECT * FROM logs) SETTINGS readonly = 0",
    "WITH logs AS (SELECT * FROM vedette.logs) SELECT * FROM logs",
    "WITH logs AS (SELECT * FROM logs) SELECT * FROM logs",
    "WITH x AS (SELECT * FROM vedette_sql.logs) SELECT * FROM x, logs",
    "SELECT * FROM logs AS a JOIN logs AS b ON 1 = 1",
    "SELECT * FROM logs AS a LEFT JOIN logs AS b ON a.body != b.body",
    "SELECT * FROM logs WHERE tenant != ''",
    "SELECT tenant FROM logs",
    "SELECT logs.tenant FROM logs",
    "SELECT * EXCEPT body, tenant FROM logs",
    "SELECT COLUMNS('tenant') FROM logs",
    "SELECT * FROM logs WHERE 1 = 1 OR tenant = 'sql-victim'",
    "SELECT * FROM logs UNION ALL SELECT * FROM logs",
    "SELECT * FROM logs UNION DISTINCT (SELECT * FROM vedette.logs)",
    "SELECT * FROM logs EXCEPT SELECT * FROM logs",
    "SELECT * FROM logs INTERSECT SELECT * FROM logs",
    "SELECT (SELECT groupArray(body) FROM logs)",
    "SELECT (SELECT groupArray(body) FROM vedette.logs)",
    "SELECT body IN (SELECT body FROM vedette.logs) FROM logs",
    "SELECT 'marker-of-sql-victim' IN (SELECT body FROM logs) AS leaked",
    "SELECT body FROM logs WHERE body IN vedette.logs",
    "SELECT count() AS n FROM logs WHERE body LIKE '%victim%' HAVING n > 0",
    "SELECT arrayMap(x -> (SELECT any(body) FROM vedette.logs), [1])",
    "SELECT any(body) OVER () FROM logs",
    "SELECT * FROM logs PREWHERE 1",
    "SELECT * FROM logs FINAL",
    "SELECT * FROM logs SAMPLE 1",
    "SELECT * FROM spans ARRAY JOIN events.name",
    "SELECT * FROM traces",
    "SELECT * FROM operations",
    "SELECT * FROM usage_hour",
    "SELECT * FROM red_minute",
    "SELECT * FROM in_otlp_logs",
    "SELECT * FROM vedette_sql.`vedette.logs`",
    "SELECT * FROM `vedette.logs`",
    "SELECT dictGet('vedette.logs', 'body', 1)",
    "SELECT joinGet('vedette.logs', 'body', 1)",
    "SELECT getSetting('additional_table_filters')",
    "SELECT 1 /* /* */ , (SELECT groupArray(body) FROM vedette.logs) /* */ */",
    "SELECT \u2018'\u2019, (SELECT groupArray(body) FROM vedette.logs), \u2018'\u2019",
    "SELECT 1 # \n , (SELECT groupArray(body) FROM vedette.logs)",
    'SELECT * FROM "vede\\x74te".logs',
    "SELECT * FROM \uff56edette.logs",
    "EXPLAIN SELECT * FROM logs",
    "DESCRIBE TABLE vedette.logs",
    "SHOW CREATE TABLE vedette.logs",
    "SELECT 1; SELECT * FROM vedette.logs",
    "SELECT * FROM file('/proc/self/environ', LineAsString)",
    "SELECT file('/etc/hostname')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
    "INSERT INTO vedette.logs (tenant, body) VALUES ('sql-victim', 'x')",
    "SELECT * INTO OUTFILE '/tmp/stolen' FROM logs",
]


@pytest.mark.parametrize("statement", ATTACKS)
def test_nobody_sees_anothers_rows(tenant, victim, statement: str) -> None:
    answer = tenant.ask(statement)
    assert answer.status in {200, 400}, answer.body
    if answer.status == 200:
        assert victim.marker.encode() not in answer.body
        assert b'"leaked":1' not in answer.body
        assert b"sql-victim" not in answer.body


BEYOND_THE_GUARD = [
    "SELECT groupArray(body) FROM vedette.logs",
    "SELECT groupArray(body) FROM vedette_sql.logs",
    "SELECT groupArray(body) FROM vedette.logs SETTINGS additional_table_filters = {}",
    "SELECT groupArray(body) FROM vedette_sql.logs SETTINGS additional_table_filters = {'vedette.logs': '1'}",
    "SELECT groupArray(body) FROM (SELECT * FROM vedette.logs SETTINGS additional_table_filters = {'vedette.x': '1'})",
    "WITH x AS (SELECT body FROM vedette.logs SETTINGS additional_table_filters = {}) SELECT * FROM x",
    "SELECT (SELECT groupArray(body) FROM vedette.logs)",
    "SELECT 1 WHERE 'marker-of-sql-victim' IN (SELECT body FROM vedette.logs)",
    "SELECT body FROM vedette.logs UNION ALL SELECT body FROM vedette.logs SETTINGS additional_table_filters = {}",
    "SELECT groupArray(body) FROM vedette.logs WHERE hasAllTokens(lower(body), 'victim')",
    "SELECT concat('marker-of-sql-', 'victim') FROM vedette.logs WHERE hasAllTokens(lower(body), 'victim')",
    "SELECT concat('marker-of-sql-', 'victim') FROM vedette_sql.logs WHERE hasPhrase(lower(body), 'sql victim')",
    "SELECT groupArray(body) FROM vedette.logs WHERE 1 OR hasAllTokens(lower(body), 'victim')",
    "SELECT groupArray(body) FROM view(SELECT * FROM vedette.logs)",
    "SELECT groupArray(name) FROM vedette.spans",
    "SELECT groupArray(root_name) FROM vedette.trace_index",
    "SELECT groupArray(name) FROM vedette.operations",
]


@pytest.mark.parametrize("statement", BEYOND_THE_GUARD)
def test_the_engine_keeps_tenants_apart_even_where_the_guard_would_fail(tenant, victim, statement: str) -> None:
    async def ask() -> bytes:
        engine = Engine(f"unix://{tenant.platform.data_dir}/engine.sock")
        try:
            reader = Reader(engine, Limits())
            await reader.prepare()
            return await reader.query(tenant.name, statement, settings={"database": DATABASE})
        except (EngineError, VedetteError) as error:
            return str(error).encode().replace(statement.encode(), b"")
        finally:
            await engine.close()

    assert victim.marker.encode() not in asyncio.run(ask())


def test_the_victim_can_be_seen_by_itself(victim) -> None:
    assert victim.marker.encode() in victim.ask("SELECT groupArray(body) FROM logs").body


WORDS = st.sampled_from(
    ["SELECT", "*", "body", "FROM", "logs", "spans", "vedette.logs", "system.tables", "(", ")", ",", "UNION ALL",
     "WITH x AS (SELECT body FROM logs)", "x", "WHERE 1", "IN", "--", "/*", "*/", "\n", "'", '"', "`", "1", "AS",
     "FORMAT", "CSV", ";", "JOIN logs USING body", "LIMIT 5", "count()", "merge('vedette','logs')", "SETTINGS a=1"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, min_size=1, max_size=12))
def test_no_statement_is_an_internal_error_or_a_leak(tenant, victim, words: list[str]) -> None:
    answer = tenant.ask(" ".join(["SELECT", *words]))
    assert answer.status in {200, 400, 422}, answer.body
    if answer.status == 200:
        assert victim.marker.encode() not in answer.body
