"""Prometheus' protobuf messages by hand: series with float samples and native histograms.

https://github.com/prometheus/prometheus/blob/main/prompb/types.proto
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from vedette.server.protobuf import varint
from vedette.server.query.promql.source import STALE_NAN_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vedette.server.query.promql.histogram import Histogram

__all__ = [
    "STALE",
    "bucket_sides",
    "double_field",
    "field",
    "histogram",
    "labels",
    "native_message",
    "number_field",
    "sample",
    "series",
    "sint_field",
]

STALE: Final[float] = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]
"""The value that ends a series."""

_DOUBLE: Final = struct.Struct("<d")


def _zigzag(value: int) -> bytes:
    return varint((value << 1) ^ (value >> 63))


def field(number: int, content: bytes) -> bytes:
    """A field of bytes: a text or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    """A field that is a number."""
    return varint(number << 3) + varint(value)


def sint_field(number: int, value: int) -> bytes:
    """A field that is a number of type sint32 or sint64."""
    return varint(number << 3) + _zigzag(value)


def double_field(number: int, value: float) -> bytes:
    """A field that is a double."""
    return varint(number << 3 | 1) + _DOUBLE.pack(value)


def labels(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Label messages as field 1 of a series; `pairs` are sorted by name."""
    return b"".join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in pairs)


def sample(value: float, time_ms: int) -> bytes:
    """A float sample as field 2 of a series."""
    return field(2, b"\x09" + _DOUBLE.pack(value) + number_field(2, time_ms))


def histogram(found: Histogram, time_ms: int) -> bytes:
    """A native histogram of floats as field 4 of a series."""
    return field(4, native_message(found, time_ms))


def native_message(found: Histogram, time_ms: int) -> bytes:
    """A native histogram of floats, `prometheus.Histogram`."""
    out = [double_field(2, found.count), double_field(3, found.sum), sint_field(4, found.schema)]
    out += [double_field(5, found.zero_threshold), double_field(7, found.zero_count)]
    out += [*bucket_sides(found.negative, 8, 10), *bucket_sides(found.positive, 11, 13)]
    out += [number_field(14, int(found.counter_reset)), number_field(15, time_ms)]
    if found.custom_values:
        out.append(field(16, b"".join(map(_DOUBLE.pack, found.custom_values))))
    return b"".join(out)


def bucket_sides(buckets: Mapping[int, float], spans_field: int, counts_field: int) -> list[bytes]:
    """The buckets of one side as fields: spans of neighbours, and the counts."""
    if not buckets:
        return []
    spans: list[list[int]] = []
    end = 0
    for index in buckets:
        if spans and index == end:
            spans[-1][1] += 1
        else:
            spans.append([index - end if spans else index, 1])
        end = index + 1
    out = [field(spans_field, sint_field(1, offset) + number_field(2, length)) for offset, length in spans]
    return [*out, field(counts_field, b"".join(map(_DOUBLE.pack, buckets.values())))]


def series(encoded_labels: bytes, points: bytes) -> bytes:
    """A series as field 1 of a message."""
    return field(1, encoded_labels + points)
