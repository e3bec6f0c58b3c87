"""What the platform's own metrics say of Alertmanagers, under Prometheus' names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from vedette.server.alerting.notifier import Notifier
    from vedette.server.alerting.sender import Sender

__all__ = ["NotifierReadings"]

_LABELS = ("alertmanager",)


class NotifierReadings(Collector):
    """One label, the URL that alerts are posted to; of those that are told now."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def collect(self) -> Iterable[Metric]:
        """What a scrape of ours gives."""
        by_url: dict[str, list[Sender]] = {}
        for sender in self._notifier.senders:  # one that two parts of the configuration name has two
            by_url.setdefault(sender.url, []).append(sender)
        for name, help_, counts, read in _READINGS:
            family = CounterMetricFamily if counts else GaugeMetricFamily
            metric = family(f"vedette_notifications_{name}", help_, labels=_LABELS)
            for url, senders in by_url.items():
                metric.add_metric([url], sum(map(read, senders)))
            yield metric
        latency = SummaryMetricFamily(
            "vedette_notifications_latency_seconds", "Requests that were taken, and how long they took.", labels=_LABELS
        )
        for url, senders in by_url.items():
            figures = [sender.figures for sender in senders]
            latency.add_metric([url], sum(one.requests for one in figures), sum(one.seconds for one in figures))
        yield latency
        yield GaugeMetricFamily(
            "vedette_notifications_alertmanagers_discovered", "Alertmanagers that are told of alerts.", len(by_url)
        )


_READINGS: tuple[tuple[str, str, bool, Callable[[Sender], float]], ...] = (
    ("sent", "Alerts that an Alertmanager was told of.", True, lambda s: s.figures.sent),
    ("errors", "Alerts in requests that failed.", True, lambda s: s.figures.errors),
    (
        "dropped",
        "Alerts that an Alertmanager was not told of: requests failed, or too many waited.",
        True,
        lambda s: s.figures.dropped,
    ),
    ("queue_length", "Alerts that an Alertmanager has yet to be told of.", False, lambda s: len(s.waiting)),
)
