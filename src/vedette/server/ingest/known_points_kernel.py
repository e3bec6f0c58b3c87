# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR0917, PLR1714, PLR2004, SIM109
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,operator,return-value"
"""Samples of OTLP points whose streams are known, as ``engine/formats/otlp_metrics`` makes them of points.

A table of streams has a key, an epoch and, in a pool, the ids of the series that a point of the stream has samples of,
in their order: that of a number; of a histogram its count, its sum if there is one, and its buckets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.ingest.key_table import place
from vedette.server.ingest.points_kernel import BEGIN, END, GAUGE, HISTOGRAM, KIND, SUM, TEMPORALITY
from vedette.server.ingest.protobuf_kernel import BYTES, field, fixed64

__all__ = ["EXEMPLARS", "FRESH", "POINTS", "SAMPLES", "add", "refresh", "take"]

SAMPLES, EXEMPLARS, FRESH, POINTS = 0, 1, 2, 3
"""Places in the counts of `take`."""

_HOUR_SECONDS, _DAY_SECONDS = 3600, 86_400
_TURNS = 16
_CUMULATIVE = 2
_NO_VALUE = 1
_STALE = 0x7FF0000000000002
_MS = 1_000_000
_MOST_NANOS = 0x7FFFFFFFFFFFFFFF


@part
def _epoch(key: Any, time_ms: int) -> int:
    """The day and the hour of a sample, hours beginning at another minute for each sixteenth of the streams."""
    turn = np.int64(key >> np.uint64(60)) * (_HOUR_SECONDS // _TURNS)
    seconds = time_ms // 1000
    return (seconds + turn) // _HOUR_SECONDS * (1 << 20) + seconds // _DAY_SECONDS + 1


@part
def _milliseconds(nanos: Any) -> int:
    return np.int64(min(nanos, np.uint64(_MOST_NANOS)) // np.uint64(_MS))


@part
def _time(data: Any, at: int, end: int) -> Any:
    """When a point of any kind was taken, in nanoseconds; 0 if it does not say."""
    found = np.uint64(0)
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number == 3 and kind != BYTES:
            found = fixed64(data, begin)
    return found


@part
def _bucket_of(value: Any, bounds: Any) -> int:
    """The first of the buckets whose bound is not below a value; the first of all for what is no number."""
    for bucket in range(len(bounds)):
        if value <= bounds[bucket]:
            return bucket
    return 0


@part
def _exemplar_fields(data: Any, at: int, end: int, trace: Any) -> tuple[int, Any, Any]:
    """Which field has an exemplar's value, its bits, and its time; -1 as the field if it has labels."""
    kind = np.int64(0)
    bits = when = np.uint64(0)
    trace[:] = 0
    while at < end:
        number, _, begin, at, _ = field(data, at, end)
        if number == 2:
            when = fixed64(data, begin)
        elif number == 3 or number == 6:
            kind, bits = number, fixed64(data, begin)
        elif (number == 5 and at - begin == 16) or (number == 4 and at - begin == 8):
            first = 0 if number == 5 else 16
            for i in range(at - begin):
                trace[first + i] = data[begin + i]
        elif number == 7:
            return np.int64(-1), bits, when
    return kind, bits, when


@part
def _put_exemplar(data: Any, at: int, end: int, time: Any, ids: Any, bounds: Any, exemplars: Any, n: int) -> int:
    """Put an exemplar into columns. Returns 1 if it is one, 0 if it has no value, -1 if it has labels.

    It belongs to one of the last series, as many as there are `bounds`.
    """
    found, values, traces = exemplars
    kind, bits, when = _exemplar_fields(data, at, end, traces[n])
    if kind <= 0:
        return kind
    values.view(np.uint64)[n] = bits
    if kind == 6:
        values[n] = np.float64(np.int64(bits))
    found[0, n] = np.int64(ids[len(ids) - len(bounds) + _bucket_of(values[n], bounds)])
    found[1, n] = _milliseconds(when if when != 0 else time)
    return 1


@part
def _put_exemplars(
    data: Any, at: int, end: int, wanted: int, time: Any, ids: Any, bounds: Any, exemplars: Any, n: int
) -> int:
    """Put the exemplars of a point, which are in the fields `wanted`. Returns how many there are by now, or -1."""
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number == wanted and kind == BYTES:
            added = _put_exemplar(data, begin, at, time, ids, bounds, exemplars, n)
            if added < 0:
                return -1
            n += added
    return n


