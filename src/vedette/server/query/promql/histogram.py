"""Native histograms: exponential buckets, or custom bounds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

CUSTOM_BUCKETS_SCHEMA: Final = -53


class CounterReset(IntEnum):
    """What is known of a counter reset between a histogram and the one before it in its series."""

    UNKNOWN = 0
    RESET = 1
    NOT_RESET = 2
    GAUGE = 3


@dataclass(slots=True)
class Histogram:
    """One native histogram sample, in floats.

    Buckets are sparse: `positive` and `negative` map a bucket's index to its count (not cumulative), ascending.
    With an exponential `schema` (-4 … 8) bucket `i` ends at 2^(i·2^-schema), inclusive, and starts where `i-1` ends;
    negative buckets mirror that. With `CUSTOM_BUCKETS_SCHEMA`, `custom_values` are the upper bounds, bucket `i` ends at
    `custom_values[i]`, and the bucket behind the last bound goes to +Inf; there are no negative and zero buckets then.

    Treat an instance as immutable once it is in a series.
    """

    schema: int
    count: float
    sum: float
    zero_count: float
    zero_threshold: float
    positive: dict[int, float]
    negative: dict[int, float]
    custom_values: tuple[float, ...] = ()
    counter_reset: CounterReset = CounterReset.UNKNOWN
