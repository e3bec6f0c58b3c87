"""The same program on OpenTelemetry's SDK and on ours sends the same OTLP, decoded by opentelemetry-proto."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from sdk_programs import Collector

SETUP = {
    "official": """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        provider = TracerProvider(resource=Resource({"service.name": "same"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
        finish = provider.shutdown
    """,
    "ours": """
        import vedette
        vedette.configure("same", redaction=False)
        from opentelemetry import trace
        finish = vedette.shutdown
    """,
}

PROGRAM = """
from enum import Enum
from opentelemetry import trace
from opentelemetry.trace import *
from opentelemetry.propagate import extract

class Colour(str, Enum):
    RED = "red"

class Odd:
    def __str__(self):
        return "odd"

T = 1_700_000_000_123_456_789
tracer = trace.get_tracer("scope.a", "1.2", schema_url="https://schema/1", attributes={"scope.key": 7})
other = trace.get_tracer("scope.b")
parent = extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1,b=2"})

with tracer.start_as_current_span("server", parent, SpanKind.SERVER, {"http.route": "/x"}, start_time=T) as span:
    span.set_attributes({"int": 2**62, "negative": -5, "zero": 0, "float": -0.0, "inf": float("inf"), "bool": True})
    span.set_attribute("list", ["a", "b"]); span.set_attribute("mixed", [1, "x", 2.5, None, True])
    span.set_attribute("empty", ""); span.set_attribute("bytes", b"\\x00\\xff"); span.set_attribute("none", None)
    span.set_attribute("map", {"k": {"deep": [1, 2]}}); span.set_attribute("enum", Colour.RED)
    span.set_attribute("odd", Odd()); span.set_attribute("uni", "\\u00fc\\U0001f600"); span.set_attribute("int", 3)
    span.set_attribute("", "no key")
    span.add_event("happened", {"n": 1, "s": "x"}, T + 5)
    span.add_event("bare", timestamp=T + 6)
    remote = SpanContext(0xABC, 0xDEF, True)
    span.add_link(remote, {"why": "batch"})
    with other.start_as_current_span("client", kind=SpanKind.CLIENT, start_time=T + 1,
                                     links=[Link(remote), Link(span.get_span_context(), {"l": 1})]) as child:
        child.set_status(StatusCode.OK)
        child.set_status(StatusCode.ERROR, "too late")
        child.update_name("client renamed")
    for kind in (SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.INTERNAL):
        tracer.start_span(kind.name, kind=kind, start_time=T).end(T + 100)
    try:
        with tracer.start_as_current_span("raises", start_time=T):
            raise ValueError("wrong")
    except ValueError:
        pass
    try:
        with tracer.start_span("raises uncurrent", start_time=T):
            raise KeyError("missing")
    except KeyError:
        pass
    try:
        with tracer.start_as_current_span("quiet", start_time=T, record_exception=False, set_status_on_exception=False):
            raise ValueError("wrong")
    except ValueError:
        pass
    many = tracer.start_span("many", start_time=T)
    for number in range(140):
        many.set_attribute(f"key{number}", number); many.add_event(f"event{number}", timestamp=T)
        many.add_link(remote)
    many.set_status(Status(StatusCode.ERROR, "too many")); many.end(T + 3); many.set_attribute("late", 1)
    use = tracer.start_span("used", start_time=T)
    with trace.use_span(use, end_on_exit=True):
        tracer.start_span("inside", start_time=T).end(T + 9)
root = tracer.start_span("root", context=trace.set_span_in_context(INVALID_SPAN), start_time=T); root.end(T + 1)
unsampled = extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"})
with tracer.start_as_current_span("not sampled", unsampled):
    tracer.start_span("nor this").end()
@tracer.start_as_current_span("decorated", start_time=T)
def call(): return 1
call()
finish()
"""


def plain_span(span: Any, names: dict[str, str]) -> dict[str, Any]:
    """A decoded span with random ids replaced by the names of the spans that have them, and run times left out."""
    plain = MessageToDict(span)
    plain["parent"] = names.get(span.parent_span_id.hex(), span.parent_span_id.hex())
    plain["remote trace"] = span.trace_id.hex().startswith("0af7")
    if int(plain.pop("endTimeUnixNano")) > 1_700_000_000_999_999_999:
        plain["ended"] = "now"
    if span.name == "decorated":
        plain.pop("startTimeUnixNano")
    for key in ("spanId", "parentSpanId", "traceId"):
        plain.pop(key, None)
    for key in ("attributes", "links"):
        plain[key] = sorted(plain.get(key, []), key=repr)
    for link in plain["links"]:
        link.pop("traceId")
        link["spanId"] = names.get(link["spanId"], link["spanId"])
    for event in plain.get("events", []):
        if event["name"] == "exception":
            event.pop("timeUnixNano")
            event["attributes"] = [a for a in event["attributes"] if a["key"] != "exception.stacktrace"]
    return plain


def normal(collector: Collector) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """What was sent, by scope and span name."""
    names = {base64.b64encode(span.span_id).decode(): span.name for span in collector.spans}
    names |= {span.span_id.hex(): span.name for span in collector.spans}
    return {
        f"{scope.scope.name}/{span.name}": (
            MessageToDict(scope.scope) | {"schema": scope.schema_url},
            plain_span(span, names),
        )
        for resource in collector.resources("/v1/traces")
        for scope in resource.scope_spans
        for span in scope.spans
    }


@pytest.fixture
def sent(programs, collector):
    def send(which: str, program: str = PROGRAM):
        collector.requests.clear()
        programs.run(
            "\n".join([*map(str.strip, SETUP[which].splitlines()), program]), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        )
        return normal(collector)

    return send


def test_every_span_is_what_the_official_sdk_sends(sent):
    official, ours = sent("official"), sent("ours")
    assert ours.keys() == official.keys()
    for name, (scope, span) in official.items():
        assert ours[name][0] == scope
        different = {k: (ours[name][1].get(k), v) for k, v in span.items() if ours[name][1].get(k) != v}
        assert not different, name
        assert ours[name][1].keys() == span.keys(), name


def test_an_exceptions_stack_trace_names_the_line(programs, collector):
    programs.run(
        """
        import vedette
        vedette.configure("traces")
        try:
            with vedette.span("fails"):
                raise RuntimeError("at this line")
        except RuntimeError:
            pass
        """
    )
    event = collector.spans[0].events[0]
    stack = next(a.value.string_value for a in event.attributes if a.key == "exception.stacktrace")
    assert 'raise RuntimeError("at this line")' in stack
    assert stack.startswith("Traceback")
