"""Log records as `LogRecord` messages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from vedette.sdk.context import CORRELATION_ID, named
from vedette.sdk.logs.records import filled, ids_of, message_of, severity_of
from vedette.sdk.logs.shapes import SharedFields
from vedette.sdk.otlp.attributes import AttributeEncoder
from vedette.sdk.otlp.record_shapes import compiled
from vedette.sdk.otlp.wire import any_value, delimited, utf8, varint
from vedette.sdk.traces.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vedette.sdk.logs.records import Captured, Record, Site
    from vedette.sdk.logs.shapes import Run
    from vedette.sdk.redaction import Redactor

__all__ = ["LogEncoder"]

_KEPT = 4096
_KEPT_CHARS = 256
_LOW_64 = (1 << 64) - 1
_EXCEPTION = {"type": "exception.type", "message": "exception.message", "stack": "exception.stacktrace"}
_times = struct.Struct("<cQcQ").pack
_span_ids = struct.Struct(">2sQQ2sQcB3x").pack  # flags are a little-endian fixed32 below 256


class LogEncoder(SharedFields[bytes]):
    """Encodes records as the field `log_records` (2) of ScopeLogs.

    A function is compiled for each site, as for JSON lines. What those were not made for (exceptions, events, names
    that meet) goes the long way.
    """

    def __init__(self, redactor: Redactor, longest: int) -> None:
        super().__init__(b"")
        self._redactor = redactor
        self._longest = longest
        self.attributes = AttributeEncoder(b"\x32", redactor, longest)
        self.heads: dict[int, dict[str, bytes]] = {}  # severity and body by level and message
        self._severities: dict[Any, bytes] = {}
        self.encoders: dict[Site, Run[bytes]] = _Encoders(self)

    def encode(self, record: Record) -> bytes:
        """One LogRecord with its tag and length."""
        out: list[bytes] = []
        self.encoders[record[0]]((record,), out.append)
        self.forget()
        return out[0]

    def in_full(self, captured: Captured) -> bytes:
        """Any record. Of names that meet the nearer one wins."""
        at, level, _, text, args, fields, bound, context, span, error, event, severity = captured
        if args or severity or type(text) is not str:
            head = self._severity(severity or level) + self._body(message_of(captured) if args else text)
        else:
            head = self.head_of(level, text)
        parts = [
            _times(b"\x09", at, b"\x59", at),
            head,
            self.attributes.encode({**named(context), **(bound or {}), **fields}),
        ]
        if error is not None:
            parts.append(self.attributes.encode({_EXCEPTION[key]: value for key, value in error.items()}))
        parts.append(self.spans[span])
        if event:
            parts.append(delimited(b"\x62", utf8(event)))
        return delimited(b"\x12", b"".join(parts))

    # -- what the compiled functions ask for

    def make_context(self, context: dict[str, Any] | str) -> bytes:
        """The fields of a request as attributes."""
        if type(context) is str:
            made: bytes = self.attributes.kinds[str][CORRELATION_ID].make(context)
            return made
        return self.attributes.encode_once(context)  # type: ignore[arg-type]  # a context is a dictionary otherwise

    def make_bound(self, bound: dict[str, Any]) -> bytes:
        """The fields of a logger as attributes."""
        return self.attributes.encode(bound)

    def make_span(self, span: Any) -> bytes:
        """The ids of a span."""
        if type(span) is Span:
            trace_id, span_id, flags = span._trace_id, span._span_id, int(span._inherited[0])
        else:
            trace_id, span_id, flags = ids_of(span)
        if not trace_id:
            return b""
        return _span_ids(b"\x4a\x10", trace_id >> 64, trace_id & _LOW_64, b"\x52\x08", span_id, b"\x45", flags & 0xFF)

    def head_of(self, level: int, text: str) -> bytes:
        """Severity and body; kept."""
        heads = self.heads_of(level)
        head = heads.get(text)
        if head is None:
            head = self._severity(level) + self._body(text)
            if len(text) <= _KEPT_CHARS:
                if len(heads) >= _KEPT:
                    heads.clear()
                heads[text] = head
        return head

    def heads_of(self, level: int) -> dict[str, bytes]:
        """The heads of a level that are kept."""
        return self.heads.setdefault(level, {})

    def filled(self, level: int, text: str, args: tuple[Any, ...]) -> bytes:
        """Severity and body of a message with `%` arguments."""
        return self._severity(level) + self._body(filled(text, args))

    def _severity(self, given: int | tuple[int, str]) -> bytes:
        known = self._severities.get(given)
        if known is None:
            number, text = severity_of(given) if isinstance(given, int) else given
            known = (b"\x10" + varint(number) if number else b"") + (delimited(b"\x1a", utf8(text)) if text else b"")
            self._severities[given] = known
        return known

    def _body(self, body: Any) -> bytes:
        if type(body) is str:
            return delimited(b"\x2a", any_value(self._redactor.text(body)[: self._longest]))
        return b"" if body is None else delimited(b"\x2a", any_value(self._redactor.value("", body)))


class _Encoders(dict[Any, Any]):
    """The functions that encode a site's records."""

    __slots__ = ("_log",)

    def __init__(self, log: LogEncoder) -> None:
        super().__init__()
        self._log = log

    def __missing__(self, site: Site) -> Run[bytes]:
        def full(record: Record) -> bytes:
            return in_full(site.captured(record))

        def run(records: Iterable[Record], put: Callable[[bytes], None]) -> None:
            for record in records:
                put(full(record))

        in_full = self._log.in_full
        encode = self[site] = run if site.names is None else compiled(self._log, site, _times, full)
        return encode
