# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, C901, PLR0912, PLR0915, PLR0917, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Series of remote write that the log was told of: their samples go on by id, without labels.

The tables hash labels and look for series with every row that has them, and most rows are samples of series that were
there a moment ago. So the ids of series are computed here, and a series whose labels went into the log on this day and
in this hour is written as an id. Labels are told again on a new day, as the tables keep series by day, and every hour,
in which series take turns: tables that lose them are without them for an hour at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from vedette.server.compiled import compiled
from vedette.server.ingest.protobuf_kernel import field
from vedette.server.ingest.series_ids import label_hash, pair_hash

__all__ = ["KnownSeries", "Split"]

_HOUR_SECONDS, _DAY_MS = 3600, 86_400_000
_TURNS = 16
_LEAST_TABLE = 1 << 12
_MOST_SERIES = 1 << 22
"""Of all tenants; beyond it everything is told anew. The table takes 128 MiB then."""

_part = partial(compiled, no_cpython_wrapper=True)


@_part
def _epoch(id_: Any, time_ms: int) -> int:
    """The day and the hour of a sample, hours beginning at another minute for each sixteenth of the series."""
    turn = np.int64(id_ >> np.uint64(60)) * (_HOUR_SECONDS // _TURNS)
    return (time_ms // 1000 + turn) // _HOUR_SECONDS * (1 << 20) + time_ms // _DAY_MS + 1


@_part
def _slot(ids: Any, epochs: Any, id_: Any) -> int:
    """Where a series stands in the table, or would; an epoch of 0 is an empty place."""
    mask = np.uint64(len(ids) - 1)
    at = (id_ ^ (id_ >> np.uint64(32))) & mask
    while epochs[at] != 0 and ids[at] != id_:
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@compiled
def _remember(ids: Any, epochs: Any, new_ids: Any, new_epochs: Any) -> int:
    """Put series into the table, which has room. Returns how many were not there."""
    count = 0
    for i in range(len(new_ids)):
        at = _slot(ids, epochs, new_ids[i])
        if epochs[at] == 0:
            count += 1
            ids[at] = new_ids[i]
        epochs[at] = new_epochs[i]
    return count


@compiled
def _split(
    data: Any,
    tenant: Any,
    ids: Any,
    epochs: Any,
    out: Any,
    found_ids: Any,
    found_times: Any,
    found_values: Any,
    new_ids: Any,
    new_epochs: Any,
    facts: Any,
) -> int:
    """Copy a checked message of 1.0 without the samples that go by id. Returns the size of the copy.

    `facts` is how many samples go by id, and how many series are new.
    """
    at = to = 0
    while at < len(data):
        tag = at
        number, _, begin, at, _ = field(data, at, len(data))
        if number < 0:
            break
        count = facts[0]
        simple = number == 1
        id_ = tenant
        newest = np.int64(0)
        inner = begin
        while simple and inner < at:
            part, _, part_begin, inner, _ = field(data, inner, at)
            if part == 1:
                name = name_end = value = value_end = part_begin
                place = part_begin
                while place < inner:
                    which, _, text, place, _ = field(data, place, inner)
                    if which == 1:
                        name, name_end = text, place
                    elif which == 2:
                        value, value_end = text, place
                if value < value_end:
                    id_ += pair_hash(data, name, name_end, value, value_end)
            elif part == 2:
                time = np.int64(0)
                bits = np.uint64(0)
                place = part_begin
                while place < inner:
                    which, _, text, place, integer = field(data, place, inner)
                    if which == 1:
                        bits = np.uint64(0)
                        for i in range(8):
                            bits |= np.uint64(data[text + i]) << np.uint64(8 * i)
                    elif which == 2:
                        time = integer
                    else:
                        simple = False
                found_times[count], found_values[count] = time, bits
                newest = max(newest, time)
                count += 1
            else:
                simple = False
        if simple and count > facts[0]:
            epoch = _epoch(id_, newest)
            same = True
            for i in range(facts[0], count):
                same = same and _epoch(id_, found_times[i]) == epoch
            if same and epochs[_slot(ids, epochs, id_)] == epoch:
                found_ids[facts[0] : count] = id_
                facts[0] = count
                continue
            if same:
                new_ids[facts[1]], new_epochs[facts[1]] = id_, epoch
                facts[1] += 1
        for i in range(tag, at):
            out[to] = data[i]
            to += 1
    return to


@dataclass(frozen=True, slots=True)
class Split:
    """A message in two: what goes with labels, and samples as a message of ``engine/formats/samples``."""

    message: bytes
    samples: bytes
    sample_rows: int
    new_ids: Any
    new_epochs: Any


class KnownSeries:
    """The series of all tenants that the log was told of lately. `split` may run in any thread, `remember` in one."""

    def __init__(self) -> None:
        self.is_warm = False
        """Whether `split` was called: the first call may compile, which takes seconds."""
        self._count = 0
        self._tables = np.zeros(_LEAST_TABLE, np.uint64), np.zeros(_LEAST_TABLE, np.int64)

    def split(self, tenant: str, message: bytes) -> Split:
        """Take out of a checked message of remote write 1.0 what goes by id."""
        data = np.frombuffer(message, np.uint8)
        # A sample takes two bytes at least, and so does a series.
        room = len(data) // 2 + 1
        out, facts = np.empty(len(data), np.uint8), np.zeros(2, np.int64)
        found = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.uint64)
        new = np.empty(room, np.uint64), np.empty(room, np.int64)
        seed = np.uint64(label_hash("__tenant__", tenant))
        size = int(_split(data, seed, *self._tables, out, *found, *new, facts))
        self.is_warm = True
        count, fresh = int(facts[0]), int(facts[1])
        samples = _samples(*(numbers[:count] for numbers in found)) if count else b""
        rest = out[:size].tobytes() if count else message
        return Split(rest, samples, count, new[0][:fresh].copy(), new[1][:fresh].copy())

    def remember(self, split: Split) -> None:
        """What goes with labels is in the log; from now on its series go by id."""
        fresh = len(split.new_ids)
        if not fresh:
            return
        if 2 * (self._count + fresh) > len(self._tables[0]):
            ids, epochs = self._tables
            used = epochs != 0
            size = 1 << (4 * (self._count + fresh)).bit_length()
            if self._count + fresh > _MOST_SERIES:
                used, size, self._count = np.zeros(len(ids), bool), _LEAST_TABLE + (1 << (4 * fresh).bit_length()), 0
                size = 1 << size.bit_length()
            # Threads that split have the table of before.
            tables = np.zeros(size, np.uint64), np.zeros(size, np.int64)
            _remember(*tables, ids[used], epochs[used])
            self._tables = tables
        self._count += int(_remember(*self._tables, split.new_ids, split.new_epochs))


def _samples(ids: Any, times_ms: Any, values: Any) -> bytes:
    parts = []
    for tag, numbers in ((b"\x0a", ids), (b"\x12", times_ms), (b"\x1a", values)):
        content = numbers.tobytes()
        size, digits = len(content), bytearray()
        while size > 127:
            digits.append(size & 127 | 128)
            size >>= 7
        parts += [tag, bytes(digits), bytes([size]), content]
    return b"".join(parts)
