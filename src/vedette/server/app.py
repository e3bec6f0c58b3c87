"""The server process: everything is built, started and stopped here, in one straight line.

Cleanup runs in the reverse order, so that nothing is closed while something that uses it still runs: the doors first,
then the requests under way, then the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from contextlib import AsyncExitStack
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vedette.errors import StartError, VedetteError
from vedette.server.alerting.notifier import Notifier
from vedette.server.alerting.readings import NotifierReadings
from vedette.server.api.build import build_api, is_question
from vedette.server.api.compat.prometheus.direct import answers_at_once
from vedette.server.api.context import Services
from vedette.server.api.names import KnownNames
from vedette.server.background import background
from vedette.server.backup import BackupDesk
from vedette.server.control.identity import Authenticator
from vedette.server.control.log_levels import LevelTable
from vedette.server.control.posture import check_posture
from vedette.server.control.store import open_control
from vedette.server.control.watch import KeyWatcher
from vedette.server.engine.client import Engine
from vedette.server.engine.migrate import is_current
from vedette.server.http.server import HttpServer
from vedette.server.ingest.deltas import DeltaStreams
from vedette.server.ingest.ledger import Ledger
from vedette.server.ingest.otlp_grpc import start_otlp_grpc
from vedette.server.ingest.otlp_http import OtlpHttp
from vedette.server.ingest.pipeline import Ingest
from vedette.server.ingest.remote_write import RemoteWrite
from vedette.server.ingest.series_limit import SeriesLimits
from vedette.server.precompile.starting import precompile
from vedette.server.query.logs.page import NewestLines
from vedette.server.query.metrics.queries import MetricQueries
from vedette.server.query.metrics.store import MetricStore
from vedette.server.query.promql.engine import Limits as PromqlLimits
from vedette.server.query.promql.engine import Options as PromqlOptions
from vedette.server.query.reader import Limits, Reader
from vedette.server.readiness import Readiness
from vedette.server.rules.manager import RuleReadings, RuleSources
from vedette.server.rules.wiring import alert_surroundings, build_rules
from vedette.server.scrape.config import ScrapeConfig, load_config
from vedette.server.telemetry import Telemetry
from vedette.server.wal.segments import WalFolder
from vedette.server.wal.writer import WalWriter

if TYPE_CHECKING:
    from vedette.server.api.names import Application
    from vedette.server.control.identity import AuthMode
    from vedette.server.ingest.grpc.server import GrpcServer
    from vedette.server.settings import Address, Settings
    from vedette.server.telemetry import Reading

__all__ = ["serve"]

log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0
_CACHED_SAMPLE_BYTES = 24


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartError: Something that only a person can mend keeps the server from starting.
    """
    stop = _stop_on_signals()
    async with AsyncExitStack() as cleanup:
        control = open_control(settings.control_database)
        cleanup.callback(control.close)
        doors = (settings.listen, settings.otlp_http, settings.otlp_grpc, settings.engine_tcp)
        mode = check_posture(doors, control, settings.insecure_no_auth, auth=cast("AuthMode", settings.auth))
        authenticator = Authenticator(control.key_table(), mode=mode)
        levels = LevelTable()
        await cleanup.enter_async_context(KeyWatcher(control, authenticator, levels=levels))

        telemetry = Telemetry()
        engine = Engine(settings.engine_url)
        cleanup.push_async_callback(engine.close)
        reader = Reader(engine, _limits(settings))
        await background(cleanup, _prepare(engine, reader))

        folder = WalFolder(settings.wal_dir)
        wal = _open_wal(cleanup, settings, folder, telemetry)
        limits = SeriesLimits(engine, settings.tenant_max_series, sorted(settings.otlp_promote))
        ingest = await _open_ingest(cleanup, settings, (wal, limits), telemetry)
        readiness = Readiness(engine, reader, wal, folder)
        metrics = await _open_metrics(cleanup, settings, engine, reader)
        notifier = Notifier(partial(_scrape_config, settings), str(settings.scrape_dns_server or ""))
        alerts = alert_surroundings(settings, control.alert_states, notifier.tell)
        rules = build_rules(settings, partial(_rule_sources, settings), metrics, ingest, alerts)
        telemetry.registry.register(RuleReadings(rules))
        telemetry.registry.register(NotifierReadings(notifier))
        services = Services(
            settings=settings,
            engine=engine,
            reader=reader,
            newest_lines=NewestLines(),
            control=control,
            authenticator=authenticator,
            ingest=ingest,
            telemetry=telemetry,
            readiness=readiness,
            backups=BackupDesk(settings),
            metrics=metrics,
            rules=rules,
            notifier=notifier,
            stopping=stop,
        )
        await _open_doors(cleanup, services, levels)
        await background(cleanup, services.backups.run(partial(_forget, services)))
        await background(cleanup, notifier.run())  # before the rules, so that it ends after them
        await background(cleanup, rules.run())
        await background(cleanup, _begin(readiness, settings))
        await stop.wait()
        log.info("Stopping: no new requests, those under way are finished.")


