"""Expressions that differ only in the values of labels and in thresholds share what is made of them: their shape.

Rules and dashboards ask the same of one instance after the other. The first expression of a shape is parsed, checked
and planned as any other; of the next ones only the values are read, which one regular expression finds. What is not
so plain that its values can be told by sight shares nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vedette.server.query.promql.ast import BinaryExpr, NumberLiteral, ValueType, VectorSelector
from vedette.server.query.promql.context import DEFAULT_LOOKBACK_MS
from vedette.server.query.promql.labels import InvalidRegex, known_matcher
from vedette.server.query.promql.planner import QueryTimes, parts_of
from vedette.server.query.promql.plans import Kept, plans
from vedette.server.query.promql.source import SelectRequest
from vedette.server.query.promql.typecheck import COMPARISONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vedette.server.query.promql.ast import Node
    from vedette.server.query.promql.few_series import Part
    from vedette.server.query.promql.plans import Plan

__all__ = ["Question", "questions"]

_LITERAL: Final = re.compile(
    r"""((?<=[=~])(?:"[^"\\\n\ufffd\ud800-\udfff]*"|'[^'\\\n\ufffd\ud800-\udfff]*')
    |(?:(?<=[<>=])|(?<=[<>=][ ]))(?!0[0-9])[0-9]+(?:\.[0-9]+)?(?![a-zA-Z0-9_.:]))""",
    re.VERBOSE,
)
"""The value of a matcher, and a plain number behind a comparison."""
_UNPLAIN: Final = re.compile(r"""["'`#\\]""")
"""Behind these, what looks like a value may be something else."""
_QUOTES: Final = "\"'"
_MOST_SHAPES: Final = 2048
_LONGEST_SHARED: Final = 512
_SUBQUERY_STEP_MS: Final = 60_000
"""Nothing that is computed of few series has subqueries."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What some expressions share: the plan of the first one, and where its values are."""

    part: Part
    tree: Node
    selectors: Sequence[tuple[VectorSelector, SelectRequest]]
    """In the order of the text, with what they need of a query at 0."""
    numbers: Sequence[int]
    """The `id()` of each literal that is a threshold, in the order of the text."""
    spans: Sequence[tuple[int, int]]
    """Where the first expression has its values."""


@dataclass(frozen=True, slots=True)
class Question:
    """An expression that is computed of few series.

    `requests` are those of a query at 0, and `places` theirs (see `Requests`); `numbers` are the thresholds, by the
    `id()` of the literal in the tree that each stands for.
    """

    part: Part
    requests: Sequence[SelectRequest]
    places: dict[int, int]
    numbers: Mapping[int, float]
    shape: _Shape | None = None
    literals: Sequence[str] = ()

    def place(self, offset: int) -> int:
        """Where in this expression stands what the tree has at an offset."""
        if self.shape is None:
            return offset
        found = offset
        for mine, (start, end) in zip(self.literals, self.shape.spans, strict=True):
            if end > offset:
                break
            found += len(mine) - (end - start)
        return found


def _make_question(text: str) -> Question | None:
    """The question that an expression asks, None where it cannot be computed of few series.

    Raises:
        ParseError: the text is no expression.
    """
    pieces = _LITERAL.split(text) if len(text) <= _LONGEST_SHARED else [text]
    around, literals = pieces[::2], pieces[1::2]
    if not literals or _UNPLAIN.search("".join(around)):
        return _own(plans[text])
    key = (*around, *(one[0] in _QUOTES for one in literals))
    if key not in _shapes:
        shape = _make_shape(plans[text], text)
        if len(_shapes) >= _MOST_SHAPES:
            _shapes.clear()
        _shapes[key] = shape
    shape = _shapes[key]
    return _own(plans[text]) if shape is None else _bound(shape, literals, text)


questions = Kept(_make_question)
_shapes: dict[tuple[str | bool, ...], _Shape | None] = {}
"""By what stands around the values, and which of these are texts."""


def _own(plan: Plan) -> Question | None:
    """The question of an expression that shares nothing."""
    if plan.part is None or plan.tree is None or not plan.is_movable:
        return None
    known = plan.requests_of(plan.tree, QueryTimes(0, 0, 0), DEFAULT_LOOKBACK_MS, _SUBQUERY_STEP_MS)
    return Question(plan.part, known.requests, known.places, {})


def _make_shape(plan: Plan, text: str) -> _Shape | None:
    """What others can share with an expression, None where its values are not what they look like."""
    own = _own(plan)
    if own is None or plan.tree is None:
        return None
    parts = parts_of(plan.tree)
    selectors = sorted((one for one in parts if isinstance(one, VectorSelector)), key=lambda one: one.start)
    # A selector without a name must not match everything, which depends on its values.
    if not all(one.name for one in selectors):
        return None
    thresholds = {
        side.start: id(side)
        for one in parts
        if isinstance(one, BinaryExpr) and one.op in COMPARISONS and one.type is ValueType.VECTOR
        for side in (one.lhs, one.rhs)
        if isinstance(side, NumberLiteral)
    }
    spans = [found.span() for found in _LITERAL.finditer(text)]
    texts = [text[start + 1 : end - 1] for start, end in spans if text[start] in _QUOTES]
    numbers = [thresholds.get(start) for start, _ in spans if text[start] not in _QUOTES]
    values = [matcher.value for one in selectors for matcher in one.matchers[:-1]]
    known = [number for number in numbers if number is not None]
    if texts != values or len(known) < len(numbers):
        return None
    needed = [(one, own.requests[own.places[id(one)]]) for one in selectors]
    return _Shape(own.part, plan.tree, needed, known, spans)


def _bound(shape: _Shape, literals: Sequence[str], text: str) -> Question | None:
    """The question of a shape and some values."""
    values = iter([one[1:-1] for one in literals if one[0] in _QUOTES])
    requests: list[SelectRequest] = []
    places = {}
    for selector, needed in shape.selectors:
        *others, name = selector.matchers
        try:
            matchers = [known_matcher(one.name, one.op, next(values)) for one in others]
        except InvalidRegex:
            return _own(plans[text])  # whose parser says where
        request = SelectRequest(
            (*matchers, name),
            needed.start_ms,
            needed.end_ms,
            range_ms=needed.range_ms,
            function=needed.function,
            moment_ms=needed.moment_ms,
            extended=needed.extended,
        )
        if request not in requests:
            requests.append(request)
        places[id(selector)] = requests.index(request)
    thresholds = [float(one) for one in literals if one[0] not in _QUOTES]
    return Question(
        shape.part, requests, places, dict(zip(shape.numbers, thresholds, strict=True)), shape, tuple(literals)
    )
