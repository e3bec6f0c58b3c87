"""What the grammar of expressions stands on: the tokens one at a time, the messages, and durations."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

from vedette.server.query.promql import lexer as lex
from vedette.server.query.promql.ast import Duration, DurationExpr, NumberLiteral
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.gotext import MAX_DURATION_SECONDS, parse_duration, parse_number, unquote
from vedette.server.query.promql.plain_tokens import plain_tokens

PRECEDENCE: Final = {
    "or": 0,
    "and": 1,
    "unless": 1,
    **dict.fromkeys(("==", ">=", ">", "<", "<=", "!=", "</", ">/"), 2),
    "+": 3,
    "-": 3,
    **dict.fromkeys(("*", "/", "%", "atan2"), 4),
    "^": 5,
}
POW: Final = 5
AGGREGATION: Final = ("aggregation", "")
TOO_DEEP: Final = "expression is nested too deeply"
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "^"})


def position_of(text: str, offset: int) -> str:
    """`line:column` of an offset; lines and columns count from 1, columns in bytes of UTF-8."""
    if not text:
        return "unknown position"
    before = text[:offset]
    if before.isascii() and "\n" not in before:
        return f"1:{len(before) + 1}"
    line_start = before.rfind("\n") + 1
    column = len(before[line_start:].encode("utf-8", "surrogateescape")) + 1
    return f"{before.count(chr(10)) + 1}:{column}"


def milliseconds(duration: Duration) -> tuple[int, DurationExpr | None]:
    """A literal's milliseconds; or 0 and the expression to be computed when the query's step is known."""
    if isinstance(duration, DurationExpr):
        return 0, duration
    return int(round(duration.value * 1e9) / 1_000_000), None


class DurationParser:
    """Reads tokens with one token of lookahead, fetched only when it is asked for, so that errors keep their order."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.contexts: list[tuple[str, str]] = []
        self.previous = ""
        self.previous_end = 0
        plain = plain_tokens(text)
        self._next = lex.Lexer(text).next if plain is None else iter(plain).__next__
        self._ahead: lex.Token | None = None

    def peek(self) -> lex.Token:
        """The token that comes next."""
        if self._ahead is None:
            self._ahead = token = self._next()
            if token.kind == lex.ERROR:
                self.fail(token.start, token.end, token.text)
            return token
        return self._ahead

    def advance(self) -> lex.Token:
        """Take the token that comes next."""
        token = self.peek()
        self._ahead = None
        self.previous, self.previous_end = token.kind, token.end
        return token

    def expect(self, kind: str) -> lex.Token:
        """Take the token that comes next, which must be of this kind."""
        if self.peek().kind != kind:
            self.unexpected()
        return self.advance()

    def fail(self, start: int, end: int, message: str) -> NoReturn:
        """Refuse the text because of what stands from `start` to `end`."""
        raise ParseError(f"{position_of(self.text, start)}: parse error: {message}", position=start, end=end)

    def unexpected(self, context: str = "", expected: str = "") -> NoReturn:
        """Refuse the token that comes next, inside `context` (by default the innermost that is open)."""
        token = self.peek()
        if not context and self.contexts:
            context, expected = self.contexts[-1]
        message = f"unexpected {token.describe()}"
        if context:
            message += f" in {context}"
        if expected:
            message += f", expected {expected}"
        self.fail(token.start, token.end, message)

    def unquote(self, token: lex.Token) -> str:
        """The text of a string token."""
        return unquote(token.text)

    def number_literal(self) -> NumberLiteral:
        """Take a number or a duration."""
        token = self.advance()
        try:
            if token.kind == lex.DURATION:
                seconds = parse_duration(token.text) / 1000
                return NumberLiteral(start=token.start, end=token.end, value=seconds, duration=True)
            return NumberLiteral(start=token.start, end=token.end, value=parse_number(token.text))
        except ValueError as error:
            prefix = "" if token.kind == lex.DURATION else "error parsing number: "
            self.fail(token.start, token.end, f"{prefix}{error}")

    def _duration_literal(self) -> NumberLiteral:
        return self._bounded(self.number_literal())

    def _bounded(self, literal: NumberLiteral) -> NumberLiteral:
        if not abs(literal.value) <= MAX_DURATION_SECONDS:
            self.fail(literal.start, literal.end, "duration out of range")
        return literal

    def positive_duration(self, context: tuple[str, str]) -> Duration:
        """Take the duration expression of a range or a step."""
        self.contexts.append(context)
        duration = self.duration(0)
        self.contexts.pop()
        if isinstance(duration, NumberLiteral) and duration.value <= 0:
            self.fail(duration.start, duration.end, "duration must be greater than 0")
        return duration

    def duration(self, minimum: int) -> Duration:
        """Take a duration expression of operators that bind at least as tightly as `minimum`."""
        self.depth += 1
        if self.depth > 200:
            token = self.peek()
            self.fail(token.start, token.end, TOO_DEEP)
        token = self.peek()
        if token.kind in {"+", "-"}:
            self.advance()
            left = self._signed(token, self.duration(POW))
        else:
            left = self._duration_primary()
        while True:
            operator = self.peek()
            level = PRECEDENCE.get(operator.kind, -1) if operator.kind in _ARITHMETIC else -1
            if level < minimum:
                break
            self.advance()
            right = self.duration(level if operator.kind == "^" else level + 1)
            if operator.kind in {"/", "%"} and isinstance(right, NumberLiteral) and right.value == 0:
                word = "division" if operator.kind == "/" else "modulo"
                self.fail(operator.start, operator.end, f"{word} by zero")
            left = DurationExpr(start=left.start, end=right.end, op=operator.kind, lhs=left, rhs=right)
        self.depth -= 1
        return left

    def _signed(self, sign: lex.Token, operand: Duration) -> Duration:
        if isinstance(operand, NumberLiteral):
            value = -operand.value if sign.kind == "-" else operand.value
            return self._bounded(replace(operand, value=value, start=sign.start))
        if sign.kind == "+":
            return operand
        return DurationExpr(start=sign.start, end=operand.end, op="-", rhs=operand)

    def _duration_primary(self) -> Duration:
        token = self.peek()
        if token.kind in {lex.NUMBER, lex.DURATION}:
            return self._duration_literal()
        if token.kind in {"step", "range"}:
            self.advance()
            self.expect("(")
            return DurationExpr(start=token.start, end=self.expect(")").end, op=token.kind)
        if token.kind in {"min_of", "max_of"}:
            self.advance()
            self.expect("(")
            left = self.duration(0)
            self.expect(",")
            right = self.duration(0)
            return DurationExpr(start=token.start, end=self.expect(")").end, op=token.kind, lhs=left, rhs=right)
        if token.kind == "(":
            self.advance()
            inner = self.duration(0)
            closing = self.expect(")")
            if isinstance(inner, DurationExpr):
                return replace(inner, wrapped=True)
            return DurationExpr(start=token.start, end=closing.end, op="+", rhs=inner, wrapped=True)
        self.unexpected()

    def offset_duration(self) -> Duration:
        """Take what stands behind `offset`: arithmetic that follows it belongs to the expression, not to the offset."""
        self.contexts.append(("offset", "number, duration, step(), or range()"))
        token = self.peek()
        if token.kind in {"+", "-"}:
            self.advance()
            operand = self._duration_primary()
            result = self._signed(token, operand)
        elif token.kind == "(":
            result = self.duration(0)
        else:
            result = self._duration_primary()
        self.contexts.pop()
        return result
