"""See to it that a signal is noticed by a main thread that waits where it cannot be.

Python runs its handlers in the main thread. One that arrives just before that thread waits for a semaphore, as a pool's
workers do for their next task, is noticed only when the wait is over, which is never if the pool is being terminated.
Without a handler the signal would have ended the process.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING

from vedette.sdk.background import begin_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["forget", "watch"]

_PATIENCE_SECONDS = 0.05
_pipe: list[int] = []


def watch(numbers: Collection[int], noticed: Callable[[], bool]) -> None:
    """Send such a signal to the main thread again until it is `noticed`. To be called in the main thread."""
    if _pipe or not hasattr(signal, "pthread_kill") or threading.current_thread() is not threading.main_thread():
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    if before != -1:  # the program's own
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
        return
    _pipe[:] = reader, writer
    main = threading.get_ident()

    def run() -> None:
        while arrived := os.read(reader, 64):
            for number in set(arrived) & set(numbers):
                sleep(_PATIENCE_SECONDS)
                while not noticed():
                    signal.pthread_kill(main, number)
                    sleep(_PATIENCE_SECONDS)

    begin_thread("vedette-signals", run)


def forget() -> None:
    """In a forked child: what arrives here is not for the parent's thread."""
    if _pipe:
        with suppress(ValueError):  # in a thread that is not the main one nothing is set
            now = signal.set_wakeup_fd(-1)
            if now not in {_pipe[1], -1}:  # the program's own, which came later
                signal.set_wakeup_fd(now)
        for descriptor in _pipe:
            os.close(descriptor)
        _pipe.clear()
