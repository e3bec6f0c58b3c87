"""Keep a running server's view of keys, tenants and log levels current, and write back what its requests revealed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final, Self

from vedette.errors import Unavailable

if TYPE_CHECKING:
    from vedette.server.control.identity import Authenticator
    from vedette.server.control.log_levels import LevelTable
    from vedette.server.control.store import Control

__all__ = ["KeyWatcher"]

POLL_SECONDS: Final = 0.5
"""How often the revision is asked for: a key revoked elsewhere is refused here within about this time."""

SETTLE_SECONDS: Final = 60.0
"""How often the times of last use are written (and so how exact they are), and the whole table is read again: a
restored backup or a change by hand may leave the revision as it was."""

_log = logging.getLogger(__name__)


class KeyWatcher:
    """Polls the control database's revision; the authenticator and the log levels get a new table when it changed.

    Use as an async context manager around the server's life::

        async with KeyWatcher(control, authenticator):
            ...

    While the database does not answer, requests are judged by the last table, so telemetry keeps flowing; what was
    revoked meanwhile is noticed when it is back. `stale_seconds` says how old the view may be.
    """

    def __init__(
        self,
        control: Control,
        authenticator: Authenticator,
        *,
        levels: LevelTable | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._control = control
        self._authenticator = authenticator
        self._levels = levels
        self._poll_seconds = poll_seconds
        self._revision = -1
        self._checked = time.monotonic()
        self._settled = time.monotonic()
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="watch the control database")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop watching and write back what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        with contextlib.suppress(Unavailable):
            await self._add_tenants()
            await self._write_back()

    @property
    def stale_seconds(self) -> float:
        """Seconds since the view was last known to be current."""
        return time.monotonic() - self._checked

    async def refresh(self) -> None:
        """Bring the view up to date now, for a server that has just changed a key itself.

        Raises:
            Unavailable: the database does not answer; the view stays as it was.
        """
        started = time.monotonic()
        await self._add_tenants()
        if await asyncio.to_thread(self._control.revision) != self._revision:
            table = await asyncio.to_thread(self._control.key_table)
            self._authenticator.replace(table)
            if self._levels is not None:
                self._levels.replace(await asyncio.to_thread(self._control.log_levels.of_all_tenants))
            self._revision = table.revision
        self._checked = started

    async def _run(self) -> None:
        while True:
            await self._poll()
            await asyncio.sleep(self._poll_seconds)

    async def _poll(self) -> None:
        try:
            if time.monotonic() - self._settled >= SETTLE_SECONDS:
                await self._write_back()
                self._revision = -1
                self._settled = time.monotonic()
            await self.refresh()
            if self._failing:
                _log.info("The control database %s answers again.", self._control)
                self._failing = False
        except Unavailable as error:
            if not self._failing:
                _log.warning("%s Until then requests are judged by the keys known so far.", error)
                self._failing = True
        except Exception:  # noqa: BLE001 - were this loop to end, no revocation would ever be noticed again
            _log.exception("Cannot read the keys of the control database %s.", self._control)

    async def _add_tenants(self) -> None:
        unseen = self._authenticator.unseen_tenants()
        if unseen:
            await asyncio.to_thread(self._control.add_tenants, unseen)

    async def _write_back(self) -> None:
        await asyncio.to_thread(self._control.record_use, self._authenticator.drain_used())
