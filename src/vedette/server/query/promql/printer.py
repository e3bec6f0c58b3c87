"""From tree to text: one line as Prometheus prints it, many lines for people, and Prometheus' JSON of the tree."""

from __future__ import annotations

from typing import Any, Final

from vedette.server.query.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Cardinality,
    Duration,
    DurationExpr,
    Matching,
    MatrixSelector,
    Node,
    NumberLiteral,
    ParenExpr,
    StepInvariant,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)
from vedette.server.query.promql.gotext import (
    format_duration,
    format_float,
    format_general,
    is_legacy_label,
    quote,
)
from vedette.server.query.promql.labels import METRIC_NAME, Matcher

_LINE_WIDTH: Final = 100


def print_expr(node: Node) -> str:
    """The expression on one line, as Prometheus prints it; it parses back into an equal tree."""
    match node:
        case NumberLiteral():
            return _number(node)
        case StringLiteral():
            return quote(node.value)
        case DurationExpr():
            return _duration_expr(node)
        case VectorSelector():
            return _selector(node) + _at(node) + _extension(node) + _offset(node)
        case MatrixSelector():
            selector = node.selector
            span = _duration(node.range_ms, node.range_expr)
            return f"{_selector(selector)}[{span}]{_extension(selector)}{_at(selector)}{_offset(selector)}"
        case SubqueryExpr():
            return print_expr(node.expr) + _subquery_suffix(node)
        case ParenExpr():
            return f"({print_expr(node.expr)})"
        case UnaryExpr():
            return node.op + print_expr(node.expr)
        case BinaryExpr():
            return f"{print_expr(node.lhs)} {_operator(node)} {print_expr(node.rhs)}"
        case AggregateExpr():
            args = [node.expr] if node.param is None else [node.param, node.expr]
            return f"{_aggregation(node)}({', '.join(map(print_expr, args))})"
        case Call():
            return f"{node.function.name}({', '.join(map(print_expr, node.args))})"
        case StepInvariant():
            return print_expr(node.expr)
    raise TypeError(type(node).__name__)


def format_expr(node: Node, level: int = 0) -> str:
    """The expression on as many lines as it needs to stay within the width of a page, as Prometheus formats it."""
    indent = "  " * level
    line = print_expr(node)
    if isinstance(node, UnaryExpr):
        return indent + node.op + format_expr(node.expr, level).strip()
    splits = len(line.encode("utf-8", "surrogateescape")) > _LINE_WIDTH
    if isinstance(node, SubqueryExpr):
        return format_expr(node.expr, level) + _subquery_suffix(node) if splits else line
    if not splits:
        return indent + line
    match node:
        case BinaryExpr():
            left, right = format_expr(node.lhs, level + 1), format_expr(node.rhs, level + 1)
            return f"{left}\n{indent}{_operator(node)}\n{right}"
        case ParenExpr():
            return f"{indent}(\n{format_expr(node.expr, level + 1)}\n{indent})"
        case AggregateExpr():
            args = [node.expr] if node.param is None else [node.param, node.expr]
            inner = ",\n".join(format_expr(arg, level + 1) for arg in args)
            return f"{indent}{_aggregation(node)}(\n{inner}\n{indent})"
        case Call() if node.args:
            inner = ",\n".join(format_expr(arg, level + 1) for arg in node.args)
            return f"{indent}{node.function.name}(\n{inner}\n{indent})"
    return indent + line


