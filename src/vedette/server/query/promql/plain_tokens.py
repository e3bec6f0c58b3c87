"""The tokens of an expression at once, by one regular expression, where it has nothing out of the ordinary.

What has an error in it, or what `Lexer` must look at more closely, is left to that: it alone knows the messages.
"""

from __future__ import annotations

import re
from typing import Final

from vedette.server.query.promql import lexer as lex
from vedette.server.query.promql.lexer import Token

__all__ = ["plain_tokens"]

_TOKEN: Final = re.compile(
    r"""[ \t\n\r]*(?:
    (?P<word>[a-zA-Z_][a-zA-Z0-9_:]*)
    |(?P<symbol>==|!=|<=|>=|=~|!~|[<>](?!/)|[-+*/%^(),@=\[\]{}:])
    |(?P<string>"[^"\\\n\ufffd\ud800-\udfff]*"|'[^'\\\n\ufffd\ud800-\udfff]*')
    |(?P<duration>[0-9]+(?:[smhdwy]s?)(?:[0-9]+[smhdw]s?)*(?![a-zA-Z0-9_.]))
    |(?P<number>(?!0[0-9xX])[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![a-zA-Z0-9_.]))
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_IN_BRACES: Final = frozenset({"=", "!=", "=~", "!~", ",", "}"})
_ELSEWHERE: Final = frozenset("+-*/%^(),@<>[{") | {"==", "!=", "<=", ">="}
_KINDS: Final = {"string": lex.STRING, "number": lex.NUMBER, "duration": lex.DURATION}
_WORDS: Final = {word: word for word in lex.WORDS - lex.FILLS} | {"inf": lex.NUMBER, "nan": lex.NUMBER}


def plain_tokens(text: str) -> list[Token] | None:
    """All tokens, the end included; None where the text is not plain."""
    found: list[Token] = []
    match = _TOKEN.scanner(text).match  # type: ignore[attr-defined]  # of every pattern, though not documented
    parens, inside = 0, ""
    while token := match():
        group = token.lastgroup
        part, end = token[group], token.end()
        start = end - len(part)
        if group == "word":
            if inside == "[" or part.lower() in lex.FILLS or (inside and ":" in part):
                return None
            kind = lex.IDENTIFIER
            if not inside:
                kind = _WORDS.get(part.lower()) or (lex.METRIC_IDENTIFIER if ":" in part else kind)
        elif group == "symbol":
            kind = part
            if inside == "{":
                if part not in _IN_BRACES:
                    return None
                inside = "" if part == "}" else inside
            elif inside == "[":
                if part not in {":", "]"} or found[-1].kind not in {lex.DURATION, ":"}:
                    return None
                inside = "" if part == "]" else inside
            elif part not in _ELSEWHERE and part != ")":
                return None
            elif part == "(":
                parens += 1
            elif part == ")":
                parens -= 1
                if parens < 0:
                    return None
            elif part in {"{", "["}:
                inside = part
        elif group == "end":
            if parens or inside:
                return None
            found.append(Token(lex.EOF, "", end, end))
            return found
        else:
            kind = _KINDS[group]
            if (inside == "[" and group != "duration") or (inside == "{" and group != "string"):
                return None
        found.append(Token(kind, part, start, end))
    return None
