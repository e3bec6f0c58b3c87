"""Tells Alertmanagers of alerts, as the configuration file's part ``alerting`` says.

The file is followed; one that is wrong is said, and the last good one goes on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from vedette.errors import SettingsError
from vedette.server.alerting.sender import Sender
from vedette.server.alerting.targets import resolve
from vedette.server.alerting.waiting import Waiting
from vedette.server.scrape.alertmanagers import AlertingConfig
from vedette.server.scrape.client import Client
from vedette.server.scrape.relabel import relabel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.alerting.notice import Notice
    from vedette.server.scrape.alertmanagers import AlertmanagersConfig
    from vedette.server.scrape.config import ScrapeConfig
    from vedette.server.scrape.targets import Group

__all__ = ["Notifier"]

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
_LAST_SECONDS = 4.0
"""What a clean stop gives to notices that wait."""


class Notifier:
    """Tells all Alertmanagers of a configuration.

    Args:
        config: Reads it; None is one without Alertmanagers. Raises SettingsError where it is wrong.
    """

    def __init__(self, config: Callable[[], ScrapeConfig | None]) -> None:
        self._config = config
        self._alertmanagers: list[Alertmanagers] = []
        self._error = ""
        self._external_labels: tuple[tuple[str, str], ...] = ()
        self._alerting: AlertingConfig | None = None
        self._early = Waiting()

    @property
    def active(self) -> list[str]:
        """The URLs of those that are told."""
        return [url for one in self._alertmanagers for url in one.senders]

    @property
    def dropped(self) -> list[str]:
        """The URLs of those that relabeling has dropped."""
        return [url for one in self._alertmanagers for url in one.dropped]

    @property
    def senders(self) -> list[Sender]:
        """One for each Alertmanager that is told."""
        return [sender for one in self._alertmanagers for sender in one.senders.values()]

    def tell(self, notices: Sequence[Notice]) -> None:
        """Have Alertmanagers told; never waits, and never raises.

        While none of those that there are to be is found yet, notices wait for the first one.
        """
        if senders := self.senders:
            for sender in senders:
                sender.put(notices)
        elif self._alerting is None or self._alerting.alertmanagers:
            self._early.put(notices)

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
        except SettingsError as error:
            if str(error) != self._error:
                log.error("Alertmanagers stay as they were: %s", error)  # noqa: TRY400 - a sentence is enough
            self._error = str(error)
            return
        self._error = ""
        self._external_labels = config.external_labels if config else ()
        alerting = config.alerting if config else AlertingConfig()
        if alerting != self._alerting:
            await self._follow(alerting)

    async def _follow(self, alerting: AlertingConfig) -> None:
        """Go on with another configuration; what waits for an Alertmanager of the old one waits for it in the new."""
        self._alerting = alerting
        gone = [one for one in self._alertmanagers if one.config not in alerting.alertmanagers]
        kept = {one.config: one for one in self._alertmanagers if one not in gone}
        left = [sender for one in gone for sender in await one.close()]
        self._alertmanagers = [kept.get(one) or Alertmanagers(one, self._labels) for one in alerting.alertmanagers]
        for one in self._alertmanagers:
            one.take([(targets, dict(labels)) for targets, labels in one.config.discovery.groups])
            for sender in left:
                if sender.url in one.senders:
                    one.senders[sender.url].put(sender.waiting.take())
        self.tell(self._early.take())

    def _labels(self, notice: Notice, config: AlertmanagersConfig) -> dict[str, str] | None:
        """What the labels of an alert are for some Alertmanagers; None if it is not for them."""
        labels = {**dict(self._external_labels), **dict(notice.labels)}
        found = relabel(labels, self._alerting.relabel if self._alerting else ())
        return found if found is None else relabel(found, config.alert_relabel)

    async def _end(self) -> None:
        senders = self.senders
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await asyncio.gather(*(sender.finish() for sender in senders))
        except TimeoutError:
            log.warning("Some Alertmanagers did not take the last alerts in time.")
        await asyncio.gather(*(one.close() for one in self._alertmanagers))


class Alertmanagers:
    """Those of one part of the configuration.

    Args:
        config: The part.
        labels: The labels of a notice for them; None leaves it out.
    """

    def __init__(
        self, config: AlertmanagersConfig, labels: Callable[[Notice, AlertmanagersConfig], dict[str, str] | None]
    ) -> None:
        self.config = config
        self.senders: dict[str, Sender] = {}
        self.dropped: list[str] = []
        self._labels = labels
        self._client = Client(config.client)

    def take(self, groups: list[Group]) -> None:
        """Tell those that discovery has found, and no others."""
        urls, self.dropped = resolve(self.config, groups)
        for url in urls:
            if url not in self.senders:
                self.senders[url] = Sender(
                    url,
                    self._client,
                    self.config.timeout_seconds,
                    lambda notice: self._labels(notice, self.config),
                )

    async def close(self) -> list[Sender]:
        """End; returns the senders, of which some may have notices that wait."""
        senders, self.senders = list(self.senders.values()), {}
        await asyncio.gather(*(sender.close() for sender in senders))
        await self._client.close()
        return senders
