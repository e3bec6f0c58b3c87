"""Metric families as `Metric` messages, cumulative since the process began."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from vedette.sdk.metrics.exponential import ExponentialHistogram
from vedette.sdk.metrics.instruments import UpDownCounter
from vedette.sdk.otlp.attributes import AttributeEncoder
from vedette.sdk.otlp.wire import delimited, utf8, varint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vedette.sdk.metrics.instruments import Exemplar
    from vedette.sdk.metrics.registry import Family
    from vedette.sdk.redaction import Redactor

__all__ = ["MetricEncoder"]

_u64 = struct.Struct("<Q").pack
_double = struct.Struct("<d").pack
_span = struct.Struct("<cQcQ").pack
_CUMULATIVE = b"\x10\x02"
_INT_MAX = (1 << 63) - 1
_PORTION_BYTES = 1 << 19


class MetricEncoder:
    """Encodes families as the field `metrics` (2) of ScopeMetrics."""

    def __init__(self, redactor: Redactor, longest: int) -> None:
        self._point = AttributeEncoder(b"\x3a", redactor, longest)
        self._histogram_point = AttributeEncoder(b"\x4a", redactor, longest)

    def encode(self, family: Family[Any], start_ns: int, now_ns: int) -> Iterator[tuple[int, bytes]]:
        """Metric messages with their tag and length, each with the number of its points.

        More than one where the points of one would be more than a request should carry.
        """
        times = _span(b"\x11", start_ns, b"\x19", now_ns)
        series = family.items()
        if family.kind == "histogram":
            field, tail = b"\x4a", _CUMULATIVE
            if series and isinstance(series[0][1], ExponentialHistogram):
                field = b"\x52"
                points = [self._exponential(attributes, item, times) for attributes, item in series]
            else:
                points = [self._explicit(attributes, item, times) for attributes, item in series]
        elif family.kind == "summary":
            field, tail = b"\x5a", b""
            points = [self._summary(attributes, item, times) for attributes, item in series]
        elif family.kind == "counter":
            field, tail = b"\x3a", _CUMULATIVE + b"\x18\x01"
            points = [self._number(attributes, item.value(), times, item.exemplar()) for attributes, item in series]
        elif family.kind == "info":
            field, tail = b"\x2a", b""
            points = [self._number(item.labels, 1, _span(b"\x11", 0, b"\x19", now_ns)) for _, item in series]
        elif series and isinstance(series[0][1], UpDownCounter):
            field, tail = b"\x3a", _CUMULATIVE
            points = [self._number(attributes, item.value(), times) for attributes, item in series]
        else:
            field, tail = b"\x2a", b""
            now = _span(b"\x11", 0, b"\x19", now_ns)
            points = [self._number(attributes, item.value(), now) for attributes, item in series]
        head = delimited(b"\x0a", utf8(family.name))
        if family.help:
            head += delimited(b"\x12", utf8(family.help))
        if family.unit:
            head += delimited(b"\x1a", utf8(family.unit))
        for some in _portions([delimited(b"\x0a", point) for point in points]):
            yield len(some), delimited(b"\x12", head + delimited(field, b"".join(some) + tail))

    def _number(
        self, attributes: Mapping[str, Any], value: float, times: bytes, exemplar: Exemplar | None = None
    ) -> bytes:
        parts = [times[9:] if times[1:9] == b"\0" * 8 else times]
        if isinstance(value, int) and -_INT_MAX <= value <= _INT_MAX:
            parts.append(b"\x31" + value.to_bytes(8, "little", signed=True))
        else:
            parts.append(b"\x21" + _double(value))
        if exemplar is not None:
            parts.append(delimited(b"\x2a", _exemplar(exemplar)))
        parts.append(self._point.encode(attributes))
        return b"".join(parts)

    def _explicit(self, attributes: Mapping[str, Any], item: Any, times: bytes) -> bytes:
        bounds, counts = item.bounds, item.counts
        count = sum(counts)
        parts = [
            times,
            b"\x21" + _u64(count),
            b"\x29" + _double(item.total),
            delimited(b"\x32", struct.pack(f"<{len(counts)}Q", *counts)),
        ]
        if bounds:
            parts.append(delimited(b"\x3a", struct.pack(f"<{len(bounds)}d", *bounds)))
        parts += [delimited(b"\x42", _exemplar(exemplar)) for exemplar in item.exemplars()]
        parts.append(self._histogram_point.encode(attributes))
        if count:
            parts.append(b"\x59" + _double(item.minimum) + b"\x61" + _double(item.maximum))
        return b"".join(parts)

    def _exponential(self, attributes: Mapping[str, Any], item: ExponentialHistogram, times: bytes) -> bytes:
        scale = (item.scale << 1) ^ (item.scale >> 31)  # sint32
        parts = [
            self._attributes_first(attributes),
            times,
            b"\x21" + _u64(item.count()),
            b"\x29" + _double(item.total),
            b"\x30" + varint(scale),
            b"\x39" + _u64(item.zeros),
        ]
        for tag, side in ((b"\x42", item.positive), (b"\x4a", item.negative)):
            if side:
                low, high = min(side), max(side)
                counts = b"".join([varint(side.get(index, 0)) for index in range(low, high + 1)])
                offset = (low << 1) ^ (low >> 31)
                parts.append(delimited(tag, b"\x08" + varint(offset & 0xFFFFFFFF) + delimited(b"\x12", counts)))
        parts += [delimited(b"\x5a", _exemplar(exemplar)) for exemplar in item.exemplars()]
        if item.count():
            parts.append(b"\x61" + _double(item.minimum) + b"\x69" + _double(item.maximum))
        return b"".join(parts)

    def _attributes_first(self, attributes: Mapping[str, Any]) -> bytes:
        """An exponential point's attributes are field 1; pairs are encoded under 7 and re-tagged."""
        return b"".join([b"\x0a" + self._point.encode({key: value})[1:] for key, value in attributes.items()])

    def _summary(self, attributes: Mapping[str, Any], item: Any, times: bytes) -> bytes:
        parts = [times, b"\x21" + _u64(item.observations), b"\x29" + _double(item.total)]
        for quantile, value in item.values():
            parts.append(delimited(b"\x32", b"\x09" + _double(quantile) + b"\x11" + _double(value)))
        parts.append(self._point.encode(attributes))
        return b"".join(parts)


def _portions(points: list[bytes]) -> Iterator[list[bytes]]:
    """The points in lists of at most half a megabyte (or one point)."""
    begin = size = 0
    for at, point in enumerate(points):
        if size and size + len(point) > _PORTION_BYTES:
            yield points[begin:at]
            begin, size = at, 0
        size += len(point)
    yield points[begin:]


def _exemplar(found: Exemplar) -> bytes:
    return (
        b"\x11"
        + _u64(found.time_ns)
        + b"\x19"
        + _double(found.value)
        + b"\x22\x08"
        + found.span_id.to_bytes(8, "big")
        + b"\x2a\x10"
        + found.trace_id.to_bytes(16, "big")
    )
