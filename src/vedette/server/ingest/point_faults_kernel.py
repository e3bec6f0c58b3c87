# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, FBT003, PLR1714, PLR2004, SIM109
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,operator,return-value"
"""Points of an OTLP metrics request that the tables refuse, by the rules of ``engine/formats/otlp_metrics``.

The messages are as the protobuf runtime writes them. `point_faults` says the same of requests as objects.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.ingest.delta_sums import last, numbers_in
from vedette.server.ingest.points_kernel import (
    BEGIN,
    END,
    EXPONENTIAL,
    GAUGE,
    HISTOGRAM,
    IS_NAMED,
    KIND,
    SUM,
    SUMMARY,
    TEMPORALITY,
)
from vedette.server.ingest.protobuf_kernel import BYTES, elements, field, fixed64, signed

__all__ = ["REASONS", "count_faults"]

REASONS = (
    "unnamed_metric",
    "unknown_temporality",
    "no_time",
    "no_value",
    "bucket_count_mismatch",
    "unordered_bounds",
    "scale_too_low",
    "buckets_out_of_range",
)
"""Of several that fit a point, the first is told."""
_UNNAMED, _TEMPORALITY, _NO_TIME, _VALUELESS, _MISMATCH, _UNORDERED, _SCALE, _RANGE = range(len(REASONS))
_SOUND = -1
_CUMULATIVE = 2
_NO_VALUE = 1
_LOWEST_SCALE, _LAST_BUCKET = -4, 2_000_000_000


@part
def _number_fault(data: Any, at: int, end: int) -> int:
    while at < end:
        number, wire, _, at, value = field(data, at, end)
        if wire != BYTES and (number == 4 or number == 6 or (number == 8 and value & _NO_VALUE)):
            return _SOUND
    return _VALUELESS


@part
def _histogram_fault(data: Any, at: int, end: int) -> int:
    counts, bounds = numbers_in(data, at, end, 6), numbers_in(data, at, end, 7)
    if counts > 0 and counts != bounds + 1:
        return _MISMATCH
    begin = last(data, at, end, 7)
    found = np.empty(bounds, np.float64)
    words = found.view(np.uint64)
    for i in range(bounds):
        words[i] = fixed64(data, begin + 8 * i)
        if np.isnan(found[i]) or (i > 0 and not found[i - 1] < found[i]):
            return _UNORDERED
    return _SOUND


@part
def _last_bucket(data: Any, at: int, end: int) -> int:
    """The offset of one side of an exponential histogram and how many buckets it has, added."""
    found = np.int64(0)
    while at < end:
        number, wire, begin, at, value = field(data, at, end)
        if number == 1:
            found += signed(value)
        elif number == 2:
            found += elements(data, wire, begin, at, False)
    return found


@part
def _exponential_fault(data: Any, at: int, end: int) -> int:
    scale = bucket = np.int64(0)
    while at < end:
        number, wire, begin, at, value = field(data, at, end)
        if number == 6 and wire != BYTES:
            scale = signed(value)
        elif (number == 8 or number == 9) and wire == BYTES:
            bucket = max(bucket, _last_bucket(data, begin, at))
    if scale < _LOWEST_SCALE:
        return _SCALE
    return _RANGE if bucket > _LAST_BUCKET else _SOUND


@part
def _fault(data: Any, where: Any) -> int:
    """Which of the reasons fits a point, -1 if none does."""
    kind, begin, end = where[KIND], where[BEGIN], where[END]
    if not where[IS_NAMED]:
        return _UNNAMED
    if kind != GAUGE and kind != SUMMARY and where[TEMPORALITY] != _CUMULATIVE:
        return _TEMPORALITY
    time = last(data, begin, end, 3)
    if time < 0 or fixed64(data, time) == 0:
        return _NO_TIME
    if kind == GAUGE or kind == SUM:
        return _number_fault(data, begin, end)
    if kind == HISTOGRAM:
        return _histogram_fault(data, begin, end)
    return _exponential_fault(data, begin, end) if kind == EXPONENTIAL else _SOUND


@compiled
def count_faults(data: Any, where: Any, sound: Any, faults: Any) -> None:
    """Count the points of a request that the tables refuse.

    Args:
        data: An ``ExportMetricsServiceRequest`` as the protobuf runtime writes it.
        where: Where its points are, by `points_kernel.points_of`.
        sound: For each point whether it is known to be sound.
        faults: Receives how many points each of `REASONS` fits.
    """
    for i in range(len(sound)):
        if not sound[i]:
            fault = _fault(data, where[i])
            if fault >= 0:
                faults[fault] += 1
