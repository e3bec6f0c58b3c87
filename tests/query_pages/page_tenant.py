"""A tenant with spans and log lines for what pages ask: sent as OTLP/JSON through the real ingest, waited for."""

from __future__ import annotations

import itertools
import json
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

NS = 1_000_000_000
KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
STATUSES = {"unset": 0, "ok": 1, "error": 2}
SEVERITIES = {"debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
_ids = itertools.count(int.from_bytes(b"pages", "big"))


def ago(seconds: float) -> int:
    """A time of the past, in nanoseconds."""
    return (time.time_ns() // NS) * NS - int(seconds * NS)


def keyed(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    def value(item: Any) -> dict[str, Any]:
        match item:
            case bool():
                return {"boolValue": item}
            case int():
                return {"intValue": str(item)}
            case float():
                return {"doubleValue": item}
            case dict():
                return {"kvlistValue": {"values": keyed(item)}}
            case _:
                return {"stringValue": item}

    return [{"key": key, "value": value(item)} for key, item in attributes.items()]


@dataclass
class Span:
    name: str
    start: int
    ms: float = 1.0
    service: str = "shop"
    kind: str = "server"
    status: str = "unset"
    message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    exception: tuple[str, str] | None = None
    trace_id: str = field(default_factory=lambda: f"{next(_ids):032x}")

    def otlp(self) -> dict[str, Any]:
        events = []
        if self.exception:
            kind, message = self.exception
            attributes = keyed({"exception.type": kind, "exception.message": message})
            events = [{"name": "exception", "timeUnixNano": str(self.start), "attributes": attributes}]
        span = {
            "traceId": self.trace_id,
            "spanId": f"{next(_ids):016x}",
            "name": self.name,
            "kind": KINDS[self.kind],
            "startTimeUnixNano": str(self.start),
            "endTimeUnixNano": str(self.start + int(self.ms * 1_000_000)),
            "attributes": keyed(self.attributes),
            "status": {"code": STATUSES[self.status], "message": self.message},
            "events": events,
        }
        return {
            "resource": {"attributes": keyed({"service.name": self.service, **self.resource})},
            "scopeSpans": [{"spans": [span]}],
        }


@dataclass
class Line:
    body: Any
    time: int
    severity: str = "info"
    service: str = "shop"
    attributes: dict[str, Any] = field(default_factory=dict)

    def otlp(self) -> dict[str, Any]:
        record = {
            "timeUnixNano": str(self.time),
            "observedTimeUnixNano": str(self.time),
            "severityNumber": SEVERITIES[self.severity],
            "body": keyed({"body": self.body})[0]["value"],
            "attributes": keyed(self.attributes),
        }
        return {
            "resource": {"attributes": keyed({"service.name": self.service})},
            "scopeLogs": [{"logRecords": [record]}],
        }


class PageTenant:
    """One tenant of a running platform, as its pages see it."""

    def __init__(self, platform: Any, name: str) -> None:
        self.platform = platform
        self.name = name

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Scope-OrgID": self.name}

    def send(self, *items: Span | Line) -> None:
        """Sends spans and lines, and returns when every one of them can be read."""
        spans = [item.otlp() for item in items if isinstance(item, Span)]
        lines = [item.otlp() for item in items if isinstance(item, Line)]
        for signal, member, sent in (("traces", "resourceSpans", spans), ("logs", "resourceLogs", lines)):
            if sent:
                body = json.dumps({member: sent}).encode()
                headers = {"X_Scope_OrgID": self.name, "Content_Type": "application/json"}
                answer = self.platform.otlp(signal, body, **headers)
                assert answer.status == 200, answer.body
        self.platform.loaded()

    def ask(self, path: str, *, method: str | None = None, body: Any = None, **params: Any) -> Any:
        """The answer; `from_` stands for the parameter `from`."""
        given = {name.removesuffix("_"): value for name, value in params.items()}
        query = f"?{urllib.parse.urlencode(given, doseq=True)}" if given else ""
        headers = self.headers | ({} if body is None else {"Content-Type": "application/json"})
        sent = None if body is None else json.dumps(body).encode()
        return self.platform.request(f"/api/v1{path}{query}", sent, method=method, headers=headers)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a successful answer."""
        answer = self.ask(path, **params)
        assert answer.status == 200, answer.body
        return answer.json()
