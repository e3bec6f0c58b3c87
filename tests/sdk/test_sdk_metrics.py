"""What is counted, as it is exposed and as it is pushed, from real programs; and exact under threads."""

from __future__ import annotations

import copy
import math
import statistics
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from sdk_programs import STEADY, attributes_of

import vedette
from vedette.errors import SettingsError
from vedette.sdk.metrics.exponential import ExponentialHistogram
from vedette.sdk.metrics.exposition import exposition
from vedette.sdk.metrics.gauges import Gauge
from vedette.sdk.metrics.instruments import Histogram, Summary, interpolated
from vedette.sdk.metrics.provider import MeterProvider
from vedette.sdk.metrics.registry import Registry, registry

SHOP = """
    import threading, vedette
    vedette.configure("shop", process_metrics=False, metrics_interval_seconds=3600)
    orders = vedette.counter("orders_total", "Orders placed", labels=["status", "kind"])
    orders.labels("ok", "a").inc()
    orders.labels(status="ok", kind="a").inc(2)
    orders.labels("failed", 'q"\\\\\\n').inc(0.5)
    orders.labels(1, True).inc(); orders.labels("1", "True").inc(); orders.labels(True, 1).inc()
    queue = vedette.gauge("queue_size", "Waiting")
    queue.set(5); queue.inc(); queue.dec(2)
    vedette.gauge("answer").set_function(lambda: 42)
    stage = vedette.histogram("stage_seconds", "Time per stage", buckets=[1, 2, 5])
    with vedette.span("work"):
        for value in (0.5, 1, 1.5, 9, float("nan")):
            stage.observe(value, exemplar=True)
    stage.observe("text")
    lag = vedette.summary("lag_seconds")
    for value in range(101):
        lag.observe(value)
    vedette.info("application", version="1.2")
    vedette.histogram("spread", buckets="exponential").observe(3)
"""


def samples(text: str, parse: Any = parse_text) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("form", ["text", "openmetrics"])
def test_the_exposition_says_what_was_counted(programs, form):
    open_format = form == "openmetrics"
    result = programs.run(SHOP + f"    print(vedette.metrics_text(openmetrics={open_format}), end='')\n")
    found = samples(result.stdout, parse_openmetrics if open_format else parse_text)
    assert found["orders_total", (("kind", "a"), ("status", "ok"))] == 3
    assert found["orders_total", (("kind", 'q"\\\n'), ("status", "failed"))] == 0.5
    assert found["orders_total", (("kind", "True"), ("status", "1"))] == 2
    assert found["orders_total", (("kind", "1"), ("status", "True"))] == 1
    assert found["queue_size", ()] == 4
    assert found["answer", ()] == 42
    buckets = [found["stage_seconds_bucket", (("le", bound),)] for bound in ("1.0", "2.0", "5.0", "+Inf")]
    assert buckets == [2, 3, 3, 4]
    assert (found["stage_seconds_count", ()], found["stage_seconds_sum", ()]) == (4, 12)
    quantiles = [found["lag_seconds", (("quantile", q),)] for q in ("0.5", "0.95", "0.99")]
    assert quantiles == [50, 95, 99]
    assert found["application_info", (("version", "1.2"),)] == 1
    assert ("# EOF" in result.stdout) is open_format
    assert ("trace_id=" in result.stdout) is open_format


def test_the_push_says_what_was_counted(programs, collector):
    programs.run(SHOP)
    found = {metric.name: metric for metric in collector.metrics}
    orders = {tuple(sorted(attributes_of(p).items())): p for p in found["orders_total"].sum.data_points}
    assert orders[(("kind", "a"), ("status", "ok"))].as_int == 3
    assert orders[(("kind", 'q"\\\n'), ("status", "failed"))].as_double == 0.5
    assert found["orders_total"].sum.is_monotonic
    assert found["orders_total"].sum.aggregation_temporality == 2
    assert found["orders_total"].description == "Orders placed"
    assert found["queue_size"].gauge.data_points[0].as_int == 4
    stage = found["stage_seconds"].histogram.data_points[0]
    assert (stage.count, stage.sum, stage.min, stage.max) == (4, 12, 0.5, 9)
    assert (list(stage.bucket_counts), list(stage.explicit_bounds)) == ([2, 1, 0, 1], [1, 2, 5])
    assert {e.trace_id for e in stage.exemplars} == {collector.spans[0].trace_id}
    assert 0 < stage.start_time_unix_nano < stage.time_unix_nano
    lag = found["lag_seconds"].summary.data_points[0]
    assert [(q.quantile, q.value) for q in lag.quantile_values] == [(0.5, 50), (0.95, 95), (0.99, 99)]
    spread = found["spread"].exponential_histogram.data_points[0]
    assert (spread.count, spread.sum, spread.scale, list(spread.positive.bucket_counts)) == (1, 3, 20, [1])
    assert 2 ** (spread.positive.offset / 2**20) < 3 <= 2 ** ((spread.positive.offset + 1) / 2**20)


