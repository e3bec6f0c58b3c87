"""Expositions in protobuf, with native histograms, as Go's and Java's clients send them."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_families import MetricFamily, encoded
from test_scraping import Exporter, _vector, _wait

from vedette.errors import InvalidInput
from vedette.server.scrape.cache import ScrapeCache
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
    return encoded(
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
@given(st.integers(0, 500), st.binary(max_size=4))
def test_damaged_bytes_are_refused_or_read_and_nothing_else(place, noise):
    body = _families()
    place %= len(body)
    cache = ScrapeCache(Job("job", 15, 10, native_histograms=True), {}, "default")
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
