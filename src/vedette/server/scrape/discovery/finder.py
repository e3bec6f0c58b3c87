"""All ways of discovery that one part of the configuration names, followed at once."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

import aiohttp

from vedette.errors import InvalidInput
from vedette.server.scrape.client import Client
from vedette.server.scrape.discovery.dns import DnsFailure, Resolver, dns_groups
from vedette.server.scrape.discovery.files import FileDiscovery
from vedette.server.scrape.discovery.kubernetes import KubernetesDiscovery
from vedette.server.scrape.targets import groups_from_document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from vedette.server.scrape.discovery.config import Discovery, Http, Kubernetes
    from vedette.server.scrape.targets import Group

__all__ = ["Finder"]

log = logging.getLogger(__name__)

_FILES_SECONDS = 5.0
_HTTP_SECONDS = 30.0


class Finder:
    """Finds targets from the moment it is made until it is closed.

    Args:
        discovery: Where they are named.
        who: Whose they are, for the log.
        take: Given all target groups, at first those that the configuration itself names, whenever they have changed.
        dns_server: See `Resolver`.
    """

    def __init__(
        self, discovery: Discovery, who: str, take: Callable[[list[Group]], Awaitable[None]], dns_server: str = ""
    ) -> None:
        self._who = who
        self._give = take
        self._clients: list[Client] = []
        self._found: dict[object, list[Group]] = {}
        self._changed = asyncio.Event()
        self._found["static"] = [(targets, dict(labels)) for targets, labels in discovery.groups]
        resolver = Resolver(dns_server)
        work = [self._follow()]
        if discovery.files:
            files = FileDiscovery(discovery.files, who)
            work.append(self._repeat("files", partial(asyncio.to_thread, files.read), _FILES_SECONDS))
        for i, http in enumerate(discovery.http):
            client = Client(http.client)
            self._clients.append(client)
            work.append(self._repeat(("http", i), self._asker(client, http), http.refresh_seconds))
        for i, dns in enumerate(discovery.dns):
            work.append(self._repeat(("dns", i), partial(dns_groups, dns, resolver), dns.refresh_seconds))
        for i, kubernetes in enumerate(discovery.kubernetes):
            work.append(self._follow_kubernetes(("kubernetes", i), kubernetes))
        self._changed.set()
        self._tasks = [asyncio.create_task(one) for one in work]

    def offer(self, groups: list[Group]) -> None:
        """Take targets from somebody who knows them, instead of those that were offered before."""
        self._take("offered", groups)

    async def close(self) -> None:
        """Find no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients))

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._give([group for found in self._found.values() for group in found])
            except Exception:
                log.exception("%s: its targets stay as they were", self._who)

    async def _repeat(self, key: object, find: Callable[[], Awaitable[list[Group]]], seconds: float) -> None:
        """Ask one way of discovery again and again; what it said before stays when it fails."""
        while True:
            try:
                found = await find()
            except (aiohttp.ClientError, OSError, ValueError, InvalidInput, DnsFailure) as error:
                fault = str(error) or type(error).__name__
                log.warning("%s: discovery failed: %s", self._who, fault)
            except Exception:
                log.exception("%s: discovery failed", self._who)  # what ended here would find nothing any more
            else:
                self._take(key, found)
            await asyncio.sleep(seconds)

    def _take(self, key: object, found: list[Group]) -> None:
        if self._found.get(key) != found:
            self._found[key] = found
            self._changed.set()

    async def _follow_kubernetes(self, key: object, config: Kubernetes) -> None:
        while True:
            try:
                await KubernetesDiscovery(config, self._who, partial(self._take, key)).run()
            except (OSError, InvalidInput) as error:
                log.warning("%s: discovery failed: %s", self._who, error)
            except Exception:
                log.exception("%s: discovery failed", self._who)
            await asyncio.sleep(_HTTP_SECONDS)

    def _asker(self, client: Client, http: Http) -> Callable[[], Coroutine[Any, Any, list[Group]]]:
        headers = {"Accept": "application/json", "X-Prometheus-Refresh-Interval-Seconds": f"{http.refresh_seconds:g}"}

        async def ask() -> list[Group]:
            async with client.get(http.url, headers, timeout=aiohttp.ClientTimeout(total=_HTTP_SECONDS)) as answer:
                answer.raise_for_status()
                return groups_from_document(await answer.json(), {"__meta_url": http.url})

        return ask
