# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FBT001, PLR0917, PLR1714, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""The series of an exposition in protobuf, found by compiled code; see `protobuf`.

What is a stretch of `data`, such as a name or a metric's message, is a pair of where it begins and where it ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.ingest.protobuf_kernel import field
from vedette.server.scrape.lines import ENTRY, TEXT, TEXT_END, _find, _is_same
from vedette.server.scrape.protobuf_histograms import put_histogram_series
from vedette.server.scrape.protobuf_rows import FAMILY, NOTES, NOWHERE, SERIES, WRITTEN, put_many, put_row, value_of
from vedette.server.scrape.protobuf_text import BYTES, MALFORMED, NO_BOUND, NO_ROOM, PLAIN, VARINT, _put

__all__ = ["families"]

_GAUGE_HISTOGRAM = 5


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
def _metric(data: Any, name: Any, metric: Any, is_gauge: bool, wanted: Any, found: Any, sheet: Any) -> int:
    """The series of one metric."""
    at, end = metric
    fault, time = _time(data, at, end)
    while at < end and fault == 0:
        number, kind, begin, at, _ = field(data, at, end)
        if kind != BYTES:
            continue
        if number == 2 or number == 3 or number == 5:
            value, exemplar = value_of(data, begin, at)
            if exemplar[0] < 0:
                return MALFORMED
            fault = put_row(data, name, metric, PLAIN, NO_BOUND, 0.0, value, time, exemplar, sheet)
        elif number == 4:
            fault = put_many(data, name, metric, begin, at, True, time, sheet)  # noqa: FBT003
        elif number == 7:
            fault = put_histogram_series(data, name, metric, begin, at, time, is_gauge, wanted, found, sheet)
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
    help_ = unit = NOWHERE
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
def _family(data: Any, first: int, end: int, words: Any, wanted: Any, known: Any, found: Any, sheet: Any) -> int:
    """The comments and series of a family, whose message lies between `first` and `end`."""
    name = (first, first)
    is_gauge = False
    at = first
    while at < end:
        number, kind, begin, at, type_ = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number == 1 and kind == BYTES:
            name = (begin, at)
        elif number == 3 and kind == VARINT:
            is_gauge = type_ == _GAUGE_HISTOGRAM
    fault = _notes(data, name, first, end, words, known, sheet)
    at = first
    while at < end and fault == 0:
        number, kind, begin, at, _ = field(data, at, end)
        if number == 4 and kind == BYTES:
            fault = _metric(data, name, (begin, at), is_gauge, wanted, found, sheet)
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
def families(data: Any, words: Any, wanted: Any, known: Any, found: Any, sheet: Any) -> int:
    """Write all series and comments. Returns 0 or a fault: MALFORMED, NO_ROOM or one of `custom_buckets.FAULTS`.

    The state then tells which family it is.

    Args:
        data: The exposition.
        words: The names of the types, padded with zeros.
        wanted: `Wanted`.
        known: `Known`.
        found: `custom_buckets.Gathered`.
        sheet: `Sheet`.
    """
    at = 0
    sheet.state[:] = 0
    while at < len(data):
        sheet.state[FAMILY] = at
        length, at = _length(data, at)
        if length < 0 or at + length > len(data):
            return MALFORMED
        fault = _family(data, at, at + length, words, wanted, known, found, sheet)
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
