# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FBT001, PLR0917
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Histograms of an exposition in protobuf, as native ones, as classic series or both; see `protobuf_series`."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import part
from vedette.server.ingest.protobuf_kernel import field, put_varint
from vedette.server.ingest.remote_write_points import check_histogram, put_fields
from vedette.server.scrape.custom_buckets import (
    LEAST_ROOM,
    ROOM_FOR_A_BUCKET,
    add_bucket,
    clear,
    put_histogram,
    set_count,
    set_sum,
)
from vedette.server.scrape.lines import VALUE, VALUE_END
from vedette.server.scrape.protobuf_rows import (
    NOWHERE,
    PINS,
    SERIES,
    WRITTEN,
    bucket_of,
    put_many,
    put_row,
    totals_of,
)
from vedette.server.scrape.protobuf_text import BYTES, MALFORMED, NO_BOUND, NO_ROOM, PLAIN, _is_native, _put_native

__all__ = ["put_histogram_series"]

_BUCKETS, _PINS = 3, 16
"""Fields of a histogram's message: its buckets, and exemplars that are not of a bucket."""


@part
def _holds(data: Any, at: int, end: int, wanted: int) -> bool:
    """Whether a histogram has messages in a field."""
    while at < end:
        number, kind, _, at, _ = field(data, at, end)
        if number < 0:
            return False
        if number == wanted and kind == BYTES:
            return True
    return False


@part
def _put_pins(data: Any, at: int, end: int, sheet: Any) -> int:
    """Note the exemplars of the last series, a histogram: its own, or those of its buckets. Returns 0 or a fault."""
    have_own = _holds(data, at, end, _PINS)
    slot = 0
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if kind != BYTES or number != (_PINS if have_own else _BUCKETS):
            continue
        pin = (begin, at)
        if not have_own:
            _, _, pin = bucket_of(data, begin, at)
            if pin[0] < 0:
                return MALFORMED
        slot += 1
        if pin[1] == pin[0]:
            continue
        place = sheet.state[PINS]
        if place == len(sheet.pins):
            return NO_ROOM
        sheet.pins[place, 0], sheet.pins[place, 1] = sheet.state[SERIES] - 1, slot
        sheet.pins[place, 2], sheet.pins[place, 3] = pin
        sheet.state[PINS] = place + 1
    return 0


@part
def _close(data: Any, at: int, end: int, to: int, sheet: Any) -> int:
    """Note the value of the last series, which ends at `to`, and its exemplars. Returns 0 or a fault."""
    line = sheet.lines[sheet.state[SERIES] - 1]
    line[VALUE], line[VALUE_END] = sheet.state[WRITTEN], to
    sheet.state[WRITTEN] = to
    return _put_pins(data, at, end, sheet)


@part
def _time_of(time: float, wanted: Any) -> int:
    return wanted.time_ms if np.isnan(time) or not wanted.honor_timestamps else np.int64(time)


@part
def _native(
    data: Any,
    name: Any,
    metric: Any,
    at: int,
    end: int,
    time: float,
    is_gauge: bool,
    wanted: Any,
    sheet: Any,
) -> int:
    """The series of a native histogram, whose message lies between `at` and `end`."""
    fault = put_row(data, name, metric, PLAIN, NO_BOUND, 0.0, 0.0, time, NOWHERE, sheet)
    if fault:
        return fault
    out, begin = sheet.out, sheet.state[WRITTEN]
    if begin + end - at + 16 > len(out):
        return NO_ROOM
    to = _put_native(out, begin, data, at, end)
    if to < 0:
        return MALFORMED
    if is_gauge:
        out[to], out[to + 1] = 0x70, 0x03
        to += 2
    out[to] = 0x78
    to = put_varint(out, to + 1, _time_of(time, wanted))
    if check_histogram(out, begin, to) != 0:
        return MALFORMED
    to = put_fields(out, begin, to, out, begin)
    return _close(data, at, end, to, sheet)


@part
def _converted(
    data: Any,
    name: Any,
    metric: Any,
    at: int,
    end: int,
    time: float,
    is_gauge: bool,
    wanted: Any,
    found: Any,
    sheet: Any,
) -> int:
    """The series of a classic histogram as a native one. A fault above 0 is one of `custom_buckets.FAULTS`."""
    fault, count, total = totals_of(data, at, end)
    if fault == 0:
        fault = put_row(data, name, metric, PLAIN, NO_BOUND, 0.0, 0.0, time, NOWHERE, sheet)
    if fault:
        return fault
    clear(found)
    set_count(found, count)
    set_sum(found, total)
    buckets = 0
    place = at
    while place < end:
        number, kind, begin, place, _ = field(data, place, end)
        if number != _BUCKETS or kind != BYTES:
            continue
        bound, value, exemplar = bucket_of(data, begin, place)
        if exemplar[0] < 0:
            return MALFORMED
        buckets += 1
        if buckets == len(found.bounds):
            return NO_ROOM
        add_bucket(found, bound, value)
    begin = sheet.state[WRITTEN]
    if begin + LEAST_ROOM + (buckets + 1) * ROOM_FOR_A_BUCKET > len(sheet.out):
        return NO_ROOM
    to = put_histogram(found, sheet.out, begin, _time_of(time, wanted), is_gauge)
    if to < 0:
        return -to
    return _close(data, at, end, to, sheet)


@part
def put_histogram_series(
    data: Any,
    name: Any,
    metric: Any,
    at: int,
    end: int,
    time: float,
    is_gauge: bool,
    wanted: Any,
    found: Any,
    sheet: Any,
) -> int:
    """The series of a histogram, whose message lies between `at` and `end`."""
    is_native = wanted.native and _is_native(data, at, end)
    fault = 0
    if is_native:
        fault = _native(data, name, metric, at, end, time, is_gauge, wanted, sheet)
    has_classic = not is_native or _holds(data, at, end, _BUCKETS)
    is_classic = wanted.classic and has_classic if is_native else wanted.classic or not wanted.convert
    if fault == 0 and is_classic:
        fault = put_many(data, name, metric, at, end, False, time, sheet)  # noqa: FBT003
    if fault == 0 and wanted.convert and not is_native:
        fault = _converted(data, name, metric, at, end, time, is_gauge, wanted, found, sheet)
    return fault
