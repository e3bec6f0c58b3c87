# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, C901, FBT001, FBT003, FURB110, PLR0911, PLR0912, PLR0917, PLR1714, PLR2004
# ruff: noqa: RUF059, SIM109
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Remote write requests checked, and those of 2.0 rewritten in the form of 1.0, by compiled code over the bytes.

A request has thousands of series, and each of them must have a name, unique labels and valid text; a histogram's spans
must fit its buckets. The functions here walk the protobuf once. What they write is what
``engine/formats/remote_write/schema.proto`` describes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import compiled, lean, part
from vedette.server.ingest.protobuf_kernel import (
    BYTES,
    FIXED64,
    PADDED,
    VARINT,
    copy,
    elements,
    field,
    put_bytes,
    put_length,
    put_varint,
    varint,
)

__all__ = ["MALFORMED", "NO_ROOM", "REASONS", "Facts", "check_histogram", "convert", "convert_request"]

REASONS = {
    1: "no metric name (label __name__)",
    2: "a label twice",
    3: "a label without a name",
    4: "text that is not valid UTF-8",
    5: "a reference to a symbol that is not there",
    6: "a native histogram whose schema, spans and buckets do not agree",
    7: "a timestamp before 1970 or after 2105",
}

# Places in `facts`.
SAMPLES, HISTOGRAMS, EXEMPLARS, BAD_SERIES, BAD_SAMPLES, REASON, PLACE, METADATA, ROWS = range(9)
Facts = Any

MALFORMED = -1
NO_ROOM = -2
_LAST_TIME_MS = 4_291_747_199_999
_MOST_LABELS_SORTED = 64
_CUSTOM_SCHEMA = -53
_LEAST_SCHEMA, _MOST_SCHEMA = -4, 8
_FARTHEST_BUCKET = 1 << 30
_NAME_WORD = np.uint64(int.from_bytes(b"__name__", "big"))


@lean
def _is_text(data: Any, at: int, end: int) -> bool:
    """Whether bytes are valid UTF-8."""
    while at < end:
        byte = data[at]
        if byte < 0x80:
            at += 1
            continue
        if 0xC2 <= byte <= 0xDF:
            more, low, high = 1, 0x80, 0xBF
        elif 0xE0 <= byte <= 0xEF:
            more, low, high = 2, 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF
        elif 0xF0 <= byte <= 0xF4:
            more, low, high = 3, 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF
        else:
            return False
        if at + more >= end or not low <= data[at + 1] <= high:
            return False
        for i in range(at + 2, at + more + 1):
            if data[i] & 0xC0 != 0x80:
                return False
        at += more + 1
    return True


@lean
def _compare(data: Any, a: int, a_end: int, b: int, b_end: int) -> int:
    for i in range(min(a_end - a, b_end - b)):
        if data[a + i] != data[b + i]:
            return 1 if data[a + i] > data[b + i] else -1
    return (a_end - a) - (b_end - b)


@lean
def _is_name(data: Any, at: int, end: int) -> bool:
    """Whether bytes are ``__name__``."""
    if end - at != 8:
        return False
    word = np.uint64(0)
    for i in range(8):
        word = (word << np.uint64(8)) | np.uint64(data[at + i])
    return word == _NAME_WORD


@lean
def _check_labels(data: Any, labels: Any, count: int) -> int:
    """Why labels are not valid, 0 if they are. Label `i` is name `labels[i, 0:2]` and value `labels[i, 2:4]`."""
    named = False
    ascending = True
    for i in range(count):
        n, n_end, v, v_end = labels[i, 0], labels[i, 1], labels[i, 2], labels[i, 3]
        if n == n_end:
            return 3
        if not _is_text(data, n, n_end) or not _is_text(data, v, v_end):
            return 4
        named |= v < v_end and _is_name(data, n, n_end)
        if i and _compare(data, labels[i - 1, 0], labels[i - 1, 1], n, n_end) >= 0:
            ascending = False
    if not ascending:
        for i in range(count):
            for j in range(i):
                if _compare(data, labels[i, 0], labels[i, 1], labels[j, 0], labels[j, 1]) == 0:
                    return 2
    return 0 if named else 1


