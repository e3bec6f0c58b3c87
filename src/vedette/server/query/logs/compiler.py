"""A log query to a SQL condition: the one place where Lucene's syntax gets its meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from luqum.tree import (
    AndOperation,
    BaseGroup,
    From,
    Item,
    Not,
    OpenRange,
    OrOperation,
    Phrase,
    Plus,
    Prohibit,
    Range,
    Regex,
    SearchField,
    UnknownOperation,
    Word,
)

from vedette.errors import InvalidInput
from vedette.server.query.logs.conditions import EVERY_LINE, Binder, Condition, Operator
from vedette.server.query.logs.fields import Body, Field, field_named
from vedette.server.query.logs.literals import number_of, parse_word, unescape
from vedette.server.query.logs.syntax import MAX_DEPTH, parse_query

__all__ = ["compile_query"]

_EXISTS: Final = "_exists_"
_UNBOUNDED: Final = "*"
_REGEX_SLASH: Final = re.compile(r"\\/")


def compile_query(text: str) -> Condition:
    """Compiles a query; an empty one matches every line.

    Raises:
        InvalidInput: the text is no query, or asks something that its field cannot answer; `position` points at it.
    """
    if not text.strip():
        return Condition(EVERY_LINE, {})
    compiler = _Compiler()
    sql = compiler.expression(parse_query(text), Body(), depth=0)
    return Condition(sql, compiler.binder.params, tuple(compiler.binder.patterns))


@dataclass(slots=True)
class _Compiler:
    binder: Binder = field(default_factory=Binder)

    def expression(self, item: Item, target: Field, depth: int) -> str:  # noqa: PLR0911 - one for each kind of node
        """The condition of one node; `target` is the field that bare terms are asked of."""
        # A chain such as NOT NOT NOT … or a:b:c:… nests without parentheses; the tree is at most twice as deep.
        if depth > 3 * MAX_DEPTH:
            raise InvalidInput("The query is nested too deeply.", position=item.pos)
        match item:
            case AndOperation() | UnknownOperation():
                return self._joined(" AND ", item, target, depth)
            case OrOperation():
                return self._joined(" OR ", item, target, depth)
            case Not() | Prohibit():
                return f"NOT ({self.expression(item.a, target, depth + 1)})"
            case Plus():
                # Every term is required already.
                return self.expression(item.a, target, depth + 1)
            case BaseGroup():
                return self.expression(item.expr, target, depth + 1)
            case SearchField():
                return self._search_field(item, target, depth)
            case _:
                return self._term(item, target)

    def _joined(self, operator: str, item: Item, target: Field, depth: int) -> str:
        operands = [self.expression(operand, target, depth + 1) for operand in item.operands]
        return "(" + operator.join(operands) + ")"

    def _search_field(self, item: SearchField, target: Field, depth: int) -> str:
        if not isinstance(target, Body):
            raise InvalidInput(
                f"{item.name[:40]!r} stands inside another field's value; put a value with a colon in quotation marks.",
                position=item.pos,
            )
        inner = item.expr
        if item.name == _EXISTS:
            if not isinstance(inner, Word | Phrase):
                raise InvalidInput("_exists_ takes one field name: _exists_:http.route.", position=inner.pos)
            return field_named(_text(inner), self.binder).exists(self.binder)
        if item.name == _UNBOUNDED:
            if isinstance(inner, Word) and inner.value == _UNBOUNDED:
                return EVERY_LINE
            raise InvalidInput("A field's name takes no wildcard; name one field.", position=item.pos)
        name = parse_word(item.name).literal
        if name is None:
            raise InvalidInput("A field's name takes no wildcard; name one field.", position=item.pos)
        found = field_named(name, self.binder)
        # field:-5 is the number: nobody excludes a value this way, as -field:5 does.
        if isinstance(inner, Prohibit) and isinstance(inner.a, Word) and number_of(inner.a.value) is not None:
            return found.equals(f"-{inner.a.value}", self.binder, inner.pos)
        return self.expression(inner, found, depth + 1)

    def _term(self, item: Item, target: Field) -> str:
        match item:
            case Word():
                return target.matches(parse_word(item.value), self.binder, item.pos)
            case Phrase():
                return target.equals(_text(item), self.binder, item.pos)
            case Regex():
                # The slash is escaped for Lucene's sake only.
                expression = _REGEX_SLASH.sub("/", item.value[1:-1])
                return target.matches_regex(expression, self.binder, item.pos)
            case OpenRange():
                above = isinstance(item, From)
                return self._compared(target, item.a, above=above, inclusive=item.include)
            case Range():
                return self._range(item, target)
            case _:
                raise InvalidInput(f"{item!s:.40} is not understood here.", position=item.pos)

    def _range(self, item: Range, target: Field) -> str:
        bounds = [
            self._compared(target, bound, above=above, inclusive=inclusive)
            for bound, above, inclusive in (
                (item.low, True, item.include_low),
                (item.high, False, item.include_high),
            )
            if not (isinstance(bound, Word) and bound.value == _UNBOUNDED)
        ]
        if not bounds:
            return target.exists(self.binder)
        return f"({' AND '.join(bounds)})"

    def _compared(self, target: Field, bound: Item, *, above: bool, inclusive: bool) -> str:
        operator: Operator = (">=" if inclusive else ">") if above else ("<=" if inclusive else "<")
        if isinstance(bound, Prohibit):
            return target.compares(operator, f"-{_text(bound.a)}", self.binder, bound.pos)
        return target.compares(operator, _text(bound), self.binder, bound.pos)


def _text(item: Item) -> str:
    """What a word or phrase says, without quotation marks and backslashes."""
    value = item.value[1:-1] if isinstance(item, Phrase) else item.value
    return unescape(value)
