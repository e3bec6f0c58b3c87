"""The ledger's pen: what was refused or dropped is counted here and written through the log like any other record."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import Unavailable
from vedette.server.engine.formats import LEDGER

if TYPE_CHECKING:
    from vedette.server.telemetry import Telemetry
    from vedette.server.wal.writer import WalWriter

__all__ = ["Ledger"]

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 1.0
_MAX_KEYS = 10_000


@dataclass(slots=True)
class _Sum:
    count: int = 0
    bytes: int = 0
    detail: str = ""


class Ledger:
    """Sums refusals by tenant, signal and reason, and writes them about once a second.

    A crash loses at most the sums of the last second; the requests themselves were answered with their refusal.
    """

    def __init__(self, wal: WalWriter, telemetry: Telemetry) -> None:
        self._wal = wal
        self._telemetry = telemetry
        self._sums: dict[tuple[str, str, str], _Sum] = {}

    def refused(
        self, tenant: str, signal: str, reason: str, *, count: int = 1, size: int = 0, detail: str = ""
    ) -> None:
        """Note a refusal: `count` requests or rows of `size` bytes. Never raises and never waits."""
        self._telemetry.refused.labels(signal, reason).inc(count)
        key = (tenant, signal, reason)
        if key not in self._sums and len(self._sums) >= _MAX_KEYS:
            key = ("", signal, reason)  # an attacker who invents tenants must not cost memory
        line = self._sums.setdefault(key, _Sum())
        line.count += count
        line.bytes += size
        line.detail = detail[:500] or line.detail

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what has been summed; keep it for the next time if the log cannot take it."""
        sums, self._sums = self._sums, {}
        if not sums:
            return
        now = time.time_ns()
        lines = [
            json.dumps(
                {
                    "time": now,
                    "tenant": tenant,
                    "signal": signal,
                    "reason": reason,
                    "count": line.count,
                    "bytes": line.bytes,
                    "detail": line.detail,
                }
            ).encode()
            + b"\n"
            for (tenant, signal, reason), line in sums.items()
        ]
        try:
            await self._wal.append(LEDGER.code, "", len(lines), lines)
        except Unavailable as error:
            log.debug("The ledger waits: %s", error)
            for key, line in sums.items():
                kept = self._sums.setdefault(key, _Sum(detail=line.detail))
                kept.count += line.count
                kept.bytes += line.bytes
