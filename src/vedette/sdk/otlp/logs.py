"""Log records as `LogRecord` messages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from vedette.sdk.logs.records import ids_of, message_of, severity_of
from vedette.sdk.otlp.attributes import AttributeEncoder
from vedette.sdk.otlp.wire import any_value, delimited, utf8, varint

if TYPE_CHECKING:
    from vedette.sdk.logs.records import Record
    from vedette.sdk.redaction import Redactor

__all__ = ["LogEncoder"]

_KEPT = 4096
_KEPT_CHARS = 256
_LOW_64 = (1 << 64) - 1
_times = struct.Struct("<cQcQ").pack
_span_ids = struct.Struct(">2sQQ2sQc").pack


class LogEncoder:
    """Encodes records as the field `log_records` (2) of ScopeLogs."""

    def __init__(self, redactor: Redactor, longest: int) -> None:
        self._redactor = redactor
        self._longest = longest
        self._attributes = AttributeEncoder(b"\x32", redactor, longest)
        self._bodies: dict[str, bytes] = {}
        self._severities: dict[Any, bytes] = {}
        self._span: Any = None
        self._ids = b""

    def encode(self, record: Record) -> bytes:
        """One LogRecord with its tag and length."""
        at = record[0]
        parts = [
            _times(b"\x09", at, b"\x59", at),
            self._severity(record),
            self._body(record),
        ]
        fields = record[5]
        if record[7] or record[6]:
            fields = {**(record[7] or {}), **(record[6] or {}), **fields}
        if fields:
            parts.append(self._attributes.encode(fields))
        if record[9] is not None:
            error = record[9]
            names = {"type": "exception.type", "message": "exception.message", "stack": "exception.stacktrace"}
            parts.append(self._attributes.encode({names[key]: value for key, value in error.items()}))
        span = record[8]
        if span is not None:
            parts.append(self._ids if span is self._span else self._ids_of(record))
        if record[10]:
            parts.append(delimited(b"\x62", utf8(record[10])))
        body = b"".join(parts)
        return b"\x12" + varint(len(body)) + body

    def _ids_of(self, record: Record) -> bytes:
        """The fields for the record's span, kept for the next record of the same span."""
        trace_id, span_id, flags = ids_of(record)
        self._span = record[8]
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

    def _body(self, record: Record) -> bytes:
        body = record[3]
        if record[4]:
            body = message_of(record)
        if type(body) is not str:
            return delimited(b"\x2a", any_value(self._redactor.value("", body))) if body is not None else b""
        known = self._bodies.get(body)
        if known is None:
            shown = self._redactor.text(body)[: self._longest]
            known = delimited(b"\x2a", any_value(shown))
            if len(body) <= _KEPT_CHARS:
                if len(self._bodies) >= _KEPT:
                    self._bodies.clear()
                self._bodies[body] = known
        return known
