# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, C901, FBT001, FBT003, PLR0911, PLR0912, PLR0915, PLR0917, PLR1714, PLR2004, RUF059
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Expositions in protobuf: io.prometheus.client.MetricFamily, each with its length before it.

https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto. Compiled code writes the text
of each series into a buffer and looks it up there, so that it is remembered as a line of the text formats is. A bound
stands in that text as the 16 hexadecimal digits of its bits. A native histogram is written as remote write has it.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import Any

import numpy as np

from vedette.errors import InvalidInput
from vedette.server.compiled import compiled
from vedette.server.ingest.remote_write_kernel import _check_histogram, _field, _put_varint
from vedette.server.scrape.encoding import exemplar_of, field_of_bytes
from vedette.server.scrape.lines import Lines, Texts, _find, _is_same

__all__ = ["BOUND_MARK", "protobuf_exemplar", "read_bound", "read_families"]

BOUND_MARK = "\x00"
"""What the text of a bound begins with."""

_COUNTER, _GAUGE, _SUMMARY, _HISTOGRAM, _GAUGE_HISTOGRAM = 0, 1, 2, 4, 5
_BYTES, _FIXED64, _VARINT = 2, 1, 0
_MALFORMED, _NO_ROOM = -1, -2
_TYPE_WORDS = (b"counter", b"gauge", b"summary", b"untyped", b"histogram", b"gaugehistogram")
_WORDS = np.frombuffer(b"".join(word.ljust(16, b"\0") for word in _TYPE_WORDS), np.uint8).reshape(6, 16).copy()
_SUFFIXES = (
    np.frombuffer(b"".join(word.ljust(8, b"\0") for word in (b"", b"_count", b"_sum", b"_bucket")), np.uint8)
    .reshape(4, 8)
    .copy()
)
_PLAIN, _COUNT, _SUM, _BUCKET = range(4)
_NO_BOUND, _LE, _QUANTILE = 0, 1, 2
# From a field of client_model's Histogram to the same one of remote write's; the others are not of native histograms.
_FIELDS = np.zeros(17, np.int64)
_FIELDS[[1, 2, *range(4, 15)]] = [1, 3, 2, *range(4, 14)]
_WHOLE_ROOM = 4096

_part = partial(compiled, no_cpython_wrapper=True)


@_part
def _double(data: Any, at: int) -> float:
    return data[at : at + 8].copy().view(np.float64)[0]


@_part
def _put(out: Any, to: int, data: Any, at: int, end: int) -> int:
    for i in range(at, end):
        out[to] = data[i]
        to += 1
    return to


@_part
def _put_quoted(out: Any, to: int, data: Any, at: int, end: int) -> int:
    """A text in quotes, as the text format escapes it."""
    out[to] = 34
    to += 1
    for i in range(at, end):
        byte = data[i]
        if byte == 34 or byte == 92 or byte == 10:
            out[to] = 92
            to += 1
            byte = 110 if byte == 10 else byte
        out[to] = byte
        to += 1
    out[to] = 34
    return to + 1


@_part
def _put_word(out: Any, to: int, word: Any) -> int:
    for byte in word:
        if byte == 0:
            break
        out[to] = byte
        to += 1
    return to


@_part
def _put_labels(out: Any, to: int, data: Any, at: int, end: int) -> int:
    """The labels of a metric or exemplar, each behind a comma. Returns where the text ends, or MALFORMED."""
    while at < end:
        number, kind, begin, at, _ = _field(data, at, end)
        if number < 0:
            return _MALFORMED
        if number != 1 or kind != _BYTES:
            continue
        name = name_end = value = value_end = begin
        inner = begin
        while inner < at:
            part, part_kind, part_begin, inner, _ = _field(data, inner, at)
            if part < 0:
                return _MALFORMED
            if part == 1 and part_kind == _BYTES:
                name, name_end = part_begin, inner
            elif part == 2 and part_kind == _BYTES:
                value, value_end = part_begin, inner
        out[to] = 44
        to = _put_quoted(out, to + 1, data, name, name_end)
        out[to] = 61
        to = _put_quoted(out, to + 1, data, value, value_end)
    return to


@_part
def _put_series(
    out: Any, to: int, data: Any, name: int, name_end: int, suffix: int, at: int, end: int, bound: int, value: float
) -> int:
    """The text of a series: ``{"name_bucket","label"="value","le"="…"}``."""
    out[to] = 123
    to = _put_quoted(out, to + 1, data, name, name_end)
    to = _put_word(out, to - 1, _SUFFIXES[suffix])
    out[to] = 34
    to = _put_labels(out, to + 1, data, at, end)
    if to < 0:
        return to
    if bound:
        out[to], out[to + 1] = 44, 34
        to += 2
        if bound == _LE:
            out[to], out[to + 1] = 108, 101
            to += 2
        else:
            for i in range(8):
                out[to + i] = b"quantile"[i]
            to += 8
        out[to], out[to + 1], out[to + 2], out[to + 3] = 34, 61, 34, 0
        to += 4
        bits = np.array([value]).view(np.uint64)[0]
        for i in range(16):
            digit = (bits >> np.uint64(60 - 4 * i)) & np.uint64(15)
            out[to + i] = digit + 48 if digit < 10 else digit + 87
        to += 16
        out[to] = 34
        to += 1
    out[to] = 125
    return to + 1


