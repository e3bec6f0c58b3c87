"""Expositions in protobuf, with native histograms, as Go's and Java's clients send them."""

from __future__ import annotations

import json
import struct
import time
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_families import MetricFamily, encoded
from real_platform import wait_for
from test_scraping import Exporter, _vector, _wait

from vedette.errors import InvalidInput
from vedette.server.scrape.cache import ScrapeCache
from vedette.server.scrape.client import needs_no_proxy
from vedette.server.scrape.config import Job

_PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def _families() -> bytes:
    labels = [{"name": "path", "value": 'a"b\\c\nd'}]
    seen = {"label": [{"name": "trace_id", "value": "0af7651916cd43dd8448eb211c80319c"}], "value": 1.5}
    native = {
        "sample_count": 6,
        "sample_sum": 18.4,
        "schema": 1,
        "zero_threshold": 0.001,
        "zero_count": 1,
        "positive_span": [{"offset": 0, "length": 2}, {"offset": 1, "length": 1}],
        "positive_delta": [1, 1, 0],
        "bucket": [{"cumulative_count": 4, "upper_bound": 1.0}, {"cumulative_count": 6, "upper_bound": 1e6}],
    }
    return (
        encoded(
            MetricFamily(
                name="jobs_total",
                help="Jobs,\nall of them.",
                type=0,
                metric=[{"label": labels, "counter": {"value": 3, "exemplar": seen}}, {"counter": {"value": 4}}],
            ),
            MetricFamily(name="größe", type=1, unit="bytes", metric=[{"gauge": {"value": -1.5}}]),
            MetricFamily(
                name="took",
                type=2,
                metric=[
                    {"summary": {"sample_count": 9, "sample_sum": 4.5, "quantile": [{"quantile": 0.5, "value": 0.25}]}}
                ],
            ),
            MetricFamily(name="wait", type=4, metric=[{"label": [{"name": "k", "value": "v"}], "histogram": native}]),
            MetricFamily(name="other", type=3, metric=[{"untyped": {"value": 7}}]),
        )
        + _without_buckets()
    )


def _without_buckets() -> bytes:
    """A native histogram that has packed fields without numbers, as an encoder may write them."""
    native = b"\x08\x02\x28\x02\x38\x02" + b"\x11" + struct.pack("<d", 0.5) + b"\x52\x00\x5a\x00\x6a\x00\x72\x00"
    metric = b"\x3a" + bytes([len(native)]) + native
    family = b"\x0a\x04idle\x18\x04\x22" + bytes([len(metric)]) + metric
    return bytes([len(family)]) + family


@pytest.fixture
def exporter():
    made = Exporter()
    made.content_type = _PROTOBUF
    yield made
    made.server.shutdown()


def test_native_histograms_and_all_other_types(scraping, exporter):
    exporter.body = _families()
    static = {"static_configs": [{"targets": [exporter.address]}]}
    job = {"job_name": "native", "scrape_native_histograms": True, "always_scrape_classic_histograms": True, **static}
    # A job that does not want native histograms takes the classic buckets, and those of a protobuf exposition alone.
    plain = {"job_name": "classic", "scrape_protocols": ["PrometheusProto", "PrometheusText0.0.4"], **static}
    platform = scraping.of([job, plain])
    _wait(platform, "sum by (job) (jobs_total)", [7, 7])
    assert exporter.seen[0]["accept"].startswith(
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily"
    )
    assert {dict(one).get("path") for one in _vector(platform, "jobs_total{job='native'}")} == {None, 'a"b\\c\nd'}
    _wait(platform, '{"größe",job="native"}', [-1.5])
    _wait(platform, "took{quantile='0.5',job='native'}", [0.25])
    _wait(platform, "took_sum{job='native'} / took_count", [0.5])
    _wait(platform, "other{job='native'}", [7])
    _wait(platform, "histogram_count(wait{job='native',k='v'})", [6])
    _wait(platform, "histogram_sum(wait{job='native'})", [18.4])
    _wait(platform, "histogram_count(idle{job='native'}) + histogram_sum(idle)", [2.5])
    assert not _vector(platform, "wait{job='classic'}")
    for name in ("native", "classic"):
        bounds = {dict(one)["le"]: value for one, value in _vector(platform, f"wait_bucket{{job='{name}'}}").items()}
        assert bounds == {"1.0": 4, "1e+06": 6, "+Inf": 6}
    query = urlencode({"query": "jobs_total", "start": time.time() - 3600, "end": time.time() + 60})
    found = platform.request(f"/prometheus/api/v1/query_exemplars?{query}").json()["data"]
    assert found[0]["exemplars"][0]["labels"] == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    metadata = platform.request("/prometheus/api/v1/metadata?metric=jobs_total").json()["data"]
    assert metadata == {"jobs_total": [{"type": "counter", "help": "Jobs,\nall of them.", "unit": ""}]}
    exporter.body = encoded()  # a native histogram that is gone ends, too
    _wait(platform, "count(wait) or vector(0)", [0])


def _buckets(platform, job):
    """The buckets of a native histogram once there is one: where they end, and their counts."""
    query = urlencode({"query": f"wait{{job='{job}'}}"})
    while True:
        path = f"/prometheus/api/v1/query?{query}"
        for one in platform.request(path).json()["data"]["result"]:
            return {round(float(bucket[2]), 3): float(bucket[3]) for bucket in one["histogram"][1]["buckets"]}
        time.sleep(0.1)


