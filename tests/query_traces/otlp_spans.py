"""Traces to ask for: built as OTLP protobuf, sent through the real ingest, waited for."""

from __future__ import annotations

import itertools
import json
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

KINDS = {"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
STATUSES = {"unset": 0, "ok": 1, "error": 2}
NS = 1_000_000_000
_ids = itertools.count(int.from_bytes(b"vedette", "big"))


def new_trace_id() -> str:
    return f"{next(_ids):032x}"


def new_span_id() -> str:
    return f"{next(_ids):016x}"


def any_value(value: Any) -> AnyValue:
    result = AnyValue()
    match value:
        case None:
            pass
        case bool():
            result.bool_value = value
        case int():
            result.int_value = value
        case float():
            result.double_value = value
        case str():
            result.string_value = value
        case bytes():
            result.bytes_value = value
        case list():
            result.array_value.SetInParent()
            result.array_value.values.extend(any_value(item) for item in value)
        case dict():
            result.kvlist_value.SetInParent()
            result.kvlist_value.values.extend(key_values(value))
        case _:
            raise TypeError(value)
    return result


def key_values(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


@dataclass
class Event:
    name: str
    time: int
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Link:
    trace_id: str
    span_id: str
    attributes: dict[str, Any] = field(default_factory=dict)
    trace_state: str = ""


@dataclass
class Span:
    name: str
    start: int
    duration: int = 1_000_000
    trace_id: str = field(default_factory=new_trace_id)
    span_id: str = field(default_factory=new_span_id)
    parent: str = ""
    service: str = "shop"
    kind: str = "internal"
    status: str = "unset"
    message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    scope: tuple[str, str] = ("test", "1.0")
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    trace_state: str = ""


def request(spans: list[Span]) -> bytes:
    message = ExportTraceServiceRequest()
    for span in spans:
        group = message.resource_spans.add()
        group.resource.attributes.extend(key_values({"service.name": span.service, **span.resource}))
        scoped = group.scope_spans.add()
        scoped.scope.name, scoped.scope.version = span.scope
        made = scoped.spans.add(
            trace_id=bytes.fromhex(span.trace_id),
            span_id=bytes.fromhex(span.span_id),
            parent_span_id=bytes.fromhex(span.parent),
            name=span.name,
            kind=KINDS[span.kind],
            start_time_unix_nano=span.start,
            end_time_unix_nano=span.start + span.duration,
            attributes=key_values(span.attributes),
            trace_state=span.trace_state,
            flags=1,
        )
        made.status.code, made.status.message = STATUSES[span.status], span.message
        for event in span.events:
            made.events.add(time_unix_nano=event.time, name=event.name, attributes=key_values(event.attributes))
        for link in span.links:
            made.links.add(
                trace_id=bytes.fromhex(link.trace_id),
                span_id=bytes.fromhex(link.span_id),
                trace_state=link.trace_state,
                attributes=key_values(link.attributes),
            )
    return message.SerializeToString()


class Tenant:
    """One tenant of a running platform, as its users see it."""

    def __init__(self, platform: Any, name: str) -> None:
        self.platform = platform
        self.name = name

    def send(self, *spans: Span) -> None:
        """Sends spans and returns when every one of them can be read."""
        answer = self.platform.otlp("traces", request(list(spans)), X_Scope_OrgID=self.name)
        assert answer.status == 200, answer.body
        self.platform.loaded()

    def ask(self, path: str, params: dict[str, Any] | None = None, **more: Any) -> Any:
        """The answer to GET; `from_` stands for the parameter `from`."""
        given = {name.removesuffix("_"): value for name, value in {**(params or {}), **more}.items()}
        query = urllib.parse.urlencode(given, doseq=True)
        return self.platform.request(f"{path}?{query}" if query else path, headers={"X-Scope-OrgID": self.name})

    def get(self, path: str, params: dict[str, Any] | None = None, **more: Any) -> Any:
        """The JSON of a successful answer."""
        answer = self.ask(path, params, **more)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def search(self, q: str = "", **params: Any) -> list[str]:
        """Trace ids of the first page."""
        return [trace["trace_id"] for trace in self.get("/api/v1/traces", {"q": q, "limit": 100} | params)["traces"]]