@_part
def _is_native(data: Any, at: int, end: int) -> bool:
    """Whether a histogram has buckets of its own schema, or could have."""
    while at < end:
        number, kind, begin, at, value = _field(data, at, end)
        if number < 0:
            return False
        if number == 9 or number == 12:
            return True
        if number == 6 and kind == _FIXED64 and _double(data, begin) > 0:
            return True
        if number == 7 and value > 0:
            return True
    return False


@_part
def _put_native(out: Any, to: int, data: Any, at: int, end: int) -> int:
    """A histogram with the field numbers of remote write, its time left out."""
    while at < end:
        tag = at
        number, kind, begin, at, _ = _field(data, at, end)
        if number < 0:
            return _MALFORMED
        if number > 14 or _FIELDS[number] == 0:
            continue
        # Numbers are below 16 on both sides, so a tag is one byte, unless somebody writes it in an unusual way.
        if data[tag] >= 0x80:
            return _MALFORMED
        out[to] = (_FIELDS[number] << 3) | kind
        to = _put(out, to + 1, data, tag + 1, at)
    return to


@_part
def _row(
    state: Any, lines: Any, values: Any, times: Any, value: float, time: float, exemplar: int, exemplar_end: int
) -> int:
    """Note the series whose text lies between `state[0]` and `state[1]` of the buffer. Returns 0 or NO_ROOM."""
    if state[2] == len(lines):
        return _NO_ROOM
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
        number, kind, begin, at, _ = _field(data, at, end)
        if number < 0:
            return 0.0, _MALFORMED, 0
        if number == 1 and kind == _FIXED64:
            value = _double(data, begin)
        elif number == 2 and kind == _BYTES:
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
        number, kind, begin, place, integer = _field(data, place, last)
        if number < 0:
            return _MALFORMED
        if number == 1 and kind == _VARINT:
            count = float(np.uint64(integer))
        elif number == 2 and kind == _FIXED64:
            total = _double(data, begin)
        elif number == 4 and kind == _FIXED64 and count == 0:
            count = _double(data, begin)
        elif number == 3 and kind == _BYTES:
            bound = value = 0.0
            exemplar = exemplar_end = 0
            inner = begin
            while inner < place:
                part, part_kind, part_begin, inner, part_integer = _field(data, inner, place)
                if part < 0:
                    return _MALFORMED
                if is_summary and part == 1 and part_kind == _FIXED64:
                    bound = _double(data, part_begin)
                elif is_summary and part == 2 and part_kind == _FIXED64:
                    value = _double(data, part_begin)
                elif not is_summary and part == 1 and part_kind == _VARINT:
                    value = float(np.uint64(part_integer))
                elif not is_summary and part == 2 and part_kind == _FIXED64:
                    bound = _double(data, part_begin)
                elif part == 4 and part_kind == _FIXED64 and value == 0:
                    value = _double(data, part_begin)
                elif not is_summary and part == 3 and part_kind == _BYTES:
                    exemplar, exemplar_end = part_begin, inner
            whole = whole or bound == np.inf
            if state[1] + reserve > len(out):
                return _NO_ROOM
            state[0] = state[1]
            suffix, kind_of_bound = (_PLAIN, _QUANTILE) if is_summary else (_BUCKET, _LE)
            state[1] = _put_series(out, state[1], data, name, name_end, suffix, at, end, kind_of_bound, bound)
            fault = (
                _MALFORMED if state[1] < 0 else _row(state, lines, values, times, value, time, exemplar, exemplar_end)
            )
            if fault:
                return fault
    for suffix in range(1, 4 if not (whole or is_summary) else 3):
        if state[1] + reserve > len(out):
            return _NO_ROOM
        state[0] = state[1]
        bound_kind = _LE if suffix == _BUCKET else _NO_BOUND
        state[1] = _put_series(out, state[1], data, name, name_end, suffix, at, end, bound_kind, np.inf)
        value = total if suffix == _SUM else count
        fault = _MALFORMED if state[1] < 0 else _row(state, lines, values, times, value, time, 0, 0)
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
        number, kind, begin, place, integer = _field(data, place, end)
        if number < 0:
            return _MALFORMED
        if number == 6 and kind == _VARINT and integer:
            time = float(integer)
    place = at
    while place < end:
        number, kind, begin, place, _ = _field(data, place, end)
        if kind != _BYTES or not (number == 2 or number == 3 or number == 4 or number == 5 or number == 7):
            continue
        if number == 4:
            fault = _many(data, name, name_end, at, end, begin, place, True, time, lines, values, times, out, state)
            if fault:
                return fault
            continue
        if state[1] + 2 * (end - at + name_end - name) + 128 > len(out):
            return _NO_ROOM
        if number != 7:
            value, exemplar, exemplar_end = _value(data, begin, place)
            if exemplar < 0:
                return _MALFORMED
            state[0] = state[1]
            state[1] = _put_series(out, state[1], data, name, name_end, _PLAIN, at, end, _NO_BOUND, 0.0)
            fault = (
                _MALFORMED if state[1] < 0 else _row(state, lines, values, times, value, time, exemplar, exemplar_end)
            )
            if fault:
                return fault
            continue
        is_native = native and _is_native(data, begin, place)
        if is_native:
            state[0] = state[1]
            state[1] = _put_series(out, state[1], data, name, name_end, _PLAIN, at, end, _NO_BOUND, 0.0)
            if state[1] < 0:
                return _MALFORMED
            written = _put_native(out, state[1], data, begin, place)
            if written < 0:
                return _MALFORMED
            out[written] = 0x78
            stamp = time_ms if np.isnan(time) or not honor else np.int64(time)
            written = _put_varint(out, written + 1, stamp)
            if _check_histogram(out, state[1], written) != 0:
                return _MALFORMED
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
        return _NO_ROOM
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
def _families(
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
                return _MALFORMED
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        end = at + length
        if end > size:
            return _MALFORMED
        name = name_end = help_ = help_end = unit = unit_end = at
        type_ = 0
        place = at
        while place < end:
            number, kind, begin, place, integer = _field(data, place, end)
            if number < 0:
                return _MALFORMED
            if number == 1 and kind == _BYTES:
                name, name_end = begin, place
            elif number == 2 and kind == _BYTES:
                help_, help_end = begin, place
            elif number == 3 and kind == _VARINT:
                type_ = integer
            elif number == 5 and kind == _BYTES:
                unit, unit_end = begin, place
        if not 0 <= type_ <= 5:
            return _MALFORMED
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
            number, kind, begin, place, _ = _field(data, place, end)
            if number == 4 and kind == _BYTES:
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
        return _NO_ROOM
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


def read_families(
    data: bytes, texts: Texts, time_ms: int, *, native: bool, classic: bool, honor_timestamps: bool
) -> Lines:
    """The series of an exposition, as `read_lines` has those of a text.

    The columns of a value's digits tell where a native histogram lies in the lines' data; exemplars lie in `data`.

    Args:
        data: The exposition.
        texts: What is known.
        time_ms: Of the scrape.
        native: Whether native histograms are wanted.
        classic: Whether the classic buckets of native histograms are wanted, too.
        honor_timestamps: Whether native histograms are to have the time that the exposition gives them.

    Raises:
        InvalidInput: it is no such exposition.
    """
    body = np.frombuffer(data, np.uint8)
    rows, room = len(data) // 16 + 64, 4 * len(data) + _WHOLE_ROOM
    while True:
        lines, notes = np.empty((rows, 10), np.int64), np.empty((rows, 3), np.int64)
        values, times = np.empty(rows), np.empty(rows)
        out, state = np.empty(room, np.uint8), np.zeros(5, np.int64)
        known = (texts.texts, texts.places, texts.slots)
        written = (lines, values, times, notes, out, state)
        fault = int(_families(body, _WORDS, native, classic, time_ms, honor_timestamps, *known, *written))
        if fault == _MALFORMED:
            raise InvalidInput(
                f"the family at byte {state[4]} is not a valid protobuf io.prometheus.client.MetricFamily"
            )
        if not fault:
            count = int(state[2])
            return Lines(
                out[: int(state[1])].tobytes(),
                lines[:count],
                values[:count],
                times[:count],
                notes[: int(state[3])],
                data,
            )
        rows, room = 4 * rows, 4 * room


def read_bound(text: str) -> float:
    """The bound whose bits stand in the text of a series."""
    return float(struct.unpack(">d", bytes.fromhex(text.removeprefix(BOUND_MARK)))[0])


def protobuf_exemplar(content: bytes, time_ms: int) -> bytes:
    """An exemplar as remote write has it, from one of the exposition.

    Raises:
        InvalidInput: it is none.
    """
    body = np.frombuffer(content, np.uint8)
    labels, value, at = b"", 0.0, time_ms
    for number, kind, begin, end, _ in _fields(body):
        part = content[begin:end]
        if number == 1 and kind == _BYTES:
            # A label is the same message in both.
            labels += field_of_bytes(b"\x0a", part)
        elif number == 2 and kind == _FIXED64:
            value = float(struct.unpack("<d", part)[0])
        elif number == 3 and kind == _BYTES:
            parts = {which: integer for which, _, _, _, integer in _fields(body[begin:end])}
            at = parts.get(1, 0) * 1000 + parts.get(2, 0) // 1_000_000
    return exemplar_of(labels, value, max(at, 0))


def _fields(body: Any) -> list[tuple[int, int, int, int, int]]:
    found = []
    at = 0
    while at < len(body):
        one = _field_at(body, at)
        if one[0] < 0:
            raise InvalidInput("an exemplar is not a valid protobuf io.prometheus.client.Exemplar")
        found.append(one)
        at = one[3]
    return found


@compiled
def _field_at(data: Any, at: int) -> tuple[int, int, int, int, int]:
    return _field(data, at, len(data))
