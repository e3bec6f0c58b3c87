"""PromQL's tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from vedette.server.query.promql.gotext import quote, quote_rune

OPERATORS: Final = frozenset(
    {"+", "-", "*", "/", "%", "^", "==", "!=", "<=", "<", ">=", ">", "</", ">/", "and", "or", "unless", "atan2"}
)
_OPERATOR_LIKE: Final = OPERATORS | {"=~", "!~", "@"}
AGGREGATORS: Final = frozenset(
    {"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk", "bottomk"}
    | {"count_values", "quantile", "limitk", "limit_ratio"}
)
KEYWORDS: Final = frozenset(
    {"offset", "smoothed", "anchored", "by", "without", "on", "ignoring", "group_left", "group_right"}
    | {"fill", "fill_left", "fill_right", "bool"}
)
PREPROCESSORS: Final = frozenset({"start", "end", "step", "range", "min_of", "max_of"})
WORDS: Final = {"and", "or", "unless", "atan2"} | AGGREGATORS | KEYWORDS | PREPROCESSORS
FILLS: Final = frozenset({"fill", "fill_left", "fill_right"})

IDENTIFIER: Final = "identifier"
METRIC_IDENTIFIER: Final = "metric identifier"
STRING: Final = "string"
NUMBER: Final = "number"
DURATION: Final = "duration"
EOF: Final = "end of input"
ERROR: Final = "error"

_SPACE: Final = " \t\n\r"
_SKIPPED: Final = frozenset(_SPACE + "#")
_SKIP: Final = re.compile(r"(?:[ \t\n\r]+|#[^\r\n]*)+")
_WORD: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_KEYWORD_IN_DURATION: Final = re.compile(r"[a-zA-Z_]+")
_DURATION: Final = re.compile(r"[0-9]+(?:[smhdwy]s?)(?:[0-9]+[smhdw]s?)*(?![a-zA-Z0-9_])")
_SYMBOLS: Final = {",": ",", "*": "*", "/": "/", "%": "%", "+": "+", "-": "-", "^": "^", "@": "@", ")": ")", "(": "("}
_SHORT: Final = 10


@dataclass(slots=True)
class Token:
    """One token: `kind` is a constant of this module or the token's own text, `start` and `end` are offsets."""

    kind: str
    text: str
    start: int
    end: int

    def describe(self) -> str:
        """How messages call it."""
        if self.kind == EOF:
            return EOF
        if self.kind in {IDENTIFIER, METRIC_IDENTIFIER}:
            return f"{self.kind} {quote(self.text)}"
        if self.kind in KEYWORDS:
            return f"<{self.text}>"
        if self.kind in _OPERATOR_LIKE:
            return f"<op:{self.text}>"
        if self.kind in AGGREGATORS:
            return f"<aggr:{self.text}>"
        text = quote(self.text[:_SHORT]) + "..." if len(self.text) > _SHORT else quote(self.text)
        return f"{self.kind} {text}" if self.kind in {STRING, NUMBER, DURATION} else text


