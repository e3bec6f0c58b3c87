"""One Alertmanager, told of alerts by ``POST /api/v2/alerts``.

Each has a queue and a task of its own, so that one that hangs holds up no other.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from vedette.errors import InvalidInput
from vedette.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.alerting.notice import Notice
    from vedette.server.alerting.waiting import Waiting
    from vedette.server.scrape.alertmanagers import AlertmanagersConfig
    from vedette.server.scrape.client import Client

__all__ = ["Figures", "Sender"]

log = logging.getLogger(__name__)

_BATCH = 256
_PAUSES_SECONDS = (1.0, 4.0)
"""Before a batch that could not be delivered is sent again; what the rules tell again every minute does the rest."""
_SAY_SECONDS = 60.0
_MOST_SHOWN_BYTES = 300
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"Vedette/{__version__}"}
_TAKEN, _TOO_MANY, _SERVER_ERRORS = 2, 429, 500


@dataclass(slots=True)
class Figures:
    """How it went so far; what is counted are notices."""

    sent: int = 0
    errors: int = 0
    dropped: int = 0
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why an Alertmanager has not taken a batch."""

    text: str
    passes: bool
    """Whether it may take the same batch another time."""


class Sender:
    """Tells one Alertmanager.

    Args:
        url: Where alerts are posted to.
        client: Makes the requests.
        config: Of it and others.
        labels: The labels of a notice for it; None leaves it out.
        waiting: What it is to be told already.
    """

    def __init__(
        self,
        url: str,
        client: Client,
        config: AlertmanagersConfig,
        labels: Callable[[Notice, AlertmanagersConfig], dict[str, str] | None],
        waiting: Waiting,
    ) -> None:
        self.url = url
        self.figures = Figures()
        self.waiting = waiting
        self._client = client
        self._config = config
        self._labels = labels
        self._work = asyncio.Event()
        if waiting:
            self._work.set()
        self._ending = asyncio.Event()
        self._said = ("", 0.0)
        self._untold_drops = 0
        self._drops_said = -_SAY_SECONDS
        self._task = asyncio.create_task(self._run(), name=f"alertmanager {url}")

    @property
    def fault(self) -> str:
        """Why it did not take what it was told last; empty if it did."""
        return self._said[0]

    def put(self, notices: Sequence[Notice]) -> None:
        """Let notices wait for their turn; never waits itself."""
        self._count_dropped(self.waiting.put(notices))
        self._work.set()

    async def finish(self) -> None:
        """Send what waits, as far as the Alertmanager takes it at the first attempt, and end."""
        self._ending.set()
        self._work.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def close(self) -> None:
        """End at once; what was not sent waits."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self.waiting or not self._ending.is_set():
            await self._work.wait()
            batch = self.waiting.take(_BATCH)
            if not self.waiting and not self._ending.is_set():
                self._work.clear()
            try:
                await self._send(batch)
            except asyncio.CancelledError:
                self.waiting.put_back(batch)
                raise
            except Exception:
                log.exception("The Alertmanager %s could not be told of %d alerts", self.url, len(batch))
                self.figures.dropped += len(batch)

    async def _send(self, batch: Sequence[Notice]) -> None:
        """Post a batch, again after a pause where that may help."""
        alerts = [
            _document(notice, labels) for notice in batch if (labels := self._labels(notice, self._config)) is not None
        ]
        if not alerts:
            return
        body = json.dumps(alerts, separators=(",", ":")).encode()
        for pause in (*_PAUSES_SECONDS, None):
            fault = await self._post(body)
            self._say(fault, len(alerts))
            if fault is None:
                self.figures.sent += len(alerts)
                return
            self.figures.errors += len(alerts)
            if pause is None or not fault.passes or self._ending.is_set():
                break
            await self._rest(pause)
        self.figures.dropped += len(alerts)

    async def _post(self, body: bytes) -> _Fault | None:
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(self._config.timeout_seconds),
                self._client.request("POST", self.url, _HEADERS, data=body) as answer,
            ):
                if answer.status // 100 != _TAKEN:
                    said = (await answer.content.read(_MOST_SHOWN_BYTES)).decode(errors="replace").strip()
                    passes = answer.status == _TOO_MANY or answer.status >= _SERVER_ERRORS
                    return _Fault(f"it answers {answer.status} {answer.reason}: {said}".rstrip(": "), passes)
        except TimeoutError:
            return _Fault(f"no answer within {self._config.timeout_seconds:g} s", passes=True)
        except (aiohttp.ClientError, OSError, ValueError, InvalidInput) as error:
            return _Fault(str(error) or type(error).__name__, passes=True)
        self.figures.requests += 1
        self.figures.seconds += time.monotonic() - began
        return None

    async def _rest(self, seconds: float) -> None:
        """Wait, but not when everything ends."""
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return

    def _say(self, fault: _Fault | None, count: int) -> None:
        """Log a fault that is new, or goes on, and its end."""
        before, at = self._said
        now = time.monotonic()
        if fault is None:
            if before:
                log.info("The Alertmanager %s takes alerts again.", self.url)
            self._said = ("", 0.0)
        elif fault.text != before or now - at >= _SAY_SECONDS:
            log.error("The Alertmanager %s did not take %d alerts: %s", self.url, count, fault.text)
            self._said = (fault.text, now)

    def _count_dropped(self, count: int) -> None:
        """Count notices that are gone, and say it once a while."""
        self.figures.dropped += count
        self._untold_drops += count
        now = time.monotonic()
        if self._untold_drops and now - self._drops_said >= _SAY_SECONDS:
            log.warning(
                "%d alerts that waited longest for the Alertmanager %s were dropped: no more than %d wait.",
                self._untold_drops,
                self.url,
                len(self.waiting),
            )
            self._untold_drops, self._drops_said = 0, now


def _document(notice: Notice, labels: dict[str, str]) -> dict[str, Any]:
    """A notice as Alertmanager's API has it."""
    document = {
        "labels": labels,
        "annotations": dict(notice.annotations),
        "startsAt": _time(notice.starts_at_ms),
        "endsAt": _time(notice.ends_at_ms),
    }
    return document | ({"generatorURL": notice.generator_url} if notice.generator_url else {})


def _time(ms: int) -> str:
    moment = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
