"""Sampling, limits, propagation, settings and odd values, seen from what arrives."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from sdk_programs import STEADY, attributes_of, value_of

import vedette
from vedette.errors import SettingsError
from vedette.sdk.propagation import propagator
from vedette.sdk.settings import Options, Settings, load
from vedette.sdk.values import clean
from vedette.testing import capture


def test_tail_sampling_keeps_errors_and_slow_traces_whole(programs, collector):
    programs.run(
        """
        import time, vedette
        from opentelemetry import trace
        vedette.configure("tail", sampling=0.0, tail_keep_slow_seconds=60, log_format="none")
        tracer = trace.get_tracer("t")
        def make(name, fail=False, began=None):
            try:
                with tracer.start_as_current_span(name, start_time=began):
                    with vedette.span(f"{name} child"):
                        if fail: raise ValueError
            except ValueError:
                pass
        for number in range(50): make("fine")
        make("failed", fail=True); make("slow", began=time.time_ns() - 90 * 10**9)
        """
    )
    assert collector.names() == ["failed", "failed child", "slow", "slow child"]


def test_debug_records_of_kept_traces_are_logged_after_all(programs, collector):
    result = programs.run(
        """
        import logging, threading, vedette
        vedette.configure("tail", sampling=0.0, tail_keep_slow_seconds=60, tail_keep_debug=True, log_format="json",
                          log_level="warning", log_levels={"chatty": "error"})
        ours, theirs, chatty = vedette.get_logger("ours"), logging.getLogger("theirs"), vedette.get_logger("chatty")
        def work(name, fail):
            try:
                with vedette.span(name):
                    ours.debug("%s: debug", name); theirs.debug("%s: of the standard library", name)
                    ours.warning("%s: warning", name); chatty.info("%s: chatty", name)
                    if fail: raise ValueError
                    with vedette.span("inner"): ours.debug("%s: inner", name)
            except ValueError:
                pass
        work("fine", False); work("failed", True); ours.debug("outside of a trace")
        late = vedette.span("late")
        with late:
            try:
                with vedette.span("breaks"): raise KeyError
            except KeyError: pass
            for number in range(300): ours.debug("late: %s", number)
        with vedette.span("dropped"): ours.debug("dropped: debug")
        """
    )
    logged = [json.loads(line)["message"] for line in result.stdout.splitlines()]
    assert [text for text in logged if text.startswith("fine")] == ["fine: warning"]
    assert sorted(text for text in logged if text.startswith("failed")) == [
        "failed failed",  # the exception that left the trace's first span
        "failed: chatty",
        "failed: debug",
        "failed: of the standard library",
        "failed: warning",
    ]
    assert [text for text in logged if text.startswith("late")] == [f"late: {number}" for number in range(100, 300)]
    assert not [text for text in logged if text.startswith(("outside", "dropped"))]
    assert sorted(logged) == sorted(value_of(record.body) for record in collector.logs)
    of_traces = {span.trace_id for span in collector.spans}
    assert all(
        record.trace_id in of_traces for record in collector.logs if not value_of(record.body).startswith("fine")
    )


def test_tail_sampling_is_bounded_in_memory(programs):
    result = programs.run(
        """
        import vedette
        from opentelemetry import trace
        from vedette.sdk import guard
        vedette.configure("tail", sampling=0.0, tail_keep_slow_seconds=60, log_format="none")
        tracer = trace.get_tracer("t")
        roots = []
        for number in range(300):
            root = tracer.start_span("root"); roots.append(root)
            for _ in range(100):
                tracer.start_span("child", trace.set_span_in_context(root)).end()
        print(sum(count for (signal, _), count in guard.drops().items() if signal == "spans"))
        """
    )
    assert int(result.stdout) == 10_000


@pytest.mark.parametrize(
    ("sampling", "low", "high"),
    [("0.0", 0, 0), ("1.0", 1000, 1000), ("0.3", 200, 400), ("ratelimited:20", 20, 60), ("always_off", 0, 0)],
)
def test_a_share_of_the_traces_is_recorded_whole(programs, collector, sampling, low, high):
    programs.run(
        """
        import vedette
        vedette.configure("s", log_format="none")
        for _ in range(1000):
            with vedette.span("root"), vedette.span("child"):
                pass
        """,
        VEDETTE_SAMPLING=sampling,
    )
    names = Counter(collector.names())
    assert low <= names["root"] <= high
    assert names["child"] == names["root"]


def test_opentelemetrys_sampler_variables_count(programs, collector):
    programs.run(
        "import vedette\nvedette.configure('s')\nwith vedette.span('x'): pass",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0",
    )
    assert collector.names() == []


def test_routes_have_ratios_of_their_own(programs, collector):
    programs.run(
        """
        import vedette
        from opentelemetry import trace
        vedette.configure("s", sampling={"/health*": 0, "GET /pay": 1.0})
        tracer = trace.get_tracer("t")
        for path in ("/healthz", "/pay"):
            with tracer.start_as_current_span(f"GET {path}", attributes={"url.path": path}):
                tracer.start_span("child").end()
        """
    )
    assert collector.names() == ["GET /pay", "child"]


def test_attributes_of_any_kind_cost_neither_the_program_nor_the_span(programs, collector):
    programs.run(
        """
        import vedette
        vedette.configure("odd", log_format="none", attribute_length=1000)
        class Bad:
            def __str__(self): raise RuntimeError
            __repr__ = __str__
        class BadMapping(dict):
            def items(self): raise RuntimeError
        cyclic = []; cyclic.append(cyclic)
        looped = {}; looped["self"] = looped
        with vedette.span("odd", bad=Bad(), mapping=BadMapping(a=1), cyclic=cyclic, looped=looped, huge="x" * 10_000_000,
                          surrogate="a\\ud800b", raw=b"\\xff\\xfe", big=2**200, kind=int, wide=list(range(100_000))) as span:
            for number in range(100_000):
                span.set_attribute(f"key{number % 500}", number)
            span.set_attribute(5, "not a key"); span.set_attribute("fine", 1)
            span.add_event("e", {"cyclic": cyclic})
        log = vedette.get_logger("odd")
        log.info("odd", bad=Bad(), cyclic=cyclic, looped=looped, huge="x" * 10_000_000, surrogate="a\\ud800b")
        log.info("%s %d", Bad(), "no"); log.info(Bad())
        """
    )
    (span,) = collector.spans
    attributes = attributes_of(span)
    assert attributes["fine"] == 1
    assert len(attributes) <= 128
    assert span.dropped_attributes_count > 0
    assert len(collector.logs) == 3
    assert attributes_of(collector.logs[0])["huge"] == "x" * 1000


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_integers_of_thousands_of_digits_go_everywhere(programs, collector, log_format):
    """Python does not write them in decimals: `str` raises for them."""
    result = programs.run(
        f"""
        import vedette
        from opentelemetry import metrics
        vedette.configure("long", log_format="{log_format}", process_metrics=False)
        long = 16 ** 5000
        with vedette.span("long", plain=long, listed=[long], mapped={{"a": long}}):
            for _ in range(6):
                vedette.get_logger("long").info("long", plain=long, listed=[long])
            vedette.get_logger("long").info("%s", long)
        vedette.counter("long_total", labels=["n"]).labels(long).inc()
        metrics.get_meter("m").create_counter("long.attribute").add(1, {{"n": long}})
        assert vedette.metrics_text().count('{{n="0x1000') == 2
        """
    )
    digits = "0x1" + "0" * 5000
    (span,) = collector.spans
    assert attributes_of(span) | {"plain": "", "mapped": ""} == {"plain": "", "mapped": "", "listed": [digits]}
    assert attributes_of(span)["plain"] == digits
    assert attributes_of(span)["mapped"] == {"a": digits}
    assert [attributes_of(record) for record in collector.logs] == [{"plain": digits, "listed": [digits]}] * 6 + [{}]
    assert result.stdout.count(digits) == 13
    assert result.stdout.count("\n") == 7
    assert result.stderr == "vedette: label values are cut at 1024 characters; one has 5003\n"


def test_context_follows_tasks_generators_and_decorators(programs, collector):
    programs.run(
        """
        import asyncio, vedette
        vedette.configure("c", log_format="none")
        @vedette.traced("gen", kind="x")
        def numbers():
            with vedette.span("in gen"):
                received = yield 1
            assert received == "sent"
            return "end"
        @vedette.traced
        async def stream():
            with vedette.span("in stream"):
                yield 1
            yield 2
        @vedette.traced
        async def task(name):
            with vedette.span(name):
                await asyncio.sleep(0.01)
        async def main():
            with vedette.span("main"):
                await asyncio.gather(task("a"), task("b"))
                async for _ in stream():
                    with vedette.span("consumer"):
                        pass
        with vedette.span("outer"):
            generator = numbers()
            next(generator)
            with vedette.span("between"):
                pass
            try:
                generator.send("sent")
            except StopIteration as stop:
                assert stop.value == "end"
        asyncio.run(main())
        """
    )
    spans = {span.name: span for span in collector.spans}
    by_id = {span.span_id: span.name for span in collector.spans}
    parent = {name: by_id.get(span.parent_span_id) for name, span in spans.items()}
    assert parent["gen"] == parent["between"] == "outer"
    assert parent["in gen"] == "gen"
    assert parent["in stream"] == "stream"
    assert parent["consumer"] == "main"
    assert (parent["a"], parent["b"]) == ("task", "task")


@pytest.mark.parametrize("names", [["tracecontext", "baggage"], ["b3"], ["b3multi"], ["jaeger"]])
def test_each_propagator_reads_what_it_writes(names):
    found = propagator(names)
    parent = trace.SpanContext(0x1234 << 64, 0xABC, is_remote=False, trace_flags=trace.TraceFlags(1))
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    if {"baggage", "jaeger"} & set(names):
        context = baggage.set_baggage("tenant", "acme", context)
    carrier: dict[str, str] = {}
    found.inject(carrier, context)
    back = found.extract(carrier)
    got = trace.get_current_span(back).get_span_context()
    assert (got.trace_id, got.span_id, got.is_remote, got.trace_flags & 1) == (parent.trace_id, parent.span_id, True, 1)
    if {"baggage", "jaeger"} & set(names):
        assert baggage.get_baggage("tenant", back) == "acme"


def test_a_web_application_reads_the_headers_of_each_propagator(programs, collector):
    """A propagator may read headers besides those that it writes: the other form of B3, Jaeger's baggage."""
    result = programs.run(
        """
        import asyncio, vedette
        from opentelemetry import baggage
        IDS = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        HEADERS = {
            "b3": {"x-b3-traceid": IDS[0], "x-b3-spanid": IDS[1], "x-b3-sampled": "1"},
            "b3multi": {"b3": "-".join((*IDS, "1"))},
            "jaeger": {"uber-trace-id": ":".join((*IDS, "0", "1")), "uberctx-plan": "gold"},
            "tracecontext": {"traceparent": f"00-{IDS[0]}-{IDS[1]}-01", "tracestate": "a=1,b=2"},
        }
        async def send(message): pass
        for name, headers in HEADERS.items():
            vedette.configure("web", propagators=[name], log_format="none", process_metrics=False)
            async def app(scope, receive, send):
                print(name, baggage.get_baggage("plan"))
            app = vedette.instrument(app, metrics_path=None)
            raw = [(key.encode(), value.encode()) for key, value in headers.items()]
            asyncio.run(app({"type": "http", "method": "GET", "path": f"/{name}", "headers": raw}, None, send))
            vedette.shutdown()
        """
    )
    assert result.stdout.split() == ["b3", "None", "b3multi", "None", "jaeger", "gold", "tracecontext", "None"]
    assert len(collector.spans) == 4
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in collector.spans} == {
        ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    }
    states = {attributes_of(span)["url.path"]: span.trace_state for span in collector.spans}
    assert states["/tracecontext"] == "a=1,b=2"


