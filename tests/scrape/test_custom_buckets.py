"""Classic histograms that are kept as native ones with custom buckets, of all formats."""

from __future__ import annotations

import logging
import math
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_families import MetricFamily, WriteRequest, encoded
from test_scraping import TEXT, Exporter, _vector, _wait

from vedette.errors import InvalidInput
from vedette.server.scrape.cache import OverLimit, ScrapeCache
from vedette.server.scrape.config import Job

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
_BOUNDS = (0.005, 0.25, 1, 2.5, 10, math.inf)
_COUNTS = (3, 8, 8, 20, 21, 24)
_TIME_MS = 1_700_000_000_000


def _text(*, openmetrics: bool) -> bytes:
    lines = ["# HELP took_seconds How long.", "# TYPE took_seconds histogram"]
    for path, factor in (("/a", 1), ("/b", 2)):
        for i, (bound, count) in enumerate(zip(_BOUNDS, _COUNTS, strict=True)):
            seen = f' # {{trace_id="{path}{i}"}} 0.1 {time.time() - i:.3f}' if openmetrics and i < 2 else ""
            le = "+Inf" if math.isinf(bound) else str(bound)
            lines.append(f'took_seconds_bucket{{path="{path}",le="{le}"}} {count * factor}{seen}')
        lines += [f'took_seconds_sum{{path="{path}"}} 61.5', f'took_seconds_count{{path="{path}"}} {24 * factor}']
        lines += [f'took_seconds_created{{path="{path}"}} 1.7e9'] if openmetrics else []
    lines += ["# TYPE idle_seconds histogram", 'idle_seconds_bucket{le="1"} 0', 'idle_seconds_bucket{le="+Inf"} 0']
    lines += ["idle_seconds_sum 0", "idle_seconds_count 0", "# TYPE lone_seconds histogram"]
    lines += ['lone_seconds_bucket{le="+Inf"} 5', "lone_seconds_sum 1.5", "lone_seconds_count 5"]
    return "\n".join([*lines, "# TYPE other gauge", "other 1", *(["# EOF"] if openmetrics else []), ""]).encode()


def _protobuf() -> bytes:
    metrics = []
    for path, factor in (("/a", 1), ("/b", 2)):
        # +Inf may be left out.
        buckets = [
            {"upper_bound": bound, "cumulative_count": count * factor}
            for bound, count in zip(_BOUNDS[:-1], _COUNTS, strict=False)
        ]
        seen = {"label": [{"name": "trace_id", "value": f"{path}0"}], "value": 0.1}
        buckets[0]["exemplar"] = seen | {"timestamp": {"seconds": int(time.time())}}
        found = {"sample_count": 24 * factor, "sample_sum": 61.5, "bucket": buckets}
        metrics.append({"label": [{"name": "path", "value": path}], "histogram": found})
    other = MetricFamily(name="other", type=1, metric=[{"gauge": {"value": 1}}])
    return encoded(MetricFamily(name="took_seconds", help="How long.", type=4, metric=metrics), other)


_FORMATS = {
    "text": (TEXT, _text(openmetrics=False)),
    "openmetrics": (_OPENMETRICS, _text(openmetrics=True)),
    "proto": (_PROTOBUF, _protobuf()),
}

_PAIRS = (
    *(
        (
            f"histogram_quantile({q}, took_seconds{{job='%s'}})",
            f"histogram_quantile({q}, took_seconds_bucket{{job='%s'}})",
        )
        for q in (0.05, 0.5, 0.9, 0.99)
    ),
    *((f"histogram_{what}(took_seconds{{job='%s'}})", f"took_seconds_{what}{{job='%s'}}") for what in ("count", "sum")),
    (
        "histogram_fraction(-Inf, 2.5, took_seconds{job='%s'}) * histogram_count(took_seconds{job='%s'})",
        "took_seconds_bucket{job='%s',le='2.5'}",
    ),
)
"""Of native histograms and of classic ones."""


