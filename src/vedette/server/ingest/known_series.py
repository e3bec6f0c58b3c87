# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR0917, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Series of remote write that the log was told of: their samples go on by id, without labels.

The tables hash labels and look for series with every row that has them, and most rows are samples of series that were
there a moment ago. So the ids of series are computed here, and a series whose labels went into the log on this day and
in this hour is written as an id. Labels are told again on a new day, as the tables keep series by day, and every hour,
in which series take turns: tables that lose them are without them for an hour at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vedette.server.compiled import compiled, lean
from vedette.server.ingest.key_table import place
from vedette.server.ingest.protobuf_kernel import copy, field, fixed64
from vedette.server.ingest.samples_message import samples_message
from vedette.server.ingest.series_ids import label_hash, label_message_hash

__all__ = ["KnownSeries", "Split"]

_HOUR_SECONDS, _DAY_MS = 3600, 86_400_000
_TURNS = 16
_LEAST_TABLE = 1 << 12
_MOST_SERIES = 1 << 22
"""Of all tenants; beyond it everything is told anew. The table takes 128 MiB then."""


@lean
def _epoch(id_: Any, time_ms: int) -> int:
    """The day and the hour of a sample, hours beginning at another minute for each sixteenth of the series."""
    turn = np.int64(id_ >> np.uint64(60)) * (_HOUR_SECONDS // _TURNS)
    return (time_ms // 1000 + turn) // _HOUR_SECONDS * (1 << 20) + time_ms // _DAY_MS + 1


@compiled
def _remember(ids: Any, epochs: Any, new_ids: Any, new_epochs: Any) -> int:
    """Put series into the table, which has room. Returns how many were not there."""
    count = 0
    for i in range(len(new_ids)):
        at = place(ids, new_ids[i])
        if epochs[at] == 0:
            count += 1
            ids[at] = new_ids[i]
        epochs[at] = new_epochs[i]
    return count


@lean
def _take_sample(data: Any, at: int, end: int, times: Any, values: Any, place: int) -> bool:
    """Put a sample into columns. False if it has more than a value and a time."""
    time = np.int64(0)
    bits = np.uint64(0)
    while at < end:
        number, _, begin, at, integer = field(data, at, end)
        if number == 1:
            bits = fixed64(data, begin)
        elif number == 2:
            time = integer
        else:
            return False
    times[place], values[place] = time, bits
    return True


@lean
def _take_series(data: Any, at: int, end: int, tenant: Any, times: Any, values: Any, count: int) -> tuple[Any, int]:
    """The id of a series, and how many samples are in the columns with its own; -1 if it has more than samples."""
    id_ = tenant
    while at < end:
        number, _, begin, at, _ = field(data, at, end)
        if number == 1:
            id_ += label_message_hash(data, begin, at)
        elif number == 2 and _take_sample(data, begin, at, times, values, count):
            count += 1
        else:
            return id_, -1
    return id_, count


@lean
def _common_epoch(id_: Any, times: Any, first: int, last: int) -> int:
    """The epoch of all samples of a series, 0 if they have several or there are none."""
    if first == last:
        return 0
    epoch = _epoch(id_, times[first])
    for i in range(first + 1, last):
        if _epoch(id_, times[i]) != epoch:
            return 0
    return epoch


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
        if number == 1:
            first = facts[0]
            id_, last = _take_series(data, begin, at, tenant, found_times, found_values, first)
            epoch = _common_epoch(id_, found_times, first, last) if last >= 0 else np.int64(0)
            if epoch != 0 and epochs[place(ids, id_)] == epoch:
                for i in range(first, last):
                    found_ids[i] = id_
                facts[0] = last
                continue
            if epoch != 0:
                new_ids[facts[1]], new_epochs[facts[1]] = id_, epoch
                facts[1] += 1
        to = copy(out, to, data, tag, at)
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
        samples = samples_message(numbers[:count] for numbers in found) if count else b""
        rest = out[:size].tobytes() if count else message
        return Split(rest, samples, count, new[0][:fresh].copy(), new[1][:fresh].copy())

    def remember(self, split: Split) -> None:
        """What goes with labels is in the log; from now on its series go by id."""
        fresh = len(split.new_ids)
        if not fresh:
            return
        if 2 * (self._count + fresh) > len(self._tables[0]):
            self._make_room(fresh)
        self._count += int(_remember(*self._tables, split.new_ids, split.new_epochs))

    def forget(self) -> None:
        """Tell the labels of every series anew: the tables are others now. Called where `remember` is."""
        self._count = 0
        self._tables = np.zeros(_LEAST_TABLE, np.uint64), np.zeros(_LEAST_TABLE, np.int64)

    def _make_room(self, more: int) -> None:
        """Tables with room for more series, with those of before unless they are too many."""
        ids, epochs = self._tables
        kept = epochs != 0
        if self._count + more > _MOST_SERIES:
            kept[:] = False
        self._count = int(kept.sum())
        size = max(_LEAST_TABLE, 1 << (4 * (self._count + more)).bit_length())
        # Threads that split meanwhile have the tables of before.
        tables = np.zeros(size, np.uint64), np.zeros(size, np.int64)
        _remember(*tables, ids[kept], epochs[kept])
        self._tables = tables
