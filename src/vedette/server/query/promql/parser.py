"""From text to tree, by recursive descent, with Prometheus' precedences and messages."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from vedette.server.query.promql import lexer as lex
from vedette.server.query.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Cardinality,
    Matching,
    MatrixSelector,
    Node,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)
from vedette.server.query.promql.functions import FUNCTIONS
from vedette.server.query.promql.gotext import format_float, is_utf8_label, quote
from vedette.server.query.promql.labels import METRIC_NAME, InvalidRegex, Matcher, known_matcher
from vedette.server.query.promql.parser_base import (
    AGGREGATION,
    POW,
    PRECEDENCE,
    TOO_DEEP,
    DurationParser,
    milliseconds,
)
from vedette.server.query.promql.typecheck import check

_WITH_PARAMETER: Final = frozenset({"topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"})
_MATCH_OPERATORS: Final = frozenset({"=", "!=", "=~", "!~"})
_NAME_WORDS: Final = (
    lex.AGGREGATORS
    | lex.PREPROCESSORS
    | {"and", "or", "unless", "by", "without", "offset", "anchored", "smoothed"}
    | {lex.IDENTIFIER, lex.METRIC_IDENTIFIER}
)
_LABEL_WORDS: Final = _NAME_WORDS | {"bool", "group_left", "group_right", "ignoring", "on", "atan2"}
_MAX_DEPTH: Final = 200


def parse(text: str) -> Node:
    """Parse an expression.

    Raises:
        ParseError: with Prometheus' message, the place in front.
    """
    parser = _Parser(text)
    if parser.peek().kind == lex.EOF:
        parser.fail(0, 0, "no expression found in input")
    try:
        node = parser.expression(0)
        if parser.peek().kind != lex.EOF:
            parser.unexpected()
        check(node, parser.fail, text)
    except RecursionError:
        parser.fail(0, len(text), TOO_DEEP)
    return node


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """Parse one selector without range and modifiers, as the ``match[]`` parameters take it.

    Raises:
        ParseError: with Prometheus' message, the place in front.
    """
    parser = _Parser(text)
    token = parser.peek()
    if token.kind in _NAME_WORDS:
        selector = parser.named_selector(parser.advance())
    elif token.kind == "{":
        selector = parser.braces()
    else:
        parser.unexpected()
    if parser.peek().kind != lex.EOF:
        parser.unexpected()
    return selector.matchers


class _Parser(DurationParser):
    """The grammar of expressions. A method reads its part and leaves the token behind it unread."""

    def expression(self, minimum: int) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            token = self.peek()
            self.fail(token.start, token.end, TOO_DEEP)
        left = self._unary()
        while True:
            token = self.peek()
            level = PRECEDENCE.get(token.kind, -1)
            if level < minimum:
                break
            self.advance()
            return_bool, matching = self._modifiers()
            right = self.expression(level if token.kind == "^" else level + 1)
            left = BinaryExpr(
                start=left.start,
                end=right.end,
                op=token.kind,
                lhs=left,
                rhs=right,
                matching=matching,
                return_bool=return_bool,
            )
        self.depth -= 1
        return left

    def _unary(self) -> Node:
        token = self.peek()
        if token.kind not in {"+", "-"}:
            return self._postfix(self._primary())
        self.advance()
        operand = self.expression(POW)
        if isinstance(operand, NumberLiteral):
            value = -operand.value if token.kind == "-" else operand.value
            return replace(operand, value=value, start=token.start)
        return UnaryExpr(start=token.start, end=operand.end, op=token.kind, expr=operand)

    def _primary(self) -> Node:
        token = self.peek()
        if token.kind in {lex.NUMBER, lex.DURATION}:
            return self.number_literal()
        if token.kind == lex.STRING:
            self.advance()
            return StringLiteral(start=token.start, end=token.end, value=self.unquote(token))
        if token.kind == "(":
            self.advance()
            inner = self.expression(0)
            closing = self.expect(")")
            return ParenExpr(start=token.start, end=closing.end, expr=inner)
        if token.kind == "{":
            return self.braces()
        if token.kind not in _NAME_WORDS:
            self.unexpected()
        self.advance()
        following = self.peek().kind
        if following == "(" and (token.kind == lex.IDENTIFIER or token.kind in lex.PREPROCESSORS):
            return self._call(token)
        if token.kind in lex.AGGREGATORS and following in {"(", "by", "without"}:
            return self._aggregation(token)
        return self.named_selector(token)

    def _postfix(self, node: Node) -> Node:
        while True:
            kind = self.peek().kind
            if kind == "[":
                node = self._brackets(node)
            elif kind == "offset":
                self.advance()
                node = self._offset(node)
            elif kind == "@":
                self.advance()
                node = self._at(node)
            elif kind in {"anchored", "smoothed"}:
                node = self._extend(node, self.advance())
            else:
                return node

    def named_selector(self, name: lex.Token) -> VectorSelector:
        matchers: tuple[Matcher, ...] = ()
        end = name.end
        if self.peek().kind == "{":
            braces = self.braces()
            matchers, end = braces.matchers, braces.end
        matchers += (known_matcher(METRIC_NAME, "=", name.text),)
        return VectorSelector(start=name.start, end=end, name=name.text, matchers=matchers)

    def braces(self) -> VectorSelector:
        opening = self.advance()
        matchers: list[Matcher] = []
        while self.peek().kind != "}":
            matchers.append(self._matcher())
            if self.peek().kind == ",":
                self.advance()
            elif self.peek().kind != "}":
                self.unexpected("label matching", '"," or "}"')
        closing = self.advance()
        return VectorSelector(start=opening.start, end=closing.end, matchers=tuple(matchers))

    def _matcher(self) -> Matcher:
        label = self.peek()
        if label.kind == lex.STRING:
            self.advance()
            name = self.unquote(label)
            if self.peek().kind not in _MATCH_OPERATORS:
                return known_matcher(METRIC_NAME, "=", name)
        elif label.kind == lex.IDENTIFIER:
            self.advance()
            name = label.text
            if self.peek().kind not in _MATCH_OPERATORS:
                self.unexpected("label matching", "label matching operator")
        else:
            self.unexpected("label matching", 'identifier or "}"')
        operator = self.advance()
        value = self.peek()
        if value.kind != lex.STRING:
            self.unexpected("label matching", "string")
        self.advance()
        try:
            return known_matcher(name, operator.kind, self.unquote(value))
        except InvalidRegex as error:
            self.fail(label.start, value.end, str(error))

    def _arguments(self) -> tuple[list[Node], lex.Token]:
        self.expect("(")
        args: list[Node] = []
        if self.peek().kind != ")":
            args.append(self.expression(0))
            while self.peek().kind == ",":
                comma = self.advance()
                if self.peek().kind in {")", ",", lex.EOF}:
                    self.fail(comma.start, comma.end, "trailing commas not allowed in function call args")
                args.append(self.expression(0))
        return args, self.expect(")")

    def _call(self, name: lex.Token) -> Call:
        args, closing = self._arguments()
        function = FUNCTIONS.get(name.text)
        if function is None:
            self.fail(name.start, name.end, f"unknown function with name {quote(name.text)}")
        return Call(start=name.start, end=closing.end, function=function, args=args)

    def _aggregation(self, operator: lex.Token) -> AggregateExpr:
        self.contexts.append(AGGREGATION)
        grouping, without = self._aggregate_modifier() or ((), False)
        prefixed = bool(grouping) or without or self.previous == ")"
        args, closing = self._arguments()
        self.contexts.pop()
        end = closing.end
        if not prefixed and self.peek().kind in {"by", "without"}:
            grouping, without = self._aggregate_modifier() or ((), False)
            end = self.previous_end
        if not args:
            self.fail(operator.start, end, "no arguments for aggregate expression provided")
        wanted = 2 if operator.kind in _WITH_PARAMETER else 1
        if len(args) != wanted:
            self.fail(
                operator.start,
                end,
                f"wrong number of arguments for aggregate expression provided, expected {wanted}, got {len(args)}",
            )
        return AggregateExpr(
            start=operator.start,
            end=end,
            op=operator.kind,
            expr=args[-1],
            param=args[0] if wanted == 2 else None,
            grouping=grouping,
            without=without,
        )

    def _aggregate_modifier(self) -> tuple[tuple[str, ...], bool] | None:
        if self.peek().kind not in {"by", "without"}:
            return None
        keyword = self.advance()
        return self._labels(), keyword.kind == "without"

    def _labels(self) -> tuple[str, ...]:
        if self.peek().kind != "(":
            self.unexpected("grouping opts", '"("')
        self.advance()
        names: list[str] = []
        while self.peek().kind != ")":
            token = self.peek()
            if token.kind == lex.STRING:
                name = self.unquote(token)
            elif token.kind in _LABEL_WORDS:
                name = token.text
            else:
                self.unexpected("grouping opts", "label")
            self.advance()
            if not is_utf8_label(name):
                self.fail(token.start, token.end, f"invalid label name for grouping: {quote(name)}")
            names.append(name)
            if self.peek().kind == ",":
                self.advance()
            elif self.peek().kind != ")":
                self.unexpected("grouping opts", '"," or ")"')
        self.advance()
        return tuple(names)

    def _modifiers(self) -> tuple[bool, Matching]:
        matching = Matching()
        return_bool = self.peek().kind == "bool"
        if return_bool:
            self.advance()
        if self.peek().kind in {"on", "ignoring"}:
            matching.on = self.advance().kind == "on"
            matching.labels = self._labels()
            if self.peek().kind in {"group_left", "group_right"}:
                left = self.advance().kind == "group_left"
                matching.card = Cardinality.MANY_TO_ONE if left else Cardinality.ONE_TO_MANY
                if self.peek().kind == "(":
                    matching.include = self._labels()
        if self.peek().kind == "fill":
            self.advance()
            matching.fill_left = matching.fill_right = self._fill_value()
            return return_bool, matching
        while self.peek().kind in {"fill_left", "fill_right"}:
            side = self.peek()
            if getattr(matching, side.kind) is not None:
                self.unexpected()
            self.advance()
            setattr(matching, side.kind, self._fill_value())
        return return_bool, matching

    def _fill_value(self) -> float:
        self.expect("(")
        sign = self.advance().kind if self.peek().kind in {"+", "-"} else "+"
        if self.peek().kind not in {lex.NUMBER, lex.DURATION}:
            self.unexpected()
        value = self.number_literal().value
        self.expect(")")
        return -value if sign == "-" else value

    def _brackets(self, node: Node) -> Node:
        opening = self.advance()
        context = ("subquery or range selector", "number, duration, step(), or range()")
        span = self.positive_duration(context)
        range_ms, range_expr = milliseconds(span)
        if self.peek().kind == ":":
            self.advance()
            step_ms, step_expr = 0, None
            if self.peek().kind != "]":
                context = ("subquery selector", 'number, duration, step(), range(), or "]"')
                step_ms, step_expr = milliseconds(self.positive_duration(context))
                if self.peek().kind != "]":
                    self.unexpected("subquery selector", '"]"')
            return SubqueryExpr(
                start=node.start,
                end=self.advance().end,
                expr=node,
                range_ms=range_ms,
                range_expr=range_expr,
                step_ms=step_ms,
                step_expr=step_expr,
            )
        if self.peek().kind != "]":
            self.unexpected("subquery or range", '":" or "]"')
        closing = self.advance()
        if not isinstance(node, VectorSelector):
            self.fail(opening.start, closing.end, "ranges only allowed for vector selectors")
        if node.offset_ms or node.offset_expr:
            self.fail(opening.start, closing.end, "no offset modifiers allowed before range")
        if node.at_ms is not None or node.at_bound:
            self.fail(opening.start, closing.end, "no @ modifiers allowed before range")
        return MatrixSelector(
            start=node.start, end=closing.end, selector=node, range_ms=range_ms, range_expr=range_expr
        )

    def _modified(self, node: Node, modifier: str) -> VectorSelector | SubqueryExpr:
        """The node that keeps the modifiers of `node`."""
        if isinstance(node, MatrixSelector):
            return node.selector
        if isinstance(node, VectorSelector | SubqueryExpr):
            return node
        self.fail(
            node.start,
            node.end,
            f"{modifier} modifier must be preceded by an instant vector selector or range vector selector"
            " or a subquery",
        )

    def _offset(self, node: Node) -> Node:
        offset_ms, offset_expr = milliseconds(self.offset_duration())
        target = self._modified(node, "offset")
        if target.offset_ms or target.offset_expr is not None:
            self.fail(node.start, node.end, "offset may not be set multiple times")
        target.offset_ms, target.offset_expr = offset_ms, offset_expr
        node.end = self.previous_end
        return node

    def _at(self, node: Node) -> Node:
        token = self.peek()
        at_ms, bound = None, ""
        if token.kind in {"start", "end"}:
            self.advance()
            bound = token.kind
            if self.peek().kind != "(":
                self.unexpected("@", "timestamp")
            self.advance()
            if self.peek().kind != ")":
                self.unexpected("@", "timestamp")
            self.advance()
        else:
            sign = self.advance().kind if token.kind in {"+", "-"} else "+"
            if self.peek().kind not in {lex.NUMBER, lex.DURATION}:
                self.unexpected("@", "timestamp")
            seconds = self.number_literal().value * (-1 if sign == "-" else 1)
            if not math.isfinite(seconds) or abs(seconds) >= 2**63:
                shown = f"{seconds:f}" if math.isfinite(seconds) else format_float(seconds)
                self.fail(node.start, node.end, f"timestamp out of bounds for @ modifier: {shown}")
            at_ms = math.floor(abs(seconds) * 1000 + 0.5) * (-1 if seconds < 0 else 1)
        target = self._modified(node, "@")
        if target.at_ms is not None or target.at_bound:
            self.fail(node.start, node.end, "@ <timestamp> may not be set multiple times")
        target.at_ms, target.at_bound = at_ms, bound
        node.end = self.previous_end
        return node

    def _extend(self, node: Node, keyword: lex.Token) -> Node:
        if isinstance(node, SubqueryExpr):
            self.fail(node.start, node.end, f"{keyword.kind} modifier is not supported for subqueries")
        selector = node.selector if isinstance(node, MatrixSelector) else node
        if not isinstance(selector, VectorSelector):
            self.fail(node.start, node.end, f"{keyword.kind} modifier not implemented")
        setattr(selector, keyword.kind, True)
        if selector.anchored and selector.smoothed:
            self.fail(node.start, node.end, "anchored and smoothed modifiers cannot be used together")
        return node