def test_native_ones_answer_as_the_classic_ones_do(scraping):
    exporters = {}
    for name, (kind, body) in _FORMATS.items():
        exporters[name] = made = Exporter()
        made.content_type, made.body = kind, body
    groups = [{"targets": [made.address], "labels": {"format": name}} for name, made in exporters.items()]
    convert = {"convert_classic_histograms_to_nhcb": True, "static_configs": groups}
    label = "__convert_classic_histograms_to_nhcb__"
    not_text = {"source_labels": ["format"], "regex": "text", "target_label": label, "replacement": "false"}
    jobs = {
        "classic": {"static_configs": groups},
        "native": convert,
        "both": convert | {"always_scrape_classic_histograms": True},
        "not_text": convert | {"relabel_configs": [not_text]},
    }
    platform = scraping.of([{"job_name": name, **job} for name, job in jobs.items()])
    _wait(platform, 'count(up{format!=""}) == 12 and sum(up{format!=""}) == 12', [12])

    def ask(query: str, job: str) -> list[Any]:
        found = _vector(platform, f"sort_by_label({query}, 'format', 'path')")
        of = [{name: value for name, value in one if name in {"format", "path", "le"}} for one in found]
        assert len(of) == 6, (query, job, of)
        return list(zip(of, found.values(), strict=True))

    for native, classic in _PAIRS:
        expected = [value for _, value in ask(classic.replace("%s", "classic"), "classic")]
        for job in ("native", "both"):
            assert [value for _, value in ask(native.replace("%s", job), job)] == pytest.approx(expected, rel=1e-15)
        assert [value for _, value in ask(classic.replace("%s", "both"), "both")] == expected
    # What has no observations, and what has no bound, is there as well.
    for name, count in (("idle_seconds", 0), ("lone_seconds", 5)):
        assert list(_vector(platform, f"histogram_count({name}{{job='native'}})").values()) == [count, count]
    assert not _vector(platform, "{__name__=~'took_seconds_(bucket|sum|count)',job='native'}")
    names = {dict(one)["format"] for one in _vector(platform, "took_seconds_bucket{job='not_text'}")}
    assert names == {"text"}
    assert {dict(one)["format"] for one in _vector(platform, "histogram_count(took_seconds{job='not_text'})")} == {
        "openmetrics",
        "proto",
    }
    # When they began stays a series of its own, and the others are as they were.
    assert len(_vector(platform, "took_seconds_created{job='native',format='openmetrics'}")) == 2
    scraped = {
        dict(one)["format"]: value for one, value in _vector(platform, "scrape_samples_scraped{job='native'}").items()
    }
    assert scraped == {"text": 5, "openmetrics": 7, "proto": 3}
    told = platform.request("/prometheus/api/v1/metadata?metric=took_seconds").json()["data"]
    assert told == {"took_seconds": [{"type": "histogram", "help": "How long.", "unit": ""}]}
    asked = {"query": "took_seconds{job='native'}", "start": time.time() - 3600, "end": time.time() + 60}
    found = platform.request(f"/prometheus/api/v1/query_exemplars?{urlencode(asked)}").json()["data"]
    seen = {(one["seriesLabels"]["format"], each["labels"]["trace_id"]) for one in found for each in one["exemplars"]}
    assert seen == {("openmetrics", f"{path}{i}") for path in ("/a", "/b") for i in (0, 1)} | {
        ("proto", "/a0"),
        ("proto", "/b0"),
    }

    for made in exporters.values():
        made.body = b"# EOF\n" if made.content_type == _OPENMETRICS else b""
    _wait(platform, "count({__name__=~'took_seconds.*'}) or vector(0)", [0])
    for made in exporters.values():
        made.server.shutdown()


def _written(body: bytes, *, protobuf: bool = False, openmetrics: bool = False, **more: Any) -> dict[str, Any]:
    """What one scrape writes of series without other labels than their names: numbers, and native histograms."""
    cache = ScrapeCache(Job("job", 15, 10, convert_classic=True, **more), {}, "default")
    batch = cache.take(body, _TIME_MS, protobuf=protobuf, openmetrics=openmetrics).batch
    found: dict[str, Any] = {}
    for one in WriteRequest.FromString(b"".join(batch.told)).timeseries:
        labels = {label.name: label.value for label in one.labels}
        name = labels.pop("__name__") + "".join(value for _, value in sorted(labels.items()))
        if one.samples:
            found[name] = one.samples[0].value
        elif one.histograms:
            found[name] = _read(one.histograms[0])
    return found


def _read(found: Any) -> tuple[Any, ...]:
    """Bounds and cumulative counts, count and sum of a native histogram; whether its counts are integers."""
    assert (found.schema, found.timestamp) == (-53, _TIME_MS)
    counts, total = [0.0] * (len(found.custom_values) + 1), 0.0
    values = list(found.positive_counts)
    for delta in found.positive_deltas:
        values.append(delta + (values[-1] if values else 0))
    at, rest = 0, iter(values)
    for span in found.positive_spans:
        at += span.offset
        for i in range(span.length):
            counts[at + i] = next(rest)
        at += span.length
    for i, count in enumerate(counts):
        counts[i] = total = total + count
    whole = not found.positive_counts and not found.count_float
    return list(found.custom_values), counts, found.count_int + found.count_float, found.sum, whole


