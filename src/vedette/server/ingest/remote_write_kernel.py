# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, C901, FBT001, FURB110, PLR0911, PLR0912, PLR0917, PLR1714, PLR2004
# ruff: noqa: SIM109
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
    field,
    fixed64,
    put_bytes,
    put_fixed64,
    put_length,
    put_varint,
)
from vedette.server.ingest.remote_write_labels import check_labels, is_text, labels_of, put_labels
from vedette.server.ingest.remote_write_points import (
    LAST_TIME_MS,
    MALFORMED,
    NO_ROOM,
    check_histogram,
    put_histogram,
    put_sample,
    varint_size,
)

__all__ = ["MALFORMED", "NO_ROOM", "REASONS", "Facts", "convert", "convert_request"]

REASONS = {
    1: "no metric name (label __name__)",
    2: "a label twice",
    3: "a label without a name",
    4: "text that is not valid UTF-8",
    5: "a reference to a symbol that is not there",
    6: "a native histogram whose schema, spans and buckets do not agree",
    7: "a timestamp before 1970 or after 2105",
    8: "more labels than 1,024 of a series, or 64 of an exemplar",
}

# Places in `facts`.
SAMPLES, HISTOGRAMS, EXEMPLARS, BAD_SERIES, BAD_SAMPLES, REASON, PLACE, METADATA, ROWS, WIDENED = range(10)
Facts = Any

_LAST_TYPE = 7


@lean
def _close(out: Any, begin: int, to: int, facts: Any) -> None:
    """Write the length of a message that ends at `to`, for which room was left at `begin`."""
    length = to - begin - PADDED
    put_length(out, begin, length)
    facts[WIDENED] += PADDED - varint_size(length)


@lean
def _exemplar(data: Any, at: int, end: int, two: bool, symbols: Any, labels: Any, facts: Any, out: Any, to: int) -> int:
    """Write an exemplar; MALFORMED, NO_ROOM, or -100 minus a reason."""
    count = labels_of(data, at, end, two, symbols, labels)
    if count < 0:
        return count
    for i in range(count):
        n, n_end, v, v_end = labels[i, 0], labels[i, 1], labels[i, 2], labels[i, 3]
        if n == n_end:
            return -103
        if not is_text(data, n, n_end) or not is_text(data, v, v_end):
            return -104
    bits = np.uint64(0)
    time = seen = np.int64(0)
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if (number == 2 and kind != FIXED64) or (number == 3 and kind != VARINT):
            return MALFORMED
        if number == 2:
            bits = fixed64(data, begin)
        elif number == 3:
            time = value
        seen |= 1 << number if number <= 3 else 0
    if not 0 <= time <= LAST_TIME_MS:
        return -107
    if to + 64 > len(out):
        return NO_ROOM
    start = to + 1
    out[to] = 0x1A
    to = start + PADDED
    if seen & 4:
        to = put_fixed64(out, to, 0x11, bits)
    if seen & 8:
        out[to] = 0x18
        to = put_varint(out, to + 1, time)
    to = put_labels(out, to, data, labels, count)
    if to > 0:
        _close(out, start, to, facts)
    return to


@lean
def _read_metadata(data: Any, at: int, end: int, symbols: Any, about: Any) -> int:
    """Put type, help and unit of a series of 2.0 into `about`, by field. 0, MALFORMED, or -100 minus a reason."""
    while at < end:
        number, kind, _, at, value = field(data, at, end)
        if number < 0 or ((number == 1 or number == 3 or number == 4) and kind != VARINT):
            return MALFORMED
        if number == 1 or number == 3 or number == 4:
            about[number] = value
    if 0 <= about[1] <= _LAST_TYPE and 0 <= about[3] < len(symbols) and 0 <= about[4] < len(symbols):
        return 0
    about[1] = about[3] = about[4] = 0
    return -105


@lean
def _put_about(data: Any, about: Any, symbols: Any, seen: Any, out: Any, to: int) -> int:
    """Write since when a series of 2.0 counts, and type, help and unit unless the request has said the same before."""
    kind, help_ref, unit_ref, created = about[1], about[3], about[4], about[6]
    help_, help_end = (symbols[help_ref, 0], symbols[help_ref, 1]) if help_ref else (0, 0)
    unit, unit_end = (symbols[unit_ref, 0], symbols[unit_ref, 1]) if unit_ref else (0, 0)
    if to + help_end - help_ + unit_end - unit + 64 > len(out):
        return NO_ROOM
    if created:
        out[to] = 0x30
        to = put_varint(out, to + 1, created)
    if (kind == 0 and help_ref == 0) or (help_ref and seen[help_ref] == kind + 1):
        return to
    seen[help_ref] = kind + 1
    if not is_text(data, help_, help_end) or not is_text(data, unit, unit_end):
        return -104
    out[to], out[to + 1] = 0x38, kind + 1
    to = put_bytes(out, to + 2, 0x42, data, help_, help_end)
    return put_bytes(out, to, 0x4A, data, unit, unit_end)


