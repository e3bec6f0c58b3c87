"""From sealed segments to tables: each record once, whatever crashes in between.

The segments that wait become one INSERT per wire format in them. The insert carries a token made of their identity and
a hash of what is inserted, by which the engine drops a repeat in every table; the segments' files go only after the
engine has answered for all of them.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import itertools
import logging
import time
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import EngineError, EngineUnavailable, QueryLimit
from vedette.server.engine.formats import FORMATS
from vedette.server.wal.batches import Batches
from vedette.server.wal.records import scan
from vedette.server.wal.refusals import Refusal, classify, nothing_landed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from vedette.server.engine.client import Engine
    from vedette.server.engine.formats import Format
    from vedette.server.wal.quarantine import Quarantine
    from vedette.server.wal.records import Record
    from vedette.server.wal.segments import Segment, WalFolder

    Canonical = Callable[[int, str, bytes], bytes | None]
    IsNested = Callable[[int, bytes], bool]
    Prepare = Callable[[Format], Awaitable[None]]

__all__ = ["Loader", "LoaderStats"]

log = logging.getLogger(__name__)

_FAULT_PAUSE_SECONDS = 1.0
_RETRY_SECONDS = (0.1, 0.3, 1.0, 2.0, 5.0)
_PATIENCE_SECONDS = 60.0
"""How long a refusal of unclear cause is retried before its records are looked at one by one."""
_LOG_EVERY_SECONDS = 10.0
_LOOKS_AFTER_REFUSAL = 100
"""Inserts of a format whose records are looked at after its short form has refused some."""


class _Outcome(enum.Enum):
    LOADED = enum.auto()
    REFUSED = enum.auto()
    HALF_LANDED = enum.auto()
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
    rewritten_records: int = 0
    waiting_since: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """A record and the bytes that are inserted for it."""

    record: Record
    framed: memoryview
    body: bytes | memoryview


class Loader:
    """Loads the sealed segments of one log, oldest first, `batch_bytes` at a time: a replay needs the memory of that.

    Args:
        folder: The log.
        engine: Where the tables are.
        quarantine: Takes what cannot be loaded.
        batch_bytes: Segments are loaded together up to this size.
        settle: Makes what the engine wrote survive a power cut; called before segments are removed.
        canonical: Writes a record anew as a strict reader wants it, given its wire format, tenant and payload; None
            where it has no other form. Must give the same bytes for the same record.
        is_nested: Whether the short form of a wire format refuses a record, given the format and the payload. It must
            say so of all that is refused for values; what is no record at all may go either way.
        prepare: Creates the tables of a format, if they are not there.
        poll_seconds: How often an empty log is looked at.
        between_batches: Held while segments are loaded; loaders of several logs share one, so that a pause stops all.
    """

    def __init__(
        self,
        folder: WalFolder,
        engine: Engine,
        quarantine: Quarantine,
        *,
        batch_bytes: int,
        settle: Callable[[], None],
        canonical: Canonical,
        is_nested: IsNested,
        prepare: Prepare,
        poll_seconds: float = 0.1,
        between_batches: asyncio.Lock | None = None,
    ) -> None:
        self.stats = LoaderStats()
        self._batches = Batches(folder, max_bytes=batch_bytes, settle=settle)
        self._engine = engine
        self._quarantine = quarantine
        self._canonical = canonical
        self._prepare = prepare
        self._poll_seconds = poll_seconds
        self._prepared: set[str] = set()
        self._is_nested = is_nested
        self._look_at: Counter[int] = Counter()
        self._between_batches = between_batches or asyncio.Lock()
        self._logged_at = 0.0

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Keep the tables still: no segment is loaded inside the context. The log takes what comes meanwhile."""
        async with self._between_batches:
            yield

    async def run(self, stop: asyncio.Event) -> None:
        """Load until told to stop; the insert under way is finished first."""
        while not stop.is_set():
            try:
                async with self._between_batches:
                    busy = await self._load_next(stop)
            except OSError as error:
                log.error("The loader cannot use %s: %s. It tries again.", error.filename, error.strerror)  # noqa: TRY400 - a full disk needs no trace
                await _sleep(stop, _FAULT_PAUSE_SECONDS)
                continue
            if not busy:
                self.stats.waiting_since = 0.0
                await _sleep(stop, self._poll_seconds)

    async def _load_next(self, stop: asyncio.Event) -> bool:
        if self._batches.is_empty():
            return False
        segments = await asyncio.to_thread(self._batches.next)
        if not segments:
            return False
        started = time.monotonic()
        self.stats.waiting_since = segments[0].path.stat().st_mtime
        by_format = await self._read(segments)
        identity = segments[0].identity
        outcomes = await asyncio.gather(
            *(self._load_format(identity, code, parts, stop) for code, parts in by_format.items())
        )
        if _Outcome.STOPPED in outcomes:
            return True
        await asyncio.to_thread(self._batches.done, segments)
        loaded = [part.record for parts in by_format.values() for part in parts]
        self.stats.segments += len(segments)
        self.stats.records += len(loaded)
        self.stats.rows += sum(record.rows for record in loaded)
        self.stats.bytes += sum(segment.length for segment in segments)
        self.stats.seconds += time.monotonic() - started
        return True

    async def _read(self, segments: Sequence[Segment]) -> dict[int, list[_Part]]:
        """The records of the segments by wire format; damaged stretches go to quarantine."""
        by_format: dict[int, list[_Part]] = defaultdict(list)
        for segment in segments:
            data = await asyncio.to_thread(segment.read)
            found = await asyncio.to_thread(scan, data)
            for damage in found.damages:
                await self._quarantine.keep_damage(segment, data[damage.start : damage.end], damage)
                self.stats.quarantined_records += 1
            view = memoryview(data)
            for record in found.records:
                part = _Part(record, view[record.begin : record.end], view[record.start : record.end])
                by_format[record.format_code].append(part)
        return by_format

    async def _load_format(self, identity: str, code: int, parts: list[_Part], stop: asyncio.Event) -> _Outcome:
        wire_format = FORMATS.get(code)
        if wire_format is None:
            reason = f"wire format {code} is unknown to this version of Vedette"
            await self._set_aside(identity, parts, f"format{code}", reason)
            return _Outcome.LOADED
        outcome, reason = await self._attempt_short(identity, wire_format, parts, stop)
        if outcome is _Outcome.REFUSED:
            outcome, reason = await self._attempt(identity, wire_format, parts, stop)
        if outcome is _Outcome.REFUSED:
            # Protobuf's own parsers take some things that the engine's does not, such as a field twice in a oneof.
            parts = await asyncio.to_thread(self._rewritten, parts)
            return await self._insert(identity, wire_format, parts, stop)
        if outcome is _Outcome.HALF_LANDED:
            return await self._give_up(identity, wire_format, parts, outcome, reason)
        return outcome

    async def _attempt_short(
        self, identity: str, wire_format: Format, parts: Sequence[_Part], stop: asyncio.Event
    ) -> tuple[_Outcome, str]:
        """Try the form of the format that costs least; REFUSED where there is none or it cannot hold the records.

        The engine knows a repeat only where it goes the same way, so nothing but the records may decide on the form.
        Who sends nested values sends them often: after a refusal the records are looked at before the form is tried.
        """
        code = wire_format.code
        if wire_format.short is None:
            return _Outcome.REFUSED, ""
        if self._look_at[code]:
            self._look_at[code] -= 1
            if await asyncio.to_thread(lambda: any(self._is_nested(code, bytes(part.body)) for part in parts)):
                return _Outcome.REFUSED, ""
        outcome, reason = await self._attempt(identity, wire_format.short, parts, stop)
        if outcome is _Outcome.REFUSED:
            self._look_at[code] = _LOOKS_AFTER_REFUSAL
        return outcome, reason

    def _rewritten(self, parts: Sequence[_Part]) -> list[_Part]:
        written = []
        for part in parts:
            record = part.record
            body = self._canonical(record.format_code, record.tenant, bytes(part.body))
            if body is not None and body != part.body:
                self.stats.rewritten_records += 1
                written.append(_Part(record, part.framed, body))
            else:
                written.append(part)
        return written

    async def _insert(
        self, identity: str, wire_format: Format, parts: Sequence[_Part], stop: asyncio.Event
    ) -> _Outcome:
        """Insert the records; where the engine refuses them, halve until the ones at fault stand alone."""
        outcome, reason = await self._attempt(identity, wire_format, parts, stop)
        if outcome in {_Outcome.LOADED, _Outcome.STOPPED}:
            return outcome
        if outcome is _Outcome.HALF_LANDED or len(parts) == 1:
            return await self._give_up(identity, wire_format, parts, outcome, reason)
        middle = len(parts) // 2
        for half in (parts[:middle], parts[middle:]):
            if await self._insert(identity, wire_format, half, stop) is _Outcome.STOPPED:
                return _Outcome.STOPPED
        return _Outcome.LOADED

    async def _attempt(
        self, identity: str, wire_format: Format, parts: Sequence[_Part], stop: asyncio.Event
    ) -> tuple[_Outcome, str]:
        body = b"".join([part.body for part in parts])
        digest = hashlib.blake2b(body, digest_size=16).hexdigest()
        settings = {**wire_format.settings, "insert_deduplication_token": f"{identity}-{digest}"}
        refused_since: float | None = None
        for pause in itertools.chain(_RETRY_SECONDS, itertools.repeat(_RETRY_SECONDS[-1])):
            try:
                if not wire_format.made_at_start and wire_format.name not in self._prepared:
                    await self._prepare(wire_format)
                    self._prepared.add(wire_format.name)
                await self._engine.insert(wire_format.table, wire_format.input_format, body, settings=settings)
            except EngineUnavailable:
                pass  # told by whoever starts it again, and by /readyz
            except (EngineError, QueryLimit) as error:
                self._prepared.discard(wire_format.name)  # a restored backup may be older than the format's first use
                kind = classify(error)
                now = time.monotonic()
                if kind is Refusal.PASSES:
                    refused_since = None
                else:
                    refused_since = refused_since or now
                    if kind is Refusal.DATA or now - refused_since > _PATIENCE_SECONDS:
                        return (_Outcome.REFUSED if nothing_landed(error) else _Outcome.HALF_LANDED), str(error)
                self._warn(identity, error)
            else:
                return _Outcome.LOADED, ""
            self.stats.retries += 1
            if await _sleep(stop, pause):
                return _Outcome.STOPPED, ""
        raise AssertionError("unreachable: the pauses never end")

    def _warn(self, identity: str, error: Exception) -> None:
        now = time.monotonic()
        if now - self._logged_at > _LOG_EVERY_SECONDS:
            log.warning("The engine refused segment %s for now: %s", identity, error)
            self._logged_at = now

    async def _give_up(
        self, identity: str, wire_format: Format, parts: Sequence[_Part], outcome: _Outcome, reason: str
    ) -> _Outcome:
        if outcome is _Outcome.HALF_LANDED:
            # Halves would carry other tokens, and what is in a table already would be stored again.
            reason = f"{reason} Some of the rows may be in the tables; moved back, only the missing ones are added."
        await self._set_aside(identity, parts, wire_format.name, reason)
        return _Outcome.LOADED

    async def _set_aside(self, identity: str, parts: Sequence[_Part], name: str, reason: str) -> None:
        log.error("Segment %s: %d record(s) of %s go to quarantine: %s", identity, len(parts), name, reason)
        records = [part.record for part in parts]
        await self._quarantine.keep_records(identity, name, records, [bytes(part.framed) for part in parts], reason)
        self.stats.quarantined_records += len(parts)


async def _sleep(stop: asyncio.Event, seconds: float) -> bool:
    """Wait; True if told to stop meanwhile."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
