"""Records as lines: JSON for machines, colour for people."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from math import inf
from time import gmtime, localtime, strftime
from typing import TYPE_CHECKING, Any, Protocol

from vedette.sdk.context import CORRELATION_ID, named
from vedette.sdk.logs.line_shapes import Renders, compiled
from vedette.sdk.logs.records import ids_of, level_name, message_of
from vedette.sdk.logs.shapes import SharedFields
from vedette.sdk.redaction import MASK
from vedette.sdk.traces.span import Span
from vedette.sdk.values import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vedette.sdk.logs.records import Captured, Channel, Record, Site
    from vedette.sdk.redaction import Redactor

__all__ = ["ConsoleLines", "JsonLines", "Lines"]

_SECOND = 1_000_000_000
_KEPT = 4096
_KEPT_OF_A_KEY = 128
_MOST_KEYS = 256
_KEPT_CHARS = 64
_FILLINGS_OF_A_KEY = 4
_RESERVED = frozenset(
    ("timestamp", "level", "logger", "message", "service", "trace_id", "span_id", "exception", "event")
)
_INFINITIES = {float("inf"): '"Infinity"', float("-inf"): '"-Infinity"'}
_COLOURS = {"trace": "90", "debug": "36", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}


class Lines(Protocol):
    """Formats one record as text that ends with a newline. `renders` has the functions that do so, by site."""

    renders: Mapping[Site, Renders]

    def forget(self) -> None:
        """Let go of the requests whose records were formatted."""
        ...

    def format(self, record: Record) -> str:
        """The line, or lines, of `record`."""
        ...


class _Quoted(dict[str, str]):
    """Strings as JSON, with secrets masked; short ones are kept, up to `most`.

    After so many `fillings` none is kept any more: these hardly come again. What is no string is shown by `other`.
    """

    __slots__ = ("_fillings", "_most", "_other", "_redact")

    def __init__(self, redactor: Redactor, other: Callable[[Any], str], most: int, fillings: float = inf) -> None:
        super().__init__()
        self._redact = redactor.text
        self._other = other
        self._most = most
        self._fillings = fillings

    def __missing__(self, text: Any) -> str:
        if type(text) is not str:
            return self._other(text)
        quoted: str = encode_basestring(self._redact(text))
        if self._fillings and len(text) <= _KEPT_CHARS:
            if len(self) >= self._most:
                self.clear()
                self._fillings -= 1
            self[text] = quoted
        return quoted


class JsonLines(SharedFields[str]):
    """One JSON object a line, UTC time with microseconds.

    `timestamp`, `level`, `logger`, `message`, the fields, `exception`, `service`, `trace_id`, `span_id`. A field of
    one of these names gets an underscore at its end.

    A function is compiled for each site: it holds what stays the same and puts in the values. What it was not made for
    (names that meet, records like no others) goes the long way.
    """

    def __init__(self, service: str, redactor: Redactor) -> None:
        super().__init__("")
        self._redactor = redactor
        self.redact = redactor.text
        self._service = f',"service":{encode_basestring(service)}}}\n'
        self._heads: dict[tuple[Any, int], str] = {}
        self._keys: dict[Any, str] = {}
        self.quoted = _Quoted(redactor, self.other, _KEPT)
        self._quoted_of: dict[str, _Quoted] = {}
        self.renders: Mapping[Site, Renders] = _BySite(self._render_of)
        # What consecutive records share besides fields: the second, and the span.
        self.begin = 0
        self.time = ""
        self.span: Any = None
        self.end = self._service  # the ids of the span, and what ends every line

    def format(self, record: Record) -> str:
        """The JSON line of `record`."""
        return self.renders[record[0]].one(record)

    def in_full(self, captured: Captured) -> str:
        """The line of any record. Of fields, exception and event the nearer one wins when names meet."""
        at = captured.time_ns
        since = at - self.begin
        if not 0 <= since < _SECOND:
            since = self.new_second(at)
        fields = {**named(captured.context), **(captured.bound or {}), **captured.fields}
        pairs = "".join([self._pair(key, value) for key, value in fields.items()])
        if captured.exception is not None:
            pairs += f',"exception":{self.other(captured.exception)}'
        if captured.event_name:
            pairs += f',"event":{encode_basestring(captured.event_name)}'
        if captured.span is not self.span:
            self.use_span(captured.span)
        head = self.head(captured.channel, captured.level)
        message = encode_basestring(self.redact(message_of(captured)))
        return f"{self.time}{since // 1000:06d}{head}{message}{pairs}{self.end}"

    # -- what the compiled functions ask for

    def new_second(self, at: int) -> int:
        """Begin another second; the nanoseconds within it."""
        seconds, nanos = divmod(at, _SECOND)
        self.begin = at - nanos
        self.time = strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', gmtime(seconds))
        return nanos

    def use_span(self, span: Any) -> None:
        """Take over a span's ids, for the next record of the same span as well."""
        self.span = span
        self.end = self.make_span(span)

    def make_span(self, span: Any) -> str:
        """The ids of a span, and what ends every line."""
        if type(span) is Span:
            trace_id, span_id = span._trace_id, span._span_id
        else:
            trace_id, span_id, _ = ids_of(span)
        if not trace_id:
            return self._service
        return f',"trace_id":"{trace_id.to_bytes(16).hex()}","span_id":"{span_id.to_bytes(8).hex()}"{self._service}'

    def make_context(self, context: dict[str, Any] | str) -> str:
        """The fields of a request as JSON."""
        if type(context) is str:
            name = self.name(CORRELATION_ID)
            return name if name[-1] == '"' else name + encode_basestring(self.redact(context))
        return self.make_bound(context)  # type: ignore[arg-type]  # a context is a dictionary otherwise

    def make_bound(self, bound: dict[str, Any]) -> str:
        """The fields of a logger as JSON."""
        text, keys, redact = "", self._keys, self.redact
        for field, value in bound.items():
            name = keys.get(field) or self._key(field)
            if type(value) is str and name[-1] != '"':  # not looked up: those of a request hardly come again
                text += name + encode_basestring(redact(value))
            else:
                text += self._pair(field, value)
        return text

    def other(self, value: Any) -> str:
        """A value of any type as JSON."""
        kind = type(value)
        if kind is str:
            return self.quoted[value]
        if kind is bool:
            return "true" if value else "false"
        if kind is int:
            digits = text_of(value)
            return f'"{digits}"' if "x" in digits else digits
        if kind is float:
            if value != value:  # noqa: PLR0124 - NaN is the one value that differs from itself
                return '"NaN"'
            return _INFINITIES.get(value) or repr(value)
        if value is None:
            return "null"
        if kind is bytes:
            return encode_basestring(value.decode("utf-8", "backslashreplace"))
        return json.dumps(self._redactor.value("", value), default=str, ensure_ascii=False)

    def _render_of(self, site: Site) -> Renders:
        def full(record: Record) -> str:
            return in_full(site.captured(record))

        in_full = self.in_full
        return _each(full) if site.names is None else compiled(self, site, full)

    # -- texts that stay the same

    def name(self, key: Any) -> str:
        """A comma, the key as JSON and a colon; of a masked key with its value."""
        return self._keys.get(key) or self._key(key)

    def head(self, channel: Channel, level: int) -> str:
        """What lies between time and message."""
        return self._heads.get((channel, level)) or self._head(channel, level)

    def quoted_of(self, key: str) -> dict[str, str]:
        """The strings of one key, so that one whose values never come again does not push out those of the others."""
        known = self._quoted_of.get(key)
        if known is None:
            if len(self._quoted_of) >= _MOST_KEYS:
                return self.quoted
            known = self._quoted_of[key] = _Quoted(self._redactor, self.other, _KEPT_OF_A_KEY, _FILLINGS_OF_A_KEY)
        return known

    def _pair(self, key: Any, value: Any) -> str:
        name = self._keys.get(key) or self._key(key)
        return name if name[-1] == '"' else name + self.other(value)  # a masked key has its value already

    def _head(self, channel: Channel, level: int) -> str:
        head = f'Z","level":"{level_name(level)}","logger":{encode_basestring(channel.name)},"message":'
        if len(self._heads) >= _KEPT:
            self._heads.clear()
        self._heads[channel, level] = head
        return head

    def _key(self, key: Any) -> str:
        text = str(key)
        name = f",{encode_basestring(text + '_' if text in _RESERVED else text)}:"
        if self._redactor.secret_key(text):
            name += f'"{MASK}"'
        if len(self._keys) >= _KEPT:
            self._keys.clear()
        self._keys[key] = name
        return name


