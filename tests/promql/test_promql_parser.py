"""The parser and the printer: round trips, Prometheus' messages, and nothing but a ParseError on garbage."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from promql_cases import CASES, read_cases

from vedette.server.query.promql import parser_base
from vedette.server.query.promql.ast import BinaryExpr, Call, NumberLiteral, UnaryExpr
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.parser import parse, parse_selector
from vedette.server.query.promql.plain_tokens import plain_tokens
from vedette.server.query.promql.printer import format_expr, print_expr, to_tree

QUERIES = sorted(
    {case["query"] for path in CASES.glob("*.jsonl") if path.name != "datasets.jsonl" for case in read_cases(path.name)}
)


def shape(node: Any) -> Any:
    """The tree without places in the text; matchers in any order."""
    if isinstance(node, tuple | list):
        return sorted(map(repr, map(shape, node)))
    if dataclasses.is_dataclass(node):
        fields = [one.name for one in dataclasses.fields(node) if one.name not in {"start", "end", "_regex"}]
        return type(node).__name__, [(name, shape(getattr(node, name))) for name in fields]
    return repr(node)


@pytest.mark.parametrize("query", QUERIES[::4])
def test_a_query_survives_printing(query: str) -> None:
    tree = parse(query)
    printed = print_expr(tree)
    assert shape(parse(printed)) == shape(tree)
    assert print_expr(parse(printed)) == printed
    assert print_expr(parse(format_expr(tree))) == printed
    assert to_tree(tree) == to_tree(parse(query))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "unknown position: parse error: no expression found in input"),
        ("# nothing\n\n", "1:1: parse error: no expression found in input"),
        ("(1", "1:3: parse error: unclosed left parenthesis"),
        ("1 +", "1:4: parse error: unexpected end of input"),
        ("1 + )", "1:5: parse error: unexpected right parenthesis ')'"),
        ("foo{", "1:5: parse error: unexpected end of input inside braces"),
        ("foo{a}", '1:6: parse error: unexpected "}" in label matching, expected label matching operator'),
        ("foo{a=b}", '1:7: parse error: unexpected identifier "b" in label matching, expected string'),
        ('foo{a="b" c="d"}', '1:11: parse error: unexpected identifier "c" in label matching, expected "," or "}"'),
        ('foo{a=~"("}', "1:5: parse error: error parsing regexp: missing closing ): `(`"),
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ('{x=""}', "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ('foo{__name__="bar"}', '1:1: parse error: metric name must not be set twice: "foo" or "bar"'),
        ("sum(foo bar)", '1:9: parse error: unexpected identifier "bar" in aggregation'),
        ("sum some_metric by (test)", '1:5: parse error: unexpected identifier "some_metric"'),
        ("sum (some_metric) by test", '1:22: parse error: unexpected identifier "test" in grouping opts, expected "("'),
        ("count(x) by (a b)", '1:16: parse error: unexpected identifier "b" in grouping opts, expected "," or ")"'),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        (
            "topk(some_metric)",
            "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        (
            "topk(some_metric, other_metric)",
            "1:6: parse error: expected type scalar in aggregation parameter, got instant vector",
        ),
        ("sum(a,)", "1:6: parse error: trailing commas not allowed in function call args"),
        ("unknown(1)", '1:1: parse error: unknown function with name "unknown"'),
        ("floor()", '1:1: parse error: expected 1 argument(s) in call to "floor", got 0'),
        ("hour(foo, 1)", '1:1: parse error: expected at most 1 argument(s) in call to "hour", got 2'),
        ("rate(foo)", '1:6: parse error: expected type range vector in call to function "rate", got instant vector'),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("foo + bool 10", "1:5: parse error: bool modifier can only be used on comparison operators"),
        ("foo and 10", '1:1: parse error: set operator "and" not allowed in binary scalar expression'),
        ("foo or on(x) group_left() bar", '1:1: parse error: no grouping allowed for "or" operation'),
        (
            "foo + on(x) group_left(x) bar",
            '1:5: parse error: label "x" must not occur in ON and GROUP clause at once',
        ),
        ("foo + group_left bar", "1:7: parse error: unexpected <group_left>"),
        ("foo[5m", "1:7: parse error: unclosed left bracket"),
        (
            "foo[]",
            (
                '1:5: parse error: unexpected "]" in subquery or range selector, '
                "expected number, duration, step(), or range()"
            ),
        ),
        ("foo[-5m]", "1:5: parse error: duration must be greater than 0"),
        ("(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors"),
        ("foo offset 5m[5m]", "1:14: parse error: no offset modifiers allowed before range"),
        ("foo @ 5[5m]", "1:8: parse error: no @ modifiers allowed before range"),
        (
            "foo offset",
            "1:11: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        ("foo offset 1m offset 1m", "1:1: parse error: offset may not be set multiple times"),
        ("foo @ bar", '1:7: parse error: unexpected identifier "bar" in @, expected timestamp'),
        ("foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("foo @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        (
            "sum(foo) offset 5m",
            (
                "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector "
                "selector or a subquery"
            ),
        ),
        ("1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"),
        (
            '-"string"',
            (
                "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, "
                'got "string"'
            ),
        ),
        ("'\\q'", "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("'abc", "1:1: parse error: unterminated quoted string"),
        ("5mm", '1:1: parse error: bad number or duration syntax: "5mm"'),
        ("a\n+ ü\n", "2:3: parse error: unexpected character: 'ü'"),
        ('"äöü" + ∂', "1:12: parse error: unexpected character: '∂'"),
        ("foo anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"),
        ("foo[1m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"),
        ("foo + fill(1) 2", "1:1: parse error: filling in missing series only allowed between instant vectors"),
        ("foo[5m / 0]", "1:8: parse error: division by zero"),
        ("info(foo, bar)", "1:11: parse error: expected label selectors only, got vector selector instead"),
    ],
)
def test_messages_are_those_of_prometheus(query: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(query)
    assert str(caught.value) == message


def test_precedence() -> None:
    power = parse("-1 ^ 2 ^ 3 * 4 + 5")
    assert isinstance(power, BinaryExpr)
    assert power.op == "+"
    times = power.lhs
    assert isinstance(times, BinaryExpr)
    assert times.op == "*"
    assert isinstance(times.lhs, UnaryExpr)
    assert print_expr(times.lhs.expr) == "1 ^ 2 ^ 3"
    assert parse("-1") == NumberLiteral(start=0, end=2, value=-1.0)


def test_numbers_and_durations() -> None:
    for text, value in [
        ("0x1F", 31),
        ("010", 8),
        ("1_000.5", 1000.5),
        (".5e3", 500),
        ("1h30m", 5400),
        ("15ms", 0.015),
        ("+Inf", float("inf")),
    ]:
        node = parse(text)
        assert isinstance(node, NumberLiteral)
        assert node.value == value


@pytest.mark.parametrize(
    ("fills", "printed"),
    [
        ("fill (1m)", "fill (60)"),
        ("fill_right (2) fill_left (2)", "fill (2)"),
        ("fill_right (2) fill_left (-2)", "fill_left (-2) fill_right (2)"),
        ("fill (NaN)", "fill_left (NaN) fill_right (NaN)"),
    ],
)
def test_two_equal_fills_are_printed_as_one(fills: str, printed: str) -> None:
    assert print_expr(parse(f"a + {fills} b")) == f"a + {printed} b"


def test_utf8_names_are_printed_in_quotes() -> None:
    query = '{"über.metric","label with space"="x"} and on ("dotted.label") b'
    assert print_expr(parse(query)) == ('{"label with space"="x",__name__="über.metric"} and on ("dotted.label") b')


def test_a_call_keeps_its_place() -> None:
    node = parse("1 + rate(foo[5m])")
    assert isinstance(node, BinaryExpr)
    assert isinstance(node.rhs, Call)
    assert (node.rhs.start, node.rhs.end) == (4, 17)


def test_selectors_of_match_parameters() -> None:
    assert [one.name for one in parse_selector('up{job="a"}')] == ["job", "__name__"]
    assert parse_selector("{}") == ()
    with pytest.raises(ParseError, match="unexpected"):
        parse_selector("up + 1")


_WORDS = st.sampled_from(
    [
        "sum",
        "by",
        "(",
        ")",
        "foo",
        "{",
        "}",
        '"a"',
        "=~",
        "=",
        ",",
        "[",
        "]",
        "5m",
        ":",
        "offset",
        "@",
        "1",
        "-",
        "+",
        "*",
        "^",
        "==",
        "bool",
        "on",
        "group_left",
        "and",
        "rate",
        "fill",
        "start()",
        "`x",
        "'\\",
        "#",
        "\n",
        "0x",
        "1e",
        "step()",
        "min_of",
        "anchored",
        "</",
        "topk",
        "info",
        "é",
        "\x00",
        "�",
        "unless",
        "ignoring",
        "_",
        ":a",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(_WORDS, max_size=14).map(" ".join), st.lists(_WORDS).map("".join)))
def test_garbage_is_a_parse_error_or_an_expression(text: str) -> None:
    try:
        tree = parse(text)
    except ParseError:
        return
    assert shape(parse(print_expr(tree))) == shape(tree)


def test_deep_nesting_is_refused() -> None:
    for text in ("(" * 5000, "-" * 5000 + "a", "a[" + "(" * 5000, "a^" * 5000 + "a"):
        with pytest.raises(ParseError):
            parse(text)


PIECES = sorted({piece for query in QUERIES for piece in re.findall(r"\w+|\s+|[^\w\s]", query)})
"""What expressions are made of."""


def outcome(text: str) -> str:
    """The tree with its places in the text, or the refusal."""
    try:
        return repr(parse(text))
    except ParseError as error:
        return f"{error} {error.position} {error.end}"


def by_the_lexer(text: str, patched: pytest.MonkeyPatch) -> str:
    """The same by the lexer alone, which looks at each character."""
    with patched.context() as patch:
        patch.setattr(parser_base, "plain_tokens", lambda _text: None)
        return outcome(text)


def test_tokens_that_are_found_at_once_are_those_of_the_lexer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(plain_tokens(query) is not None for query in QUERIES) > len(QUERIES) // 2
    for query in QUERIES:
        assert outcome(query) == by_the_lexer(query, monkeypatch), query


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(QUERIES),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 6), st.sampled_from(PIECES)), min_size=1, max_size=4),
)
def test_changed_expressions_are_read_and_refused_alike(
    monkeypatch: pytest.MonkeyPatch, query: str, changes: list[tuple[int, int, str]]
) -> None:
    for at, size, piece in changes:
        query = query[:at] + piece + query[at + size :]
    assert outcome(query) == by_the_lexer(query, monkeypatch)
