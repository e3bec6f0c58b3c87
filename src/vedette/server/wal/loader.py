"""From sealed segments to tables: each segment once, whatever crashes in between.

A segment becomes one INSERT per wire format in it. The insert carries a token made of the segment's identity and a hash
of what is inserted, by which the engine drops a repeat in every table; the segment's file goes only after the engine
has answered for all of them.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import itertools
import logging
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import EngineError, EngineUnavailable, QueryLimit
from vedette.server.engine.formats import FORMATS
from vedette.server.wal.records import Record, scan
from vedette.server.wal.segments import sync_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from vedette.server.engine.client import Engine
    from vedette.server.engine.formats import Format
    from vedette.server.wal.quarantine import Quarantine
    from vedette.server.wal.segments import Segment, WalFolder

__all__ = ["Loader", "LoaderStats"]

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_RETRY_SECONDS = (0.1, 0.3, 1.0, 2.0, 5.0)
_PATIENCE_SECONDS = 60.0
"""How long a refusal that may pass (memory, disk, too many parts) is retried before its records are looked at."""

# ClickHouse's error numbers for data that will never be taken: parsing, types, values.
_DATA_ERRORS = frozenset(
    {
        6,
        26,
        27,
        32,
        33,
        38,
        41,
        53,
        69,
        70,
        72,
        117,
        128,
        131,
        190,
        321,
        349,
        440,
        441,
        444,
        467,
        571,
        636,
        639,
        675,
        676,
    }
)


class _Outcome(enum.Enum):
    LOADED = enum.auto()
    REFUSED = enum.auto()
    STOPPED = enum.auto()


@dataclass(slots=True)
class LoaderStats:
    """What the loader has done since it started, for the metrics."""

    segments: int = 0
    records: int = 0
    rows: int = 0
    bytes: int = 0
    retries: int = 0
    quarantined_records: int = 0
    last_error: str = ""
    waiting_since: float = 0.0
    seconds: float = 0.0


class Loader:
    """Loads the sealed segments of one log, oldest first and one at a time: a replay needs the memory of one."""

    def __init__(self, folder: WalFolder, engine: Engine, quarantine: Quarantine) -> None:
        self.stats = LoaderStats()
        self._folder = folder
        self._engine = engine
        self._quarantine = quarantine
        self._between_segments = asyncio.Lock()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Keep the tables still: no segment is loaded inside the context. The log takes what comes meanwhile."""
        async with self._between_segments:
            yield

    async def run(self, stop: asyncio.Event) -> None:
        """Load until told to stop; the segment under way is finished first."""
        while not stop.is_set():
            segments = self._folder.sealed()
            for segment in segments:
                self.stats.waiting_since = segment.path.stat().st_mtime
                async with self._between_segments:
                    await self.load(segment, stop)
                if stop.is_set():
                    return
            if not segments:
                self.stats.waiting_since = 0.0
                await _sleep(stop, _POLL_SECONDS)

    async def load(self, segment: Segment, stop: asyncio.Event) -> None:
        """Bring one segment into the tables and remove it. Left in place if told to stop while the engine is away."""
        started = time.monotonic()
        data = await asyncio.to_thread(segment.read)
        found = await asyncio.to_thread(scan, data)
        for damage in found.damages:
            await self._quarantine.keep_damage(segment, data[damage.start : damage.end], damage)
            self.stats.quarantined_records += 1
        by_format: dict[int, list[Record]] = defaultdict(list)
        for record in found.records:
            by_format[record.format_code].append(record)
        view = memoryview(data)
        outcomes = await asyncio.gather(
            *(self._load_format(segment, view, code, records, stop) for code, records in by_format.items())
        )
        if _Outcome.STOPPED in outcomes:
            return
        segment.path.unlink(missing_ok=True)
        sync_folder(self._folder.path)
        self.stats.segments += 1
        self.stats.records += len(found.records)
        self.stats.rows += sum(record.rows for record in found.records)
        self.stats.bytes += len(data)
        self.stats.seconds += time.monotonic() - started

    async def _load_format(
        self, segment: Segment, view: memoryview, code: int, records: list[Record], stop: asyncio.Event
    ) -> _Outcome:
        wire_format = FORMATS.get(code)
        if wire_format is None:
            reason = f"wire format {code} is unknown to this version of Vedette"
            await self._set_aside(segment, view, records, f"format{code}", reason)
            return _Outcome.LOADED
        return await self._insert(segment, view, wire_format, records, stop)

    async def _insert(
        self, segment: Segment, view: memoryview, wire_format: Format, records: Sequence[Record], stop: asyncio.Event
    ) -> _Outcome:
        """Insert the records; where the engine refuses them, halve until the ones at fault stand alone."""
        outcome, reason = await self._attempt(segment, view, wire_format, records, stop)
        if outcome is not _Outcome.REFUSED:
            return outcome
        if len(records) == 1:
            await self._set_aside(segment, view, records, wire_format.name, reason)
            return _Outcome.LOADED
        middle = len(records) // 2
        for half in (records[:middle], records[middle:]):
            if await self._insert(segment, view, wire_format, half, stop) is _Outcome.STOPPED:
                return _Outcome.STOPPED
        return _Outcome.LOADED

    async def _attempt(
        self, segment: Segment, view: memoryview, wire_format: Format, records: Sequence[Record], stop: asyncio.Event
    ) -> tuple[_Outcome, str]:
        body = b"".join([view[record.start : record.end] for record in records])
        digest = hashlib.blake2b(body, digest_size=16).hexdigest()
        settings = {**wire_format.settings, "insert_deduplication_token": f"{segment.identity}-{digest}"}
        refused_since: float | None = None
        for pause in itertools.chain(_RETRY_SECONDS, itertools.repeat(_RETRY_SECONDS[-1])):
            try:
                await self._engine.insert(wire_format.table, wire_format.input_format, body, settings=settings)
            except EngineUnavailable as error:
                self.stats.last_error = str(error)
            except (EngineError, QueryLimit) as error:
                self.stats.last_error = str(error)
                now = time.monotonic()
                refused_since = refused_since or now
                if getattr(error, "code", 0) in _DATA_ERRORS or now - refused_since > _PATIENCE_SECONDS:
                    return _Outcome.REFUSED, str(error)
                log.warning("The engine refused segment %s for now: %s", segment.identity, error)
            else:
                return _Outcome.LOADED, ""
            self.stats.retries += 1
            if await _sleep(stop, pause):
                return _Outcome.STOPPED, ""
        raise AssertionError("unreachable: the pauses never end")

    async def _set_aside(
        self, segment: Segment, view: memoryview, records: Sequence[Record], name: str, reason: str
    ) -> None:
        log.error("Segment %s: %d record(s) of %s go to quarantine: %s", segment.identity, len(records), name, reason)
        framed = [bytes(view[record.begin : record.end]) for record in records]
        await self._quarantine.keep_records(segment, name, records, framed, reason)
        self.stats.quarantined_records += len(records)


async def _sleep(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; True if told to stop meanwhile."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