def _open_wal(cleanup: AsyncExitStack, settings: Settings, folder: WalFolder, telemetry: Telemetry) -> WalWriter:
    wal = WalWriter(
        folder,
        segment_bytes=settings.wal_segment_bytes,
        segment_age=settings.wal_segment_age,
        max_bytes=settings.wal_max_bytes,
        sync_interval=settings.wal_sync.interval_seconds,
    )
    cut = wal.start()
    if cut:
        log.warning("The last run ended in the middle of a write; %d unacknowledged bytes were cut.", cut)
    cleanup.push_async_callback(wal.close)
    telemetry.watch(lambda: _wal_readings(wal))
    return wal


async def _open_ingest(
    cleanup: AsyncExitStack, settings: Settings, into: tuple[WalWriter, SeriesLimits], telemetry: Telemetry
) -> Ingest:
    wal, limits = into
    ledger = Ledger(wal, telemetry)
    cleanup.push_async_callback(ledger.flush)
    await background(cleanup, ledger.run())
    deltas = DeltaStreams(settings.delta_file, settings.otlp_delta_memory)
    cleanup.callback(deltas.save)
    telemetry.watch(lambda: [("vedette_otlp_delta_streams", "Delta streams that are summed.", "gauge", deltas.streams)])
    return Ingest(
        wal,
        ledger,
        telemetry,
        limits,
        deltas,
        max_inflight_bytes=settings.max_inflight_bytes,
        tenant_rate=settings.tenant_max_bytes_per_second,
        promoted=sorted(settings.otlp_promote),
    )


async def _open_metrics(cleanup: AsyncExitStack, settings: Settings, engine: Engine, reader: Reader) -> MetricQueries:
    options = _promql_options(settings)
    store = MetricStore(
        reader,
        max_cached_samples=settings.metrics_cache // _CACHED_SAMPLE_BYTES,
        max_series=settings.metrics_index_series,
        start_times=options.start_times,
    )
    await background(cleanup, store.run())
    return MetricQueries(
        engine,
        store,
        _promql_limits(settings),
        concurrency=settings.query_concurrency,
        options=options,
    )


async def _open_doors(cleanup: AsyncExitStack, services: Services, levels: LevelTable) -> None:
    settings, ingest, authenticator = services.settings, services.ingest, services.authenticator
    body_bytes, body_timeout = settings.max_body_bytes, settings.body_timeout
    otlp = OtlpHttp(ingest, authenticator, levels, max_body_bytes=body_bytes, body_timeout_seconds=body_timeout)
    remote_write = RemoteWrite(ingest, authenticator, max_body_bytes=body_bytes, body_timeout_seconds=body_timeout)
    api: Application = _Doors((otlp, remote_write), build_api(services))
    at_once = answers_at_once(services)
    if not settings.insecure_no_auth:
        api = known = KnownNames(api, authenticator, settings.host_names)
        at_once = {path: known.before(answer) for path, answer in at_once.items()}
    doors: list[HttpServer | GrpcServer] = []

    async def close() -> None:
        await asyncio.gather(*(door.stop(_GRACE_SECONDS) for door in doors))

    cleanup.push_async_callback(close)
    if settings.otlp_http:
        doors.append(HttpServer(otlp, head_seconds=body_timeout))
        await _listen(doors[-1], settings.otlp_http, "OTLP/HTTP", "--otlp-http")
    if settings.otlp_grpc:
        grpc = await start_otlp_grpc(
            settings.otlp_grpc,
            ingest,
            authenticator,
            levels,
            max_body_bytes=body_bytes,
            body_timeout_seconds=body_timeout,
        )
        doors.append(grpc)
    # The last one, as who asks it whether the platform is ready goes to the others then.
    doors.append(HttpServer(api, head_seconds=body_timeout, ends_with_client=is_question, at_once=at_once))
    await _listen(doors[-1], settings.listen, "the API", "--listen")


