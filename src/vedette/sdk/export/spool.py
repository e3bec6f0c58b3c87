"""The spool: batches on disk while the endpoint is away, bounded in bytes, delivered when it is back.

Each process has a directory of its own inside the service's, held by a lock. A batch is one file, written beside and
renamed into place, so that a kill leaves whole files only. A later process takes over the directory of one that is
gone, and moves there what further ones hold: programs that run for a moment, one after the other, share a directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
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

_SUFFIX, _PART = ".otlp", ".part"
_NAMES = re.compile(r"[\w .-]{1,64}\n[\w-]{0,16}\n[\w-]{1,128}", re.ASCII)  # signal, encoding, key
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
            try:
                path = self._write(head, batch.body)
            except FileNotFoundError:  # somebody tidied up: it is made again
                self._leave()
                path = self._write(head, batch.body)
        except OSError as error:
            tell("spool", f"the spool {self._root} cannot be written: {error}")
            dropped(batch.signal, "the spool cannot be written", batch.count)
            return False
        self._files.append((path.name, size))
        self._bytes += size
        return True

    def _write(self, head: bytes, body: bytes) -> Path:
        directory = self._own_directory()
        self._sequence += 1
        path = directory / f"{time.time_ns():020d}-{self._sequence:06d}{_SUFFIX}"
        beside = path.with_suffix(_PART)
        try:
            beside.write_bytes(head + b"\n" + body)
            beside.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        return path

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
        batch = None
        with contextlib.suppress(OSError, ValueError):
            batch = self._read(path)
        dropped(batch.signal if batch else "batches", "the spool is full", batch.count if batch else 1)
        with contextlib.suppress(OSError):
            path.unlink()

    # -- reading

    def first(self) -> tuple[Path, Batch] | None:
        """The oldest batch that can be read, which stays until it is removed."""
        for _ in range(len(self._files)):
            name, size = self._files[0]
            path = self._own_directory() / name
            try:
                return path, self._read(path)
            except (FileNotFoundError, ValueError) as error:
                tell("spooled", f"{path} in the spool is gone or damaged ({error})")
                dropped("batches", "their files in the spool are gone or damaged", 1)
                self._files.pop(0)
                self._bytes -= size
                with contextlib.suppress(OSError):
                    path.unlink()
            except OSError as error:  # too many open files, say: it stays, and the others have their turn
                tell("spooled", f"{path} in the spool cannot be read now: {error}")
                self._files.append(self._files.pop(0))
        return None

    def remove(self, path: Path) -> None:
        """Forget a batch that was delivered."""
        if self._files and self._files[0][0] == path.name:
            self._bytes -= self._files.pop(0)[1]
        with contextlib.suppress(OSError):
            path.unlink()

    @staticmethod
    def _read(path: Path) -> Batch:
        """The batch in a file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no batch.
        """
        head, _, body = path.read_bytes().partition(b"\n")
        try:
            signal, count, encoding, key = json.loads(head)
            batch = Batch(str(signal), int(count), body, str(encoding), str(key))
        except (TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"it begins with {head[:40]!r}") from error
        if not _NAMES.fullmatch(f"{batch.signal}\n{batch.encoding}\n{batch.key}"):  # they go into a request's head
            raise ValueError(f"it begins with {head[:40]!r}")
        return batch

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
        if not self._files and self._directory is not None:
            with contextlib.suppress(OSError):
                if not any(name.endswith(_SUFFIX) for name in os.listdir(self._directory)):  # noqa: PTH208 - names alone
                    shutil.rmtree(self._directory, ignore_errors=True)
        self._leave()

    def _leave(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._directory = None
