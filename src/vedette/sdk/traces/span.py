"""Spans as plain attribute stores: no lock, no bounded container, no cleaning of scalars.

Everything that can wait (redaction, truncation, encoding) is done by the export thread. A span is its own context
manager, so `with tracer.start_as_current_span(…)` costs no generator.
"""

from __future__ import annotations

import traceback
from functools import wraps
from inspect import iscoroutinefunction
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as api
from opentelemetry.context import _RUNTIME_CONTEXT, Context
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk import clock
from vedette.sdk.context import CORRELATION_ID
from vedette.sdk.guard import fault
from vedette.sdk.traces.ids import random_bits
from vedette.sdk.values import SCALARS, Shared, clean, clean_mapping, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from vedette.sdk.traces.tracer import Tracer

__all__ = [
    "ATTACH",
    "END_ON_EXIT",
    "LASTING",
    "NEW_TRACE",
    "RECORD_EXCEPTION",
    "REMOTE_PARENT",
    "STATUS_ON_EXCEPTION",
    "UNSET",
    "URL_PATH",
    "Event",
    "Span",
    "UnsampledSpan",
    "current_context",
    "failure",
    "reset_context",
    "set_context",
]

# OpenTelemetry's own context variable, without its three calls per access; OTEL_PYTHON_CONTEXT may name another.
_variable: Any = getattr(_RUNTIME_CONTEXT, "_current_context", None)
current_context: Callable[[], Context] = _variable.get if _variable else _RUNTIME_CONTEXT.get_current
set_context: Callable[[Context], Token[Context]] = _variable.set if _variable else _RUNTIME_CONTEXT.attach
reset_context: Callable[[Token[Context]], None] = _variable.reset if _variable else _RUNTIME_CONTEXT.detach

URL_PATH = "url.path"

# What `Span._options` holds.
ATTACH, END_ON_EXIT, RECORD_EXCEPTION, STATUS_ON_EXCEPTION, REMOTE_PARENT = 1, 2, 4, 8, 16
LASTING = 32  # it lasts as long as its client likes, and is not slow thereby

UNSET = Status(StatusCode.UNSET)
"""The status of every span that was set none."""
_NO_STATE = TraceState()
_RANDOM = TraceFlags.RANDOM_TRACE_ID
# Flags and state of a trace that begins here; the spans of a trace share one such pair.
NEW_TRACE = (TraceFlags(TraceFlags.SAMPLED | _RANDOM), _NO_STATE)
_UNSAMPLED = TraceFlags(_RANDOM)
_put = dict.__setitem__
# Spans of calls to others. Whoever called decides what the exception of one means: some are of everyday use.
_LEAVING = (SpanKind.CLIENT, SpanKind.PRODUCER)

MOST_ATTRIBUTES = MOST_EVENTS = MOST_LINKS = 128


class Event:
    """Something that happened within a span, at `timestamp` (Unix nanoseconds)."""

    __slots__ = ("attributes", "name", "timestamp")

    def __init__(self, name: str, attributes: dict[str, Any], timestamp: int) -> None:
        self.name = name
        self.attributes = attributes
        self.timestamp = timestamp

    dropped_attributes = 0


