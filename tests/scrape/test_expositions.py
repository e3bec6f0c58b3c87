"""Expositions of any shape, read as the official parser of Python reads them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from vedette.errors import InvalidInput
from vedette.server.scrape.cache import ScrapeCache
from vedette.server.scrape.config import Job
from vedette.server.scrape.exposition import parse_labels
from vedette.server.scrape.lines import TEXT, TEXT_END, Texts, read_lines

_NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
_LABEL_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
_VALUES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r"), max_size=12)
_NUMBERS = st.one_of(
    st.floats().map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:.25g}"),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(
        ["NaN", "+Inf", "-Inf", "nan", "1e+09", "0.1", "-0", "1E5", "00012.500", "5.", ".5", "1e-400", "1e400"]
    ),
)
_BLANKS = st.sampled_from([" ", "  ", "\t", " \t"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") + '"'


@st.composite
def _line(draw: st.DrawFn) -> str:
    labels = draw(st.dictionaries(_LABEL_NAMES, _VALUES, max_size=3))
    inner = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items())
    text = draw(_NAMES) + (f"{{{inner}}}" if inner or draw(st.booleans()) else "")
    text += draw(_BLANKS) + draw(_NUMBERS)
    if draw(st.booleans()):
        text += draw(_BLANKS) + str(draw(st.integers(0, 4 * 10**12)))
    return text


@settings(max_examples=400, deadline=None)
@given(st.lists(_line(), max_size=6), st.booleans())
def test_lines_are_those_of_the_official_parser(lines, known):
    text = "\n".join(lines) + "\n"
    families = text_string_to_metric_families("# TYPE x untyped\n" + text)
    expected = [sample for family in families for sample in family.samples]
    texts = Texts()
    found = read_lines(text.encode(), texts, openmetrics=False)
    if known:  # what is in memory is found by its bytes
        rows = [found.data[row[TEXT] : row[TEXT_END]] for row in found.facts]
        texts.add(list(dict.fromkeys(rows)))
        found = read_lines(text.encode(), texts, openmetrics=False)
        places = [bytes(texts.texts[texts.places[i] : texts.places[i + 1]]) for i in found.facts[:, 0]]
        assert places == rows
    assert len(found.facts) == len(expected)
    for row, value, time, sample in zip(found.facts, found.values, found.times, expected, strict=True):
        labels = parse_labels(found.data[row[TEXT] : row[TEXT_END]].decode())
        assert labels.pop("__name__") == sample.name
        assert labels == sample.labels
        assert value == sample.value or (math.isnan(value) and math.isnan(sample.value))
        assert math.isnan(time) if sample.timestamp is None else time == round(float(sample.timestamp) * 1000)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9)), max_size=8), max_size=8))
def test_a_cache_keeps_every_series_and_ends_what_is_gone(scrapes):
    cache = ScrapeCache(Job("job", 15, 10), {"instance": "i"}, "default")
    live: set[str] = set()
    for number, scrape in enumerate(scrapes):
        body = "".join(f'm{{l="{name}"}} {value}\n' for name, value in scrape).encode()
        found = cache.take(body, 1_700_000_000_000 + number * 15_000, openmetrics=False)
        names = {name for name, _ in scrape}
        assert (found.scraped, found.kept, found.added) == (len(scrape), len(scrape), len(names - live))
        # A sample of each series, of the first line where there are several, and a marker for each that is gone.
        assert found.batch.told_rows + found.batch.sample_rows == len(names) + len(live - names)
        live = names


def test_a_line_that_is_known_costs_no_parsing():
    cache = ScrapeCache(Job("job", 15, 10), {}, "default")
    body = b'# TYPE a counter\na{b="c"} %d\n'
    assert cache.take(body % 1, 1_700_000_000_000, openmetrics=False).batch.told_rows == 2
    batch = cache.take(body % 2, 1_700_000_015_000, openmetrics=False).batch
    assert (batch.told_rows, batch.sample_rows) == (0, 1)
    assert np.frombuffer(batch.samples[-8:], np.float64) == [2.0]
    # An hour later its labels are told again.
    assert cache.take(body % 3, 1_700_003_600_000, openmetrics=False).batch.told_rows == 1


def test_many_series_that_come_and_go_leave_nothing_behind():
    cache = ScrapeCache(Job("job", 15, 10), {"job": "j"}, "default", ("up",))
    for number in range(20):
        body = "".join(f'm{{id="{number}-{i}"}} 1\n' for i in range(500)) + "stays 2\n"
        found = cache.take(body.encode(), 1_700_000_000_000 + number * 1000, openmetrics=False)
        assert found.added == 500 + (number == 0)
        assert found.batch.told_rows + found.batch.sample_rows == 501 + (500 if number else 0)
    assert len(cache._book) < 2600
    assert len(cache._texts) < 2600


@pytest.mark.parametrize(
    ("body", "openmetrics", "message"),
    [
        (b"a 1\nb\n", False, "line 2: a line is a series, a value and perhaps a timestamp: 'b'"),
        (b'a{b="c" 1\n', False, "line 1: the labels do not end: 'a{b=\"c\" 1'"),
        (b"a 1 2 3\n", False, "line 1: a line is a series, a value and perhaps a timestamp: 'a 1 2 3'"),
        (b"a 1_0\n", False, "line 1: that is no number: 'a 1_0'"),
        (b"a 1e5e5\n", False, "line 1: '1e5e5' is no number"),
        (b"a x\n", False, "line 1: 'x' is no number"),
        (b"a 1\n", True, "the exposition does not end with # EOF"),
        (b"# EOF\na 1\n", True, "line 2: there is text behind # EOF: 'a 1'"),
        (b"a{b='c'} 1\n", False, "the labels are not valid: \"a{b='c'}\""),
        (b'a{b="c",b="d"} 1\n', False, "label 'b' is there twice: 'a{b=\"c\",b=\"d\"}'"),
        (b"0a 1\n", False, "'0a' is no metric name: '0a'"),
        (b'{b="c"} 1\n', False, "a series has no name: {'b': 'c'}"),
        (b'a{b="\xff"} 1\n', False, "the exposition is not valid UTF-8: b'a{b=\"\\xff\"}'"),
        (b"a 1 # {b} 1\n# EOF\n", True, "an exemplar is labels, a value and perhaps a timestamp: b' {b} 1'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(body, openmetrics, message):
    cache = ScrapeCache(Job("job", 15, 10), {}, "default")
    with pytest.raises(InvalidInput) as caught:
        cache.take(body, 1_700_000_000_000, openmetrics=openmetrics)
    assert str(caught.value) == message
