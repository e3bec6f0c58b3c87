"""OTLP values and requests for tests, and what the tables should hold of them."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = Any
"""None, bool, int, float, str, bytes, a list or a dict of values."""

_IDS = {"traceId", "spanId", "parentSpanId"}


def any_value(value: Value) -> AnyValue:
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))


def key_values(items: dict[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in items.items()]


def traces(
    *spans: Span, resource: dict[str, Value] | None = None, scope: dict[str, Value] | None = None
) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    part.resource.attributes.extend(key_values({"service.name": "shop"} if resource is None else resource))
    part.scope_spans.add(spans=spans).scope.attributes.extend(key_values(scope or {}))
    return request


def logs(*records: LogRecord, resource: dict[str, Value] | None = None) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    part = request.resource_logs.add()
    part.resource.attributes.extend(key_values({"service.name": "shop"} if resource is None else resource))
    part.scope_logs.add(log_records=records)
    return request


def otlp_json(request: Message) -> bytes:
    """The request as OTLP/JSON: like Protobuf's JSON, but with hexadecimal ids and enums as integers."""

    def walk(item: Any) -> Any:
        if isinstance(item, dict):
            return {k: base64.b64decode(v).hex() if k in _IDS else walk(v) for k, v in item.items()}
        return [walk(part) for part in item] if isinstance(item, list) else item

    return json.dumps(walk(MessageToDict(request, use_integers_for_enums=True))).encode()


def as_json(value: Value) -> Value:
    """What JSON text should say of a value inside an array or list."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return value
