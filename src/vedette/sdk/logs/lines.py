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
_KEPT_SHAPES = 1024
_KEPT_JOINED = 64
_COMPILED_AT = 4
_MOST_COMPILED = 256
_KEPT_CHARS = 64
_RESERVED = frozenset(
    ("timestamp", "level", "logger", "message", "service", "trace_id", "span_id", "exception", "event")
)
_INFINITIES = {float("inf"): '"Infinity"', float("-inf"): '"-Infinity"'}
_FORMS = {str: "{quoted[value]}", int: "{value}", float: "{value!r}", bool: "{'true' if value else 'false'}"}
_QUOTES = "'''"
_COLOURS = {"trace": "90", "debug": "36", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}


class Lines(Protocol):
    """Formats one record as text that ends with a newline."""

    def format(self, record: Record) -> str:
        """The line, or lines, of `record`."""
        ...


class _Quoted(dict[str, str]):
    """Strings as JSON, with secrets masked; short ones are kept."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def __missing__(self, text: str) -> str:
        quoted: str = encode_basestring(self._redactor.text(text))
        if len(text) <= _KEPT_CHARS:
            if len(self) >= _KEPT:
                self.clear()
            self[text] = quoted
        return quoted


class _Shape:
    """Records of one logger and level with the same fields.

    `render` makes their lines, once it is compiled; `joined` holds the text of what several records share (a logger's
    fields, a request's), with `None` where names meet.
    """

    __slots__ = ("joined", "render", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.render: Any = None
        self.joined: dict[tuple[int, int], tuple[Any, Any, str | None]] = {}


class JsonLines:
    """One JSON object a line, UTC time with microseconds.

    `timestamp`, `level`, `logger`, `message`, the fields, `exception`, `service`, `trace_id`, `span_id`. A field of
    one of these names gets an underscore at its end.

    Lines of one call look alike, so a function is compiled for each shape that comes again: it holds what stays the
    same and puts in the values. What it was not made for (another type, names that meet, `nan`) goes the long way.
    """

    def __init__(self, service: str, redactor: Redactor) -> None:
        self._redactor = redactor
        self._service = f',"service":{encode_basestring(service)}}}\n'
        self._heads: dict[tuple[Any, int], str] = {}
        self._keys: dict[Any, str] = {}
        self._quoted = _Quoted(redactor)
        self._shared: dict[int, tuple[dict[str, Any], str]] = {}
        self._shapes: dict[tuple[Any, ...], _Shape] = {}
        self._compiled = 0
        self._begin = 0
        self._time = ""
        self._span: Any = None
        self._ids = ""

    def format(self, record: Record) -> str:
        """The JSON line of `record`."""
        since = record[0] - self._begin
        if not 0 <= since < _SECOND:
            since = self._new_second(record[0])
        when = self._time + str(1_000_000 + since // 1000)[1:]
        fields, span = record[5], record[8]
        shape = self._shapes.get((record[2], record[1], *fields))
        if shape is None or shape.render is None:
            shape = self._noted(record)
        ids = "" if span is None else self._ids if span is self._span else self._ids_of(record)
        plain = not record[4] and type(record[3]) is str
        text = self._quoted[record[3]] if plain else encode_basestring(self._redactor.text(message_of(record)))
        if shape is not None and record[9] is None and not record[10]:
            bound, context = record[6], record[7]
            joined = shape.joined.get((id(bound), id(context)))
            if joined is None or joined[0] is not bound or joined[1] is not context:
                joined = self._join(shape, fields, bound, context)
            if joined[2] is not None:
                try:
                    line: str | None = shape.render(when, text, joined[2], fields, ids)
                except ValueError:  # an integer of thousands of digits
                    line = None
                if line is not None:
                    return line
        head = self._heads.get((record[2], record[1])) or self._head(record[2], record[1])
        return f"{when}{head}{text}{self._rest(record)}{ids}{self._service}"

    def _new_second(self, at: int) -> int:
        seconds, nanos = divmod(at, _SECOND)
        self._begin = at - nanos
        self._time = strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', gmtime(seconds))
        return nanos

    def _rest(self, record: Record) -> str:
        """Fields, exception and event, where the nearer one wins when names meet."""
        fields = {**(record[7] or {}), **(record[6] or {}), **record[5]}
        pairs = self._fields(fields) if fields else ""
        if record[9] is not None:
            pairs += f',"exception":{self._other(record[9])}'
        if record[10]:
            pairs += f',"event":{encode_basestring(record[10])}'
        return pairs

    # -- shapes

    def _noted(self, record: Record) -> _Shape | None:
        """The record's shape, compiled when it has come a few times; `None` before."""
        key = (record[2], record[1], *record[5])
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _KEPT_SHAPES:
                self._shapes = {known: held for known, held in self._shapes.items() if held.render is not None}
            shape = self._shapes[key] = _Shape()
        shape.seen += 1
        if shape.seen < _COMPILED_AT or self._compiled >= _MOST_COMPILED:
            return None
        if not all(type(key) is str and type(value) in _FORMS for key, value in record[5].items()):
            return None
        self._compiled += 1
        shape.render = self._render_of(record)
        return shape

    def _render_of(self, record: Record) -> Any:
        """A function of (time, message, shared pairs, fields, ids) that gives the line, or `None`."""
        fields = record[5]
        names = [f"v{place}" for place in range(len(fields))]
        checks, pairs = [], ""
        for name, (key, value) in zip(names, fields.items(), strict=True):
            kind, known = type(value), _braced(self._keys.get(key) or self._key(key))
            if known[-1] == '"':  # a masked key has its value already
                pairs += known
                continue
            checks.append(f"type({name}) is not {kind.__name__}")
            if kind is float:
                checks.append(f"{name} - {name}")  # not 0 for infinities and `nan`
            pairs += known + _FORMS[kind].replace("value", name)
        head = _braced(self._heads.get((record[2], record[1])) or self._head(record[2], record[1]))
        source = "def render(when, message, shared, fields, ids):\n"
        if names:
            source += f"    {', '.join(names)}, = fields.values()\n"
        if checks:
            source += f"    if {' or '.join(checks)}:\n        return None\n"
        text = f"{{when}}{head}{{message}}{{shared}}{pairs}{{ids}}{_braced(self._service)}"
        source += f"    return f{_QUOTES}{text}{_QUOTES}\n"
        made: dict[str, Any] = {"quoted": self._quoted}
        exec(source, made)  # noqa: S102 - keys and names are in it as escaped text alone
        return made["render"]

    def _join(self, shape: _Shape, fields: Any, bound: Any, context: Any) -> tuple[Any, Any, str | None]:
        """The pairs that the record has from its logger and its context, if no name comes twice."""
        bare = {**(context or {}), **(bound or {})}
        met = len(bare) < len(context or ()) + len(bound or ()) or not bare.keys().isdisjoint(fields)
        shared = None if met else (self._same(context) if context else "") + (self._same(bound) if bound else "")
        if len(shape.joined) >= _KEPT_JOINED:
            shape.joined.clear()
        found = shape.joined[id(bound), id(context)] = (bound, context, shared)
        return found

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
        keys, quoted = self._keys, self._quoted
        parts = []
        for key, value in fields.items():
            kind = type(value)
            name = keys.get(key) or self._key(key)
            if name[-1] == '"':  # a masked key has its value already
                parts.append(name)
            elif kind is str:
                parts.append(name + quoted[value])
            elif kind is int:
                parts.append(name + _digits(value))
            elif kind is float and (shown := repr(value))[-1] <= "9":  # neither `inf` nor `nan`
                parts.append(name + shown)
            elif kind is bool:
                parts.append(name + ("true" if value else "false"))
            else:
                parts.append(name + self._other(value))
        return "".join(parts)

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


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # thousands of digits, which Python does not write in decimals
        return f'"{number:#x}"'


def _braced(text: str) -> str:
    """`text` inside a literal f-string in triple quotes."""
    return text.encode("unicode_escape").decode().replace("'", "\\'").replace("{", "{{").replace("}", "}}")


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
