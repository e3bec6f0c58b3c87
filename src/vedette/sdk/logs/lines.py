"""Records as lines: JSON for machines, colour for people."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from time import gmtime, localtime, strftime
from typing import TYPE_CHECKING, Any, Protocol

from vedette.sdk.logs.records import Captured, Record, ids_of, level_name, message_of
from vedette.sdk.redaction import MASK

if TYPE_CHECKING:
    from vedette.sdk.logs.records import Channel
    from vedette.sdk.redaction import Redactor

__all__ = ["ConsoleLines", "JsonLines", "Lines"]

_SECOND = 1_000_000_000
_KEPT = 4096
_KEPT_SHARED = 512
_KEPT_CHARS = 64
_RESERVED = frozenset(
    ("timestamp", "level", "logger", "message", "service", "trace_id", "span_id", "exception", "event")
)
_INFINITIES = {float("inf"): '"Infinity"', float("-inf"): '"-Infinity"'}
_COLOURS = {"trace": "90", "debug": "36", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}


class Lines(Protocol):
    """Formats one record as text that ends with a newline."""

    def format(self, record: Record) -> str:
        """The line, or lines, of `record`."""
        ...


class JsonLines:
    """One JSON object a line, UTC time with microseconds.

    `timestamp`, `level`, `logger`, `message`, the fields, `exception`, `service`, `trace_id`, `span_id`. A field of
    one of these names gets an underscore at its end.
    """

    def __init__(self, service: str, redactor: Redactor) -> None:
        self._redactor = redactor
        self._service = f',"service":{encode_basestring(service)}}}\n'
        self._heads: dict[tuple[Any, int], str] = {}
        self._keys: dict[Any, str] = {}
        self._pairs: dict[tuple[Any, str], str] = {}
        self._messages: dict[str, str] = {}
        self._shared: dict[int, tuple[dict[str, Any], str]] = {}
        self._second = -1
        self._time = ""
        self._span: Any = None
        self._ids = ""

    def format(self, record: Record) -> str:
        """The JSON line of `record`."""
        seconds, nanos = divmod(record[0], _SECOND)
        if seconds != self._second:
            self._second = seconds
            self._time = strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', gmtime(seconds))
        micros = str(1_000_000 + nanos // 1000)[1:]
        head = self._heads.get((record[2], record[1])) or self._head(record[2], record[1])
        message, fields, bound, context, span = record[3], record[5], record[6], record[7], record[8]
        known = self._messages.get(message) if not record[4] and type(message) is str else None
        text = known if known is not None else self._message(record)
        shared = ""
        if bound or context:
            if (bound and context and not bound.keys().isdisjoint(context)) or (
                fields and not (fields.keys().isdisjoint(bound or ()) and fields.keys().isdisjoint(context or ()))
            ):  # the nearer one wins where names meet
                fields = {**(context or {}), **(bound or {}), **fields}
            else:
                shared = (self._same(context) if context else "") + (self._same(bound) if bound else "")
        pairs = self._fields(fields) if fields else ""
        if record[9] is not None:
            pairs += f',"exception":{self._other(record[9])}'
        if record[10]:
            pairs += f',"event":{encode_basestring(record[10])}'
        if span is None:
            return f"{self._time}{micros}{head}{text}{shared}{pairs}{self._service}"
        ids = self._ids if span is self._span else self._ids_of(record)
        return f"{self._time}{micros}{head}{text}{shared}{pairs}{ids}{self._service}"

    def _message(self, record: Record) -> str:
        message = message_of(record)
        text: str = encode_basestring(self._redactor.text(message))
        if not record[4] and type(record[3]) is str and len(message) <= _KEPT_CHARS:
            if len(self._messages) >= _KEPT:
                self._messages.clear()
            self._messages[message] = text
        return text

    def _ids_of(self, record: Record) -> str:
        """The ids of the record's span, kept for the next record of the same span."""
        trace_id, span_id, _ = ids_of(record)
        self._span = record[8]
        self._ids = f',"trace_id":"{trace_id:032x}","span_id":"{span_id:016x}"' if trace_id else ""
        return self._ids

    def _same(self, fields: dict[str, Any]) -> str:
        """The text of fields that many records share: a logger's, a request's. They do not change once made."""
        known = self._shared.get(id(fields))
        if known is None or known[0] is not fields:
            if len(self._shared) >= _KEPT_SHARED:
                self._shared.clear()
            known = self._shared[id(fields)] = (fields, self._fields(fields))
        return known[1]

    def _fields(self, fields: dict[str, Any]) -> str:
        keys, pairs = self._keys, self._pairs
        parts = []
        for key, value in fields.items():
            kind = type(value)
            if kind is str:
                pair = pairs.get((key, value))
                parts.append(pair if pair is not None else self._pair(key, value))
            elif (name := keys.get(key) or self._key(key))[-1] == '"':  # a masked key has its value already
                parts.append(name)
            elif kind is int:
                parts.append(f"{name}{value}")
            elif kind is float and (shown := repr(value))[-1] <= "9":  # neither `inf` nor `nan`
                parts.append(name + shown)
            elif kind is bool:
                parts.append(name + ("true" if value else "false"))
            else:
                parts.append(name + self._other(value))
        return "".join(parts)

    def _pair(self, key: Any, value: str) -> str:
        name = self._keys.get(key) or self._key(key)
        pair: str = name if name[-1] == '"' else name + encode_basestring(self._redactor.text(value))
        if len(value) <= _KEPT_CHARS:
            if len(self._pairs) >= _KEPT:
                self._pairs.clear()
            self._pairs[key, value] = pair
        return pair

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

    def _other(self, value: Any) -> str:
        if type(value) is float:
            if value != value:  # noqa: PLR0124 - NaN is the one value that differs from itself
                return '"NaN"'
            return _INFINITIES.get(value) or repr(value)
        if value is None:
            return "null"
        if type(value) is bytes:
            return encode_basestring(value.decode("utf-8", "backslashreplace"))
        return json.dumps(self._redactor.value("", value), default=str, ensure_ascii=False)


class ConsoleLines:
    """Local time, level, message and fields in colour, for a terminal. Control characters are shown, not obeyed."""

    def __init__(self, redactor: Redactor, *, colour: bool) -> None:
        self._redactor = redactor
        self._colour = colour

    def format(self, record: Record) -> str:
        """The line of `record`, followed by the stack of its exception."""
        captured = Captured(*record)
        seconds, nanos = divmod(captured.time_ns, _SECOND)
        at = f"{strftime('%H:%M:%S', localtime(seconds))}.{nanos // 1_000_000:03d}"
        name = level_name(captured.level)
        level = self._paint(f"{name.upper():8}", _COLOURS[name])
        message = _inert(self._redactor.text(message_of(record)))
        pairs = [
            f"{self._paint(_inert(str(key)), '2')}={_inert(_shown(self._redactor.value(str(key), value)))}"
            for key, value in {**(captured.context or {}), **(captured.bound or {}), **captured.fields}.items()
        ]
        line = " ".join([self._paint(at, "2"), level, self._paint(captured.channel.name, "34"), message, *pairs])
        if captured.exception is None:
            return line + "\n"
        stack = self._redactor.text(captured.exception["stack"])
        return line + "\n" + "".join(_inert(text) + "\n" for text in stack.splitlines())

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _shown(value: Any) -> str:
    return value if type(value) is str and value and " " not in value else repr(value)


def _inert(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)