def _each(one: Callable[[Record], str]) -> Renders:
    """Functions that know nothing of what records in a row share."""

    def run(records: Iterable[Record], put: Callable[[str], None]) -> None:
        for record in records:
            put(one(record))

    return Renders(one, run)


class _BySite(dict[Any, Any]):
    """The functions that give the lines of a site's records, made when they are first asked for."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Site], Renders]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, site: Site) -> Renders:
        render = self[site] = self._make(site)
        return render


class ConsoleLines:
    """Local time, level, message and fields in colour, for a terminal. Control characters are shown, not obeyed."""

    def __init__(self, redactor: Redactor, *, colour: bool) -> None:
        self._redactor = redactor
        self._colour = colour
        alike = _each(self.format)
        self.renders: Mapping[Site, Renders] = _BySite(lambda _: alike)

    def forget(self) -> None:
        """Nothing: it keeps none."""

    def format(self, record: Record) -> str:
        """The line of `record`, followed by the stack of its exception."""
        captured: Captured = record[0].captured(record)
        seconds, nanos = divmod(captured.time_ns, _SECOND)
        at = f"{strftime('%H:%M:%S', localtime(seconds))}.{nanos // 1_000_000:03d}"
        name = level_name(captured.level)
        level = self._paint(f"{name.upper():8}", _COLOURS[name])
        message = _inert(self._redactor.text(message_of(captured)))
        pairs = [
            f"{self._paint(_inert(str(key)), '2')}={_inert(_shown(self._redactor.value(str(key), value)))}"
            for key, value in {**named(captured.context), **(captured.bound or {}), **captured.fields}.items()
        ]
        line = " ".join([self._paint(at, "2"), level, self._paint(captured.channel.name, "34"), message, *pairs])
        if captured.exception is None:
            return line + "\n"
        stack = self._redactor.text(captured.exception["stack"])
        return line + "\n" + "".join(_inert(text) + "\n" for text in stack.splitlines())

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _shown(value: Any) -> str:
    if type(value) is int:
        return text_of(value)
    return value if type(value) is str and value and " " not in value else repr(value)


def _inert(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)