def test_how_fine_native_histograms_may_be_and_what_is_refused(scraping, exporter):
    exporter.body = _families()
    common = {"scrape_native_histograms": True, "static_configs": [{"targets": [exporter.address]}]}
    told = {"metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "wait", "action": "keep"}]}
    dead = {"proxy_url": "http://127.0.0.1:1"}
    jobs = {
        "as_it_is": told,
        "few": told | {"native_histogram_bucket_limit": 2},
        "wide": told | {"native_histogram_min_bucket_factor": 4},
        "too_few": told | {"native_histogram_bucket_limit": 1},
        "legacy": {"metric_name_validation_scheme": "legacy", "scrape_failure_log_file": "failures.json"},
        "proxied": dead,
        "direct": dead | {"no_proxy": "example.com"},
    }
    platform = scraping.of([{"job_name": name, **common, **job} for name, job in jobs.items()])
    assert _buckets(platform, "as_it_is") == {0.001: 1, 1: 1, 1.414: 2, 2.828: 2}
    # One bucket ends at 1 and the other at 4: the growth is that of schema -1.
    assert _buckets(platform, "few") == _buckets(platform, "wide") == {0.001: 1, 1: 1, 4: 4}
    up = "sum by (job) (up{job=~'as_it_is|few|wide|too_few|legacy|proxied|direct'}) == "
    for value, names in ((1, {"as_it_is", "few", "wide", "direct"}), (0, {"too_few", "legacy", "proxied"})):
        wait_for(lambda n=value: {dict(one)["job"] for one in _vector(platform, f"{up}{n}")}, names, "up")
    _wait(platform, "scrape_samples_post_metric_relabeling{job='too_few'}", [1])
    path = "/prometheus/api/v1/targets?state=active"
    targets = platform.request(path).json()["data"]["activeTargets"]
    errors = {target["scrapePool"]: target["lastError"] for target in targets}
    assert "more than 1 buckets at every resolution" in errors["too_few"]
    assert "größe" in errors["legacy"]
    accepted = [one["accept"] for one in exporter.seen]
    assert any("escaping=underscores" in one for one in accepted)
    line = json.loads((scraping.folder / "failures.json").read_text().splitlines()[0])
    assert (line["level"], line["job_name"]) == ("ERROR", "legacy")
    assert "größe" in line["msg"]


@pytest.mark.parametrize(
    ("url", "entries", "is_direct"),
    [
        ("http://localhost:1/", ["x"], True),
        ("http://[::1]:1/", ["x"], True),
        ("http://a.org/", ["a.org"], True),
        ("http://b.a.org/", ["a.org"], True),
        ("http://ba.org/", ["a.org"], False),
        ("http://a.org/", [".a.org"], False),
        ("http://b.a.org/", ["*.a.org"], True),
        ("http://a.org:8080/", ["a.org:8080"], True),
        ("https://a.org/", ["a.org:8080"], False),
        ("https://a.org/", ["a.org:443"], True),
        ("http://10.1.2.3:9/", ["10.0.0.0/8"], True),
        ("http://10.1.2.3/", ["10.1.2.4"], False),
        ("http://10.1.2.3:9/", ["10.1.2.3:9"], True),
        ("http://a.org/", ["*"], True),
        ("http://a.org/", ["b.org", "10.0.0.0/8"], False),
    ],
)
def test_who_is_asked_past_the_proxy(url, entries, is_direct):
    assert needs_no_proxy(url, entries) is is_direct


_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
_FLOATS = st.floats(allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("abc", min_size=1, max_size=3),
            st.dictionaries(st.text("xyz", min_size=1, max_size=3), _TEXTS.filter(bool), max_size=3),
            _FLOATS,
        ),
        max_size=6,
        unique_by=lambda one: (one[0], tuple(sorted(one[1].items()))),
    )
)
def test_protobuf_says_what_the_text_format_says(metrics):
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"") + '"'

    families, lines = [], []
    for name, labels, value in metrics:
        pairs = [{"name": key, "value": text} for key, text in labels.items()]
        families.append(MetricFamily(name=name, type=1, metric=[{"label": pairs, "gauge": {"value": value}}]))
        inner = ",".join(f"{key}={quoted(text)}" for key, text in labels.items())
        number = {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(value, repr(value))
        lines.append(f"# TYPE {name} gauge\n{name}{{{inner}}} {number}\n")
    caches = [ScrapeCache(Job("job", 15, 10), {"job": "j"}, "default") for _ in range(2)]
    for at in (1_700_000_000_000, 1_700_000_015_000):
        one = caches[0].take(encoded(*families), at, protobuf=True)
        other = caches[1].take("".join(lines).encode(), at)
        assert one == other


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 500), st.binary(max_size=4), st.booleans())
def test_damaged_bytes_are_refused_or_read_and_nothing_else(place, noise, classic):
    body = _families()
    place %= len(body)
    cache = ScrapeCache(Job("job", 15, 10, native_histograms=True, classic_histograms=classic), {}, "default")
    try:
        cache.take(body[:place] + noise + body[place + 1 :], 1_700_000_000_000, protobuf=True)
    except InvalidInput as error:
        assert str(error)  # noqa: PT017 - most damage is refused, some is another valid message
    with pytest.raises(InvalidInput, match="is not a valid protobuf"):
        cache.take(body[:-1], 1_700_000_000_000, protobuf=True)


def test_buckets_that_do_not_agree_are_refused():
    wrong = {"sample_count": 1, "schema": 0, "positive_span": [{"offset": 0, "length": 2}], "positive_delta": [1]}
    body = encoded(MetricFamily(name="wait", type=4, metric=[{"histogram": wrong}]))
    cache = ScrapeCache(Job("job", 15, 10, native_histograms=True), {}, "default")
    with pytest.raises(InvalidInput, match="the family at byte 0 is not a valid protobuf"):
        cache.take(body, 1_700_000_000_000, protobuf=True)
