# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR0917, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Series of metrics in protobuf, one by one; see `protobuf_series`.

What is a stretch of `data`, such as a name or a metric's message, is a pair of where it begins and where it ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vedette.server.compiled import part
from vedette.server.ingest.protobuf_kernel import field
from vedette.server.scrape.lines import ENTRY, EXEMPLAR, EXEMPLAR_END, TEXT, TEXT_END
from vedette.server.scrape.protobuf_text import (
    BUCKET,
    BYTES,
    FIXED64,
    LE,
    MALFORMED,
    NO_BOUND,
    NO_ROOM,
    PLAIN,
    QUANTILE,
    SUM,
    VARINT,
    _double,
    _put_series,
)

__all__ = [
    "FAMILY",
    "NOTES",
    "NOWHERE",
    "PINS",
    "SERIES",
    "WRITTEN",
    "Known",
    "Sheet",
    "Wanted",
    "bucket_of",
    "put_many",
    "put_row",
    "totals_of",
    "value_of",
]

WRITTEN, SERIES, NOTES, FAMILY, PINS = range(5)
"""Places in a sheet's state: how much text, how many series and comments there are, where the last family begins, and
how many exemplars native histograms have."""
NOWHERE = (0, 0)
_MOST_WIDENED = 3
"""How many times longer labels may become as text: an empty one of two bytes takes six."""


class Wanted(NamedTuple):
    """How series are to be written; see `protobuf.read_families`."""

    native: bool
    classic: bool
    convert: bool
    time_ms: int
    honor_timestamps: bool


class Known(NamedTuple):
    """What `lines.Texts` knows."""

    texts: Any
    places: Any
    slots: Any


class Sheet(NamedTuple):
    """Receives the series (`lines`, `values`, `times`), comments (`notes`), their text (`out`) and the `state`.

    `pins` are the exemplars of native histograms; see `lines.Lines`.
    """

    lines: Any
    values: Any
    times: Any
    notes: Any
    pins: Any
    out: Any
    state: Any


@part
def _row(sheet: Any, begin: int, value: float, time: float, exemplar: Any) -> int:
    """Note the series whose text begins at `begin` and is the last of the buffer. Returns 0 or NO_ROOM."""
    count = sheet.state[SERIES]
    if count == len(sheet.lines):
        return NO_ROOM
    line = sheet.lines[count]
    line[:] = 0
    line[ENTRY], line[TEXT], line[TEXT_END] = -1, begin, sheet.state[WRITTEN]
    line[EXEMPLAR], line[EXEMPLAR_END] = exemplar
    sheet.values[count], sheet.times[count] = value, time
    sheet.state[SERIES] += 1
    return 0


@part
def put_row(
    data: Any,
    name: Any,
    metric: Any,
    suffix: int,
    bound_kind: int,
    bound: float,
    value: float,
    time: float,
    exemplar: Any,
    sheet: Any,
) -> int:
    """Write a series of a metric and note it. Returns 0, MALFORMED or NO_ROOM."""
    begin = sheet.state[WRITTEN]
    if begin + _MOST_WIDENED * (metric[1] - metric[0] + name[1] - name[0]) + 128 > len(sheet.out):
        return NO_ROOM
    end = _put_series(sheet.out, begin, data, name[0], name[1], suffix, metric[0], metric[1], bound_kind, bound)
    if end < 0:
        return MALFORMED
    sheet.state[WRITTEN] = end
    return _row(sheet, begin, value, time, exemplar)


@part
def value_of(data: Any, at: int, end: int) -> tuple[float, Any]:
    """The value of a gauge, counter or untyped metric, and where its exemplar is: at MALFORMED if it is none."""
    value = 0.0
    exemplar = NOWHERE
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return 0.0, (MALFORMED, 0)
        if number == 1 and kind == FIXED64:
            value = _double(data, begin)
        elif number == 2 and kind == BYTES:
            exemplar = (begin, at)
    return value, exemplar


@part
def bucket_of(data: Any, at: int, end: int) -> tuple[float, float, Any]:
    """The bound of a histogram's bucket, its count, and where its exemplar is: at MALFORMED if it is none."""
    bound = value = exact = 0.0
    exemplar = NOWHERE
    while at < end:
        number, kind, begin, at, integer = field(data, at, end)
        if number < 0:
            return 0.0, 0.0, (MALFORMED, 0)
        if number == 1 and kind == VARINT:
            value = float(np.uint64(integer))
        elif number == 2 and kind == FIXED64:
            bound = _double(data, begin)
        elif number == 3 and kind == BYTES:
            exemplar = (begin, at)
        elif number == 4 and kind == FIXED64:
            exact = _double(data, begin)
    return bound, exact or value, exemplar


@part
def _quantile(data: Any, at: int, end: int) -> tuple[float, float, Any]:
    """A quantile of a summary and its value, as `bucket_of` has them."""
    bound = value = 0.0
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return 0.0, 0.0, (MALFORMED, 0)
        if number == 1 and kind == FIXED64:
            bound = _double(data, begin)
        elif number == 2 and kind == FIXED64:
            value = _double(data, begin)
    return bound, value, NOWHERE


@part
def totals_of(data: Any, at: int, end: int) -> tuple[int, float, float]:
    """MALFORMED or 0, and count and sum of a summary or histogram."""
    count = total = exact = 0.0
    while at < end:
        number, kind, begin, at, integer = field(data, at, end)
        if number < 0:
            return MALFORMED, 0.0, 0.0
        if number == 1 and kind == VARINT:
            count = float(np.uint64(integer))
        elif number == 2 and kind == FIXED64:
            total = _double(data, begin)
        elif number == 4 and kind == FIXED64:
            exact = _double(data, begin)
    return 0, exact or count, total


@part
def put_many(data: Any, name: Any, metric: Any, at: int, end: int, is_summary: bool, time: float, sheet: Any) -> int:  # noqa: FBT001
    """The series of a summary or classic histogram, whose message lies between `at` and `end`."""
    fault, count, total = totals_of(data, at, end)
    if fault:
        return fault
    has_last = is_summary
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number != 3 or kind != BYTES:
            continue
        bound, value, exemplar = _quantile(data, begin, at) if is_summary else bucket_of(data, begin, at)
        if exemplar[0] < 0:
            return MALFORMED
        has_last = has_last or bound == np.inf
        suffix, bound_kind = (PLAIN, QUANTILE) if is_summary else (BUCKET, LE)
        fault = put_row(data, name, metric, suffix, bound_kind, bound, value, time, exemplar, sheet)
        if fault:
            return fault
    for suffix in range(1, 3 if has_last else 4):
        bound_kind = LE if suffix == BUCKET else NO_BOUND
        value = total if suffix == SUM else count
        fault = put_row(data, name, metric, suffix, bound_kind, np.inf, value, time, NOWHERE, sheet)
        if fault:
            return fault
    return 0
