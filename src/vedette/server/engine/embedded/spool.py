"""The data of an INSERT, whole, where the engine can open it as a file.

chDB's own way to stream an insert (``send_insert``) tells of errors in the data only: what a view, a constraint, the
memory limit or a full disk makes of the insert afterwards is lost, and the insert counts as done. ``FROM INFILE`` tells
of everything. Reading the data whole first also means that a client that leaves in the middle has inserted nothing.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from vedette.server.engine.embedded.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["spooled"]

_MEMORY_BYTES = 64 * 1024 * 1024
"""As much is kept in memory, so that the log can be loaded while the disk is nearly full; more goes to a file."""


@contextlib.contextmanager
def spooled(data: Iterator[bytes], folder: Path) -> Iterator[int]:
    """A descriptor of a file without a name that holds all of `data`.

    Raises:
        Failure: There is no room for it.
    """
    descriptor = _memory() if hasattr(os, "memfd_create") else _file(folder)
    size = 0
    in_memory = hasattr(os, "memfd_create")
    try:
        for chunk in data:
            size += len(chunk)
            if in_memory and size > _MEMORY_BYTES:
                descriptor, in_memory = _moved(descriptor, folder), False
            _write(descriptor, chunk)
        yield descriptor
    except OSError as error:
        raise Failure(243, "NOT_ENOUGH_SPACE", f"Cannot keep the data of the insert: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _memory() -> int:
    return os.memfd_create("insert", os.MFD_CLOEXEC)


def _file(folder: Path) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


def _moved(descriptor: int, folder: Path) -> int:
    """The content so far in a file; the memory is let go. On failure `descriptor` stays open."""
    file = _file(folder)
    try:
        size, offset = os.fstat(descriptor).st_size, 0
        while offset < size:
            offset += os.sendfile(file, descriptor, offset, size - offset)
    except OSError:
        os.close(file)
        raise
    os.close(descriptor)
    return file


def _write(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
