"""Functions that take a log call's values where calls alike have come a few times.

Such a function looks at names and types, which it was compiled for, and hands on a record of its site. It says no to
any other call: that goes the long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk.context import fields as context_fields
from vedette.sdk.logs.records import Site
from vedette.sdk.logs.waiting import WaitingRecords
from vedette.sdk.traces.span import current_context
from vedette.sdk.values import SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import TypeAlias

    from vedette.sdk.logs.records import Channel, Record

    Sink: TypeAlias = Callable[[Record], None]
    Capture: TypeAlias = Callable[[Sink, int, Any, str, tuple[Any, ...], dict[str, Any]], bool]

__all__ = ["Sites"]

_ERROR = 40
_COMPILED_AT = 4
_MOST_COMPILED = 256
_MOST_COUNTED = 1024
_MOST_MESSAGES = 512
_MOST_VALUES = 256
"""A record of more values goes the long way: a step of the export thread has room for a bounded number of them."""
_ANY = SCALARS | {type(None)}
_NOT_FIELDS = frozenset(("exc_info", "extra"))


class Sites:
    """The sites that were met, bounded: functions that are compiled, and calls that are counted.

    What is compiled hands records to any sink, and lays them where `sink` would itself.
    """

    __slots__ = ("_compiled", "_seen", "_sink")

    def __init__(self, sink: Sink | None = None) -> None:
        self._sink = sink
        self._compiled = 0
        # By channel, level, number of arguments and names: how often it came, or the types and the function.
        self._seen: dict[Hashable, Any] = {}

    def find(
        self, channel: Channel, level: int, message: str, args: tuple[Any, ...], fields: dict[str, Any]
    ) -> Capture | None:
        """The function for calls like this one, all of whose values are scalars; `None` until a few have come.

        It is kept for the next call with this message.
        """
        messages = channel.captures.get(level)
        if messages is None or len(args) + len(fields) > _MOST_VALUES:
            return None
        key = (channel, level, len(args), *fields)
        found = self._seen.get(key, 0)
        kinds = (*map(type, args), *map(type, fields.values()))
        if type(found) is int:
            if found + 1 < _COMPILED_AT or self._compiled >= _MOST_COMPILED:
                self._count(key, found + 1)
                return None
            if not all(type(name) is str and name and name not in _NOT_FIELDS for name in fields):
                return None
            found = self._make(key, kinds)
        elif not all(known is kind or known is None for known, kind in zip(found[0], kinds, strict=True)):
            if self._compiled >= _MOST_COMPILED:
                return None
            # Values of other types than before: from now on this place takes any.
            merged = [known if known is kind else None for known, kind in zip(found[0], kinds, strict=True)]
            found = self._make(key, tuple(merged))
        if len(messages) >= _MOST_MESSAGES:
            messages.clear()
        capture: Capture = found[1]
        messages[message] = capture
        return capture

    def _count(self, key: Hashable, times: int) -> None:
        if len(self._seen) >= _MOST_COUNTED:
            self._seen = {known: held for known, held in self._seen.items() if type(held) is not int}
        self._seen[key] = times

    def _make(self, key: tuple[Any, ...], kinds: tuple[type | None, ...]) -> tuple[Any, Capture]:
        channel, level, arguments, *names = key
        self._compiled += 1
        made = kinds, _compiled(Site(channel, level, arguments, tuple(names), kinds), self._sink)
        self._seen[key] = made
        return made


def _compiled(site: Site, sink: Sink | None) -> Capture:
    made: dict[str, Any] = {"SITE": site, "ANY": _ANY, "KEY": _SPAN_KEY}
    made |= {"context_fields": context_fields.get, "current_context": current_context}
    names = site.names or ()
    values = [f"v{place}" for place in range(len(site.kinds))]
    args, fields = values[: site.arguments], values[site.arguments :]
    checks = [
        f"len(args) == {len(args)}" if args else "not args",
        f"len(fields) == {len(names)}" if names else "not fields",
    ]
    lines = ["def capture(sink, at, bound, message, args, fields):"]
    lines.append(f"    if not ({' and '.join(checks)}):\n        return False")
    if args:
        lines.append(f"    {', '.join(args)}, = args")
    if names:
        reads = "".join([f"        {value} = fields[{name!a}]\n" for value, name in zip(fields, names, strict=True)])
        lines.append(f"    try:\n{reads}    except KeyError:\n        return False")
    for value, kind in zip(values, site.kinds, strict=True):
        right = f"type({value}) in ANY" if kind is None else f"type({value}) is {kind.__name__}"
        lines.append(f"    if not {right}:\n        return False")
    shown = "".join([f", {value}" for value in values])
    record = f"(SITE, at, bound, context_fields(), current_context().get(KEY), message{shown})"
    if isinstance(sink, WaitingRecords) and site.level < _ERROR:
        made |= {"SINK": sink, "QUEUE": sink.queue, "CALM": sink.calm, "extend": sink.queue.extend}
        lines.append(f"    if sink is SINK and len(QUEUE) < CALM:\n        extend({record})\n        return True")
    lines.append(f"    sink({record})\n    return True\n")
    # A frame of this package: handlers of the standard library are shown the program's line.
    exec(compile("\n".join(lines), __file__, "exec"), made)  # noqa: S102 - names are in it as escaped text alone
    capture: Capture = made["capture"]
    return capture
