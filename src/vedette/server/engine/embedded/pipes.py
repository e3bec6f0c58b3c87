"""Reading an answer that the engine writes into a pipe from another thread."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
from typing import Any

__all__ = ["Pipe"]

_READ_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031


class Pipe:
    """The reading end of a pipe, for one statement.

    `sink` is the writing end, which belongs to the thread that runs the statement.
    """

    def __init__(self) -> None:
        self._source, self.sink = os.pipe()
        os.set_blocking(self._source, False)
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._watching = False
        self._at_end = False
        self._open = True

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Wake up when the statement has ended, too."""
        future.add_done_callback(lambda _: self._event.set())

    async def wait(self, timeout_seconds: float | None = None, *, for_data: bool = True) -> None:
        """Wait until the statement has ended, or there may be something to read if `for_data`."""
        # A pipe at its end is always readable; watching it would only keep the statement's thread from ending.
        if for_data and not self._watching and not self._at_end:
            self._loop.add_reader(self._source, self._readable)
            self._watching = True
        timer = None if timeout_seconds is None else self._loop.call_later(timeout_seconds, self._event.set)
        try:
            await self._event.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._event.clear()

    def read(self) -> bytes:
        """What is there now; nothing means that there is nothing yet or nothing more."""
        try:
            data = os.read(self._source, _READ_BYTES)
        except BlockingIOError:
            return b""
        self._at_end = not data
        return data

    def grow(self) -> None:
        """Make room for a large answer, so that fewer wake-ups carry it."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # a user's pipes have a bound together
                fcntl.fcntl(self._source, _F_SETPIPE_SZ, _READ_BYTES)

    def close(self) -> None:
        """Close the reading end; the engine's next write fails."""
        if self._open:
            self._open = False
            self._forget()
            os.close(self._source)

    def close_both(self) -> None:
        """Close both ends, when no thread has taken the writing end."""
        self.close()
        os.close(self.sink)

    def _readable(self) -> None:
        self._forget()  # the loop would call again and again until somebody reads
        self._event.set()

    def _forget(self) -> None:
        if self._watching:
            self._loop.remove_reader(self._source)
            self._watching = False
