# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FURB110, PLR0911, PLR0917, PLR1714, PLR2004, SIM109
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""Delta points of OTLP requests summed up into cumulative ones, by compiled code over the bytes.

A stream is what the OpenTelemetry data model calls one: a resource, a scope, a metric and a set of attributes. It has a
record in a pool of 64-bit words, found by a hash of its identity. A request is walked twice: `survey` says what room
its new streams take and `convert` writes the request anew. What cannot be summed (no time, no value, buckets that do
not agree) is left as it is, for the tables to refuse by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.ingest.delta_sums import (
    CAPACITY,
    EXPONENTIAL_WORDS,
    HISTOGRAM_WORDS,
    NUMBER_WORDS,
    SEEN,
    START,
    TIME,
    add_exponential,
    add_histogram,
    add_number,
    last,
    numbers_in,
)
from vedette.server.ingest.key_table import place
from vedette.server.ingest.protobuf_kernel import BYTES, PADDED, copy, field, fixed64, put_length
from vedette.server.ingest.series_ids import mixed
from vedette.server.ingest.stream_hashes import fields_hash, metric_hash, resource_hash, scope_hash

__all__ = ["FULL", "LATE", "OUT_BYTES", "POINTS", "STREAMS", "WORDS", "compact", "convert", "survey"]

# Places in the facts of `survey`: delta points, new streams, words that they take, bytes that the output may take more.
POINTS, STREAMS, WORDS, OUT_BYTES = range(4)
# Places in the facts of `convert`: points that came late, and those for which there is no room.
LATE, FULL = range(2)
_NO_VALUE = 1
_DELTA, _CUMULATIVE = 1, 2
_SUMS, _HISTOGRAMS, _EXPONENTIALS = 7, 9, 10
_POINT_BYTES = 96
_EXPONENTIAL_BYTES = 4096


@part
def _delta_kind(data: Any, at: int, end: int) -> int:
    """The number of the field that holds a metric's points if they are deltas, else 0."""
    found = np.int64(0)
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if kind == BYTES and (number == _SUMS or number == _HISTOGRAMS or number == _EXPONENTIALS):
            inner = begin
            while inner < at:
                part, _, _, inner, value = field(data, inner, at)
                if part == 2:
                    found = number if value == _DELTA else np.int64(0)
    return found


@part
def _point_key(data: Any, at: int, end: int, metric: Any, points: int) -> Any:
    wanted = 7 if points == _SUMS else 9 if points == _HISTOGRAMS else 1
    key = mixed(metric, fields_hash(data, at, end, wanted))
    return key if key else np.uint64(1)


@part
def _words_of(data: Any, at: int, end: int, points: int) -> int:
    """The words that the record of a point's stream takes."""
    if points == _SUMS:
        return NUMBER_WORDS
    return EXPONENTIAL_WORDS if points == _EXPONENTIALS else HISTOGRAM_WORDS + numbers_in(data, at, end, 6)


@compiled
def survey(data: Any, tenant: Any, keys: Any, begins: Any, words: Any, facts: Any) -> None:
    """Count the delta points of a checked request, and what room their new streams take."""
    at, end = 0, len(data)
    while at < end:
        number, kind, resource, at, _ = field(data, at, end)
        if number != 1 or kind != BYTES:
            continue
        target = mixed(tenant, resource_hash(data, resource, at))
        while resource < at:
            number, kind, scope, resource, _ = field(data, resource, at)
            if number != 2 or kind != BYTES:
                continue
            within = mixed(target, scope_hash(data, scope, resource))
            while scope < resource:
                number, kind, metric, scope, _ = field(data, scope, resource)
                if number != 2 or kind != BYTES:
                    continue
                points = _delta_kind(data, metric, scope)
                if points:
                    name = mixed(within, metric_hash(data, metric, scope, points))
                    _survey_metric(data, metric, scope, points, name, keys, begins, words, facts)


@part
def _survey_metric(
    data: Any, at: int, end: int, points: int, name: Any, keys: Any, begins: Any, words: Any, facts: Any
) -> None:
    facts[OUT_BYTES] += 4 * PADDED
    while at < end:
        number, kind, inner, at, _ = field(data, at, end)
        if number != points or kind != BYTES:
            continue
        while inner < at:
            part, part_kind, begin, inner, _ = field(data, inner, at)
            if part != 1 or part_kind != BYTES:
                continue
            facts[POINTS] += 1
            facts[OUT_BYTES] += _EXPONENTIAL_BYTES if points == _EXPONENTIALS else _POINT_BYTES
            key = _point_key(data, begin, inner, name, points)
            needed = _words_of(data, begin, inner, points)
            where = place(keys, key)
            if keys[where] == 0 or words[begins[where] + CAPACITY] < np.uint64(needed):
                facts[STREAMS] += 1
                facts[WORDS] += needed


