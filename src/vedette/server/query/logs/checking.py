"""Whether the engine can use a query's regular expressions: only RE2 itself can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vedette.errors import EngineError, InvalidInput
from vedette.server.query.logs.compiler import compile_query

if TYPE_CHECKING:
    from vedette.server.query.logs.conditions import Condition
    from vedette.server.query.reader import Reader

__all__ = ["checked_condition"]

_CANNOT_COMPILE_REGEXP: Final = 427


async def checked_condition(reader: Reader, tenant: str, text: str) -> Condition:
    """Compiles a query and has the engine try its regular expressions, so that nothing fails half-way through.

    Raises:
        InvalidInput: the text is no query, or RE2 does not take an expression; `position` points at it.
    """
    condition = compile_query(text)
    if condition.patterns and not await _compiles(reader, tenant, [pattern for pattern, _ in condition.patterns]):
        for pattern, position in condition.patterns:
            if not await _compiles(reader, tenant, [pattern]):
                raise InvalidInput(
                    "This regular expression or pattern cannot be used. The syntax is RE2's "
                    "(https://github.com/google/re2/wiki/Syntax), and repetitions are bounded.",
                    position=position,
                )
    return condition


async def _compiles(reader: Reader, tenant: str, patterns: list[str]) -> bool:
    # The pattern of `match` must be constant, so each has a parameter of its own.
    tries = ", ".join(f"match('', {{p{number}:String}})" for number in range(len(patterns)))
    params = {f"p{number}": pattern for number, pattern in enumerate(patterns)}
    try:
        await reader.query(tenant, f"SELECT {tries}", params=params)
    except EngineError as error:
        if error.code == _CANNOT_COMPILE_REGEXP:
            return False
        raise
    return True
