"""A query's answer in the JSON of Prometheus' HTTP API."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from vedette.server.query.promql.block import is_set
from vedette.server.query.promql.kernels import decimals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vedette.server.query.promql.block import Bools, Ints
    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.query.promql.histogram import Bucket, Histogram
    from vedette.server.query.promql.labels import Labels

Buffer = bytes | memoryview

_FEW: Final = 50
_CHUNK_POINTS: Final = 500_000
_FRAME: Final = 8  # the brackets, quotes and commas around a point
_OPEN_LEFT, _OPEN_RIGHT, _OPEN, _CLOSED = range(4)


def to_json(result: QueryResult, native: Callable[[Histogram, int], bytes] | None = None) -> bytes:
    """The `data` member of the answer: ``{"resultType": …, "result": …}``.

    `native` writes a native histogram and its time in milliseconds as JSON of another form than Prometheus'.
    """
    write = native or (lambda histogram, _: histogram_json(histogram))
    if result.kind == "string":
        body = b"[%s,%s]" % (_time(int(result.times_ms[0])), _string(result.string))
    elif result.kind == "scalar":
        body = b'[%s,"%s"]' % (_time(int(result.times_ms[0])), _plain(float(result.values[0, 0])))
    else:
        opening = b'{"resultType":"%s","result":[' % result.kind.encode()
        return b"".join([opening, *_with_commas(_series(result, write)), b"]}"])
    return b'{"resultType":"%s","result":%s}' % (result.kind.encode(), body)


def points_json(time_ms: int, labels: Sequence[Labels], values: Sequence[float]) -> bytes:
    """The same of a vector of few floats."""
    if not labels:
        return b'{"resultType":"vector","result":[]}'
    time = _time(time_ms)
    found = [
        b'{"metric":%s,"value":[%s,"%s"]}' % (labels_json(one), time, single_number(value))
        for one, value in zip(labels, values, strict=True)
    ]
    return b'{"resultType":"vector","result":[%s]}' % b",".join(found)


def _with_commas(pieces: Sequence[Buffer]) -> Iterator[Buffer]:
    for place, piece in enumerate(pieces):
        if place:
            yield b","
        yield piece


def number(value: float) -> bytes:
    """A number as Prometheus writes it into a string."""
    values = np.array([value])
    out, ends = np.empty(decimals.LONGEST_NUMBER, np.uint8), np.empty(1, np.int64)
    decimals.write_numbers(values, values.view(np.uint64), decimals.powers_of_ten(), out, ends)
    return out[: ends[0]].tobytes()


def single_number(value: float) -> bytes:
    """The same as `number`, faster for a single one."""
    shown = repr(value)
    # An exponent, or no number at all.
    return number(value) if "e" in shown or "n" in shown else shown.removesuffix(".0").encode()


def _plain(value: float) -> bytes:
    """A number without an exponent, as Prometheus writes scalars."""
    if not math.isfinite(value):
        return number(value)
    shown = format(Decimal(repr(value)), "f")
    return shown.removesuffix(".0").encode()


def _time(milliseconds: int) -> bytes:
    seconds, rest = divmod(abs(milliseconds), 1000)
    sign = b"-" if milliseconds < 0 else b""
    return b"%s%d.%03d" % (sign, seconds, rest) if rest else b"%s%d" % (sign, seconds)


def _string(text: str) -> bytes:
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:
        return msgspec.json.encode(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def labels_json(labels: Labels) -> bytes:
    """A label set as a JSON object."""
    try:
        return msgspec.json.encode(dict(labels))
    except UnicodeEncodeError:
        pairs = (b"%s:%s" % (_string(name), _string(value)) for name, value in labels)
        return b"{%s}" % b",".join(pairs)


def _series(result: QueryResult, native: Callable[[Histogram, int], bytes]) -> list[Buffer]:
    vector = result.kind == "vector"
    if result.histograms is None:
        some: Bools = (
            result.present[:, 0] if vector and len(result.labels) else np.logical_or.reduce(result.present, axis=1)
        )
        rows = some.nonzero()[0]
        return _float_series(result, rows, result.present, vector=vector)
    times = [_time(at) for at in result.times_ms.tolist()]
    points = is_set(result.histograms) & result.present
    mixed = np.atleast_1d(points.any(axis=1))
    floats = result.present & ~points
    parts: list[Buffer] = []
    for row in range(len(result.labels)):
        if not mixed[row]:
            if floats[row].any():
                parts += _float_series(result, np.array([row]), floats, vector=vector)
            continue
        parts.append(_mixed_series(result, row, (floats, points), times, native, vector=vector))
    return parts


def _float_series(result: QueryResult, rows: Ints, present: Bools, *, vector: bool) -> list[Buffer]:
    """Series of floats alone, in a few large pieces."""
    if not len(rows):
        return []
    if vector and len(rows) <= _FEW:
        values, time = result.values[rows, 0].tolist(), _time(int(result.times_ms[0]))
        return [
            b'{"metric":%s,"value":[%s,"%s"]}' % (labels_json(result.labels[row]), time, single_number(value))
            for row, value in zip(rows.tolist(), values, strict=True)
        ]
    opening = b',"value":' if vector else b',"values":['
    heads = [b'{"metric":%s%s' % (labels_json(labels), opening) for labels in result.labels]
    head_ends = np.fromiter(accumulate(map(len, heads)), np.int64, len(heads))
    steps = len(result.times_ms)
    all_times, time_ends = np.empty(steps * decimals.LONGEST_TIME, np.uint8), np.empty(steps, np.int64)
    decimals.write_times(result.times_ms, all_times, time_ends)
    all_heads = np.frombuffer(b"".join(heads), np.uint8)
    tail = np.frombuffer(b"}" if vector else b"]}", np.uint8)
    values = np.ascontiguousarray(result.values)
    bits, powers = values.view(np.uint64), decimals.powers_of_ten()
    point_size = decimals.LONGEST_TIME + decimals.LONGEST_NUMBER + _FRAME
    per_chunk = max(1, _CHUNK_POINTS // steps)
    pieces: list[Buffer] = []
    for start in range(0, len(rows), per_chunk):
        chunk = rows[start : start + per_chunk]
        names = sum(len(heads[row]) for row in chunk)
        out = np.empty(names + len(chunk) * (steps * point_size + _FRAME), np.uint8)
        size = decimals.write_series(
            chunk, values, bits, present, all_heads, head_ends, all_times, time_ends, tail, powers, out
        )
        pieces.append(out[:size].data)
    return pieces


def _mixed_series(
    result: QueryResult,
    row: int,
    masks: tuple[Bools, Bools],
    times: Sequence[bytes],
    native: Callable[[Histogram, int], bytes],
    *,
    vector: bool,
) -> bytes:
    floats, points = masks
    histograms = [] if result.histograms is None else result.histograms[row]
    body = [b'{"metric":%s' % labels_json(result.labels[row])]
    numbers = [
        b'[%s,"%s"]' % (times[j], number(float(result.values[row, j]))) for j in map(int, np.flatnonzero(floats[row]))
    ]
    others = [
        b"[%s,%s]" % (times[j], native(histograms[j], int(result.times_ms[j])))
        for j in map(int, np.flatnonzero(points[row]))
    ]
    if vector:
        body.append(b',"histogram":%s' % others[0])
    else:
        if numbers:
            body.append(b',"values":[%s]' % b",".join(numbers))
        body.append(b',"histograms":[%s]' % b",".join(others))
    return b"".join([*body, b"}"])


def histogram_json(histogram: Histogram) -> bytes:
    """A native histogram as a JSON object; empty buckets are left out."""
    buckets = b",".join(_bucket(bucket) for bucket in histogram.buckets() if bucket.count)
    shown = b',"buckets":[%s]' % buckets if buckets else b""
    return b'{"count":"%s","sum":"%s"%s}' % (number(histogram.count), number(histogram.sum), shown)


def _bucket(bucket: Bucket) -> bytes:
    if bucket.lower < 0:
        rule = _CLOSED if bucket.upper > 0 else _OPEN_RIGHT
    else:
        rule = _OPEN_LEFT if bucket.upper > 0 else _OPEN
    return b'[%d,"%s","%s","%s"]' % (rule, number(bucket.lower), number(bucket.upper), number(bucket.count))
