"""OTLP/JSON as types: decoded and encoded again in C, so that what the engine reads is well-formed and complete.

Ids are hexadecimal, enums are integers, 64-bit integers are strings or numbers, keys are lowerCamelCase, unknown keys
are ignored (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). The engine's JSON schemas read the same
fields, so a field that is missing here is not stored.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from vedette.errors import InvalidInput

__all__ = ["Logs", "Metrics", "Request", "Traces", "check"]


def _up_to(largest: str) -> str:
    """A pattern of the numbers of as many digits as `largest`, or fewer, that are not larger."""
    smaller = [
        f"{largest[:place]}[0-{int(digit) - 1}][0-9]{{{len(largest) - place - 1}}}"
        for place, digit in enumerate(largest)
        if digit != "0"
    ]
    return "|".join([f"[0-9]{{1,{len(largest) - 1}}}", *smaller, largest])


_Hex = Annotated[str, Meta(pattern="^([0-9a-fA-F]{2})*$")]
_Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[str, Meta(pattern="^-?[0-9]{1,19}$")]
_INT64 = f"^(-?({_up_to(str(2**63 - 1))})|-{2**63})$"
_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[str, Meta(pattern=_INT64)]
_Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
_UInt32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
_Float = float | Annotated[str, Meta(pattern=r"^(NaN|-?Infinity|[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)$")]
_DELTA = 1
_Base64 = Annotated[str, Meta(pattern="^[A-Za-z0-9+/_=-]*$")]


class _Camel(Struct, rename="camel", omit_defaults=True):
    pass


class AnyValue(_Camel):
    """A value of any type; at most one of the fields is set."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: _Int64 | None = None
    double_value: _Float | None = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None
    bytes_value: _Base64 | None = None


class ArrayValue(_Camel):
    """A list of values."""

    values: list[AnyValue | None] | None = None


class KeyValue(_Camel):
    """An attribute."""

    key: str | None = None
    value: AnyValue | None = None


class KeyValueList(_Camel):
    """A map of values."""

    values: list[KeyValue] | None = None


