"""Group commit: one write and one fsync for everything that arrived while the last one was under way."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from vedette.errors import Unavailable, WalFailed, WalFull
from vedette.server.wal.records import frame
from vedette.server.wal.segments import WalFolder, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["WalStats", "WalWriter"]

log = logging.getLogger(__name__)

_IOV_MAX = 1000
_FAULT_PAUSE_SECONDS = 1.0
_RECOUNT_SECONDS = 0.5


@dataclass(slots=True)
class WalStats:
    """What the writer has done since it started, for the metrics."""

    records: int = 0
    bytes: int = 0
    commits: int = 0
    sync_seconds: float = 0.0
    faults: int = 0
    sealed: int = 0


@dataclass(slots=True)
class _Waiting:
    pieces: list[bytes]
    size: int
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Open:
    sequence: int
    nonce: str
    path: Path
    descriptor: int
    born: float
    written: int = 0
    durable: int = 0


class WalWriter:
    """Appends records and seals segments. One event loop appends; one thread writes.

    `append` returns when the record is on disk (or, with an interval, written). It raises `WalFull` while too many
    bytes wait for the engine, and `WalFailed` when the disk refused; then nothing of the record was acknowledged, and
    nothing of it will be loaded.
    """

    def __init__(
        self, folder: WalFolder, *, segment_bytes: int, segment_age: float, max_bytes: int, sync_interval: float = 0.0
    ) -> None:
        self.stats = WalStats()
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment_age = segment_age
        self._max_bytes = max_bytes
        self._sync_interval = sync_interval
        self._arrived: list[_Waiting] = []
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._segment: _Open | None = None
        self._faulty_until = 0.0
        self._sealed_bytes = 0
        self._counted_at = 0.0
        self._synced_at = 0.0

    def start(self) -> int:
        """Take the folder over, recover it and start the thread. Returns the bytes of torn records that were cut."""
        self._folder.prepare()
        self._folder.lock()
        cut = self._folder.recover()
        self._count()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="wal", daemon=True)
        self._thread.start()
        return cut

    @property
    def is_full(self) -> bool:
        """Whether the bytes that wait for the engine have reached the bound."""
        return self.waiting_bytes >= self._max_bytes

    @property
    def is_faulty(self) -> bool:
        """Whether the disk refused a write a moment ago."""
        return time.monotonic() < self._faulty_until

    @property
    def waiting_bytes(self) -> int:
        """Bytes on disk that the engine does not hold yet."""
        now = time.monotonic()
        if now - self._counted_at > _RECOUNT_SECONDS:
            self._count()
        segment = self._segment
        return self._sealed_bytes + (segment.written if segment else 0) + self._queued_bytes

    async def append(self, format_code: int, tenant: str, rows: int, payload: Sequence[bytes]) -> None:
        """Keep one request's payload, given in pieces."""
        if self._closing:
            raise Unavailable("Vedette is stopping; send again in a moment.", retry_after_seconds=5)
        if self.is_faulty:
            raise WalFailed("The disk refused the last write; see the log of the server. Send again in a moment.")
        if self.is_full:
            raise WalFull(
                f"{self.waiting_bytes} bytes wait for the engine and the bound is {self._max_bytes} (wal_max_bytes). "
                "Send again later.",
                retry_after_seconds=5,
            )
        assert self._loop is not None  # noqa: S101 - `start` comes first
        pieces = frame(format_code, tenant.encode(), rows, payload)
        waiting = _Waiting(pieces, sum(map(len, pieces)), self._loop.create_future())
        self._arrived.append(waiting)
        self._queued_bytes += waiting.size
        if len(self._arrived) == 1:
            self._loop.call_soon(self._hand_over)
        await waiting.done

    def _hand_over(self) -> None:
        """Give the writer's thread what one turn of the loop has brought: to wake it for each would cost more."""
        with self._wake:
            self._queue += self._arrived
            self._arrived.clear()
            self._wake.notify()

    def _answer(self, group: list[_Waiting], size: int, error: OSError | None) -> None:
        self._queued_bytes -= size
        for waiting in group:
            if waiting.done.done():  # the client left meanwhile
                continue
            if error is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(
                    WalFailed(
                        f"The disk refused the write ({error.strerror}); nothing was kept. Send again in a moment."
                    )
                )

    async def close(self) -> None:
        """Write what waits, seal, and let go of the folder."""
        self._hand_over()
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._folder.unlock()

    def _count(self) -> None:
        self._sealed_bytes = sum(segment.length for segment in self._folder.sealed())
        self._counted_at = time.monotonic()

    # Everything below runs in the writer's thread.

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._queue and not self._closing:
                    self._wake.wait(self._seconds_to_next_duty())
                batch, self._queue = self._queue, deque()
                closing = self._closing
            while batch:
                self._commit(self._take_group(batch))
            self._sync_if_due()
            self._seal_if_due(now=closing and not self._queue)
            if closing and not self._queue:
                return

    def _seconds_to_next_duty(self) -> float | None:
        if self._segment is None:
            return None
        due = self._segment.born + self._segment_age
        if self._sync_interval:
            due = min(due, self._synced_at + self._sync_interval)
        return max(0.001, due - time.monotonic())

    def _take_group(self, batch: deque[_Waiting]) -> list[_Waiting]:
        """As much of the batch as one segment takes: what fails together is answered together."""
        room = self._segment_bytes - (self._segment.written if self._segment else 0)
        group = [batch.popleft()]
        room -= group[0].size
        while batch and room > 0:
            group.append(batch.popleft())
            room -= group[-1].size
        return group

    def _commit(self, group: list[_Waiting]) -> None:
        size = sum(waiting.size for waiting in group)
        error: OSError | None = None
        try:
            segment = self._segment or self._begin()
            _write(segment.descriptor, [piece for waiting in group for piece in waiting.pieces])
            segment.written += size
            if not self._sync_interval:
                self._sync(segment)
            self.stats.records += len(group)
            self.stats.bytes += size
            self.stats.commits += 1
            if segment.written >= self._segment_bytes:
                self._seal(segment)
        except OSError as fault:
            error = fault
            self._abandon(fault)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._answer, group, size, error)

    def _begin(self) -> _Open:
        sequence, nonce = self._folder.next_name()
        path = self._folder.open_path(sequence, nonce)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        now = time.monotonic()
        self._segment = _Open(sequence, nonce, path, descriptor, born=now)
        self._synced_at = now
        sync_folder(self._folder.path)
        return self._segment

    def _sync(self, segment: _Open) -> None:
        started = time.monotonic()
        os.fdatasync(segment.descriptor)
        self._synced_at = time.monotonic()
        self.stats.sync_seconds += self._synced_at - started
        segment.durable = segment.written

    def _sync_if_due(self) -> None:
        segment = self._segment
        if segment is None or segment.durable == segment.written:
            return
        if time.monotonic() - self._synced_at >= self._sync_interval:
            try:
                self._sync(segment)
            except OSError as fault:
                self._abandon(fault)

    def _seal_if_due(self, *, now: bool) -> None:
        segment = self._segment
        if segment is None or not (now or time.monotonic() - segment.born >= self._segment_age):
            return
        try:
            if segment.durable < segment.written:
                self._sync(segment)
            self._seal(segment)
        except OSError as fault:
            self._abandon(fault)

    def _seal(self, segment: _Open) -> None:
        self._segment = None
        os.close(segment.descriptor)
        segment.path.rename(self._folder.sealed_path(segment.sequence, segment.nonce, segment.durable))
        sync_folder(self._folder.path)
        self._sealed_bytes += segment.durable
        self.stats.sealed += 1

    def _abandon(self, fault: OSError) -> None:
        """Give the segment up after a fault.

        A descriptor whose fsync failed is never used again: the kernel may have dropped the pages and would report
        success the next time. What was durable before is sealed under its length, so the rest does not count.
        """
        self.stats.faults += 1
        self._faulty_until = time.monotonic() + _FAULT_PAUSE_SECONDS
        log.error("The write-ahead log cannot write to %s: %s. Ingest answers 503.", self._folder.path, fault.strerror)
        segment, self._segment = self._segment, None
        if segment is None:
            return
        sealed = self._folder.sealed_path(segment.sequence, segment.nonce, segment.durable)
        # Each step may fail on a broken disk, and none of them may keep the next one from being tried.
        steps: list[Callable[[], object]] = [
            partial(os.close, segment.descriptor),
            partial(os.truncate, segment.path, segment.durable),
            partial(segment.path.rename, sealed) if segment.durable else segment.path.unlink,
            partial(sync_folder, self._folder.path),
        ]
        for step in steps:
            try:
                step()
            except OSError as error:
                log.warning("While giving up %s: %s", segment.path.name, error.strerror)
        self._sealed_bytes += segment.durable


def _write(descriptor: int, pieces: list[bytes]) -> None:
    """All pieces, in order, whatever the kernel takes at a time."""
    for start in range(0, len(pieces), _IOV_MAX):
        rest = deque(pieces[start : start + _IOV_MAX])
        while rest:
            written = os.writev(descriptor, list(rest))
            while rest and written >= len(rest[0]):
                written -= len(rest.popleft())
            if written:
                rest[0] = rest[0][written:]
