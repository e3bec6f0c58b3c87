"""What a log call captures, and the levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vedette.sdk.traces.span import Span

if TYPE_CHECKING:
    from vedette.sdk.resource import Scope

__all__ = ["LEVELS", "Captured", "Channel", "Record", "ids_of", "level_name", "message_of", "severity_of"]

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

    Records from `level` on are captured, those from `threshold` on are logged in any case.
    """

    __slots__ = ("gate", "level", "name", "scope", "threshold")

    def __init__(self, name: str, level: int, scope: Scope) -> None:
        self.name = name
        self.level = self.threshold = level
        self.scope = scope
        self.gate: Any = None


class Captured(NamedTuple):
    """A log record on its way to the background thread.

    `span` is the span that was current, or `None`. `exception` has `type`, `message` and `stack`.
    """

    time_ns: int
    level: int
    channel: Channel
    body: Any
    args: tuple[Any, ...]
    fields: dict[str, Any]
    bound: dict[str, Any] | None
    context: dict[str, Any] | None
    span: Any
    exception: dict[str, str] | None = None
    event_name: str = ""
    severity: tuple[int, str] | None = None


# The hot path makes plain tuples of this shape; the background reads them by position.
Record = tuple[Any, ...]


def message_of(record: Record) -> str:
    """The text, with `%` arguments put in; a wrong format shows itself instead of failing."""
    body, args = record[3], record[4]
    text = body if type(body) is str else str(body)
    if not args:
        return text
    try:
        return text % (args[0] if len(args) == 1 and isinstance(args[0], dict) and args[0] else args)
    except (TypeError, ValueError, KeyError):
        return f"{text} {args!r}"


def ids_of(record: Record) -> tuple[int, int, int]:
    """Trace id, span id and flags; zeros outside of a span."""
    span = record[8]
    if span is None:
        return 0, 0, 0
    if type(span) is Span:  # without making its SpanContext, which nobody else may ask for
        return span._trace_id, span._span_id, span._inherited[0]
    context = span.get_span_context()
    return context.trace_id, context.span_id, int(context.trace_flags)
