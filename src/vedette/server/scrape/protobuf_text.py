# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, PLR0917, PLR1714, PLR2004, RUF059
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Pieces of the exposition in protobuf written as text and as remote write, by compiled code; see `protobuf`."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import part
from vedette.server.ingest.protobuf_kernel import field

__all__: list[str] = []

BYTES, FIXED64, VARINT = 2, 1, 0
MALFORMED, NO_ROOM = -1, -2
PLAIN, COUNT, SUM, BUCKET = range(4)
NO_BOUND, LE, QUANTILE = 0, 1, 2
_SUFFIXES = (
    np.frombuffer(b"".join(word.ljust(8, b"\0") for word in (b"", b"_count", b"_sum", b"_bucket")), np.uint8)
    .reshape(4, 8)
    .copy()
)
# From a field of client_model's Histogram to the same one of remote write's; the others are not of native histograms.
_FIELDS = np.zeros(17, np.int64)
_FIELDS[[1, 2, *range(4, 15)]] = [1, 3, 2, *range(4, 14)]


@part
def _double(data: Any, at: int) -> float:
    return data[at : at + 8].copy().view(np.float64)[0]


@part
def _put(out: Any, to: int, data: Any, at: int, end: int) -> int:
    for i in range(at, end):
        out[to] = data[i]
        to += 1
    return to


@part
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


@part
def _put_word(out: Any, to: int, word: Any) -> int:
    for byte in word:
        if byte == 0:
            break
        out[to] = byte
        to += 1
    return to


@part
def _put_labels(out: Any, to: int, data: Any, at: int, end: int) -> int:
    """The labels of a metric or exemplar, each behind a comma. Returns where the text ends, or MALFORMED."""
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number != 1 or kind != BYTES:
            continue
        name = name_end = value = value_end = begin
        inner = begin
        while inner < at:
            part, part_kind, part_begin, inner, _ = field(data, inner, at)
            if part < 0:
                return MALFORMED
            if part == 1 and part_kind == BYTES:
                name, name_end = part_begin, inner
            elif part == 2 and part_kind == BYTES:
                value, value_end = part_begin, inner
        out[to] = 44
        to = _put_quoted(out, to + 1, data, name, name_end)
        out[to] = 61
        to = _put_quoted(out, to + 1, data, value, value_end)
    return to


@part
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
        if bound == LE:
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


@part
def _is_native(data: Any, at: int, end: int) -> bool:
    """Whether a histogram has buckets of its own schema, or could have."""
    while at < end:
        number, kind, begin, at, value = field(data, at, end)
        if number < 0:
            return False
        if number == 9 or number == 12:
            return True
        if number == 6 and kind == FIXED64 and _double(data, begin) > 0:
            return True
        if number == 7 and value > 0:
            return True
    return False


@part
def _put_native(out: Any, to: int, data: Any, at: int, end: int) -> int:
    """A histogram with the field numbers of remote write, its time left out."""
    while at < end:
        tag = at
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0:
            return MALFORMED
        if number > 14 or _FIELDS[number] == 0:
            continue
        # Numbers are below 16 on both sides, so a tag is one byte, unless somebody writes it in an unusual way.
        if data[tag] >= 0x80:
            return MALFORMED
        out[to] = (_FIELDS[number] << 3) | kind
        to = _put(out, to + 1, data, tag + 1, at)
    return to