@part
def _put_number(data: Any, at: int, end: int, ids: Any, samples: Any, n: int) -> int:
    """Put the sample of a point of a gauge or sum. Returns how many samples it has, -1 if it cannot be kept so."""
    series, times, values = samples
    bits = values.view(np.uint64)
    kind = np.int64(0)
    flags = np.int64(0)
    start = time = np.uint64(0)
    while at < end:
        number, wire, begin, at, value = field(data, at, end)
        if wire == BYTES:
            continue
        if number == 2:
            start = fixed64(data, begin)
        elif number == 3:
            time = fixed64(data, begin)
        elif number == 4 or number == 6:
            kind = number
            bits[n] = fixed64(data, begin)
        elif number == 8:
            flags = value
    if len(ids) != 1 or (kind == 0 and not flags & _NO_VALUE):
        return -1
    if flags & _NO_VALUE:
        bits[n] = np.uint64(_STALE)
    elif kind == 6:
        values[n] = np.float64(np.int64(bits[n]))
    series[n] = ids[0]
    times[0, n], times[1, n] = _milliseconds(time), _milliseconds(start)
    return 1


@part
def _bounds(data: Any, at: int, end: int) -> Any:
    """The bounds of a histogram's buckets as its series have them, +Inf the last; none if they are out of order."""
    counts = np.int64(-1)
    size = np.int64(0)
    begin = np.int64(0)
    while at < end:
        number, wire, inner, at, _ = field(data, at, end)
        if wire == BYTES and number == 6:
            counts = (at - inner) // 8
        elif wire == BYTES and number == 7:
            begin, size = inner, (at - inner) // 8
    found = np.empty(size + 1, np.float64)
    words = found.view(np.uint64)
    for i in range(size):
        words[i] = fixed64(data, begin + 8 * i)
        if np.isnan(found[i]) or (i > 0 and not found[i - 1] < found[i]):
            return found[:0]
    if counts < 0:
        size = 0
    elif counts != size + 1:
        return found[:0]
    if size > 0 and found[size - 1] == np.inf:
        size -= 1
    found[size] = np.inf
    return found[: size + 1]


@part
def _histogram_fields(data: Any, at: int, end: int, facts: Any) -> int:
    """Put start, time, count, sum, whether there is one, and flags into `facts`. Returns where the counts begin."""
    facts[:] = 0
    buckets = np.int64(-1)
    while at < end:
        number, wire, begin, at, value = field(data, at, end)
        if wire == BYTES:
            if number == 6:
                buckets = begin
        elif 2 <= number <= 5:
            facts[number - 2] = fixed64(data, begin)
            facts[4] |= np.uint64(number == 5)
        elif number == 10:
            facts[5] = np.uint64(value)
    return buckets


@part
def _put_histogram(data: Any, at: int, end: int, ids: Any, bounds: Any, samples: Any, n: int) -> int:
    """Put the samples of a point of a histogram. Returns how many there are, -1 if it cannot be kept so."""
    series, times, values = samples
    bits = values.view(np.uint64)
    facts = np.empty(6, np.uint64)
    buckets = _histogram_fields(data, at, end, facts)
    no_value = facts[5] & np.uint64(_NO_VALUE) != 0
    has_sum = np.int64(1 if no_value else facts[4])
    count = 1 + has_sum + len(bounds)
    if len(bounds) == 0 or len(ids) != count:
        return -1
    values[n] = values[n + count - 1] = np.float64(facts[2])
    if has_sum:
        bits[n + 1] = facts[3]
    running = np.uint64(0)
    for i in range(len(bounds) - 1):
        running += fixed64(data, buckets + 8 * i)
        values[n + 1 + has_sum + i] = np.float64(running)
    for i in range(n, n + count):
        if no_value:
            bits[i] = np.uint64(_STALE)
        series[i] = ids[i - n]
        times[0, i], times[1, i] = _milliseconds(facts[1]), _milliseconds(facts[0])
    return count


@part
def _take_point(data: Any, where: Any, time: Any, ids: Any, samples: Any, exemplars: Any, counts: Any) -> bool:
    """Put the samples and exemplars of a point into columns. False if it cannot be kept so."""
    kind, begin, end = where[KIND], where[BEGIN], where[END]
    n = counts[SAMPLES]
    bounds = np.full(1, np.inf)
    if kind == HISTOGRAM:
        bounds = _bounds(data, begin, end)
        added = _put_histogram(data, begin, end, ids, bounds, samples, n)
    else:
        added = _put_number(data, begin, end, ids, samples, n)
    if added < 0:
        return False
    shown = counts[EXEMPLARS]
    if kind != GAUGE:  # which keeps none, by the specification
        shown = _put_exemplars(data, begin, end, 8 if kind == HISTOGRAM else 5, time, ids, bounds, exemplars, shown)
        if shown < 0:
            return False
    counts[SAMPLES], counts[EXEMPLARS] = n + added, shown
    return True


