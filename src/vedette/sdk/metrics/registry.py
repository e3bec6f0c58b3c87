"""Metric families by name, their series by label values, and the guard against labels that explode."""

from __future__ import annotations

import keyword
import os
import re
import sys
import threading
from math import inf
from time import time_ns
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vedette.errors import SettingsError
from vedette.sdk.guard import dropped, fault, tell
from vedette.sdk.hints import Absent, public_names
from vedette.sdk.locks import lock_of
from vedette.sdk.metrics.gauges import Gauge, ObservedCounter
from vedette.sdk.metrics.instruments import Counter, Histogram, Info, Summary, Tally
from vedette.sdk.values import clean, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vedette.sdk.resource import Scope

__all__ = ["LONGEST_LABEL", "OVERFLOW", "Family", "Labelled", "Registry", "label_text", "ordered_bounds", "registry"]

M = TypeVar("M")

OVERFLOW = "__overflow__"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LONGEST_LABEL = 1024
"""Characters of a label's value that are kept: ten thousand series must not hold gigabytes."""
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
DEFAULT_QUANTILES = (0.5, 0.95, 0.99)


class Family(Generic[M]):
    """All series of one name. `kind` is the Prometheus type; `attributes` of a series keep their types for OTLP."""

    def __init__(self, name: str, kind: str, help_text: str, unit: str, make: Callable[[], M], limit: int) -> None:
        self.name = name
        self.kind = kind
        self.help = help_text
        self.unit = unit
        self.make = make
        self.limit = limit
        self.overflowing = f"metric {name} has more than {limit}"
        self.scope: Scope | None = None
        self.monotonic = True
        self.series: dict[tuple[Any, ...], M] = {}
        self.attributes: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.plan: Any = None  # what the exposition keeps from one scrape to the next
        self.lock = threading.RLock()  # a signal handler's last collection may come in between

    def child(self, key: tuple[Any, ...], attributes: Callable[[], dict[str, Any]]) -> M | None:
        """The series under `key`; `None` when the family is full."""
        with self.lock:
            found = self.series.get(key)
            if found is None and len(self.series) < self.limit:
                self.attributes[key] = attributes()
                found = self.series[key] = self.make()
            return found

    def items(self) -> list[tuple[dict[str, Any], M]]:
        """(attributes, series) pairs."""
        with self.lock:
            return [(self.attributes[key], series) for key, series in self.series.items()]


class Labelled(Generic[M]):
    """A metric with labels: ``orders.labels("ok").inc()`` or ``orders.labels(status="ok").inc()``."""

    __slots__ = ("_family", "_known", "_names")

    def __init__(self, family: Family[M], names: Sequence[str]) -> None:
        self._family = family
        self._names = tuple(names)
        # By the first label's value, then the second's, and so on: a tuple of them would be made for each lookup.
        # Only strings are kept as keys here: 1, 1.0 and True are equal but are different label values.
        self._known: dict[str, Any] = {}

    def labels(self, /, *values: Any, **named: Any) -> M:
        """The series with these label values, in the order of the names or by name.

        Labels that are missing are empty; label sets beyond the limit share one series, whose values are
        `__overflow__`.
        """
        return self._find(values, named)

    def _find(self, values: tuple[Any, ...], named: dict[str, Any]) -> M:
        family = self._family
        if len(family.series) > family.limit and not named and len(values) == len(self._names):
            # Full, the overflow's series included: labels without bound must cost little.
            texts = tuple([label_text(value) for value in values])
            return family.series.get(texts) or self._overflow()
        given = dict(zip(self._names, values, strict=False)) | named
        unknown = [name for name in given if name not in self._names]
        if unknown or len(values) > len(self._names):
            raise SettingsError(f"Metric {self._family.name} has the labels {self._names}, not {unknown or values}.")
        texts = tuple([label_text(given.get(name, "")) for name in self._names])
        found = self._family.child(texts, lambda: dict(zip(self._names, texts, strict=True)))
        if found is None:
            return self._overflow()
        if all(type(given.get(name)) is str for name in self._names):
            known = self._known
            for text in texts[:-1]:
                known = known.setdefault(text, {})
            known[texts[-1]] = found
        return found

    def _overflow(self) -> M:
        family, key = self._family, (OVERFLOW,) * len(self._names)
        dropped("label sets", family.overflowing, 1)
        known = family.series.get(key)
        if known is not None:
            return known
        with family.lock:
            found = family.series.get(key)
            if found is None:
                family.attributes[key] = dict.fromkeys(self._names, OVERFLOW)
                found = family.series[key] = family.make()
            return found

    def remove(self, *values: Any) -> None:
        """Forget the series with these label values."""
        texts = tuple([label_text(value) for value in values])
        with self._family.lock:
            self._family.series.pop(texts, None)
            self._family.plan = None
            self._family.attributes.pop(texts, None)
        if len(texts) == len(self._names):
            known = self._known
            for text in texts[:-1]:
                known = known.get(text, {})
            known.pop(texts[-1], None)

    def clear(self) -> None:
        """Forget every series."""
        with self._family.lock:
            self._family.series.clear()
            self._family.plan = None
            self._family.attributes.clear()
        self._known.clear()


