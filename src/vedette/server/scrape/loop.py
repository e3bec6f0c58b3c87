"""One target, scraped at its times."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from vedette.errors import InvalidInput, VedetteError
from vedette.server.scrape.cache import OverLimit, ScrapeCache, Scraped
from vedette.server.scrape.config import PROTOCOLS
from vedette.server.scrape.durations import duration_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vedette.server.scrape.client import Client
    from vedette.server.scrape.config import Job
    from vedette.server.scrape.series import Batch
    from vedette.server.scrape.targets import Target

    Write = Callable[[Batch], Awaitable[None]]

__all__ = ["Loop"]

log = logging.getLogger(__name__)

_OK = 200
_REPORT = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
_EXTRA_REPORT = ("scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes")
_THREAD_BYTES = 1 << 20
_OVERSIZE = -1
"""What ``scrape_body_size_bytes`` is told of a body over its limit."""


class Loop:
    """Scrapes one target until it is closed. While `refusal` says why not, scrapes fail with it.

    Args:
        job: Says how.
        target: What is scraped.
        client: Asks it.
        write: Keeps what a scrape gives.
        tenant: Whose it is.
        before: Who scraped it until the job became another: the first scrape ends what that one had and this has not.
    """

    def __init__(
        self, job: Job, target: Target, client: Client, write: Write, tenant: str, *, before: Loop | None = None
    ) -> None:
        self.refusal = ""
        self.target = target
        """What is scraped; it may be told anew how it was discovered."""
        self._job = job = target.applied_to(job)
        self._client = client
        self._write = write
        names = (*_REPORT, *_EXTRA_REPORT) if job.extra_metrics else _REPORT
        phase = target.offset_seconds() / target.interval_seconds * 3600
        self.cache = ScrapeCache(job, dict(target.labels), tenant, names, phase)
        if before is not None:
            self.cache.inherit(before.cache)
        self._state: dict[str, Any] = {"health": "unknown", "lastError": "", "lastScrape": "0001-01-01T00:00:00Z"}
        self._state["lastScrapeDuration"] = 0.0
        self._size = 0
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End, and with it the target's series."""
        await self.rest()
        now = time.time_ns() // 1_000_000
        gone = self.cache.end(now)
        self.cache.report(gone, None, now)
        with contextlib.suppress(VedetteError):
            await self._write(gone.batch)

    async def rest(self) -> None:
        """Scrape no more; the series go on, here after a restart or by another loop."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def document(self, pool: str) -> dict[str, Any]:
        """The target as ``/api/v1/targets`` shows it."""
        return {
            "discoveredLabels": dict(self.target.discovered),
            "labels": dict(self.target.labels),
            "scrapePool": pool,
            "scrapeUrl": self.target.url,
            "globalUrl": self.target.url,
            "scrapeInterval": duration_text(self.target.interval_seconds),
            "scrapeTimeout": duration_text(self.target.timeout_seconds),
            **self._state,
        }

    async def _run(self) -> None:
        interval, offset = self.target.interval_seconds, self.target.offset_seconds()
        while True:
            now = time.time()
            due = (now - offset) // interval * interval + offset + interval
            await asyncio.sleep(due - now)
            try:
                await self._scrape(round(due * 1000))
            except VedetteError as error:
                self.cache.forget()
                log.warning("What %s gave is not kept: %s", self.target.url, error)
            except Exception:
                self.cache.forget()
                log.exception("Scraping %s failed", self.target.url)  # a loop that ended here would scrape no more

    async def _scrape(self, time_ms: int) -> None:
        began = time.monotonic()
        error, self._size = "", 0
        try:
            if self.refusal:
                raise InvalidInput(self.refusal)  # noqa: TRY301 - it fails as any scrape does
            async with asyncio.timeout(self.target.timeout_seconds):
                body, kind = await self._fetch()
            if len(body) < _THREAD_BYTES and self.cache.is_warm:
                found = self.cache.take(body, time_ms, **kind)
            else:
                found = await asyncio.to_thread(self.cache.take, body, time_ms, **kind)
        except (aiohttp.ClientError, OSError, ValueError, InvalidInput) as fault:
            error = str(fault) or type(fault).__name__
            if isinstance(fault, TimeoutError):
                error = f"no answer within {self.target.timeout_seconds:g} s"
            found = self.cache.end(time_ms)
            if isinstance(fault, OverLimit):
                found.scraped, found.kept = fault.scraped, fault.kept
            if self._job.failure_log:
                await asyncio.to_thread(_log_failure, self._job, self.target.url, error)
        took = time.monotonic() - began
        self._state = {
            "health": "down" if error else "up",
            "lastError": error,
            "lastScrape": dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z"),
            "lastScrapeDuration": took,
        }
        self.cache.report(found, self._values(found, took, failed=bool(error)), time_ms)
        await self._write(found.batch)

    def _values(self, found: Scraped, took: float, *, failed: bool) -> list[float]:
        values = [0.0 if failed else 1.0, took, float(found.scraped), float(found.kept), float(found.added)]
        if self._job.extra_metrics:
            values += [self.target.timeout_seconds, float(self._job.sample_limit), float(self._size)]
        return values

    async def _fetch(self) -> tuple[bytes, dict[str, bool]]:
        """The body, and how it is to be read."""
        job = self._job
        headers = {
            "Accept": _accept(job),
            "Accept-Encoding": "gzip" if job.compression else "identity",
            "X-Prometheus-Scrape-Timeout-Seconds": f"{self.target.timeout_seconds:g}",
        }
        async with self._client.get(self.target.url, headers) as answer:
            if answer.status != _OK:
                raise InvalidInput(f"server returned HTTP status {answer.status} {answer.reason}")
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if job.body_size_limit and len(body) > job.body_size_limit:
                    self._size = _OVERSIZE
                    raise InvalidInput(f"body_size_limit exceeded: more than {job.body_size_limit} bytes")
            media = answer.headers.get("Content-Type", "")
        self._size = len(body)
        return bytes(body), _reading(media, job.fallback_protocol)


def _log_failure(job: Job, target: str, error: str) -> None:
    """Add a line to the job's ``scrape_failure_log_file``, as Prometheus writes it."""
    now = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    line = {"time": now, "level": "ERROR", "msg": error, "job_name": job.name, "target": target}
    try:
        with Path(job.failure_log).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as fault:
        log.warning("Job %s: the failure log cannot be written: %s", job.name, fault)


def _accept(job: Job) -> str:
    """As Prometheus asks: the first protocol is liked most."""
    parts = []
    for place, name in enumerate(job.protocols):
        kind = PROTOCOLS[name]
        if name.endswith("1.0.0"):
            kind += f";escaping={job.escaping}"
        parts.append(f"{kind};q=0.{len(job.protocols) + 1 - place}")
    return ",".join([*parts, "*/*;q=0.1"])


def _reading(media: str, fallback: str) -> dict[str, bool]:
    """How a content type is read. What is no exposition is read as the job's fallback, or as text."""
    kind = media.split(";", maxsplit=1)[0].strip().lower()
    known = {"application/openmetrics-text", "text/plain", "application/vnd.google.protobuf"}
    if kind not in known and fallback:
        kind = PROTOCOLS[fallback].split(";")[0]
    return {
        "openmetrics": kind == "application/openmetrics-text",
        "protobuf": kind == "application/vnd.google.protobuf",
    }
