"""What a log call captures, and the levels.

A record is a sequence that begins with its `Site` and that site's five values all records have: `(site, time in Unix
nanoseconds, the logger's fields, the context's fields, the current span or None)`. What follows is as the site says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vedette.sdk.traces.span import Span
from vedette.sdk.values import clean

if TYPE_CHECKING:
    from vedette.sdk.resource import Scope

__all__ = [
    "LEVELS",
    "USUAL_SIZE",
    "Captured",
    "Channel",
    "Record",
    "Site",
    "filled",
    "ids_of",
    "level_name",
    "message_of",
    "severity_of",
]

_MOST_LEVELS = 6
LEVELS = {5: "trace", 10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}

# OpenTelemetry's severity number and text of the standard library's levels.
_SEVERITIES = {
    5: (1, "TRACE"),
    10: (5, "DEBUG"),
    20: (9, "INFO"),
    30: (13, "WARN"),
    40: (17, "ERROR"),
    50: (21, "CRITICAL"),
}


def level_name(level: int) -> str:
    """The name of a level, also of one in between."""
    return LEVELS.get(level) or LEVELS[max((known for known in LEVELS if known <= level), default=5)]


def severity_of(level: int) -> tuple[int, str]:
    """OpenTelemetry's severity number (1 to 24) and text for a level of the standard library."""
    known = _SEVERITIES.get(level)
    if known is None:
        base = max((known for known in _SEVERITIES if known <= level), default=5)
        number, text = _SEVERITIES[base]
        known = (min(24, number + min(3, level - base)) if level > base else number, text)
    return known


class Channel:
    """What the loggers of one name share, and who they are in OTLP.

    Records from `level` on are captured, those from `threshold` on are logged in any case. `sites` has, for each of
    the usual levels (a tenth of it is the place) and by message, the function that takes such records (`logs.sites`);
    none while records go elsewhere than to a sink, or are limited. `captures` has the same by level.
    """

    __slots__ = ("captures", "gate", "level", "name", "scope", "sites", "threshold", "whole")

    def __init__(self, name: str, level: int, scope: Scope) -> None:
        self.name = name
        self.level = self.threshold = level
        self.scope = scope
        self.gate: Any = None
        self.sites: tuple[dict[str, Any], ...] = ()
        self.captures: dict[int, dict[str, Any]] = {}
        self.whole: dict[int, Site] = {}
        self.forget()

    def forget(self) -> None:
        """Let records go the long way until their sites are found again."""
        self.sites = tuple([{} for _ in range(_MOST_LEVELS)])
        self.captures = {place * 10: by_message for place, by_message in enumerate(self.sites)}


class Site:
    """What records have in common that one place in a program makes: logger, level, names and types of values.

    Such a record goes on with the message, as many `arguments`, and the values of the fields `names`; `kinds` has the
    types of arguments and values, `None` for any of str, int, float, bool and None. Values alone wait, not containers:
    the garbage collector has nothing to look at.

    With `names` `None` it is the site of records that are like no others: what follows is a `Captured`.
    """

    __slots__ = ("arguments", "channel", "kinds", "level", "names", "size")

    def __init__(
        self,
        channel: Channel,
        level: int,
        arguments: int,
        names: tuple[str, ...] | None,
        kinds: tuple[type | None, ...],
    ) -> None:
        self.channel = channel
        self.level = level
        self.arguments = arguments
        self.names = names
        self.kinds = kinds
        self.size = USUAL_SIZE if names is None else 6 + len(kinds)

    def captured(self, record: Record) -> Captured:
        """All that `record`, which is of this site, says."""
        if self.names is None:
            whole: Captured = record[5]
            return whole
        _, at, bound, context, span, message, *values = record
        fields = dict(zip(self.names, values[self.arguments :], strict=True))
        args = tuple(values[: self.arguments])
        return Captured(at, self.level, self.channel, message, args, fields, bound, context, span)


USUAL_SIZE = 10
"""The size of most records; one with a `Captured` counts as much."""
_REST = (None,) * (USUAL_SIZE - 6)


class Captured(NamedTuple):
    """A log record in full.

    `span` is the span that was current, or `None`. `exception` has `type`, `message` and `stack`. `bound` and `context`
    are as in a record: `context.named` tells what a context's fields are.
    """

    time_ns: int
    level: int
    channel: Channel
    body: Any
    args: tuple[Any, ...]
    fields: dict[str, Any]
    bound: dict[str, Any] | None
    context: Any
    span: Any
    exception: dict[str, str] | None = None
    event_name: str = ""
    severity: tuple[int, str] | None = None

    def record(self) -> Record:
        """The record that says this."""
        at, level, channel, _, _, _, bound, context, span, *_ = self
        site = channel.whole.get(level)
        if site is None:
            site = channel.whole[level] = Site(channel, level, 0, None, ())
        return (site, at, bound, context, span, self, *_REST)


Record = Sequence[Any]


def message_of(captured: Captured) -> str:
    """The text, with `%` arguments put in."""
    body = captured[3]
    return filled(body if type(body) is str else str(body), captured[4])


def filled(text: str, args: tuple[Any, ...]) -> str:
    """`text` with `%` arguments put in; a wrong format shows itself instead of failing."""
    if not args:
        return text
    try:
        return text % (args[0] if len(args) == 1 and isinstance(args[0], dict) and args[0] else args)
    except (TypeError, ValueError, KeyError):
        return f"{text} {clean(args, 1)!r}"


def ids_of(span: Any) -> tuple[int, int, int]:
    """Trace id, span id and flags; zeros outside of a span."""
    if span is None:
        return 0, 0, 0
    if type(span) is Span:  # without making its SpanContext, which nobody else may ask for
        return span._trace_id, span._span_id, span._inherited[0]
    context = span.get_span_context()
    return context.trace_id, context.span_id, int(context.trace_flags)
