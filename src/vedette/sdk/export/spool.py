"""The spool: batches on disk while the endpoint is away, bounded in bytes, delivered when it is back.

Each process has a directory of its own inside the service's, held by a lock. A batch is one file, written beside and
renamed into place, so that a kill leaves whole files only. A later process adopts the directories of those that died.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from vedette.sdk.export.batch import Batch
from vedette.sdk.guard import dropped, tell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

try:
    import fcntl
except ImportError:  # Windows: no adoption across processes, each keeps to its own directory
    fcntl = None  # type: ignore[assignment]

__all__ = ["Spool"]

_SUFFIX = ".otlp"
_LOCK = "lock"


class Spool:
    """Batches on disk, oldest first.

    Not thread-safe: the sender owns it. Every method survives a full, missing or read-only disk: what cannot be kept
    is counted as dropped.
    """

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._root = root
        self._limit = limit_bytes
        self._directory: Path | None = None
        self._lock: IO[bytes] | None = None
        self._sequence = 0
        self._files: list[tuple[Path, int]] = []
        self._bytes = 0
        self._adopt()

    def __len__(self) -> int:
        return len(self._files)

    # -- writing

    def put(self, batch: Batch) -> bool:
        """Keep `batch`; whether that was possible. The oldest make room when the limit is reached."""
        head = json.dumps([batch.signal, batch.count, batch.encoding, batch.key]).encode()
        size = len(head) + 1 + len(batch.body)
        while self._files and self._bytes + size > self._limit:
            self._drop_oldest()
        if size > self._limit:
            dropped(batch.signal, "the spool is full", batch.count)
            return False
        try:
            directory = self._own_directory()
            self._sequence += 1
            path = directory / f"{time.time_ns():020d}-{self._sequence:06d}{_SUFFIX}"
            beside = path.with_suffix(".part")
            beside.write_bytes(head + b"\n" + batch.body)
            beside.rename(path)
        except OSError as error:
            tell("spool", f"the spool {self._root} cannot be written: {error}")
            dropped(batch.signal, "the spool cannot be written", batch.count)
            with contextlib.suppress(OSError, UnboundLocalError):
                beside.unlink()
            return False
        self._files.append((path, size))
        self._bytes += size
        return True

    def _own_directory(self) -> Path:
        if self._directory is None:
            self._make_private(self._root)
            directory = self._root / f"{os.getpid()}-{uuid4().hex[:8]}"
            directory.mkdir(mode=0o700)
            self._lock = (directory / _LOCK).open("wb")
            if fcntl is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._directory = directory
        return self._directory

    @staticmethod
    def _make_private(root: Path) -> None:
        """Create `root` for this user alone; refuse one that another user put there (shared /tmp)."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.stat()
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            raise PermissionError(f"{root} belongs to user {found.st_uid}")
        if stat.S_IMODE(found.st_mode) & 0o022:
            raise PermissionError(f"{root} can be written by others")

    def _drop_oldest(self) -> None:
        path, size = self._files.pop(0)
        self._bytes -= size
        batch = self._read(path)
        dropped(batch.signal if batch else "batches", "the spool is full", batch.count if batch else 1)
        with contextlib.suppress(OSError):
            path.unlink()

    # -- reading

    def first(self) -> tuple[Path, Batch] | None:
        """The oldest batch, which stays until it is removed."""
        while self._files:
            path, size = self._files[0]
            batch = self._read(path)
            if batch is not None:
                return path, batch
            self._files.pop(0)
            self._bytes -= size
            with contextlib.suppress(OSError):
                path.unlink()
        return None

    def remove(self, path: Path) -> None:
        """Forget a batch that was delivered."""
        if self._files and self._files[0][0] == path:
            self._bytes -= self._files.pop(0)[1]
        with contextlib.suppress(OSError):
            path.unlink()

    @staticmethod
    def _read(path: Path) -> Batch | None:
        try:
            head, _, body = path.read_bytes().partition(b"\n")
            signal, count, encoding, key = json.loads(head)
            return Batch(str(signal), int(count), body, str(encoding), str(key))
        except (OSError, ValueError, TypeError):
            return None

    # -- other processes' leavings

    def _orphans(self) -> Iterator[Path]:
        try:
            yield from [path for path in self._root.iterdir() if path.is_dir() and path != self._directory]
        except OSError:
            return

    def _adopt(self) -> None:
        """Take over the batches of processes that are gone."""
        for directory in self._orphans():
            try:
                with (directory / _LOCK).open("rb+") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    own = self._own_directory()
                    for path in sorted(directory.glob(f"*{_SUFFIX}")):
                        target = own / path.name
                        path.rename(target)
                        size = target.stat().st_size
                        self._files.append((target, size))
                        self._bytes += size
                    shutil.rmtree(directory, ignore_errors=True)
            except OSError:  # its owner lives, or another process was faster
                continue
        self._files.sort(key=lambda item: item[0].name)

    def close(self) -> None:
        """Leave the directory to whoever comes next, or remove it when nothing is in it."""
        if self._lock is not None:
            if not self._files and self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)
            self._lock.close()
            self._lock = None
        self._directory = None
