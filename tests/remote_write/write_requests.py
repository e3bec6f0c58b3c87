"""Remote write requests as a sender makes them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import cramjam

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def zigzag(value: int) -> bytes:
    return varint((value << 1) ^ (value >> 63))


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(number_: int, value: int) -> bytes:
    return varint(number_ << 3) + varint(value)


def double(number_: int, value: float) -> bytes:
    return varint(number_ << 3 | 1) + struct.pack("<d", value)


def labels_one(labels: Iterable[tuple[str, str]]) -> bytes:
    return b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in labels)


def sample(value: float, time_ms: int, start_ms: int = 0) -> bytes:
    return double(1, value) + number(2, time_ms) + (number(3, start_ms) if start_ms else b"")


def spans(indexes: Sequence[int], number_: int) -> bytes:
    """Bucket spans of single buckets: as an encoder that never joins neighbours would write them."""
    out, end = b"", 0
    for place, index in enumerate(indexes):
        offset = index if place == 0 else index - end
        out += field(number_, varint(8) + zigzag(offset) + number(2, 1))
        end = index + 1
    return out


def histogram(found: Mapping[str, Any], time_ms: int) -> bytes:
    """A float histogram; `found` has schema, count, sum, zero_count, zero_threshold, positive, negative, custom_values."""
    out = double(2, found["count"]) + double(3, found["sum"]) + varint(4 << 3) + zigzag(found["schema"])
    out += double(5, found.get("zero_threshold", 0)) + double(7, found.get("zero_count", 0))
    for side, span_number, count_number in (("negative", 8, 10), ("positive", 11, 13)):
        buckets = found.get(side, {})
        out += spans(list(buckets), span_number)
        out += field(count_number, b"".join(struct.pack("<d", count) for count in buckets.values())) if buckets else b""
    out += number(14, found.get("hint", 0)) + number(15, time_ms)
    custom = found.get("custom_values", ())
    return out + (field(16, b"".join(struct.pack("<d", bound) for bound in custom)) if custom else b"")


def series_one(labels: Iterable[tuple[str, str]], *parts: tuple[int, bytes]) -> bytes:
    """A series of 1.0: parts are (2, sample), (3, exemplar) or (4, histogram)."""
    return field(1, labels_one(labels) + b"".join(field(n, content) for n, content in parts))


class Symbols:
    """The table of strings of a request of 2.0."""

    def __init__(self) -> None:
        self.texts = [""]

    def ref(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)

    def refs(self, labels: Iterable[tuple[str, str]]) -> bytes:
        return field(1, b"".join(varint(self.ref(n)) + varint(self.ref(v)) for n, v in labels))

    def encoded(self) -> bytes:
        return b"".join(field(4, text.encode()) for text in self.texts)


def series_two(refs: bytes, *parts: tuple[int, bytes]) -> bytes:
    """A series of 2.0: parts are (2, sample), (3, histogram), (4, exemplar) or (5, metadata)."""
    return field(5, refs + b"".join(field(n, content) for n, content in parts))


def packed(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


ONE = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
TWO = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding": "snappy"}
PATH = "/prometheus/api/v1/write"
