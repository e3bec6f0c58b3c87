"""The way of metrics: collect → `Metric` messages, grouped by scope → requests of every interval."""

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

_REQUEST_BYTES = 1 << 20


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
        """Every metric's value now, in requests of about a megabyte at most."""
        now = time_ns()
        out: list[tuple[int, bytes]] = []
        groups: dict[Scope, list[bytes]] = {}
        points = size = 0
        for family in [*self._registry.collect(), *self._foreign()]:
            if family.series:
                for count, metric in self._encoded(family, now):
                    if size and size + len(metric) > _REQUEST_BYTES:
                        out.append((points, self._envelope().request(groups.items())))
                        groups, points, size = {}, 0, 0
                    groups.setdefault(family.scope or self._own, []).append(metric)
                    points += count
                    size += len(metric)
        if points:
            out.append((points, self._envelope().request(groups.items())))
        return out

    def _encoded(self, family: Family[Any], now_ns: int) -> list[tuple[int, bytes]]:
        try:
            return list(self._encoder.encode(family, self._registry.start_time_ns, now_ns))
        except Exception as error:  # noqa: BLE001 - one odd metric must not cost the others
            dropped("metrics", "they cannot be encoded", 1)
            fault(f"encoding the metric {family.name}", error)
            return []
