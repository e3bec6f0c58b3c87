"""What scrapers are given: the form that they ask for, and in protobuf the same as in text, native histograms besides."""

from __future__ import annotations

import json
import math
import shutil
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text
from sdk_programs import STEADY

from vedette.sdk.metrics.exponential import ExponentialHistogram
from vedette.sdk.metrics.forms import OPENMETRICS, PROTOBUF, TEXT, negotiate
from vedette.sdk.metrics.registry import Registry

# The messages of Prometheus' metrics.proto: (number, name, type, or a message's name).
_MESSAGES: dict[str, list[tuple[int, str, str]]] = {
    "Pair": [(1, "name", "string"), (2, "value", "string")],
    "Time": [(1, "seconds", "int64"), (2, "nanos", "int32")],
    "Exemplar": [(1, "label", "*Pair"), (2, "value", "double"), (3, "timestamp", "Time")],
    "Gauge": [(1, "value", "double")],
    "Counter": [(1, "value", "double"), (2, "exemplar", "Exemplar")],
    "Quantile": [(1, "quantile", "double"), (2, "value", "double")],
    "Summary": [(1, "sample_count", "uint64"), (2, "sample_sum", "double"), (3, "quantile", "*Quantile")],
    "Bucket": [(1, "cumulative_count", "uint64"), (2, "upper_bound", "double"), (3, "exemplar", "Exemplar")],
    "Span": [(1, "offset", "sint32"), (2, "length", "uint32")],
    "Histogram": [
        *[(1, "sample_count", "uint64"), (2, "sample_sum", "double"), (3, "bucket", "*Bucket")],
        *[(5, "schema", "sint32"), (6, "zero_threshold", "double"), (7, "zero_count", "uint64")],
        *[(9, "negative_span", "*Span"), (10, "negative_delta", "*sint64")],
        *[(12, "positive_span", "*Span"), (13, "positive_delta", "*sint64")],
    ],
    "Metric": [
        *[(1, "label", "*Pair"), (2, "gauge", "Gauge"), (3, "counter", "Counter")],
        *[(4, "summary", "Summary"), (7, "histogram", "Histogram")],
    ],
    "Family": [(1, "name", "string"), (2, "help", "string"), (3, "type", "int32"), (4, "metric", "*Metric")],
}


