# ruff: noqa: ANN401, PLR2004 - arrays of bytes, and the numbers of fields
"""Expositions in protobuf: io.prometheus.client.MetricFamily, each with its length before it.

https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto. Compiled code writes the text
of each series into a buffer and looks it up there, so that it is remembered as a line of the text formats is. A bound
stands in that text as the 16 hexadecimal digits of its bits. A native histogram is written as remote write has it.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from vedette.errors import InvalidInput
from vedette.server.compiled import compiled
from vedette.server.ingest.protobuf_kernel import field
from vedette.server.scrape.custom_buckets import FAULTS, gathered
from vedette.server.scrape.encoding import exemplar_of, field_of_bytes
from vedette.server.scrape.lines import Lines, Texts
from vedette.server.scrape.protobuf_rows import FAMILY, NOTES, PINS, SERIES, WRITTEN, Known, Sheet, Wanted
from vedette.server.scrape.protobuf_series import families
from vedette.server.scrape.protobuf_text import BYTES, FIXED64, MALFORMED

__all__ = ["BOUND_MARK", "protobuf_exemplar", "read_bound", "read_families"]

BOUND_MARK = "\x00"
"""What the text of a bound begins with."""

_TYPE_WORDS = (b"counter", b"gauge", b"summary", b"untyped", b"histogram", b"gaugehistogram")
_WORDS = np.frombuffer(b"".join(word.ljust(16, b"\0") for word in _TYPE_WORDS), np.uint8).reshape(6, 16).copy()
_WHOLE_ROOM = 4096


def read_families(
    data: bytes,
    texts: Texts,
    time_ms: int,
    *,
    native: bool,
    classic: bool,
    honor_timestamps: bool,
    convert: bool = False,
) -> Lines:
    """The series of an exposition, as `read_lines` has those of a text.

    Exemplars lie in `data`.

    Args:
        data: The exposition.
        texts: What is known.
        time_ms: Of the scrape.
        native: Whether native histograms are wanted.
        classic: Whether the classic buckets of histograms are wanted where there are native ones, too.
        honor_timestamps: Whether native histograms are to have the time that the exposition gives them.

        convert: Whether histograms that are not native become so.

    Raises:
        InvalidInput: it is no such exposition, or it has a histogram that cannot become a native one.
    """
    body = np.frombuffer(data, np.uint8)
    wanted = Wanted(native, classic, convert, time_ms, honor_timestamps)
    known = Known(texts.texts, texts.places, texts.slots)
    rows, room = len(data) // 16 + 64, 4 * len(data) + _WHOLE_ROOM
    while True:
        lines, notes = np.empty((rows, 10), np.int64), np.empty((rows, 3), np.int64)
        pins = np.empty((rows, 4), np.int64)
        out, state = np.empty(room, np.uint8), np.zeros(5, np.int64)
        sheet = Sheet(lines, np.empty(rows), np.empty(rows), notes, pins, out, state)
        fault = int(families(body, _WORDS, wanted, known, gathered(rows if convert else 0), sheet))
        if fault == MALFORMED:
            raise InvalidInput(
                f"the family at byte {state[FAMILY]} is not a valid protobuf io.prometheus.client.MetricFamily"
            )
        if fault > 0:
            raise InvalidInput(
                f"the family at byte {state[FAMILY]} has a classic histogram that cannot become a native one: "
                f"{FAULTS[fault]}"
            )
        if not fault:
            count, text = int(state[SERIES]), out[: int(state[WRITTEN])].tobytes()
            found = Lines(
                text, lines[:count], sheet.values[:count], sheet.times[:count], notes[: int(state[NOTES])], data
            )
            found.natives, found.pins = text, pins[: int(state[PINS])]
            return found
        rows, room = 4 * rows, 4 * room


def read_bound(text: str) -> float:
    """The bound whose bits stand in the text of a series."""
    return float(struct.unpack(">d", bytes.fromhex(text.removeprefix(BOUND_MARK)))[0])


def protobuf_exemplar(content: bytes, time_ms: int | None) -> bytes:
    """An exemplar as remote write has it, from one of the exposition; nothing if there is no time for it.

    Raises:
        InvalidInput: it is none.
    """
    body = np.frombuffer(content, np.uint8)
    labels, value, at = b"", 0.0, time_ms
    for number, kind, begin, end, _ in _fields(body):
        part = content[begin:end]
        if number == 1 and kind == BYTES:
            # A label is the same message in both.
            labels += field_of_bytes(b"\x0a", part)
        elif number == 2 and kind == FIXED64:
            value = float(struct.unpack("<d", part)[0])
        elif number == 3 and kind == BYTES:
            parts = {which: integer for which, _, _, _, integer in _fields(body[begin:end])}
            at = parts.get(1, 0) * 1000 + parts.get(2, 0) // 1_000_000
    return b"" if at is None else exemplar_of(labels, value, max(at, 0))


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
    return field(data, at, len(data))