class _Doors:
    """One port, several applications: telemetry goes past the framework, everything else through it."""

    def __init__(self, ingest: tuple[OtlpHttp | RemoteWrite, ...], api: Any) -> None:  # noqa: ANN401 - an ASGI application
        self._ingest = ingest
        self._api = api

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] == "http":
            for door in self._ingest:
                if door.handles(scope["path"]):
                    await door(scope, receive, send)
                    return
        await self._api(scope, receive, send)


async def _listen(server: HttpServer | GrpcServer, address: Address, what: str, flag: str) -> None:
    try:
        await server.start(address)
    except OSError as error:
        raise StartError(
            f"Cannot listen on {address} for {what}: {error.strerror}. "
            f"Stop what uses it, or choose another address with {flag}."
        ) from error


async def _prepare(engine: Engine, reader: Reader) -> None:
    """Ask until the engine is up and the worker has brought its tables up to date."""
    while not reader.is_prepared:
        with contextlib.suppress(VedetteError):
            if await is_current(engine):
                await reader.prepare()
        await asyncio.sleep(0.05)


async def _begin(readiness: Readiness, settings: Settings) -> None:
    await _announce(readiness, settings)
    await precompile()


async def _announce(readiness: Readiness, settings: Settings) -> None:
    """Say once, when it is true, that the platform is ready, and where."""
    while not all(check["ok"] for check in (await readiness.checks()).values()):  # noqa: ASYNC110 - it is elsewhere
        await asyncio.sleep(0.1)
    doors = {"OTLP/HTTP": settings.otlp_http, "OTLP/gRPC": settings.otlp_grpc}
    where = "".join(f", {name} {address}" for name, address in doors.items() if address)
    log.info("Ready: API http://%s%s", settings.listen, where)


async def _forget(services: Services) -> None:
    """Let go of what is kept in memory of the tables."""
    services.metrics.store.forget()
    await services.ingest.forget_series()


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_seconds=settings.query_max_seconds,
        max_memory_bytes=settings.query_max_memory,
        max_rows_to_read=settings.query_max_rows,
        max_concurrent_per_tenant=settings.query_concurrency,
    )


def _rule_sources(settings: Settings) -> RuleSources:
    """The rule files of the settings, and those that the configuration of scraping names."""
    patterns = [part.strip() for part in settings.rule_files.split(",") if part.strip()]
    interval, offset = settings.rules_interval, 0.0
    labels: tuple[tuple[str, str], ...] = ()
    if config := _scrape_config(settings):
        patterns, labels = [*patterns, *config.rule_files], config.external_labels
        if config.rule_files:
            interval, offset = config.interval_seconds, config.query_offset_seconds
    return RuleSources(tuple(patterns), interval, offset, labels)


def _scrape_config(settings: Settings) -> ScrapeConfig | None:
    """The configuration of scraping as it is now."""
    if not settings.scrape_config:
        return None
    path = Path(settings.scrape_config).expanduser()
    return _configuration(path, _version(path))


@lru_cache(maxsize=1)
def _configuration(path: Path, version: object) -> ScrapeConfig:  # noqa: ARG001 - what it is kept by
    """A configuration of scraping, parsed when it is another one: it is looked at every few seconds."""
    return load_config(path)


def _version(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file, None if it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _promql_limits(settings: Settings) -> PromqlLimits:
    return PromqlLimits(
        max_samples=settings.promql_max_samples,
        max_series=settings.promql_max_series,
        timeout_seconds=settings.promql_timeout,
    )


def _promql_options(settings: Settings) -> PromqlOptions:
    features = settings.promql_features
    return PromqlOptions(
        delayed_name_removal="promql-delayed-name-removal" in features,
        type_and_unit_labels="type-and-unit-labels" in features,
        start_times="use-start-timestamps" in features,
    )


def _wal_readings(wal: WalWriter) -> list[Reading]:
    stats = wal.stats
    return [
        (
            "vedette_wal_waiting_bytes",
            "Bytes acknowledged that the engine does not hold yet.",
            "gauge",
            wal.waiting_bytes,
        ),
        ("vedette_wal_records", "Records written.", "counter", stats.records),
        ("vedette_wal_bytes", "Bytes written.", "counter", stats.bytes),
        ("vedette_wal_commits", "Group commits.", "counter", stats.commits),
        ("vedette_wal_sync_seconds", "Time spent in fsync.", "counter", stats.sync_seconds),
        ("vedette_wal_segments", "Segments sealed.", "counter", stats.sealed),
        ("vedette_wal_faults", "Writes and fsyncs that the disk refused.", "counter", stats.faults),
    ]


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
