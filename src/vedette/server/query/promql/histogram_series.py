"""Histogram samples in the order of their series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.server.query.promql.histogram import CounterReset, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable


def with_reset_hints(samples: Iterable[Histogram | None], *, tell_resets: bool = False) -> list[Histogram | None]:
    """What is known of counter resets when samples are read in order, told on every sample of a series.

    `samples` come in the order of time, None for a float or a stale marker. A sample that goes on from the one before
    is known to be no reset. As in Prometheus, the others stay unknown, unless `tell_resets` is set and there is a
    sample of the same layout before. Gauges and explicit resets stay as they are.
    """
    known: list[Histogram | None] = []
    previous: Histogram | None = None
    for sample in samples:
        hinted = sample
        if sample is not None and previous is not None and sample.counter_reset is CounterReset.UNKNOWN:
            hinted = _hinted(sample, previous, tell_resets=tell_resets)
        known.append(hinted)
        previous = sample
    return known


def _hinted(sample: Histogram, previous: Histogram, *, tell_resets: bool) -> Histogram:
    layout = (sample.schema, sample.zero_threshold, sample.custom_values)
    if previous.counter_reset is CounterReset.GAUGE:
        return sample
    if layout != (previous.schema, previous.zero_threshold, previous.custom_values):
        return sample
    hint = CounterReset.NOT_RESET
    if sample.resets(previous):
        if not tell_resets:
            return sample
        hint = CounterReset.RESET
    hinted = sample.copy()
    hinted.counter_reset = hint
    return hinted
