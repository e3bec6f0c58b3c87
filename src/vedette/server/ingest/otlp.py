"""OTLP payloads, whichever transport brought them: check, count, stamp the tenant. Their rows are never looped over.

Specification: https://opentelemetry.io/docs/specs/otlp/ (1.11).
"""

from __future__ import annotations

import binascii
import struct
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from google.protobuf.descriptor_pb2 import EDITION_2023, FeatureSet, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from vedette.errors import InvalidInput
from vedette.server.ingest import otlp_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "LOGS",
    "METRICS",
    "SIGNALS",
    "TRACES",
    "Payload",
    "Signal",
    "canonical",
    "from_json",
    "from_protobuf",
    "is_nested",
    "metrics_message",
    "partial_success",
    "stamped",
]

# Field 1000, a string, and field 1001, a fixed64, as the engine's schema declares them. Protobuf fields may be appended
# to any message, and of a repeated scalar the last counts, so a client that sends these fields itself changes nothing.
# The time of receipt is stamped here because a replay must come to the same rows.
_TENANT_TAG = b"\xc2\x3e"
_RECEIVED = struct.Struct("<2sQ")
_RECEIVED_TAG = b"\xc9\x3e"
_DELTA = 1


@dataclass(frozen=True, slots=True)
class Signal:
    """One of OTLP's kinds of telemetry."""

    name: str
    path: str
    service: str
    protobuf_code: int
    json_code: int
    message: type[Any]
    count: Callable[[Any], int]
    json_type: type[otlp_json.Request]


@dataclass(frozen=True, slots=True)
class Payload:
    """A checked request, ready for the log: the wire format, how many rows, and the bytes in pieces."""

    signal: Signal
    format_code: int
    rows: int
    pieces: list[bytes]
    size: int
    deltas: bytes | None = None
    """The request as one message without unknown fields, where some of its metrics are deltas."""


def _count_points(message: Any) -> int:  # noqa: ANN401 - generated messages have no types
    return sum(
        len(getattr(metric, kind).data_points)
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )


def _has_deltas(message: Any) -> bool:  # noqa: ANN401
    return any(
        getattr(getattr(metric, kind), "aggregation_temporality", 0) == _DELTA
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )


def _plain(message: Any) -> bytes:  # noqa: ANN401
    message.DiscardUnknownFields()
    return bytes(message.SerializeToString())


TRACES = Signal(
    "traces",
    "/v1/traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    1,
    4,
    ExportTraceServiceRequest,
    lambda m: sum(len(s.spans) for r in m.resource_spans for s in r.scope_spans),
    otlp_json.Traces,
)
LOGS = Signal(
    "logs",
    "/v1/logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    2,
    5,
    ExportLogsServiceRequest,
    lambda m: sum(len(s.log_records) for r in m.resource_logs for s in r.scope_logs),
    otlp_json.Logs,
)
METRICS = Signal(
    "metrics",
    "/v1/metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    3,
    6,
    ExportMetricsServiceRequest,
    _count_points,
    otlp_json.Metrics,
)
SIGNALS = {signal.name: signal for signal in (TRACES, LOGS, METRICS)}
_BY_PROTOBUF_CODE = {signal.protobuf_code: signal for signal in SIGNALS.values()}


def from_protobuf(signal: Signal, tenant: str, body: bytes) -> Payload:
    """Check a protobuf request and stamp it.

    Raises:
        InvalidInput: The bytes are not this signal's message.
    """
    try:
        message = signal.message.FromString(body)
    except DecodeError as error:
        raise InvalidInput(
            f"The body ({len(body)} bytes) is not a valid protobuf {signal.message.DESCRIPTOR.name}. "
            f"Send one serialized message to {signal.path}, and name any compression in Content-Encoding."
        ) from error
    deltas = _plain(message) if signal is METRICS and _has_deltas(message) else None
    return Payload(signal, signal.protobuf_code, signal.count(message), stamped(tenant, body), len(body), deltas)


def stamped(tenant: str, body: bytes) -> list[bytes]:
    """A protobuf message as the engine reads it from the log: its length, itself, whose it is, when it came."""
    stamp = _stamp(tenant, time.time_ns())
    return [_varint(len(body) + len(stamp)), body, stamp]


def from_json(signal: Signal, tenant: str, body: bytes) -> Payload:
    """Check a JSON request and wrap it in a line of its own.

    Raises:
        InvalidInput: Not JSON, or a field has the wrong type; the message names the field.
    """
    request, canonical = otlp_json.check(signal.json_type, body)
    has_deltas = isinstance(request, otlp_json.Metrics) and request.has_deltas()
    return Payload(
        signal,
        signal.json_code,
        request.rows(),
        [b'{"tenant":"%s","received_unix_nano":%d,"payload":' % (tenant.encode(), time.time_ns()), canonical, b"}\n"],
        len(body),
        _plain(_metrics_of_json(canonical)) if has_deltas else None,
    )


