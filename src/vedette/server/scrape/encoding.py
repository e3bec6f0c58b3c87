"""Remote write messages by hand: the labels of a series are encoded once, its samples with every scrape."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from vedette.server.protobuf import varint

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "METRIC_TYPES",
    "STALE_BITS",
    "exemplar",
    "exemplar_of",
    "field_of_bytes",
    "histogram",
    "metadata",
    "sample",
    "series_labels",
    "series_message",
    "stale_histogram",
]

STALE_BITS = np.uint64(0x7FF0000000000002)
"""The marker of staleness, which is one certain NaN, as the bits of a float."""

METRIC_TYPES = {
    "unknown": 0,
    "untyped": 0,
    "counter": 1,
    "gauge": 2,
    "histogram": 3,
    "gaugehistogram": 4,
    "summary": 5,
    "info": 6,
    "stateset": 7,
}
_VALUE = struct.Struct("<d")
_BITS = struct.Struct("<Q")


def field_of_bytes(tag: bytes, content: bytes) -> bytes:
    """A field of bytes, its tag given as it is on the wire."""
    return b"%b%b%b" % (tag, varint(len(content)), content)


def series_labels(labels: Mapping[str, str]) -> bytes:
    """Label messages, by name."""
    pairs = sorted(labels.items())
    return b"".join(
        field_of_bytes(b"\x0a", field_of_bytes(b"\x0a", n.encode()) + field_of_bytes(b"\x12", v.encode()))
        for n, v in pairs
    )


def sample(bits: int, time_ms: int) -> bytes:
    """A sample of a series, its value as the bits of a float."""
    content = b"\x09%b\x10%b" % (_BITS.pack(bits), varint(time_ms))
    return b"\x12%c%b" % (len(content), content)


def exemplar(labels: Mapping[str, str], value: float, time_ms: int) -> bytes:
    """An exemplar of a series."""
    return exemplar_of(series_labels(labels), value, time_ms)


def exemplar_of(labels: bytes, value: float, time_ms: int) -> bytes:
    """An exemplar, its labels given as messages."""
    return field_of_bytes(b"\x1a", b"%b\x11%b\x18%b" % (labels, _VALUE.pack(value), varint(time_ms)))


def histogram(content: bytes) -> bytes:
    """A native histogram of a series, from its fields."""
    return field_of_bytes(b"\x22", content)


def stale_histogram(time_ms: int) -> bytes:
    """The end of a series of native histograms."""
    return histogram(b"\x19%b\x78%b" % (_BITS.pack(int(STALE_BITS)), varint(time_ms)))


def series_message(encoded_labels: bytes, points: bytes) -> bytes:
    """One series of a request."""
    content = encoded_labels + points
    return b"\x0a%b%b" % (varint(len(content)), content)


def metadata(name: str, kind: str, help_: str, unit: str) -> bytes:
    """What is known of a metric family."""
    content = b"\x08%b" % varint(METRIC_TYPES.get(kind, 0))
    content += (
        field_of_bytes(b"\x12", name.encode())
        + field_of_bytes(b"\x22", help_.encode())
        + field_of_bytes(b"\x2a", unit.encode())
    )
    return field_of_bytes(b"\x1a", content)
