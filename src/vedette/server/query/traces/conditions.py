"""What the keys of the trace search language mean, as conditions of SQL on one row of `vedette.spans`.

Every value of the caller becomes a query parameter; only the text of this module is in the statement.

======================  ==================================================================================
``service``             the span's service
``name``, ``operation`` the span's name
``kind``                ``server``, ``client``, ``internal``, ``producer``, ``consumer``, ``unspecified``
``status``              ``unset``, ``ok``, ``error``
``error``               ``true`` or ``false``: whether the status is an error
``duration``            how long the span took, with a unit: ``duration:>=250ms``
``status_message``      the text beside the status
``root``                ``true`` or ``false``: whether the span has no parent
``trace_id``, ``span_id``, ``parent_span_id``  lower-case hexadecimal
``event``               the name of any of the span's events
``attribute.KEY``       the span's attribute KEY
``resource.KEY``        the attribute KEY of the span's resource
``scope.name``, ``scope.version``  the instrumentation scope
any other key           the span's attribute, or where it has none, its resource's
======================  ==================================================================================
"""

from __future__ import annotations

import json
import math
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vedette.errors import InvalidInput
from vedette.server.query.timerange import parse_duration_ns
from vedette.server.query.traces.language import MAX_TERMS
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange
    from vedette.server.query.traces.language import Operator, Term

__all__ = [
    "ATTRIBUTE_PAIRS",
    "KINDS",
    "OWN_KEYS",
    "RANGE",
    "STATUSES",
    "Conditions",
    "attribute_key",
    "build_conditions",
    "range_params",
    "settle",
    "value_expression",
]

RANGE: Final = (
    "time >= fromUnixTimestamp64Nano({start_ns:Int64}, 'UTC') AND time < fromUnixTimestamp64Nano({end_ns:Int64}, 'UTC')"
)
"""The condition that a span starts in the range; its parameters are `range_params`."""

KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES: Final = ("unset", "ok", "error")

ATTRIBUTE_PAIRS: Final = "arrayMap((k, v) -> concat(k, '=', v), mapKeys(attributes), mapValues(attributes))"
"""A span's attributes as texts ``key=value``: the expression that the table's index of attributes is built over."""

_COMPARISONS: Final[Mapping[Operator, str]] = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "=", "ne": "!="}
_ORDERINGS: Final = frozenset({"gt", "ge", "lt", "le"})
_TEXT_COLUMNS: Final = {
    "service": "service",
    "name": "name",
    "operation": "name",
    "status_message": "status_message",
    "scope.name": "JSONExtractString(scope, 'name')",
    "scope.version": "JSONExtractString(scope, 'version')",
}
_ID_COLUMNS: Final = {"trace_id": 32, "span_id": 16, "parent_span_id": 16}
_ENUM_COLUMNS: Final = {"kind": KINDS, "status": STATUSES}
_BOOLEANS: Final = {"error": "status = 'error'", "root": "parent_span_id = toFixedString('', 8)"}

OWN_KEYS: Final = frozenset({*_TEXT_COLUMNS, *_ID_COLUMNS, *_ENUM_COLUMNS, *_BOOLEANS, "duration", "event"})
"""Keys that mean something of the span itself. An attribute of such a name is reached as ``attribute.KEY``."""


@dataclass(slots=True)
class Conditions:
    """A conjunction of conditions, and the values of its parameters.

    `sql` is one expression, ``1`` when there is no condition. It fits every statement whose row is a span and which
    has the parameters of `RANGE`. `terms` are what it was made of.
    """

    terms: tuple[Term, ...] = ()
    parts: list[str] = field(default_factory=list)
    params: dict[str, object] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """The conjunction, in brackets where needed."""
        return " AND ".join(self.parts) if self.parts else "1"

    def bind(self, value: str | float, type_: str = "String") -> str:
        """A new parameter with this value; returns how the statement names it."""
        name = f"c{len(self.params)}"
        self.params[name] = value
        return f"{{{name}:{type_}}}"


def range_params(range_: TimeRange) -> dict[str, object]:
    """The parameters of `RANGE`."""
    return {"start_ns": range_.start_ns, "end_ns": range_.end_ns}


