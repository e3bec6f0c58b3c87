"""Segment files and the folder that holds them.

::

    wal/lock                              held by the one process that writes
    wal/0000000042-9f3a6c21.open          being written
    wal/0000000041-07be1f90-33554441.wal  sealed: the first 33,554,441 bytes are acknowledged records
    wal/quarantine/…                      what the engine refused or the disk damaged, with the reason beside it

A sealed segment's name is its identity: a sequence number, a random part, so that a log that was emptied and begun
anew never repeats one, and the length that counts (an unacknowledged piece may follow it after a failed write).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import StartError
from vedette.server.wal.records import scan

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Segment", "WalFolder", "sync_filesystem", "sync_folder"]

_SEALED = re.compile(r"(\d{10,})-([0-9a-f]{8})-(\d+)\.wal")
_OPEN = re.compile(r"(\d{10,})-([0-9a-f]{8})\.open")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A sealed segment, ordered as it was written."""

    sequence: int
    nonce: str
    length: int
    path: Path

    @property
    def identity(self) -> str:
        """Stable over replays; part of the token by which the engine drops repeats."""
        return f"{self.sequence:010d}-{self.nonce}"

    def read(self) -> bytes:
        """The bytes that count."""
        with self.path.open("rb") as file:
            return file.read(self.length)


class WalFolder:
    """The folder of one log: names, recovery, listing. Writing is `WalWriter`'s."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.quarantine = path / "quarantine"
        self._lock: int | None = None

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            StartError: The folder cannot be made or written.
        """
        try:
            self.quarantine.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(
                f"Cannot use {self.path} for the write-ahead log: {error.strerror}. "
                "Give a directory that this user may write, with --data-dir."
            ) from error

    def lock(self) -> None:
        """Become the one writer.

        Raises:
            StartError: Another process writes this log.
        """
        try:
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(
                f"Another Vedette already writes to {self.path}. Stop it, or start this one with another --data-dir."
            ) from error
        except OSError as error:
            raise StartError(f"Cannot write to {self.path}: {error.strerror}.") from error

    def unlock(self) -> None:
        """Let another process write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def recover(self) -> int:
        """Seal what a crash left open, cutting the torn record at its end. Returns the bytes cut.

        Damage in the middle is left for the loader, which puts it into quarantine and says so.
        """
        cut = 0
        for path in sorted(self.path.glob("*.open")):
            match = _OPEN.fullmatch(path.name)
            if match is None:
                continue
            data = path.read_bytes()
            found = scan(data)
            torn = bool(found.damages) and found.damages[-1].torn
            valid = found.damages[-1].start if torn else len(data)
            cut += len(data) - valid
            if valid:
                path.rename(self.sealed_path(int(match[1]), match[2], valid))
            else:
                path.unlink()
        sync_folder(self.path)
        return cut

    def sealed(self) -> list[Segment]:
        """The sealed segments, oldest first."""
        found = []
        for entry in os.scandir(self.path):
            match = _SEALED.fullmatch(entry.name)
            if match:
                found.append(Segment(int(match[1]), match[2], int(match[3]), self.path / entry.name))
        return sorted(found)

    def next_name(self) -> tuple[int, str]:
        """Sequence number and random part for the next segment."""
        numbers = [int(match[1]) for path in self.path.iterdir() if (match := re.match(r"(\d{10,})-", path.name))]
        return max(numbers, default=0) + 1, secrets.token_hex(4)

    def open_path(self, sequence: int, nonce: str) -> Path:
        """Where the segment stands while it is written."""
        return self.path / f"{sequence:010d}-{nonce}.open"

    def sealed_path(self, sequence: int, nonce: str, length: int) -> Path:
        """Where it stands once it is sealed."""
        return self.path / f"{sequence:010d}-{nonce}-{length}.wal"


def sync_filesystem(path: Path) -> None:
    """Make everything written so far to the filesystem of `path` survive a power cut (syncfs of Linux)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).syncfs(descriptor)
        else:
            os.sync()
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make renames and new names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