def test_baggage_has_the_limits_of_the_w3c():
    found = propagator(["tracecontext", "baggage"])
    many = ",".join(f"key{number}=v" for number in range(300))
    assert len(baggage.get_all(found.extract({"baggage": many}))) == 180
    assert not baggage.get_all(found.extract({"baggage": "key=" + "v" * 8192}))
    long = ",".join(f"m{number}@vendor=v" for number in range(40))
    parent = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "tracestate": long}
    state = trace.get_current_span(found.extract(parent)).get_span_context().trace_state
    assert len(state) <= 32


def test_an_exception_is_an_event_and_where_a_trace_began_a_record(programs, collector):
    programs.run(
        """
        import vedette
        vedette.configure("traces", log_format="none", process_metrics=False)
        @vedette.traced
        def numbers():
            yield 1
            raise KeyError("in a generator")
        for fail in (lambda: 1 / 0, lambda: list(numbers())):
            try:
                with vedette.context(job="nightly"), vedette.span("job"):
                    try:
                        with vedette.span("step"):
                            raise ValueError("caught inside")
                    except ValueError:
                        pass
                    fail()
            except (ZeroDivisionError, KeyError):
                pass
        try:
            list(numbers())
        except KeyError:
            pass
        """
    )
    events = sorted((span.name, len(span.events)) for span in collector.spans)
    assert events == [("job", 1), ("job", 1), ("numbers", 1), ("numbers", 1), ("step", 1), ("step", 1)]
    records = [(value_of(record.body), attributes_of(record)) for record in collector.logs]
    assert [(text, found["exception.type"], found.get("job")) for text, found in records] == [
        ("job failed", "ZeroDivisionError", "nightly"),
        ("job failed", "KeyError", "nightly"),
        ("numbers failed", "KeyError", None),
    ]
    assert {record.span_id for record in collector.logs} <= {span.span_id for span in collector.spans}
    assert "in a generator" in records[1][1]["exception.stacktrace"]


