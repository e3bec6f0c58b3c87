"""Connections that are kept for the next query of the same kind.

To open a connection, set it up and close it costs the engine more than a small query does. A read-only connection takes
no settings any more, so nothing but parameters can differ between the queries that run on it.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KeptConnections"]

_MOST_IDLE = 64


@dataclass(slots=True)
class _Kept:
    """`mark` is what the engine's list of processes has of the connection, and nothing can change it."""

    connection: Any
    mark: str
    is_new: bool = True
    is_retired: bool = False


class KeptConnections:
    """Connections by kind, each for one query at a time; the longest unused ones are closed beyond a bound."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: dict[str, tuple[object, _Kept]] = {}  # by mark, in the order of their last use
        self._by_kind: dict[object, list[_Kept]] = {}
        self._running: dict[str, _Kept] = {}
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def use(self, query_id: str, kind: object) -> Iterator[_Kept]:
        """A connection of a kind; what raises while it is used closes it."""
        with self._lock:
            kept = self._taken(kind)
        if kept is None:
            kept = _Kept(self._connect(), f"kept-{next(self._numbers)}")
        with self._lock:
            self._running[query_id] = kept
        try:
            yield kept
        except BaseException:
            kept.is_retired = True
            raise
        finally:
            with self._lock:
                del self._running[query_id]
                closing = self._put_back(kind, kept)
            for one in closing:
                one.connection.close()

    def retire(self, query_id: str) -> str:
        """The mark of a query that is to be killed. Its connection runs no other one, which could be hit instead."""
        with self._lock:
            kept = self._running.get(query_id)
            if kept is None:
                return query_id
            kept.is_retired = True
            return kept.mark

    def retire_all(self) -> dict[str, str]:
        """The same for whatever runs: the mark of each query."""
        with self._lock:
            for kept in self._running.values():
                kept.is_retired = True
            return {query_id: kept.mark for query_id, kept in self._running.items()}

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            closing = [kept for _, kept in self._idle.values()]
            self._idle.clear()
            self._by_kind.clear()
        for one in closing:
            one.connection.close()

    def _taken(self, kind: object) -> _Kept | None:
        of_kind = self._by_kind.get(kind)
        if not of_kind:
            return None
        kept = of_kind.pop()
        if not of_kind:
            del self._by_kind[kind]
        del self._idle[kept.mark]
        return kept

    def _put_back(self, kind: object, kept: _Kept) -> list[_Kept]:
        if kept.is_retired:
            return [kept]
        kept.is_new = False
        self._idle[kept.mark] = kind, kept
        self._by_kind.setdefault(kind, []).append(kept)
        closing = []
        while len(self._idle) > _MOST_IDLE:
            of_longest, longest = self._idle.pop(next(iter(self._idle)))
            self._by_kind[of_longest].remove(longest)
            if not self._by_kind[of_longest]:
                del self._by_kind[of_longest]
            closing.append(longest)
        return closing