@part
def check_histogram(data: Any, at: int, end: int) -> int:
    """0, the reason why it is not valid, or MALFORMED."""
    schema, time = np.int64(0), np.int64(0)
    listed = np.zeros(2, np.int64)
    deltas = np.zeros(2, np.int64)
    floats = np.zeros(2, np.int64)
    bucket = np.zeros(2, np.int64)
    first = np.ones(2, np.bool_)
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number == 4:
            schema = (value >> 1) ^ -(value & 1)
        elif number == 15:
            time = value
        elif number == 8 or number == 11:
            if kind != BYTES:
                return MALFORMED
            side = 0 if number == 8 else 1
            offset, length = np.int64(0), np.int64(0)
            while begin < at:
                inner, _, _, begin, found = field(data, begin, at)
                if inner < 0:
                    return MALFORMED
                if inner == 1:
                    offset = (found >> 1) ^ -(found & 1)
                elif inner == 2:
                    length = found
            if length < 0 or (offset < 0 and not first[side]):
                return 6
            first[side] = False
            bucket[side] += offset + length
            listed[side] += length
            if abs(offset) > _FARTHEST_BUCKET or abs(bucket[side]) > _FARTHEST_BUCKET:
                return 6
        elif number == 9 or number == 12:
            count = elements(data, kind, begin, at, False)
            deltas[0 if number == 9 else 1] += count
            if count < 0:
                return MALFORMED
        elif number == 10 or number == 13:
            count = elements(data, kind, begin, at, True)
            floats[0 if number == 10 else 1] += count
            if count < 0:
                return MALFORMED
    for side in range(2):
        if listed[side] != (floats[side] if floats[side] else deltas[side]):
            return 6
    if schema != _CUSTOM_SCHEMA and not _LEAST_SCHEMA <= schema <= _MOST_SCHEMA:
        return 6
    return 0 if 0 <= time <= _LAST_TIME_MS else 7


@lean
def _check_sample(data: Any, at: int, end: int) -> int:
    """0, the reason why it is not valid, or MALFORMED."""
    time = np.int64(0)
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if number < 0 or (number == 1 and kind != FIXED64) or (number == 2 and kind != VARINT):
            return MALFORMED
        if number == 2:
            time = value
    return 0 if 0 <= time <= _LAST_TIME_MS else 7


@lean
def _put_labels(out: Any, at: int, data: Any, labels: Any, count: int) -> int:
    """Label messages as field 1; NO_ROOM if they do not fit."""
    for i in range(count):
        n, n_end, v, v_end = labels[i, 0], labels[i, 1], labels[i, 2], labels[i, 3]
        if at + (n_end - n) + (v_end - v) + 32 > len(out):
            return NO_ROOM
        out[at] = 0x0A
        length = at + 1
        at = length + PADDED
        at = put_bytes(out, at, 0x0A, data, n, n_end)
        at = put_bytes(out, at, 0x12, data, v, v_end)
        put_length(out, length, at - length - PADDED)
    return at


@lean
def _resolve(data: Any, at: int, end: int, symbols: Any, labels: Any, count: int) -> int:
    """Append the labels that packed references name. Returns their new count, or minus a reason."""
    while at < end:
        name, at = varint(data, at, end)
        if at < 0 or at >= end:
            return -5
        value, at = varint(data, at, end)
        if at < 0 or not 0 <= name < len(symbols) or not 0 <= value < len(symbols):
            return -5
        if count >= len(labels):
            return -2
        labels[count, 0], labels[count, 1] = symbols[name, 0], symbols[name, 1]
        labels[count, 2], labels[count, 3] = symbols[value, 0], symbols[value, 1]
        count += 1
    return count


@lean
def _label(data: Any, at: int, end: int, labels: Any, count: int) -> int:
    """Append one label message of 1.0."""
    if count >= len(labels):
        return -2
    for i in range(4):
        labels[count, i] = 0
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0 or ((number == 1 or number == 2) and kind != BYTES):
            return -100
        if number == 1:
            labels[count, 0], labels[count, 1] = begin, at
        elif number == 2:
            labels[count, 2], labels[count, 3] = begin, at
    return count + 1


