"""The little lexer that finds an INSERT's data, a statement's end and its format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.server.engine.embedded.failures import Failure, parse_failure
from vedette.server.engine.embedded.statements import Insert, Query, read_statement


def read(text: str, *, complete: bool = True, readonly: bool = False):
    return read_statement(text.encode(), complete=complete, readonly=readonly)


@pytest.mark.parametrize(
    ("sql", "head", "fmt"),
    [
        ("SELECT 1", "SELECT 1", None),
        ("SELECT 1 ;; ", "SELECT 1", None),
        ("SELECT 1 FORMAT JSON", "SELECT 1 ", "JSON"),
        ("select 1 format Json settings max_threads=1", "select 1 ", "Json"),
        ("SELECT 1 FORMAT CSV; -- FORMAT JSON", "SELECT 1 ", "CSV"),
        ("SELECT 'a FORMAT CSV'", "SELECT 'a FORMAT CSV'", None),
        ("SELECT format FROM t", "SELECT format FROM t", None),
        ("SELECT a FROM t ORDER BY format DESC", "SELECT a FROM t ORDER BY format DESC", None),
        ("SELECT format('{}', 'x')", "SELECT format('{}', 'x')", None),
        ("SELECT * FROM format(CSV, '1')", "SELECT * FROM format(CSV, '1')", None),
        ("SELECT 1 /* ; FORMAT CSV */ -- ;", "SELECT 1", None),
        ("SELECT $$ ; FORMAT CSV $$", "SELECT $$ ; FORMAT CSV $$", None),
        ("SELECT 'it\\'s ; ' , `;` , \";\"", "SELECT 'it\\'s ; ' , `;` , \";\"", None),
    ],
)
def test_formats_and_ends(sql, head, fmt):
    statement = read(sql)
    assert isinstance(statement, Query)
    assert (statement.head.decode(), statement.fmt) == (head, fmt)


@pytest.mark.parametrize(
    ("sql", "head", "fmt", "data"),
    [
        ("INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t ", "CSV", "1,2\n"),
        ("insert into t format TSV", "insert into t ", "TSV", ""),
        (
            "INSERT INTO db.format (a, values) FORMAT JSONEachRow {}",
            "INSERT INTO db.format (a, values) ",
            "JSONEachRow",
            "{}",
        ),
        ("INSERT INTO values FORMAT CSV\r\n\n1", "INSERT INTO values ", "CSV", "\n1"),
        (
            "INSERT INTO t SETTINGS a = 'FORMAT X' FORMAT Native\n",
            "INSERT INTO t SETTINGS a = 'FORMAT X' ",
            "Native",
            "",
        ),
        ("INSERT INTO `FORMAT` -- FORMAT X\n FORMAT CSV\nx", "INSERT INTO `FORMAT` -- FORMAT X\n ", "CSV", "x"),
        ("INSERT INTO FUNCTION null('a Int8') FORMAT CSV\n1", "INSERT INTO FUNCTION null('a Int8') ", "CSV", "1"),
        ("INSERT INTO t", "INSERT INTO t", "Values", ""),
    ],
)
def test_inserts_with_data(sql, head, fmt, data):
    statement = read(sql)
    assert isinstance(statement, Insert)
    assert ((statement.sql + statement.settings).decode(), statement.fmt, statement.data.decode()) == (head, fmt, data)
    assert b"SETTINGS" not in statement.sql


def test_values_are_a_statement_when_they_are_all_there():
    assert isinstance(read("INSERT INTO t VALUES (1), (2)"), Query)
    rest = read("INSERT INTO t VALUES (1), (2", complete=False)
    assert isinstance(rest, Insert)
    assert (rest.fmt, rest.data) == ("Values", b" (1), (2")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("", 62),
        (" -- only a comment", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1; DROP TABLE t", 62),
        ("INSERT INTO t SELECT 1; DROP TABLE t", 62),
        ("INSERT INTO t VALUES (1); DROP TABLE t", 62),
        ("INSERT INTO t FORMAT", 62),
        ("SELECT 1 INTO OUTFILE 'x'", 48),
        ("SELECT 1 into /* */ outfile 'x' FORMAT CSV", 48),
        ("EXPLAIN SELECT 1 INTO OUTFILE 'x'", 48),
        ("INSERT INTO t FROM INFILE 'x' FORMAT CSV", 48),
    ],
)
def test_what_is_refused(sql, code):
    with pytest.raises(Failure) as caught:
        read(sql)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT file('x')",
        "SELECT File ('x')",
        "SELECT `file`('x')",
        'SELECT 1, "file" /**/ (x)',
        "SELECT arrayMap(file, ['x'])",
        "SELECT * APPLY file FROM t",
        "SELECT `\\x66ile`('x')",
        'SELECT "f\\ile"(1)',
        "DESCRIBE url('http://x')",
        "DESC TABLE s3('x')",
        "describe/**/`remote`('x')",
    ],
)
def test_what_readonly_lets_through_is_refused(sql):
    assert isinstance(read(sql), Query)
    with pytest.raises(Failure) as caught:
        read(sql, readonly=True)
    assert caught.value.code == 164


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT t.file, 'file(x)', profile FROM t",
        "DESCRIBE t",
        "DESC TABLE db.t",
        "DESCRIBE (SELECT 1)",
        "SELECT '\\n'",
    ],
)
def test_what_readonly_means_to_allow_is_allowed(sql):
    assert isinstance(read(sql, readonly=True), Query)


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_are_read_or_refused(text, complete, readonly):
    try:
        statement = read_statement(text, complete=complete, readonly=readonly)
    except Failure:
        return
    if isinstance(statement, Query):
        assert text.startswith(statement.sql)
    else:
        assert text.endswith(statement.data)
        assert text.startswith(statement.sql)


@given(st.text(alphabet=" ;'\"`\\$/*-#\nabFORMATINTOOUTFILE(),.", max_size=80))
def test_what_stands_in_a_literal_is_no_clause(text):
    literal = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    statement = read(f"SELECT {literal} FORMAT CSV")
    assert isinstance(statement, Query)
    assert (statement.head.decode(), statement.fmt) == (f"SELECT {literal} ", "CSV")


def test_failures_lose_their_wrapping():
    failure = parse_failure(
        "Code: 73. DB::Exception: Code: 73. DB::Exception: Unknown format (x) Y. (UNKNOWN_FORMAT) (version 26.9.2.1). "
        "(UNKNOWN_FORMAT) (version 26.9.2.1)"
    )
    assert (failure.code, failure.name, failure.message) == (73, "UNKNOWN_FORMAT", "Unknown format (x) Y.")
