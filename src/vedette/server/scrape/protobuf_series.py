# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR0917, PLR1714, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""The series of an exposition in protobuf, found by compiled code; see `protobuf`.

What is a stretch of `data`, such as a name or a metric's message, is a pair of where it begins and where it ends.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.ingest.protobuf_kernel import field, put_varint
from vedette.server.ingest.remote_write_kernel import check_histogram
from vedette.server.scrape.lines import (
    ENTRY,
    EXEMPLAR,
    EXEMPLAR_END,
    TEXT,
    TEXT_END,
    VALUE,
    VALUE_END,
    _find,
    _is_same,
)
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
    _is_native,
    _put,
    _put_native,
    _put_series,
)

__all__ = ["FAMILY", "NOTES", "SERIES", "WRITTEN", "Known", "Sheet", "Wanted", "families"]

WRITTEN, SERIES, NOTES, FAMILY = range(4)
"""Places in a sheet's state: how much text, how many series and comments there are, where the last family begins."""
_NOWHERE = (0, 0)
_MOST_WIDENED = 3
"""How many times longer labels may become as text: an empty one of two bytes takes six."""


class Wanted(NamedTuple):
    """How series are to be written; see `protobuf.read_families`."""

    native: bool
    classic: bool
    time_ms: int
    honor_timestamps: bool


class Known(NamedTuple):
    """What `lines.Texts` knows."""

    texts: Any
    places: Any
    slots: Any


