"""What a log query becomes, and what a person is told when it is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InvalidInput
from vedette.server.query.logs.compiler import compile_query
from vedette.server.query.logs.syntax import MAX_CHARACTERS

SNAPSHOT = Path(__file__).with_name("lucene_snapshot.txt")
QUERIES = [
    "payment",
    "payment failed",
    '"connection refused"',
    '"!!"',
    "user-12",
    "pay* OR *ment OR te?t",
    "user-1*",
    r"/fo+\/ba?r/",
    "service:checkout AND severity:>=warn",
    "level:warning",
    "severity:[warn TO error}",
    "severity:err*",
    'http.route:"/cart"',
    "http.status_code:>=500",
    "http.status_code:[400 TO 499}",
    "share:1.50",
    "delta:-5",
    "delta:[-5 TO -1]",
    "name:/ab+c/",
    "name:ab*c?",
    "name:*",
    "_exists_:http.route",
    "attributes.service:x resource.host.name:web-1 scope:lib scope.version:2",
    "trace_id:4BF92F3577B34DA6A3CE929D0E0E4736",
    "trace_id:4bf9*",
    "time:[2026-01-01 TO 2026-01-02]",
    "time:>2026-01-01T12:00:00Z",
    "time:2026-01-01",
    "severity_number:17",
    "a AND b OR NOT c",
    "a b OR c",
    "+a -b",
    "tag:(x OR -y)",
    r"path:\/x\:y\*",
    "*",
    "",
]


def test_the_last_day_ends_when_time_does() -> None:
    assert set(compile_query("time:2262-04-11").params.values()) == {9_223_286_400 * 10**9, 2**63 - 1}


def test_queries_become_this_sql() -> None:
    parts = []
    for query in QUERIES:
        condition = compile_query(query)
        params = "".join(f"\n  {name} = {value!r}" for name, value in condition.params.items())
        parts.append(f"{query}\n  {condition.sql}{params}\n")
    text = "\n".join(parts)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("query", "position", "words"),
    [
        ('a "b', 2, "never closed"),
        ("a:/x", 2, "never closed"),
        ("a\\", 1, "backslash at the end"),
        ("(a OR b", 7, "ends too early"),
        ("a OR", 4, "ends too early"),
        ("a:[1 TO", 7, "ends too early"),
        ("a) b", 1, "closes nothing"),
        ("x roam~2", 6, "Fuzzy"),
        ('"a b"~3', 5, "Fuzzy"),
        ("a^2 b", 1, "Boosting"),
        ("a severity:bad", 11, "no severity"),
        ("trace_id:12", 9, "32 hexadecimal digits"),
        ("time:tomorrow", 5, "not a time"),
        ("flags:x", 6, "holds numbers"),
        ("[1 TO 2]", 1, "name a field"),
        (">5", 1, "name a field"),
        ("a:b:c", 2, "inside another field"),
        ("f*:x", 0, "no wildcard"),
        ("_exists_:/x/", 9, "one field name"),
        ('x ""', 2, "empty phrase"),
        ("trace_id:>a", 10, "no order"),
    ],
)
def test_a_query_that_is_none_is_refused_where_it_goes_wrong(query: str, position: int, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        compile_query(query)
    assert caught.value.position == position


@pytest.mark.parametrize(
    "query",
    [
        "x" * 100_000,
        "(" * (MAX_CHARACTERS - 1),
        "(" * 10_000,
        "NOT " * 2_000 + "a",
        "-" * 8_000 + "a",
        "+" * 8_000 + "a",
        "a:" * 4_000 + "b",
        "body:" * 1_600 + "b",
        "a " * 4_000,
        "(a " * 2_000 + ")" * 2_000,
        '"' * 8_001,
        "a~" * 4_000,
    ],
)
def test_no_query_is_too_much(query: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        compile_query(query)
    assert len(str(caught.value)) < 300


ALPHABET = st.sampled_from(
    [*list('ab:*?"/\\()[]{}<>=+-~^ .,!&|\n\t\x00é\u2019😀0159TO_'), "AND ", " OR ", "NOT ", " TO ", "severity:"]
)


@given(st.lists(ALPHABET, max_size=40).map("".join) | st.text(max_size=40))
def test_any_text_is_a_query_or_refused_with_a_place(text: str) -> None:
    condition, refusal = None, None
    try:
        condition = compile_query(text)
    except InvalidInput as error:
        refusal = error
    if refusal is not None:
        assert refusal.position is not None
        assert 0 <= refusal.position <= len(text)
    if condition is not None:
        for name, value in condition.params.items():
            assert f"{{{name}:" in condition.sql
            # What a person wrote is never in the statement itself.
            if isinstance(value, str) and len(value) > 12 and value.isalpha():
                assert value not in condition.sql


@pytest.mark.parametrize(
    "evil", ["'; DROP TABLE logs; --", "x' OR 1=1 --", "{q9:String}", "\\'", "${condition}", "$Selected"]
)
def test_what_a_person_writes_is_only_ever_a_parameter(evil: str) -> None:
    quoted = evil.replace("\\", "\\\\").replace('"', '\\"')
    condition = compile_query(f'name:"{quoted}" AND "{quoted}"')
    plain = compile_query('name:"plain" AND "plain"')
    assert evil not in condition.sql
    assert evil in condition.params.values()
    assert condition.sql.count("'") == plain.sql.count("'")
