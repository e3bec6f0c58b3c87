"""Services that registered themselves, scraped as long as they say that they are there, each for its own tenant."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from vedette.errors import Unavailable
from vedette.server.scrape.config import Job
from vedette.server.scrape.pool import Pool
from vedette.server.scrape.showing import show

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from vedette.server.control.registry import RegisteredService, ServiceRegistry
    from vedette.server.scrape.series import Batch

__all__ = ["RegisteredScraper"]

log = logging.getLogger(__name__)

_NAME = "registered"
_LOOK_SECONDS = 2.0
_LONGEST_TIMEOUT_SECONDS = 10.0


class RegisteredScraper:
    """Keeps a pool of targets for each tenant that has registered services with metrics.

    Args:
        registry: Who is there.
        write: Keeps what a scrape gives, for a tenant.
        state: Where to leave what ``/api/v1/targets`` shows.
        interval_seconds: Between two scrapes of a service.
        max_body_bytes: What an answer may have; whoever registers is not whoever runs the platform.
    """

    def __init__(
        self,
        registry: ServiceRegistry,
        write: Callable[[str, Batch], Awaitable[None]],
        state: Path,
        *,
        interval_seconds: float,
        max_body_bytes: int,
    ) -> None:
        self._registry = registry
        self._write = write
        self._state = state
        timeout = min(_LONGEST_TIMEOUT_SECONDS, interval_seconds)
        self._job = Job(_NAME, interval_seconds, timeout, body_size_limit=max_body_bytes)
        self._pools: dict[str, Pool] = {}

    async def run(self) -> None:
        """Scrape until cancelled. While the registry cannot be read, those go on that were there."""
        try:
            while True:
                try:
                    await self._follow(await asyncio.to_thread(self._registry.scraped, datetime.now(UTC)))
                except Unavailable as error:
                    log.warning("Registered services cannot be read: %s", error)
                pools = {tenant: [pool] for tenant, pool in self._pools.items()}
                await asyncio.to_thread(show, self._state, "", pools)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await asyncio.gather(*(pool.rest() for pool in self._pools.values()))

    async def _follow(self, found: dict[str, list[RegisteredService]]) -> None:
        for tenant in set(self._pools).difference(found):
            await self._pools.pop(tenant).close()
        for tenant, services in found.items():
            if tenant not in self._pools:
                self._pools[tenant] = Pool(self._job, partial(self._write, tenant), tenant, "")
            targets = [service.target() for service in services]
            self._pools[tenant].offer([((address,), labels) for address, labels in targets])
