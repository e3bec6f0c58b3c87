"""Regular expressions of callers, tried by the engine before a statement relies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vedette.errors import EngineError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.server.query.reader import Reader
    from vedette.server.query.traces.language import Term

__all__ = ["check_patterns"]

_CANNOT_COMPILE_REGEXP: Final = 427


async def check_patterns(reader: Reader, tenant: str, terms: Iterable[Term]) -> None:
    """Lets the engine compile every regular expression of a query (RE2, which runs in linear time).

    Raises:
        InvalidInput: one cannot be compiled; the position is its own.
    """
    for term in terms:
        if term.operator in {"match", "not_match"}:
            try:
                await reader.query(tenant, "SELECT match('', {pattern:String})", params={"pattern": term.value})
            except EngineError as error:
                if error.code != _CANNOT_COMPILE_REGEXP:
                    raise
                raise InvalidInput(
                    f"Parameter {term.source!r}: {term.value[:60]!r} is no regular expression of RE2 "
                    "(https://github.com/google/re2/wiki/Syntax).",
                    position=term.value_position,
                ) from None
