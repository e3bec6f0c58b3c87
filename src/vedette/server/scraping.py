"""What the worker asks for by itself: scraped targets, services that registered themselves, the machine it runs on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.server.background import background
from vedette.server.control.store import open_control
from vedette.server.engine.formats import by_name
from vedette.server.ingest.otlp import stamped
from vedette.server.ingest.series_limit import SeriesLimits, SeriesRefusals
from vedette.server.scrape.host import HostCollector
from vedette.server.scrape.manager import ScrapeManager
from vedette.server.scrape.registered import RegisteredScraper
from vedette.server.wal.writer import WalWriter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AsyncExitStack

    from vedette.server.engine.client import Engine
    from vedette.server.scrape.series import Batch
    from vedette.server.settings import Settings
    from vedette.server.wal.quarantine import LedgerLine
    from vedette.server.wal.segments import WalFolder

__all__ = ["scrape"]

_SCRAPE_PATIENCE = 4
"""How much older segments of scrapes may be: targets answer all the time, and every insert has a cost of its own."""


@dataclass(frozen=True, slots=True)
class _Sink:
    """Where scraped samples go: to the log, as far as the tenant may have their series."""

    wal: WalWriter
    limits: SeriesLimits
    refusals: SeriesRefusals

    async def write(self, tenant: str, batch: Batch) -> None:
        # In this order: samples go by the ids of series that the log has told of.
        if batch.told_rows:
            told = await self.limits.admit(tenant, b"".join(batch.told))
            self.refusals.add(tenant, self.limits, told)
            await self._append("remote_write", tenant, batch.told_rows - told.rows, told.message)
        if batch.sample_rows:
            known = await self.limits.known_samples(tenant, batch.samples)
            self.refusals.add(tenant, self.limits, known)
            await self._append("samples", tenant, batch.sample_rows - known.samples, known.message)

    async def _append(self, wire_format: str, tenant: str, rows: int, message: bytes) -> None:
        if rows > 0:
            await self.wal.append(by_name(wire_format).code, tenant, rows, stamped(tenant, message))


async def scrape(
    cleanup: AsyncExitStack,
    settings: Settings,
    folder: WalFolder,
    engine: Engine,
    record: Callable[[Sequence[LedgerLine], str], Awaitable[None]],
) -> None:
    """Scrape what the configuration names, and measure the machine, through a log of their own.

    Args:
        cleanup: Ends it.
        settings: What to scrape, and how often.
        folder: The log's, of which this process is the writer.
        engine: Knows how many series a tenant has.
        record: Writes lines of the ledger, under a token.
    """
    wal = WalWriter(
        folder,
        segment_bytes=settings.wal_segment_bytes,
        segment_age=_SCRAPE_PATIENCE * settings.wal_segment_age,
        max_bytes=settings.wal_max_bytes,
        sync_interval=settings.wal_sync.interval_seconds,
    )
    wal.start()
    cleanup.push_async_callback(wal.close)
    refusals = SeriesRefusals(record)
    await background(cleanup, refusals.run())
    write = _Sink(wal, SeriesLimits(engine, settings.tenant_max_series), refusals).write

    tenant = settings.scrape_tenant
    if settings.host_metrics:
        await background(cleanup, HostCollector(partial(write, tenant), tenant, settings.host_metrics).run())
    if settings.scrape_registered:
        control = open_control(settings.control_database)
        cleanup.callback(control.close)
        registered = RegisteredScraper(
            control.registry,
            write,
            settings.run_dir / "registered.json",
            interval_seconds=settings.scrape_registered,
            max_body_bytes=settings.max_body_bytes,
        )
        await background(cleanup, registered.run())
    if settings.scrape_config:
        path = Path(os.path.expanduser(settings.scrape_config))  # noqa: PTH111, ASYNC240 - no file is touched
        state, server = settings.run_dir / "scrape.json", str(settings.scrape_dns_server or "")
        await background(cleanup, ScrapeManager(path, partial(write, tenant), state, tenant, server).run())