def build_conditions(terms: Iterable[Term], *, resource_keys: Collection[str] | None = None) -> Conditions:
    """The conjunction of all terms.

    A key that names no place is looked for in the span and in its resource; with `resource_keys`, in the resource
    only if it is one of these.

    Raises:
        InvalidInput: a key does not take the operator or the value, with its position, or there are too many terms.
    """
    conditions = Conditions(tuple(terms))
    if len(conditions.terms) > MAX_TERMS:
        raise InvalidInput(f"A search has at most {MAX_TERMS} conditions, not {len(conditions.terms)}.")
    for term in conditions.terms:
        condition = _condition(conditions, term, resource_keys)
        conditions.parts.append(f"NOT ({condition})" if term.negated else f"({condition})")
    return conditions


async def settle(reader: Reader, tenant: str, conditions: Conditions) -> Conditions:
    """The same conditions, without looking into resources for keys that no resource has.

    What is left can use the index of attributes, which an "or" with another column rules out.
    """
    keys = [term.key for term in conditions.terms if _names_no_place(term)]
    if not keys:
        return conditions
    rows = await reader.rows(tenant, statement("resource_keys"), params={"keys": keys})
    return build_conditions(conditions.terms, resource_keys={str(row["key"]) for row in rows})


def value_expression(conditions: Conditions, key: str) -> tuple[str, str]:
    """What a key's value is as text, and whether the span has one, both as SQL; for grouping by the key."""
    if key in _TEXT_COLUMNS:
        return f"toString({_TEXT_COLUMNS[key]})", "1"
    if key in _ENUM_COLUMNS:
        return f"toString({key})", "1"
    if key.startswith("resource."):
        bound = conditions.bind(key.removeprefix("resource."))
        return _resource_text(bound), f"JSONHas(resource, {bound})"
    bound = conditions.bind(key.removeprefix("attribute."))
    value, there = f"attributes[{bound}]", f"mapContains(attributes, {bound})"
    if key.startswith("attribute."):
        return value, there
    return f"if({there}, {value}, toString({_resource_text(bound)}))", f"({there} OR JSONHas(resource, {bound}))"


def _names_no_place(term: Term) -> bool:
    return bool(term.key) and attribute_key(term.key) == term.key


def _condition(conditions: Conditions, term: Term, resource_keys: Collection[str] | None) -> str:
    key = term.key
    if not key:
        return _anywhere(conditions, term)
    if (column := _column(conditions, term)) is not None:
        return column
    if key.startswith("resource."):
        return _resource(conditions, term, key.removeprefix("resource."))
    attribute = _attribute(conditions, term, key.removeprefix("attribute."))
    if key.startswith("attribute.") or (resource_keys is not None and key not in resource_keys):
        return attribute
    return f"{attribute} OR {_resource(conditions, term, key)}"


def _column(conditions: Conditions, term: Term) -> str | None:
    key = term.key
    if key in _TEXT_COLUMNS:
        return _text(conditions, term, _TEXT_COLUMNS[key], there=f"{_TEXT_COLUMNS[key]} != ''")
    if key in _ENUM_COLUMNS:
        return _enum(conditions, term, key, _ENUM_COLUMNS[key])
    if key in _ID_COLUMNS:
        return _id(conditions, term, key, _ID_COLUMNS[key])
    if key == "duration":
        return _duration(conditions, term)
    if key in _BOOLEANS:
        return _boolean(term, _BOOLEANS[key])
    return f"arrayExists(e -> {_text(conditions, term, 'e', there='1')}, events.name)" if key == "event" else None


def _anywhere(conditions: Conditions, term: Term) -> str:
    text = conditions.bind(term.value)
    found = [
        f"positionCaseInsensitiveUTF8(name, {text}) > 0",
        f"positionCaseInsensitiveUTF8(status_message, {text}) > 0",
        f"arrayExists(v -> positionCaseInsensitiveUTF8(v, {text}) > 0, mapValues(attributes))",
        f"arrayExists(e -> positionCaseInsensitiveUTF8(e, {text}) > 0, events.name)",
    ]
    # Events hold JSON text, where quotes, controls and slashes are written as escapes.
    spelled = json.dumps(term.value, ensure_ascii=False)[1:-1]
    for spelling in sorted({spelled, spelled.replace("/", "\\/")}):
        bound = conditions.bind(spelling)
        found.append(f"arrayExists(e -> positionCaseInsensitiveUTF8(e, {bound}) > 0, events.attributes)")
    return " OR ".join(found)


