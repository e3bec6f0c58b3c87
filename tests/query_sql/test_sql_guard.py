"""What the guard lets through, what it refuses, and where it points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InvalidInput
from vedette.server.query.sql.guard import MAX_CHARACTERS, check_statement

ALLOWED = [
    "SELECT 1",
    "select count() from spans",
    "SELECT service, count() AS n FROM logs WHERE time > now() - INTERVAL 1 HOUR GROUP BY ALL ORDER BY n DESC LIMIT 5",
    "WITH slow AS (SELECT * FROM spans WHERE duration_ns > 1e9) SELECT service, count() FROM slow GROUP BY service",
    "WITH spans AS (SELECT 1 AS x) SELECT x FROM spans",
    "SELECT * FROM vedette_sql.logs LIMIT 1",
    "SELECT 1 UNION ALL SELECT 2",
    "(SELECT 1) UNION DISTINCT (SELECT 2)",
    "SELECT a.service FROM spans AS a JOIN logs AS b ON a.trace_id = b.trace_id",
    "SELECT service FROM spans WHERE trace_id IN (SELECT trace_id FROM logs WHERE severity = 'error')",
    "SELECT arrayMap(x -> x + 1, [1, 2]), attributes['http.route'], tuple(1, 2).1 FROM spans",
    "SELECT name FROM spans ARRAY JOIN events.name AS event",
    "SELECT quantilesTDigest(0.5, 0.9)(duration_ns) FROM spans",
    "SELECT uniqExactIf(name, status = 'error') OVER (PARTITION BY service) FROM spans",
    "SELECT toStartOfMinute(time) AS t, count() FROM logs GROUP BY t ORDER BY t WITH FILL STEP 60",
    "SELECT number FROM numbers(10)",
    "SELECT * FROM values('a UInt8', 1, 2)",
    "SELECT 1 -- a comment\n/* another */ + 1;",
    "SELECT 'it''s; FORMAT x SETTINGS y -- z /* system.tables */'",
    'SELECT 1 AS "SETTINGS", 2 AS `größe`',
    "SELECT 'größe 😀', 'a\\\\', '\\'', 'merge('",
    "SELECT 1e-5, .5, 0x1F, -1, 1::UInt8, [1][1], (1, 2).1, 1 <=> 2, 1 != 2, 1 || 2",
    "SELECT format('{}-{}', 1, 2), position('a', 'b'), replaceAll('a', 'b', 'c')",
    "SELECT user FROM (SELECT 1 AS user)",
    "SELECT CASE WHEN status = 'error' THEN 1 ELSE 0 END FROM spans",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "SELECT service, name FROM spans LIMIT 1 BY service",
]


@pytest.mark.parametrize("statement", ALLOWED)
def test_questions_pass(statement: str) -> None:
    checked = check_statement(statement)
    assert checked.format is None
    assert len(checked.sql) <= len(statement)


@pytest.mark.parametrize(
    ("statement", "near", "words"),
    [
        # Statements that are no questions.
        ("INSERT INTO spans SELECT * FROM spans", "INSERT", "Only SELECT"),
        ("DROP TABLE logs", "DROP", "Only SELECT"),
        ("SYSTEM SHUTDOWN", "SYSTEM", "Only SELECT"),
        ("SET readonly = 0", "SET", "Only SELECT"),
        ("KILL QUERY WHERE 1", "KILL", "Only SELECT"),
        ("SHOW TABLES", "SHOW", "/api/v1/sql/schema"),
        ("DESCRIBE spans", "DESCRIBE", "/api/v1/sql/schema"),
        ("EXPLAIN SELECT 1", "EXPLAIN", "Only SELECT"),
        ("ATTACH TABLE x", "ATTACH", "Only SELECT"),
        ("SELECT 1; DROP TABLE logs", "; DROP", "one statement"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "OUTFILE", "INTO OUTFILE"),
        # Tables that are not there for everybody.
        ("SELECT * FROM system.tables", "system", "cannot be asked"),
        ("SELECT * FROM vedette.spans", "vedette", "cannot be asked"),
        ("SELECT * FROM `vedette`.`spans`", "`vedette`", "cannot be asked"),
        ('SELECT * FROM "system" . "one"', '"system"', "cannot be asked"),
        ("SELECT * FROM SyStEm.one", "SyStEm", "cannot be asked"),
        ("SELECT * FROM information_schema.tables", "information_schema", "cannot be asked"),
        ("SELECT * FROM other.secrets", "other", "no table"),
        ("SELECT * FROM a.b.c", "a.b", "no table"),
        ("SELECT * FROM nothing", "nothing", "no table 'nothing'"),
        ("SELECT * FROM vedette_sql.in_otlp_logs", "vedette_sql", "no table"),
        ("SELECT (SELECT count() FROM system.one)", "system", "cannot be asked"),
        ("SELECT 1 WHERE 1 IN (SELECT 1 FROM system.one)", "system", "cannot be asked"),
        ("SELECT 1 IN system.one", "system", "cannot be asked"),
        ("SELECT 1 IN (other.secrets)", "other", "IN (SELECT"),
        ("SELECT 1 GLOBAL NOT IN other.secrets", "other", "IN (SELECT"),
        ("WITH x AS (SELECT * FROM system.one) SELECT * FROM x", "system", "cannot be asked"),
        ("SELECT 1 UNION ALL SELECT dummy FROM system.one", "system", "cannot be asked"),
        ("SELECT * FROM spans JOIN system.one ON 1", "system", "cannot be asked"),
        # Functions that reach further than rows.
        ("SELECT * FROM merge('vedette', '.*')", "merge", "not allowed"),
        ("SELECT * FROM `merge`('vedette', '.*')", "`merge`", "not allowed"),
        ("SELECT * FROM remote('127.0.0.1', vedette.spans)", "remote", "not allowed"),
        ("SELECT * FROM url('http://169.254.169.254/', CSV)", "url", "not allowed"),
        ("SELECT * FROM file('/etc/passwd')", "file", "not allowed"),
        ("SELECT * FROM executable('id', TSV, 'x String')", "executable", "not allowed"),
        ("SELECT * FROM python(x)", "python", "not allowed"),
        ("SELECT * FROM s3('http://x')", "s3", "not allowed"),
        ("SELECT * FROM icebergS3Cluster('c', 'http://x')", "icebergS3Cluster", "not allowed"),
        ("SELECT * FROM view(SELECT 1)", "", "table function"),
        ("SELECT * FROM generateRandom('a UInt8')", "generateRandom", "table function"),
        ("SELECT * FROM loop(spans)", "loop", "not allowed"),
        ("SELECT file('/etc/passwd')", "file", "not allowed"),
        ("SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS x)", "file", "not allowed"),
        ("SELECT dictGetOrDefault('d', 'a', 1, 2)", "dictGetOrDefault", "not allowed"),
        ("SELECT joinGet('a.b', 'x', 1)", "joinGet", "not allowed"),
        ("SELECT hasColumnInTable('vedette', 'spans', 'x')", "hasColumnInTable", "not allowed"),
        ("SELECT HostName()", "HostName", "not allowed"),
        ("SELECT `hostName`()", "`hostName`", "not allowed"),
        ("SELECT getSetting('additional_table_filters')", "getSetting", "not allowed"),
        ("SELECT getClientHTTPHeader('Authorization')", "getClientHTTPHeader", "not allowed"),
        ("SELECT sleepEachRow(3)", "sleepEachRow", "not allowed"),
        ("SELECT aiGenerate('x')", "aiGenerate", "not allowed"),
        ("SELECT notIn(1, spans)", "notIn", "not allowed"),
        # Settings.
        ("SELECT 1 SETTINGS readonly = 0", "SETTINGS", "not allowed"),
        ("SELECT * FROM spans SETTINGS additional_table_filters = {}", "SETTINGS", "not allowed"),
        ("SELECT * FROM (SELECT 1 settings max_threads = 1)", "settings", "not allowed"),
        # What parsers read differently.
        ("SELECT $$x$$", "$$", "heredoc"),
        ('SELECT 1 FROM "sys\\x74em".one', '"sys', "backslash"),
        ("SELECT 1 AS `a``, merge(1, 2), `` b`", "`a", "quotes"),
        ('SELECT 1 AS `a"`, merge(1, 2), `b`', "`a", "quotes"),
        ("SELECT \u2018x\u2019", "\u2018", "outside ASCII"),
        ("SELECT größe FROM spans", "größe", "outside ASCII"),
        ("SELECT {x:Identifier}", "{", "braces"),
        ("SELECT @@version", "@", "not supported"),
        ("SELECT 1\x00", "\x00", "control character"),
        # What cannot be parsed.
        ("SELECT FROM WHERE", "WHERE", "cannot be parsed"),
        ("SELECT 1 +", "", "cannot be parsed"),
        ("SELECT (1", "", "cannot be parsed"),
    ],
)
def test_everything_else_is_refused_where_it_stands(statement: str, near: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_statement(statement)
    assert words in str(caught.value)
    if near:
        assert caught.value.position is not None
        assert statement[caught.value.position :].startswith(near)


@pytest.mark.parametrize("statement", ["", "  ", "-- nothing", ";", "SELECT 'x", "SELECT /* x"])
def test_nothing_and_half_of_something_are_refused(statement: str) -> None:
    with pytest.raises(InvalidInput):
        check_statement(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "(" * 10_000,
        "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
        "SELECT " + "NOT " * 5_000 + "1",
        "SELECT " + "CASE WHEN 1 THEN " * 1_500,
        "SELECT " + "[" * 5_000,
        "SELECT 1 " + "UNION ALL SELECT 1 " * 5_000,
        "x" * 100_000,
        "SELECT " + "f(" * 5_000,
    ],
)
def test_no_statement_is_too_much(statement: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_statement(statement)
    assert len(str(caught.value)) < 500


def test_a_format_clause_is_taken_off() -> None:
    checked = check_statement("SELECT 1 -- x\nFORMAT /* y */ CSV ;")
    assert checked.format == "CSV"
    assert checked.sql.split() == ["SELECT", "1"]
    assert check_statement("SELECT 1 AS format").format is None


@pytest.mark.parametrize("statement", ["SELECT 1 FORMAT 'x'", "SELECT 1 FORMAT `JSON`", "SELECT 1 FORMAT JSON x"])
def test_a_format_is_a_plain_name(statement: str) -> None:
    with pytest.raises(InvalidInput):
        check_statement(statement)


COMMENTED = "SELECT 1 /* /* */ , (SELECT name FROM system.tables LIMIT 1) /* */ */ # no\n+ 2 -- no"


def test_comments_are_blank_before_anybody_reads_the_statement() -> None:
    checked = check_statement(COMMENTED)
    assert checked.sql.split() == ["SELECT", "1", "+", "2"]
    assert checked.sql.index("+ 2") == COMMENTED.index("+ 2")


WORDS = st.sampled_from(
    [
        "SELECT",
        "FROM",
        "spans",
        "logs",
        "WHERE",
        "AND",
        "(",
        ")",
        ",",
        "*",
        "1",
        "'x'",
        '"y"',
        "`z`",
        ".",
        ";",
        "--",
        "/*",
        "*/",
        "\n",
        "#",
        "$$",
        "{",
        "}",
        "@",
        "\\",
        "'",
        '"',
        "`",
        "system",
        "vedette",
        "WITH",
        "AS",
        "UNION",
        "ALL",
        "IN",
        "FORMAT",
        "SETTINGS",
        "JOIN",
        "file",
        "hostName",
        "=",
        "->",
        "[",
        "]",
        "::",
        "?",
        ":",
        "é",
        "\u2018",
        "\u2019",
        "INTO",
        "OUTFILE",
        "x",
    ]
)


@given(st.lists(WORDS, max_size=30).map(" ".join) | st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    refusal = None
    try:
        check_statement(text)
    except InvalidInput as error:
        refusal = error
    if refusal is not None and refusal.position is not None:
        assert 0 <= refusal.position <= max(len(text), MAX_CHARACTERS)