def _without_labels(name: str) -> Absent:
    """What stands for `name`, which a series has and a metric with labels has not."""

    def hint(metric: Labelled[Any]) -> str:
        shown = ", ".join(f"{label}=…" for label in metric._names)
        return f"Metric {metric._family.name} has labels: use .labels({shown}).{name}."

    return Absent(hint)


for _name in public_names(Counter, Gauge, Histogram, Summary, Info) - public_names(Labelled):
    setattr(Labelled, _name, _without_labels(_name))


def label_text(value: Any) -> str:
    """A label's value as text, cut where it is too long."""
    text = value if type(value) is str else text_of(clean(value))
    if len(text) <= LONGEST_LABEL:
        return text
    tell("long label", f"label values are cut at {LONGEST_LABEL} characters; one has {len(text)}")
    return text[:LONGEST_LABEL]


_MISSING: Any = object()
_NONE: dict[str, Any] = {}


def labelled(family: Family[M], names: Sequence[str]) -> Labelled[M]:
    """A `Labelled` whose `labels` has the label names as its parameters.

    So a call costs neither a tuple nor a dictionary of arguments, and by position or by name it is the same lookup.
    Names that cannot be parameters get the general method.
    """
    if any(keyword.iskeyword(name) or name in {"self", "missing", "known", "Exception"} for name in names):
        return Labelled(family, names)
    parameters = ", ".join(f"{name}=missing" for name in names)
    values = ", ".join(names)
    lookups = "".join(f"[{name}]" for name in names)
    source = (
        f"def labels(self, {parameters}):\n"
        f"    try:\n        return known{lookups}\n"
        f"    except Exception:\n        return self._by_name(({values},))\n"
    )
    made: dict[str, Any] = {"missing": _MISSING, "known": {}}
    exec(source, made)  # noqa: S102 - the names were checked to be identifiers
    kind = type("Labelled", (Labelled,), {"__slots__": (), "labels": made["labels"], "_by_name": _by_name})
    found: Labelled[M] = kind(family, names)
    found._known = made["known"]
    return found


def _by_name(metric: Labelled[M], values: tuple[Any, ...]) -> M:
    if len(metric._family.series) > metric._family.limit:
        for value in values:
            if value is _MISSING:
                break
        else:
            return metric._find(values, _NONE)
    named = {name: value for name, value in zip(metric._names, values, strict=True) if value is not _MISSING}
    return metric._find((), named)


