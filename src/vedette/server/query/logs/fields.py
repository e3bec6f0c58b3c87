"""What the name before a colon means: a column of ``vedette.logs`` or an attribute.

A column's own name wins (``service``, ``severity``, ``body`` …). Any other name is an attribute of the line or of its
resource; ``attributes.x``, ``resource.x`` and ``scope.x`` choose one of them, and reach attributes that are named like
a column. Matching is exact and case-sensitive, except for the body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from vedette.errors import InvalidInput
from vedette.server.query.logs.body import body_matches, body_matches_regex, body_phrase
from vedette.server.query.logs.conditions import Binder, Operator
from vedette.server.query.logs.literals import (
    Pattern,
    is_canonical_integer,
    number_of,
    parse_instant,
)

__all__ = ["COLUMNS", "SEVERITIES", "Body", "Field", "field_named", "text_of_field"]

SEVERITIES: Final = ("unset", "trace", "debug", "info", "warn", "error", "fatal")
"""In rising order; ``unset`` is a line without severity."""

_SEVERITY_ALIASES: Final = {
    "warning": "warn",
    "err": "error",
    "critical": "fatal",
    "crit": "fatal",
    "emerg": "fatal",
    "information": "info",
    "notice": "info",
    "none": "unset",
}
_NO_BYTES: Final = re.compile(r"0+")
_HEX: Final = re.compile(r"[0-9a-fA-F]+", re.ASCII)


class Field(Protocol):
    """One side of a comparison. Every method returns a boolean expression that is never NULL.

    `position` is where the value stands in the query, for messages.
    """

    def exists(self, binder: Binder) -> str:
        """The line has a value."""

    def equals(self, text: str, binder: Binder, position: int | None) -> str:
        """The value is `text`; for the body: holds the phrase."""

    def matches(self, pattern: Pattern, binder: Binder, position: int | None) -> str:
        """The whole value matches a pattern with wildcards; for the body: one of its words does."""

    def matches_regex(self, expression: str, binder: Binder, position: int | None) -> str:
        """The whole value matches an RE2 expression; for the body: part of it does."""

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:
        """The value stands in this relation to `text`."""


@dataclass(frozen=True, slots=True)
class Body:
    """The full-text field."""

    def exists(self, binder: Binder) -> str:  # noqa: ARG002 - the protocol's shape
        """The body is not empty."""
        return "body != ''"

    def equals(self, text: str, binder: Binder, position: int | None) -> str:
        """The body holds the phrase."""
        if not text:
            raise InvalidInput(
                "An empty phrase matches nothing; NOT _exists_:body finds empty bodies.", position=position
            )
        return body_phrase(text, binder, position)

    def matches(self, pattern: Pattern, binder: Binder, position: int | None) -> str:
        """A word of the body matches."""
        return body_matches(pattern, binder, position)

    def matches_regex(self, expression: str, binder: Binder, position: int | None) -> str:
        """Part of the body matches."""
        return body_matches_regex(expression, binder, position)

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the same
        """Refused: a text is not above or below another."""
        raise InvalidInput(
            f"The body has no order, so {operator}{text[:20]} cannot be asked of it; name a field, "
            f"for example duration:{operator}{text[:20]}.",
            position=position,
        )


@dataclass(frozen=True, slots=True)
class Text:
    """A text: a column or something computed from one. `present` says where there is a value at all.

    With `typed`, an expression that is true where the value was sent as a number, texts of other spelling
    (``1.50``, ``1e3``) equal the number as well. `likely` is a cheap condition that holds wherever there is a value.
    """

    value: str
    present: str
    typed: str = ""
    likely: str = ""

    def exists(self, binder: Binder) -> str:  # noqa: ARG002 - the protocol's shape
        """There is a value."""
        return self.present

    def equals(self, text: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the same
        """The value is exactly `text`, or the number that it spells."""
        same = f"{self.value} = {binder.text(text)}"
        number = number_of(text)
        if self.typed and number is not None and not is_canonical_integer(text):
            same = f"({same} OR ({self.typed} AND {_numeric(self.value, '=', number, binder)}))"
        # A missing value reads as the empty string.
        return self._where_likely(same) if text else f"({self.present} AND {same})"

    def matches(self, pattern: Pattern, binder: Binder, position: int | None) -> str:
        """The whole value matches."""
        if pattern.matches_everything:
            return self.present
        if (literal := pattern.literal) is not None:
            return self.equals(literal, binder, position)
        return f"({self.present} AND {self.value} LIKE {binder.text(pattern.like())})"

    def matches_regex(self, expression: str, binder: Binder, position: int | None) -> str:
        """The whole value matches."""
        return f"({self.present} AND match({self.value}, {binder.pattern(f'^(?:{expression})$', position)}))"

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the same
        """Values that are numbers, where `text` is one; else in the order of the characters."""
        number = number_of(text)
        if number is not None:
            return self._where_likely(_numeric(self.value, operator, number, binder))
        return f"({self.present} AND {self.value} {operator} {binder.text(text)})"

    def _where_likely(self, condition: str) -> str:
        return f"({self.likely} AND {condition})" if self.likely else condition


@dataclass(frozen=True, slots=True)
class Either:
    """A name that may stand in two places: a line matches when either does."""

    first: Field
    second: Field

    def exists(self, binder: Binder) -> str:
        """Either has a value."""
        return _either(self.first.exists(binder), self.second.exists(binder))

    def equals(self, text: str, binder: Binder, position: int | None) -> str:
        """Either is `text`."""
        return _either(self.first.equals(text, binder, position), self.second.equals(text, binder, position))

    def matches(self, pattern: Pattern, binder: Binder, position: int | None) -> str:
        """Either matches."""
        return _either(self.first.matches(pattern, binder, position), self.second.matches(pattern, binder, position))

    def matches_regex(self, expression: str, binder: Binder, position: int | None) -> str:
        """Either matches."""
        return _either(
            self.first.matches_regex(expression, binder, position),
            self.second.matches_regex(expression, binder, position),
        )

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:
        """Either stands in the relation."""
        return _either(
            self.first.compares(operator, text, binder, position),
            self.second.compares(operator, text, binder, position),
        )


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers."""

    value: str

    def exists(self, binder: Binder) -> str:  # noqa: ARG002 - the protocol's shape
        """It is not zero, which stands for missing."""
        return f"{self.value} != 0"

    def equals(self, text: str, binder: Binder, position: int | None) -> str:
        """The number is this one."""
        return f"{self.value} = {binder.number(self._read(text, position))}"

    def matches(self, pattern: Pattern, binder: Binder, position: int | None) -> str:
        """Only ``*`` and whole numbers can be asked."""
        if pattern.matches_everything:
            return self.exists(binder)
        return self.equals(pattern.literal if pattern.literal is not None else "*", binder, position)

    def matches_regex(self, expression: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the same
        """Refused."""
        raise InvalidInput(f"{self.value!r} holds numbers; compare them: {self.value}:>=1.", position=position)

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:
        """In the order of numbers."""
        return f"{self.value} {operator} {binder.number(self._read(text, position))}"

    def _read(self, text: str, position: int | None) -> float:
        number = number_of(text)
        if number is None:
            raise InvalidInput(
                f"{self.value!r} holds numbers and {text[:40]!r} is none; write {self.value}:17.", position=position
            )
        return number


@dataclass(frozen=True, slots=True)
class Severity(Text):
    """The severity by name, in rising order."""

    value: str = "toString(severity)"
    present: str = "severity != 'unset'"

    def equals(self, text: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the protocol's shape
        """The severity is this one."""
        return f"severity = '{self._read(text, position)}'"

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the same
        """Above or below: ``error`` is above ``warn``."""
        return f"severity {operator} '{self._read(text, position)}'"

    @staticmethod
    def _read(text: str, position: int | None) -> str:
        name = text.lower()
        name = _SEVERITY_ALIASES.get(name, name)
        if name not in SEVERITIES:
            raise InvalidInput(
                f"{text[:40]!r} is no severity; there are {', '.join(SEVERITIES)}. "
                "The sender's own word is in severity_text, the number in severity_number.",
                position=position,
            )
        return name


@dataclass(frozen=True, slots=True)
class Id:
    """A trace or span id: bytes in the table, hexadecimal in queries."""

    column: str
    size: int

    @property
    def _text(self) -> Text:
        return Text(f"lower(hex({self.column}))", self.exists(Binder()))

    def exists(self, binder: Binder) -> str:  # noqa: ARG002 - the protocol's shape
        """The id is not all zeros, which stands for none."""
        return f"{self.column} != toFixedString('', {self.size})"

    def equals(self, text: str, binder: Binder, position: int | None) -> str:
        """The id is this one, in either case."""
        if not _HEX.fullmatch(text) or len(text) != 2 * self.size:
            raise InvalidInput(
                f"{self.column!r} is {2 * self.size} hexadecimal digits; {text[:40]!r} is not. "
                f"For the beginning of an id write {self.column}:4bf9*.",
                position=position,
            )
        return f"{self.column} = toFixedString(unhex({binder.text(text)}), {self.size})"

    def matches(self, pattern: Pattern, binder: Binder, position: int | None) -> str:
        """The hexadecimal text matches."""
        if (literal := pattern.literal) is not None:
            return self.equals(literal, binder, position)
        lowered = Pattern(tuple(part.lower() if isinstance(part, str) else part for part in pattern.parts))
        return self._text.matches(lowered, binder, position)

    def matches_regex(self, expression: str, binder: Binder, position: int | None) -> str:
        """The hexadecimal text, in lower case, matches."""
        return self._text.matches_regex(expression, binder, position)

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the same
        """Refused: ids are random."""
        raise InvalidInput(f"{self.column!r} has no order; ask for one id.", position=position)


@dataclass(frozen=True, slots=True)
class Time:
    """A point in time. A date alone means the whole day in UTC."""

    column: str

    def exists(self, binder: Binder) -> str:  # noqa: ARG002 - the protocol's shape
        """The time is known."""
        return f"{self.column} != toDateTime64(0, 9, 'UTC')"

    def equals(self, text: str, binder: Binder, position: int | None) -> str:
        """The time is this one, or within this day."""
        instant = parse_instant(text, position=position)
        after = self._relation(">=", instant.start_ns, binder)
        return f"({after} AND {self._relation('<', instant.end_ns, binder)})"

    def matches(self, pattern: Pattern, binder: Binder, position: int | None) -> str:
        """Only ``*`` and whole times can be asked."""
        if pattern.matches_everything:
            return self.exists(binder)
        return self.equals(pattern.literal if pattern.literal is not None else "*", binder, position)

    def matches_regex(self, expression: str, binder: Binder, position: int | None) -> str:  # noqa: ARG002 - the same
        """Refused."""
        raise InvalidInput(
            f"{self.column!r} is a time; ask for a range: {self.column}:[2026-07-01 TO 2026-07-02].",
            position=position,
        )

    def compares(self, operator: Operator, text: str, binder: Binder, position: int | None) -> str:
        """Before or after; a day counts as a whole."""
        instant = parse_instant(text, position=position)
        if operator in {">=", "<"}:
            return self._relation(operator, instant.start_ns, binder)
        return self._relation(">=" if operator == ">" else "<", instant.end_ns, binder)

    def _relation(self, operator: Operator, at_ns: int, binder: Binder) -> str:
        return f"{self.column} {operator} fromUnixTimestamp64Nano({binder.number(at_ns)}, 'UTC')"


class _Columns:
    """Names of columns and what they are."""

    BY_NAME: ClassVar[dict[str, Field]] = {
        "body": Body(),
        "service": Text("service", "service != ''"),
        "severity": Severity(),
        "severity_text": Text("severity_text", "severity_text != ''"),
        "severity_number": Number("severity_number"),
        "trace_id": Id("trace_id", 16),
        "span_id": Id("span_id", 8),
        "event_name": Text("event_name", "event_name != ''"),
        "flags": Number("flags"),
        "time": Time("time"),
        "observed_time": Time("observed_time"),
        "dropped_attributes": Number("dropped_attributes"),
    }
    ALIASES: ClassVar[dict[str, str]] = {
        "message": "body",
        "service.name": "service",
        "level": "severity",
        "timestamp": "time",
        "@timestamp": "time",
        "trace.id": "trace_id",
        "span.id": "span_id",
        "event.name": "event_name",
        "scope": "scope.name",
    }


COLUMNS: Final = tuple(_Columns.BY_NAME)
"""Names that mean a column, not an attribute."""


def field_named(name: str, binder: Binder) -> Field:
    """The field of this name; every name is one."""
    name = _Columns.ALIASES.get(name, name)
    if (column := _Columns.BY_NAME.get(name)) is not None:
        return column
    place, dot, key = name.partition(".")
    if dot and key:
        if place == "attributes":
            return _attribute(key, binder)
        if place == "resource":
            return _member("resource", [key], binder)
        if place == "scope":
            return _scope_part(key) if key in {"name", "version"} else _member("scope", ["attributes", key], binder)
    return Either(_attribute(name, binder), _member("resource", [name], binder))


def text_of_field(name: str, binder: Binder) -> Text:
    """A field as text, for counting its values.

    Raises:
        InvalidInput: the field's values are no texts worth counting.
    """
    field = field_named(name, binder)
    if isinstance(field, Severity):
        return Text(field.value, "true")
    if isinstance(field, Id):
        return Text(f"lower(hex({field.column}))", field.exists(binder))
    if isinstance(field, Number):
        return Text(f"toString({field.value})", field.exists(binder))
    if isinstance(field, Either) and isinstance(field.first, Text) and isinstance(field.second, Text):
        return Text(f"if({field.first.present}, {field.first.value}, {field.second.value})", field.exists(binder))
    if isinstance(field, Text):
        return field
    raise InvalidInput(
        f"The values of {name!r} cannot be counted; choose a field such as service, severity or an attribute."
    )


def _attribute(key: str, binder: Binder) -> Text:
    name = binder.text(key)
    return Text(
        f"attributes[{name}]",
        f"mapContains(attributes, {name})",
        f"attribute_types[{name}] IN ('int', 'double')",
    )


def _member(column: str, path: list[str], binder: Binder) -> Text:
    """A member of a JSON object, as text in the spelling that attributes have."""
    where = ", ".join([column, *(binder.text(key) for key in path)])
    # JSON is parsed row by row, this search once for each different object: few lines are left where few have the key.
    # What follows the last slash, as a slash may be escaped or not.
    end = binder.text(path[-1].rpartition("/")[2])
    likely = f"position({column}, concat(substring(toJSONString({end}), 2), ':')) > 0"
    return Text(
        f"JSONExtractString({where})",
        f"({likely} AND JSONHas({where}))",
        f"JSONType({where}) IN ('Int64', 'UInt64', 'Double')",
        likely,
    )


def _scope_part(name: str) -> Text:
    # The scope's own parts stand first in its text, so the quick reader finds no other.
    value = f"simpleJSONExtractString(scope, '{name}')"
    return Text(value, f"{value} != ''")


def _numeric(value: str, operator: str, number: float, binder: Binder) -> str:
    # 64-bit integers are compared as such; what is no integer falls through to floating point, what is no number is
    # no match.
    bound = binder.number(number)
    integer, real = (f"{convert}({value}) {operator} {bound}" for convert in ("toInt64OrNull", "toFloat64OrNull"))
    return f"ifNull(coalesce({integer}, {real}), false)"


def _either(first: str, second: str) -> str:
    return f"({first} OR {second})"
