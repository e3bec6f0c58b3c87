"""One job: its discovery, and a loop for each target that it finds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from vedette.server.scrape.client import Client
from vedette.server.scrape.discovery.finder import Finder
from vedette.server.scrape.loop import Loop
from vedette.server.scrape.targets import Group, Target, resolve

if TYPE_CHECKING:
    from vedette.server.scrape.config import Job
    from vedette.server.scrape.loop import Write

__all__ = ["Pool"]

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
        self._before = {_identity(target): loop for target, loop in (before or {}).items()}
        self._finder = Finder(job.discovery, f"Job {job.name}", self._update, dns_server)
        self._ending = asyncio.create_task(self._end_others())

    def offer(self, groups: list[Group]) -> None:
        """Take targets from somebody who knows them, instead of those that were offered before."""
        self._finder.offer(groups)

    async def close(self) -> None:
        """End all loops; their series end, too."""
        loops = (await self.rest()).values()
        await asyncio.gather(*(loop.close() for loop in loops), return_exceptions=True)

    async def rest(self) -> dict[Target, Loop]:
        """End all loops, and tell which they were: their series go on after a restart, or in another pool."""
        await self._finder.close()
        self._ending.cancel()
        await asyncio.gather(self._ending, return_exceptions=True)
        await asyncio.gather(*(loop.rest() for loop in self.loops.values()))
        await self._client.close()
        return {loop.target: loop for loop in [*self._before.values(), *self.loops.values()]}

    async def _end_others(self) -> None:
        """Targets that were scraped, and that discovery has had time to find again."""
        await asyncio.sleep(_ENDING_INTERVALS * self.job.interval_seconds)
        while self._before:
            await self._before.popitem()[1].close()

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


def _identity(target: Target) -> tuple[object, ...]:
    """What makes a target the same in a job that has become another."""
    return target.url, target.labels