def _family_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="p")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            added = message.field.add(name=field, number=number, label=3 if kind[0] == "*" else 1)
            if kind.lstrip("*") in _MESSAGES:
                added.type, added.type_name = 11, f".p.{kind.lstrip('*')}"
            else:
                added.type = getattr(added, f"TYPE_{kind.lstrip('*').upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("p.Family"))


FAMILY = _family_class()


def decoded(body: bytes) -> list[Any]:
    families, at = [], 0
    while at < len(body):
        size = shift = 0
        while True:
            byte = body[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        family = FAMILY()
        family.ParseFromString(body[at : at + size])
        families.append(family)
        at += size
    return families


def samples_of(families: list[Any]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples that the text format would have."""
    found = {}
    for family in families:
        for metric in family.metric:
            labels = {pair.name: pair.value for pair in metric.label}

            def put(name: str, value: float, labels: dict[str, str] = labels, **more: str) -> None:
                found[name, tuple(sorted({**labels, **more}.items()))] = value

            if family.type == 0:
                put(family.name, metric.counter.value)
            elif family.type == 1:
                put(family.name, metric.gauge.value)
            elif family.type == 2:
                for quantile in metric.summary.quantile:
                    put(family.name, quantile.value, quantile=f"{quantile.quantile:g}")
                put(f"{family.name}_sum", metric.summary.sample_sum)
                put(f"{family.name}_count", metric.summary.sample_count)
            else:
                for bucket in metric.histogram.bucket:
                    bound = "+Inf" if math.isinf(bucket.upper_bound) else repr(bucket.upper_bound)
                    put(f"{family.name}_bucket", bucket.cumulative_count, le=bound)
                put(f"{family.name}_sum", metric.histogram.sample_sum)
                put(f"{family.name}_count", metric.histogram.sample_count)
    return found


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html, application/xml;q=0.9", TEXT),
        ("application/openmetrics-text; version=1.0.0", OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        (
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
                "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
            ),
            PROTOBUF,
        ),
        (
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,"
                'application/vnd.google.protobuf;proto="io.prometheus.client.MetricFamily";encoding=delimited;q=0.6'
            ),
            PROTOBUF,
        ),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", TEXT),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.2", TEXT),
        ("text/plain;q=banana, application/openmetrics-text", OPENMETRICS),
    ],
)
def test_a_scraper_gets_what_it_likes_best(accept, form):
    assert negotiate(accept) is form


NUMBERS = st.floats(allow_nan=False, width=64) | st.integers(-(10**6), 10**6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@STEADY
@given(
    counts=st.dictionaries(TEXTS, st.lists(st.integers(0, 5) | st.floats(0, 1e6), max_size=3), max_size=4),
    gauges=st.dictionaries(TEXTS, NUMBERS, max_size=3),
    seen=st.lists(st.floats(-100, 100), max_size=8),
    about=TEXTS,
)
def test_protobuf_says_what_text_says(counts, gauges, seen, about):
    registry = Registry()
    orders = registry.counter("orders_total", about, ["who"])
    for who, amounts in counts.items():
        for amount in amounts:
            orders.labels(who).inc(amount)
    level = registry.gauge("level", "", ["who"])
    for who, value in gauges.items():
        level.labels(who).set(value)
    stage, lag = registry.histogram("stage_seconds", about, buckets=[0.5, 10]), registry.summary("lag")
    for value in seen:
        stage.observe(value)
        lag.observe(value)
    registry.info("build_info", "", {"version": about})
    text = TEXT.body(registry.collect()).decode()
    wanted = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }
    families = decoded(PROTOBUF.body(registry.collect()))
    assert samples_of(families) == wanted
    assert {family.help for family in families if family.name in {"orders_total", "stage_seconds"}} <= {about}


@STEADY
@given(
    values=st.lists(st.floats(-1e9, 1e9, allow_subnormal=False) | st.sampled_from([0.0, 1.0, 2.0, 1e-9]), max_size=40)
)
def test_native_histograms_hold_every_value_in_its_bucket(values):
    registry = Registry()
    spread = registry.define("spread", "histogram", "", "", (), ExponentialHistogram)
    for value in values:
        spread.observe(value)
    ((metric,),) = [family.metric for family in decoded(PROTOBUF.body(registry.collect()))]
    native = metric.histogram
    assert (native.sample_count, native.zero_count) == (len(values), sum(value == 0 for value in values))
    assert -4 <= native.schema <= 8
    base = 2.0 ** (2.0**-native.schema)
    for sign, spans, deltas in (
        (1, native.positive_span, native.positive_delta),
        (-1, native.negative_span, native.negative_delta),
    ):
        place = count = at = counted = 0
        magnitudes = sorted(abs(value) for value in values if value * sign > 0)
        for span in spans:
            place += span.offset
            for _ in range(span.length):
                count += deltas[at]
                at += 1
                mine = magnitudes[counted : counted + count]
                counted += count
                for value in mine:  # a hair's breadth for what floating point makes of a bound
                    assert base ** (place - 1) * (1 - 1e-9) <= value <= base**place * (1 + 1e-9)
                place += 1
        assert counted == len(magnitudes)
        assert at == len(deltas)
    assert native.positive_span or native.negative_span


def test_exemplars_go_with_counters_and_buckets():
    registry = Registry()
    stage, orders = registry.histogram("stage", buckets=[1]), registry.counter("orders_total")
    from vedette.sdk.metrics.instruments import Exemplar  # noqa: PLC0415 - this test alone makes them by hand

    stage.observe(0.5)
    stage._exemplars.append(Exemplar(0.5, 1_700_000_000_123_000_000, 0xABC, 0xDEF))
    orders.inc()
    orders._exemplar = Exemplar(1, 1_700_000_000_123_000_000, 0xABC, 0xDEF)
    families = {family.name: family.metric[0] for family in decoded(PROTOBUF.body(registry.collect()))}
    for found in (families["stage"].histogram.bucket[0].exemplar, families["orders_total"].counter.exemplar):
        assert {pair.name: pair.value for pair in found.label} == {
            "trace_id": f"{0xABC:032x}",
            "span_id": f"{0xDEF:016x}",
        }
        assert (found.timestamp.seconds, found.timestamp.nanos) == (1_700_000_000, 123_000_000)
    assert not families["stage"].histogram.bucket[1].HasField("exemplar")


SITE = """
    import vedette
    from wsgiref.simple_server import make_server
    vedette.configure("scraped", export=False, log_format="none")
    orders = vedette.counter("orders_total", labels=["status"])
    orders.labels("ok").inc(3)
    spread = vedette.histogram("spread", buckets="exponential")
    for value in (0, 1, 1, 3, 1000): spread.observe(value)
    vedette.histogram("stage_seconds", buckets=[1, 2]).observe(1.5)
    def app(environ, start_response):
        start_response("204 No Content", [])
        return []
    with make_server("127.0.0.1", 0, vedette.instrument(app)) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
"""


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed; Debian's package brings it"
)
def test_prometheus_scrapes_native_histograms(programs, tmp_path):
    site = programs.start(SITE)
    assert site.stdout is not None
    target = f"127.0.0.1:{site.stdout.readline().strip()}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs: [{job_name: ours, scrape_interval: 1s, scrape_timeout: 1s,"
        f" static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address={address}"]
    command = ["prometheus", *flags, "--enable-feature=native-histograms", "--log.level=error"]
    prometheus = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)

    def ask(query: str) -> list[Any]:
        while True:
            try:
                form = urllib.parse.urlencode({"query": query})
                with urllib.request.urlopen(f"http://{address}/api/v1/query?{form}", timeout=30) as answer:
                    if found := json.loads(answer.read())["data"]["result"]:
                        return list(found)
            except urllib.error.URLError:
                pass
            assert prometheus.poll() is None
            time.sleep(0.1)

    try:
        (spread,) = ask("spread")
        assert (spread["histogram"][1]["count"], spread["histogram"][1]["sum"]) == ("5", "1005")
        assert len(spread["histogram"][1]["buckets"]) == 4  # 0, 1, 3 and 1000
        assert ask("orders_total")[0]["value"][1] == "3"
        assert ask('stage_seconds_bucket{le=~"2|2.0"}')[0]["value"][1] == "1"
    finally:
        prometheus.kill()
        prometheus.wait()
        site.kill()


def test_the_workers_exposition_has_the_same_forms(programs):
    result = programs.run(
        SITE.split("    def app", maxsplit=1)[0]
        + """
    import sys
    from vedette.sdk.metrics.forms import PROTOBUF
    from vedette.sdk.metrics.registry import registry
    from vedette.sdk.metrics.snapshot import merged, snapshot
    parts = [snapshot(registry.collect(), 1), snapshot(registry.collect(), 2)]
    sys.stdout.buffer.write(PROTOBUF.body(merged(parts)).hex().encode())
    """
    )
    found = {family.name: family for family in decoded(bytes.fromhex(result.stdout))}
    assert found["orders_total"].metric[0].counter.value == 6
    assert found["spread"].metric[0].histogram.sample_count == 10
    assert struct.pack("<d", found["stage_seconds"].metric[0].histogram.sample_sum) == struct.pack("<d", 3.0)