class Registry:
    """The metrics of this process. `observers` are called before every collection, to bring gauges up to date."""

    def __init__(self) -> None:
        self.families: dict[str, Family[Any]] = {}
        self.observers: list[Callable[[], None]] = []
        self._tallies: list[Tally] = []
        self.max_series = 10_000
        self.start_time_ns = time_ns()
        self._labelled: dict[str, tuple[tuple[str, ...], Any]] = {}
        self._lock = lock_of(self)

    def define(
        self,
        name: str,
        kind: str,
        help_text: str,
        unit: str,
        labels: Sequence[str],
        make: Callable[[], Any],
    ) -> Any:
        """The metric of this name: the series itself without labels, else its `Labelled`. Defined twice, it is one.

        Raises:
            SettingsError: the name or a label is malformed, or the name belongs to another kind of metric.
        """
        if isinstance(labels, str):
            raise SettingsError(f"Metric {name!r}: labels are a list of names, such as [{labels!r}].")
        names = tuple(labels)
        if len(set(names)) < len(names):
            raise SettingsError(f"Metric {name!r} with labels {names}: each has a name of its own.")
        texts = all(isinstance(text, str) for text in (name, *names))
        if not texts or not _NAME.fullmatch(name) or any(not _LABEL.fullmatch(text) or text == "le" for text in names):
            raise SettingsError(f"Metric {name!r} with labels {names}: use letters, digits and underscores.")
        with self._lock:
            family = self.families.get(name)
            if family is not None:
                known = self._labelled.get(name)
                if known is None or family.kind != kind or known[0] != names:
                    raise SettingsError(f"Metric {name} exists already, as another kind or with other labels.")
                return known[1]
            family = self.families[name] = Family(name, kind, help_text, unit, make, self.max_series)
            surface = labelled(family, names) if names else family.child((), dict)
            self._labelled[name] = (names, surface)
            return surface

    def label_names(self, name: str) -> tuple[str, ...] | None:
        """The labels of the metric of this name; `None` if there is none."""
        known = self._labelled.get(name)
        return None if known is None else known[0]

    def adopt(self, family: Family[Any]) -> Family[Any]:
        """Take in a family made elsewhere, or give the one that has its name and kind already."""
        with self._lock:
            key = family.name
            if key in self.families and self.families[key].kind != family.kind:
                key = f"{family.name} {family.kind}"
            return self.families.setdefault(key, family)

    def tally(self, series: Sequence[Counter | Histogram], exemplified: Histogram | None) -> Tally:
        """Take observations for several series at once: one call instead of one for each. They know of them later."""
        made = Tally(series, exemplified)
        with self._lock:
            self._tallies.append(made)
        return made

    def settle(self) -> None:
        """Let every series know what its tallies took."""
        for tally in list(self._tallies):
            tally.fold()

    def collect(self) -> list[Family[Any]]:
        """Every family, with the observers' news and all observations folded in."""
        for observer in list(self.observers):
            try:
                observer()
            except Exception as error:  # noqa: BLE001 - an observer must not cost the other metrics
                fault("observing metrics", error)
        self.settle()
        families = list(self.families.values())
        for family in families:
            if family.kind in {"histogram", "summary"}:
                for series in list(family.series.values()):
                    series.fold()
        return families

    def limit_series(self, most: int) -> None:
        """Allow at most `most` label sets per metric, also for the metrics defined so far."""
        self.max_series = most
        for family in list(self.families.values()):
            family.limit = most
            family.overflowing = f"metric {family.name} has more than {most}"

    def after_fork(self, *, with_gauges: bool = True) -> None:
        """Begin at zero in a forked child: the parent reports what it counted."""
        self.start_time_ns = time_ns()
        for tally in self._tallies:
            tally.reset()
        for family in self.families.values():
            family.lock = threading.RLock()
            if with_gauges or family.kind != "gauge":
                for series in family.series.values():
                    series.reset()

    # -- the surface

    def counter(self, name: str, help_text: str = "", labels: Sequence[str] = (), *, unit: str = "") -> Any:
        """Define a counter."""
        return self.define(name, "counter", help_text, unit, labels, Counter)

    def gauge(self, name: str, help_text: str = "", labels: Sequence[str] = (), *, unit: str = "") -> Any:
        """Define a gauge."""
        return self.define(name, "gauge", help_text, unit, labels, Gauge)

    def histogram(
        self,
        name: str,
        help_text: str = "",
        labels: Sequence[str] = (),
        *,
        unit: str = "",
        buckets: Sequence[float] = DEFAULT_BUCKETS,
    ) -> Any:
        """Define a histogram.

        Raises:
            SettingsError: as `define` does, or a bucket's bound is no number.
        """
        bounds = ordered_bounds(name, buckets)
        return self.define(name, "histogram", help_text, unit, labels, lambda: Histogram(bounds))

    def observed_counter(self, name: str, help_text: str, labels: Sequence[str] = (), *, unit: str = "") -> Any:
        """Define a counter whose value is read elsewhere and set."""
        return self.define(name, "counter", help_text, unit, labels, ObservedCounter)

    def summary(
        self,
        name: str,
        help_text: str = "",
        labels: Sequence[str] = (),
        *,
        unit: str = "",
        quantiles: Sequence[float] = DEFAULT_QUANTILES,
        window: int = 1024,
    ) -> Any:
        """Define a summary.

        Raises:
            SettingsError: as `define` does, or a quantile is no number from 0 to 1.
        """
        wanted = sorted(_numbers_of(name, "quantiles", quantiles, 0.0, 1.0))
        return self.define(name, "summary", help_text, unit, labels, lambda: Summary(wanted, window))

    def info(self, name: str, help_text: str = "", labels: Mapping[str, str] | None = None) -> Info:
        """Define an info metric and say its labels."""
        found: Info = self.define(name, "info", help_text, "", (), Info)
        if labels:
            found.info(dict(labels))
        return found


def ordered_bounds(name: str, buckets: Any) -> tuple[float, ...]:
    """The upper bounds that `buckets` of the histogram `name` means, ascending, without infinity.

    Raises:
        SettingsError: one of them is no number.
    """
    return tuple(sorted(_numbers_of(name, "buckets", buckets, -sys.float_info.max, inf) - {inf}))


def _numbers_of(name: str, what: str, given: Any, least: float, most: float) -> set[float]:
    """The numbers from `least` to `most` that `given` has."""
    try:
        numbers = set(map(float, [given] if isinstance(given, str) else given))
    except (TypeError, ValueError, OverflowError):
        raise SettingsError(f"Metric {name!r}: {what} are a list of numbers, not {given!r}.") from None
    odd = [number for number in numbers if not least <= number <= most]
    if odd:
        wanted = "numbers" if most == inf else f"numbers from {least:g} to {most:g}"
        raise SettingsError(f"Metric {name!r}: {what} are {wanted}, not {odd[0]}.")
    return numbers


registry = Registry()
if hasattr(os, "register_at_fork"):
    # Also where the SDK is configured in the children alone: each would tell what was counted before. What a gauge was
    # set to is true of each, and no parent tells it.
    os.register_at_fork(after_in_child=lambda: registry.after_fork(with_gauges=False))
