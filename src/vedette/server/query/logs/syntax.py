"""The text of a log query to luqum's tree, within bounds and with errors that point at the character.

The grammar is Lucene's classic query syntax. Adjacent terms mean AND and bind loosest, as in web search: ``a b OR c``
is ``a AND (b OR c)``; AND binds tighter than OR. Boosting and fuzzy terms rank documents, and log lines are not
ranked, so both are refused instead of being ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from luqum.exceptions import IllegalCharacterError, ParseSyntaxError
from luqum.parser import lexer as _lexer
from luqum.thread import parse as _parse

from vedette.errors import InvalidInput

if TYPE_CHECKING:
    from luqum.tree import Item

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_TERMS", "parse_query"]

MAX_CHARACTERS: Final = 8_192
MAX_TERMS: Final = 512
MAX_DEPTH: Final = 32

_POSITION: Final = re.compile(r"position (\d+)!?\Z")
_TERMS: Final = frozenset({"TERM", "PHRASE", "REGEX", "TO"})


def parse_query(text: str) -> Item:
    """Parses a query that is not blank.

    Raises:
        InvalidInput: the text is no query, or is too long, too deep or has too many terms.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            f"The query has {len(text):,} characters and may have {MAX_CHARACTERS:,}; ask a narrower question.",
            position=MAX_CHARACTERS,
        )
    try:
        _check_tokens(text)
        return _parse(text)
    except IllegalCharacterError as error:
        raise _unreadable(text, _position_in(error, text)) from None
    except ParseSyntaxError as error:
        raise _unexpected(text, _position_in(error, text)) from None


def _check_tokens(text: str) -> None:
    """Refuses by the tokens alone what must not reach the parser or has no meaning here."""
    lexer = _lexer.clone()
    lexer.input(text)
    depth = terms = 0
    for token in iter(lexer.token, None):
        at = token.lexpos
        if token.type == "LPAREN":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"Parentheses are nested deeper than {MAX_DEPTH} levels.", position=at)
        elif token.type == "RPAREN":
            depth -= 1
        elif token.type == "APPROX":
            raise InvalidInput(
                'Fuzzy and proximity search ("~") is not supported; use a wildcard such as pay* or a regular '
                'expression such as /paym[ae]nt/, or write "\\~" for the character.',
                position=at,
            )
        elif token.type == "BOOST":
            raise InvalidInput(
                'Boosting ("^") is not supported, as log lines are not ranked; leave it out, or write "\\^" for the '
                "character.",
                position=at,
            )
        elif token.type in _TERMS:
            terms += 1
            if terms > MAX_TERMS:
                raise InvalidInput(f"The query has more than {MAX_TERMS} terms.", position=at)


def _position_in(error: Exception, text: str) -> int:
    # luqum says where only in its message; an unexpected end has no number.
    match = _POSITION.search(str(error))
    return min(int(match[1]), len(text)) if match else len(text)


def _unreadable(text: str, at: int) -> InvalidInput:
    character = text[at : at + 1]
    reasons = {
        '"': 'The quotation mark opened here is never closed; write \\" for the character itself.',
        "/": "The regular expression opened here is never closed; put a value with a slash in quotation marks.",
        "\\": "The backslash at the end escapes nothing; write two for the character itself.",
    }
    reason = reasons.get(
        character, f"{character!r} has a meaning of its own here; put it in quotation marks or a backslash before it."
    )
    return InvalidInput(reason, position=at)


def _unexpected(text: str, at: int) -> InvalidInput:
    if at >= len(text):
        return InvalidInput(
            "The query ends too early: a value, an operand or a closing bracket is missing.", position=len(text)
        )
    word = (text[at:].split(maxsplit=1) or [text[at]])[0][:20]
    if text[at] == ":":
        advice = "put a value that contains a colon in quotation marks"
    elif text[at] in ")]}":
        advice = "it closes nothing that is open, or what it closes is incomplete"
    else:
        advice = 'quote it, or put "\\" before a character that is meant literally'
    return InvalidInput(f"{word!r} is not expected here; {advice}.", position=at)
