"""What was made of expressions that were asked before: their trees, and what is known of them before the times are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from vedette.server.query.promql.ast import Call, Node, SubqueryExpr, ValueType
from vedette.server.query.promql.few_series import Part, make_part
from vedette.server.query.promql.parser import parse as parse_text
from vedette.server.query.promql.planner import (
    QueryTimes,
    Requests,
    depends_on_times,
    moves_with_times,
    parts_of,
    prepare,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kept", "Plan", "parse", "plans"]

_Text = TypeVar("_Text", bound="str | bytes")
_T = TypeVar("_T")
_MOST_FORMS: Final = 8
_LONGEST_KEPT: Final = 4096
_MOST_CHARACTERS: Final = 1 << 20


class Kept(dict[_Text, _T], Generic[_Text, _T]):
    """What was made of expressions. Their characters are bounded, as a tree grows with them."""

    def __init__(self, make: Callable[[_Text], _T], most_characters: int = _MOST_CHARACTERS) -> None:
        super().__init__()
        self._make = make
        self._most = most_characters
        self._characters = 0

    def __missing__(self, text: _Text) -> _T:
        made = self._make(text)
        if self._characters + len(text) > self._most:
            self.clear()
            self._characters = 0
        if len(text) <= _LONGEST_KEPT:
            self[text] = made
            self._characters += len(text)
        return made


def parse(text: str) -> Node:
    """Parse an expression; trees are kept, so nobody may change one.

    Raises:
        ParseError: with Prometheus' message, the place in front.
    """
    return _trees[text]


_trees = Kept(parse_text)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of an expression before the times are: the tree to evaluate, unless it depends on them."""

    tree: Node | None
    has_info: bool
    has_subquery: bool
    parts: int
    is_movable: bool
    """Whether what the tree needs is the same at any times, moved."""
    part: Part | None
    """What computes it at one moment over few series."""
    requests: dict[tuple[int, int, int], Requests] = field(default_factory=dict)
    """What the tree needs of a query from 0 to 0, by step, lookback and the step of subqueries."""

    def requests_of(self, tree: Node, times: QueryTimes, lookback_ms: int, subquery_step_ms: int) -> Requests:
        """What a tree of this plan needs at some times."""
        if not self.is_movable:
            found = Requests(lookback_ms, subquery_step_ms)
            found.collect(tree, times)
            return found
        form = times.step_ms, lookback_ms, subquery_step_ms
        known = self.requests.get(form)
        if known is None:
            known = Requests(lookback_ms, subquery_step_ms)
            known.collect(tree, QueryTimes(0, 0, times.step_ms))
            if len(self.requests) < _MOST_FORMS:
                self.requests[form] = known
        return known.moved(times)


def _make_plan(text: str) -> Plan:
    parsed = parse(text)
    parts = parts_of(parsed)
    tree = None if depends_on_times(parts) else prepare(parsed, QueryTimes(0, 0, 0))
    has_info = any(isinstance(one, Call) and one.function.name == "info" for one in parts)
    has_subquery = any(isinstance(one, SubqueryExpr) for one in parts)
    part = make_part(tree) if tree is not None and tree.type is ValueType.VECTOR else None
    return Plan(tree, has_info, has_subquery, len(parts), tree is not None and moves_with_times(parts), part)


plans = Kept(_make_plan)
