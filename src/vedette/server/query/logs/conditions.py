"""Pieces of SQL that are true or false of a log line, with the values they carry as ClickHouse parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["EVERY_LINE", "NO_LINE", "Binder", "Condition", "Operator"]

Operator = Literal["<", "<=", ">", ">="]

EVERY_LINE: Final = "true"
NO_LINE: Final = "false"


@dataclass(frozen=True, slots=True)
class Condition:
    """A boolean expression over the columns of ``vedette.logs``, never NULL, and its parameters by name.

    `patterns` are the regular expressions among the parameters, each with the place in the query that it comes from:
    only the engine can tell whether it can use them (see `checking.py`).
    """

    sql: str
    params: dict[str, object]
    patterns: tuple[tuple[str, int | None], ...] = ()

    def narrowed(self, sql: str, params: dict[str, object]) -> Condition:
        """This and another condition of our own, whose parameters have other names."""
        return Condition(f"{sql} AND {self.sql}", {**self.params, **params}, self.patterns)


@dataclass(slots=True)
class Binder:
    """Hands out parameters: what a user wrote reaches the engine only through here.

    Parameters are named `prefix` and a number, so that two binders of one statement do not meet.
    """

    prefix: str = "q"
    params: dict[str, object] = field(default_factory=dict)
    patterns: list[tuple[str, int | None]] = field(default_factory=list)
    _names: dict[tuple[str, object], str] = field(default_factory=dict)

    def text(self, value: str) -> str:
        """A placeholder for a string."""
        return self._bind(value, "String")

    def number(self, value: float) -> str:
        """A placeholder for a number: integers stay integers."""
        return self._bind(value, "Int64" if isinstance(value, int) else "Float64")

    def pattern(self, expression: str, position: int | None) -> str:
        """A placeholder for a regular expression; `position` is where the query asks for it."""
        self.patterns.append((expression, position))
        return self.text(expression)

    def _bind(self, value: object, kind: str) -> str:
        # The same value is one parameter, so that a field's name is not sent once for each use.
        name = self._names.setdefault((kind, value), f"{self.prefix}{len(self._names)}")
        self.params[name] = value
        return f"{{{name}:{kind}}}"