@lean
def _family(data: Any, at: int, end: int, facts: Any, out: Any, to: int) -> int:
    """Write what 1.0 says of a metric; MALFORMED, NO_ROOM, or -100 minus a reason."""
    type_ = np.int64(0)
    begins = ends = (np.int64(0), np.int64(0), np.int64(0))
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if number < 0 or (number == 1 and kind != VARINT):
            return MALFORMED
        if number == 1:
            type_ = value
        if number != 2 and number != 4 and number != 5:
            continue
        if kind != BYTES:
            return MALFORMED
        if not is_text(data, begin, at):
            return -104
        begins = (
            begin if number == 2 else begins[0],
            begin if number == 4 else begins[1],
            begin if number == 5 else begins[2],
        )
        ends = (at if number == 2 else ends[0], at if number == 4 else ends[1], at if number == 5 else ends[2])
    if begins[0] == ends[0]:
        return to
    size = np.int64(0)
    for i in range(3):
        size += ends[i] - begins[i]
    if to + size + 48 > len(out):
        return NO_ROOM
    start = to + 1
    out[to] = 0x1A
    to = start + PADDED
    if 0 < type_ <= _LAST_TYPE:
        out[to], out[to + 1] = 0x08, type_
        to += 2
    for i in range(3):
        if begins[i] < ends[i]:
            to = put_bytes(out, to, (0x12, 0x22, 0x2A)[i], data, begins[i], ends[i])
    _close(out, start, to, facts)
    facts[METADATA] += 1
    return to


@lean
def _read_labels(data: Any, at: int, end: int, two: bool, symbols: Any, labels: Any) -> tuple[int, int]:
    """How many labels a series has, and why they are not valid: 0 if they are, or MALFORMED."""
    count = labels_of(data, at, end, two, symbols, labels)
    if count == MALFORMED:
        return 0, MALFORMED
    if count < 0:
        return 0, -100 - count
    return count, check_labels(data, labels, count)


@part
def _point(data: Any, at: int, end: int, what: int, wanted: bool, out: Any, to: int) -> int:
    """Write a sample or histogram, if it is wanted; MALFORMED, NO_ROOM, or -100 minus a reason."""
    if to + (end - at) + 48 > len(out):
        return NO_ROOM
    if what == SAMPLES:
        return put_sample(data, at, end, wanted, out, to)
    wrong = check_histogram(data, at, end)
    if wrong:
        return MALFORMED if wrong == MALFORMED else -100 - wrong
    return put_histogram(data, at, end, out, to) if wanted else to


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
    extra: Any,
    about: Any,
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
            written = _exemplar(data, begin, at, two, symbols, extra, facts, out, to)
        elif what >= 0:
            written = _point(data, begin, at, what, wanted, out, to)
        elif two and (number == 5 or number == 6):
            if kind != (BYTES if number == 5 else VARINT):
                return MALFORMED, reason
            fault = np.int64(0)
            if number == 5:
                fault = _read_metadata(data, begin, at, symbols, about)
            else:
                about[number] = value
            written = fault if fault < 0 else to
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
    about: Any,
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
        to = put_labels(out, to, data, labels, count)
        if to < 0:
            return to
    before = facts[SAMPLES] + facts[HISTOGRAMS] + facts[EXEMPLARS]
    about[:] = 0
    to, reason = _elements(data, at, end, two, symbols, extra, about, wrong == 0, facts, out, to)
    if to < 0:
        return to
    is_kept = wrong == 0 and facts[SAMPLES] + facts[HISTOGRAMS] + facts[EXEMPLARS] > before
    if is_kept:
        written = _put_about(data, about, symbols, seen, out, to)
        if written == NO_ROOM:
            return NO_ROOM
        if written < 0:
            reason = reason if reason else -100 - written
        else:
            to = written
    facts[BAD_SERIES] += wrong != 0
    if facts[REASON] == 0 and (wrong or reason):
        facts[REASON], facts[PLACE] = reason if reason else wrong, at
    if not is_kept:
        return origin
    _close(out, origin + 1, to, facts)
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
    about = np.zeros(7, np.int64)
    at = to = np.int64(0)
    end = len(data)
    series = 5 if two else 1
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number != series and (two or number != 3):
            continue
        if kind != BYTES:
            return MALFORMED
        if number == series:
            to = _series(data, begin, at, two, symbols, seen, labels, extra, about, facts, out, to)
            facts[ROWS] += 1
        else:
            written = _family(data, begin, at, facts, out, to)
            if written < NO_ROOM:
                facts[REASON], facts[PLACE] = (facts[REASON], facts[PLACE]) if facts[REASON] else (-100 - written, at)
            else:
                to = written
        if to < 0:
            return to
    return to


def convert_request(body: bytes, *, two: bool, max_bytes: int) -> tuple[int, Facts, Any]:
    """`convert` with an output that grows up to a bound: its size or MALFORMED or NO_ROOM, the facts, the output."""
    data = np.frombuffer(body, np.uint8)
    room = min(max_bytes, len(body) * (4 if two else 2) + 4096)
    while True:
        facts = np.zeros(10, np.int64)
        out = np.empty(room, np.uint8)
        size = int(convert(data, two, facts, out))
        if size != NO_ROOM or room >= max_bytes:
            return size, facts, out
        room = min(max_bytes, room * 4)
