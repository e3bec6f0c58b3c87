"""OTLP payloads, whichever transport brought them: check, count, stamp the tenant. Their rows are never looped over.

Specification: https://opentelemetry.io/docs/specs/otlp/ (1.11).
"""

from __future__ import annotations

import json
import struct
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import EDITION_2023, FeatureSet, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
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
from vedette.server.ingest.json_messages import message_of_json
from vedette.server.ingest.point_faults import faults_of
from vedette.server.ingest.small_json import message_of
from vedette.server.protobuf import varint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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

# Field 1000, a string, field 1001, a fixed64, and for metrics field 1002, a string, as the engine's schema declares
# them. Protobuf fields may be appended to any message, and of a repeated scalar the last counts, so a client that sends
# these fields itself changes nothing. The time of receipt and the promoted attributes are stamped here because a
# replay must come to the same rows.
_TENANT_TAG = b"\xc2\x3e"
_RECEIVED = struct.Struct("<2sQ")
_RECEIVED_TAG = b"\xc9\x3e"
_PROMOTED_TAG = b"\xd2\x3e"
_DELTA = 1
_SMALL_BYTES = 64 * 1024
"""JSON up to this size is converted between two other requests: it takes up to 4 ms."""


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
    message: bytes | None = None
    """A request of metrics as the protobuf runtime writes it; None where it came as JSON and nothing needs it."""
    has_deltas: bool = False
    """Whether some of its metrics are deltas."""
    faults: Mapping[str, int] = field(default_factory=dict)
    """Of metrics without a message, how many points the tables will refuse for each reason."""


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


def from_protobuf(signal: Signal, tenant: str, body: bytes, promoted: Sequence[str] = ()) -> Payload:
    """Check a protobuf request and stamp it; of metrics also with the resource attributes that become labels.

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
    rows, size = signal.count(message), len(body)
    if signal is not METRICS:
        return Payload(signal, signal.protobuf_code, rows, stamped(tenant, body), size)
    plain = _plain(message)
    # A text that comes twice is empty for the engine. Whatever is written unlike the runtime does it is longer.
    pieces = stamped(tenant, body if len(plain) == size else plain, promoted)
    return Payload(signal, signal.protobuf_code, rows, pieces, size, plain, _has_deltas(message))


def stamped(tenant: str, body: bytes, promoted: Sequence[str] | None = None) -> list[bytes]:
    """A protobuf message as the engine reads it from the log: its length, itself, whose it is, when it came.

    `promoted` are the resource attributes that become labels; None for messages other than OTLP's metrics.
    """
    stamp = _stamp(tenant, time.time_ns())
    if promoted is not None:
        names = "\n".join(promoted).encode()
        stamp = b"".join((_PROMOTED_TAG, varint(len(names)), names, stamp))
    return [varint(len(body) + len(stamp)), body, stamp]


def from_json(signal: Signal, tenant: str, body: bytes, promoted: Sequence[str] = ()) -> Payload:
    """Check a JSON request and stamp it: as Protobuf if it is small, and else wrapped in a line of its own.

    Raises:
        InvalidInput: Not JSON, or a field has the wrong type; the message names the field.
    """
    request, canonical = otlp_json.check(signal.json_type, body)
    has_deltas, rows = isinstance(request, otlp_json.Metrics) and request.has_deltas(), request.rows()
    faults = faults_of(request) if isinstance(request, otlp_json.Metrics) else {}
    if not isinstance(request, otlp_json.Metrics) and len(body) <= _SMALL_BYTES:
        message = message_of(request, signal.message)
        if message is not None:
            return Payload(signal, signal.protobuf_code, rows, stamped(tenant, message), len(body))
    del request  # as objects it is many times as large
    stamp = b'"tenant":"%s","received_unix_nano":%d' % (tenant.encode(), time.time_ns())
    if signal is METRICS:
        stamp += b',"promoted":%s' % json.dumps("\n".join(promoted)).encode()
    return Payload(
        signal,
        signal.json_code,
        rows,
        [b'{%s,"payload":' % stamp, canonical, b"}\n"],
        len(body),
        _plain(message_of_json(canonical)) if has_deltas else None,
        has_deltas,
        faults,
    )


def metrics_message(payload: Payload) -> bytes:
    """A checked request of metrics as the protobuf runtime writes it, whichever encoding it came in."""
    return _plain(message_of_json(payload.pieces[1])) if payload.message is None else payload.message


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
    if signal is METRICS:
        end = _promoted_at(record, end)
    if start > end:
        return None
    try:
        message = signal.message.FromString(record[start:end])
    except DecodeError:
        return None
    message.DiscardUnknownFields()
    body = message.SerializeToString(deterministic=True)
    return b"".join((varint(len(body) + len(record) - end), body, record[end:]))


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
        for one in message.field:
            if one.name in kinds:
                one.type_name = f".{file.package}.Nested"


def _length_size(record: bytes) -> int:
    """How many bytes the length before a record takes."""
    return 1 + next((i for i, byte in enumerate(record[:10]) if byte <= 0x7F), len(record))  # noqa: PLR2004 - varint


def _stamp(tenant: str, received_unix_nano: int) -> bytes:
    name = tenant.encode()
    return _TENANT_TAG + bytes((len(name),)) + name + _RECEIVED.pack(_RECEIVED_TAG, received_unix_nano)


def _promoted_at(record: bytes, end: int) -> int:
    """Where the field of promoted attributes that ends at `end` begins; `end` if there is none.

    It is the last place with its tag: UTF-8 never has these two bytes, and the text is shorter than what its size could
    have them for.
    """
    at = record.rfind(_PROMOTED_TAG, 0, end)
    size = record[at + len(_PROMOTED_TAG) : end]
    return at if at >= 0 and size[: _length_size(size)] == varint(len(size) - _length_size(size)) else end
