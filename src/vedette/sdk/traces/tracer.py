"""The tracer and its provider."""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as api
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk import clock
from vedette.sdk.guard import dropped, fault
from vedette.sdk.locks import lock_of
from vedette.sdk.traces.ids import random_bits
from vedette.sdk.traces.span import (
    ATTACH,
    END_ON_EXIT,
    NEW_TRACE,
    RECORD_EXCEPTION,
    REMOTE_PARENT,
    STATUS_ON_EXCEPTION,
    UNSET,
    URL_PATH,
    Span,
    UnsampledSpan,
    current_context,
)
from vedette.sdk.traces.tail import TailBuffer
from vedette.sdk.values import SCALARS, clean_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, TraceFlags, TraceState

    from vedette.sdk.resource import Resource, Scope
    from vedette.sdk.traces.sampling import Sampler
    from vedette.sdk.values import Shared

__all__ = ["Tracer", "TracerProvider"]

_INTERNAL = SpanKind.INTERNAL
_LOW_64 = (1 << 64) - 1
_ALWAYS = 1 << 64
_WAKE_AT = 2048
"""So many waiting items wake the export thread: a busy program fills the queue sooner than it would look."""
_new = Span.__new__
_new_unsampled = UnsampledSpan.__new__
_BOTH = RECORD_EXCEPTION | STATUS_ON_EXCEPTION
_FORK = 1 << 8  # from this bit on, a span's options say after how many forks it began


