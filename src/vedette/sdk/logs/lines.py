"""Records as lines: JSON for machines, colour for people."""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from time import gmtime, localtime, strftime
from typing import TYPE_CHECKING, Any, Protocol

from vedette.sdk.logs.records import Captured, level_name
from vedette.sdk.redaction import MASK

if TYPE_CHECKING:
    from vedette.sdk.redaction import Redactor

__all__ = ["ConsoleLines", "JsonLines", "Lines"]

_SECOND = 1_000_000_000
_KEPT = 4096
_RESERVED = frozenset(
    ("timestamp", "level", "logger", "message", "service", "trace_id", "span_id", "exception", "event")
)
_INFINITIES = {float("inf"): '"Infinity"', float("-inf"): '"-Infinity"'}
_COLOURS = {"trace": "90", "debug": "36", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}


class Lines(Protocol):
    """Formats one record as text that ends with a newline."""

    def format(self, record: Captured) -> str:
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
        self._heads: dict[tuple[str, int], str] = {}
        self._keys: dict[str, str] = {}
        self._second = -1
        self._time = ""

    def format(self, record: Captured) -> str:
        """The JSON line of `record`."""
        seconds, nanos = divmod(record[0], _SECOND)
        if seconds != self._second:
            self._second = seconds
            self._time = strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', gmtime(seconds))
        channel = record[2]
        head = self._heads.get((channel.name, record[1])) or self._head(channel.name, record[1])
        message = record[3] if not record[4] and type(record[3]) is str else record.message()
        parts = [f"{self._time}{nanos // 1000:06d}{head}{encode_basestring(self._redactor.text(message))}"]
        fields = record[5]
        if record[7] or record[6]:  # the nearer one wins where names meet
            fields = {**(record[7] or {}), **(record[6] or {}), **fields}
        self._fields(fields, parts)
        if record[9] is not None:
            parts.append(f',"exception":{self._other(record[9])}')
        if record[10]:
            parts.append(f',"event":{encode_basestring(record[10])}')
        if record[8] is not None:
            trace_id, span_id, _ = record.ids()
            if trace_id:
                parts.append(f',"trace_id":"{trace_id:032x}","span_id":"{span_id:016x}"')
        parts.append(self._service)
        return "".join(parts)

    def _fields(self, fields: dict[str, Any], parts: list[str]) -> None:
        keys, text = self._keys, self._redactor.text
        for key, value in fields.items():
            name = keys.get(key)
            if name is None:
                name = self._key(key)
            kind = type(value)
            if name.endswith('"'):  # a masked key has its value already
                parts.append(name)
            elif kind is str:
                parts.append(name + encode_basestring(text(value)))
            elif kind is int:
                parts.append(f"{name}{value}")
            elif kind is bool:
                parts.append(name + ("true" if value else "false"))
            else:
                parts.append(name + self._other(value))

    def _head(self, name: str, level: int) -> str:
        head = f'Z","level":"{level_name(level)}","logger":{encode_basestring(name)},"message":'
        if len(self._heads) >= _KEPT:
            self._heads.clear()
        self._heads[name, level] = head
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

    def format(self, record: Captured) -> str:
        """The line of `record`, followed by the stack of its exception."""
        seconds, nanos = divmod(record.time_ns, _SECOND)
        at = f"{strftime('%H:%M:%S', localtime(seconds))}.{nanos // 1_000_000:03d}"
        name = level_name(record.level)
        level = self._paint(f"{name.upper():8}", _COLOURS[name])
        message = _inert(self._redactor.text(record.message()))
        pairs = [
            f"{self._paint(_inert(str(key)), '2')}={_inert(_shown(self._redactor.value(str(key), value)))}"
            for key, value in {**(record.context or {}), **(record.bound or {}), **record.fields}.items()
        ]
        line = " ".join([self._paint(at, "2"), level, self._paint(record.channel.name, "34"), message, *pairs])
        if record.exception is None:
            return line + "\n"
        stack = self._redactor.text(record.exception["stack"])
        return line + "\n" + "".join(_inert(text) + "\n" for text in stack.splitlines())

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _shown(value: Any) -> str:
    return value if type(value) is str and value and " " not in value else repr(value)


def _inert(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)
