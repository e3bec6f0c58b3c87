# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, C901, FBT001, FBT003, PLR0911, PLR0912, PLR0915, PLR0917, PLR1714, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""The series of an exposition in protobuf, found by compiled code; see `protobuf`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from vedette.server.compiled import compiled
from vedette.server.ingest.protobuf_kernel import field, put_varint
from vedette.server.ingest.remote_write_kernel import check_histogram
from vedette.server.scrape.lines import _find, _is_same
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

__all__ = ["families"]

_part = partial(compiled, no_cpython_wrapper=True)


@_part
def _row(
    state: Any, lines: Any, values: Any, times: Any, value: float, time: float, exemplar: int, exemplar_end: int
) -> int:
    """Note the series whose text lies between `state[0]` and `state[1]` of the buffer. Returns 0 or NO_ROOM."""
    if state[2] == len(lines):
        return NO_ROOM
    line = lines[state[2]]
    line[:] = 0
    line[0], line[1], line[2] = -1, state[0], state[1]
    line[7], line[8] = exemplar, exemplar_end
    values[state[2]], times[state[2]] = value, time
    state[2] += 1
    return 0


@_part
def _value(data: Any, at: int, end: int) -> tuple[float, int, int]:
    """The value of a gauge, counter or untyped metric, and where its exemplar is."""
    value = 0.0
    exemplar = exemplar_end = 0
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return 0.0, MALFORMED, 0
        if number == 1 and kind == FIXED64:
            value = _double(data, begin)
        elif number == 2 and kind == BYTES:
            exemplar, exemplar_end = begin, at
    return value, exemplar, exemplar_end


@_part
def _many(
    data: Any,
    name: int,
    name_end: int,
    at: int,
    end: int,
    first: int,
    last: int,
    is_summary: bool,
    time: float,
    lines: Any,
    values: Any,
    times: Any,
    out: Any,
    state: Any,
) -> int:
    """The series of a summary or classic histogram, whose message lies between `first` and `last`."""
    count = total = 0.0
    whole = False
    reserve = 2 * (end - at + name_end - name) + 128
    place = first
    while place < last:
        number, kind, begin, place, integer = field(data, place, last)
        if number < 0:
            return MALFORMED
        if number == 1 and kind == VARINT:
            count = float(np.uint64(integer))
        elif number == 2 and kind == FIXED64:
            total = _double(data, begin)
        elif number == 4 and kind == FIXED64 and count == 0:
            count = _double(data, begin)
        elif number == 3 and kind == BYTES:
            bound = value = 0.0
            exemplar = exemplar_end = 0
            inner = begin
            while inner < place:
                part, part_kind, part_begin, inner, part_integer = field(data, inner, place)
                if part < 0:
                    return MALFORMED
                if is_summary and part == 1 and part_kind == FIXED64:
                    bound = _double(data, part_begin)
                elif is_summary and part == 2 and part_kind == FIXED64:
                    value = _double(data, part_begin)
                elif not is_summary and part == 1 and part_kind == VARINT:
                    value = float(np.uint64(part_integer))
                elif not is_summary and part == 2 and part_kind == FIXED64:
                    bound = _double(data, part_begin)
                elif part == 4 and part_kind == FIXED64 and value == 0:
                    value = _double(data, part_begin)
                elif not is_summary and part == 3 and part_kind == BYTES:
                    exemplar, exemplar_end = part_begin, inner
            whole = whole or bound == np.inf
            if state[1] + reserve > len(out):
                return NO_ROOM
            state[0] = state[1]
            suffix, kind_of_bound = (PLAIN, QUANTILE) if is_summary else (BUCKET, LE)
            state[1] = _put_series(out, state[1], data, name, name_end, suffix, at, end, kind_of_bound, bound)
            fault = (
                MALFORMED if state[1] < 0 else _row(state, lines, values, times, value, time, exemplar, exemplar_end)
            )
            if fault:
                return fault
    for suffix in range(1, 4 if not (whole or is_summary) else 3):
        if state[1] + reserve > len(out):
            return NO_ROOM
        state[0] = state[1]
        bound_kind = LE if suffix == BUCKET else NO_BOUND
        state[1] = _put_series(out, state[1], data, name, name_end, suffix, at, end, bound_kind, np.inf)
        value = total if suffix == SUM else count
        fault = MALFORMED if state[1] < 0 else _row(state, lines, values, times, value, time, 0, 0)
        if fault:
            return fault
    return 0


@_part
def _metric(
    data: Any,
    name: int,
    name_end: int,
    at: int,
    end: int,
    native: bool,
    classic: bool,
    time_ms: int,
    honor: bool,
    lines: Any,
    values: Any,
    times: Any,
    out: Any,
    state: Any,
) -> int:
    """The series of one metric."""
    time = np.nan
    place = at
    while place < end:
        number, kind, begin, place, integer = field(data, place, end)
        if number < 0:
            return MALFORMED
        if number == 6 and kind == VARINT and integer:
            time = float(integer)
    place = at
    while place < end:
        number, kind, begin, place, _ = field(data, place, end)
        if kind != BYTES or not (number == 2 or number == 3 or number == 4 or number == 5 or number == 7):
            continue
        if number == 4:
            fault = _many(data, name, name_end, at, end, begin, place, True, time, lines, values, times, out, state)
            if fault:
                return fault
            continue
        if state[1] + 2 * (end - at + name_end - name) + 128 > len(out):
            return NO_ROOM
        if number != 7:
            value, exemplar, exemplar_end = _value(data, begin, place)
            if exemplar < 0:
                return MALFORMED
            state[0] = state[1]
            state[1] = _put_series(out, state[1], data, name, name_end, PLAIN, at, end, NO_BOUND, 0.0)
            fault = (
                MALFORMED if state[1] < 0 else _row(state, lines, values, times, value, time, exemplar, exemplar_end)
            )
            if fault:
                return fault
            continue
        is_native = native and _is_native(data, begin, place)
        if is_native:
            state[0] = state[1]
            state[1] = _put_series(out, state[1], data, name, name_end, PLAIN, at, end, NO_BOUND, 0.0)
            if state[1] < 0:
                return MALFORMED
            written = _put_native(out, state[1], data, begin, place)
            if written < 0:
                return MALFORMED
            out[written] = 0x78
            stamp = time_ms if np.isnan(time) or not honor else np.int64(time)
            written = put_varint(out, written + 1, stamp)
            if check_histogram(out, state[1], written) != 0:
                return MALFORMED
            fault = _row(state, lines, values, times, 0.0, time, 0, 0)
            if fault:
                return fault
            lines[state[2] - 1, 3], lines[state[2] - 1, 4] = state[1], written
            state[1] = written
        if not is_native or classic:
            fault = _many(data, name, name_end, at, end, begin, place, False, time, lines, values, times, out, state)
            if fault:
                return fault
    return 0