@STEADY
@given(st.dictionaries(st.sampled_from(["b3", "uber-trace-id", "x-b3-traceid", "x-b3-spanid", "uberctx-a"]), st.text()))
def test_propagators_take_any_header(headers):
    for name in ("b3", "b3multi", "jaeger"):
        propagator([name]).extract(headers)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner) | st.sets(st.integers()),
)


@STEADY
@given(ANY)
def test_cleaning_gives_what_otlp_can_carry_and_is_stable(value):
    def fine(item):
        if isinstance(item, tuple):
            return all(map(fine, item))
        if isinstance(item, dict):
            return all(type(key) is str and fine(inner) for key, inner in item.items())
        return item is None or type(item) in {str, bool, int, float, bytes}

    cleaned = clean(value)
    assert fine(cleaned)
    assert repr(clean(cleaned)) == repr(cleaned)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpont": "x"}, "configure() has no setting 'endpont'"),
        ({"endpoint": "nowhere"}, "endpoint 'nowhere' is no URL such as http://collector:4318."),
        ({"compression": "brotli"}, "configure(compression='brotli') cannot be used: use auto, gzip, zstd or none."),
        ({"sampling": 1.5}, "A sampling ratio lies between 0 and 1; 1.5 does not."),
        ({"sampling": "never"}, "Sampler 'never' is not known."),
        ({"sampling": {"/x": "half"}}, "A sampling ratio lies between 0 and 1; 'half' does not."),
        ({"log_level": "loud"}, "configure(log_level='loud') cannot be used: use debug, info"),
        ({"log_levels": {"a": 5.5}}, "Level 5.5 is not known: use debug, info"),
        ({"queue_size": 0}, "configure(queue_size=0) cannot be used: use a whole number from 1 on."),
        ({"queue_size": 1.5}, "configure(queue_size=1.5) cannot be used: use a whole number."),
        ({"timeout_seconds": float("nan")}, "configure(timeout_seconds=nan) cannot be used: use a number from 0 on."),
        ({"tail_keep_slow_seconds": -1}, "configure(tail_keep_slow_seconds=-1) cannot be used: use a number from 0"),
        ({"redact_patterns": ["("]}, "configure(redact_patterns=['(']) cannot be used: '(' is no regular expression ("),
        ({"redact_keys": [5]}, "configure(redact_keys=[5]) cannot be used: use a list of texts."),
        ({"resource": 5}, "configure(resource=5) cannot be used: use a dictionary."),
        ({"enabled": 2}, "configure(enabled=2) cannot be used: use true or false."),
        ({"version": 3}, "configure(version=3) cannot be used: use a text."),
        ({"signals": ["spans"]}, "configure(signals=['spans']) cannot be used: use traces, logs and metrics."),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(SettingsError) as raised:
        load("x", options)
    assert message in str(raised.value)