_H = "# TYPE h histogram\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Nothing but parts: the highest bucket is the count, the count is the highest bucket, there is no count at all.
        ('h_bucket{le="1"} 3\nh_bucket{le="2"} 4\n', {"h": ([1, 2], [3, 4, 4], 4, 0, True)}),
        ("h_count 4\n", {"h": ([], [4], 4, 0, True)}),
        ("h_sum 4\n", {"h": ([], [0], 0, 4, True)}),
        # In any order, and the first of equal bounds counts.
        (
            'h_count 5\nh_bucket{le="2"} 4\nh_bucket{le="1"} 3\nh_bucket{le="1.0"} 9\nh_bucket{le="+Inf"} 5\n',
            {"h": ([1, 2], [3, 4, 5], 5, 0, True)},
        ),
        # One number that is not whole makes all of them floats.
        ('h_bucket{le="1"} 3.5\nh_count 4\n', {"h": ([1], [3.5, 4], 4, 0, False)}),
        ('h_bucket{le="-Inf"} 1\nh_bucket{le="-1"} 1\nh_count 4\n', {"h": ([-math.inf, -1], [1, 1, 4], 4, 0, True)}),
        # What is no histogram stays what it is.
        ('h_bucket 1\nh_bucket{le="x"} 2\nh_bucket{le="NaN"} 3\nh 4\n', {"h_bucket": 1, "h_bucketx": 2, "h_bucketNaN": 3, "h": 4}),
        ('# TYPE h untyped\nh_bucket{le="1"} 3\nh_count 4\n', {"h_bucket1.0": 3, "h_count": 4}),
        ('# TYPE g histogram\nh_bucket{le="1"} 3\nh_count 4\n', {"h_bucket1.0": 3, "h_count": 4}),
        # A comment and other labels end a histogram, a plain series of its name does not.
        ('h_bucket{le="1"} 3\nh_count 4\nh{a="x"} 1\n', {"h": ([1], [3, 4], 4, 0, True), "hx": 1}),
        ('h_bucket{le="1",b="y"} 3\nh_count{b="y"} 3\nh_count{b="z"} 4\n', {"hy": ([1], [3, 3], 3, 0, True), "hz": ([], [4], 4, 0, True)}),
        # Wide gaps are skipped, narrow ones are not, and counts stay what they are.
        (
            "".join(f'h_bucket{{le="{i}"}} {count}\n' for i, count in enumerate((0, 2, 2, 5, 5, 5, 5, 7, 7))) + "h_count 7\n",
            {"h": (list(range(9)), [0, 2, 2, 5, 5, 5, 5, 7, 7, 7], 7, 0, True)},
        ),
        # What cannot be one is left out.
        ('h_bucket{le="1"} 3\nh_bucket{le="2"} 2\nh_count 4\nother 1\n', {"other": 1}),
        ('h_bucket{le="1"} 3\nh_bucket{le="+Inf"} 5\nh_count 4\nother 1\n', {"other": 1}),
        ('h_bucket{le="1"} 3\nh_count 2\nother 1\n', {"other": 1}),
        ('h_bucket{le="1"} -3\nother 1\n', {"other": 1}),
        ("h_count NaN\nother 1\n", {"other": 1}),
    ],
)  # fmt: skip
def test_histograms_of_all_kinds(text, expected):
    assert _written((_H + text).encode()) == expected


def test_one_that_cannot_be_converted_is_told_of_once(caplog):
    cache = ScrapeCache(Job("shop", 15, 10, convert_classic=True), {}, "default")
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            found = cache.take((_H + 'h_bucket{a="b",le="1"} 3\nh_count{a="b"} 2\n').encode(), _TIME_MS + number * 1000)
            assert (found.scraped, found.batch.told_rows - (number == 0)) == (0, 0)
    assert [record.getMessage() for record in caplog.records] == [
        'Job shop: histograms that cannot become native ones: 1, such as {"h","a"="b"}: its buckets are not cumulative'
    ]
    family = MetricFamily(name="h", type=4, metric=[{"histogram": {"sample_count": 2, "bucket": [{"upper_bound": 1, "cumulative_count": 3}]}}])  # fmt: skip
    message = (
        "the family at byte 0 has a classic histogram that cannot become a native one: its buckets are not cumulative"
    )
    with pytest.raises(InvalidInput, match=message):
        cache.take(encoded(family), _TIME_MS, protobuf=True)


