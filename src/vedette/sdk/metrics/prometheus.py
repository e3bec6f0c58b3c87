"""What `prometheus_client`'s default registry holds is exposed and pushed with our own metrics.

So a program that already uses that library loses nothing; names that we have ourselves are left to us.

That library takes a lock for every value that it reads or counts, so no fork happens while we collect.

Its instruments keep their counts in a forked child, where ours begin at zero. What they had at the fork (`preloaded`)
is taken off what the child tells of them: the parent tells it, and several children would tell it several times.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from vedette.sdk.guard import fault
from vedette.sdk.metrics import preloaded
from vedette.sdk.metrics.instruments import number
from vedette.sdk.metrics.registry import Family

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["after_fork", "after_fork_in_parent", "before_fork", "foreign_families"]

_FORK_SECONDS = 10.0  # a fork waits this long at most for a collector of the host's
_collecting = threading.RLock()
_waited = False


class _Value:
    """A value that was read, in the shape of a counter or gauge."""

    def __init__(self, value: float) -> None:
        self.line = ""
        self._value = int(value) if float(value).is_integer() and abs(value) < 1e15 else value

    def value(self) -> float:
        return self._value

    def text(self) -> str:
        return number(self._value)

    def exemplar(self) -> None:
        return None

    def since(self, before: _Value) -> None:
        """Leave out what was counted `before`, unless it was set back since."""
        if self._value >= before._value:
            self._value -= before._value


class _Buckets:
    """Buckets that were read, in the shape of a histogram or summary."""

    def __init__(self) -> None:
        self.line: Any = ""
        self.cumulative: list[tuple[float, float]] = []
        self.pairs: list[tuple[float, float]] = []
        self.total = 0.0
        self.observations = 0
        self.minimum = self.maximum = 0.0

    @property
    def bounds(self) -> tuple[float, ...]:
        return tuple([bound for bound, _ in self.cumulative if bound != inf])

    @property
    def counts(self) -> list[int]:
        out, below = [], 0.0
        for _, count in self.cumulative:
            out.append(int(count - below))
            below = count
        return out or [self.observations]

    def count(self) -> int:
        return self.observations

    def since(self, before: _Buckets) -> None:
        """Leave out what was observed `before`, unless it was set back since."""
        pairs = list(zip(self.cumulative, before.cumulative, strict=False))
        if self.observations >= before.observations and all(now[1] >= then[1] for now, then in pairs):
            self.cumulative = [(now[0], now[1] - then[1]) for now, then in pairs]
            self.total -= before.total
            self.observations -= before.observations

    def values(self) -> list[tuple[float, float]]:
        return self.pairs

    def exemplars(self) -> list[Any]:
        return []


_KINDS = {"counter": "counter", "histogram": "histogram", "summary": "summary"}


def foreign_families(known: Container[str]) -> list[Family[Any]]:
    """The families of `prometheus_client.REGISTRY`, without those whose name is `known`; none if it is not loaded."""
    library: Any = sys.modules.get("prometheus_client")
    if library is None:
        return []
    families = []
    with _collecting:
        for metric in _collected(library.REGISTRY):
            try:
                if metric.name not in known and f"{metric.name}_total" not in known:
                    families.append(_since_fork(metric.name, _family(metric)))
            except Exception as error:  # noqa: BLE001 - a collector of the host's may give anything
                fault("reading a metric of prometheus_client's registry", error)
    return families


def _collected(registry: Any) -> list[Any]:
    """What the collectors give; one that fails costs what it would have given, and no more."""
    try:
        return list(registry.collect())
    except Exception as error:  # noqa: BLE001 - a collector of the host's may do anything
        fault("reading prometheus_client's registry", error)
    found: list[Any] = []
    for collector in list(getattr(registry, "_collector_to_names", ())):
        with suppress(Exception):
            found += collector.collect()
    return found


def _since_fork(name: str, family: Family[Any]) -> Family[Any]:
    counted = preloaded.counts.get(name)
    if counted is not None:
        before = _family(counted)
        for key, series in family.series.items():
            if key in before.series:
                series.since(before.series[key])
    return family


def _family(metric: Any) -> Family[Any]:
    kind = _KINDS.get(metric.type, "gauge")
    name = f"{metric.name}_total" if kind == "counter" else metric.name
    family: Family[Any] = Family(name, kind, metric.documentation, metric.unit, lambda: None, 0)
    for sample in metric.samples:
        if sample.name.endswith("_created"):
            continue
        labels = {key: value for key, value in sample.labels.items() if key not in {"le", "quantile"}}
        if kind in {"counter", "gauge"}:
            key = (sample.name, *labels.items())
            family.attributes[key], family.series[key] = labels, _Value(sample.value)
            if kind == "gauge":
                family.name = sample.name
            continue
        key = tuple(labels.items())
        family.attributes[key] = labels
        _add(family.series.setdefault(key, _Buckets()), sample)
    return family


def _add(series: _Buckets, sample: Any) -> None:
    if "le" in sample.labels:
        series.cumulative.append((float(sample.labels["le"]), sample.value))
    elif "quantile" in sample.labels:
        series.pairs.append((float(sample.labels["quantile"]), sample.value))
    elif sample.name.endswith("_sum"):
        series.total = sample.value
    elif sample.name.endswith("_count"):
        series.observations = int(sample.value)


def before_fork() -> None:
    """Wait until nobody collects."""
    global _waited  # noqa: PLW0603 - one fork at a time
    _waited = _collecting.acquire(timeout=_FORK_SECONDS)


def after_fork_in_parent() -> None:
    """Let collect again."""
    global _waited  # noqa: PLW0603 - one fork at a time
    if _waited:
        _waited = False
        _collecting.release()


def after_fork() -> None:
    """Let collect in a forked child, whatever the parent was doing."""
    global _collecting  # noqa: PLW0603 - a lock held in the parent stays locked for ever in the child
    _collecting = threading.RLock()
