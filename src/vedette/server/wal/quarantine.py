"""What could not be loaded: kept as it was, with the reason beside it and a line in the ledger.

A quarantined file consists of whole records, so moving it back into the log's folder, under the name of a segment that
its note suggests, tries it again. The name carries the identity that the engine knows its rows by, so that whatever did
reach a table is not stored twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from typing import TYPE_CHECKING

from vedette.server.wal.segments import sync_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from vedette.server.wal.records import Damage, Record
    from vedette.server.wal.segments import Segment, WalFolder

__all__ = ["LedgerLine", "Quarantine"]

LedgerLine = dict[str, object]
"""One line of the ledger: ``time`` (ns), ``tenant``, ``signal``, ``reason``, ``count``, ``bytes``, ``detail``."""


class Quarantine:
    """Keeps refused records and damaged stretches. `record` writes ledger lines once per token, however often asked."""

    def __init__(self, folder: WalFolder, record: Callable[[Sequence[LedgerLine], str], Awaitable[None]]) -> None:
        self._folder = folder
        self._record = record

    async def keep_records(
        self, identity: str, name: str, records: Sequence[Record], framed: Sequence[bytes], reason: str
    ) -> None:
        """Keep records that the engine refused; `identity` is that of the segment whose insert it was."""
        content = b"".join(framed)
        stem = f"{identity}-{name}-{hashlib.blake2b(content, digest_size=6).hexdigest()}"
        self._write(stem, content, {"reason": reason, "move_back_as": f"{identity}-{len(content)}.wal"})
        rows: Counter[str] = Counter()
        size: Counter[str] = Counter()
        for record in records:
            rows[record.tenant] += record.rows
            size[record.tenant] += record.end - record.start
        await self._record(
            [
                _line(tenant, name, "refused_by_engine", count=rows[tenant], size=size[tenant], detail=reason)
                for tenant in rows
            ],
            stem,
        )

    async def keep_damage(self, segment: Segment, stretch: bytes, damage: Damage) -> None:
        """Keep a stretch of a segment that is no valid record any more. Its tenant and its rows cannot be known."""
        stem = f"{segment.identity}-damaged-{damage.start}"
        reason = f"bytes {damage.start} to {damage.end} of {segment.path.name} do not match their checksum"
        self._write(stem, stretch, {"reason": reason})
        await self._record([_line("", "unknown", "damaged_on_disk", count=0, size=len(stretch), detail=reason)], stem)

    def _write(self, stem: str, content: bytes, facts: dict[str, object]) -> None:
        folder = self._folder.quarantine
        _write_durably(folder / f"{stem}.rec", content)
        note = {**facts, "bytes": len(content), "time": time.time()}
        _write_durably(folder / f"{stem}.json", json.dumps(note).encode())
        sync_folder(folder)


def _line(tenant: str, name: str, reason: str, *, count: int, size: int, detail: str) -> LedgerLine:
    signal = name.removeprefix("otlp_").removesuffix("_json")
    return {
        "time": time.time_ns(),
        "tenant": tenant,
        "signal": signal,
        "reason": reason,
        "count": count,
        "bytes": size,
        "detail": detail[:500],
    }


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
