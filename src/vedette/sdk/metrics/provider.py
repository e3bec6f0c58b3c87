"""OpenTelemetry's metrics API (`opentelemetry.metrics`) on our instruments.

The contrib instrumentations record through it; what they record is exposed and pushed with everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as api
from opentelemetry.metrics import CallbackOptions

from vedette.errors import SettingsError
from vedette.sdk.guard import dropped, fault, tell
from vedette.sdk.locks import lock_of
from vedette.sdk.metrics.gauges import Gauge, ObservedCounter
from vedette.sdk.metrics.instruments import Counter, Histogram, UpDownCounter
from vedette.sdk.metrics.registry import LONGEST_LABEL, OVERFLOW, Family, Registry, label_text, ordered_bounds
from vedette.sdk.resource import Scope
from vedette.sdk.values import SCALARS, clean_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Meter", "MeterProvider"]

_BOUNDS = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0)
_OVERFLOW_ATTRIBUTES = {"otel.metric.overflow": True}


class _Series:
    """The series of a family by attributes."""

    def __init__(self, family: Family[Any]) -> None:
        self._family = family
        self._known: dict[Any, Any] = {}
        self._plain: Any = None

    def of(self, attributes: Mapping[str, Any] | None) -> Any:
        if not attributes:
            if self._plain is None:
                self._plain = self._find(None)
            return self._plain
        try:
            # Types belong to the key: 1, 1.0 and True are different values.
            found = self._known.get((*attributes.items(), *map(type, attributes.values())))
        except TypeError:  # a list among the values
            return self._find(attributes)
        if found is None:
            found = self._find(attributes)
            if len(self._known) < self._family.limit and not any(map(_is_long, attributes.values())):
                self._known[*attributes.items(), *map(type, attributes.values())] = found
        return found

    def _find(self, attributes: Mapping[str, Any] | None) -> Any:
        clean = clean_mapping(attributes) if attributes else {}
        if any(map(_is_long, clean.values())):
            clean = {name: label_text(value) if _is_long(value) else value for name, value in clean.items()}
        key = tuple([(name, type(clean[name]).__name__, _hashable(clean[name])) for name in sorted(clean)])
        found = self._family.child(key, lambda: clean)
        if found is None:
            dropped("label sets", self._family.overflowing, 1)
            family, overflow = self._family, (OVERFLOW,)
            with family.lock:
                if overflow not in family.series:
                    family.attributes[overflow] = _OVERFLOW_ATTRIBUTES
                    family.series[overflow] = family.make()
                return family.series[overflow]
        return found


def _is_long(value: Any) -> bool:
    return type(value) is str and len(value) > LONGEST_LABEL


def _hashable(value: Any) -> Any:
    return value if type(value) in SCALARS else repr(value)


class _Counter(api.Counter):
    def __init__(self, name: str, series: _Series) -> None:
        self._name = name
        self._series = series

    def add(self, amount: float, attributes: Mapping[str, Any] | None = None, context: Any = None) -> None:
        self._series.of(attributes).inc(amount)


class _UpDownCounter(api.UpDownCounter):
    def __init__(self, name: str, series: _Series) -> None:
        self._name = name
        self._series = series

    def add(self, amount: float, attributes: Mapping[str, Any] | None = None, context: Any = None) -> None:
        self._series.of(attributes).inc(amount)


class _Histogram(api.Histogram):
    def __init__(self, name: str, series: _Series) -> None:
        self._name = name
        self._series = series

    def record(self, amount: float, attributes: Mapping[str, Any] | None = None, context: Any = None) -> None:
        series = self._series.of(attributes)
        series.observe(amount)
        series.note(amount, context)  # OpenTelemetry's default: an exemplar where the span is recorded


class _Gauge(api._Gauge):
    def __init__(self, name: str, series: _Series) -> None:
        self._name = name
        self._series = series

    def set(self, amount: float, attributes: Mapping[str, Any] | None = None, context: Any = None) -> None:
        self._series.of(attributes).set(amount)


class _ObservedUpDown(UpDownCounter):
    """A non-monotonic sum that a callback reports."""

    __slots__ = ()

    def set(self, value: float) -> None:
        """Take the callback's value."""
        self._cells = {0: value}