class Tracer(api.Tracer):
    """Makes spans for one instrumentation scope (OpenTelemetry API `Tracer`).

    `finish` is called with every recording span that has ended.
    """

    __slots__ = ("_both", "_bound", "_forks", "_sampler", "finish", "provider", "scope")

    def __init__(self, provider: TracerProvider, scope: Scope) -> None:
        self.provider = provider
        self.scope = scope
        self.refresh()

    @property
    def resource(self) -> Resource:
        """What sends the spans; instrumentations look for it here."""
        return self.provider.resource

    def refresh(self) -> None:
        """Take over the provider's sampler and processors after a change."""
        provider = self.provider
        self.finish: Callable[[Span], None] = provider.finish
        self._sampler: Sampler | None = None if provider.sampler.is_ratio else provider.sampler
        self._bound = _ALWAYS if provider.tail is not None else provider.sampler.bound
        self._forks = provider.forks * _FORK
        self._both = _BOTH | self._forks

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = _INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        _options: int = END_ON_EXIT,
    ) -> Span:
        """Start a span, child of the current one or of the one in `context`."""
        base = current_context() if context is None else context
        parent: Any = base.get(_SPAN_KEY)
        parent_id = 0
        inherited = NEW_TRACE
        if parent is None:
            trace_id = random_bits(128)
            sampled = (trace_id & _LOW_64) < self._bound
        elif (parent_type := type(parent)) is Span:
            trace_id, parent_id, inherited, sampled = parent._trace_id, parent._span_id, parent._inherited, True
        elif parent_type is UnsampledSpan:
            trace_id, inherited, sampled = parent._trace_id, parent._inherited, False
        else:
            trace_id, parent_id, inherited, sampled, remote = self._below(parent.get_span_context())
            _options |= remote
        if self._sampler is not None:
            sampled, attributes = self._sampler.decide(sampled, parent_id, trace_id, name, kind, attributes)
        if not sampled:
            return self._unsampled(name, kind, base, trace_id, inherited, _options)
        span = _new(Span)
        span._tracer = self
        span.name = name
        span._trace_id = trace_id
        span._span_id = random_bits(64)
        span._parent_id = parent_id
        span.kind = kind
        span._end = 0
        span._events = span._links = span._lost = span._context = span._shared = span._path = None
        span._status = UNSET
        span._base = base
        span._inherited = inherited
        span._options = (
            _options | self._both
            if record_exception and set_status_on_exception
            else _options
            | self._forks
            | (RECORD_EXCEPTION if record_exception else 0)
            | (STATUS_ON_EXCEPTION if set_status_on_exception else 0)
        )
        span._attributes = None
        if attributes:
            span.set_attributes(attributes)
        for link in links or ():
            span.add_link(link.context, link.attributes)
        span.start_time = perf_counter_ns() + clock.anchor if start_time is None else start_time
        if self.provider.processors:
            self.provider.started(span, base)
        return span

    def _below(self, parent: SpanContext) -> tuple[int, int, tuple[TraceFlags, TraceState], bool, int]:
        """Trace id, parent id, what is inherited, the verdict and an option, below a span that is not ours."""
        if parent.is_valid:
            remote = REMOTE_PARENT if parent.is_remote else 0
            inherited = (parent.trace_flags, parent.trace_state)
            return parent.trace_id, parent.span_id, inherited, bool(parent.trace_flags & 1), remote
        trace_id = random_bits(128)
        return trace_id, 0, NEW_TRACE, (trace_id & _LOW_64) < self._bound, 0

    def _unsampled(
        self,
        name: str,
        kind: SpanKind,
        base: Context,
        trace_id: int,
        inherited: tuple[TraceFlags, TraceState],
        options: int,
    ) -> UnsampledSpan:
        span = _new_unsampled(UnsampledSpan)
        span._trace_id = trace_id
        span._context = None
        span._base = base
        span._inherited = inherited
        span._options = options
        span._end = 0
        span._tracer = self
        span.name = name
        span.kind = kind
        span._attributes = span._shared = span._path = None
        return span

    def start_as_current_span(  # type: ignore[override]  # a span is its own context manager
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = _INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Span:
        """Start a span that is current inside `with`; also usable as a decorator."""
        return self.start_span(
            name,
            context,
            kind,
            attributes,
            links,
            start_time,
            record_exception,
            set_status_on_exception,
            ATTACH | END_ON_EXIT if end_on_exit else ATTACH,
        )

    def start_request(
        self, name: str, context: Context, kind: SpanKind, start_time: int, shared: Shared, path: str
    ) -> Span:
        """Start the span of a request for `path`, which has the attributes `shared`."""
        if self._sampler is not None or self.provider.processors:  # these want to see them
            return self.start_span(name, context, kind, {**shared, URL_PATH: path}, None, start_time)
        span = self.start_span(name, context, kind, None, None, start_time)
        if type(span) is Span:
            span._shared = shared
            span._path = path
            span._correlation = None
        return span

    def span(self, name: str, attributes: dict[str, Any]) -> Span:
        """Start a current span that takes `attributes` over instead of copying them."""
        span = self.start_span(name, None, _INTERNAL, None, None, None, True, True, ATTACH | END_ON_EXIT)
        if attributes and not span._end and type(span) is not UnsampledSpan:
            for value in attributes.values():
                if type(value) not in SCALARS:
                    attributes = clean_mapping(attributes)
                    break
            span._attributes = attributes
        return span


def _nobody() -> None:
    """Nothing: there is no export thread."""


def _undelivered(_timeout_seconds: float) -> bool:
    """Nothing to send: there is no exporter."""
    return True


def _unseen(_span: Span, _error: BaseException) -> None:
    """Nothing: there are no logs."""


class TracerProvider(api.TracerProvider):
    """Makes tracers (OpenTelemetry API `TracerProvider`) whose finished spans wait in `queue`.

    At most `limit` spans wait; what comes beyond is dropped and counted. `add_span_processor` takes processors written
    for OpenTelemetry's SDK; they see each span at its start and end, in the program's thread.
    """

    def __init__(
        self, resource: Resource, sampler: Sampler, limit: int = 16384, tail_seconds: float | None = None
    ) -> None:
        self.queue: deque[Span] = deque()
        self.processors: tuple[Any, ...] = ()
        self.forks = 0  # between the process that made this provider and this one
        self._tracers: dict[Any, Tracer] = {}
        self._lock = lock_of(self)
        self.wake: Callable[[], None] = _nobody  # lets the export thread work before its time
        self.deliver: Callable[[float], bool] = _undelivered  # sends what is waiting; whether in time
        self.failed: Callable[[Span, BaseException], None] = _unseen  # told what leaves the first span of a trace here
        self.reconfigure(resource, sampler, limit, tail_seconds)

    def _put(self) -> Callable[[Span], None]:
        """What lays a span into the queue."""
        queue, append, limit = self.queue, self.queue.append, self.limit

        def put(span: Span) -> None:
            waiting = len(queue)
            if waiting < limit:
                append(span)
                if waiting == _WAKE_AT:
                    self.wake()
            else:
                dropped("spans", "the queue is full", 1)

        return self._if_own(put)

    def _if_own(self, finish: Callable[[Span], None]) -> Callable[[Span], None]:
        """`finish` without the spans that were open when this process was forked: the parent ends and sends them."""
        forks = self.forks
        if not forks:
            return finish

        def finish_own(span: Span) -> None:
            if span._options // _FORK == forks:
                finish(span)

        return finish_own

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """The tracer of an instrumentation scope; the same one for the same arguments."""
        from vedette.sdk.resource import Scope  # noqa: PLC0415 - resource detection is loaded with the first tracer

        scope = Scope(instrumenting_module_name or "", instrumenting_library_version, schema_url, attributes)
        with self._lock:
            tracer = self._tracers.get(scope)
            if tracer is None:
                tracer = self._tracers[scope] = Tracer(self, scope)
        return tracer

    def add_span_processor(self, span_processor: Any) -> None:
        """Let `span_processor` (with `on_start`, `on_end`, `shutdown`, `force_flush`) see every recorded span."""
        self._set_processors((*self.processors, span_processor))

    def remove_span_processor(self, span_processor: Any) -> None:
        """Show this processor no more spans."""
        self._set_processors(tuple([held for held in self.processors if held is not span_processor]))

    def _set_processors(self, processors: tuple[Any, ...]) -> None:
        self.processors = processors
        self._adjust()

    def _adjust(self) -> None:
        """Let spans go the way that the settings, the processors and the number of forks ask for."""
        plain = self._put()
        if self.tail is not None:
            self.tail.forward = plain
            plain = self.tail.finish

        def show(span: Span) -> None:
            for processor in self.processors:
                try:
                    processor.on_end(span)
                except Exception as error:  # noqa: BLE001 - a processor must not break its host
                    fault("a span processor's on_end", error)

        show_own = self._if_own(show)

        def finish(span: Span) -> None:
            show_own(span)
            plain(span)

        self.finish = finish if self.processors else plain
        with self._lock:
            for tracer in self._tracers.values():
                tracer.refresh()

    def started(self, span: Span, context: Context) -> None:
        """Show a started span to the processors."""
        for processor in self.processors:
            try:
                processor.on_start(span, parent_context=context)
            except Exception as error:  # noqa: BLE001 - a processor must not break its host
                fault("a span processor's on_start", error)

    def reconfigure(self, resource: Resource, sampler: Sampler, limit: int, tail_seconds: float | None = None) -> None:
        """Go on with another resource, sampler and limit; the tracers given out follow."""
        self.resource, self.sampler, self.limit = resource, sampler, limit
        self.tail: TailBuffer | None = None
        if tail_seconds is not None:
            self.tail = TailBuffer(sampler.bound, int(tail_seconds * 1e9))
        self._set_processors(())

    def after_fork(self) -> None:
        """Leave to the parent what was recorded there, and what was begun there."""
        self.queue.clear()
        self.forks += 1
        if self.tail is not None:
            self.tail.after_fork()
        self._adjust()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Send what is waiting; whether that was done in time."""
        for processor in self.processors:
            processor.force_flush(timeout_millis)
        return self.deliver(timeout_millis / 1000)

    def shutdown(self) -> None:
        """End the processors; the export thread is ended by `vedette.shutdown`."""
        for processor in self.processors:
            processor.shutdown()
        self.force_flush()
