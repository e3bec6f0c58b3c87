"""Locks that their holder may take again, and that a forked child finds free.

A signal handler and the garbage collector (a `__del__`, the `finally` of a generator) come in anywhere, also while
their thread is in the SDK with a lock held, and may log, trace or count. What another thread held at a fork
nobody would release in the child.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakSet

__all__ = ["lock_of"]

_owners: WeakSet[Any] = WeakSet()


def lock_of(owner: Any) -> Any:
    """A lock for `owner` to keep as its `_lock`, which is another one in a forked child."""
    _owners.add(owner)
    return threading.RLock()


def _after_fork() -> None:
    for owner in list(_owners):
        owner._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
