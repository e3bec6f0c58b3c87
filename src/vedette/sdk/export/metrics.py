"""The way of metrics: collect → `Metric` messages, grouped by scope → a request per interval."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from vedette.sdk.guard import dropped, fault
from vedette.sdk.resource import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.metrics.registry import Family, Registry
    from vedette.sdk.otlp.envelope import Envelope
    from vedette.sdk.otlp.metrics import MetricEncoder

__all__ = ["MetricStage"]


class MetricStage:
    """Collects and encodes all metrics whenever a request is due. `foreign` adds what other registries hold."""

    signal = "metrics"

    def __init__(
        self,
        registry: Registry,
        encoder: MetricEncoder,
        envelope: Callable[[], Envelope],
        interval_seconds: float,
        foreign: Callable[[], list[Family[Any]]],
    ) -> None:
        self._registry = registry
        self._encoder = encoder
        self._envelope = envelope
        self.interval_seconds = interval_seconds
        self._foreign = foreign
        self._own = Scope("vedette", None, None, None)

    def clear(self) -> None:
        """Nothing waits between two collections."""

    def step(self) -> bool:
        """Nothing to do before a request is due."""
        return False

    def pressed(self) -> bool:
        """Never: metrics do not wait in a queue."""
        return False

    def full(self) -> bool:
        """Never: a request is cut by time."""
        return False

    def cut(self) -> list[tuple[int, bytes]]:
        """One request of every metric's value now."""
        now = time_ns()
        groups: dict[Scope, list[bytes]] = {}
        points = 0
        for family in [*self._registry.collect(), *self._foreign()]:
            if family.series:
                try:
                    count, metric = self._encoder.encode(family, self._registry.start_time_ns, now)
                except Exception as error:  # noqa: BLE001 - one odd metric must not cost the others
                    dropped("metrics", "they cannot be encoded", 1)
                    fault(f"encoding the metric {family.name}", error)
                    continue
                groups.setdefault(family.scope or self._own, []).append(metric)
                points += count
        return [(points, self._envelope().request(groups.items()))] if points else []