@_part
def _note(
    data: Any,
    word: bytes,
    name: int,
    name_end: int,
    at: int,
    end: int,
    texts: Any,
    places: Any,
    slots: Any,
    notes: Any,
    out: Any,
    state: Any,
) -> int:
    """A comment as the text format has it, looked up."""
    if state[1] + 2 * (end - at) + name_end - name + 16 > len(out) or state[3] == len(notes):
        return NO_ROOM
    begin = to = state[1]
    for byte in word:
        out[to] = byte
        to += 1
    to = _put(out, to, data, name, name_end)
    out[to] = 32
    to += 1
    for i in range(at, end):
        byte = data[i]
        if byte == 10 or byte == 92:
            out[to] = 92
            to += 1
            byte = 110 if byte == 10 else byte
        out[to] = byte
        to += 1
    note = notes[state[3]]
    note[0], note[1], note[2] = _find(out, begin, to, texts, places, slots), begin, to
    state[1] = to
    state[3] += 1
    return 0


@compiled
def families(
    data: Any,
    words: Any,
    native: bool,
    classic: bool,
    time_ms: int,
    honor: bool,
    texts: Any,
    places: Any,
    slots: Any,
    lines: Any,
    values: Any,
    times: Any,
    notes: Any,
    out: Any,
    state: Any,
) -> int:
    """Write all series and comments. Returns 0, MALFORMED or NO_ROOM; a family at fault begins at `state[4]`."""
    at = 0
    size = len(data)
    state[:] = 0
    while at < size:
        state[4] = at
        # A family is framed as a field of bytes is, without its tag.
        length = shift = 0
        while True:
            if at == size or shift > 28:
                return MALFORMED
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        end = at + length
        if end > size:
            return MALFORMED
        name = name_end = help_ = help_end = unit = unit_end = at
        type_ = 0
        place = at
        while place < end:
            number, kind, begin, place, integer = field(data, place, end)
            if number < 0:
                return MALFORMED
            if number == 1 and kind == BYTES:
                name, name_end = begin, place
            elif number == 2 and kind == BYTES:
                help_, help_end = begin, place
            elif number == 3 and kind == VARINT:
                type_ = integer
            elif number == 5 and kind == BYTES:
                unit, unit_end = begin, place
        if not 0 <= type_ <= 5:
            return MALFORMED
        word = words[type_]
        word_end = 0
        while word_end < len(word) and word[word_end]:
            word_end += 1
        fault = _note_type(data, name, name_end, word, word_end, texts, places, slots, notes, out, state)
        if fault == 0 and help_end > help_:
            fault = _note(data, b"# HELP ", name, name_end, help_, help_end, texts, places, slots, notes, out, state)
        if fault == 0 and unit_end > unit:
            fault = _note(data, b"# UNIT ", name, name_end, unit, unit_end, texts, places, slots, notes, out, state)
        place = at
        while place < end and fault == 0:
            number, kind, begin, place, _ = field(data, place, end)
            if number == 4 and kind == BYTES:
                fault = _metric(
                    data,
                    name,
                    name_end,
                    begin,
                    place,
                    native,
                    classic,
                    time_ms,
                    honor,
                    lines,
                    values,
                    times,
                    out,
                    state,
                )
        if fault:
            return fault
        at = end
    expected = 0
    for i in range(state[2]):
        begin, end = lines[i, 1], lines[i, 2]
        if expected < len(places) - 1 and _is_same(out, begin, end, texts, places[expected], places[expected + 1]):
            lines[i, 0] = expected
        else:
            lines[i, 0] = _find(out, begin, end, texts, places, slots)
        if lines[i, 0] >= 0:
            expected = lines[i, 0] + 1
    return 0


@_part
def _note_type(
    data: Any,
    name: int,
    name_end: int,
    word: Any,
    word_end: int,
    texts: Any,
    places: Any,
    slots: Any,
    notes: Any,
    out: Any,
    state: Any,
) -> int:
    """The comment that says of which type a family is."""
    if state[1] + name_end - name + 64 > len(out) or state[3] == len(notes):
        return NO_ROOM
    begin = to = state[1]
    for byte in b"# TYPE ":
        out[to] = byte
        to += 1
    to = _put(out, to, data, name, name_end)
    out[to] = 32
    to = _put(out, to + 1, word, 0, word_end)
    note = notes[state[3]]
    note[0], note[1], note[2] = _find(out, begin, to, texts, places, slots), begin, to
    state[1] = to
    state[3] += 1
    return 0
