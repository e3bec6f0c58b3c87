from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InvalidInput
from vedette.server.query.traces.conditions import build_conditions
from vedette.server.query.traces.language import MAX_QUERY_CHARACTERS, Term, parse_condition, parse_query


def told(term: Term) -> tuple[str, str, str, bool]:
    return (term.key, term.operator, term.value, term.negated)


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("", []),
        ("   ", []),
        ("declined", [("", "text", "declined", False)]),
        ('"card declined"', [("", "text", "card declined", False)]),
        ('-"card declined"', [("", "text", "card declined", True)]),
        (r'"a \"b\" \\c"', [("", "text", r'a "b" \c', False)]),
        ("service:checkout", [("service", "eq", "checkout", False)]),
        ("-service:checkout", [("service", "eq", "checkout", True)]),
        ("duration:>100ms", [("duration", "gt", "100ms", False)]),
        ("retries:>=3 n:<=4 m:<5", [("retries", "ge", "3", False), ("n", "le", "4", False), ("m", "lt", "5", False)]),
        ("a:=x* b:!=y", [("a", "eq", "x*", False), ("b", "ne", "y", False)]),
        ("a:~^/x$ b:!~y", [("a", "match", "^/x$", False), ("b", "not_match", "y", False)]),
        ("a:* b:/cart/*", [("a", "exists", "", False), ("b", "like", "/cart/%", False)]),
        ("a:50%_* b:x", [("a", "like", r"50\%\_%", False), ("b", "eq", "x", False)]),
        ('a:"*" b:""', [("a", "eq", "*", False), ("b", "eq", "", False)]),
        ('"odd key":"odd value"', [("odd key", "eq", "odd value", False)]),
        ("url:http://a:80/b", [("url", "eq", "http://a:80/b", False)]),
        ("- a", [("", "text", "-", False), ("", "text", "a", False)]),
    ],
)
def test_what_a_query_says(query: str, terms: list[tuple[str, str, str, bool]]) -> None:
    assert [told(term) for term in parse_query(query)] == terms


@pytest.mark.parametrize(
    ("query", "position", "says"),
    [
        ('a "b', 2, "never closed"),
        (":x", 0, "key before the colon"),
        ("a b:", 4, "b has no value; b:* asks"),
        ('"a"b', 3, "blank is missing"),
        ('a:"b"c', 5, "blank is missing"),
        ('""', 0, "quotes are empty"),
        ("a\0b", 1, "NUL"),
        ("x " * 65, 128, "more than 64 terms"),
        ("x" * (MAX_QUERY_CHARACTERS + 1), MAX_QUERY_CHARACTERS, "longer than"),
    ],
)
def test_a_query_that_cannot_be_read_says_where(query: str, position: int, says: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(says)) as caught:
        parse_query(query)
    assert caught.value.position == position
    assert "'q'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("http.route:/a b", ("http.route", "eq", "/a b", False)),
        (" -a : >= 5 ", ("a", "eq", ">= 5", True)),
        ('a:="x y"', ("a", "eq", "x y", False)),
        ("a:*", ("a", "exists", "", False)),
    ],
)
def test_a_condition_is_one_whole_parameter(text: str, term: tuple[str, str, str, bool]) -> None:
    assert told(parse_condition(text, source="attr")) == term


@pytest.mark.parametrize("text", ["", "  ", "route", "a:", ':"x"', 'a:"x" y'])
def test_a_bad_condition_names_its_parameter(text: str) -> None:
    with pytest.raises(InvalidInput, match="'attr'"):
        parse_condition(text, source="attr")


@pytest.mark.parametrize(
    ("query", "position", "says"),
    [
        ("duration:100", 9, "number with a unit"),
        ("duration:~1", 10, "compared"),
        ("kind:sever", 5, "one of unspecified, internal, server"),
        ("a status:>ok", 10, "takes one of"),
        ("error:maybe", 6, "true or false"),
        ("n:>many", 3, "with a number"),
        ("n:>nan", 3, "with a number"),
        ("trace_id:xyz", 9, "32 hexadecimal digits"),
        ("attribute.:x", 11, "lacks the attribute's name"),
    ],
)
def test_a_value_that_does_not_fit_its_key_says_where(query: str, position: int, says: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(says)) as caught:
        build_conditions(parse_query(query))
    assert caught.value.position == position


@given(
    st.text(max_size=80) | st.from_regex(r'(-?"?[a-z.]{0,9}"?:?(>=|!=|~|=|<|)?"?[^"]{0,9}"?\s?){0,5}', fullmatch=True)
)
def test_any_text_is_a_query_or_a_clear_refusal(query: str) -> None:
    refused: InvalidInput | None = None
    try:
        conditions = build_conditions(parse_query(query))
    except InvalidInput as error:
        refused = error
    if refused:
        assert refused.position is None or 0 <= refused.position <= len(query)
    else:
        assert set(re.findall(r"\{(c\d+):", conditions.sql)) == set(conditions.params)


hostile = st.sampled_from(["'", "\\", "{c0:String}", ") OR 1=1 --", "`", "\n", "$$", "${range}", "%", '"'])


@given(key=st.lists(hostile, min_size=1, max_size=4), value=st.lists(hostile, min_size=1, max_size=4))
def test_no_text_of_the_caller_gets_into_the_statement(key: list[str], value: list[str]) -> None:
    quoted = ['"' + "".join(part).replace("\\", "\\\\").replace('"', '\\"') + '"' for part in (key, value)]
    [term] = parse_query(":".join(quoted))
    assert (term.key, term.value) == ("".join(key), "".join(value))
    plain = build_conditions(parse_query('some:"thing"'))
    assert build_conditions([term]).sql == plain.sql
