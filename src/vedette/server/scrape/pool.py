"""One job: its discovery, and a loop for each target that it finds."""

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
from vedette.server.scrape.loop import Loop
from vedette.server.scrape.targets import Group, Target, groups_from_document, resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from vedette.server.scrape.config import Job
    from vedette.server.scrape.discovery.config import Http, Kubernetes
    from vedette.server.scrape.loop import Write

__all__ = ["Pool"]

log = logging.getLogger(__name__)

_FILES_SECONDS = 5.0
_HTTP_SECONDS = 30.0
_ENDING_INTERVALS = 2
"""How long Prometheus waits before it ends the series of a target that is gone."""


class Pool:
    """A job's targets, scraped as long as they are there.

    Args:
        job: What to scrape.
        write: Keeps what a scrape gives.
        tenant: Whose it is.
        dns_server: See `Resolver`.
        before: The loops of the job as it was: their targets go on here, and the others end in a while.
    """

    def __init__(
        self, job: Job, write: Write, tenant: str, dns_server: str, before: dict[Target, Loop] | None = None
    ) -> None:
        self.job = job
        self.loops: dict[Target, Loop] = {}
        self.dropped: list[dict[str, str]] = []
        self._write = write
        self._tenant = tenant
        self._client = Client(job.client)
        self._clients = [self._client]
        self._found: dict[object, list[Group]] = {}
        self._changed = asyncio.Event()
        self._before = {_identity(target): loop for target, loop in (before or {}).items()}
        discovery, resolver = job.discovery, Resolver(dns_server)
        self._found["static"] = [(targets, dict(labels)) for targets, labels in discovery.groups]
        work = [self._follow()]
        if self._before:
            work.append(self._end_others())
        if discovery.files:
            files = FileDiscovery(discovery.files, job.name)
            work.append(self._repeat("files", partial(asyncio.to_thread, files.read), _FILES_SECONDS))
        for i, http in enumerate(discovery.http):
            client = Client(http.client)
            self._clients.append(client)
            work.append(self._repeat(("http", i), self._asker(client, http), http.refresh_seconds))
        for i, dns in enumerate(discovery.dns):

            async def ask(dns: Any = dns) -> list[Group]:  # noqa: ANN401 - bound here
                return await dns_groups(dns, resolver)

            work.append(self._repeat(("dns", i), ask, dns.refresh_seconds))
        for i, kubernetes in enumerate(discovery.kubernetes):
            work.append(self._follow_kubernetes(("kubernetes", i), kubernetes))
        self._changed.set()
        self._tasks = [asyncio.create_task(one) for one in work]

    def offer(self, groups: list[Group]) -> None:
        """Take targets from somebody who knows them, instead of those that were offered before."""
        self._take("offered", groups)

    async def close(self) -> None:
        """End all loops; their series end, too."""
        loops = (await self.rest()).values()
        await asyncio.gather(*(loop.close() for loop in loops), return_exceptions=True)

    async def rest(self) -> dict[Target, Loop]:
        """End all loops, and tell which they were: their series go on after a restart, or in another pool."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(loop.rest() for loop in self.loops.values()))
        await asyncio.gather(*(client.close() for client in self._clients))
        return {loop.target: loop for loop in [*self._before.values(), *self.loops.values()]}

    async def _end_others(self) -> None:
        """Targets that were scraped, and that discovery has had time to find again."""
        await asyncio.sleep(_ENDING_INTERVALS * self.job.interval_seconds)
        while self._before:
            await self._before.popitem()[1].close()

    async def _follow(self) -> None:
        """Keep the loops as discovery has the targets."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._update([group for found in self._found.values() for group in found])
            except Exception:
                log.exception("Job %s: its targets stay as they were", self.job.name)

    async def _update(self, groups: list[Group]) -> None:
        targets, self.dropped = resolve(self.job, groups)
        limit = self.job.target_limit
        refusal = ""
        if limit and len(targets) > limit:
            refusal = f"target_limit exceeded: {len(targets)} targets, and target_limit is {limit}"
        for target in set(self.loops).difference(targets):
            await self.loops.pop(target).close()
        for target in targets:
            if target not in self.loops:
                before = self._before.pop(_identity(target), None)
                self.loops[target] = Loop(self.job, target, self._client, self._write, self._tenant, before=before)
            self.loops[target].target = target
            self.loops[target].refusal = refusal

    async def _repeat(self, key: object, find: Callable[[], Awaitable[list[Group]]], seconds: float) -> None:
        """Ask one way of discovery again and again; what it said before stays when it fails."""
        while True:
            try:
                found = await find()
            except (aiohttp.ClientError, OSError, ValueError, InvalidInput, DnsFailure) as error:
                fault = str(error) or type(error).__name__
                log.warning("Job %s: discovery failed: %s", self.job.name, fault)
            except Exception:
                log.exception("Job %s: discovery failed", self.job.name)  # what ended here would find nothing any more
            else:
                self._take(key, found)
            await asyncio.sleep(seconds)

    def _take(self, key: object, found: list[Group]) -> None:
        if self._found.get(key) != found:
            self._found[key] = found
            self._changed.set()

    async def _follow_kubernetes(self, key: object, config: Kubernetes) -> None:
        def take(found: list[Group]) -> None:
            self._take(key, found)

        while True:
            try:
                await KubernetesDiscovery(config, self.job.name, take).run()
            except (OSError, InvalidInput) as error:
                log.warning("Job %s: discovery failed: %s", self.job.name, error)
            except Exception:
                log.exception("Job %s: discovery failed", self.job.name)
            await asyncio.sleep(_HTTP_SECONDS)

    def _asker(self, client: Client, http: Http) -> Callable[[], Coroutine[Any, Any, list[Group]]]:
        headers = {"Accept": "application/json", "X-Prometheus-Refresh-Interval-Seconds": f"{http.refresh_seconds:g}"}

        async def ask() -> list[Group]:
            async with client.get(http.url, headers, timeout=aiohttp.ClientTimeout(total=_HTTP_SECONDS)) as answer:
                answer.raise_for_status()
                return groups_from_document(await answer.json(), {"__meta_url": http.url})

        return ask


def _identity(target: Target) -> tuple[object, ...]:
    """What makes a target the same in a job that has become another."""
    return target.url, target.labels
