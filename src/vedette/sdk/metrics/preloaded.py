"""What `prometheus_client` had counted when this process was forked, and the locks that it was forked with.

Loaded with `import vedette`: a server that loads its application before it forks may call `configure` in its workers
alone. That library takes a lock for every value, and a fork leaves locked for ever in the child what other threads
hold: so in the child what its instruments hold is unlocked first, and then read.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Any

__all__ = ["counts"]

_PARTS = ("_value", "_sum", "_count", "_created")
_LOCKS = (type(threading.Lock()), type(threading.RLock()))

counts: dict[str, Any] = {}
"""The library's own metrics with their samples, by name, as they were at the fork; empty where there was none."""


def _after_fork() -> None:
    counts.clear()
    library: Any = sys.modules.get("prometheus_client")
    with suppress(Exception):  # another version of it, or one that is half loaded
        if library is not None:
            collectors = list(library.REGISTRY._collector_to_names)
            _unlock_all(library.REGISTRY, collectors)
            _note(library, collectors)


def _unlock_all(registry: Any, collectors: list[Any]) -> None:
    _unlock(registry)
    for collector in collectors:
        children = getattr(collector, "_metrics", None)
        for metric in (collector, *(children.values() if isinstance(children, dict) else ())):
            _unlock(metric)
            for value in (*(getattr(metric, name, None) for name in _PARTS), *getattr(metric, "_buckets", ())):
                _unlock(value)


def _unlock(holder: Any) -> None:
    lock: Any = getattr(holder, "_lock", None)
    if type(lock) in _LOCKS:
        if lock.acquire(blocking=False):
            lock.release()
        else:
            holder._lock = threading.Lock() if type(lock) is _LOCKS[0] else threading.RLock()


def _note(library: Any, collectors: list[Any]) -> None:
    """Remember what the library's own instruments have counted; other collectors may do anything, and are not asked."""
    if library.values.ValueClass is not library.values.MutexValue:  # its mode for several processes begins at zero
        return
    for collector in collectors:
        if isinstance(collector, (library.Counter, library.Histogram, library.Summary)):
            for metric in collector.collect():
                counts[metric.name] = metric


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
