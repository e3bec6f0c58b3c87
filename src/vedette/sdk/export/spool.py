"""The spool: batches on disk while the endpoint is away, bounded in bytes, delivered when it is back.

Each process has a directory of its own inside the service's, held by a lock. A batch is one file, written beside and
renamed into place, so that a kill leaves whole files only. A later process takes over the directory of one that is
gone, and moves there what further ones hold: programs that run for a moment, one after the other, share a directory.
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
        self._files: list[tuple[str, int]] = []  # names in the own directory, oldest first
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
        self._files.append((path.name, size))
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
        name, size = self._files.pop(0)
        self._bytes -= size
        path = self._own_directory() / name
        batch = self._read(path)
        dropped(batch.signal if batch else "batches", "the spool is full", batch.count if batch else 1)
        with contextlib.suppress(OSError):
            path.unlink()

    # -- reading

    def first(self) -> tuple[Path, Batch] | None:
        """The oldest batch, which stays until it is removed."""
        while self._files:
            name, size = self._files[0]
            path = self._own_directory() / name
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
        if self._files and self._files[0][0] == path.name:
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
        if fcntl is not None:
            for directory in self._orphans():
                with contextlib.suppress(OSError):
                    self._adopt_from(directory)
            self._files.sort()

    def _adopt_from(self, directory: Path) -> None:
        self._make_private(self._root)
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context((directory / _LOCK).open("rb+"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not while its owner lives
            (directory / _LOCK).stat()  # another process may have been faster, and have removed it
            if self._directory is None:
                self._directory, self._lock = directory, lock
                stack.pop_all()
            self._take(directory)

    def _take(self, directory: Path) -> None:
        own = self._own_directory()
        with os.scandir(directory) as entries:
            found = [(entry.name, entry.stat().st_size) for entry in entries if entry.name.endswith(_SUFFIX)]
        if directory != own:
            for name, _ in found:
                os.rename(f"{directory}/{name}", f"{own}/{name}")  # noqa: PTH104 - there may be many thousands
            shutil.rmtree(directory, ignore_errors=True)
        self._files += found
        self._bytes += sum(size for _, size in found)

    def close(self) -> None:
        """Leave the directory to whoever comes next, or remove it when nothing is in it."""
        if self._lock is not None:
            if not self._files and self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)
            self._lock.close()
            self._lock = None
        self._directory = None