@part
def _note(fresh: Any, counts: Any, key: Any, epoch: int, what: int) -> None:
    fresh[0][counts[FRESH]], fresh[1][counts[FRESH]], fresh[2][counts[FRESH]] = key, epoch, what
    counts[FRESH] += 1


@part
def _is_plain(where: Any) -> bool:
    """Whether points like this one can become samples here."""
    kind = where[KIND]
    return kind == GAUGE or ((kind == SUM or kind == HISTOGRAM) and where[TEMPORALITY] == _CUMULATIVE)


@part
def _latest_times(data: Any, where: Any, resources: Any, times: Any, latest: Any) -> None:
    """When points were taken, and the latest time of each resource's points."""
    for i in range(len(times)):
        times[i] = _time(data, where[i, BEGIN], where[i, END])
        resource = resources[i]
        latest[resource] = max(latest[resource], times[i])


@part
def _told_resources(targets: Any, latest: Any, table: Any, told: Any, fresh: Any, counts: Any) -> None:
    """Find the resources whose `target_info` is known today."""
    keys, epochs, _, _ = table
    for resource in range(len(targets)):
        key = targets[resource]
        if latest[resource] == 0:
            continue
        epoch = _epoch(key, _milliseconds(latest[resource]))
        at = place(keys, key)
        told[resource] = at if epochs[at] == epoch else -1
        if told[resource] < 0:
            _note(fresh, counts, key, epoch, -1 - resource)


@compiled
def take(
    data: Any,
    points: Any,
    targets: Any,
    table: Any,
    pool: Any,
    samples: Any,
    exemplars: Any,
    fresh: Any,
    taken: Any,
    counts: Any,
) -> None:
    """Put what is known of a request into columns.

    Args:
        data: An ``ExportMetricsServiceRequest`` as the protobuf runtime writes it.
        points: Its points, by `points_kernel.list_points`: keys, places, where they are.
        targets: The keys of its resources, likewise.
        table: Streams that are known: keys, epochs, where their ids begin, how many there are.
        pool: Ids of series.
        samples: Receives ids, times with start times, and values; a third of the size of `data` is room enough.
        exemplars: Receives ids with times, values, and trace ids with span ids; an eighth is enough.
        fresh: Receives keys, epochs and numbers of points that are not known; of resources, -1 less their number.
        taken: Receives for each point whether it is in the columns.
        counts: Receives how many samples, exemplars, fresh keys and taken points there are.
    """
    point_keys, places, where = points
    keys, epochs, begins, sizes = table
    times, latest = np.zeros(len(taken), np.uint64), np.zeros(len(targets), np.uint64)
    told = np.full(len(targets), -1, np.int64)
    _latest_times(data, where, places[:, 0], times, latest)
    _told_resources(targets, latest, table, told, fresh, counts)
    some = np.zeros(len(targets), np.bool_)
    for i in range(len(taken)):
        key = point_keys[i]
        if times[i] == 0 or not _is_plain(where[i]):
            continue
        epoch = _epoch(key, _milliseconds(times[i]))
        at = place(keys, key)
        if epochs[at] != epoch:
            _note(fresh, counts, key, epoch, i)
        elif told[places[i, 0]] >= 0:
            ids = pool[begins[at] : begins[at] + sizes[at]]
            taken[i] = _take_point(data, where[i], times[i], ids, samples, exemplars, counts)
            some[places[i, 0]] |= taken[i]
            counts[POINTS] += taken[i]
    series, sample_times, values = samples
    for resource in range(len(targets)):
        if some[resource] and sizes[told[resource]] > 0:
            n = counts[SAMPLES]
            series[n], values[n] = pool[begins[told[resource]]], 1.0
            sample_times[0, n], sample_times[1, n] = _milliseconds(latest[resource]), 0
            counts[SAMPLES] += 1


@compiled
def refresh(table: Any, streams: Any, epochs: Any, missing: Any) -> None:
    """Set the epochs of streams that are in the table; `missing` receives which are not."""
    keys, all_epochs, _, _ = table
    for i in range(len(streams)):
        at = place(keys, streams[i])
        missing[i] = keys[at] == 0
        if not missing[i]:
            all_epochs[at] = epochs[i]


@compiled
def add(table: Any, streams: Any, epochs: Any, begins: Any, sizes: Any) -> int:
    """Put streams into the table, which has room. Returns how many were not there."""
    keys, all_epochs, all_begins, all_sizes = table
    count = 0
    for i in range(len(streams)):
        at = place(keys, streams[i])
        count += keys[at] == 0
        keys[at], all_epochs[at], all_begins[at], all_sizes[at] = streams[i], epochs[i], begins[i], sizes[i]
    return count
