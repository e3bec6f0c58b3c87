"""Attributes that a class does not have, and what to use instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Absent", "public_names"]


class Absent:
    """In a class, a name that others of its kind have and it has not: asking for it says what to do instead.

    `__getattr__` would say the same, but with it the interpreter reads every attribute of the class the slow way.
    """

    __slots__ = ("_hint",)

    def __init__(self, hint: str | Callable[[Any], str]) -> None:
        self._hint = hint

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        hint = self._hint
        raise AttributeError(hint if isinstance(hint, str) else hint(instance) if instance is not None else "")


def public_names(*kinds: type) -> set[str]:
    """The public attributes of these classes."""
    return {name for kind in kinds for name in dir(kind) if not name.startswith("_")}