def _number(node: NumberLiteral) -> str:
    if not node.duration:
        return format_float(node.value)
    sign = "-" if node.value < 0 else ""
    return sign + format_duration(int(abs(node.value) * 1e9) // 1_000_000)


def _duration_expr(node: DurationExpr) -> str:
    match node.op:
        case "step" | "range":
            text = f"{node.op}()"
        case "min_of" | "max_of":
            text = f"{node.op}({_side(node.lhs)}, {_side(node.rhs)})"
        case _ if node.lhs is None:
            text = ("-" if node.op == "-" else "") + _side(node.rhs)
        case _:
            text = f"{_side(node.lhs)} {node.op} {_side(node.rhs)}"
    return f"({text})" if node.wrapped else text


def _side(node: Duration | None) -> str:
    return "" if node is None else print_expr(node)


def _duration(span_ms: int, expr: DurationExpr | None) -> str:
    return format_duration(span_ms) if expr is None else _duration_expr(expr)


def _label(name: str) -> str:
    return name if is_legacy_label(name) else quote(name)


def _labels(names: tuple[str, ...]) -> str:
    return ", ".join(map(_label, names))


def _matcher(matcher: Matcher) -> str:
    return f"{_label(matcher.name)}{matcher.op}{quote(matcher.value)}"


def _selector(node: VectorSelector) -> str:
    shown = sorted(
        _matcher(matcher)
        for matcher in node.matchers
        if not (matcher.name == METRIC_NAME and matcher.op == "=" and matcher.value == node.name != "")
    )
    return node.name + ("{" + ",".join(shown) + "}" if shown or not node.name else "")


def _at(node: VectorSelector | SubqueryExpr) -> str:
    if node.at_ms is not None:
        return f" @ {node.at_ms / 1000:.3f}"
    return f" @ {node.at_bound}()" if node.at_bound else ""


def _extension(node: VectorSelector) -> str:
    if node.anchored:
        return " anchored"
    return " smoothed" if node.smoothed else ""


def _offset(node: VectorSelector | SubqueryExpr) -> str:
    if node.offset_expr is not None:
        return f" offset {_duration_expr(node.offset_expr)}"
    if node.offset_ms:
        return f" offset {'-' if node.offset_ms < 0 else ''}{format_duration(abs(node.offset_ms))}"
    return ""


def _subquery_suffix(node: SubqueryExpr) -> str:
    step = _duration(node.step_ms, node.step_expr) if node.step_ms or node.step_expr else ""
    return f"[{_duration(node.range_ms, node.range_expr)}:{step}]{_at(node)}{_offset(node)}"


def _aggregation(node: AggregateExpr) -> str:
    if node.without:
        return f"{node.op} without ({_labels(node.grouping)}) "
    return f"{node.op} by ({_labels(node.grouping)}) " if node.grouping else node.op


def _operator(node: BinaryExpr) -> str:
    return node.op + (" bool" if node.return_bool else "") + (_matching(node.matching) if node.matching else "")


def _matching(matching: Matching) -> str:
    grouped = matching.card in {Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY}
    text = ""
    if matching.labels or matching.on or grouped:
        text += f" {'on' if matching.on else 'ignoring'} ({_labels(matching.labels)})"
    if grouped:
        side = "left" if matching.card is Cardinality.MANY_TO_ONE else "right"
        text += f" group_{side} ({_labels(matching.include)})"
    if matching.fill_left is not None and matching.fill_left == matching.fill_right:
        return f"{text} fill ({format_general(matching.fill_left)})"
    if matching.fill_left is not None:
        text += f" fill_left ({format_general(matching.fill_left)})"
    if matching.fill_right is not None:
        text += f" fill_right ({format_general(matching.fill_right)})"
    return text


def to_tree(node: Node | None) -> dict[str, Any] | None:
    """The tree in the form that Prometheus' ``/api/v1/parse_query`` answers with."""
    match node:
        case None:
            return None
        case NumberLiteral():
            return {"type": "numberLiteral", "val": format_float(node.value)}
        case StringLiteral():
            return {"type": "stringLiteral", "val": node.value}
        case ParenExpr():
            return {"type": "parenExpr", "expr": to_tree(node.expr)}
        case UnaryExpr():
            return {"type": "unaryExpr", "op": node.op, "expr": to_tree(node.expr)}
        case StepInvariant():
            return to_tree(node.expr)
        case VectorSelector():
            return {"type": "vectorSelector"} | _selector_tree(node)
        case MatrixSelector():
            return {"type": "matrixSelector", "range": node.range_ms} | _selector_tree(node.selector)
        case SubqueryExpr():
            return {
                "type": "subquery",
                "expr": to_tree(node.expr),
                "range": node.range_ms,
                "offset": node.offset_ms,
                "step": node.step_ms,
                "timestamp": node.at_ms,
                "startOrEnd": node.at_bound or None,
            }
        case AggregateExpr():
            return {
                "type": "aggregation",
                "op": node.op,
                "expr": to_tree(node.expr),
                "param": to_tree(node.param),
                "grouping": list(node.grouping),
                "without": node.without,
            }
        case BinaryExpr():
            return {
                "type": "binaryExpr",
                "op": node.op,
                "lhs": to_tree(node.lhs),
                "rhs": to_tree(node.rhs),
                "matching": _matching_tree(node.matching),
                "bool": node.return_bool,
            }
        case Call():
            return _call_tree(node)
    raise TypeError(type(node).__name__)


def _selector_tree(node: VectorSelector) -> dict[str, Any]:
    return {
        "name": node.name,
        "offset": node.offset_ms,
        "matchers": [{"name": one.name, "value": one.value, "type": one.op} for one in node.matchers],
        "timestamp": node.at_ms,
        "startOrEnd": node.at_bound or None,
        "anchored": node.anchored,
        "smoothed": node.smoothed,
    }


def _matching_tree(matching: Matching | None) -> dict[str, Any] | None:
    if matching is None:
        return None
    return {
        "card": matching.card.value,
        "labels": list(matching.labels),
        "on": matching.on,
        "include": list(matching.include),
        "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
    }


def _call_tree(node: Call) -> dict[str, Any]:
    function = node.function
    return {
        "type": "call",
        "func": {
            "name": function.name,
            "argTypes": [arg.value for arg in function.args],
            "variadic": function.variadic,
            "returnType": function.returns.value,
        },
        "args": [to_tree(arg) for arg in node.args],
    }