def test_limits_and_relabeling_see_the_native_one():
    body = (_H + "".join(f'h_bucket{{a="b",le="{i}"}} {i}\n' for i in range(1, 9)) + 'h_count{a="b"} 8\n').encode()
    named = "h" + "b"
    assert list(_written(body, label_limit=2, sample_limit=1)) == [named]
    with pytest.raises(OverLimit, match=r"sample limit exceeded: 10 samples"):
        _written(body, sample_limit=9, classic_histograms=True)
    assert list(_written(body, bucket_limit=8, finest_schema=0)) == [named]
    with pytest.raises(OverLimit, match="native_histogram_bucket_limit exceeded"):
        _written(body, bucket_limit=7)


def test_gauges_of_buckets_are_converted_in_protobuf_alone():
    found = {"sample_count": 2, "bucket": [{"upper_bound": 1, "cumulative_count": 1}]}
    body = encoded(MetricFamily(name="h", type=5, metric=[{"histogram": found}]))
    cache = ScrapeCache(Job("job", 15, 10, convert_classic=True), {}, "default")
    batch = cache.take(body, _TIME_MS, protobuf=True).batch
    (one,) = WriteRequest.FromString(b"".join(batch.told)).timeseries
    assert (one.histograms[0].reset_hint, _read(one.histograms[0])) == (3, ([1], [1, 2], 2, 0, True))
    text = b'# TYPE h gaugehistogram\nh_bucket{le="1"} 1\nh_gcount 2\n# EOF\n'
    assert _written(text, openmetrics=True) == {"h_bucket1.0": 1, "h_gcount": 2}


_NUMBERS = st.one_of(st.integers(0, 40), st.sampled_from([0.5, 2.5, 7.25]))
_RUNS = st.lists(st.tuples(st.integers(-3, 6), _NUMBERS), max_size=9)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_RUNS, st.none() | _NUMBERS), min_size=1, max_size=4), st.booleans())
def test_any_buckets_in_any_order(histograms, keep):
    lines, expected = ["# TYPE h histogram"], {}
    for i, (buckets, count) in enumerate(histograms):
        run = [f'h_bucket{{i="{i}",le="{bound}"}} {value}' for bound, value in buckets]
        run += [f'h_count{{i="{i}"}} {count}'] if count is not None else []
        lines += run
        if keep:
            for bound, value in buckets:
                expected.setdefault(f"h_bucket{i}{float(bound)}", value)
            expected |= {f"h_count{i}": count} if count is not None else {}
        if run and (found := _converted(buckets, count)):
            expected[f"h{i}"] = found
    assert _written("\n".join([*lines, ""]).encode(), classic_histograms=keep) == expected


def _converted(buckets: list[tuple[float, float]], count: float | None) -> tuple[Any, ...] | None:
    known: dict[float, float] = {}
    for bound, value in buckets:
        known.setdefault(float(bound), value)
    bounds = sorted(known)
    counts = [known[bound] for bound in bounds]
    total = count if count is not None else counts[-1]
    counts.append(total)
    if counts != sorted(counts):
        return None
    return bounds, counts, total, 0, all(value == int(value) for value in counts)


def test_known_lines_cost_no_parsing_and_those_that_are_gone_are_forgotten():
    cache = ScrapeCache(Job("job", 15, 10, convert_classic=True), {"job": "j"}, "default")
    for number in range(20):
        lines = [
            f'h_bucket{{id="{number}-{i}",le="{le}"}} 1\nh_count{{id="{number}-{i}"}} 1'
            for i in range(100)
            for le in (1,)
        ]
        body = "\n".join(["# TYPE h histogram", *lines, "stays 2", ""]).encode()
        found = cache.take(body, _TIME_MS + number * 1000)
        assert (found.scraped, found.added) == (101, 100 + (number == 0))
        texts = len(cache._texts)
        again = cache.take(body, _TIME_MS + number * 1000 + 500)
        assert (again.added, again.batch.told_rows, len(cache._texts)) == (0, 100, texts)
    assert len(cache._texts) < 2600
    assert len(cache._book) < 2600
