# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR0917, PLR1714, PLR2004, SIM109
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,operator,return-value"
"""The points of an OTLP metrics request by the series that they belong to, and requests without some of their points.

The messages are as the protobuf runtime writes them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.ingest.protobuf_kernel import (
    BYTES,
    MOST_WIDENED,
    PADDED,
    VARINT,
    copy,
    field,
    fixed64,
    put_length,
)
from vedette.server.ingest.series_ids import mixed
from vedette.server.ingest.stream_hashes import fields_hash, metric_hash, resource_hash, scope_hash

__all__ = [
    "BEGIN",
    "END",
    "EXPONENTIAL",
    "GAUGE",
    "HISTOGRAM",
    "IS_NAMED",
    "KIND",
    "SUM",
    "SUMMARY",
    "TEMPORALITY",
    "Points",
    "points_of",
    "without_points",
]

BEGIN, END, KIND, TEMPORALITY, IS_NAMED = 0, 1, 2, 3, 4
"""What `points_of` tells of a point: where its message is, and of its metric the field that holds it, the temporality,
and whether it has a name."""
GAUGE, SUM, HISTOGRAM = 5, 7, 9
EXPONENTIAL, SUMMARY = 10, 11
_NO_VALUE = 1
_NAME_TAG = 0x0A


@part
def _is_data(number: int, kind: int) -> bool:
    """Whether a metric's field holds its points."""
    return kind == BYTES and (
        number == GAUGE or number == SUM or number == HISTOGRAM or number == EXPONENTIAL or number == SUMMARY
    )


@part
def _shape(data: Any, at: int, end: int, kind: int) -> Any:
    """A hash of what else makes a point's series: bounds, whether there is a sum, quantiles."""
    found = np.uint64(0)
    while at < end:
        number, wire, begin, at, value = field(data, at, end)
        if kind == HISTOGRAM and (number == 5 or (number == 10 and wire == VARINT and value & _NO_VALUE)):
            found |= np.uint64(1)
        elif kind == HISTOGRAM and number == 6:
            found |= np.uint64(2)
        elif kind == HISTOGRAM and number == 7:
            while begin < at:
                found = mixed(found, fixed64(data, begin))
                begin += 8
        elif kind == SUMMARY and number == 6:
            quantile = np.uint64(0)
            while begin < at:
                part, _, inner, begin, _ = field(data, begin, at)
                if part == 1:
                    quantile = fixed64(data, inner)
            found = mixed(found, quantile)
    return found


@part
def _temporality(data: Any, at: int, end: int) -> int:
    """What a metric's data say of their temporality, which stands behind the points; 0 if nothing."""
    found = np.int64(0)
    while at < end:
        number, wire, _, at, value = field(data, at, end)
        if number == 2 and wire == VARINT:
            found = value
    return found


@part
def _list_metric(
    data: Any, at: int, end: int, within: Any, place: Any, keys: Any, places: Any, where: Any, count: int
) -> int:
    """Add the points of a metric. Returns how many there are by now."""
    while at < end:
        kind, wire, inner, stop, _ = field(data, at, end)
        if _is_data(kind, wire):
            name = mixed(within, metric_hash(data, place[3], end, kind))
            attributes = 9 if kind == HISTOGRAM else 1 if kind == EXPONENTIAL else 7
            temporality = _temporality(data, inner, stop)
            number = 0
            while inner < stop:
                part, part_wire, begin, inner, _ = field(data, inner, stop)
                if part != 1 or part_wire != BYTES:
                    continue
                shape = _shape(data, begin, inner, kind) if kind == HISTOGRAM or kind == SUMMARY else np.uint64(0)
                key = mixed(mixed(name, fields_hash(data, begin, inner, attributes)), shape)
                keys[count] = key if key != 0 else np.uint64(1)
                for i in range(3):
                    places[count, i] = place[i]
                places[count, 3] = number
                where[count, BEGIN], where[count, END] = begin, inner
                where[count, KIND], where[count, TEMPORALITY] = kind, temporality
                where[count, IS_NAMED] = data[place[3]] == _NAME_TAG
                number += 1
                count += 1
        at = stop
    return count