@lean
def _exemplar(data: Any, at: int, end: int, two: bool, symbols: Any, labels: Any, out: Any, to: int) -> int:
    """Write an exemplar; MALFORMED, NO_ROOM, or -100 minus a reason."""
    count = 0
    start = to
    if to + (end - at) + 64 > len(out):
        return NO_ROOM
    out[to] = 0x1A
    to += 1 + PADDED
    while at < end:
        tag = at
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number == 1 and kind == BYTES:
            count = _resolve(data, begin, at, symbols, labels, count) if two else _label(data, begin, at, labels, count)
            if count < 0:
                return MALFORMED if count == -100 else -100 + count
        elif number == 2 or number == 3:
            to = copy(out, to, data, tag, at)
    for i in range(count):
        n, n_end, v, v_end = labels[i, 0], labels[i, 1], labels[i, 2], labels[i, 3]
        if n == n_end or not _is_text(data, n, n_end) or not _is_text(data, v, v_end):
            return -104
    to = _put_labels(out, to, data, labels, count)
    if to > 0:
        put_length(out, start + 1, to - start - 1 - PADDED)
    return to


@lean
def _metadata(data: Any, at: int, end: int, symbols: Any, seen: Any, out: Any, to: int) -> int:
    """Write type, help and unit of a series of 2.0, unless the request has said the same before."""
    kind, help_ref, unit_ref = np.int64(0), np.int64(0), np.int64(0)
    while at < end:
        number, _, _, at, value = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number == 1:
            kind = value
        elif number == 3:
            help_ref = value
        elif number == 4:
            unit_ref = value
    if not (0 <= kind <= 7 and 0 <= help_ref < len(symbols) and 0 <= unit_ref < len(symbols)):
        return -105
    if kind == 0 and help_ref == 0:
        return to
    mark = kind + 1
    if help_ref and seen[help_ref] == mark:
        return to
    seen[help_ref] = mark
    about, about_end = symbols[help_ref, 0], symbols[help_ref, 1]
    unit, unit_end = symbols[unit_ref, 0], symbols[unit_ref, 1]
    if to + about_end - about + unit_end - unit + 32 > len(out):
        return NO_ROOM
    if not _is_text(data, about, about_end) or not _is_text(data, unit, unit_end):
        return -104
    out[to], out[to + 1] = 0x38, kind + 1
    to = put_bytes(out, to + 2, 0x42, data, about, about_end)
    return put_bytes(out, to, 0x4A, data, unit, unit_end)


@lean
def _read_labels(data: Any, at: int, end: int, two: bool, symbols: Any, labels: Any) -> tuple[int, int]:
    """How many labels a series has, and why they are not valid: 0 if they are, or MALFORMED."""
    count = reason = np.int64(0)
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0 or (number == 1 and kind != BYTES):
            return 0, MALFORMED
        if number == 1:
            count = _resolve(data, begin, at, symbols, labels, count) if two else _label(data, begin, at, labels, count)
            if count == -100:
                return 0, MALFORMED
            if count < 0:
                reason, count = -count, np.int64(0)
    return count, reason if reason else _check_labels(data, labels, count)


@part
def _point(data: Any, at: int, end: int, what: int, wanted: bool, out: Any, to: int) -> int:
    """Write a sample or histogram, if it is wanted; MALFORMED, NO_ROOM, or -100 minus a reason."""
    wrong = _check_sample(data, at, end) if what == SAMPLES else check_histogram(data, at, end)
    if wrong:
        return MALFORMED if wrong == MALFORMED else -100 - wrong
    if not wanted:
        return to
    if to + (end - at) + 48 > len(out):
        return NO_ROOM
    return put_bytes(out, to, 0x12 if what == SAMPLES else 0x22, data, at, end)


@lean
def _kind_of(number: int, two: bool) -> int:
    """Of what kind the elements of a series in a field are: a place in `facts`, -1 for all others."""
    if number == 2:
        return SAMPLES
    if number == 3 or number == 4:
        return HISTOGRAMS if (number == 3) == two else EXEMPLARS
    return -1


