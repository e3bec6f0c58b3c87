"""`vedette.counter`, `gauge`, `histogram`, `summary`, `info`: metrics of the process-wide registry.

Defining a metric again gives the one that exists. They work before `configure`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, overload

from vedette.sdk.metrics.registry import DEFAULT_BUCKETS, DEFAULT_QUANTILES, Labelled, registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.sdk.metrics.gauges import Gauge
    from vedette.sdk.metrics.instruments import Counter, Histogram, Info, Summary

__all__ = ["counter", "gauge", "histogram", "info", "metrics_text", "summary"]


@overload
def counter(name: str, help_text: str = "", *, unit: str = "") -> Counter: ...


@overload
def counter(name: str, help_text: str = "", *, labels: Sequence[str], unit: str = "") -> Labelled[Counter]: ...


def counter(
    name: str, help_text: str = "", *, labels: Sequence[str] = (), unit: str = ""
) -> Counter | Labelled[Counter]:
    """A number that only grows. By convention the name ends in `_total`."""
    return cast("Counter | Labelled[Counter]", registry.counter(name, help_text, labels, unit=unit))


@overload
def gauge(name: str, help_text: str = "", *, unit: str = "") -> Gauge: ...


@overload
def gauge(name: str, help_text: str = "", *, labels: Sequence[str], unit: str = "") -> Labelled[Gauge]: ...


def gauge(name: str, help_text: str = "", *, labels: Sequence[str] = (), unit: str = "") -> Gauge | Labelled[Gauge]:
    """A number that goes up and down."""
    return cast("Gauge | Labelled[Gauge]", registry.gauge(name, help_text, labels, unit=unit))


@overload
def histogram(
    name: str,
    help_text: str = "",
    *,
    unit: str = "",
    buckets: Sequence[float] | Literal["exponential"] = DEFAULT_BUCKETS,
) -> Histogram: ...


@overload
def histogram(
    name: str,
    help_text: str = "",
    *,
    labels: Sequence[str],
    unit: str = "",
    buckets: Sequence[float] | Literal["exponential"] = DEFAULT_BUCKETS,
) -> Labelled[Histogram]: ...


def histogram(
    name: str,
    help_text: str = "",
    *,
    labels: Sequence[str] = (),
    unit: str = "",
    buckets: Sequence[float] | Literal["exponential"] = DEFAULT_BUCKETS,
) -> Histogram | Labelled[Histogram]:
    """Observations counted in buckets, with these upper bounds or, with `"exponential"`, in ones that adapt."""
    if buckets == "exponential":
        from vedette.sdk.metrics.exponential import ExponentialHistogram  # noqa: PLC0415 - loaded where it is used

        found = registry.define(name, "histogram", help_text, unit, labels, ExponentialHistogram)
    else:
        found = registry.histogram(name, help_text, labels, unit=unit, buckets=buckets)
    return cast("Histogram | Labelled[Histogram]", found)


@overload
def summary(
    name: str, help_text: str = "", *, unit: str = "", quantiles: Sequence[float] = DEFAULT_QUANTILES
) -> Summary: ...


@overload
def summary(
    name: str,
    help_text: str = "",
    *,
    labels: Sequence[str],
    unit: str = "",
    quantiles: Sequence[float] = DEFAULT_QUANTILES,
) -> Labelled[Summary]: ...


def summary(
    name: str,
    help_text: str = "",
    *,
    labels: Sequence[str] = (),
    unit: str = "",
    quantiles: Sequence[float] = DEFAULT_QUANTILES,
) -> Summary | Labelled[Summary]:
    """Quantiles (0 to 1) over the latest 1,024 observations, with linear interpolation."""
    found = registry.summary(name, help_text, labels, unit=unit, quantiles=quantiles)
    return cast("Summary | Labelled[Summary]", found)


def info(name: str, help_text: str = "", **labels: str) -> Info:
    """Text about the program: ``info("application_info", version="1.2", team="shop")``."""
    return registry.info(name if name.endswith("_info") else f"{name}_info", help_text, labels)


def metrics_text(*, openmetrics: bool = False) -> str:
    """All metrics of this process in Prometheus' text format, or in OpenMetrics with exemplars."""
    from vedette.sdk.metrics.exposition import exposition  # noqa: PLC0415 - loaded by the first scrape
    from vedette.sdk.metrics.prometheus import foreign_families  # noqa: PLC0415

    own = registry.collect()
    return exposition([*own, *foreign_families(registry.families)], openmetrics=openmetrics)
