# What is compiled takes positional arguments and constants as they are; few functions compile sooner than many.
# ruff: noqa: ANN401, FBT001, PLR0917, PLR1714, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Labels of remote write, checked and written as the tables read them, by compiled code over the bytes.

Label `i` is name `labels[i, 0:2]` and value `labels[i, 2:4]`: where in the request they begin and end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import lean
from vedette.server.ingest.protobuf_kernel import BYTES, VARINT, field, put_bytes, put_varint, varint
from vedette.server.ingest.remote_write_points import MALFORMED, NO_ROOM, varint_size

__all__ = ["check_labels", "is_text", "labels_of", "put_labels"]

_NAME_WORD = np.uint64(int.from_bytes(b"__name__", "big"))


@lean
def is_text(data: Any, at: int, end: int) -> bool:
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
def check_labels(data: Any, labels: Any, count: int) -> int:
    """Why labels are not valid, 0 if they are."""
    named = False
    ascending = True
    for i in range(count):
        n, n_end, v, v_end = labels[i, 0], labels[i, 1], labels[i, 2], labels[i, 3]
        if n == n_end:
            return 3
        if not is_text(data, n, n_end) or not is_text(data, v, v_end):
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


@lean
def put_labels(out: Any, at: int, data: Any, labels: Any, count: int) -> int:
    """Label messages as field 1; NO_ROOM if they do not fit."""
    for i in range(count):
        n, n_end, v, v_end = labels[i, 0], labels[i, 1], labels[i, 2], labels[i, 3]
        if at + (n_end - n) + (v_end - v) + 32 > len(out):
            return NO_ROOM
        size = 1 + varint_size(n_end - n) + n_end - n
        if v < v_end:
            size += 1 + varint_size(v_end - v) + v_end - v
        out[at] = 0x0A
        at = put_varint(out, at + 1, size)
        at = put_bytes(out, at, 0x0A, data, n, n_end)
        if v < v_end:
            at = put_bytes(out, at, 0x12, data, v, v_end)
    return at


@lean
def _resolve(data: Any, at: int, end: int, symbols: Any, labels: Any, count: int) -> int:
    """Append what references name: names and values in turn. Returns how many there are, or minus a reason."""
    while at < end:
        value, at = varint(data, at, end)
        if at < 0 or not 0 <= value < len(symbols):
            return -5
        label, side = count >> 1, 2 * (count & 1)
        if label >= len(labels):
            return -8
        labels[label, side], labels[label, side + 1] = symbols[value, 0], symbols[value, 1]
        count += 1
    return count


@lean
def _label(data: Any, at: int, end: int, labels: Any, count: int) -> int:
    """Append one label message of 1.0. Returns how many there are, or minus a reason."""
    if count >= len(labels):
        return -8
    for i in range(4):
        labels[count, i] = 0
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0 or ((number == 1 or number == 2) and kind != BYTES):
            return MALFORMED
        if number == 1:
            labels[count, 0], labels[count, 1] = begin, at
        elif number == 2:
            labels[count, 2], labels[count, 3] = begin, at
    return count + 1


@lean
def labels_of(data: Any, at: int, end: int, two: bool, symbols: Any, labels: Any) -> int:
    """The labels in field 1 of a series or an exemplar: how many there are, MALFORMED, or -100 minus a reason."""
    count = reason = np.int64(0)
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number < 0 or (number == 1 and kind != BYTES and not (two and kind == VARINT)):
            return MALFORMED
        if number != 1 or reason < 0:
            continue
        found = _resolve(data, begin, at, symbols, labels, count) if two else _label(data, begin, at, labels, count)
        if found == MALFORMED:
            return MALFORMED
        if found < 0:
            reason = found
        count = found
    if two and reason == 0 and count & 1:
        reason = np.int64(-5)
    if reason < 0:
        return -100 + reason
    return count >> 1 if two else count
