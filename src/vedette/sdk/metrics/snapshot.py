"""A process's metrics as plain values, which go to another process and are added up there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.metrics.exponential import ExponentialHistogram
from vedette.sdk.metrics.gauges import Gauge
from vedette.sdk.metrics.instruments import Counter, Histogram, Info, Summary, UpDownCounter
from vedette.sdk.metrics.registry import Family
from vedette.sdk.resource import Scope
from vedette.sdk.values import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["merged", "snapshot"]

_PER_PROCESS = ("process_", "python_", "asyncio_")
_MERGED_WINDOW = 1 << 16
"""The observations of a merged summary that its quantiles are taken from."""


def snapshot(families: Iterable[Family[Any]], pid: int) -> list[Any]:
    """The families' values, as JSON can carry them. `pid` tells apart what must not be added up."""
    return [
        [family.name, family.kind, family.help, family.unit, family.scope is not None, pid, _series(family)]
        for family in families
    ]


def _series(family: Family[Any]) -> list[Any]:
    return [[attributes, _value(series)] for attributes, series in family.items()]


def _value(series: Any) -> list[Any]:
    if isinstance(series, ExponentialHistogram):
        sides = [sorted(series.positive.items()), sorted(series.negative.items())]
        return ["exponential", series.scale, sides, series.zeros, series.total]
    if isinstance(series, Info):
        return ["info", series.labels]
    if hasattr(series, "quantiles") or (hasattr(series, "pairs") and series.pairs):
        recent = list(getattr(series, "_recent", ()))
        return ["summary", getattr(series, "quantiles", ()), recent, series.observations, series.total]
    if hasattr(series, "bounds"):
        return ["histogram", series.bounds, series.counts, series.total]
    return ["value", series.value()]


def merged(snapshots: Iterable[list[Any]]) -> list[Family[Any]]:
    """One set of families out of those of several processes.

    Counters, histograms and summaries are added up, and so are gauges; what describes a process (`process_*`,
    `python_*`, `asyncio_*` gauges) keeps a `pid` label; the host's gauges are taken once.
    """
    found: dict[str, Family[Any]] = {}
    for parts in snapshots:
        for name, kind, help_text, unit, scoped, pid, series in parts:
            family = found.get(name)
            if family is None:
                family = found[name] = Family(name, kind, help_text, unit, Counter, 0)
                family.scope = Scope("", None, None, None) if scoped else None
            apart = kind == "gauge" and name.startswith(_PER_PROCESS)
            for attributes, value in series:
                shown = {**attributes, "pid": str(pid)} if apart else attributes
                key = tuple(sorted((label, text_of(text)) for label, text in shown.items()))
                held = family.series.get(key)
                if held is None:
                    family.attributes[key] = shown
                    family.series[key] = _made(kind, value)
                elif not name.startswith("host_"):
                    _add(held, value)
    return list(found.values())


def _made(kind: str, value: list[Any]) -> Any:
    what = value[0]
    if what == "value":
        single: Any = Gauge() if kind == "gauge" else UpDownCounter()
        if kind == "gauge":
            single.set(value[1])
        else:
            single._add_any(value[1])
        return single
    if what == "info":
        about = Info()
        about.info(value[1])
        return about
    if what == "histogram":
        histogram = Histogram(value[1])
        histogram.counts, histogram.total = list(value[2]), value[3]
        return histogram
    if what == "summary":
        summary = Summary(value[1], _MERGED_WINDOW)
        _add(summary, value)
        return summary
    spread = ExponentialHistogram()
    spread.scale = value[1]
    _add(spread, value)
    return spread


def _add(held: Any, value: list[Any]) -> None:
    what = value[0]
    if what == "value":
        if isinstance(held, Gauge):
            held.inc(value[1])
        else:
            held._add_any(value[1])
    elif what == "histogram" and list(held.bounds) == list(value[1]):
        held.counts = [one + other for one, other in zip(held.counts, value[2], strict=True)]
        held.total += value[3]
    elif what == "summary":
        held._recent.extend(value[2])  # of its `window` the latest
        held.observations += value[3]
        held.total += value[4]
    elif what == "exponential":
        scale = min(held.scale, value[1])
        for side, pairs in zip((held.positive, held.negative), value[2], strict=True):
            both: dict[int, int] = {}
            for shift, items in ((held.scale - scale, list(side.items())), (value[1] - scale, pairs)):
                for index, count in items:
                    both[index >> shift] = both.get(index >> shift, 0) + count
            side.clear()
            side.update(both)
        held.scale = scale
        held.zeros += value[3]
        held.total += value[4]
