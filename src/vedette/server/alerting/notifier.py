"""Tells Alertmanagers of alerts, as the configuration file's part ``alerting`` says.

The file is followed; one that is wrong is said, and the last good one goes on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from vedette.errors import SettingsError
from vedette.server.alerting.waiting import CAPACITY, Waiting
from vedette.server.scrape.alertmanagers import AlertingConfig
from vedette.server.scrape.relabel import relabel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.alerting.alertmanagers import Alertmanagers
    from vedette.server.alerting.notice import Notice
    from vedette.server.alerting.sender import Sender
    from vedette.server.scrape.alertmanagers import AlertmanagersConfig
    from vedette.server.scrape.config import ScrapeConfig

__all__ = ["Notifier"]

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
_LAST_SECONDS = 4.0
"""What a clean stop gives to notices that wait."""


class Notifier:
    """Tells all Alertmanagers of a configuration.

    Args:
        config: Reads it; None is one without Alertmanagers. Raises SettingsError where it is wrong.
        dns_server: Whom to ask for ``dns_sd_configs``; empty means those of the system.
        capacity: How many alerts wait for an Alertmanager.
    """

    def __init__(
        self, config: Callable[[], ScrapeConfig | None], dns_server: str = "", capacity: int = CAPACITY
    ) -> None:
        self.error = ""
        """What is wrong with the configuration as it is now; empty if nothing is."""
        self._config = config
        self._dns_server = dns_server
        self._alertmanagers: list[Alertmanagers] = []
        self._external_labels: tuple[tuple[str, str], ...] = ()
        self._alerting = AlertingConfig()
        self._is_read = False
        self._capacity = capacity
        self._early = Waiting(capacity)

    @property
    def active(self) -> list[str]:
        """The URLs of those that are told."""
        return [url for one in self._alertmanagers for url in one.senders]

    @property
    def faults(self) -> dict[str, str]:
        """Why those that did not take what they were told last did not, by URL."""
        return {sender.url: sender.fault for sender in self.senders if sender.fault}

    @property
    def dropped(self) -> list[str]:
        """The URLs of those that relabeling has dropped."""
        return [url for one in self._alertmanagers for url in one.dropped]

    @property
    def senders(self) -> list[Sender]:
        """One for each Alertmanager that is told."""
        return [sender for one in self._alertmanagers for sender in one.senders.values()]

    def tell(self, notices: Sequence[Notice]) -> None:
        """Have Alertmanagers told; never waits, and never raises."""
        if not self._is_read:
            self._early.put(notices)
        for one in self._alertmanagers:
            one.tell(notices)

    async def run(self) -> None:
        """Follow the configuration until cancelled; then what waits is sent, for a few seconds at most."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await self._end()

    async def _look(self) -> None:
        try:
            config = await asyncio.to_thread(self._config)
        except Exception as error:  # noqa: BLE001 - whatever is in the file, alerts go on to those that were told before
            fault = str(error) if isinstance(error, SettingsError) else f"{type(error).__name__}: {error}"
            if fault != self.error:
                log.error("Alertmanagers stay as they were: %s", fault)  # noqa: TRY400 - a sentence is enough
            self.error = fault
            return
        self.error = ""
        self._external_labels = config.external_labels if config else ()
        alerting = config.alerting if config else AlertingConfig()
        if alerting != self._alerting or not self._is_read:
            await self._follow(alerting)

    async def _follow(self, alerting: AlertingConfig) -> None:
        """Go on with another configuration; what waits for an Alertmanager of the old one waits for it in the new."""
        known = {one.config: one for one in self._alertmanagers}
        gone = [one for config, one in known.items() if config not in alerting.alertmanagers]
        left = {url: waiting for one in gone for url, waiting in (await one.close()).items()}
        self._alertmanagers = [known.get(config) or self._made(config, left) for config in alerting.alertmanagers]
        self._alerting, self._is_read = alerting, True
        self.tell(self._early.take())

    def _made(self, config: AlertmanagersConfig, left: dict[str, Waiting]) -> Alertmanagers:
        from vedette.server.alerting.alertmanagers import Alertmanagers  # noqa: PLC0415 - discovery, which few need here

        return Alertmanagers(config, self._labels, left, self._dns_server, self._capacity)

    def _labels(self, notice: Notice, config: AlertmanagersConfig) -> dict[str, str] | None:
        """What the labels of an alert are for some Alertmanagers; None if it is not for them."""
        labels = {**dict(self._external_labels), **dict(notice.labels)}
        found = relabel(labels, self._alerting.relabel)
        return found if found is None else relabel(found, config.alert_relabel)

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await asyncio.gather(*(one.finish() for one in self._alertmanagers))
        except TimeoutError:
            left = sum(len(sender.waiting) for sender in self.senders)
            log.warning("%d alerts that waited for Alertmanagers were not taken in time.", left)
        await asyncio.gather(*(one.close() for one in self._alertmanagers))
