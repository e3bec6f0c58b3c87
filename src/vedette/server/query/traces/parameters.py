"""The parameters that every question about spans takes, as terms of the search language."""

from __future__ import annotations

from dataclasses import dataclass, field

from vedette.server.query.traces.language import Operator, Term, parse_condition, parse_query

__all__ = ["SpanFilter"]


@dataclass(frozen=True, slots=True)
class SpanFilter:
    """What to look for, as the parameters of a request say it. Everything given must hold for one and the same span.

    `attributes` and `resource` are conditions such as ``http.route:/cart/*`` or ``retries:>=3``; `query` is a query of
    the search language, which can say all of the rest as well.
    """

    service: str | None = None
    operation: str | None = None
    kind: str | None = None
    status: str | None = None
    error: str | None = None
    min_duration: str | None = None
    max_duration: str | None = None
    attributes: list[str] = field(default_factory=list)
    resource: list[str] = field(default_factory=list)
    text: str | None = None
    query: str | None = None

    def terms(self) -> list[Term]:
        """The same as terms.

        Raises:
            InvalidInput: a parameter cannot be read; its name is in the message.
        """
        named = [
            Term(key, operator, value, source=source)
            for key, source, operator, value in self._named()
            if value is not None and value != ""
        ]
        attributes = [parse_condition(text, source="attr", prefix="attribute.") for text in self.attributes]
        resource = [parse_condition(text, source="resource", prefix="resource.") for text in self.resource]
        return [*named, *attributes, *resource, *parse_query(self.query or "")]

    def _named(self) -> tuple[tuple[str, str, Operator, str | None], ...]:
        return (
            ("service", "service", "eq", self.service),
            ("name", "operation", "eq", self.operation),
            ("kind", "kind", "eq", self.kind),
            ("status", "status", "eq", self.status),
            ("error", "error", "eq", self.error),
            ("duration", "min_duration", "ge", self.min_duration),
            ("duration", "max_duration", "le", self.max_duration),
            ("", "text", "text", self.text),
        )
