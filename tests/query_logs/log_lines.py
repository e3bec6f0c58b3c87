"""Log lines to ask for: built as OTLP protobuf, sent through the real ingest, waited for."""

from __future__ import annotations

import json
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from real_platform import wait_for

NS = 1_000_000_000
SEVERITY_NUMBERS = {"unset": 0, "trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}


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
class Line:
    body: Any
    time: int
    severity: str = "info"
    service: str = "shop"
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""
    severity_text: str = ""
    observed: int = 0
    scope: tuple[str, str] = ("test", "1.0")


def request(lines: list[Line]) -> bytes:
    message = ExportLogsServiceRequest()
    for line in lines:
        group = message.resource_logs.add()
        group.resource.attributes.extend(key_values({"service.name": line.service, **line.resource}))
        scoped = group.scope_logs.add()
        scoped.scope.name, scoped.scope.version = line.scope
        scoped.log_records.add(
            time_unix_nano=line.time,
            observed_time_unix_nano=line.observed or line.time,
            severity_number=SEVERITY_NUMBERS[line.severity],
            severity_text=line.severity_text,
            body=any_value(line.body),
            attributes=key_values(line.attributes),
            trace_id=bytes.fromhex(line.trace_id),
            span_id=bytes.fromhex(line.span_id),
            event_name=line.event_name,
        )
    return message.SerializeToString()


class Tenant:
    """One tenant of a running platform, as its users see it."""

    def __init__(self, platform: Any, name: str) -> None:
        self.platform = platform
        self.name = name

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Scope-OrgID": self.name}

    def send(self, *lines: Line) -> None:
        """Sends lines and returns when they can be read."""
        self.export(request(list(lines)))

    def export(self, body: bytes) -> None:
        """Sends a request and returns when its lines can be read."""
        answer = self.platform.otlp("logs", body, X_Scope_OrgID=self.name)
        assert answer.status == 200, answer.body
        self.platform.loaded()

    def wait(self, count: int) -> None:
        """Waits until so many lines can be read."""
        everything = {"start_time": "1970-01-01T00:00:01Z", "end_time": "2200-01-01"}

        def total() -> int:
            return self.json("/api/v1/monitoring/logs/statistics", **everything)["total"]

        rest = self.platform.rest()
        rest(0)
        wait_for(total, count, f"lines of {self.name}", rest)

    def get(self, path: str, **params: Any) -> Any:
        query = urllib.parse.urlencode({key.rstrip("_"): value for key, value in params.items()}, doseq=True)
        return self.platform.request(f"{path}?{query}", headers=self.headers)

    def json(self, path: str, **params: Any) -> Any:
        answer = self.get(path, **params)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def refused(self, path: str, **params: Any) -> dict[str, Any]:
        answer = self.get(path, **params)
        assert answer.status == 400, (answer.status, answer.body)
        return json.loads(answer.body)

    def search(self, q: str = "", **params: Any) -> list[dict[str, Any]]:
        return self.json("/api/v1/logs", q=q, **params)["logs"]

    def bodies(self, q: str = "", **params: Any) -> list[Any]:
        return [line["body"] for line in self.search(q, **params)]


def recent(seconds_ago: int = 60) -> int:
    """A whole second of the last hour, in nanoseconds."""
    return (time.time_ns() // NS - seconds_ago) * NS
