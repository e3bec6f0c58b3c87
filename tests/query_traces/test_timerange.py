from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InvalidInput
from vedette.server.query.timerange import parse_duration_ns, parse_range, parse_time_ns

NS = 1_000_000_000
NOW = int(datetime(2026, 3, 31, 13, 45, 30, tzinfo=UTC).timestamp()) * NS + 123_456_789


def at(year: int, month: int, day: int, *clock: int) -> int:
    hour, minute, second = (*clock, 0, 0, 0)[:3]
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * NS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", at(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02t03:04:05.000000001z", at(2026, 1, 2, 3, 4, 5) + 1),
        ("2026-01-02T03:04:05.5+02:00", at(2026, 1, 2, 1, 4, 5) + NS // 2),
        ("2026-01-02T03:04:05 02:00", at(2026, 1, 2, 1, 4, 5)),
        ("2026-01-02 03:04", at(2026, 1, 2, 3, 4)),
        ("2026-01-02", at(2026, 1, 2)),
        ("2016-12-31T23:59:60Z", at(2017, 1, 1)),
        ("0", 0),
        ("1767323045", 1767323045 * NS),
        ("1767323045.25", 1767323045 * NS + NS // 4),
        ("1767323045123", 1767323045123 * 1_000_000),
        ("1767323045123456", 1767323045123456 * 1_000),
        ("1767323045123456789", 1767323045123456789),
        ("now", NOW),
        ("now-15m", NOW - 900 * NS),
        ("15m", NOW - 900 * NS),
        ("-15m", NOW - 900 * NS),
        ("now+5m", NOW + 300 * NS),
        ("now 5m", NOW + 300 * NS),
        ("now-1d-2h", NOW - 26 * 3600 * NS),
        ("now-1M", at(2026, 2, 28, 13, 45, 30) + 123_456_789),
        ("now-1y", at(2025, 3, 31, 13, 45, 30) + 123_456_789),
        ("now/d", at(2026, 3, 31)),
        ("now-1d/d", at(2026, 3, 30)),
        ("now/w", at(2026, 3, 30)),
        ("now/M", at(2026, 3, 1)),
        ("now/y", at(2026, 1, 1)),
        ("250ms", NOW - NS // 4),
    ],
)
def test_every_way_to_write_a_time(text: str, expected: int) -> None:
    assert parse_time_ns(text, NOW) == expected


def test_rounding_goes_down_at_the_start_and_up_at_the_end() -> None:
    yesterday = parse_range("now-1d/d", "now-1d/d", NOW)
    assert (yesterday.start_ns, yesterday.end_ns) == (at(2026, 3, 30), at(2026, 3, 31))
    month = parse_range("now/M", "now/M", NOW)
    assert (month.start_ns, month.end_ns) == (at(2026, 3, 1), at(2026, 4, 1))
    assert parse_range("now/w", "now/w", NOW).duration_ns == 7 * 86_400 * NS
    assert parse_range("now/y", "now/y", NOW).end_ns == at(2027, 1, 1)


def test_the_default_is_the_last_hour() -> None:
    assert parse_range(None, None, NOW).duration_ns == 3_600 * NS
    assert parse_range("", " ", NOW).end_ns == NOW
    assert parse_range(None, "2026-01-01", NOW).start_ns == at(2025, 12, 31, 23)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "is not a time: 'yesterday'. Examples: "),
        ("2026-13-01", "month"),
        ("2026-01-01T00:00:00+99:00", "no such UTC offset"),
        ("now15m", "lacks a sign after 'now'"),
        ("now-999999y", "outside 1970 to 2262"),
        ("99999999999999999999", "outside 1970 to 2262"),
        ("9999-12-31", "outside 1970 to 2262"),
        ("100y", "outside 1970 to 2262"),
        ("/d", "is not a time"),
        ("١٢", "is not a time"),
    ],
)
def test_a_bad_time_names_the_parameter_and_gives_an_example(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(says)) as caught:
        parse_range(text, None, NOW, from_name="since")
    assert "'since'" in str(caught.value)


def test_a_backwards_range_is_refused_with_both_ends() -> None:
    with pytest.raises(InvalidInput, match=r"2026-01-02T00:00:00Z.*2026-01-01T00:00:00.5Z"):
        parse_range("2026-01-02", "2026-01-01T00:00:00.5Z", NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250ms", NS // 4), ("1.5s", 3 * NS // 2), ("1h30m", 5_400 * NS), ("7µs", 7_000), ("0s", 0)],
)
def test_durations(text: str, expected: int) -> None:
    assert parse_duration_ns(text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 s", "1h30", "999999999999w"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="'step'"):
        parse_duration_ns(text, name="step")


@given(st.text(max_size=40) | st.from_regex(r"(now)?([+-]?\d{1,12}[smhdwMy])*(/[smhdwMy])?", fullmatch=True))
def test_any_text_is_a_time_or_a_clear_refusal(text: str) -> None:
    try:
        start = parse_time_ns(text, NOW)
    except InvalidInput:
        return
    assert 0 <= start < 2**63
    try:
        assert parse_time_ns(text, NOW, edge="end") >= start
    except InvalidInput:
        assert "/" in text


@given(st.integers(0, 2**63 - 1))
def test_a_time_written_as_rfc_3339_is_read_back_to_the_nanosecond(moment: int) -> None:
    seconds, fraction = divmod(moment, NS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{fraction:09d}Z"
    assert parse_time_ns(text, NOW) == moment
