"""The jobs of a configuration file, scraped as long as the file says so."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.errors import SettingsError
from vedette.server.scrape.config import included_files, load_config
from vedette.server.scrape.pool import Pool
from vedette.server.scrape.showing import show, without_secrets

if TYPE_CHECKING:
    from vedette.server.scrape.config import Job
    from vedette.server.scrape.loop import Write

__all__ = ["ScrapeManager"]

log = logging.getLogger(__name__)

_RELOAD_SECONDS = 2.0

_Stamp = tuple[str, int, int]


class ScrapeManager:
    """Runs the jobs of a configuration file, and follows its changes.

    Args:
        path: The configuration, as Prometheus has it.
        write: Keeps what a scrape gives.
        state: Where to leave what ``/api/v1/targets`` shows.
        tenant: Whose the samples are.
        dns_server: Whom to ask for ``dns_sd_configs``; empty means those of the system.
    """

    def __init__(self, path: Path, write: Write, state: Path, tenant: str, dns_server: str = "") -> None:
        self._path = path
        self._write = write
        self._state = state
        self._tenant = tenant
        self._dns_server = dns_server
        self._pools: dict[Job, Pool] = {}
        self._shown = ""
        self._external_labels: tuple[tuple[str, str], ...] = ()
        self._own: list[_Stamp] = []
        self._included: list[str] = []

    async def run(self) -> None:
        """Scrape until cancelled. A configuration that cannot be read is said, and the last good one goes on."""
        stamp: list[_Stamp] = []
        try:
            while True:
                seen = await asyncio.to_thread(self._stamp)
                if seen and seen != stamp:
                    stamp = seen
                    await self._load()
                await asyncio.to_thread(self._show)
                await asyncio.sleep(_RELOAD_SECONDS)
        finally:
            # Series go on after a restart, as those of Prometheus do.
            await asyncio.gather(*(pool.rest() for pool in self._pools.values()))

    def _stamp(self) -> list[_Stamp]:
        """What changes when a file of the configuration does; nothing while it is not there."""
        own = _stamps([str(self._path)])
        if own and own != self._own:
            self._own, self._included = own, included_files(self._path)
        names = [name for pattern in self._included for name in sorted(glob.glob(pattern))]  # noqa: PTH207 - absolute
        return [*own, *_stamps(names)] if own else []

    async def _load(self) -> None:
        try:
            config = await asyncio.to_thread(load_config, self._path)
        except SettingsError as error:
            log.error("The configuration of scraping is not used: %s", error)  # noqa: TRY400 - a sentence is enough
            return
        self._shown, self._external_labels = without_secrets(config.text), config.external_labels
        names, before = {job.name for job in config.jobs}, {}
        for job in set(self._pools).difference(config.jobs):
            pool = self._pools.pop(job)
            if job.name in names:
                before[job.name] = await pool.rest()
            else:
                await pool.close()
        for job in config.jobs:
            if job not in self._pools:
                self._pools[job] = Pool(job, self._write, self._tenant, self._dns_server, before.get(job.name))
        log.info("Scraping %d jobs of %s.", len(config.jobs), self._path)

    def _show(self) -> None:
        pools = list(self._pools.values())
        show(self._state, self._shown, {self._tenant: pools}, self._external_labels)


def _stamps(names: list[str]) -> list[_Stamp]:
    """Name, time of change and size of the files that are there."""
    found = []
    for name in names:
        with contextlib.suppress(OSError):
            facts = Path(name).stat()
            found.append((name, facts.st_mtime_ns, facts.st_size))
    return found