def test_metrics_of_prometheus_client_go_along(programs, collector):
    result = programs.run(
        SHOP
        + """
    import prometheus_client as p
    p.Counter("theirs", "t", ["a"]).labels("x").inc(3)
    p.Histogram("their_seconds", "h", buckets=[1, 2]).observe(1.5)
    p.Counter("orders_total", "clash").inc(100)
    print(vedette.metrics_text(), end='')
    """
    )
    found = samples(result.stdout)
    assert found["theirs_total", (("a", "x"),)] == 3
    assert found["their_seconds_bucket", (("le", "2.0"),)] == 1
    assert found["orders_total", (("kind", "a"), ("status", "ok"))] == 3
    pushed = {metric.name: metric for metric in collector.metrics}
    assert pushed["theirs_total"].sum.data_points[0].as_int == 3
    assert list(pushed["their_seconds"].histogram.data_points[0].bucket_counts) == [0, 1, 0]


OFFICIAL = {
    "official": """
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        provider = MeterProvider(metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])
        metrics.set_meter_provider(provider)
        finish = provider.shutdown
    """,
    "ours": """
        import vedette
        vedette.configure("same", process_metrics=False, metrics_interval_seconds=3600)
        from opentelemetry import metrics
        finish = vedette.shutdown
    """,
}
METERED = """
from opentelemetry.metrics import Observation
meter = metrics.get_meter("m", "1")
c = meter.create_counter("c", "{item}", "items")
c.add(1, {"a": 1}); c.add(2, {"a": 1}); c.add(1, {"a": True}); c.add(1.5, {"a": "x", "b": [1, 2]}); c.add(4); c.add(-1)
u = meter.create_up_down_counter("u"); u.add(5); u.add(-7)
h = meter.create_histogram("h", "s", explicit_bucket_boundaries_advisory=[0.1, 1])
h.record(0.05, {"r": "/x"}); h.record(1, {"r": "/x"}); h.record(3, {"r": "/x"}); h.record(2.5)
d = meter.create_histogram("d"); d.record(7)
g = meter.create_gauge("g"); g.set(3); g.set(2.5)
meter.create_observable_gauge("og", [lambda options: [Observation(9, {"k": "v"})]])
meter.create_observable_counter("oc", [lambda options: [Observation(11)]])
meter.create_observable_up_down_counter("ou", [lambda options: [Observation(-3)]])
def generator():
    options = yield
    while True:
        options = yield [Observation(1.25)]
meter.create_observable_gauge("gen", [generator()])
finish()
"""