def test_paths_may_be_paths(tmp_path):
    assert load("x", {"log_file": tmp_path / "x.log"}).log_file == str(tmp_path / "x.log")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slow": 1}, "vedette.instrument() has no option 'slow'; it has namespace, excluded,"),
        ({"excluded": "/health"}, "vedette.instrument(excluded='/health'): use a list of paths, such as ['/health']."),
        ({"slow_seconds": "1"}, "vedette.instrument(slow_seconds='1'): use a number of seconds."),
        ({"tenant": "acme"}, "vedette.instrument(tenant='acme'): use a function that is given the headers."),
    ],
)
def test_wrong_options_of_an_application_are_named(options, message):
    vedette.configure("options", export=False, log_format="none")
    try:
        with pytest.raises(SettingsError) as raised:
            vedette.instrument(lambda *_: [], **options)
    finally:
        vedette.shutdown()
    assert message in str(raised.value)


def test_arguments_win_over_ours_over_opentelemetrys(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "otel")
    assert load(None, {}).service == "otel"
    monkeypatch.setenv("VEDETTE_SERVICE", "ours")
    assert load(None, {}).service == "ours"
    assert load("given", {}).service == "given"
    monkeypatch.setenv("VEDETTE_TIMEOUT_SECONDS", "soon")
    with pytest.raises(SettingsError, match="VEDETTE_TIMEOUT_SECONDS='soon' cannot be used"):
        load(None, {})


def test_options_and_settings_have_the_same_names():
    assert set(Options.__annotations__) == set(Settings.__dataclass_fields__) - {"service"}


def test_a_traced_function_is_of_the_kind_that_it_was():
    """pytest's fixtures and web frameworks' dependencies look at that."""

    @vedette.traced
    def some():
        yield 1

    @vedette.traced("others")
    async def others():
        yield 1

    @vedette.traced
    async def work():
        return 1

    assert inspect.isgeneratorfunction(some)
    assert inspect.isasyncgenfunction(others)
    assert inspect.iscoroutinefunction(work)
    assert list(some()) == [1]


def test_an_abandoned_async_generator_does_not_raise():
    async def numbers():
        with vedette.span("held"):
            yield 1
            yield 2

    async def main() -> None:
        async for _ in numbers():
            break

    with capture() as telemetry:
        asyncio.run(main())
    assert [span.name for span in telemetry.spans] == ["held"]
