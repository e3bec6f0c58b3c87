"""Log records as `LogRecord` messages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.records import ids_of, message_of, severity_of
from vedette.sdk.otlp.attributes import AttributeEncoder, SharedBytes
from vedette.sdk.otlp.wire import VARINTS, any_value, delimited, utf8, varint
from vedette.sdk.traces.span import Span
from vedette.sdk.values import Shared

if TYPE_CHECKING:
    from vedette.sdk.logs.records import Record
    from vedette.sdk.redaction import Redactor

__all__ = ["LogEncoder"]

_KEPT = 4096
_KEPT_CHARS = 256
_LOW_64 = (1 << 64) - 1
_VARINTS_KEPT = len(VARINTS)
_EXCEPTION = {"type": "exception.type", "message": "exception.message", "stack": "exception.stacktrace"}
_times = struct.Struct("<cQcQ").pack
_span_ids = struct.Struct(">2sQQ2sQc").pack


class LogEncoder:
    """Encodes records as the field `log_records` (2) of ScopeLogs."""

    def __init__(self, redactor: Redactor, longest: int) -> None:
        self._redactor = redactor
        self._longest = longest
        self._attributes = AttributeEncoder(b"\x32", redactor, longest)
        self._heads: dict[tuple[int, str], bytes] = {}
        self._severities: dict[Any, bytes] = {}
        self._shared = SharedBytes(self._attributes)
        # What consecutive records have in common: the fields of a logger and of a request, the span.
        self._bound: Any = None
        self._bound_fields = b""
        self._context: Any = None
        self._context_fields = b""
        self._span: Any = None
        self._ids = b""

    def encode(self, record: Record) -> bytes:
        """One LogRecord with its tag and length."""
        at, level, _, text, args, fields, bound, context, span, error, event, severity = record
        head = None if args or severity or type(text) is not str else self._heads.get((level, text))
        parts = [_times(b"\x09", at, b"\x59", at), head or self._head(record)]
        if (
            (context and not fields.keys().isdisjoint(context))
            or (bound and not fields.keys().isdisjoint(bound))
            or (context and bound and not context.keys().isdisjoint(bound))
        ):  # of names that meet the nearer one wins
            parts.append(self._attributes.encode({**(context or {}), **(bound or {}), **fields}))
        else:
            if context:
                parts.append(self._context_fields if context is self._context else self._of_context(context))
            if bound:
                parts.append(self._bound_fields if bound is self._bound else self._of_bound(bound))
            if fields:
                parts.append(self._attributes.encode(fields))
        if error is not None:
            parts.append(self._attributes.encode({_EXCEPTION[key]: value for key, value in error.items()}))
        if span is not None:
            parts.append(self._ids if span is self._span else self._ids_of(record))
        if event:
            parts.append(delimited(b"\x62", utf8(event)))
        body = b"".join(parts)
        size = len(body)
        return b"\x12" + (VARINTS[size] if size < _VARINTS_KEPT else varint(size)) + body

    def _of_context(self, context: dict[str, Any]) -> bytes:
        self._context = context
        self._context_fields = self._attributes.encode_once(context)
        return self._context_fields

    def _of_bound(self, bound: dict[str, Any]) -> bytes:
        self._bound = bound
        self._bound_fields = self._shared[bound] if type(bound) is Shared else self._attributes.encode(bound)
        return self._bound_fields

    def _ids_of(self, record: Record) -> bytes:
        """The fields for the record's span, kept for the next record of the same span."""
        span = self._span = record[8]
        if type(span) is Span:
            trace_id, span_id, flags = span._trace_id, span._span_id, int(span._inherited[0])
        else:
            trace_id, span_id, flags = ids_of(record)
        self._ids = _span_ids(b"\x4a\x10", trace_id >> 64, trace_id & _LOW_64, b"\x52\x08", span_id, b"\x45")
        self._ids = self._ids + flags.to_bytes(4, "little") if trace_id else b""
        return self._ids

    def _severity(self, record: Record) -> bytes:
        key = record[11] or record[1]
        known = self._severities.get(key)
        if known is None:
            number, text = record[11] or severity_of(record[1])
            known = (b"\x10" + varint(number) if number else b"") + (delimited(b"\x1a", utf8(text)) if text else b"")
            self._severities[key] = known
        return known

    def _head(self, record: Record) -> bytes:
        """Severity and body; kept where the message comes as it is."""
        level, text = record[1], record[3]
        head = self._severity(record) + self._body(record)
        if type(text) is str and not record[4] and not record[11] and len(text) <= _KEPT_CHARS:
            if len(self._heads) >= _KEPT:
                self._heads.clear()
            self._heads[level, text] = head
        return head

    def _body(self, record: Record) -> bytes:
        body = message_of(record) if record[4] else record[3]
        if type(body) is str:
            return delimited(b"\x2a", any_value(self._redactor.text(body)[: self._longest]))
        return b"" if body is None else delimited(b"\x2a", any_value(self._redactor.value("", body)))
