"""What the grammar cannot say: the types of operands, arguments and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from vedette.server.query.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Cardinality,
    MatrixSelector,
    Node,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    ValueType,
    VectorSelector,
)
from vedette.server.query.promql.gotext import quote
from vedette.server.query.promql.labels import METRIC_NAME

COMPARISONS: Final = frozenset({"==", "!=", "<=", "<", ">=", ">"})
SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
_SCALAR_PARAMETER: Final = frozenset({"topk", "bottomk", "quantile", "limitk", "limit_ratio"})
_OPERANDS: Final = frozenset({ValueType.SCALAR, ValueType.VECTOR})

Fail = Callable[[int, int, str], NoReturn]


def check(node: Node, fail: Fail, text: str) -> ValueType:
    """Check `node` and all below it, and settle the matching of its binary operators.

    `fail` is called with start, end and message of the first error.
    """
    match node:
        case AggregateExpr():
            _check_aggregation(node, fail, text)
        case BinaryExpr():
            _check_binary(node, fail, text)
        case Call():
            _check_call(node, fail, text)
        case ParenExpr():
            check(node.expr, fail, text)
        case UnaryExpr():
            found = check(node.expr, fail, text)
            if found not in _OPERANDS:
                fail(
                    node.start,
                    node.end,
                    "unary expression only allowed on expressions of type scalar or instant vector, "
                    f"got {quote(found.documented)}",
                )
        case SubqueryExpr():
            found = check(node.expr, fail, text)
            if found is not ValueType.VECTOR:
                fail(node.start, node.end, f"subquery is only allowed on instant vector, got {found.value} instead")
        case MatrixSelector():
            check(node.selector, fail, text)
        case VectorSelector():
            _check_selector(node, fail)
        case _:
            pass
    return node.type


def _expect(node: Node, wanted: ValueType, context: str, fail: Fail, text: str) -> None:
    found = check(node, fail, text)
    if found is not wanted:
        fail(node.start, node.end, f"expected type {wanted.documented} in {context}, got {found.documented}")


def _check_aggregation(node: AggregateExpr, fail: Fail, text: str) -> None:
    _expect(node.expr, ValueType.VECTOR, "aggregation expression", fail, text)
    if node.param is not None:
        wanted = ValueType.SCALAR if node.op in _SCALAR_PARAMETER else ValueType.STRING
        _expect(node.param, wanted, "aggregation parameter", fail, text)


def _check_binary(node: BinaryExpr, fail: Fail, text: str) -> None:
    left, right = check(node.lhs, fail, text), check(node.rhs, fail, text)
    matching = node.matching
    operator = _operator_range(node, text)
    both_scalars = left is ValueType.SCALAR and right is ValueType.SCALAR
    if node.return_bool and node.op not in COMPARISONS:
        fail(*operator, "bool modifier can only be used on comparison operators")
    if node.op in COMPARISONS and not node.return_bool and both_scalars:
        fail(*operator, "comparisons between scalars must use BOOL modifier")
    if matching is None:
        return
    is_set = node.op in SET_OPERATORS
    if is_set and matching.card is Cardinality.ONE_TO_ONE:
        matching.card = Cardinality.MANY_TO_MANY
    if matching.on:
        for label in matching.labels:
            if label in matching.include:
                fail(*operator, f"label {quote(label)} must not occur in ON and GROUP clause at once")
    for side, found in ((node.lhs, left), (node.rhs, right)):
        if found not in _OPERANDS:
            fail(side.start, side.end, "binary expression must contain only scalar and instant vector types")
    filled = matching.fill_left is not None or matching.fill_right is not None
    if left is not ValueType.VECTOR or right is not ValueType.VECTOR:
        if matching.labels:
            fail(node.start, node.end, "vector matching only allowed between instant vectors")
        if filled:
            fail(node.start, node.end, "filling in missing series only allowed between instant vectors")
        node.matching = None
        if is_set:
            fail(node.start, node.end, f"set operator {quote(node.op)} not allowed in binary scalar expression")
    elif is_set:
        if matching.card is not Cardinality.MANY_TO_MANY:
            fail(node.start, node.end, f"no grouping allowed for {quote(node.op)} operation")
        if filled:
            fail(node.start, node.end, "filling in missing series not allowed for set operators")


def _operator_range(node: BinaryExpr, text: str) -> tuple[int, int]:
    start, end = node.lhs.end, node.rhs.start - 1
    while start < len(text) and text[start].isspace():
        start += 1
    while end > start and text[end].isspace():
        end -= 1
    return start, end


def _check_call(node: Call, fail: Fail, text: str) -> None:
    function, args = node.function, node.args
    name = quote(function.name)
    wanted = len(function.args)
    if function.variadic == 0:
        if wanted != len(args):
            fail(node.start, node.end, f"expected {wanted} argument(s) in call to {name}, got {len(args)}")
    elif wanted - 1 > len(args):
        fail(node.start, node.end, f"expected at least {wanted - 1} argument(s) in call to {name}, got {len(args)}")
    elif function.variadic > 0 and wanted - 1 + function.variadic < len(args):
        most = wanted - 1 + function.variadic
        fail(node.start, node.end, f"expected at most {most} argument(s) in call to {name}, got {len(args)}")
    if function.name == "info" and len(args) > 1:
        _check_info_labels(args[1], fail)
    for index, arg in enumerate(args):
        expected = function.args[min(index, wanted - 1)]
        _expect(arg, expected, f"call to function {name}", fail, text)


def _check_info_labels(selector: Node, fail: Fail) -> None:
    if not isinstance(selector, VectorSelector):
        fail(selector.start, selector.end, "expected label selectors only")
    if selector.name:
        fail(selector.start, selector.end, "expected label selectors only, got vector selector instead")
    selector.may_match_everything = True


def _check_selector(node: VectorSelector, fail: Fail) -> None:
    if node.name:
        for matcher in node.matchers[:-1]:
            if matcher.name == METRIC_NAME:
                names = f"{quote(node.name)} or {quote(matcher.value)}"
                fail(node.start, node.end, f"metric name must not be set twice: {names}")
    elif not node.may_match_everything and all(matcher.matches("") for matcher in node.matchers):
        fail(node.start, node.end, "vector selector must contain at least one non-empty matcher")
