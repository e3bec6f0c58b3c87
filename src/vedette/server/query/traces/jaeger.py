"""Jaeger's way of asking, put into ours: tags as terms, and its lists of services, operations and dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vedette.server.query.traces.conditions import KINDS, STATUSES, attribute_key
from vedette.server.query.traces.language import Term
from vedette.server.query.traces.statements import statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["dependencies_document", "operations_document", "search_terms", "services_document"]

_RENAMED: Final = {
    "otel.status_description": "status_message",
    "otel.scope.name": "scope.name",
    "otel.library.name": "scope.name",
    "otel.scope.version": "scope.version",
    "otel.library.version": "scope.version",
}


def search_terms(
    *, service: str, operation: str, tags: Mapping[str, str], durations: tuple[str, str], names: tuple[str, str, str]
) -> list[Term]:
    """The terms of a search; what is empty is not asked for.

    Tags that Jaeger makes of a span's own fields mean those fields. `durations` are the least and the most; `names`
    are those of the parameters of the tags and of both durations, for messages.
    """
    least, most = durations
    terms = [_tag_term(key, value, names[0]) for key, value in tags.items()]
    if service:
        terms.append(Term("service", "eq", service, source="service"))
    if operation:
        terms.append(Term("name", "eq", operation, source="operation"))
    if least:
        terms.append(Term("duration", "ge", least, source=names[1]))
    if most:
        terms.append(Term("duration", "le", most, source=names[2]))
    return terms


def _tag_term(key: str, value: str, source: str) -> Term:
    lower = value.lower()
    if key == "error" and lower in {"true", "false"}:
        return Term("error", "eq", lower, source=source)
    if key == "span.kind" and lower in KINDS:
        return Term("kind", "eq", lower, source=source)
    if key == "otel.status_code" and lower in STATUSES:
        return Term("status", "eq", lower, source=source)
    return Term(_RENAMED.get(key) or attribute_key(key), "eq", value, source=source)


async def services_document(reader: Reader, tenant: str, *, v3: bool) -> bytes:
    """The names of all services, as Jaeger's JSON API or its version 3 gives them."""
    return await _document(reader, tenant, "jaeger_services", {"v3": v3})


async def operations_document(
    reader: Reader, tenant: str, *, service: str, kind: str = "", shape: str = "operations"
) -> bytes:
    """The operations of one service. `shape` is ``operations`` (name and kind), ``names`` or ``v3``."""
    params = {"service": service, "kind": kind.lower().removeprefix("span_kind_"), "shape": shape}
    return await _document(reader, tenant, "jaeger_operations", params)


async def dependencies_document(reader: Reader, tenant: str, *, range_: TimeRange, service: str) -> bytes:
    """Who called whom how often, of `service` only if it is not empty."""
    params = {"service": service, "start_ns": range_.start_ns, "end_ns": range_.end_ns}
    return await _document(reader, tenant, "jaeger_dependencies", params)


async def _document(reader: Reader, tenant: str, name: str, params: Mapping[str, object]) -> bytes:
    settings = {"output_format_json_escape_forward_slashes": 0}
    answer = await reader.query(tenant, statement(name), fmt="TSVRaw", params=params, settings=settings)
    return answer.strip()
