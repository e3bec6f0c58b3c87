"""What surrounds the items of a request: resource and scope, the same for all three signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.sdk.otlp.attributes import AttributeEncoder
from vedette.sdk.otlp.wire import delimited, utf8, varint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.sdk.redaction import Redactor
    from vedette.sdk.resource import Resource, Scope

__all__ = ["Envelope"]


class Envelope:
    """Wraps encoded items into ExportTraceServiceRequest, ExportLogsServiceRequest or ExportMetricsServiceRequest.

    The three have the same shape: resource_* (1) of resource (1), scope_* (2) of scope (1), items (2), schema_url (3).
    """

    def __init__(self, resource: Resource, redactor: Redactor, longest: int) -> None:
        attributes = AttributeEncoder(b"\x0a", redactor, longest)
        self._resource = attributes.message(b"\x0a", resource.attributes)
        self._resource_schema = delimited(b"\x1a", utf8(resource.schema_url)) if resource.schema_url else b""
        self._scope_attributes = AttributeEncoder(b"\x1a", redactor, longest)
        self._scopes: dict[Scope, tuple[bytes, bytes]] = {}

    def request(self, groups: Iterable[tuple[Scope, list[bytes]]]) -> bytes:
        """The request that holds each scope's items (already tagged and delimited)."""
        parts = [b"", self._resource]
        for scope, items in groups:
            head, tail = self._scope(scope)
            size = len(head) + sum(map(len, items)) + len(tail)
            parts += (b"\x12" + varint(size), head, *items, tail)
        parts.append(self._resource_schema)
        parts[0] = b"\x0a" + varint(sum(map(len, parts)))
        return b"".join(parts)  # once: the body may be a megabyte

    def _scope(self, scope: Scope) -> tuple[bytes, bytes]:
        known = self._scopes.get(scope)
        if known is None:
            inner = delimited(b"\x0a", utf8(scope.name)) if scope.name else b""
            if scope.version:
                inner += delimited(b"\x12", utf8(scope.version))
            inner += self._scope_attributes.encode(scope.attributes)
            tail = delimited(b"\x1a", utf8(scope.schema_url)) if scope.schema_url else b""
            known = self._scopes[scope] = (delimited(b"\x0a", inner), tail)
        return known