def test_the_opentelemetry_api_gives_the_same_metrics_as_the_official_sdk(programs, collector):
    def send(which: str) -> dict[str, Any]:
        collector.requests.clear()
        lines = [line.strip() for line in OFFICIAL[which].splitlines()]
        programs.run("\n".join([*lines, METERED]), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        found: dict[str, Any] = {}
        for metric in collector.metrics:
            data = getattr(metric, metric.WhichOneof("data"))
            points = []
            for point in data.data_points:
                point.ClearField("time_unix_nano")
                point.ClearField("start_time_unix_nano")
                point.ClearField("exemplars")
                attributes = tuple(sorted(attributes_of(point).items(), key=repr))
                point.ClearField("attributes")
                points.append((repr(attributes), str(point)))
            del data.data_points[:]
            found[metric.name] = (str(metric), sorted(points))
        return found

    official, ours = send("official"), send("ours")
    for name, metric in official.items():
        assert ours[name] == metric, name
    assert ours.keys() == official.keys()


def test_an_instrument_that_is_created_twice_goes_on_with_its_series():
    """A library that is instrumented for each of its clients creates its instruments for each of them."""
    registry = Registry()
    provider = MeterProvider(registry)
    first = provider.get_meter("m").create_histogram("took")
    first.record(1)
    second = provider.get_meter("m").create_histogram("took")
    second.record(2)
    first.record(3)
    provider.get_meter("m").create_counter("took").add(7)  # of another kind: beside it
    families = {(family.name, family.kind): family for family in registry.collect()}
    ((_, series),) = families["took", "histogram"].items()
    assert (series.count(), series.total) == (3, 6)
    ((_, counted),) = families["took", "counter"].items()
    assert counted.value() == 7


def test_counts_are_exact_under_threads(programs):
    result = programs.run(
        """
        import sys, threading, vedette
        sys.setswitchinterval(1e-6)
        plain = vedette.counter("plain_total"); floats = vedette.counter("floats_total")
        labelled = vedette.counter("labelled_total", labels=["a"]); seen = vedette.histogram("seen")
        going = vedette.gauge("going")
        def work():
            for _ in range(50_000):
                plain.inc(); floats.inc(0.5); labelled.labels("x").inc(); seen.observe(1); going.inc()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        seen.fold()
        print(plain.value(), floats.value(), labelled.labels("x").value(), seen.count(), going.value())
        """
    )
    assert result.stdout.split() == ["200000", "100000.0", "200000", "200000", "200000"]


def test_a_gauge_shows_what_was_set_and_the_steps_since():
    gauge = Gauge()
    gauge.dec()
    assert gauge.value() == -1
    gauge.set(0.1)
    gauge.inc()
    gauge.dec()
    assert gauge.value() == 0.1
    gauge.inc(2.5)
    gauge.dec(0.5)
    gauge.inc()
    assert gauge.value() == pytest.approx(3.1)
    gauge.set(7)
    assert gauge.value() == 7
    gauge.reset()
    assert gauge.value() == 0


def test_a_tally_counts_in_all_its_series_and_forgets_in_a_fork():
    registry = Registry()
    every, failed = registry.counter("every_total"), registry.counter("failed_total")
    seconds = registry.histogram("seconds", buckets=[1])
    fine, bad = registry.tally([every, seconds], seconds), registry.tally([every, failed, seconds], seconds)
    for _ in range(3000):
        fine.observe(0.5)
    bad.observe(2)
    registry.collect()
    assert (every.value(), failed.value(), seconds.counts, seconds.total) == (3001, 1, [3000, 1], 1502)
    fine.observe(0.5)
    registry.after_fork()
    registry.collect()
    assert (every.value(), seconds.count()) == (0, 0)


def test_labels_that_explode_are_capped_and_told(programs):
    result = programs.run(
        """
        import resource, vedette
        from opentelemetry import metrics
        vedette.configure("x", export=False, max_series=100, log_format="none")
        users = vedette.counter("users_total", labels=["user"])
        other = metrics.get_meter("m").create_counter("other")
        for number in range(1000):
            users.labels(f"u{number}").inc(); other.add(1, {"user": number})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(1_000_000):
            users.labels(f"u{number}").inc()
        for number in range(100_000):
            other.add(1, {"user": number})
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(len(users._family.series), users.labels("never seen").value() == 1_000_800, grown < 5_000)
        """
    )
    assert result.stdout.split() == ["101", "True", "True"]
    assert "metric users_total has more than 100" in result.stderr


def test_functions_are_tracked_with_their_outcome(programs, collector):
    programs.run(
        """
        import asyncio, vedette
        vedette.configure("x", process_metrics=False)
        @vedette.track_requests("import", namespace="graph")
        def work(fail):
            if fail: raise ValueError
            return 7
        @vedette.track_requests
        async def other():
            return 8
        assert work(False) == 7 and asyncio.run(other()) == 8
        try: work(True)
        except ValueError: pass
        """
    )
    found = {metric.name: metric for metric in collector.metrics}
    outcomes = {attributes_of(p)["status"]: p.as_int for p in found["graph_requests_total"].sum.data_points}
    assert outcomes == {"ok": 1, "error": 1}
    assert found["graph_request_duration_seconds"].histogram.data_points[0].count == 2
    assert found["graph_active_requests"].gauge.data_points[0].as_int == 0
    assert attributes_of(found["tracked_requests_total"].sum.data_points[0])["name"] == "other"


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@STEADY
@given(st.lists(NUMBERS), st.lists(NUMBERS, min_size=1, max_size=8, unique=True))
def test_a_histogram_counts_every_value_in_its_bucket(values, bounds):
    histogram = Histogram(sorted(bounds))
    for value in values:
        histogram.observe(value)
    histogram.fold()
    edges = [-math.inf, *sorted(bounds), math.inf]
    assert histogram.counts == [sum(low < value <= high for value in values) for low, high in pairwise(edges)]
    assert histogram.total == pytest.approx(sum(values), rel=1e-9, abs=1e-6 * sum(map(abs, values)))


@STEADY
@given(st.lists(NUMBERS, min_size=1, max_size=300))
def test_an_exponential_histogram_keeps_count_and_bounds_its_error(values):
    histogram = ExponentialHistogram()
    for value in values:
        histogram.observe(value)
    histogram.fold()
    assert histogram.count() == len(values)
    for side in (histogram.positive, histogram.negative):
        assert not side or max(side) - min(side) < 160
    pairs = histogram.classic()
    assert pairs[-1][1] == len(values)
    for value in values:
        if value > 0:
            index = histogram._index(value)
            step = 2.0**-histogram.scale
            assert 2 ** (index * step) <= value * 1.000001
            assert value <= 2 ** ((index + 1) * step) * 1.000001


@STEADY
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=200), st.sampled_from([0.05, 0.5, 0.95]))
def test_quantiles_are_interpolated_linearly(values, quantile):
    summary = Summary([quantile], 1024)
    for value in values:
        summary.observe(value)
    summary.fold()
    expected = statistics.quantiles(values, n=100, method="inclusive")[round(quantile * 100) - 1]
    assert summary.values()[0][1] == pytest.approx(expected)
    assert interpolated(sorted(values), 0) == min(values)


