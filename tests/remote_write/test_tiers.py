"""Samples summed up per 5 minutes and per hour: the same answers while there are samples, and after they are gone."""

from __future__ import annotations

import math
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
from real_platform import wait_for
from write_requests import ONE, PATH, STALE, histogram, packed, sample, series_one

if TYPE_CHECKING:
    from real_platform import Platform

HOUR = 3600
FLAGS = ("--metrics-rollup-delay", "1s", "--upkeep-interval", "300ms")
HOURS = 60


def _begin() -> int:
    """The start of an hour six days ago."""
    return (int(time.time()) // HOUR - 6 * 24) * HOUR


def _counter(second: int) -> float:
    """Grows by a few a minute and starts again about every seven hours, within buckets and between them."""
    return float((second // 60 * 7 + second % 11) % 3000)


def _gauge(second: int) -> float:
    return 50 + 40 * math.sin(second / 5000) + second % 17


def _native(minute: int, *, gauge: bool = False, custom: bool = False) -> dict[str, Any]:
    """Native histograms: counts start again every seven hours, and there the resolution is another."""
    age, epoch = minute % 413, minute // 413
    counts = {i: float(age * (i + 1) // 3 + i) for i in range(-2, 4) if i != 1}
    if gauge:
        counts = {i: float((minute * 7 + i) % 13) for i in range(3)}
    found = {"positive": counts, "count": sum(counts.values()) + age, "sum": age * 2.5, "schema": 0}
    if custom:
        counts = {i: float(age * (i + 1)) for i in range(3)}
        return found | {"schema": -53, "positive": counts, "custom_values": (1.0, 2.5), "count": sum(counts.values())}
    if gauge:
        return found | {"hint": 3, "count": sum(counts.values())}
    return found | {"schema": epoch % 3, "zero_threshold": 1e-3, "zero_count": float(age), "negative": {1: float(age)}}


def _natives(begin: int, hours: int, shift_ms: int = 0, **kind: bool) -> list[tuple[int, bytes]]:
    minutes = range(hours * 60 + 1)
    return [(4, histogram(_native(at, **kind), (begin + at * 60) * 1000 + shift_ms)) for at in minutes]


def _write(platform: Platform, *series: bytes, tenant: str = "acme") -> None:
    answer = platform.request(PATH, packed(b"".join(series)), headers=ONE | {"X-Scope-OrgID": tenant})
    assert answer.status == 204, answer.body


def _samples(begin: int, hours: int, step: int, value: Any, shift_ms: int = 0) -> list[tuple[int, bytes]]:
    return [(2, sample(value(at), (begin + at) * 1000 + shift_ms)) for at in range(0, hours * HOUR + 1, step)]


def _ask(platform: Platform, path: str, tenant: str, **parameters: object) -> dict[str, Any]:
    headers = {"X-Scope-OrgID": tenant}
    answer = platform.request(f"/prometheus/api/v1/{path}?{urllib.parse.urlencode(parameters)}", headers=headers)
    if answer.status != 200:
        pytest.fail(f"{parameters}: {answer.body!r}")  # also within what is asked again and again
    return answer.json()


def _numbers(metric: dict[str, str], at: float, point: Any) -> list[tuple[tuple[str, ...], float]]:
    """A point as numbers by series, time and, of a native histogram, what is counted."""
    series = str(sorted(metric.items()))
    if not isinstance(point, dict):
        return [((series, at), float(point))]
    found = [((series, at, name), float(point[name])) for name in ("count", "sum")]
    return found + [((series, at, "to", bucket[2]), float(bucket[3])) for bucket in point.get("buckets", ())]


def _range(  # noqa: PLR0917 - as the API has them
    platform: Platform, query: str, start: float, end: float, step: int, tenant: str = "acme"
) -> tuple[dict[str, Any], list[str]]:
    """Values by series and time, and the notes."""
    answer = _ask(platform, "query_range", tenant, query=query, start=start, end=end, step=step)
    found = {
        key: value
        for one in answer["data"]["result"]
        for at, point in (*one.get("values", ()), *one.get("histograms", ()))
        for key, value in _numbers(one["metric"], at, point)
    }
    return found, [text for text in answer.get("infos", ()) if "might not be a counter" not in text]


def _moments(platform: Platform, query: str, start: int, end: int, step: int) -> dict[Any, float]:
    """The same by instant queries, which read samples as long as there are any."""
    found = {}
    for at in range(start, end + 1, step):
        for one in _ask(platform, "query", "acme", query=query, time=at)["data"]["result"]:
            found |= _numbers(one["metric"], *(one.get("value") or one["histogram"]))
    return found


def _same(left: dict[Any, float], right: dict[Any, float], query: str = "") -> None:
    assert left.keys() == right.keys(), query
    for key, value in left.items():
        assert right[key] == pytest.approx(value, rel=1e-12, nan_ok=True), (query, key)


EXACT = (
    "rate(c[1h])",
    "increase(c[3h])",
    "delta(g[2h])",
    "sum_over_time(g[1h])",
    "avg_over_time(g[2h])",
    "min_over_time(g[1h])",
    "max_over_time(g[6h])",
    "count_over_time({__name__=~'c|g|gap'}[1h])",
    "last_over_time(g[1h])",
    "changes(gap[4h])",
    "resets(c[24h])",
    "gap",
    "timestamp(c)",
    "absent_over_time(gap[1h])",
    "sum by (odd) (rate(c[1h] offset 2h))",
    "max_over_time(g[1h:30m])",
    "rate(h[1h])",
    "increase(h[3h])",
    "histogram_quantile(0.9, sum(rate(h[2h])))",
    "delta(hg[2h])",
    "sum_over_time(h[1h])",
    "avg_over_time(hg[2h])",
    "last_over_time(h[1h])",
    "first_over_time(h[2h])",
    "count_over_time({__name__=~'c|h|hc'}[1h])",
    "resets(h[24h])",
    "changes(h[4h])",
    "h",
    "timestamp(hc)",
    "rate(hc[1h])",
    "ts_of_first_over_time(h[1h])",
    "count_over_time(both[4h])",
    "sum_over_time(both[1h])",
    "rate({__name__=~'c|h'}[1h])",
)


@pytest.fixture(scope="module")
def written(new_platform, tmp_path_factory):
    """Two and a half days of some series."""
    platform = new_platform(tmp_path_factory.mktemp("tiers") / "data", list(FLAGS)).start()
    begin = _begin()
    for i in range(2):
        labels = [("__name__", "c"), ("i", str(i)), ("odd", str(i % 2))]
        _write(platform, series_one(labels, *_samples(begin, HOURS, 60, lambda at, i=i: _counter(at + i * 999), i * 7)))
        labels = [("__name__", "g"), ("i", str(i))]
        _write(platform, series_one(labels, *_samples(begin, HOURS, 60, lambda at, i=i: _gauge(at + i), i * 1013)))
    parts = _samples(begin, 8, 45, lambda at: math.nan if at % 7 == 0 else float(at // 900), 1)
    parts.append((2, sample(STALE, (begin + 8 * HOUR) * 1000 + 46)))
    parts += _samples(begin + 20 * HOUR, 9, 45, lambda at: -float(at), 1)
    _write(platform, series_one([("__name__", "gap")], *parts))
    # The one has its samples at the very ends of buckets, the other off them, and it pauses.
    ended = (4, histogram({"schema": 0, "count": 0.0, "sum": STALE}, (begin + 10 * HOUR - 60) * 1000))
    paused = [*_natives(begin, 10, 11)[:-2], ended, *_natives(begin + 20 * HOUR, HOURS - 20, 11)]
    _write(platform, series_one([("__name__", "h"), ("i", "0")], *_natives(begin, HOURS)))
    _write(platform, series_one([("__name__", "h"), ("i", "1")], *paused))
    _write(platform, series_one([("__name__", "hg")], *_natives(begin, HOURS, gauge=True)))
    _write(platform, series_one([("__name__", "hc")], *_natives(begin, HOURS, 7, custom=True)))
    both = _samples(begin, 5, 60, float, 3) + _natives(begin + 5 * HOUR, 5, 3)[1:]
    _write(platform, series_one([("__name__", "both")], *both))
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def before(written):
    """Answers by the hour, and by single moments, while there are samples."""
    begin, end = _begin(), _begin() + (HOURS - 1) * HOUR
    _summed_up(written, end, 120)
    few = {query: _moments(written, query, begin + 5 * HOUR, end, 18 * HOUR) for query in EXACT}
    hourly = {query: _range(written, query, begin, end, HOUR) for query in EXACT}
    return few, hourly


@pytest.fixture(scope="module")
def gone(written, before):
    """The platform when all samples but the newest are gone."""
    assert before  # asked while there were samples
    begin, now = _begin(), int(time.time())
    _write(written, series_one([("__name__", "c")], *_samples(begin, 1, 60, float)), tenant="late")
    _write(written, series_one([("__name__", "again")], *_samples(begin, 1, 60, float)), tenant="late")
    _write(written, series_one([("__name__", "one")], (2, sample(3.0, (begin + 31) * 1000))), tenant="late")
    _write(written, series_one([("__name__", "native")], *_natives(begin, 1)[1:]), tenant="late")
    at_minutes = [(at, {"schema": 0, "count": at * 3.0, "sum": 5.0, "positive": {1: at * 3.0}}) for at in range(60)]
    parts = [(4, histogram(found, (begin + at * 60) * 1000)) for at, found in at_minutes]
    parts.append((4, histogram(at_minutes[-1][1], now * 1000)))
    _write(written, series_one([("__name__", "h")], *parts), tenant="histograms")
    # Something new, so that every old day can go.
    _write(written, series_one([("__name__", "fresh")], (2, sample(1.0, now * 1000))))
    written.loaded()
    written.stop()
    written.flags += ["--metrics-budget", "0"]
    written.start()
    written.eventually("SELECT count() FROM samples", 1, "acme")
    return written


def _summed_up(platform: Platform, hour: int, count: int, tenant: str = "acme") -> None:
    """Wait until an hour of a metric has been summed up, in both tables."""
    for table in ("samples_5m", "samples_1h"):
        platform.eventually(
            f"SELECT sum(count) FROM {table} WHERE time > toDateTime({hour}) AND time <= toDateTime({hour + HOUR}) "
            "AND series IN (SELECT id FROM series WHERE name = 'c')",
            count,
            tenant,
        )


def test_answers_from_sums_are_those_from_samples(before):
    few, hourly = before
    for query, (found, notes) in hourly.items():
        moments = {key[1] for key in few[query]}
        _same(few[query], {key: value for key, value in found.items() if key[1] in moments}, query)
        assert few[query], query
        assert not notes, query


def test_late_samples_are_summed_up_too(written):
    begin, tenant = _begin(), "twice"
    _write(written, series_one([("__name__", "c")], *_samples(begin, 1, 60, float)), tenant=tenant)
    _summed_up(written, begin, 60, tenant)
    # The first sample ends the hour before, which is summed up by itself.
    sums = f"SELECT time, sum FROM samples_5m WHERE time > toDateTime({begin}) ORDER BY time"
    before = written.sql(sums, tenant)
    late = [(2, sample(1000.0, (begin + 90) * 1000)), (2, sample(1.0, (begin + HOUR - 1) * 1000))]
    _write(written, series_one([("__name__", "c")], *late), tenant=tenant)
    _summed_up(written, begin, 62, tenant)
    after = written.sql(sums, tenant)
    changed = [(old["sum"], new["sum"]) for old, new in zip(before, after, strict=True) if old != new]
    assert [new - old for old, new in changed] == [1000.0, 1.0]


def test_deleted_samples_leave_the_sums_too(written):
    begin, tenant = _begin(), "deleted"
    for name in ("c", "kept"):
        _write(written, series_one([("__name__", name)], *_samples(begin, 3, 60, float)), tenant=tenant)
    _write(written, series_one([("__name__", "c"), ("native", "yes")], *_natives(begin, 3)), tenant=tenant)
    _summed_up(written, begin + HOUR, 60, tenant)
    span = urllib.parse.urlencode({"match[]": "c", "start": begin + 1800, "end": begin + 2 * HOUR})
    path = f"/prometheus/api/v1/admin/tsdb/delete_series?{span}"
    assert written.request(path, b"", method="POST", headers={"X-Scope-OrgID": tenant}).status == 204
    ids = "series IN (SELECT id FROM series WHERE name = 'c')"
    for table in ("samples_5m", "samples_1h"):
        written.eventually(f"SELECT sum(count) FROM {table} WHERE {ids}", 30 + 60, tenant)
        assert written.sql(f"SELECT sum(count) AS n FROM {table} WHERE NOT {ids}", tenant)[0]["n"] == 181
    for table in ("histograms_5m", "histograms_1h"):
        written.eventually(f"SELECT sum(count) FROM {table}", 30 + 60, tenant)


def test_a_kill_in_the_middle_loses_and_doubles_nothing(written):
    begin, tenant = _begin(), "killed"
    _write(written, series_one([("__name__", "c")], *_samples(begin, 48, 60, float)), tenant=tenant)
    written.loaded()
    written.kill("worker")
    written.kill("engine")
    whole = "SELECT (SELECT sum(count) FROM samples_5m) = 2881 AND (SELECT sum(count) FROM samples_1h) = 2881"
    written.eventually(whole, 1, tenant)
    expected = {("[]", at): 60.0 for at in range(begin + HOUR, begin + 48 * HOUR + 1, HOUR)}
    found, _ = _range(written, "count_over_time(c[1h])", begin + HOUR, begin + 48 * HOUR, HOUR, tenant)
    _same(expected, found)


def test_answers_are_the_same_when_the_samples_are_gone(gone, before):
    few, hourly = before
    begin, end = _begin(), _begin() + (HOURS - 1) * HOUR
    for query in EXACT:
        found, notes = _range(gone, query, begin, end, HOUR)
        _same(hourly[query][0], found, query)
        assert not notes, query
    _same(few["rate(c[1h])"], _moments(gone, "rate(c[1h])", begin + 5 * HOUR, end, 18 * HOUR))
    dropped = "SELECT sum(count) AS n FROM ledger WHERE reason = 'over_budget' AND signal = 'metrics'"
    assert gone.sql(dropped, "acme")[0]["n"] > HOURS * 60 * 4


def test_what_sums_cannot_give_is_answered_from_what_is_there_and_said(gone):
    platform, begin = gone, _begin()
    start, end = begin + 10 * HOUR, begin + 12 * HOUR
    found, notes = _range(platform, 'quantile_over_time(0.5, g{i="0"}[1h])', start, end, 600)
    assert len(found) == 13
    assert ["quantile_over_time is computed from the last sample of every 5m" in text for text in notes] == [True]
    found, notes = _range(platform, 'g{i="0"}', start + 7, end, 60)
    assert len(found) == 120
    assert ["each step shows what was there up to 5m before it" in text for text in notes] == [True]
    for (_, at), value in found.items():
        assert value == pytest.approx(_gauge(int(at) // 300 * 300 - begin))
    found, notes = _range(platform, 'increase(c{i="0"}[61m])', start, end, 300)
    assert ["the range is taken as 12 x 5m" in text for text in notes] == [True]
    hour = _range(platform, 'increase(c{i="0"}[1h])', start, end, 300)[0]
    for key, value in hour.items():
        assert found[key] == pytest.approx(value * 61 / 60)


def _one(platform: Platform, query: str, at: int) -> float:
    """The single value of a query of the tenant `late` at the end of a bucket."""
    found, _ = _range(platform, query, at, at, HOUR, "late")
    assert len(found) == 1, (query, found)
    return next(iter(found.values()))


def _counted(platform: Platform, name: str, count: int) -> None:
    """Wait until the buckets of a metric have so many samples."""
    ids = f"series IN (SELECT id FROM series WHERE name = '{name}')"
    table = "histograms_1h" if name == "native" else "samples_1h"
    platform.eventually(f"SELECT sum(count) FROM {table} WHERE {ids}", count, "late")


def test_late_samples_are_added_to_the_sums_of_samples_that_are_gone(gone):
    begin, end = _begin(), _begin() + HOUR
    functions = ("increase", "resets", "max_over_time", "last_over_time")
    queries = [f"{name}(c[{width}])" for name in functions for width in ("5m", "1h")]
    queries.append("histogram_count(increase(native[1h]))")
    before = [_one(gone, query, end) for query in queries]
    late = (("c", 2, float(at), at) for at in (91, 1501, 3330))
    for name, kind, value, at in (*late, ("one", 2, 5.0, 91), ("new", 2, 7.0, 91), ("native", 4, _native(1), 91)):
        made = histogram(value, (begin + at) * 1000) if kind == 4 else sample(value, (begin + at) * 1000)
        _write(gone, series_one([("__name__", name)], (kind, made)), tenant="late")
    # From samples that are summed up by the question, or have been by then.
    total = sum(range(60, HOUR + 1, 60)) + 91 + 1501 + 3330
    wait_for(lambda: _one(gone, "sum_over_time(c[1h])", end), total, "the late samples")
    wait_for(lambda: _one(gone, "count_over_time(native[1h])", end), 61, "the late histogram")
    for name, count in (("c", 61 + 3), ("one", 2), ("new", 1), ("native", 61)):
        _counted(gone, name, count)
    assert [_one(gone, query, end) for query in queries] == pytest.approx(before)
    assert _one(gone, "sum_over_time(c[1h])", end) == total
    assert _one(gone, "count_over_time(c[5m])", begin + 300) == 6
    assert _one(gone, "count_over_time(native[1h])", end) == 61
    of_both = [_one(gone, f"{name}_over_time(one[5m])", begin + 300) for name in ("sum", "first", "last", "count")]
    assert of_both == [8, 3, 5, 2]


def test_samples_that_are_sent_again_when_they_are_gone_count_once(gone):
    begin = _begin()
    _counted(gone, "again", 61)
    total = sum(range(60, HOUR + 1, 60))
    assert _one(gone, "sum_over_time(again[1h])", begin + HOUR) == total
    _write(gone, series_one([("__name__", "again")], *_samples(begin, 1, 60, lambda at: at + 1.0)), tenant="late")
    once_more = "SELECT max(sum) FROM samples_1h WHERE series IN (SELECT id FROM series WHERE name = 'again')"
    gone.eventually(once_more, total + 60, "late")
    assert _one(gone, "sum_over_time(again[1h])", begin + HOUR) == total + 60
    assert _one(gone, "count_over_time(again[1h])", begin + HOUR) == 60


def test_rates_of_histograms_that_are_gauges_are_said_to_be_of_the_ends(gone):
    begin = _begin()
    for query, told in (("rate(hg[1h])", True), ("delta(hg[1h])", False), ("rate(h[1h])", False)):
        found, notes = _range(gone, query, begin + 10 * HOUR, begin + 12 * HOUR, HOUR)
        assert found
        assert ["native histograms that are gauges" in text for text in notes] == [True] * told, query


def test_native_histograms_are_approximated_where_their_sums_do_not_fit(gone):
    begin = _begin()
    start, end = begin + 10 * HOUR, begin + 12 * HOUR
    found, notes = _range(gone, 'histogram_count(increase(h{i="0"}[61m]))', start, end, 300)
    assert ["the range is taken as 12 x 5m" in text for text in notes] == [True]
    hour = _range(gone, 'histogram_count(increase(h{i="0"}[1h]))', start, end, 300)[0]
    assert found == pytest.approx({key: value * 61 / 60 for key, value in hour.items()})
    found, notes = _range(gone, 'histogram_count(irate(h{i="0"}[30m]))', start, end, 300)
    assert ["irate is computed from the last sample of every 5m" in text for text in notes] == [True]
    whole = _range(gone, 'histogram_count(increase(h{i="0"}[5m]))', start, end, 300)[0]
    assert found.keys() == whole.keys()
    found, notes = _range(gone, "changes(both[4h])", begin + 7 * HOUR, begin + 7 * HOUR, HOUR)
    assert list(found.values()) == [4]  # the last of four hours, and the float that the histograms of one begin behind
    assert [
        "changes of floats and native histograms is computed from the last sample of every 1h" in text for text in notes
    ] == [True]


def test_days_of_native_histograms_alone_go_with_a_line_in_the_ledger(gone):
    begin, now, tenant = _begin(), int(time.time()), "histograms"
    values, _ = _range(gone, "histogram_count(increase(h[1h]))", begin + HOUR, begin + HOUR, HOUR, tenant)
    assert list(values.values()) == [pytest.approx(180)]
    recent = _ask(gone, "query", tenant, query="count_over_time(h[1d])", time=now + 1)
    assert [one["value"][1] for one in recent["data"]["result"]] == ["1"]
    dropped = "SELECT sum(count) AS n FROM ledger WHERE reason = 'over_budget' AND detail LIKE 'histograms,%'"
    gone.eventually(dropped, 60, tenant)  # told when the days have gone
