"""Jobs and their loops: what the configuration says is scraped, as long as it says so."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
import ssl
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from vedette.errors import InvalidInput, SettingsError, VedetteError
from vedette.server.scrape.cache import ScrapeCache, Scraped
from vedette.server.scrape.config import load_config
from vedette.server.scrape.encoding import STALE, sample, series_labels, series_message
from vedette.server.scrape.targets import Group, Target, groups_from_document, groups_from_file, resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vedette.server.scrape.config import Job

    Write = Callable[[bytes, int], Awaitable[None]]

__all__ = ["ScrapeManager"]

log = logging.getLogger(__name__)

_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
_RELOAD_SECONDS = 2.0
_FILES_SECONDS = 5.0
_MOST_DROPPED = 100
_OK = 200


class ScrapeManager:
    """Runs the jobs of a configuration file, and follows its changes.

    Args:
        path: The configuration, as Prometheus has it.
        write: Keeps a remote write message with so many rows.
        state: Where to leave what ``/api/v1/targets`` shows.
        tenant: Whose the samples are.
    """

    def __init__(self, path: Path, write: Write, state: Path, tenant: str) -> None:
        self._path = path
        self._write = write
        self._state = state
        self._tenant = tenant
        self._pools: dict[Job, _Pool] = {}
        self._text = ""

    async def run(self) -> None:
        """Scrape until cancelled. A configuration that cannot be read is said, and the last good one goes on."""
        stamp: tuple[int, int] | None = None
        try:
            while True:
                with contextlib.suppress(OSError):
                    facts = self._path.stat()
                    if (facts.st_mtime_ns, facts.st_size) != stamp:
                        stamp = facts.st_mtime_ns, facts.st_size
                        await self._load()
                await asyncio.to_thread(self._show)
                await asyncio.sleep(_RELOAD_SECONDS)
        finally:
            await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    async def _load(self) -> None:
        try:
            config = await asyncio.to_thread(load_config, self._path)
        except SettingsError as error:
            log.error("The configuration of scraping is not used: %s", error)  # noqa: TRY400 - a sentence is enough
            return
        self._text = config.text
        for job in set(self._pools).difference(config.jobs):
            await self._pools.pop(job).close()
        for job in config.jobs:
            if job not in self._pools:
                self._pools[job] = _Pool(job, self._write)
        log.info("Scraping %d jobs of %s.", len(config.jobs), self._path)

    def _show(self) -> None:
        pools = self._pools.values()
        document = {
            "tenant": self._tenant,
            "config": self._text if "password" not in self._text and "credentials" not in self._text else "",
            "pools": sorted(pool.job.name for pool in pools),
            "active": [loop.document(pool.job.name) for pool in pools for loop in pool.loops.values()],
            "dropped": [{"discoveredLabels": labels} for pool in pools for labels in pool.dropped[:_MOST_DROPPED]],
            "dropped_counts": {pool.job.name: len(pool.dropped) for pool in pools},
        }
        temporary = self._state.with_suffix(".tmp")
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(self._state)


class _Pool:
    """One job: its discovery and a loop for each target."""

    def __init__(self, job: Job, write: Write) -> None:
        self.job = job
        self.loops: dict[Target, _Loop] = {}
        self.dropped: list[dict[str, str]] = []
        self._write = write
        self._session: aiohttp.ClientSession | None = None
        self._found: dict[str, list[Group]] = {}
        self._task = asyncio.create_task(self._discover())

    async def close(self) -> None:
        """End all loops; their series end, too."""
        self._task.cancel()
        await asyncio.gather(self._task, *(loop.close() for loop in self.loops.values()), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _discover(self) -> None:
        discovery = self.job.discovery
        self._session = aiohttp.ClientSession(connector=_connector(self.job), cookie_jar=aiohttp.DummyCookieJar())
        asked = float("-inf")
        while True:
            groups: list[Group] = [(targets, dict(labels)) for targets, labels in discovery.groups]
            for pattern in discovery.files:
                groups += await asyncio.to_thread(groups_from_file, pattern)
            if time.monotonic() - asked >= discovery.refresh_seconds:
                asked = time.monotonic()
                for url in discovery.urls:
                    await self._ask(self._session, url)
            groups += [group for found in self._found.values() for group in found]
            targets, self.dropped = resolve(self.job, groups)
            for target in set(self.loops).difference(targets):
                await self.loops.pop(target).close()
            for target in targets:
                if target not in self.loops:
                    self.loops[target] = _Loop(self.job, target, self._session, self._write)
            await asyncio.sleep(_FILES_SECONDS)

    async def _ask(self, session: aiohttp.ClientSession, url: str) -> None:
        """The groups of ``http_sd_configs``; those of before stay when it does not answer."""
        try:
            timeout = aiohttp.ClientTimeout(total=30)
            async with session.get(url, timeout=timeout, headers={"Accept": "application/json"}) as answer:
                answer.raise_for_status()
                self._found[url] = groups_from_document(await answer.json(), {"__meta_url": url})
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("Job %s: discovery by %s failed: %s", self.job.name, url, error)


class _Loop:
    """Scrapes one target."""

    def __init__(self, job: Job, target: Target, session: aiohttp.ClientSession, write: Write) -> None:
        self._job = job
        self._target = target
        self._session = session
        self._write = write
        self._cache = ScrapeCache(job, dict(target.labels))
        self._report = {name: series_labels({"__name__": name, **dict(target.labels)}) for name in _REPORT}
        self._state: dict[str, Any] = {"health": "unknown", "lastError": "", "lastScrape": "0001-01-01T00:00:00Z"}
        self._state["lastScrapeDuration"] = 0.0
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End, and with it the target's series."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        now = time.time_ns() // 1_000_000
        gone = self._cache.end(now)
        stale = sample(STALE, now)
        pieces = [*gone.pieces, *(series_message(labels, stale) for labels in self._report.values())]
        with contextlib.suppress(VedetteError):
            await self._write(b"".join(pieces), gone.rows + len(self._report))

    def document(self, pool: str) -> dict[str, Any]:
        """The target as ``/api/v1/targets`` shows it."""
        return {
            "discoveredLabels": dict(self._target.discovered),
            "labels": dict(self._target.labels),
            "scrapePool": pool,
            "scrapeUrl": self._target.url,
            "globalUrl": self._target.url,
            "scrapeInterval": f"{self._target.interval_seconds:g}s",
            "scrapeTimeout": f"{self._target.timeout_seconds:g}s",
            **self._state,
        }

    async def _run(self) -> None:
        interval, offset = self._target.interval_seconds, self._target.offset_seconds()
        while True:
            now = time.time()
            due = (now - offset) // interval * interval + offset + interval
            await asyncio.sleep(due - now)
            try:
                await self._scrape(round(due * 1000))
            except VedetteError as error:
                log.warning("What %s gave is not kept: %s", self._target.url, error)

    async def _scrape(self, time_ms: int) -> None:
        began = time.monotonic()
        error = ""
        try:
            async with asyncio.timeout(self._target.timeout_seconds):
                text, openmetrics = await self._fetch()
            found = self._cache.take(text, time_ms, openmetrics=openmetrics)
        except (aiohttp.ClientError, OSError, InvalidInput) as fault:
            error = str(fault) or type(fault).__name__
            if isinstance(fault, TimeoutError):
                error = f"no answer within {self._target.timeout_seconds:g} s"
            found = self._cache.end(time_ms)
        took = time.monotonic() - began
        self._state = {
            "health": "down" if error else "up",
            "lastError": error,
            "lastScrape": dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z"),
            "lastScrapeDuration": took,
        }
        values = (0.0 if error else 1.0, took, float(found.scraped), float(found.kept), float(found.added))
        self._add_report(found, values, time_ms)
        await self._write(b"".join(found.pieces), found.rows)

    def _add_report(self, found: Scraped, values: tuple[float, ...], time_ms: int) -> None:
        for labels, value in zip(self._report.values(), values, strict=True):
            found.pieces.append(series_message(labels, sample(value, time_ms)))
            found.rows += 1

    async def _fetch(self) -> tuple[str, bool]:
        job = self._job
        headers = {"Accept": _ACCEPT, "X-Prometheus-Scrape-Timeout-Seconds": f"{self._target.timeout_seconds:g}"}
        headers["Accept-Encoding"] = "gzip" if job.compression else "identity"
        headers |= await asyncio.to_thread(_credentials, job)
        async with self._session.get(self._target.url, headers=headers, allow_redirects=job.redirects) as answer:
            if answer.status != _OK:
                raise InvalidInput(f"server returned HTTP status {answer.status} {answer.reason}")
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if job.body_size_limit and len(body) > job.body_size_limit:
                    raise InvalidInput(f"body_size_limit exceeded: more than {job.body_size_limit} bytes")
            openmetrics = answer.headers.get("Content-Type", "").startswith("application/openmetrics-text")
        try:
            return body.decode(), openmetrics
        except UnicodeDecodeError as error:
            raise InvalidInput(f"the exposition is not valid UTF-8: {error}") from error


_REPORT = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


def _connector(job: Job) -> aiohttp.TCPConnector:
    auth = job.auth
    if job.scheme != "https":
        return aiohttp.TCPConnector(limit=0)
    context = ssl.create_default_context(cafile=auth.ca_file or None)
    if auth.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if auth.cert_file:
        context.load_cert_chain(auth.cert_file, auth.key_file or None)
    return aiohttp.TCPConnector(limit=0, ssl=context)


def _credentials(job: Job) -> dict[str, str]:
    """The Authorization header. Files are read with every scrape, as secrets rotate."""
    auth = job.auth
    if auth.username:
        password = Path(auth.password_file).read_text(encoding="utf-8").strip() if auth.password_file else auth.password
        return {"Authorization": "Basic " + b64encode(f"{auth.username}:{password}".encode()).decode()}
    secret = auth.credentials
    if auth.credentials_file:
        secret = Path(auth.credentials_file).read_text(encoding="utf-8").strip()
    return {"Authorization": f"{auth.scheme} {secret}"} if secret else {}
