"""The local audit trail: JSON lines, synced to the disk before `append` returns, shipped at least once.

Threads that append at the same time share a sync. A line that a crash cut short is completed by a newline at the next
start, and is skipped by readers. What was shipped is remembered in a file beside, so that shipping goes on after a
restart; events carry an id, by which a receiver recognises those that come twice.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["AuditTrail", "Receipt"]

_BATCH_BYTES = 1 << 20


class Receipt(NamedTuple):
    """The id of an audit event, and whether it is on the disk."""

    id: str
    durable: bool


class AuditTrail:
    """Audit events in one file, which only this user can read. Safe among threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shipped = path.with_name(f"{path.name}.shipped")
        self._begin()

    def _begin(self) -> None:
        self._descriptor = -1
        self._identity = (0, 0)
        self._written = self._synced = 0
        self._writing = threading.RLock()  # a signal handler may audit while its thread does
        self._syncing = threading.RLock()

    def append(self, event: dict[str, Any]) -> None:
        """Write `event` and wait until it is on the disk.

        Raises:
            OSError: the disk refused; the event may or may not be there.
        """
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=str) + "\n"
        body = line.encode("utf-8", "backslashreplace")
        with self._writing:
            descriptor = self._open()
            while body:
                body = body[os.write(descriptor, body) :]
            self._written += 1
            own = self._written
        try:
            with self._syncing:
                if self._synced < own:
                    upto = self._written
                    os.fsync(descriptor)
                    self._synced = max(self._synced, upto)
        except OSError:
            # What a failed sync left unwritten is not known: the next event opens the file anew.
            with self._writing:
                self._close()
            raise

    def _open(self) -> int:
        if self._descriptor >= 0 and self._identity != _identity_of(self.path):  # it was moved away, or deleted
            self._close()
        if self._descriptor < 0:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")
            held = os.fstat(self._descriptor)
            self._identity = (held.st_dev, held.st_ino)
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)  # the file's name is durable, too
            finally:
                os.close(directory)
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        """Close the file; the next event opens it again."""
        with self._writing:
            self._close()

    def after_fork(self) -> None:
        """Replace what another thread of the parent may have held."""
        self._begin()

    # -- reading

    def read(self, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
        """(offset behind the event, event) pairs from `offset` on."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(offset)
            for line in file:
                offset += len(line)
                if not line.endswith(b"\n"):
                    return  # being written
                with suppress(ValueError, RecursionError):
                    if isinstance(event := json.loads(line), dict):
                        yield offset, event

    def query(
        self, *, since: datetime | None = None, until: datetime | None = None, **equal: Any
    ) -> list[dict[str, Any]]:
        """The events between two times whose fields have these values: ``query(actor="ann", result="denied")``."""
        low = since.astimezone(UTC).isoformat() if since else ""
        high = until.astimezone(UTC).isoformat() if until else "￿"
        return [
            event
            for _, event in self.read()
            if low <= str(event.get("time", "")) < high and all(event.get(key) == value for key, value in equal.items())
        ]

    def ship(self, send: Callable[[list[dict[str, Any]]], bool], batch: int = 500) -> int:
        """Give what was not shipped yet to `send`, oldest first, until it says `False`; how many went.

        The place is remembered after each batch, so an event is sent again only if the process dies in between.
        """
        begin = offset = self._offset()
        waiting: list[dict[str, Any]] = []
        sent, end = 0, offset
        for end, event in self.read(offset):
            waiting.append(event)
            if len(waiting) >= batch or end - begin >= _BATCH_BYTES:
                if not send(waiting):
                    return sent
                sent += len(waiting)
                begin, waiting = end, []
                self._remember(end)
        if waiting and send(waiting):
            sent += len(waiting)
            self._remember(end)
        return sent

    def behind(self) -> bool:
        """Whether there are events that were not shipped."""
        try:
            return self._offset() < self.path.stat().st_size
        except OSError:
            return False

    def _offset(self) -> int:
        try:
            offset, *file = map(int, self._shipped.read_text().split())
            there = self.path.stat()
        except (OSError, ValueError):
            return 0
        begun_anew = offset > there.st_size or (file and file[0] != there.st_ino)
        return 0 if begun_anew else offset

    def _remember(self, offset: int) -> None:
        beside = self._shipped.with_name(f"{self._shipped.name}.part")
        beside.write_text(f"{offset} {self.path.stat().st_ino}")
        beside.replace(self._shipped)


def _identity_of(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - `Path.stat` costs twice as much, for each event
    except OSError:
        return None
    return found.st_dev, found.st_ino
