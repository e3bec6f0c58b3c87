"""The tree that an expression is parsed into.

Every node knows its place in the text: `start` and `end`, offsets in characters. Durations are milliseconds.
A tree is immutable once parsed; the planner works on its own copy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.server.query.promql.functions import Function
    from vedette.server.query.promql.labels import Matcher


class ValueType(StrEnum):
    """The type of an expression's value, by Prometheus' names."""

    NONE = "none"
    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"

    @property
    def documented(self) -> str:
        """The name that the documentation and the error messages use."""
        return {"vector": "instant vector", "matrix": "range vector"}.get(self.value, self.value)


class Cardinality(StrEnum):
    """How many series of one side may match one of the other, by Prometheus' names."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(slots=True, kw_only=True)
class Node:
    """An expression."""

    start: int
    end: int

    @property
    def type(self) -> ValueType:
        """The type of the value."""
        return ValueType.VECTOR


@dataclass(slots=True, kw_only=True)
class NumberLiteral(Node):
    """A number; `duration` tells that it was written as a duration, whose seconds it is."""

    value: float
    duration: bool = False

    @property
    def type(self) -> ValueType:
        """A scalar."""
        return ValueType.SCALAR


@dataclass(slots=True, kw_only=True)
class StringLiteral(Node):
    """A string."""

    value: str

    @property
    def type(self) -> ValueType:
        """A string."""
        return ValueType.STRING


@dataclass(slots=True, kw_only=True)
class DurationExpr(Node):
    """Arithmetic over durations, in brackets or behind `offset`.

    `op` is an operator, ``step``, ``range``, ``min_of`` or ``max_of``. A sign has no `lhs`.
    """

    op: str
    lhs: NumberLiteral | DurationExpr | None = None
    rhs: NumberLiteral | DurationExpr | None = None
    wrapped: bool = False

    @property
    def type(self) -> ValueType:
        """A scalar."""
        return ValueType.SCALAR


Duration = NumberLiteral | DurationExpr


@dataclass(slots=True, kw_only=True)
class VectorSelector(Node):
    """Series chosen by matchers, at one moment.

    `matchers` has the name's own matcher last when `name` stands before the braces. `at_ms` is the time of an `@`,
    `at_bound` is ``start`` or ``end`` for ``@ start()`` and ``@ end()``. The planner sets `statistics_only` where
    nothing but counts and sums of histograms is asked for.
    """

    name: str = ""
    matchers: tuple[Matcher, ...] = ()
    offset_ms: int = 0
    offset_expr: DurationExpr | None = None
    at_ms: int | None = None
    at_bound: str = ""
    anchored: bool = False
    smoothed: bool = False
    may_match_everything: bool = False
    statistics_only: bool = False


@dataclass(slots=True, kw_only=True)
class MatrixSelector(Node):
    """The samples of a selector over a range of time."""

    selector: VectorSelector
    range_ms: int = 0
    range_expr: DurationExpr | None = None

    @property
    def type(self) -> ValueType:
        """A range vector."""
        return ValueType.MATRIX


@dataclass(slots=True, kw_only=True)
class SubqueryExpr(Node):
    """An expression evaluated over a range of time; `step_ms` is 0 for the default step."""

    expr: Node
    range_ms: int = 0
    range_expr: DurationExpr | None = None
    step_ms: int = 0
    step_expr: DurationExpr | None = None
    offset_ms: int = 0
    offset_expr: DurationExpr | None = None
    at_ms: int | None = None
    at_bound: str = ""

    @property
    def type(self) -> ValueType:
        """A range vector."""
        return ValueType.MATRIX


@dataclass(slots=True, kw_only=True)
class ParenExpr(Node):
    """An expression in parentheses."""

    expr: Node

    @property
    def type(self) -> ValueType:
        """That of the expression."""
        return self.expr.type


@dataclass(slots=True, kw_only=True)
class UnaryExpr(Node):
    """A sign before an expression that is no number."""

    op: str
    expr: Node

    @property
    def type(self) -> ValueType:
        """That of the expression."""
        return self.expr.type


@dataclass(slots=True, kw_only=True)
class Matching:
    """How the series of two vectors are matched.

    `fill_left` and `fill_right` stand in for missing samples.
    """

    card: Cardinality = Cardinality.ONE_TO_ONE
    labels: tuple[str, ...] = ()
    on: bool = False
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(slots=True, kw_only=True)
class BinaryExpr(Node):
    """An operator between two expressions; `matching` is None unless both are vectors."""

    op: str
    lhs: Node
    rhs: Node
    matching: Matching | None = None
    return_bool: bool = False

    @property
    def type(self) -> ValueType:
        """A scalar if both sides are."""
        both = self.lhs.type is ValueType.SCALAR and self.rhs.type is ValueType.SCALAR
        return ValueType.SCALAR if both else ValueType.VECTOR


@dataclass(slots=True, kw_only=True)
class AggregateExpr(Node):
    """An aggregation; `grouping` keeps the labels in the order in which they are written."""

    op: str
    expr: Node
    param: Node | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False


@dataclass(slots=True, kw_only=True)
class Call(Node):
    """A function applied to its arguments."""

    function: Function
    args: list[Node] = field(default_factory=list)

    @property
    def type(self) -> ValueType:
        """What the function returns."""
        return self.function.returns


@dataclass(slots=True, kw_only=True)
class StepInvariant(Node):
    """A part whose value does not depend on the step, so that it is evaluated once (the planner puts it in)."""

    expr: Node

    @property
    def type(self) -> ValueType:
        """That of the expression."""
        return self.expr.type