@part
def _elements(
    data: Any,
    at: int,
    end: int,
    two: bool,
    symbols: Any,
    seen: Any,
    extra: Any,
    wanted: bool,
    facts: Any,
    out: Any,
    to: int,
) -> tuple[int, int]:
    """Write what belongs to a series, if it is wanted. Returns where the output ends, MALFORMED or NO_ROOM; the reason.

    The reason is why an element was left out, 0 if none was.
    """
    reason = np.int64(0)
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        what = _kind_of(number, two)
        if what >= 0 and kind != BYTES:
            return MALFORMED, reason
        written = to
        if what == EXEMPLARS:
            written = _exemplar(data, begin, at, two, symbols, extra, out, to)
        elif what >= 0:
            written = _point(data, begin, at, what, wanted, out, to)
        elif two and number == 5 and kind == BYTES and wanted:
            written = _metadata(data, begin, at, symbols, seen, out, to)
        elif two and number == 6 and kind == VARINT:
            if to + 16 > len(out):
                return NO_ROOM, reason
            out[to] = 0x30
            written = put_varint(out, to + 1, value)
        if written == MALFORMED or written == NO_ROOM:
            return written, reason
        is_kept = wanted and written >= 0
        if is_kept:
            to = written
        elif written < 0 and reason == 0:
            reason = -100 - written
        if what >= 0 and is_kept:
            facts[what] += 1
        elif what == SAMPLES or what == HISTOGRAMS:
            facts[BAD_SAMPLES] += 1
    return to, reason


@part
def _series(
    data: Any,
    at: int,
    end: int,
    two: bool,
    symbols: Any,
    seen: Any,
    labels: Any,
    extra: Any,
    facts: Any,
    out: Any,
    to: int,
) -> int:
    """Check one series and write what is valid of it. Returns where the output ends, MALFORMED or NO_ROOM."""
    origin = to
    if to + 64 > len(out):
        return NO_ROOM
    out[to] = 0x0A
    to += 1 + PADDED
    count, wrong = _read_labels(data, at, end, two, symbols, labels)
    if wrong == MALFORMED:
        return MALFORMED
    if wrong == 0:
        to = _put_labels(out, to, data, labels, count)
        if to < 0:
            return to
    before = facts[SAMPLES] + facts[HISTOGRAMS] + facts[EXEMPLARS]
    to, reason = _elements(data, at, end, two, symbols, seen, extra, wrong == 0, facts, out, to)
    if to < 0:
        return to
    facts[BAD_SERIES] += wrong != 0
    if facts[REASON] == 0 and (wrong or reason):
        facts[REASON], facts[PLACE] = reason if reason else wrong, at
    if wrong or facts[SAMPLES] + facts[HISTOGRAMS] + facts[EXEMPLARS] == before:
        return origin
    put_length(out, origin + 1, to - origin - 1 - PADDED)
    return to


@part
def _symbols(data: Any) -> Any:
    """Where the symbols of a request of 2.0 begin and end."""
    count = 0
    at = 0
    for fill in range(2):
        found = np.empty((count, 2), np.int64)
        count, at = 0, 0
        while at < len(data):
            number, kind, begin, at, _ = field(data, at, len(data))
            if number < 0:
                return found
            if number == 4 and kind == BYTES:
                if fill:
                    found[count, 0], found[count, 1] = begin, at
                count += 1
    return found


@compiled
def convert(data: Any, two: bool, facts: Any, out: Any) -> int:
    """Write the valid part of a request. Returns the size of the output, MALFORMED or NO_ROOM."""
    symbols = _symbols(data) if two else np.empty((0, 2), np.int64)
    seen = np.zeros(len(symbols), np.uint8)
    labels = np.zeros((1024, 4), np.int64)
    extra = np.zeros((64, 4), np.int64)
    at = to = np.int64(0)
    end = len(data)
    series = 5 if two else 1
    while at < end:
        tag = at
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number == series:
            if kind != BYTES:
                return MALFORMED
            to = _series(data, begin, at, two, symbols, seen, labels, extra, facts, out, to)
            if to < 0:
                return to
            facts[ROWS] += 1
        elif number == 3 and not two and kind == BYTES:
            if to + at - tag > len(out):
                return NO_ROOM
            to = copy(out, to, data, tag, at)
            facts[METADATA] += 1
    return to


def convert_request(body: bytes, *, two: bool, max_bytes: int) -> tuple[int, Facts, Any]:
    """`convert` with an output that grows up to a bound: its size or MALFORMED or NO_ROOM, the facts, the output."""
    data = np.frombuffer(body, np.uint8)
    room = min(max_bytes, len(body) * (4 if two else 2) + 4096)
    while True:
        facts = np.zeros(9, np.int64)
        out = np.empty(room, np.uint8)
        size = int(convert(data, two, facts, out))
        if size != NO_ROOM or room >= max_bytes:
            return size, facts, out
        room = min(max_bytes, room * 4)
