"""Puts the metrics together from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics as api

from vedette.sdk import guard
from vedette.sdk.metrics.prometheus import foreign_families
from vedette.sdk.metrics.provider import MeterProvider
from vedette.sdk.metrics.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vedette.sdk.export.metrics import MetricStage
    from vedette.sdk.metrics.registry import Family
    from vedette.sdk.otlp.envelope import Envelope
    from vedette.sdk.redaction import Redactor
    from vedette.sdk.settings import Settings

__all__ = ["foreign", "metric_stage", "open_metrics"]


def foreign() -> list[Family[Any]]:
    """What other libraries' registries hold, without the names that are ours."""
    return foreign_families(registry.families)


def metric_stage(settings: Settings, redactor: Redactor, envelope: Callable[[], Envelope]) -> MetricStage:
    """The way of metrics to the endpoint."""
    from vedette.sdk.export.metrics import MetricStage  # noqa: PLC0415 - loaded by configure, not by import
    from vedette.sdk.otlp.metrics import MetricEncoder  # noqa: PLC0415

    encoder = MetricEncoder(redactor, settings.attribute_length)
    return MetricStage(registry, encoder, envelope, settings.metrics_interval_seconds, foreign)


def open_metrics(settings: Settings) -> None:
    """Install the meter provider and what the settings ask to be watched."""
    registry.limit_series(settings.max_series)
    if not isinstance(api.get_meter_provider(), MeterProvider):
        api.set_meter_provider(MeterProvider(registry))
    if settings.process_metrics:
        from vedette.sdk.metrics.process import watch_process  # noqa: PLC0415

        watch_process(registry)
    if settings.host_metrics:
        from vedette.sdk.metrics.host import watch_host  # noqa: PLC0415

        watch_host(registry)
    if _report_drops not in registry.observers:
        registry.observers.append(_report_drops)


def _report_drops() -> None:
    """The SDK's own losses, so that they are seen where everything else is seen."""
    found = guard.drops()
    if found:
        labels = ["signal", "reason"]
        total = registry.observed_counter("vedette_sdk_dropped_total", "Telemetry that did not arrive", labels)
        for (signal, reason), count in found.items():
            total.labels(signal, reason).set(count)