class Meter(api.Meter):
    """Makes the instruments of one instrumentation scope."""

    def __init__(self, registry: Registry, scope: Scope) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url)
        self._registry = registry
        self._scope = scope

    def _series(self, name: str, kind: str, unit: str, description: str, make: Callable[[], Any]) -> _Series:
        family: Family[Any] = Family(name, kind, description or "", unit or "", make, self._registry.max_series)
        family.scope = self._scope
        return _Series(self._registry.adopt(family))

    def create_counter(self, name: str, unit: str = "", description: str = "") -> api.Counter:
        """A sum that only grows."""
        return _Counter(name, self._series(name, "counter", unit, description, Counter))

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> api.UpDownCounter:
        """A sum that also goes down."""
        return _UpDownCounter(name, self._series(name, "gauge", unit, description, UpDownCounter))

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> api.Histogram:
        """A histogram with the advised bounds, or OpenTelemetry's default ones."""
        bounds: tuple[float, ...] = _BOUNDS
        if explicit_bucket_boundaries_advisory is not None:
            try:
                bounds = ordered_bounds(name, explicit_bucket_boundaries_advisory)
            except SettingsError as error:
                tell(f"bounds of {name}", f"{error} The default ones are used.")
        return _Histogram(name, self._series(name, "histogram", unit, description, lambda: Histogram(bounds)))

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> Any:
        """A value that is set."""
        return _Gauge(name, self._series(name, "gauge", unit, description, Gauge))

    def _observe(self, callbacks: Sequence[Any] | None, series: _Series) -> None:
        for callback in callbacks or ():
            self._registry.observers.append(_Observer(callback, series))

    def create_observable_counter(
        self, name: str, callbacks: Sequence[Any] | None = None, unit: str = "", description: str = ""
    ) -> api.ObservableCounter:
        """A growing sum that callbacks report."""
        self._observe(callbacks, self._series(name, "counter", unit, description, ObservedCounter))
        return _ObservableCounter(name)

    def create_observable_up_down_counter(
        self, name: str, callbacks: Sequence[Any] | None = None, unit: str = "", description: str = ""
    ) -> api.ObservableUpDownCounter:
        """A sum that callbacks report."""
        self._observe(callbacks, self._series(name, "gauge", unit, description, _ObservedUpDown))
        return _ObservableUpDownCounter(name)

    def create_observable_gauge(
        self, name: str, callbacks: Sequence[Any] | None = None, unit: str = "", description: str = ""
    ) -> api.ObservableGauge:
        """A value that callbacks report."""
        self._observe(callbacks, self._series(name, "gauge", unit, description, Gauge))
        return _ObservableGauge(name)


class _ObservableCounter(api.ObservableCounter):
    def __init__(self, name: str) -> None:
        self._name = name


class _ObservableUpDownCounter(api.ObservableUpDownCounter):
    def __init__(self, name: str) -> None:
        self._name = name


class _ObservableGauge(api.ObservableGauge):
    def __init__(self, name: str) -> None:
        self._name = name


class _Observer:
    """Asks a callback (a function, or a generator made beforehand) and takes over what it observes."""

    def __init__(self, callback: Any, series: _Series) -> None:
        self._callback = callback
        self._series = series
        if hasattr(callback, "send"):
            next(callback, None)  # a generator waits at its first `yield` for the options

    def __call__(self) -> None:
        try:
            options = CallbackOptions()
            callback = self._callback
            observed = callback.send(options) if hasattr(callback, "send") else callback(options)
            for observation in observed:
                self._series.of(observation.attributes).set(observation.value)
        except Exception as error:  # noqa: BLE001 - the host's callback may do anything
            fault("a metric's callback", error)


class MeterProvider(api.MeterProvider):
    """Makes meters whose instruments live in `registry`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._meters: dict[Scope, Meter] = {}
        self._lock = lock_of(self)

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Meter:
        """The meter of an instrumentation scope; the same one for the same arguments."""
        scope = Scope(name, version, schema_url, attributes)
        with self._lock:
            found = self._meters.get(scope)
            if found is None:
                found = self._meters[scope] = Meter(self._registry, scope)
            return found