class Span(api.Span):
    """A recording span (OpenTelemetry API `Span`), readable as exporters and processors expect it."""

    __slots__ = (
        "_attributes",
        "_base",
        "_context",
        "_correlation",
        "_end",
        "_events",
        "_inherited",
        "_links",
        "_lost",
        "_options",
        "_parent_id",
        "_path",
        "_shared",
        "_span_id",
        "_status",
        "_token",
        "_trace_id",
        "_tracer",
        "kind",
        "name",
        "start_time",
    )

    _tracer: Tracer
    _trace_id: int
    _span_id: int
    _parent_id: int
    _end: int
    _options: int
    _attributes: dict[str, Any] | None
    _shared: Shared | None  # attributes of many spans, set by those who make spans of one kind
    _path: str | None  # `url.path` and the correlation id of a request's span, which thus needs no dictionary
    _correlation: str | None
    _events: list[tuple[int, str, dict[str, Any] | None]] | None
    _links: list[tuple[SpanContext, dict[str, Any] | None]] | None
    _lost: list[int] | None
    _status: Status
    _context: SpanContext | None
    _inherited: tuple[TraceFlags, TraceState]
    _base: Context | None
    _token: Token[Context]
    kind: SpanKind
    name: str
    start_time: int

    # -- OpenTelemetry's API

    def get_span_context(self) -> SpanContext:
        """Ids, flags and state to propagate; made when first asked for."""
        context = self._context
        if context is None:
            flags, state = self._inherited
            context = self._context = SpanContext(self._trace_id, self._span_id, False, flags, state)
        return context

    def is_recording(self) -> bool:
        """Whether the span still takes attributes and events."""
        return self._end == 0

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; a value of another type than OTLP's becomes one."""
        if self._end:
            return
        if type(value) not in SCALARS:
            value = clean(value)
        attributes = self._attributes
        try:
            if attributes is None:
                self._attributes = {key: value}
            else:
                attributes[key] = value
                if len(attributes) > MOST_ATTRIBUTES:
                    self._lose_attribute(attributes)
        except Exception:  # noqa: BLE001 - no dictionary can hold such a key, or the program's own __hash__ fails
            self._lose(0)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if self._end or not attributes:
            return
        fresh = clean_mapping(attributes)
        held = self._attributes
        if held is None:
            held = self._attributes = fresh
        else:
            held.update(fresh)
        while len(held) > MOST_ATTRIBUTES:
            self._lose_attribute(held)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Note that something happened, now or at `timestamp` (Unix nanoseconds)."""
        if self._end:
            return
        event = (
            perf_counter_ns() + clock.anchor if timestamp is None else timestamp,
            name,
            clean_mapping(attributes) if attributes else None,
        )
        events = self._events
        if events is None:
            self._events = [event]
        else:
            events.append(event)
            if len(events) > MOST_EVENTS:
                del events[0]
                self._lose(1)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Refer to a span of this or another trace."""
        if self._end or context is None:
            return
        link = (context, clean_mapping(attributes) if attributes else None)
        links = self._links
        if links is None:
            self._links = [link]
        else:
            links.append(link)
            if len(links) > MOST_LINKS:
                del links[0]
                self._lose(2)

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if not self._end:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; OK is final, and UNSET changes nothing."""
        if self._end or self._status.status_code is StatusCode.OK:
            return
        if not isinstance(status, Status):
            status = Status(status, description)
        if status.status_code is not StatusCode.UNSET:
            self._status = status

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an `exception` event with type, message and stack trace."""
        if self._end:
            return
        self.add_event("exception", {**describe_exception(exception, escaped=escaped), **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span, now or at `end_time`; later calls change nothing."""
        if self._end:
            return
        self._end = perf_counter_ns() + clock.anchor if end_time is None else end_time
        self._tracer.finish(self)

    # -- context manager and decorator

    def __enter__(self) -> Self:
        if self._options & ATTACH:
            context = Context(self._base or ())
            _put(context, _SPAN_KEY, self)
            self._token = set_context(context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._end:
            self.fail(error)
        options = self._options
        if options & ATTACH:
            try:
                reset_context(self._token)
            except ValueError:  # left in another context than entered: an async generator that was abandoned
                pass
            self._base = None
        if options & END_ON_EXIT and not self._end:
            self._end = perf_counter_ns() + clock.anchor
            self._tracer.finish(self)

    def fail(self, error: BaseException) -> None:
        """Record an exception that leaves the span, as the span's options say; of a trace's first span it is logged.

        Not of one around a call to another service: its caller decides what the exception means.
        """
        options = self._options
        if options & ATTACH and not isinstance(error, Exception):
            return  # GeneratorExit, CancelledError and the like are no failures of a current span
        try:
            if options & RECORD_EXCEPTION:
                self.record_exception(error, escaped=not options & ATTACH)
                first = not self._parent_id or options & REMOTE_PARENT
                if first and self.kind not in _LEAVING:
                    self._tracer.provider.failed(self, error)
            if options & STATUS_ON_EXCEPTION:
                self.set_status(failure(error))
        except Exception as own:  # noqa: BLE001 - an exception's __str__ may do anything; the host's error passes on
            fault("recording an exception", own)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Use the span as a decorator: each call of `function` gets a span of this name."""
        tracer, name, kind, attributes = self._tracer, self.name, self.kind, self.attributes

        if iscoroutinefunction(function):

            @wraps(function)
            async def traced_async(*args: Any, **kwargs: Any) -> Any:
                with tracer.start_as_current_span(name, kind=kind, attributes=attributes):
                    return await function(*args, **kwargs)

            return traced_async

        @wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with tracer.start_as_current_span(name, kind=kind, attributes=attributes):
                return function(*args, **kwargs)

        return traced

    # -- limits

    def _lose(self, which: int) -> None:
        lost = self._lost
        if lost is None:
            lost = self._lost = [0, 0, 0]
        lost[which] += 1

    def _lose_attribute(self, attributes: dict[str, Any]) -> None:
        del attributes[next(iter(attributes))]  # the oldest, as the specification's SDKs do
        self._lose(0)

    # -- what processors and exporters read (`ReadableSpan` of OpenTelemetry's SDK)

    @property
    def context(self) -> SpanContext:
        """The span's own context."""
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The parent's context, or `None` for a root."""
        if not self._parent_id:
            return None
        return SpanContext(self._trace_id, self._parent_id, bool(self._options & REMOTE_PARENT), *self._inherited)

    @property
    def attributes(self) -> dict[str, Any]:
        """A copy of the attributes."""
        request = {} if self._path is None else {URL_PATH: self._path, CORRELATION_ID: self._correlation}
        return {**(self._shared or {}), **request, **(self._attributes or {})}

    @property
    def events(self) -> tuple[Event, ...]:
        """The events in the order in which they were added."""
        return tuple([Event(name, attributes or {}, at) for at, name, attributes in self._events or ()])

    @property
    def links(self) -> tuple[Link, ...]:
        """The links to other spans."""
        return tuple([Link(context, attributes or {}) for context, attributes in self._links or ()])

    @property
    def status(self) -> Status:
        """The status; UNSET until it is set."""
        return self._status

    @property
    def _start_time(self) -> int:
        """The name that the start has in OpenTelemetry's SDK, which tools look at."""
        return self.start_time

    @property
    def end_time(self) -> int | None:
        """Unix nanoseconds, or `None` while the span runs."""
        return self._end or None

    @property
    def resource(self) -> Any:
        """The resource of the provider that made the span (an object with `attributes` and `schema_url`)."""
        return self._tracer.provider.resource

    @property
    def instrumentation_scope(self) -> Any:
        """Who made the span (an object with `name`, `version`, `schema_url` and `attributes`)."""
        return self._tracer.scope

    instrumentation_info = instrumentation_scope

    @property
    def dropped_attributes(self) -> int:
        """How many attributes were lost to the limit."""
        return self._lost[0] if self._lost else 0

    @property
    def dropped_events(self) -> int:
        """How many events were lost to the limit."""
        return self._lost[1] if self._lost else 0

    @property
    def dropped_links(self) -> int:
        """How many links were lost to the limit."""
        return self._lost[2] if self._lost else 0


class UnsampledSpan(Span):
    """A span that is not recorded and only carries the trace on."""

    __slots__ = ()

    def get_span_context(self) -> SpanContext:
        """Ids to propagate, with the sampled flag off."""
        context = self._context
        if context is None:
            inherited = self._inherited
            flags = _UNSAMPLED if inherited is NEW_TRACE else TraceFlags(inherited[0] & ~TraceFlags.SAMPLED)
            context = SpanContext(self._trace_id, random_bits(64), False, flags, inherited[1])
            self._context = context
        return context

    def is_recording(self) -> bool:
        """Never."""
        return False

    def set_attribute(self, key: str, value: Any) -> None:
        """Nothing."""

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Nothing."""

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Nothing."""

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Nothing."""

    def update_name(self, name: str) -> None:
        """Nothing."""

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Nothing."""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Nothing."""

    def end(self, end_time: int | None = None) -> None:
        """Nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._options & ATTACH:
            try:
                reset_context(self._token)
            except ValueError:  # left in another context than entered
                pass


def failure(error: BaseException) -> Status:
    """The status of a span that `error` left."""
    return Status(StatusCode.ERROR, f"{type(error).__name__}: {text_of(error)}")


def describe_exception(error: BaseException, *, escaped: bool) -> dict[str, Any]:
    """The attributes of an `exception` event (OpenTelemetry's semantic conventions)."""
    kind = type(error)
    module = kind.__module__
    return {
        "exception.type": kind.__qualname__ if module in {None, "builtins"} else f"{module}.{kind.__qualname__}",
        "exception.message": text_of(error),
        "exception.stacktrace": format_exception(error),
        "exception.escaped": str(escaped),
    }


def format_exception(error: BaseException) -> str:
    """The traceback as text; never raises."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - an exception's __str__ may do anything
        return f"<traceback of {type(error).__name__} cannot be formatted>"
