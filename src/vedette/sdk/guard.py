"""The SDK never breaks its host: faults of ours are counted and told once, never raised into the program.

Under pytest they are raised, so that they are found where they are made.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter

from vedette.sdk.values import text_of

__all__ = ["dropped", "drops", "fault", "tell", "under_test"]

_drops: Counter[tuple[str, str]] = Counter()
_told: set[str] = set()
_lock = threading.RLock()  # a signal handler, or the garbage collector, may come in between
_MOST_TOLD = 256


def under_test() -> bool:
    """Whether the program runs under pytest."""
    return "PYTEST_CURRENT_TEST" in os.environ


def tell(topic: str, sentence: str) -> None:
    """Say `sentence` on stderr, once per `topic` and process.

    Not through `logging`: a fault of the log path must not feed the log path.
    """
    if topic in _told or len(_told) >= _MOST_TOLD:
        return
    _told.add(topic)
    stderr = sys.__stderr__
    if stderr is not None:
        try:
            stderr.write(f"vedette: {sentence}\n")
        except (OSError, ValueError, RuntimeError):
            # The stream is closed or gone, or a signal came while it was being written to: there is nobody to tell.
            _told.discard(topic)


def fault(where: str, error: BaseException) -> None:
    """Report an error of the SDK's own that `where` names; raise it under pytest."""
    if under_test():
        raise error
    tell(f"fault {where} {type(error).__name__}", f"{where} failed: {type(error).__name__}: {text_of(error)}")
    dropped("sdk", f"fault in {where}", 1)


def dropped(signal: str, reason: str, count: int) -> None:
    """Account for `count` items of a signal that will not arrive, and say so the first time."""
    if count <= 0:
        return
    with _lock:
        first = (signal, reason) not in _drops
        _drops[signal, reason] += count
    if first:
        tell(f"drop {signal} {reason}", f"{signal} are being dropped: {reason} (counted in vedette_sdk_dropped_total)")


def drops() -> dict[tuple[str, str], int]:
    """What was dropped since the process began, by (signal, reason)."""
    with _lock:
        return dict(_drops)


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - a lock held in the parent stays locked for ever in the child
    _lock = threading.RLock()
    _drops.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