@compiled
def _list_points(data: Any, keys: Any, places: Any, where: Any, targets: Any) -> int:
    """The points of a request in their order: a hash of what makes their series, and where they are.

    A place is the number of the resource, of the scope in it, of the metric in that, and of the point. `targets`
    receives a hash of each resource. Returns how many points there are, for all of which there must be room.
    """
    count = at = 0
    place = np.zeros(4, np.int64)
    place[0] = -1
    while at < len(data):
        number, wire, resource, at, _ = field(data, at, len(data))
        if number != 1 or wire != BYTES:
            continue
        place[0] += 1
        place[1] = -1
        target = mixed(np.uint64(1), resource_hash(data, resource, at))
        targets[place[0]] = target if target != 0 else np.uint64(1)
        while resource < at:
            number, wire, scope, resource, _ = field(data, resource, at)
            if number != 2 or wire != BYTES:
                continue
            place[1] += 1
            place[2] = -1
            within = mixed(target, scope_hash(data, scope, resource))
            while scope < resource:
                number, wire, metric, scope, _ = field(data, scope, resource)
                if number == 2 and wire == BYTES:
                    place[2] += 1
                    place[3] = metric
                    count = _list_metric(data, metric, scope, within, place, keys, places, where, count)
    return count


@part
def _copy_metric(data: Any, at: int, end: int, refused: Any, points: Any, out: Any, to: int) -> int:
    while at < end:
        begin = at
        kind, wire, inner, at, _ = field(data, at, end)
        if not _is_data(kind, wire):
            to = copy(out, to, data, begin, at)
            continue
        out[to] = kind << 3 | BYTES
        length = to + 1
        to += 1 + PADDED
        while inner < at:
            begin = inner
            part, part_wire, _, inner, _ = field(data, inner, at)
            if part == 1 and part_wire == BYTES:
                points[0] += 1
                if refused[points[0] - 1]:
                    continue
            to = copy(out, to, data, begin, inner)
        put_length(out, length, to - length - PADDED)
    return to


@compiled
def _without(data: Any, refused: Any, out: Any) -> int:
    """Copy a request without its refused points, which are in the order of `points_of`. Returns the copy's size."""
    at = to = 0
    points = np.zeros(1, np.int64)
    while at < len(data):
        begin = at
        number, wire, resource, at, _ = field(data, at, len(data))
        if number != 1 or wire != BYTES:
            to = copy(out, to, data, begin, at)
            continue
        out[to] = 0x0A
        resource_length = to + 1
        to += 1 + PADDED
        while resource < at:
            begin = resource
            number, wire, scope, resource, _ = field(data, resource, at)
            if number != 2 or wire != BYTES:
                to = copy(out, to, data, begin, resource)
                continue
            out[to] = 0x12
            scope_length = to + 1
            to += 1 + PADDED
            while scope < resource:
                begin = scope
                number, wire, metric, scope, _ = field(data, scope, resource)
                if number != 2 or wire != BYTES:
                    to = copy(out, to, data, begin, scope)
                    continue
                out[to] = 0x12
                length = to + 1
                to = _copy_metric(data, metric, scope, refused, points, out, length + PADDED)
                put_length(out, length, to - length - PADDED)
            put_length(out, scope_length, to - scope_length - PADDED)
        put_length(out, resource_length, to - resource_length - PADDED)
    return to


class Points(NamedTuple):
    """The points of a request in their order."""

    keys: Any
    """A hash of what makes a point's series."""
    places: Any
    """Four numbers each: of the resource, of the scope in it, of the metric in that, of the point in that."""
    where: Any
    """Five numbers each, at `BEGIN`, `END`, `KIND`, `TEMPORALITY` and `IS_NAMED`."""
    targets: Any
    """A hash of each resource."""


def points_of(data: Any, points: int) -> Points:
    """Find the points of a request, which has so many."""
    keys, places, where = np.empty(points, np.uint64), np.empty((points, 4), np.int64), np.empty((points, 5), np.int64)
    targets = np.empty(len(data) // 2 + 1, np.uint64)
    _list_points(data, keys, places, where, targets)
    return Points(keys, places, where, targets[: int(places[-1, 0]) + 1 if points else 0])


def without_points(data: Any, refused: Any) -> bytes:
    """A request without some of its points, told by a flag for each."""
    out = np.empty(MOST_WIDENED * len(data), np.uint8)
    return bytes(out[: int(_without(data, refused, out))].tobytes())