def _attribute(conditions: Conditions, term: Term, key: str) -> str:
    _need_key(term, key)
    bound = conditions.bind(key)
    if term.operator == "eq" and term.value:
        # A missing key reads as an empty text, which is not this one. The hint is never computed: it says what to look
        # for in the index of attributes.
        value = conditions.bind(term.value)
        hint = f"indexHint(has({ATTRIBUTE_PAIRS}, concat({bound}, '=', {value})))"
        return f"(attributes[{bound}] = {value} AND {hint})"
    there = f"mapContains(attributes, {bound})"
    if term.operator == "exists":
        return there
    return f"({there} AND {_text(conditions, term, f'attributes[{bound}]', there='1')})"


def _resource(conditions: Conditions, term: Term, key: str) -> str:
    _need_key(term, key)
    bound = conditions.bind(key)
    condition = f"JSONHas(resource, {bound}) AND {_text(conditions, term, _resource_text(bound), there='1')}"
    return statement("resource_matches", range=RANGE, condition=condition)


def _resource_text(bound: str) -> str:
    return (
        f"if(JSONType(resource, {bound}) = 'String', "
        f"JSONExtractString(resource, {bound}), JSONExtractRaw(resource, {bound}))"
    )


def _text(conditions: Conditions, term: Term, expression: str, *, there: str) -> str:
    operator = term.operator
    if operator == "exists":
        return there
    if operator in _ORDERINGS:
        number = conditions.bind(_number(term), "Float64")
        return f"ifNull(toFloat64OrNull({expression}) {_COMPARISONS[operator]} {number}, 0)"
    value = conditions.bind(term.value)
    if operator == "like":
        return f"{expression} LIKE {value}"
    if operator == "match":
        return f"match({expression}, {value})"
    if operator == "not_match":
        return f"NOT match({expression}, {value})"
    return f"{expression} {_COMPARISONS[operator]} {value}"


def _enum(conditions: Conditions, term: Term, column: str, names: tuple[str, ...]) -> str:
    if term.operator not in {"eq", "ne"}:
        raise _unfit(term, f"takes one of {', '.join(names)}, as in {column}:{names[-1]}")
    value = term.value.lower().removeprefix("span_kind_").removeprefix("status_code_")
    if value not in names:
        raise _unfit(term, f"is one of {', '.join(names)}")
    return f"toString({column}) {_COMPARISONS[term.operator]} {conditions.bind(value)}"


def _id(conditions: Conditions, term: Term, column: str, digits: int) -> str:
    if term.operator == "exists":
        return f"{column} != toFixedString('', {digits // 2})"
    value = term.value.lower()
    if term.operator not in {"eq", "ne"} or len(value) != digits or not set(value) <= set(string.hexdigits):
        raise _unfit(term, f"is {digits} hexadecimal digits")
    bound = conditions.bind(value)
    return f"{column} {_COMPARISONS[term.operator]} toFixedString(unhex({bound}), {digits // 2})"


def _duration(conditions: Conditions, term: Term) -> str:
    comparison = _COMPARISONS.get(term.operator)
    if comparison is None:
        raise _unfit(term, "is compared with a number and a unit, as in duration:>=250ms")
    try:
        nanoseconds = parse_duration_ns(term.value, name="duration")
    except InvalidInput:
        raise _unfit(term, "is a number with a unit, as in duration:>=250ms") from None
    return f"duration_ns {comparison} {conditions.bind(nanoseconds, 'UInt64')}"


def _boolean(term: Term, condition: str) -> str:
    value = term.value.lower()
    if term.operator not in {"eq", "ne"} or value not in {"true", "false"}:
        raise _unfit(term, "is true or false")
    return condition if (value == "true") == (term.operator == "eq") else f"NOT ({condition})"


def _number(term: Term) -> float:
    try:
        number = float(term.value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _unfit(term, "is compared with a number, as in retries:>=3")
    return number


def _need_key(term: Term, key: str) -> None:
    if not key:
        raise _unfit(term, "lacks the attribute's name, as in attribute.http.route:/cart")


def _unfit(term: Term, requirement: str) -> InvalidInput:
    shown = term.value if len(term.value) <= 60 else term.value[:57] + "..."  # noqa: PLR2004 - enough to recognise
    return InvalidInput(
        f"Parameter {term.source!r}: {term.key} {requirement}; {shown!r} does not fit.",
        position=term.value_position,
    )


def attribute_key(key: str) -> str:
    """How the language names an attribute that is called `key`, whatever `key` means by itself."""
    if key in OWN_KEYS or key.startswith(("attribute.", "resource.")):
        return f"attribute.{key}"
    return key