@compiled
def convert(
    data: Any, tenant: Any, keys: Any, begins: Any, words: Any, used: Any, now: int, facts: Any, out: Any
) -> int:
    """Write a checked request with its delta metrics as cumulative ones. Returns the size of the output.

    `used` is how many words and how many streams are taken; streams for which there is no room are left out.
    """
    at, end, to = 0, len(data), 0
    while at < end:
        begin = at
        number, kind, resource, at, _ = field(data, at, end)
        if number != 1 or kind != BYTES:
            to = copy(out, to, data, begin, at)
            continue
        target = mixed(tenant, resource_hash(data, resource, at))
        out[to] = 0x0A
        resource_length = to + 1
        to += 1 + PADDED
        while resource < at:
            begin = resource
            number, kind, scope, resource, _ = field(data, resource, at)
            if number != 2 or kind != BYTES:
                to = copy(out, to, data, begin, resource)
                continue
            within = mixed(target, scope_hash(data, scope, resource))
            out[to] = 0x12
            scope_length = to + 1
            to += 1 + PADDED
            while scope < resource:
                begin = scope
                number, kind, metric, scope, _ = field(data, scope, resource)
                points = _delta_kind(data, metric, scope) if number == 2 and kind == BYTES else np.int64(0)
                if points == 0:
                    to = copy(out, to, data, begin, scope)
                    continue
                name = mixed(within, metric_hash(data, metric, scope, points))
                out[to] = 0x12
                length = to + 1
                to = _convert_metric(
                    data, metric, scope, points, name, keys, begins, words, used, now, facts, out, length + PADDED
                )
                put_length(out, length, to - length - PADDED)
            put_length(out, scope_length, to - scope_length - PADDED)
        put_length(out, resource_length, to - resource_length - PADDED)
    return to


@part
def _convert_metric(
    data: Any,
    at: int,
    end: int,
    points: int,
    name: Any,
    keys: Any,
    begins: Any,
    words: Any,
    used: Any,
    now: int,
    facts: Any,
    out: Any,
    to: int,
) -> int:
    while at < end:
        begin = at
        number, kind, inner, at, _ = field(data, at, end)
        if number != points or kind != BYTES:
            to = copy(out, to, data, begin, at)
            continue
        out[to] = points << 3 | BYTES
        length = to + 1
        to += 1 + PADDED
        while inner < at:
            begin = inner
            part, part_kind, point, inner, _ = field(data, inner, at)
            if part == 2:
                out[to], out[to + 1] = 0x10, _CUMULATIVE
                to += 2
                continue
            if part != 1 or part_kind != BYTES or not _can_be_summed(data, point, inner, points):
                to = copy(out, to, data, begin, inner)
                continue
            key = _point_key(data, point, inner, name, points)
            record = _record(data, point, inner, points, key, keys, begins, words, used)
            if record < 0:
                facts[FULL] += 1
                continue
            time = fixed64(data, last(data, point, inner, 3))
            if time < words[record + TIME]:
                facts[LATE] += 1
                continue
            words[record + SEEN] = np.uint64(now)
            out[to] = 0x0A
            point_length = to + 1
            # A point that comes again, because an answer was lost, is not added again.
            again = time == words[record + TIME]
            words[record + TIME] = time
            to = point_length + PADDED
            if points == _SUMS:
                to = add_number(data, point, inner, words, record, again, out, to)
            elif points == _HISTOGRAMS:
                to = add_histogram(data, point, inner, words, record, again, out, to)
            else:
                to = add_exponential(data, point, inner, words, record, again, out, to)
            put_length(out, point_length, to - point_length - PADDED)
        put_length(out, length, to - length - PADDED)
    return to


@part
def _flags(data: Any, at: int, end: int, wanted: int) -> int:
    found = np.int64(0)
    while at < end:
        number, _, _, at, value = field(data, at, end)
        if number == wanted:
            found = value
    return found


@part
def _can_be_summed(data: Any, at: int, end: int, points: int) -> bool:
    time = last(data, at, end, 3)
    if time < 0 or fixed64(data, time) == 0:
        return False
    if _flags(data, at, end, 8 if points == _SUMS else 10) & _NO_VALUE:
        return False
    if points == _SUMS:
        return last(data, at, end, 4) >= 0 or last(data, at, end, 6) >= 0
    if points == _HISTOGRAMS:
        buckets = numbers_in(data, at, end, 6)
        return buckets == 0 or buckets == numbers_in(data, at, end, 7) + 1
    scale = _flags(data, at, end, 6)
    if scale > 40 or (scale & 1 and scale > 7):  # zigzag: up to 20, down to -4
        return False
    for side in (8, 9):
        scan = at
        while scan < end:
            number, kind, begin, scan, _ = field(data, scan, end)
            while number == side and kind == BYTES and begin < scan:
                part, _, _, begin, value = field(data, begin, scan)
                if part == 1 and np.uint64(value) > np.uint64(1 << 31):
                    return False
    return True


@part
def _record(data: Any, at: int, end: int, points: int, key: Any, keys: Any, begins: Any, words: Any, used: Any) -> int:
    """Where the record of a stream begins, a new one if it is new; -1 where there is no room for it."""
    where = place(keys, key)
    needed = _words_of(data, at, end, points)
    known = keys[where] != 0
    if known and words[begins[where] + CAPACITY] >= np.uint64(needed):
        return begins[where]
    if used[0] + needed > len(words) or (not known and 2 * (used[1] + 1) > len(keys)):
        return -1
    record = used[0]
    words[record : record + needed] = 0
    used[0] += needed
    if not known:
        keys[where] = key
        used[1] += 1
    begins[where] = record
    words[record + CAPACITY] = np.uint64(needed)
    start = last(data, at, end, 2)
    if start >= 0:
        words[record + START] = fixed64(data, start)
    return record


@compiled
def compact(keys: Any, begins: Any, words: Any, oldest: int, new_keys: Any, new_begins: Any, new_words: Any) -> Any:
    """Copy the records that were seen since a second into another table and pool, which have room for them.

    Returns how many words and how many streams are taken there.
    """
    used = np.zeros(2, np.int64)
    for i in range(len(keys)):
        if keys[i] == 0 or words[begins[i] + SEEN] < np.uint64(oldest):
            continue
        size = np.int64(words[begins[i] + CAPACITY])
        where = place(new_keys, keys[i])
        new_keys[where], new_begins[where] = keys[i], used[0]
        for j in range(size):
            new_words[used[0] + j] = words[begins[i] + j]
        used[0] += size
        used[1] += 1
    return used