@STEADY
@given(st.text(st.characters(exclude_characters="\0")), st.text(), st.floats())
def test_any_label_and_help_survive_the_exposition(label, help_text, value):
    own = Registry()
    own.gauge("g", help_text.replace("\r", ""), ["l"]).labels(label).set(value)
    text = exposition(own.collect(), openmetrics=False)
    line = text[text.index('g{l="') :]
    assert line.startswith('g{l="')
    shown = line[5 : line.rindex('"} ')]
    assert shown.replace("\\\\", "\0").replace("\\n", "\n").replace('\\"', '"').replace("\0", "\\") == label


def test_a_metric_with_labels_says_so_to_those_who_count_without():
    seen = Registry().histogram("seen", labels=["kind", "where"])
    for use in ("observe", "time"):
        with pytest.raises(AttributeError) as refused:
            getattr(seen, use)
        assert str(refused.value) == f"Metric seen has labels: use .labels(kind=…, where=…).{use}."
    assert copy.copy(seen).labels("a", "b") is seen.labels("a", "b")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("status", "Metric 'm_total': labels are a list of names, such as ['status']."),
        (["a", "a"], "Metric 'm_total' with labels ('a', 'a'): each has a name of its own."),
    ],
)
def test_wrong_labels_are_refused_and_leave_nothing(labels, said):
    registry = Registry()
    with pytest.raises(SettingsError) as refused:
        registry.counter("m_total", labels=labels)
    assert str(refused.value) == said
    registry.counter("m_total", labels=["a"]).labels("x").inc()


@pytest.mark.parametrize(
    ("define", "said"),
    [
        (lambda: vedette.histogram("m", buckets=[1, "many"]), "buckets are a list of numbers, not [1, 'many']."),
        (lambda: vedette.histogram("m", buckets="linear"), "buckets are a list of numbers, not 'linear'."),
        (lambda: vedette.histogram("m", buckets=5), "buckets are a list of numbers, not 5."),
        (lambda: vedette.histogram("m", buckets=[float("nan")]), "buckets are numbers, not nan."),
        (lambda: vedette.summary("m", quantiles=[0.5, 99]), "quantiles are numbers from 0 to 1, not 99.0."),
        (lambda: vedette.summary("m", quantiles=["p99"]), "quantiles are a list of numbers, not ['p99']."),
    ],
)
def test_bounds_and_quantiles_that_mean_nothing_are_refused_with_a_sentence(define, said):
    with pytest.raises(SettingsError) as refused:
        define()
    assert str(refused.value) == f"Metric 'm': {said}"
    assert "m" not in registry.families


def test_odd_advice_of_an_instrumentation_gives_the_default_bounds():
    meter = MeterProvider(own := Registry()).get_meter("m")
    meter.create_histogram("h", explicit_bucket_boundaries_advisory=["few"]).record(3)
    meter.create_histogram("descending", explicit_bucket_boundaries_advisory=[2, 1]).record(1.5)
    text = exposition(own.collect(), openmetrics=False)
    assert 'h_bucket{le="5.0"} 1' in text
    assert 'descending_bucket{le="1.0"} 0\ndescending_bucket{le="2.0"} 1' in text


def test_a_label_may_have_any_name_of_prometheus():
    counter = Registry().counter("m_total", labels=["self", "class"])
    counter.labels(**{"self": "x", "class": "y"}).inc()
    assert counter.labels("x", "y").value() == 1
