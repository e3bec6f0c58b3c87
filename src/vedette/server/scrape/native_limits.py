"""How fine native histograms may be: ``native_histogram_bucket_limit`` and ``native_histogram_min_bucket_factor``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from vedette.server.protobuf import BYTES, fields, varint
from vedette.server.query.metrics.prompb import field as field_of
from vedette.server.query.metrics.prompb import number_field, sint_field
from vedette.server.query.promql.histogram import COARSEST, CUSTOM_BUCKETS_SCHEMA, FINEST

__all__ = ["TooManyBuckets", "coarser", "schema_of_factor"]

_Numbers = np.ndarray[Any, np.dtype[Any]]
_Side = tuple[_Numbers, _Numbers]
"""The indexes of buckets, and their counts."""

_SCHEMA: Final = 4
_SIDES: Final = ((8, 9, 10), (11, 12, 13))
"""The fields of the spans, the deltas and the counts of negative and of positive buckets."""


class TooManyBuckets(ValueError):
    """A histogram has too many buckets even at the lowest resolution."""


@dataclass(slots=True)
class _Read:
    """A histogram: its schema, its buckets, and the fields of all else as they are."""

    schema: int = 0
    spans: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: {8: [], 11: []})
    counts: dict[int, bytes] = field(default_factory=lambda: {9: b"", 10: b"", 12: b"", 13: b""})
    rest: list[bytes] = field(default_factory=list)


def schema_of_factor(factor: float) -> int:
    """The finest schema whose buckets grow by this factor at least."""
    if factor <= 1:
        return FINEST
    return min(FINEST, max(COARSEST, math.floor(-math.log2(math.log2(factor)))))


def coarser(content: bytes, bucket_limit: int, finest: int) -> bytes:
    """A histogram of remote write with buckets merged until the bounds hold; as it is where they do.

    Args:
        content: Its fields, which were checked.
        bucket_limit: How many buckets it may have; 0 is any number.
        finest: The highest schema that it may have.

    Raises:
        TooManyBuckets: there is no such histogram.
    """
    found = _read(content)
    listed = sum(length for spans in found.spans.values() for _, length in spans)
    schema = min(found.schema, finest)
    if schema == found.schema and (not bucket_limit or listed <= bucket_limit):
        return content
    if schema == CUSTOM_BUCKETS_SCHEMA:
        raise TooManyBuckets(f"a native histogram of custom buckets has more than {bucket_limit}")
    sides = [_side(found, *numbers) for numbers in _SIDES]
    while bucket_limit and sum(_how_many(indexes, found.schema - schema) for indexes, _ in sides) > bucket_limit:
        if schema <= COARSEST:
            raise TooManyBuckets(f"a native histogram has more than {bucket_limit} buckets at every resolution")
        schema -= 1
    if schema == found.schema:
        return content
    merged = [_merged(side, found.schema - schema) for side in sides]
    out = [*found.rest, sint_field(_SCHEMA, schema)]
    for (spans, _, counts), side in zip(_SIDES, merged, strict=True):
        out += _side_fields(side, spans, counts)
    return b"".join(out)


def _read(content: bytes) -> _Read:
    found = _Read()
    for number, kind, value in fields(content):
        if number in found.spans and isinstance(value, bytes):
            parts = {inner: said for inner, _, said in fields(value)}
            found.spans[number].append((_signed(int(parts.get(1, 0))), int(parts.get(2, 0))))
        elif number in found.counts:
            # Numbers of a repeated field come one by one or together.
            found.counts[number] += value if isinstance(value, bytes) else varint(value)
        elif number == _SCHEMA and not isinstance(value, bytes):
            found.schema = _signed(value)
        else:
            tail = varint(value) if isinstance(value, int) else value
            length = varint(len(tail)) if kind == BYTES else b""
            found.rest.append(varint(number << 3 | kind) + length + tail)
    return found


def _deltas(packed: bytes) -> _Numbers:
    """Numbers of type sint64 behind one another."""
    body = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(body < 0x80)  # noqa: PLR2004 - the last byte of a number
    begins = np.concatenate(([0], ends[:-1] + 1))
    places = np.arange(len(body)) - np.repeat(begins, ends - begins + 1)
    parts = (body & np.uint8(0x7F)).astype(np.uint64) << (7 * places).astype(np.uint64)
    numbers = np.add.reduceat(parts, begins)
    return (numbers >> np.uint64(1)).astype(np.int64) ^ -(numbers & np.uint64(1)).astype(np.int64)


def _side(found: _Read, spans: int, deltas: int, counts: int) -> _Side:
    """The buckets of one side that are not empty."""
    if not found.spans[spans]:
        return np.empty(0, np.int64), np.empty(0)
    offsets, lengths = np.array(found.spans[spans]).T
    ends = np.cumsum(lengths)
    indexes = np.arange(ends[-1]) + np.repeat(np.cumsum(offsets + lengths) - ends, lengths)
    if found.counts[deltas]:
        values = np.cumsum(_deltas(found.counts[deltas])).astype(np.float64)
    else:
        values = np.frombuffer(found.counts[counts], "<f8")
    return indexes[values != 0], values[values != 0]


def _coarse(indexes: _Numbers, shift: int) -> _Numbers:
    """The indexes `shift` schemas below: each bucket there ends where every second of the schema above does."""
    return -(-indexes >> shift)


def _how_many(indexes: _Numbers, shift: int) -> int:
    indexes = _coarse(indexes, shift)
    return int(np.count_nonzero(indexes[1:] != indexes[:-1])) + 1 if len(indexes) else 0


def _merged(side: _Side, shift: int) -> _Side:
    """The buckets `shift` schemas below."""
    indexes = _coarse(side[0], shift)
    if not len(indexes):
        return side
    firsts = np.concatenate(([0], np.flatnonzero(indexes[1:] != indexes[:-1]) + 1))
    return indexes[firsts], np.add.reduceat(side[1], firsts)


def _side_fields(side: _Side, spans: int, counts: int) -> list[bytes]:
    indexes, values = side
    if not len(indexes):
        return []
    begins = np.concatenate(([0], np.flatnonzero(indexes[1:] - indexes[:-1] != 1) + 1))
    lengths = np.append(begins[1:], len(indexes)) - begins
    firsts = indexes[begins]
    # Each offset is from the end of the stretch before.
    offsets = firsts - np.concatenate(([0], firsts[:-1] + lengths[:-1]))
    pairs = zip(offsets.tolist(), lengths.tolist(), strict=True)
    out = [field_of(spans, sint_field(1, offset) + number_field(2, length)) for offset, length in pairs]
    return [*out, field_of(counts, values.astype("<f8").tobytes())]


def _signed(value: int) -> int:
    """A number of type sint."""
    return (value >> 1) ^ -(value & 1)