class Sheet(NamedTuple):
    """Receives the series (`lines`, `values`, `times`), the comments (`notes`), their text (`out`) and the `state`."""

    lines: Any
    values: Any
    times: Any
    notes: Any
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
def _put_row(
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
def _value(data: Any, at: int, end: int) -> tuple[float, Any]:
    """The value of a gauge, counter or untyped metric, and where its exemplar is: at MALFORMED if it is none."""
    value = 0.0
    exemplar = _NOWHERE
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
def _bucket(data: Any, at: int, end: int) -> tuple[float, float, Any]:
    """The bound of a histogram's bucket, its count, and where its exemplar is: at MALFORMED if it is none."""
    bound = value = 0.0
    exemplar = _NOWHERE
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
        elif number == 4 and kind == FIXED64 and value == 0:
            value = _double(data, begin)
    return bound, value, exemplar


@part
def _quantile(data: Any, at: int, end: int) -> tuple[float, float, Any]:
    """A quantile of a summary and its value, as `_bucket` has them."""
    bound = value = 0.0
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return 0.0, 0.0, (MALFORMED, 0)
        if number == 1 and kind == FIXED64:
            bound = _double(data, begin)
        elif number == 2 and kind == FIXED64:
            value = _double(data, begin)
    return bound, value, _NOWHERE


@part
def _totals(data: Any, at: int, end: int) -> tuple[int, float, float]:
    """MALFORMED or 0, and count and sum of a summary or histogram."""
    count = total = 0.0
    while at < end:
        number, kind, begin, at, integer = field(data, at, end)
        if number < 0:
            return MALFORMED, 0.0, 0.0
        if number == 1 and kind == VARINT:
            count = float(np.uint64(integer))
        elif number == 2 and kind == FIXED64:
            total = _double(data, begin)
        elif number == 4 and kind == FIXED64 and count == 0:
            count = _double(data, begin)
    return 0, count, total


@part
def _many(data: Any, name: Any, metric: Any, at: int, end: int, is_summary: bool, time: float, sheet: Any) -> int:  # noqa: FBT001
    """The series of a summary or classic histogram, whose message lies between `at` and `end`."""
    fault, count, total = _totals(data, at, end)
    if fault:
        return fault
    has_last = is_summary
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number != 3 or kind != BYTES:
            continue
        bound, value, exemplar = _quantile(data, begin, at) if is_summary else _bucket(data, begin, at)
        if exemplar[0] < 0:
            return MALFORMED
        has_last = has_last or bound == np.inf
        suffix, bound_kind = (PLAIN, QUANTILE) if is_summary else (BUCKET, LE)
        fault = _put_row(data, name, metric, suffix, bound_kind, bound, value, time, exemplar, sheet)
        if fault:
            return fault
    for suffix in range(1, 3 if has_last else 4):
        bound_kind = LE if suffix == BUCKET else NO_BOUND
        value = total if suffix == SUM else count
        fault = _put_row(data, name, metric, suffix, bound_kind, np.inf, value, time, _NOWHERE, sheet)
        if fault:
            return fault
    return 0


@part
def _native(data: Any, name: Any, metric: Any, at: int, end: int, time: float, wanted: Any, sheet: Any) -> int:
    """The series of a native histogram, whose message lies between `at` and `end`."""
    fault = _put_row(data, name, metric, PLAIN, NO_BOUND, 0.0, 0.0, time, _NOWHERE, sheet)
    if fault:
        return fault
    out, begin = sheet.out, sheet.state[WRITTEN]
    if begin + end - at + 16 > len(out):
        return NO_ROOM
    to = _put_native(out, begin, data, at, end)
    if to < 0:
        return MALFORMED
    out[to] = 0x78
    to = put_varint(out, to + 1, wanted.time_ms if np.isnan(time) or not wanted.honor_timestamps else np.int64(time))
    if check_histogram(out, begin, to) != 0:
        return MALFORMED
    line = sheet.lines[sheet.state[SERIES] - 1]
    line[VALUE], line[VALUE_END] = begin, to
    sheet.state[WRITTEN] = to
    return 0


@part
def _time(data: Any, at: int, end: int) -> tuple[int, float]:
    """MALFORMED or 0, and the time that a metric gives itself in milliseconds; NaN if it gives none."""
    time = np.nan
    while at < end:
        number, kind, _, at, integer = field(data, at, end)
        if number < 0:
            return MALFORMED, time
        if number == 6 and kind == VARINT and integer:
            time = float(integer)
    return 0, time


@part
def _metric(data: Any, name: Any, metric: Any, wanted: Any, sheet: Any) -> int:
    """The series of one metric."""
    at, end = metric
    fault, time = _time(data, at, end)
    while at < end and fault == 0:
        number, kind, begin, at, _ = field(data, at, end)
        if kind != BYTES:
            continue
        if number == 2 or number == 3 or number == 5:
            value, exemplar = _value(data, begin, at)
            if exemplar[0] < 0:
                return MALFORMED
            fault = _put_row(data, name, metric, PLAIN, NO_BOUND, 0.0, value, time, exemplar, sheet)
        elif number == 4:
            fault = _many(data, name, metric, begin, at, True, time, sheet)  # noqa: FBT003
        elif number == 7:
            is_native = wanted.native and _is_native(data, begin, at)
            if is_native:
                fault = _native(data, name, metric, begin, at, time, wanted, sheet)
            if fault == 0 and (not is_native or wanted.classic):
                fault = _many(data, name, metric, begin, at, False, time, sheet)  # noqa: FBT003
    return fault


@part
def _note(data: Any, word: bytes, name: Any, text: Any, content: Any, known: Any, sheet: Any) -> int:
    """A comment as the text format has it, looked up. What it says is the stretch `content` of `text`."""
    out, begin, count = sheet.out, sheet.state[WRITTEN], sheet.state[NOTES]
    if begin + 2 * (content[1] - content[0]) + name[1] - name[0] + 16 > len(out) or count == len(sheet.notes):
        return NO_ROOM
    to = begin
    for byte in word:
        out[to] = byte
        to += 1
    to = _put(out, to, data, name[0], name[1])
    out[to] = 32
    to += 1
    for i in range(content[0], content[1]):
        byte = text[i]
        if byte == 10 or byte == 92:
            out[to] = 92
            to += 1
            byte = 110 if byte == 10 else byte
        out[to] = byte
        to += 1
    note = sheet.notes[count]
    note[0], note[1], note[2] = _find(out, begin, to, known.texts, known.places, known.slots), begin, to
    sheet.state[WRITTEN] = to
    sheet.state[NOTES] += 1
    return 0


@part
def _notes(data: Any, name: Any, at: int, end: int, words: Any, known: Any, sheet: Any) -> int:
    """The comments of a family: its type, its help and its unit."""
    help_ = unit = _NOWHERE
    type_ = 0
    while at < end:
        number, kind, begin, at, integer = field(data, at, end)
        if number == 2 and kind == BYTES:
            help_ = (begin, at)
        elif number == 3 and kind == VARINT:
            type_ = integer
        elif number == 5 and kind == BYTES:
            unit = (begin, at)
    if not 0 <= type_ < len(words):
        return MALFORMED
    word = words[type_]
    size = 0
    while size < len(word) and word[size]:
        size += 1
    fault = _note(data, b"# TYPE ", name, word, (0, size), known, sheet)
    if fault == 0 and help_[1] > help_[0]:
        fault = _note(data, b"# HELP ", name, data, help_, known, sheet)
    if fault == 0 and unit[1] > unit[0]:
        fault = _note(data, b"# UNIT ", name, data, unit, known, sheet)
    return fault


@part
def _family(data: Any, first: int, end: int, words: Any, wanted: Any, known: Any, sheet: Any) -> int:
    """The comments and series of a family, whose message lies between `first` and `end`."""
    name = (first, first)
    at = first
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number == 1 and kind == BYTES:
            name = (begin, at)
    fault = _notes(data, name, first, end, words, known, sheet)
    at = first
    while at < end and fault == 0:
        number, kind, begin, at, _ = field(data, at, end)
        if number == 4 and kind == BYTES:
            fault = _metric(data, name, (begin, at), wanted, sheet)
    return fault


@part
def _length(data: Any, at: int) -> tuple[int, int]:
    """How long the family at `at` says that it is, MALFORMED if it does not say, and where its message begins."""
    length = shift = 0
    while at < len(data) and shift <= 28:
        byte = data[at]
        at += 1
        length |= np.int64(byte & 0x7F) << shift
        if byte < 0x80:
            return length, at
        shift += 7
    return MALFORMED, at


@compiled
def families(data: Any, words: Any, wanted: Any, known: Any, sheet: Any) -> int:
    """Write all series and comments. Returns 0, MALFORMED or NO_ROOM: then the state tells which family it is.

    Args:
        data: The exposition.
        words: The names of the types, padded with zeros.
        wanted: `Wanted`.
        known: `Known`.
        sheet: `Sheet`.
    """
    at = 0
    sheet.state[:] = 0
    while at < len(data):
        sheet.state[FAMILY] = at
        length, at = _length(data, at)
        if length < 0 or at + length > len(data):
            return MALFORMED
        fault = _family(data, at, at + length, words, wanted, known, sheet)
        if fault:
            return fault
        at += length
    # Series mostly come in the order of the last time.
    texts, places = known.texts, known.places
    expected = 0
    for i in range(sheet.state[SERIES]):
        line = sheet.lines[i]
        begin, end = line[TEXT], line[TEXT_END]
        if expected < len(places) - 1 and _is_same(
            sheet.out, begin, end, texts, places[expected], places[expected + 1]
        ):
            line[ENTRY] = expected
        else:
            line[ENTRY] = _find(sheet.out, begin, end, texts, places, known.slots)
        if line[ENTRY] >= 0:
            expected = line[ENTRY] + 1
    return 0