def _metrics_of_json(canonical: bytes) -> Any:  # noqa: ANN401
    """A checked JSON request as a message: few send deltas in JSON, and those are browsers with little of it."""
    message = METRICS.message()
    try:
        ParseDict(_protobuf_json(msgspec.json.decode(canonical)), message, ignore_unknown_fields=True)
    except ParseError as error:
        raise InvalidInput(f"The body is not OTLP/JSON: {error}.") from error
    return message


def _protobuf_json(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """OTLP/JSON as protobuf's own JSON has it: ids in base64, no null in a list."""
    if isinstance(node, list):
        return [{} if item is None else _protobuf_json(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: binascii.b2a_base64(bytes.fromhex(value), newline=False).decode()
        if key in {"traceId", "spanId"} and value
        else _protobuf_json(value)
        for key, value in node.items()
    }


def metrics_message(payload: Payload) -> Any:  # noqa: ANN401
    """The message of a checked metrics request, whichever encoding it came in."""
    if payload.format_code == METRICS.json_code:
        return _metrics_of_json(payload.pieces[1])
    return METRICS.message.FromString(payload.pieces[1])


def partial_success(points: int, reason: str) -> bytes:
    """The answer to a metrics request of which some points were rejected."""
    about = ExportMetricsPartialSuccess(rejected_data_points=points, error_message=reason)
    return bytes(ExportMetricsServiceResponse(partial_success=about).SerializeToString())


def canonical(format_code: int, tenant: str, record: bytes) -> bytes | None:
    """A stamped protobuf record written anew by the protobuf runtime, the stamp kept.

    The runtime takes what a stricter reader refuses: a oneof that is set twice, a number past its field's width, a
    known field under another wire type, a group. Written anew, only the message as the runtime understood it is left.
    None where the record is not protobuf.
    """
    signal = _BY_PROTOBUF_CODE.get(format_code)
    if signal is None:
        return None
    start = _length_size(record)
    end = len(record) - len(_stamp(tenant, 0))
    if start > end:
        return None
    try:
        message = signal.message.FromString(record[start:end])
    except DecodeError:
        return None
    message.DiscardUnknownFields()
    body = message.SerializeToString(deterministic=True)
    return b"".join((_varint(len(body) + len(record) - end), body, record[end:]))


def is_nested(format_code: int, record: bytes) -> bool:
    """Whether a value in a stamped record is a list, or an array of what is no scalar. True if it is no record."""
    signal = _BY_PROTOBUF_CODE[format_code]
    try:
        message = _flat_messages()[signal.name].FromString(record[_length_size(record) :])
    except DecodeError:
        return True
    return not message.IsInitialized()


@cache
def _flat_messages() -> dict[str, type[Any]]:
    """The requests' messages, but that a list or an array within an array wants a field that nobody sends.

    Which messages lack such a field is found without a loop over them.
    """
    pool = DescriptorPool()
    for file in _with_imports(signal.message.DESCRIPTOR.file for signal in SIGNALS.values()):
        if file.name.endswith("common/v1/common.proto"):
            _want_flat_values(file)
        pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(signal.message.DESCRIPTOR.full_name))
        for name, signal in SIGNALS.items()
    }


def _with_imports(files: Iterable[Any]) -> list[FileDescriptorProto]:
    """Files and what they import, each behind what it imports itself."""
    found: dict[str, FileDescriptorProto] = {}
    for file in files:
        found |= {other.name: other for other in _with_imports(file.dependencies) if other.name not in found}
        if file.name not in found:
            found[file.name] = FileDescriptorProto()
            file.CopyToProto(found[file.name])
    return list(found.values())


def _want_flat_values(file: FileDescriptorProto) -> None:
    file.syntax, file.edition = "editions", EDITION_2023
    file.options.features.field_presence = FeatureSet.IMPLICIT
    nested = file.message_type.add(name="Nested").field.add(
        name="wanted", number=1000, type=FieldDescriptorProto.TYPE_BOOL, label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    nested.options.features.field_presence = FeatureSet.LEGACY_REQUIRED
    messages = {message.name: message for message in file.message_type}
    element = file.message_type.add()
    element.CopyFrom(messages["AnyValue"])
    element.name = "Element"
    elements = next(field for field in messages["ArrayValue"].field if field.name == "values")
    elements.type_name = elements.type_name.replace("AnyValue", "Element")
    for message, kinds in ((element, {"array_value", "kvlist_value"}), (messages["AnyValue"], {"kvlist_value"})):
        for field in message.field:
            if field.name in kinds:
                field.type_name = f".{file.package}.Nested"


def _length_size(record: bytes) -> int:
    """How many bytes the length before a record takes."""
    return 1 + next((i for i, byte in enumerate(record[:10]) if byte <= 0x7F), len(record))  # noqa: PLR2004 - varint


def _stamp(tenant: str, received_unix_nano: int) -> bytes:
    name = tenant.encode()
    return _TENANT_TAG + bytes((len(name),)) + name + _RECEIVED.pack(_RECEIVED_TAG, received_unix_nano)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
