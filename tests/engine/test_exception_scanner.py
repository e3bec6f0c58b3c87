"""Exceptions inside a stream, however it is cut into chunks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import EngineError, EngineUnavailable, QueryLimit
from vedette.server.engine.answers import BrokenAnswer, ExceptionScanner, exception_from_text

TAG = "abcdefghijklmnop"
MESSAGE = (
    "Code: 395. DB::Exception: late (REALLY) (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.9.2.1 (official build))"
)
BLOCK = f"\r\n__exception__\r\n{TAG}\r\n{MESSAGE}\n{len(MESSAGE) + 1} {TAG}\r\n__exception__\r\n".encode()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


ALMOST = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"__exception__", b"\r\n__exception__\r\n", b"abcdefgh", b"x"])
)


@given(ALMOST, st.lists(st.integers(0, 300)))
def test_data_pass_unchanged(parts, cuts):
    data = b"".join(parts)
    scanner = ExceptionScanner(TAG)
    out = b"".join(scanner.feed(piece) for piece in pieces(data, cuts))
    assert out + scanner.finish() == data


@given(ALMOST, st.lists(st.integers(0, 400)))
def test_an_exception_is_found_and_none_of_it_is_data(parts, cuts):
    data = b"".join(parts)
    scanner = ExceptionScanner(TAG)
    out = b"".join(scanner.feed(piece) for piece in pieces(data + BLOCK, cuts))
    assert out == data
    with pytest.raises(BrokenAnswer) as caught:
        scanner.finish()
    error = exception_from_text(caught.value.text)
    assert isinstance(error, EngineError)
    assert (error.code, error.name) == (395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO")
    assert str(error) == "late (REALLY)"


def test_an_older_clickhouse_breaks_off_and_leaves_its_words():
    scanner = ExceptionScanner(None)
    scanner.feed(b"1\n2\nCode: 241. DB::Exce")
    scanner.feed(b"ption: Memory limit (for query) exceeded (MEMORY_LIMIT_EXCEEDED) (version 24.8.1.1)\n")
    words = scanner.broken()
    assert words is not None
    assert isinstance(exception_from_text(words), QueryLimit)


def test_the_engines_own_limit_is_not_the_querys():
    text = "Code: 241. DB::Exception: (total) memory limit exceeded: would use 1 GiB (MEMORY_LIMIT_EXCEEDED)"
    assert isinstance(exception_from_text(text), EngineUnavailable)


def test_an_answer_without_words_is_an_error_all_the_same():
    assert isinstance(exception_from_text(""), EngineError)
