"""Histogram samples in the order of their series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.server.query.promql.histogram import CounterReset, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable


def with_reset_hints(samples: Iterable[Histogram | None]) -> list[Histogram | None]:
    """What is known of counter resets when samples are read in order, told on every sample of a series.

    `samples` come in the order of time, None for a float or a stale marker. A sample that goes on from the one before
    is known to be no reset. As in Prometheus, the others stay unknown. Gauges and explicit resets stay as they are.
    """
    known: list[Histogram | None] = []
    previous: Histogram | None = None
    for sample in samples:
        hinted = sample
        if sample is not None and previous is not None and sample.counter_reset is CounterReset.UNKNOWN:
            hinted = _hinted(sample, previous)
        known.append(hinted)
        previous = sample
    return known


def statistics(samples: Iterable[Histogram | None]) -> list[Histogram | None]:
    """Counts and sums alone; buckets and their bounds cannot disagree any more.

    What is known of counter resets is known of the whole histograms, compared with the one before, whatever lies
    between. Only of the first one it may stay unknown.
    """
    told: list[Histogram | None] = []
    previous: Histogram | None = None
    for sample in samples:
        if sample is None:
            told.append(None)
            continue
        hint = sample.counter_reset
        if hint is CounterReset.UNKNOWN and previous is not None:
            hint = CounterReset.RESET if sample.resets(previous) else CounterReset.NOT_RESET
        told.append(Histogram(sample.schema, sample.count, sample.sum, 0.0, 0.0, {}, {}, (), hint))
        previous = sample
    return told


def _hinted(sample: Histogram, previous: Histogram) -> Histogram:
    layout = (sample.schema, sample.zero_threshold, sample.custom_values)
    if previous.counter_reset is CounterReset.GAUGE:
        return sample
    if layout != (previous.schema, previous.zero_threshold, previous.custom_values) or sample.resets(previous):
        return sample
    hinted = sample.copy()
    hinted.counter_reset = CounterReset.NOT_RESET
    return hinted
