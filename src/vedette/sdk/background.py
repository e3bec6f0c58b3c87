"""Threads of the SDK's own, where an interpreter allows them."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from vedette.sdk.guard import tell

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["begin_thread", "end_thread"]

_AT_LEAST_SECONDS = 0.2
_AT_THE_END = "at interpreter shutdown"  # Python 3.12 has no error class of its own for it


def begin_thread(name: str, run: Callable[[], None]) -> threading.Thread | None:
    """A daemon thread that runs `run`; `None` in an isolated subinterpreter, which has none.

    There telemetry leaves by `flush` and at the end, in the thread that asks for it. So it does in a program that ends:
    from Python 3.12 on no thread can begin then.
    """
    try:
        thread = threading.Thread(target=run, name=name, daemon=True)  # from Python 3.12 on this refuses already
        thread.start()
    except RuntimeError as error:
        if _AT_THE_END in str(error):  # nothing of this is news to the user
            return None
        tell("threads", f"no background threads here ({error}): telemetry is sent by flush() and at the end only")
        return None
    return thread


def end_thread(thread: threading.Thread | None, deadline: float) -> None:
    """Wait until `deadline` (monotonic seconds) for a thread that was told to end.

    At least a moment: a subinterpreter cannot end while a thread of its own runs, and takes the process with it.
    """
    if thread is not None and thread is not threading.current_thread():
        thread.join(max(_AT_LEAST_SECONDS, deadline - monotonic()))
