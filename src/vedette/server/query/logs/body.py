"""Words, phrases and patterns over the body, through its full-text index.

The index knows a body as the set of its lower-case tokens, runs of letters and digits (everything outside ASCII counts
as a letter). A single token is answered by the index alone. For all else the tokens that must occur narrow the lines
down first, and a regular expression, run by the engine, then checks order and spelling.
"""

from __future__ import annotations

import re
from typing import Final

from vedette.server.query.logs.conditions import EVERY_LINE, Binder
from vedette.server.query.logs.literals import Pattern, Wildcard

__all__ = ["INDEXED_BODY", "body_matches", "body_matches_regex", "body_phrase"]

INDEXED_BODY: Final = "lower(body)"
"""The expression that the ``text`` index is built over; another spelling would not use it."""

_LOWER: Final = INDEXED_BODY.partition("(")[0]
_TOKEN: Final = re.compile(r"[0-9A-Za-z\x80-\U0010ffff]+")
_WILDCARD_MARK: Final = "\U0010ffff"
"""Stands for a wildcard while a pattern is cut into tokens: no valid text holds this noncharacter."""

_MAX_INDEX_TOKENS: Final = 32
_LETTER_CLASS: Final = r"[^\x00-/:-@\[-`{-\x7f]"
_SEPARATOR_CLASS: Final = r"[\x00-/:-@\[-`{-\x7f]"


def body_phrase(text: str, binder: Binder, position: int | None) -> str:
    """Lines whose body holds `text`, in this order and with this punctuation, in any case, at token boundaries."""
    tokens = _TOKEN.findall(text)
    if not tokens:
        return f"position(body, {binder.text(text)}) > 0"
    if tokens == [text]:
        return _has_tokens(tokens, binder)
    return _narrowed(tokens, _bounded(re.escape(text), text[0], text[-1]), binder, position)


def body_matches(pattern: Pattern, binder: Binder, position: int | None) -> str:
    """Lines with a word of this pattern: wildcards stand for letters and digits, and do not cross other characters."""
    if pattern.matches_everything:
        return EVERY_LINE
    if (literal := pattern.literal) is not None:
        return body_phrase(literal, binder, position)
    spelled = {Wildcard.ANY: f"{_LETTER_CLASS}*", Wildcard.ONE: _LETTER_CLASS}
    expression = "".join(spelled[part] if isinstance(part, Wildcard) else re.escape(part) for part in pattern.parts)
    marked = "".join(_WILDCARD_MARK if isinstance(part, Wildcard) else part for part in pattern.parts)
    whole = [token for token in _TOKEN.findall(marked) if _WILDCARD_MARK not in token]
    return _narrowed(whole, _bounded(expression, marked[0], marked[-1]), binder, position)


def body_matches_regex(expression: str, binder: Binder, position: int | None) -> str:
    """Lines whose body holds a match of an RE2 expression anywhere, in the case as written."""
    return f"match(body, {binder.pattern(expression, position)})"


def _has_tokens(tokens: list[str], binder: Binder) -> str:
    distinct = list(dict.fromkeys(tokens))[:_MAX_INDEX_TOKENS]
    return f"hasAllTokens({INDEXED_BODY}, {_LOWER}({binder.text(' '.join(distinct))}))"


def _narrowed(tokens: list[str], expression: str, binder: Binder, position: int | None) -> str:
    check = body_matches_regex(f"(?i){expression}", binder, position)
    return f"({_has_tokens(tokens, binder)} AND {check})" if tokens else check


def _bounded(expression: str, first: str, last: str) -> str:
    """An end that is part of a token must be the token's end."""
    before = rf"(?:^|{_SEPARATOR_CLASS})" if _TOKEN.fullmatch(first) else ""
    after = rf"(?:$|{_SEPARATOR_CLASS})" if _TOKEN.fullmatch(last) else ""
    return before + expression + after