class Resource(_Camel):
    """What the telemetry is about."""

    attributes: list[KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None


class Scope(_Camel):
    """The instrumentation that made it."""

    name: str | None = None
    version: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None


class Status(_Camel):
    """How a span ended."""

    message: str | None = None
    code: _Int32 | None = None


class Event(_Camel):
    """Something that happened within a span."""

    time_unix_nano: _Int | None = None
    name: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None


class Link(_Camel):
    """A pointer to another span."""

    trace_id: _Hex | None = None
    span_id: _Hex | None = None
    trace_state: str | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None
    flags: _UInt32 | None = None


class Span(_Camel):
    """An operation."""

    trace_id: _Hex | None = None
    span_id: _Hex | None = None
    trace_state: str | None = None
    parent_span_id: _Hex | None = None
    flags: _UInt32 | None = None
    name: str | None = None
    kind: _Int32 | None = None
    start_time_unix_nano: _Int | None = None
    end_time_unix_nano: _Int | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None
    events: list[Event] | None = None
    dropped_events_count: _UInt32 | None = None
    links: list[Link] | None = None
    dropped_links_count: _UInt32 | None = None
    status: Status | None = None


class LogRecord(_Camel):
    """A log record."""

    time_unix_nano: _Int | None = None
    observed_time_unix_nano: _Int | None = None
    severity_number: _Int32 | None = None
    severity_text: str | None = None
    body: AnyValue | None = None
    attributes: list[KeyValue] | None = None
    dropped_attributes_count: _UInt32 | None = None
    flags: _UInt32 | None = None
    trace_id: _Hex | None = None
    span_id: _Hex | None = None
    event_name: str | None = None


class Exemplar(_Camel):
    """A measurement with its trace."""

    filtered_attributes: list[KeyValue] | None = None
    time_unix_nano: _Int | None = None
    as_double: _Float | None = None
    as_int: _Int64 | None = None
    span_id: _Hex | None = None
    trace_id: _Hex | None = None


class _Point(_Camel):
    attributes: list[KeyValue] | None = None
    start_time_unix_nano: _Int | None = None
    time_unix_nano: _Int | None = None
    flags: _UInt32 | None = None


class NumberPoint(_Point):
    """A number."""

    as_double: _Float | None = None
    as_int: _Int64 | None = None
    exemplars: list[Exemplar] | None = None


class HistogramPoint(_Point):
    """A histogram with explicit bounds."""

    count: _Int | None = None
    sum: _Float | None = None
    bucket_counts: list[_Int] | None = None
    explicit_bounds: list[_Float] | None = None
    exemplars: list[Exemplar] | None = None
    min: _Float | None = None
    max: _Float | None = None


class Buckets(_Camel):
    """Buckets of an exponential histogram."""

    offset: _Int32 | None = None
    bucket_counts: list[_Int] | None = None


class ExponentialPoint(_Point):
    """An exponential histogram."""

    count: _Int | None = None
    sum: _Float | None = None
    scale: _Int32 | None = None
    zero_count: _Int | None = None
    positive: Buckets | None = None
    negative: Buckets | None = None
    exemplars: list[Exemplar] | None = None
    min: _Float | None = None
    max: _Float | None = None
    zero_threshold: _Float | None = None


class Quantile(_Camel):
    """A quantile of a summary."""

    quantile: _Float | None = None
    value: _Float | None = None


class SummaryPoint(_Point):
    """A summary."""

    count: _Int | None = None
    sum: _Float | None = None
    quantile_values: list[Quantile] | None = None


class Gauge(_Camel):
    """Points of a gauge."""

    data_points: list[NumberPoint] | None = None


class Sum(_Camel):
    """Points of a sum."""

    data_points: list[NumberPoint] | None = None
    aggregation_temporality: _Int32 | None = None
    is_monotonic: bool | None = None


class Histogram(_Camel):
    """Points of a histogram."""

    data_points: list[HistogramPoint] | None = None
    aggregation_temporality: _Int32 | None = None


class ExponentialHistogram(_Camel):
    """Points of an exponential histogram."""

    data_points: list[ExponentialPoint] | None = None
    aggregation_temporality: _Int32 | None = None


class Summary(_Camel):
    """Points of a summary."""

    data_points: list[SummaryPoint] | None = None


class Metric(_Camel):
    """A metric; at most one kind of data is set."""

    name: str | None = None
    description: str | None = None
    unit: str | None = None
    gauge: Gauge | None = None
    sum: Sum | None = None
    histogram: Histogram | None = None
    exponential_histogram: ExponentialHistogram | None = None
    summary: Summary | None = None
    metadata: list[KeyValue] | None = None

    def is_delta(self) -> bool:
        """Whether the points are differences to those before them."""
        kinds = (self.sum, self.histogram, self.exponential_histogram)
        return any(kind is not None and kind.aggregation_temporality == _DELTA for kind in kinds)

    def points(self) -> int:
        """How many data points it holds."""
        kinds = (self.gauge, self.sum, self.histogram, self.exponential_histogram, self.summary)
        return sum(len(kind.data_points or ()) for kind in kinds if kind is not None)


class ScopeSpans(_Camel):
    """Spans of one scope."""

    scope: Scope | None = None
    spans: list[Span] | None = None
    schema_url: str | None = None


class ResourceSpans(_Camel):
    """Spans of one resource."""

    resource: Resource | None = None
    scope_spans: list[ScopeSpans] | None = None
    schema_url: str | None = None


class ScopeLogs(_Camel):
    """Log records of one scope."""

    scope: Scope | None = None
    log_records: list[LogRecord] | None = None
    schema_url: str | None = None


class ResourceLogs(_Camel):
    """Log records of one resource."""

    resource: Resource | None = None
    scope_logs: list[ScopeLogs] | None = None
    schema_url: str | None = None


class ScopeMetrics(_Camel):
    """Metrics of one scope."""

    scope: Scope | None = None
    metrics: list[Metric] | None = None
    schema_url: str | None = None


class ResourceMetrics(_Camel):
    """Metrics of one resource."""

    resource: Resource | None = None
    scope_metrics: list[ScopeMetrics] | None = None
    schema_url: str | None = None


class Traces(_Camel):
    """Body of ``/v1/traces``."""

    resource_spans: list[ResourceSpans] | None = None

    def rows(self) -> int:
        """Spans."""
        return sum(map(len, self._lists()))

    def firsts(self) -> list[Span]:
        """The first span of each list."""
        return [spans[0] for spans in self._lists()]

    def _lists(self) -> list[list[Span]]:
        return [s.spans for r in self.resource_spans or () for s in r.scope_spans or () if s.spans]


class Logs(_Camel):
    """Body of ``/v1/logs``."""

    resource_logs: list[ResourceLogs] | None = None

    def rows(self) -> int:
        """Log records."""
        return sum(map(len, self._lists()))

    def firsts(self) -> list[LogRecord]:
        """The first record of each list."""
        return [records[0] for records in self._lists()]

    def _lists(self) -> list[list[LogRecord]]:
        return [s.log_records for r in self.resource_logs or () for s in r.scope_logs or () if s.log_records]


class Metrics(_Camel):
    """Body of ``/v1/metrics``."""

    resource_metrics: list[ResourceMetrics] | None = None

    def rows(self) -> int:
        """Data points."""
        scopes = [scope for r in self.resource_metrics or () for scope in r.scope_metrics or ()]
        return sum(metric.points() for scope in scopes for metric in scope.metrics or ())

    def has_deltas(self) -> bool:
        """Whether a metric has the temporality delta."""
        scopes = [scope for r in self.resource_metrics or () for scope in r.scope_metrics or ()]
        return any(metric.is_delta() for scope in scopes for metric in scope.metrics or ())


Request = Traces | Logs | Metrics
"""The body of an export request."""

_decoders: dict[type[Request], msgspec.json.Decoder[Request]] = {
    kind: msgspec.json.Decoder(kind) for kind in (Traces, Logs, Metrics)
}
_encoder = msgspec.json.Encoder()


def check(kind: type[Request], body: bytes) -> tuple[Request, bytes]:
    """A body as its type, and written anew.

    Raises:
        InvalidInput: Not JSON, or a field of the wrong type; the message names the place.
    """
    try:
        request = _decoders[kind].decode(body)
        if not isinstance(request, Metrics):
            # A list in which no element has a field is none for the engine.
            for first in request.firsts():
                first.flags = first.flags or 0
        return request, _encoder.encode(request)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The body is not OTLP/JSON: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise InvalidInput("The body is nested too deeply.") from error