class Lexer:
    """Cuts an expression into tokens, one at a time, and knows where it is: in braces, brackets or parentheses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self._parens = 0
        self._in_braces = False
        self._in_brackets = False
        self._duration_first = False  # nothing of a duration was read since the bracket opened
        self._colon_seen = False

    def next(self) -> Token:
        """The next token; after an `ERROR`, whose text is the message, nothing more may be asked."""
        char = self.text[self.pos : self.pos + 1]
        if char in _SKIPPED:
            skipped = _SKIP.match(self.text, self.pos)
            self.pos = skipped.end() if skipped else self.pos
            char = self.text[self.pos : self.pos + 1]
        if self._in_braces:
            return self._inside_braces()
        if not char:
            return self._end()
        if "0" <= char <= "9" or (char == "." and self._is_digit(self.pos + 1)):
            self._duration_first = False
            return self._number_or_duration()
        if char in "\"'`":
            return self._string(char)
        if char.isascii() and (char.isalpha() or char in "_:"):
            return self._in_bracket_word(char) if self._in_brackets else self._word()
        return self._symbol(char)

    def _end(self) -> Token:
        if self._in_brackets and self._duration_first:
            return self._error("unexpected end of input in duration expression")
        if self._parens:
            return self._error("unclosed left parenthesis")
        if self._in_brackets:
            return self._error("unclosed left bracket")
        return Token(EOF, "", self.pos, self.pos)

    def _token(self, kind: str, length: int) -> Token:
        start = self.pos
        self.pos = start + length
        return Token(kind, self.text[start : self.pos], start, self.pos)

    def _error(self, message: str) -> Token:
        return Token(ERROR, message, self.pos, len(self.text))

    def _peek(self, offset: int) -> str:
        return self.text[self.pos + offset : self.pos + offset + 1]

    def _is_digit(self, position: int) -> bool:
        return "0" <= self.text[position : position + 1] <= "9"

    def _word(self) -> Token:
        match = _WORD.match(self.text, self.pos)
        word = match.group() if match else ""
        lower, length = word.lower(), len(word)
        if lower in {"inf", "nan"}:
            return self._token(NUMBER, length)
        if lower in WORDS and not (lower in FILLS and not self._parenthesis_follows(self.pos + length)):
            return self._token(lower, length)
        return self._token(METRIC_IDENTIFIER if ":" in word else IDENTIFIER, length)

    def _parenthesis_follows(self, position: int) -> bool:
        while position < len(self.text) and self.text[position] in _SPACE:
            position += 1
        return self.text[position : position + 1] == "("

    def _in_bracket_word(self, char: str) -> Token:
        if char == ":":
            if self._duration_first:
                return self._error("unexpected colon before duration in duration expression")
            if self._colon_seen:
                return self._error(f"unexpected colon {quote_rune(char)}")
            self._colon_seen = True
            return self._token(":", 1)
        match = _KEYWORD_IN_DURATION.match(self.text, self.pos)
        if match and match.group().lower() in {"step", "range", "min_of", "max_of"}:
            self._duration_first = False
            return self._token(match.group().lower(), len(match.group()))
        if self._duration_first:
            return self._error(f"unexpected character in duration expression: {quote_rune(char)}")
        return self._error(f"unexpected character: {quote_rune(char)}, expected {quote_rune(':')}")

    def _symbol(self, char: str) -> Token:
        if char in "=!<>":
            return self._comparison(char)
        if char == "(":
            self._parens += 1
        elif char == ")":
            self._parens -= 1
            if self._parens < 0:
                return self._error(f"unexpected right parenthesis {quote_rune(char)}")
        elif char == "{":
            self._in_braces = True
            return self._token("{", 1)
        elif char in "[]":
            return self._bracket(char)
        if char in _SYMBOLS:
            return self._token(_SYMBOLS[char], 1)
        if self._in_brackets and self._duration_first:
            return self._error(f"unexpected character in duration expression: {quote_rune(char)}")
        return self._error(f"unexpected character: {quote_rune(char)}")

    def _bracket(self, char: str) -> Token:
        if char == "[":
            if self._in_brackets:
                return self._error(f"unexpected left bracket {quote_rune(char)}")
            self._in_brackets = self._duration_first = True
            self._colon_seen = False
            return self._token("[", 1)
        if not self._in_brackets:
            return self._error(f"unexpected right bracket {quote_rune(char)}")
        self._in_brackets = self._duration_first = False
        return self._token("]", 1)

    def _comparison(self, char: str) -> Token:
        following = self._peek(1)
        if char == "=":
            if following == "~":
                return self._error(f"unexpected character after '=': {quote_rune(following)}")
            return self._token("==", 2) if following == "=" else self._token("=", 1)
        if char == "!":
            if following != "=":
                return self._error(f"unexpected character after '!': {quote_rune(following)}")
            return self._token("!=", 2)
        if following in {"=", "/"}:
            return self._token(char + following, 2)
        return self._token(char, 1)

    def _inside_braces(self) -> Token:
        if self.pos >= len(self.text):
            return self._error("unexpected end of input inside braces")
        char = self.text[self.pos]
        match = _NAME.match(self.text, self.pos)
        if match:
            return self._token(IDENTIFIER, len(match.group()))
        if char == ",":
            return self._token(",", 1)
        if char in "\"'`":
            return self._string(char)
        if char == "=":
            return self._token("=~", 2) if self._peek(1) == "~" else self._token("=", 1)
        if char == "!":
            following = self._peek(1)
            if following in {"~", "="} and following:
                return self._token("!" + following, 2)
            return self._error(f"unexpected character after '!' inside braces: {quote_rune(following)}")
        if char == "{":
            return self._error(f"unexpected left brace {quote_rune(char)}")
        if char == "}":
            self._in_braces = False
            return self._token("}", 1)
        return self._error(f"unexpected character inside braces: {quote_rune(char)}")

    def _string(self, delimiter: str) -> Token:
        text, position, raw = self.text, self.pos + 1, delimiter == "`"
        while True:
            char = text[position : position + 1]
            if not char or (char == "\n" and not raw):
                return self._error("unterminated raw string" if raw else "unterminated quoted string")
            if char == "�" or "\ud800" <= char <= "\udfff":
                return self._error("invalid UTF-8 rune")
            position += 1
            if char == delimiter:
                return self._token(STRING, position - self.pos)
            if char == "\\" and not raw:
                position, message = _check_escape(text, position, delimiter)
                if message:
                    return self._error(message)

    def _number_or_duration(self) -> Token:
        end = _scan_number(self.text, self.pos)
        if end > 0:
            return self._token(NUMBER, end - self.pos)
        match = _DURATION.match(self.text, self.pos)
        if match:
            return self._token(DURATION, len(match.group()))
        shown = self.text[self.pos : _end_of_attempt(self.text, -end)]
        return self._error(f"bad number or duration syntax: {quote(shown)}")


def _end_of_attempt(text: str, position: int) -> int:
    """How far a reader gets that takes what stands here for the rest of a duration; messages show that much."""
    unit = re.compile("[smhdwy]s?").match(text, position)
    while unit:
        position = unit.end()
        digits = re.compile("[0-9]+").match(text, position)
        if digits is None:
            return min(position + 1, len(text))
        position = digits.end()
        unit = re.compile("[smhdw]s?").match(text, position)
    return position


def _check_escape(text: str, position: int, delimiter: str) -> tuple[int, str]:
    """The offset behind an escape sequence whose backslash was read, and what is wrong with it, if anything."""
    char = text[position : position + 1]
    if char and char in "abfnrtv\\" + delimiter:
        return position + 1, ""
    if not char:
        return position, "escape sequence not terminated"
    if char in "01234567":
        width, base, limit = 3, 8, 255
    elif char in "xuU":
        width, base, limit = {"x": (2, 16, 255), "u": (4, 16, 0x10FFFF), "U": (8, 16, 0x10FFFF)}[char]
        position += 1
    else:
        return position, f"unknown escape sequence {_unicode_name(char)}"
    value = 0
    for digit in text[position : position + width].ljust(width, "\0"):
        number = "0123456789abcdef".find(digit.lower())
        if digit == "\0":
            return position, "escape sequence not terminated"
        if number < 0 or number >= base:
            return position, f"illegal character {_unicode_name(digit)} in escape sequence"
        value = value * base + number
    if value > limit or 0xD800 <= value < 0xE000:
        return position, "escape sequence is an invalid Unicode code point"
    return position + width, ""


def _unicode_name(char: str) -> str:
    name = f"U+{ord(char):04X}"
    return f"{name} '{char}'" if char.isprintable() else name


def _scan_number(text: str, start: int) -> int:
    """The offset behind a number that starts here, or minus the offset where it ceased to be one."""
    position = start
    digits = "0123456789"
    if text[position : position + 1] == "0":
        position += 1
        if text[position : position + 1] in {"x", "X"}:
            position += 2 if text[position + 1 : position + 2] == "_" else 1
            digits = "0123456789abcdefABCDEF"
    if text[position : position + 1] == ".":
        position += 1
    if text[position : position + 1] and text[position] in digits:
        position += 1
    dot = exponent = False
    while position < len(text):
        char = text[position]
        following = text[position + 1 : position + 2]
        if char in digits:
            position += 1
        elif char == ".":
            if dot or following in {"_", "."} or len(digits) > 10:
                return -(position + 1)
            dot = True
            position += 1
        elif char in "eE":
            if exponent:
                return -(position + 1)
            exponent = True
            position += 2 if following in {"+", "-"} else 1
            if position >= len(text) or text[position] in "._eE":
                return -min(position + 1, len(text))
        elif char == "_":
            if not following or following in "._eE":
                return -min(position + 2, len(text))
            position += 1
        else:
            break
    if position < len(text) and (text[position].isascii() and (text[position].isalnum() or text[position] == "_")):
        return -position
    return position
