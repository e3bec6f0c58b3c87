"""Shapes of log records: which of them come again, and what of their names is told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from vedette.sdk.logs.records import Record

__all__ = ["KEPT_SHAPES", "MOST_COMPILED", "NO_NAMES", "NameSets", "Shapes", "agreement"]

KEPT_SHAPES = 1024
MOST_COMPILED = 256
NO_NAMES: frozenset[Any] = frozenset()
_COMPILED_AT = 4


class Shapes:
    """The functions of the shapes that came a few times. Bounded in both: compiled functions, and shapes counted.

    Args:
        compiled: Makes the function for records that look like the one given.
    """

    __slots__ = ("_compiled", "_found", "_functions")

    def __init__(self, compiled: Callable[[Record], Any]) -> None:
        self._compiled = compiled
        self._functions = 0
        self._found: dict[Hashable, Any] = {}  # how often a shape came, or its function

    def function(self, shape: Hashable, record: Record) -> Any:
        """The function for `shape`, compiled after `record` when it has come a few times; `None` before."""
        found = self._found.get(shape, 0)
        if type(found) is not int:
            return found
        if found + 1 < _COMPILED_AT or self._functions >= MOST_COMPILED:
            if len(self._found) >= KEPT_SHAPES:
                self._found = {known: held for known, held in self._found.items() if type(held) is not int}
            self._found[shape] = found + 1
            return None
        if not all(type(name) is str and name for name in record[5]):
            return None
        self._functions += 1
        function = self._found[shape] = self._compiled(record)
        return function


class NameSets(dict[Any, frozenset[Any]]):
    """Sets of names by the tuple of them: the same set for the same names, so that they are compared by identity."""

    __slots__ = ()

    def __missing__(self, names: Iterable[Any]) -> frozenset[Any]:
        if len(self) >= KEPT_SHAPES:
            self.clear()
        found = self[names] = frozenset(names)
        return found


def agreement(names: frozenset[str]) -> tuple[list[Any], Callable[[frozenset[Any], frozenset[Any]], bool]]:
    """Whether the names of context, logger and fields do not meet; the list holds what was found fine the last time."""
    agreed: list[Any] = [None, None]

    def agrees(context: frozenset[Any], bound: frozenset[Any]) -> bool:
        if not (context.isdisjoint(names) and bound.isdisjoint(names) and context.isdisjoint(bound)):
            return False
        agreed[:] = context, bound
        return True

    return agreed, agrees
