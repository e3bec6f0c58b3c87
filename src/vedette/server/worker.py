"""The worker process: brings the tables up to date, loads the log, closes rollups, keeps the budgets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from vedette.errors import EngineError, QueryLimit, Unavailable, VedetteError
from vedette.server.background import background
from vedette.server.backup import BackupClerk, remove_half_backups
from vedette.server.engine.client import Engine
from vedette.server.engine.formats import LEDGER
from vedette.server.engine.migrate import migrate, prepare_format
from vedette.server.engine.rollups import EdgeRoller
from vedette.server.engine.rollups.tiers import TierRoller
from vedette.server.ingest.otlp import canonical, is_nested
from vedette.server.telemetry import write_exposition
from vedette.server.upkeep.budgets import Budgets
from vedette.server.wal.loader import Loader
from vedette.server.wal.quarantine import Quarantine
from vedette.server.wal.segments import WalFolder, sync_filesystem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from vedette.server.settings import Settings
    from vedette.server.telemetry import Reading
    from vedette.server.wal.quarantine import LedgerLine

__all__ = ["work"]

log = logging.getLogger(__name__)

_ENGINE_POLL_SECONDS = 0.05
_MIGRATION_RETRY_SECONDS = 5.0
_READINGS_SECONDS = 2.0


async def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        StartError: The database is from a newer version.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as cleanup:
        engine = Engine(settings.engine_url)
        cleanup.push_async_callback(engine.close)
        if not await _tables(engine, settings, stop):
            return

        async def record(lines: Sequence[LedgerLine], token: str) -> None:
            await _record(engine, lines, token)

        folder = WalFolder(settings.wal_dir)
        folder.prepare()
        # A log has one writer, and the server's is the server's.
        scrape_folder = WalFolder(settings.wal_dir / "scrape")
        scrape_folder.prepare()
        embedded = (
            settings.engine == "embedded"
        )  # a server of its own is durable, and keeps its disks, by its own settings
        between_batches = asyncio.Lock()
        loader, scrape_loader = (
            Loader(
                log_folder,
                engine,
                Quarantine(log_folder, record),
                batch_bytes=settings.wal_segment_bytes,
                settle=partial(sync_filesystem, settings.data_dir / "engine") if embedded else _nothing,
                canonical=canonical,
                is_nested=is_nested,
                prepare=partial(prepare_format, engine, cluster=settings.engine_cluster or None),
                poll_seconds=poll_seconds,
                between_batches=between_batches,
            )
            for log_folder, poll_seconds in ((folder, 0.1), (scrape_folder, 0.5))
        )
        for name in await asyncio.to_thread(remove_half_backups, settings.backup_path):
            log.warning("Removed the unfinished backup %s.", name)
        await background(cleanup, BackupClerk(engine, settings, loader, folder).run())
        tiers = TierRoller(engine, settings.metrics_rollup_delay)
        budgets = Budgets(engine, settings, record, tiers)
        if embedded:
            await background(cleanup, _repeat(settings.upkeep_interval, budgets.enforce, "keep the byte budgets"))
        await background(cleanup, _repeat(settings.upkeep_interval, tiers.roll, "sum up metrics"))
        roller = EdgeRoller(engine, cluster=settings.engine_cluster or None)
        await background(cleanup, _repeat(settings.upkeep_interval, roller.roll, "close the service graph"))
        await background(cleanup, _show(loader, settings, folder))
        await background(cleanup, scrape_loader.run(stop))
        if settings.scrape_config or settings.host_metrics or settings.scrape_registered:
            # Most installations are without it, and it brings what takes half a second to load.
            from vedette.server.scraping import scrape  # noqa: PLC0415

            await scrape(cleanup, settings, scrape_folder, engine, record)
        await loader.run(stop)


def _nothing() -> None:
    pass


async def _tables(engine: Engine, settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for the engine and bring its tables up to date. False if told to stop first."""
    while not stop.is_set():
        if await engine.ping():
            try:
                await migrate(engine, cluster=settings.engine_cluster or None)
            except Unavailable as error:
                log.info("The engine went away during a migration: %s", error)
            except (EngineError, QueryLimit) as error:
                # A full disk or short memory passes, and a restart would not mend the rest; ingest goes on meanwhile.
                log.error("The tables cannot be brought up to date: %s It is tried again.", error)  # noqa: TRY400
                await asyncio.sleep(_MIGRATION_RETRY_SECONDS)
            else:
                return True
        await asyncio.sleep(_ENGINE_POLL_SECONDS)
    return False


async def _record(engine: Engine, lines: Sequence[LedgerLine], token: str) -> None:
    """Write ledger lines once, however often the engine goes away meanwhile."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    settings = {**LEDGER.settings, "insert_deduplication_token": f"ledger-{token}"}
    while True:
        try:
            await engine.insert(LEDGER.table, LEDGER.input_format, body, settings=settings)
        except (Unavailable, EngineError, QueryLimit) as error:
            log.warning("A line of the ledger waits: %s", error)
            await asyncio.sleep(1.0)
        else:
            return


async def _repeat(seconds: float, duty: Callable[[], Awaitable[object]], what: str) -> None:
    while True:
        try:
            await duty()
        except VedetteError as error:
            log.warning("Could not %s: %s", what, error)
        except Exception:
            log.exception("Could not %s", what)  # a duty that ended here would never be done again
        await asyncio.sleep(seconds)


async def _show(loader: Loader, settings: Settings, folder: WalFolder) -> None:
    """Leave the worker's figures where the server shows them."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    while True:
        with contextlib.suppress(OSError):  # a full disk; the figures of before stay
            await asyncio.to_thread(write_exposition, settings.run_dir / "worker.prom", _readings(loader, folder))
        await asyncio.sleep(_READINGS_SECONDS)


def _readings(loader: Loader, folder: WalFolder) -> list[Reading]:
    stats = loader.stats
    files = [path.stat() for path in folder.quarantine.glob("*.rec")]
    waiting = time.time() - stats.waiting_since if stats.waiting_since else 0.0
    return [
        ("vedette_loader_segments_total", "Segments loaded.", "counter", stats.segments),
        ("vedette_loader_records_total", "Records loaded.", "counter", stats.records),
        ("vedette_loader_rows_total", "Spans, log records and data points loaded.", "counter", stats.rows),
        ("vedette_loader_bytes_total", "Bytes of segments loaded.", "counter", stats.bytes),
        ("vedette_loader_seconds_total", "Time spent loading.", "counter", stats.seconds),
        ("vedette_loader_retries_total", "Inserts tried again.", "counter", stats.retries),
        ("vedette_loader_lag_seconds", "Age of the segment that is being loaded.", "gauge", waiting),
        (
            "vedette_loader_rewritten_records_total",
            "Records written anew because the engine's reader is stricter than protobuf's.",
            "counter",
            stats.rewritten_records,
        ),
        ("vedette_quarantine_records_total", "Records put into quarantine.", "counter", stats.quarantined_records),
        ("vedette_quarantine_files", "Files in quarantine.", "gauge", len(files)),
        ("vedette_quarantine_bytes", "Bytes in quarantine.", "gauge", sum(file.st_size for file in files)),
    ]
