"""How fine native histograms may be: ``native_histogram_bucket_limit`` and ``native_histogram_min_bucket_factor``."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

from vedette.server.query.metrics.prompb import native_message
from vedette.server.query.promql.histogram import COARSEST, FINEST, CounterReset, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TooManyBuckets", "coarser", "schema_of_factor"]

_FIXED64: Final = 1
_BYTES: Final = 2


class TooManyBuckets(ValueError):
    """A histogram has too many buckets even at the lowest resolution."""


def schema_of_factor(factor: float) -> int:
    """The finest schema whose buckets grow by this factor at least."""
    if factor <= 1:
        return FINEST
    return min(FINEST, max(COARSEST, math.floor(-math.log2(math.log2(factor)))))


def coarser(content: bytes, bucket_limit: int, finest: int) -> bytes:
    """A histogram of remote write with buckets merged until the bounds hold; as it is where they do.

    Args:
        content: Its fields.
        bucket_limit: How many buckets it may have; 0 is any number.
        finest: The highest schema that it may have.

    Raises:
        TooManyBuckets: there is no such histogram.
    """
    found, time_ms = _read(content)
    schema = min(found.schema, finest)
    merged = found.reduced(schema)
    while bucket_limit and len(merged.positive) + len(merged.negative) > bucket_limit:
        if schema <= COARSEST:
            raise TooManyBuckets(f"a native histogram has more than {bucket_limit} buckets at every resolution")
        schema -= 1
        merged = found.reduced(schema)
    return content if schema == found.schema else native_message(merged, time_ms)


def _read(content: bytes) -> tuple[Histogram, int]:
    numbers: dict[int, float] = {}
    spans: dict[int, list[tuple[int, int]]] = {8: [], 11: []}
    counts: dict[int, list[float]] = {9: [], 10: [], 12: [], 13: []}
    for number, value in _fields(content):
        if number in spans and isinstance(value, bytes):
            parts = dict(_fields(value))
            spans[number].append((_signed(int(parts.get(1, 0))), int(parts.get(2, 0))))
        elif number in counts:
            counts[number] += _values(value, are_deltas=number in {9, 12})
        elif not isinstance(value, bytes):
            numbers[number] = value
    histogram = Histogram(
        schema=_signed(int(numbers.get(4, 0))),
        count=float(numbers.get(1) or numbers.get(2, 0)),
        sum=float(numbers.get(3, 0)),
        zero_threshold=float(numbers.get(5, 0)),
        zero_count=float(numbers.get(6) or numbers.get(7, 0)),
        positive=_buckets(spans[11], counts[12], counts[13]),
        negative=_buckets(spans[8], counts[9], counts[10]),
        counter_reset=CounterReset(int(numbers.get(14, 0))),
    )
    return histogram, int(numbers.get(15, 0))


def _buckets(spans: list[tuple[int, int]], deltas: list[float], counts: list[float]) -> dict[int, float]:
    if deltas:
        total, counts = 0.0, []
        for delta in deltas:
            total += delta
            counts.append(total)
    found: dict[int, float] = {}
    index, rest = 0, iter(counts)
    for offset, length in spans:
        index += offset
        for _ in range(length):
            found[index] = next(rest)
            index += 1
    return found


def _values(value: float | bytes, *, are_deltas: bool) -> list[float]:
    """Numbers of a repeated field, which come one by one or together."""
    if not isinstance(value, bytes):
        return [float(_signed(int(value))) if are_deltas else float(value)]
    if not are_deltas:
        return [number for (number,) in struct.iter_unpack("<d", value)]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(float(_signed(number)))
    return found


def _fields(content: bytes) -> Iterator[tuple[int, float | bytes]]:
    """The fields of a message that was checked before."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        kind = tag & 7
        if kind == _FIXED64:
            yield tag >> 3, struct.unpack_from("<d", content, at)[0]
            at += 8
            continue
        number, at = _varint(content, at)
        if kind == _BYTES:
            yield tag >> 3, content[at : at + number]
            at += number
        else:
            yield tag >> 3, number


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte <= 0x7F:  # noqa: PLR2004 - seven bits a byte
            return value, at


def _signed(value: int) -> int:
    """A number of type sint."""
    return (value >> 1) ^ -(value & 1)
