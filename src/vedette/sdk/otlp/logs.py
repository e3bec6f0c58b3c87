"""Log records as `LogRecord` messages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.records import ids_of, message_of, severity_of
from vedette.sdk.logs.shapes import NO_NAMES, NameSets, Shapes
from vedette.sdk.otlp.attributes import AttributeEncoder, SharedBytes
from vedette.sdk.otlp.record_shapes import compiled
from vedette.sdk.otlp.wire import any_value, delimited, utf8, varint
from vedette.sdk.traces.span import Span
from vedette.sdk.values import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record
    from vedette.sdk.redaction import Redactor

__all__ = ["LogEncoder"]

_KEPT = 4096
_KEPT_CHARS = 256
_LOW_64 = (1 << 64) - 1
_EXCEPTION = {"type": "exception.type", "message": "exception.message", "stack": "exception.stacktrace"}
_times = struct.Struct("<cQcQ").pack
_span_ids = struct.Struct(">2sQQ2sQcB3x").pack  # flags are a little-endian fixed32 below 256


class LogEncoder:
    """Encodes records as the field `log_records` (2) of ScopeLogs.

    A function is compiled for each shape that comes again, as for JSON lines. What those were not made for (exceptions,
    events, names that meet) goes the long way.
    """

    def __init__(self, redactor: Redactor, longest: int) -> None:
        self._redactor = redactor
        self._longest = longest
        self._attributes = AttributeEncoder(b"\x32", redactor, longest)
        self.heads: dict[tuple[int, str], bytes] = {}
        self._severities: dict[Any, bytes] = {}
        self._shared = SharedBytes(self._attributes)
        self._shapes = Shapes(lambda record: compiled(self, record, self._attributes.kinds, _times))
        self._functions: dict[str, Any] = {}  # the function that a message took the last time
        # What consecutive records have in common: the fields of a logger and of a request, the span.
        self.bound: Any = None
        self.bound_fields = b""
        self.bound_names: frozenset[Any] = NO_NAMES
        self.context: Any = None
        self.context_fields = b""
        self.context_names: frozenset[Any] = NO_NAMES
        self._name_sets = NameSets()
        self.span: Any = None
        self.ids = b""

    def encode(self, record: Record) -> bytes:
        """One LogRecord with its tag and length."""
        message = record[3]
        if type(message) is not str:
            return self._in_full(record)
        encode = self._functions.get(message)
        encoded: bytes | None = None if encode is None else encode(record)
        if encoded is None:
            encode = self._function_for(record)
            encoded = None if encode is None else encode(record)
        return self._in_full(record) if encoded is None else encoded

    def _in_full(self, record: Record) -> bytes:
        """Any record. Of names that meet the nearer one wins."""
        at, _, _, text, args, fields, bound, context, span, error, event, severity = record
        head = None if args or severity or type(text) is not str else self.heads.get((record[1], text))
        parts = [
            _times(b"\x09", at, b"\x59", at),
            head or self.head(record),
            self._attributes.encode({**(context or {}), **(bound or {}), **fields}),
        ]
        if error is not None:
            parts.append(self._attributes.encode({_EXCEPTION[key]: value for key, value in error.items()}))
        if span is not None:
            parts.append(self.ids if span is self.span else self.new_span(record))
        if event:
            parts.append(delimited(b"\x62", utf8(event)))
        return delimited(b"\x12", b"".join(parts))

    def _function_for(self, record: Record) -> Callable[[Record], bytes | None] | None:
        """The function for the record's shape, compiled when it has come a few times; `None` before."""
        encode: Callable[[Record], bytes | None] | None = self._shapes.function((record[1], *record[5]), record)
        if encode is None:
            return None
        message = record[3]
        if len(message) <= _KEPT_CHARS and (record[1], message) in self.heads:  # it came before
            if len(self._functions) >= _KEPT:
                self._functions.clear()
            self._functions[message] = encode
        return encode

    # -- what the compiled functions ask for

    def use_context(self, context: dict[str, Any] | None) -> None:
        """Take over the fields of a request, which its records share. They do not change once made."""
        self.context = context
        self.context_names = self._name_sets[tuple(context)] if context else NO_NAMES
        self.context_fields = self._attributes.encode_once(context) if context else b""

    def use_bound(self, bound: dict[str, Any] | None) -> None:
        """Take over the fields of a logger, likewise."""
        self.bound = bound
        self.bound_names = self._name_sets[tuple(bound)] if bound else NO_NAMES
        self.bound_fields = (
            b"" if not bound else self._shared[bound] if type(bound) is Shared else self._attributes.encode(bound)
        )

    def new_span(self, record: Record) -> bytes:
        """The fields for the record's span, kept for the next record of the same span."""
        span = self.span = record[8]
        flags: int
        if type(span) is Span:
            trace_id, span_id, flags = span._trace_id, span._span_id, span._inherited[0]
        else:
            trace_id, span_id, flags = ids_of(record)
        self.ids = (
            _span_ids(b"\x4a\x10", trace_id >> 64, trace_id & _LOW_64, b"\x52\x08", span_id, b"\x45", flags & 0xFF)
            if trace_id
            else b""
        )
        return self.ids

    def _severity(self, record: Record) -> bytes:
        key = record[11] or record[1]
        known = self._severities.get(key)
        if known is None:
            number, text = record[11] or severity_of(record[1])
            known = (b"\x10" + varint(number) if number else b"") + (delimited(b"\x1a", utf8(text)) if text else b"")
            self._severities[key] = known
        return known

    def head(self, record: Record) -> bytes:
        """Severity and body; kept where the message comes as it is."""
        level, text = record[1], record[3]
        head = self._severity(record) + self._body(record)
        if type(text) is str and not record[4] and not record[11] and len(text) <= _KEPT_CHARS:
            if len(self.heads) >= _KEPT:
                self.heads.clear()
            self.heads[level, text] = head
        return head

    def _body(self, record: Record) -> bytes:
        body = message_of(record) if record[4] else record[3]
        if type(body) is str:
            return delimited(b"\x2a", any_value(self._redactor.text(body)[: self._longest]))
        return b"" if body is None else delimited(b"\x2a", any_value(self._redactor.value("", body)))
