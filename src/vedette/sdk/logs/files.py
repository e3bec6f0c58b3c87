"""Where lines go: a stream, or a file that is rotated and that other processes may write and rotate as well."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TextIO

from vedette.sdk.guard import dropped, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["LogFile", "LogStream", "Writer"]


class Writer(Protocol):
    """Takes whole lines."""

    def write(self, text: str, lines: int) -> None:
        """Write `text`, which holds so many lines; what cannot be written is counted as dropped."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


class LogStream:
    """Writes to a stream that is looked up at each write, so that a redirected stdout is followed."""

    def __init__(self, stream: Callable[[], TextIO | None] = lambda: sys.stdout) -> None:
        self._stream = stream

    def write(self, text: str, lines: int) -> None:
        """Write and flush."""
        stream = self._stream()
        if stream is None:  # pythonw and the like have no standard output
            dropped("log lines", "there is no standard output", lines)
            return
        try:
            try:
                stream.write(text)
            except UnicodeEncodeError:
                encoding = stream.encoding or "ascii"
                stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except (OSError, ValueError) as error:
            tell("log stream", f"log lines cannot be written: {error}")
            dropped("log lines", "the stream cannot be written", lines)

    def close(self) -> None:
        """Nothing: the stream is the program's."""


class LogFile:
    """Appends to `path`; starts a new file at `rotate_bytes` or `rotate_seconds` (0 for never).

    A rotated file is named `<path>.<UTC time>`; of these the newest `keep_files` stay, none older than `keep_seconds`
    (0 for ever). Another process that rotates, or logrotate, is noticed before each write.
    """

    def __init__(
        self,
        path: Path,
        *,
        rotate_bytes: int = 0,
        rotate_seconds: float = 0.0,
        keep_files: int = 10,
        keep_seconds: float = 0.0,
    ) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._rotate_seconds = rotate_seconds
        self._keep_files = keep_files
        self._keep_seconds = keep_seconds
        self._descriptor = -1
        self._identity = (0, 0)
        self._opened = 0.0

    def write(self, text: str, lines: int) -> None:
        """Append; each line reaches the file whole."""
        body = text.encode("utf-8", "backslashreplace")
        try:
            for part in self._parts(body):
                self._ready(len(part))
                left = part
                while left:
                    left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            tell("log file", f"the log file {self._path} cannot be written: {error}")
            dropped("log lines", "the file cannot be written", lines)

    def _parts(self, body: bytes) -> Iterator[bytes]:
        """Whole lines of `body`, as many at a time as one file may hold."""
        begin, limit = 0, self._rotate_bytes or len(body)
        while len(body) - begin > limit:
            end = body.rfind(b"\n", begin, begin + limit) + 1 or body.find(b"\n", begin) + 1 or len(body)
            yield body[begin:end]
            begin = end
        if begin < len(body):
            yield body[begin:]

    def _ready(self, coming: int) -> None:
        held = self._there() if self._descriptor >= 0 else None
        if held is None:
            self.close()
            held = self._open()
        by_size = self._rotate_bytes and held.st_size and held.st_size + coming > self._rotate_bytes
        by_age = self._rotate_seconds and held.st_size and time.time() - self._opened >= self._rotate_seconds
        if by_size or by_age:
            self._rotate()

    def _open(self) -> os.stat_result:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        held = os.fstat(self._descriptor)
        self._identity = (held.st_dev, held.st_ino)
        # An existing file's age counts from its first line, which nothing records; the last change is the best guess.
        self._opened = held.st_mtime if held.st_size else time.time()
        return held

    def _there(self) -> os.stat_result | None:
        """The file at the path; `None` if that is no more the one that is open: somebody has rotated it."""
        try:
            there = os.stat(self._path)  # noqa: PTH116 - `Path.stat` costs twice as much, before each write
        except OSError:
            return None
        return there if (there.st_dev, there.st_ino) == self._identity else None

    def _rotate(self) -> None:
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
        target = self._path.with_name(f"{self._path.name}.{stamp}.{nanos:09d}")
        with suppress(OSError):  # another process rotated first: the new file is there already
            self._path.rename(target)
        self.close()
        self._open()
        self._opened = time.time()
        self._retire()

    def _retire(self) -> None:
        old = sorted(self._path.parent.glob(f"{self._path.name}.[0-9]*"), reverse=True)
        limit = time.time() - self._keep_seconds if self._keep_seconds else 0.0
        for place, path in enumerate(old):
            with suppress(OSError):
                if place >= self._keep_files or path.stat().st_mtime < limit:
                    path.unlink()

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
