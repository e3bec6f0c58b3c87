"""Generated queries, answered by the platform, against a few lines of Python that say what they mean."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_lines import Line, Tenant, recent

WORDS = ["pay", "payment", "Failed", "user-1", "user", "é", "x_y", "a.b", "42", "50%", "(ok)"]
SEVERITIES = ["unset", "trace", "debug", "info", "warn", "error", "fatal"]
TEXTS = ["a", "ab", "b*", "A", "", "10", "007"]
NUMBERS = [-2, 0, 1, 1.5, 10, 9_007_199_254_740_993]


def rows() -> list[Line]:
    choose = random.Random(11)
    base = recent(600)
    made = []
    for number in range(60):
        attributes: dict[str, Any] = {}
        if choose.random() < 0.6:
            attributes["n"] = choose.choice(NUMBERS)
        if choose.random() < 0.6:
            attributes["t"] = choose.choice(TEXTS)
        resource = {"t": choose.choice(TEXTS)} if choose.random() < 0.3 else {}
        body = f"#{number} " + " ".join(choose.choices(WORDS, k=choose.randrange(5)))
        made.append(
            Line(
                body,
                base + number,
                severity=choose.choice(SEVERITIES),
                service=choose.choice(["a", "ab", "b"]),
                attributes=attributes,
                resource=resource,
            )
        )
    return made


@dataclass(frozen=True)
class Query:
    text: str
    matches: Any

    def __repr__(self) -> str:
        return self.text


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in '+-&|!(){}[]^"~*?:\\/ %<>=' else c for c in text)


def lower_ascii(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def holds(body: str, phrase: str) -> bool:
    letter = r"[^\x00-/:-@\[-`{-\x7f]"
    before = rf"(?<!{letter})" if re.match(letter, phrase) else ""
    after = rf"(?!{letter})" if re.match(letter, phrase[-1]) else ""
    return re.search(before + re.escape(lower_ascii(phrase)) + after, lower_ascii(body)) is not None


def glob(pattern: str, inside: str) -> str:
    return "".join({"*": f"{inside}*", "?": inside}.get(c) or re.escape(c) for c in pattern)


def values(line: Line, name: str) -> list[Any]:
    return [place[name] for place in (line.attributes, line.resource) if name in place]


def number(value: Any) -> float | int | None:
    if isinstance(value, int | float):
        return value
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return None


def word(text: str) -> Query:
    return Query(escaped(text), lambda line: holds(line.body, text))


def phrase(parts: list[str]) -> Query:
    text = " ".join(parts)
    return Query(quoted(text), lambda line: holds(line.body, text))


def body_pattern(pattern: str) -> Query:
    letter = r"[^\x00-/:-@\[-`{-\x7f]"
    expression = re.compile(rf"(?<!{letter}){glob(lower_ascii(pattern), letter)}(?!{letter})")
    return Query(pattern, lambda line: expression.search(lower_ascii(line.body)) is not None)


def text_is(text: str) -> Query:
    return Query(f"t:{quoted(text)}", lambda line: text in values(line, "t"))


def text_pattern(pattern: str) -> Query:
    expression = re.compile(glob(pattern, "(?s:.)"))
    return Query(f"t:{pattern}", lambda line: any(expression.fullmatch(value) for value in values(line, "t")))


def exists(name: str) -> Query:
    return Query(f"_exists_:{name}", lambda line: bool(values(line, name)))


COMPARISONS = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def compared(name: str, operator: str, bound: float) -> Query:
    def matches(line: Line) -> bool:
        numbers = [number(value) for value in values(line, name)]
        return any(n is not None and COMPARISONS[operator](n, bound) for n in numbers)

    return Query(f'{name}:{operator}"{bound}"', matches)


def within(name: str, low: float, high: float, opening: str, closing: str) -> Query:
    above, below = ">=" if opening == "[" else ">", "<=" if closing == "]" else "<"

    def matches(line: Line) -> bool:
        # Each bound is asked of the field as a whole, which may stand in two places.
        return compared(name, above, low).matches(line) and compared(name, below, high).matches(line)

    return Query(f"{name}:{opening}{low} TO {high}{closing}", matches)


def severity(operator: str, name: str) -> Query:
    def matches(line: Line) -> bool:
        a, b = SEVERITIES.index(line.severity), SEVERITIES.index(name)
        return a == b if operator == "" else COMPARISONS[operator](a, b)

    return Query(f"severity:{operator}{name}", matches)


def service(pattern: str) -> Query:
    expression = re.compile(glob(pattern, "."))
    return Query(f"service:{pattern}", lambda line: expression.fullmatch(line.service) is not None)


operators = st.sampled_from(sorted(COMPARISONS))
numbers = st.sampled_from([*NUMBERS, 7, 2.5, -1])
leaves = st.one_of(
    st.sampled_from([w for w in WORDS if w != "42"] + ["42", "nope"]).map(word),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(phrase),
    st.sampled_from(["pay*", "*ment", "us?r", "*", "user-*", "p*t", "4?", "é*"]).map(body_pattern),
    st.sampled_from([*TEXTS, "zz"]).map(text_is),
    st.sampled_from(["a*", "?", "*b*", "??", "0*"]).map(text_pattern),
    st.sampled_from(["n", "t", "missing"]).map(exists),
    st.builds(compared, st.sampled_from(["n", "t"]), operators, numbers),
    st.builds(within, st.sampled_from(["n", "t"]), numbers, numbers, st.sampled_from("[{"), st.sampled_from("]}")),
    st.builds(severity, st.sampled_from(["", *sorted(COMPARISONS)]), st.sampled_from(SEVERITIES)),
    st.sampled_from(["a", "a*", "?", "b", "zz"]).map(service),
)


def both(pair: tuple[Query, Query, str]) -> Query:
    left, right, joint = pair
    if joint == "OR":
        return Query(f"({left.text} OR {right.text})", lambda line: left.matches(line) or right.matches(line))
    return Query(f"({left.text} {joint} {right.text})", lambda line: left.matches(line) and right.matches(line))


def negated(pair: tuple[Query, str]) -> Query:
    inner, sign = pair
    return Query(f"({sign}{inner.text})", lambda line: not inner.matches(line))


queries = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner, st.sampled_from(["AND", "OR", "", "AND +"])).map(both),
        st.tuples(inner, st.sampled_from(["NOT ", "-"])).map(negated),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def stored(shared_platform):
    tenant, lines = Tenant(shared_platform, "logs-reference"), rows()
    tenant.send(*lines)
    return tenant, lines


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries)
def test_the_platform_finds_what_the_query_means(stored, query: Query) -> None:
    tenant, lines = stored
    expected = sorted(line.body for line in lines if query.matches(line))
    assert sorted(tenant.bodies(query.text, limit=100)) == expected


ALPHABET = st.sampled_from(
    [*list('abt:*?"/\\()[]{}<>=+- .,é0159_'), "AND ", " OR ", "NOT ", " TO ", "severity:", "n:", "/a"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(ALPHABET, max_size=25).map("".join) | st.text(st.characters(codec="utf-8"), max_size=25))
def test_no_text_is_an_internal_error(stored, text: str) -> None:
    tenant, _ = stored
    answer = tenant.get("/api/v1/logs", q=text, limit=5)
    assert answer.status in {200, 400}, (text, answer.body)
