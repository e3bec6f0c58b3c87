"""Finished spans as the body of an ExportTraceServiceRequest's `Span` messages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from vedette.sdk.context import CORRELATION_ID
from vedette.sdk.otlp.attributes import AttributeEncoder, SharedBytes
from vedette.sdk.otlp.wire import VARINTS, delimited, utf8, varint
from vedette.sdk.traces.span import NEW_TRACE, UNSET, URL_PATH

if TYPE_CHECKING:
    from vedette.sdk.redaction import Redactor
    from vedette.sdk.traces.span import Span

__all__ = ["SpanEncoder"]

_KEPT = 4096
_VARINTS_KEPT = len(VARINTS)
_LOW_64 = (1 << 64) - 1
# By the kind's name: a dictionary asks it, and not Python code, for its hash.
_KINDS = {
    SpanKind.INTERNAL._name_: b"\x30\x01",
    SpanKind.SERVER._name_: b"\x30\x02",
    SpanKind.CLIENT._name_: b"\x30\x03",
    SpanKind.PRODUCER._name_: b"\x30\x04",
    SpanKind.CONSUMER._name_: b"\x30\x05",
}
_ids = struct.Struct(">2sQQ2sQ").pack
_ids_and_parent = struct.Struct(">2sQQ2sQ2sQ").pack
_times = struct.Struct("<cQcQ").pack
_fixed64 = struct.Struct("<cQ").pack
# `flags`, a fixed32: bit 8 says that bit 9 tells whether the parent is remote.
_LOCAL, _REMOTE = b"\x85\x01\x00\x01\x00\x00", b"\x85\x01\x00\x03\x00\x00"
_LINK_LOCAL, _LINK_REMOTE = b"\x35\x00\x01\x00\x00", b"\x35\x00\x03\x00\x00"
_REMOTE_PARENT = 16
_OF_REQUESTS = frozenset((URL_PATH, CORRELATION_ID))


class SpanEncoder:
    """Encodes spans as the field `spans` (2) of ScopeSpans."""

    def __init__(self, redactor: Redactor, longest: int) -> None:
        self._redactor = redactor
        self._attributes = AttributeEncoder(b"\x4a", redactor, longest)
        self._event_attributes = AttributeEncoder(b"\x1a", redactor, longest)
        self._link_attributes = AttributeEncoder(b"\x22", redactor, longest)
        self._shared = SharedBytes(self._attributes)
        self._names: dict[str, bytes] = {}
        self._event_names: dict[str, bytes] = {}

    def encode(self, span: Span) -> bytes:
        """One Span message with its tag and length."""
        trace_id, name = span._trace_id, span.name
        named = self._names.get(name) or self._name(name)
        if span._parent_id:
            head = _ids_and_parent(
                b"\x0a\x10",
                trace_id >> 64,
                trace_id & _LOW_64,
                b"\x12\x08",
                span._span_id,
                b"\x22\x08",
                span._parent_id,
            )
        else:
            head = _ids(b"\x0a\x10", trace_id >> 64, trace_id & _LOW_64, b"\x12\x08", span._span_id)
        start = span.start_time
        parts = [head, named, _KINDS[span.kind._name_], _times(b"\x39", start, b"\x41", max(span._end, start))]
        shared, own, path = span._shared, span._attributes, span._path
        if shared is None:
            if own:
                parts.append(self._attributes.encode(own))
        elif own and not (own.keys().isdisjoint(shared) and own.keys().isdisjoint(_OF_REQUESTS)):
            parts.append(self._attributes.encode(span.attributes))  # of a key that both have, the span's own
        else:
            parts.append(self._shared[shared])
            if path is not None:
                texts = self._attributes.kinds[str]
                parts.extend((texts[URL_PATH][path], texts[CORRELATION_ID].make(span._correlation)))
            if own:
                parts.append(self._attributes.encode(own))
        if span._events:
            parts.append(self._events(span._events))
        if span._inherited is not NEW_TRACE and span._inherited[1]:
            parts.append(delimited(b"\x1a", utf8(span._inherited[1].to_header())))
        if span._links:
            parts.append(self._links(span))
        if span._lost or self._attributes.left_out:
            attributes, events, links = span._lost or (0, 0, 0)
            attributes += self._attributes.left_out
            self._attributes.left_out = 0
            parts.append(
                b"\x50" + varint(attributes) + b"\x60" + varint(events) + b"\x70" + varint(links)  # dropped counts
            )
        status = span._status
        if status is UNSET:
            parts.append(b"\x7a\x00")
        else:
            said = b"\x18" + varint(status.status_code.value)
            if status.description:
                said = delimited(b"\x12", utf8(self._redactor.text(status.description))) + said
            parts.append(delimited(b"\x7a", said))
        parts.append(_REMOTE if span._options & _REMOTE_PARENT else _LOCAL)
        body = b"".join(parts)
        size = len(body)
        return b"\x12" + (VARINTS[size] if size < _VARINTS_KEPT else varint(size)) + body

    def _name(self, name: object) -> bytes:
        text = name if type(name) is str else str(name)
        field = delimited(b"\x2a", utf8(self._redactor.text(text)))
        if len(self._names) >= _KEPT:
            self._names.clear()
        self._names[text] = field
        return field

    def _events(self, events: list[tuple[int, str, dict[str, object] | None]]) -> bytes:
        out = []
        for at, name, attributes in events:
            named = self._event_names.get(name)
            if named is None:
                named = delimited(b"\x12", utf8(self._redactor.text(str(name))))
                if len(self._event_names) >= _KEPT:
                    self._event_names.clear()
                self._event_names[name] = named
            body = _fixed64(b"\x09", at) + named
            if attributes:
                body += self._event_attributes.encode(attributes)
            out.append(b"\x5a" + varint(len(body)) + body)
        return b"".join(out)

    def _links(self, span: Span) -> bytes:
        out = []
        for context, attributes in span._links or ():
            body = (
                b"\x0a\x10"
                + context.trace_id.to_bytes(16, "big")
                + b"\x12\x08"
                + context.span_id.to_bytes(8, "big")
                + (self._link_attributes.encode(attributes) if attributes else b"")
                + (_LINK_REMOTE if context.is_remote else _LINK_LOCAL)
            )
            out.append(delimited(b"\x6a", body))
        return b"".join(out)
