"""The Alertmanagers of one part of the configuration: found, and told."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from vedette.server.alerting.sender import Sender
from vedette.server.alerting.targets import resolve
from vedette.server.alerting.waiting import CAPACITY, Waiting
from vedette.server.scrape.client import Client
from vedette.server.scrape.discovery.finder import Finder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.alerting.notice import Notice
    from vedette.server.scrape.alertmanagers import AlertmanagersConfig
    from vedette.server.scrape.targets import Group

__all__ = ["Alertmanagers"]

log = logging.getLogger(__name__)


class Alertmanagers:
    """Tells those that discovery finds.

    While it has found none yet, notices wait for the first.

    Args:
        config: Where they are, and how they are told.
        labels: The labels of a notice for them; None leaves it out.
        left: By URL, what waits for some of them from a configuration before this one.
        dns_server: See `Resolver`.
        capacity: How many alerts wait for each.
    """

    def __init__(
        self,
        config: AlertmanagersConfig,
        labels: Callable[[Notice, AlertmanagersConfig], dict[str, str] | None],
        left: dict[str, Waiting],
        dns_server: str = "",
        capacity: int = CAPACITY,
    ) -> None:
        self.config = config
        self.senders: dict[str, Sender] = {}
        self.dropped: list[str] = []
        self._labels = labels
        self._left = left
        self._capacity = capacity
        self._early = Waiting(capacity)
        self._client = Client(config.client)
        self._finder = Finder(config.discovery, config.where, self._follow, dns_server)

    def tell(self, notices: Sequence[Notice]) -> None:
        """Let notices wait for each of them; never waits itself."""
        if not self.senders:
            self._early.put(notices)
        for sender in self.senders.values():
            sender.put(notices)

    async def finish(self) -> None:
        """Send what waits, as far as it is taken at the first attempt, and tell no more."""
        await self._finder.close()
        await asyncio.gather(*(sender.finish() for sender in self.senders.values()))

    async def close(self) -> dict[str, Waiting]:
        """End at once; returns by URL what waits."""
        await self._finder.close()
        senders = list(self.senders.values())
        await asyncio.gather(*(sender.close() for sender in senders))
        await self._client.close()
        return {sender.url: sender.waiting for sender in senders}

    async def _follow(self, groups: list[Group]) -> None:
        """Tell those that are there, and no others."""
        urls, self.dropped = resolve(self.config, groups)
        if set(urls) != set(self.senders):
            log.info("%s: alerts go to %s", self.config.where, ", ".join(urls) or "nobody")
        gone = [self.senders.pop(url) for url in set(self.senders).difference(urls)]
        for url in urls:
            if url not in self.senders:
                waiting = self._left.pop(url, None) or Waiting(self._capacity)
                self.senders[url] = Sender(url, self._client, self.config, self._labels, waiting)
        if self.senders:
            self.tell(self._early.take())
        await asyncio.gather(*(sender.close() for sender in gone))
