"""Names of fields that meet: what the functions compiled for sites ask before they put texts together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vedette.sdk.context import CORRELATION_ID

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["A_CORRELATION_ID", "KEPT", "NO_NAMES", "NameSets", "Names", "agreement"]

KEPT = 1024
A_CORRELATION_ID = (CORRELATION_ID,)
"""The names of a context that is a correlation id alone."""


class Names(NamedTuple):
    """The names of a context's and a logger's fields; the same object for the same names."""

    names: frozenset[Any]
    apart: bool  # whether no name is in both


NO_NAMES = Names(frozenset(), apart=True)


class NameSets(dict[tuple[tuple[Any, ...], tuple[Any, ...]], Names]):
    """Names by the tuples of those of a context and of a logger, so that they are compared by identity."""

    __slots__ = ()

    def __missing__(self, key: tuple[tuple[Any, ...], tuple[Any, ...]]) -> Names:
        if len(self) >= KEPT:
            self.clear()
        one, other = frozenset(key[0]), frozenset(key[1])
        found = self[key] = Names(one | other, one.isdisjoint(other))
        return found


def agreement(names: frozenset[str]) -> tuple[list[Any], Callable[[Names], bool]]:
    """Whether the names of context, logger and fields do not meet; the list holds what was found fine the last time."""
    agreed: list[Any] = [None]

    def agrees(shared: Names) -> bool:
        if not shared.apart or not shared.names.isdisjoint(names):
            return False
        agreed[0] = shared
        return True

    return agreed, agrees
