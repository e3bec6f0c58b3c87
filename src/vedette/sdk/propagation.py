"""How context travels between services: W3C trace context and baggage, B3 (single and multiple headers), Jaeger.

The W3C formats are OpenTelemetry's own implementations, with their limits (baggage: 180 pairs, 8,192 bytes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import baggage, trace
from opentelemetry.context import get_current
from opentelemetry.propagators.textmap import TextMapPropagator, default_getter, default_setter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from vedette.errors import SettingsError
from vedette.sdk.context import correlation_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import Getter, Setter

__all__ = ["B3", "CORRELATION_HEADER", "CorrelationId", "Jaeger", "propagator"]

_HEX = re.compile(r"[0-9a-fA-F]+")
CORRELATION_HEADER = "x-correlation-id"
_MOST_BAGGAGE = 64
_LONGEST_BAGGAGE = 4096


def _one(carrier: Any, key: str, getter: Getter[Any]) -> str:
    found = getter.get(carrier, key)
    return found[0].strip() if found else ""


def _with_parent(context: Context | None, trace_id: str, span_id: str, *, sampled: bool) -> Context | None:
    """`context` with a remote parent; unchanged when the ids are malformed."""
    if not (0 < len(trace_id) <= 32 and 0 < len(span_id) <= 16):
        return context
    if not (_HEX.fullmatch(trace_id) and _HEX.fullmatch(span_id)):
        return context
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=flags)
    if not parent.is_valid:
        return context
    return trace.set_span_in_context(NonRecordingSpan(parent), context)


class B3(TextMapPropagator):
    """Zipkin's B3 headers: reads both forms, writes the one header `b3` or, with `multiple`, the `X-B3-*` headers.

    https://github.com/openzipkin/b3-propagation
    """

    def __init__(self, *, multiple: bool = False) -> None:
        self._multiple = multiple

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """The context that the headers carry."""
        single = _one(carrier, "b3", getter)
        if single:
            trace_id, _, rest = single.partition("-")
            span_id, _, rest = rest.partition("-")
            sampled = rest.partition("-")[0]
        else:
            trace_id, span_id = _one(carrier, "x-b3-traceid", getter), _one(carrier, "x-b3-spanid", getter)
            sampled = "d" if _one(carrier, "x-b3-flags", getter) == "1" else _one(carrier, "x-b3-sampled", getter)
        found = _with_parent(context, trace_id, span_id, sampled=sampled in {"1", "d", "true"})
        return found if found is not None else get_current()

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Write the current span's context."""
        own = trace.get_current_span(context).get_span_context()
        if not own.is_valid:
            return
        trace_id, span_id = trace.format_trace_id(own.trace_id), trace.format_span_id(own.span_id)
        sampled = "1" if own.trace_flags.sampled else "0"
        if self._multiple:
            setter.set(carrier, "x-b3-traceid", trace_id)
            setter.set(carrier, "x-b3-spanid", span_id)
            setter.set(carrier, "x-b3-sampled", sampled)
        else:
            setter.set(carrier, "b3", f"{trace_id}-{span_id}-{sampled}")

    @property
    def fields(self) -> set[str]:
        """The headers that `inject` sets."""
        return {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"} if self._multiple else {"b3"}


class Jaeger(TextMapPropagator):
    """Jaeger's `uber-trace-id` and `uberctx-*` headers.

    https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format
    """

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """The context and baggage that the headers carry."""
        if context is None:
            context = get_current()
        parts = _one(carrier, "uber-trace-id", getter).replace("%3A", ":").split(":")
        if len(parts) == 4 and _HEX.fullmatch(parts[3]):
            context = _with_parent(context, parts[0], parts[1], sampled=bool(int(parts[3][:2], 16) & 1)) or context
        taken = 0
        for key in getter.keys(carrier):
            if key.lower().startswith("uberctx-") and taken < _MOST_BAGGAGE:
                value = _one(carrier, key, getter)
                if len(value) <= _LONGEST_BAGGAGE:
                    context = baggage.set_baggage(key[8:].lower(), value, context)
                    taken += 1
        return context

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Write the current span's context and the baggage."""
        own = trace.get_current_span(context).get_span_context()
        if own.is_valid:
            ids = f"{trace.format_trace_id(own.trace_id)}:{trace.format_span_id(own.span_id)}"
            setter.set(carrier, "uber-trace-id", f"{ids}:0:{int(own.trace_flags.sampled)}")
        for key, value in baggage.get_all(context).items():
            setter.set(carrier, f"uberctx-{key}", str(value))

    @property
    def fields(self) -> set[str]:
        """The headers that `inject` sets."""
        return {"uber-trace-id"}


class CorrelationId(TextMapPropagator):
    """Sends the correlation id to the next service, by whatever client. The middleware of that service reads it."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        """Nothing: it belongs to a request's log lines, not to OpenTelemetry's context."""
        return get_current() if context is None else context

    def inject(self, carrier: Any, context: Context | None = None, setter: Setter[Any] = default_setter) -> None:
        """Write it, unless the program has done so itself."""
        known = correlation_id()
        if known and not (isinstance(carrier, Mapping) and CORRELATION_HEADER in carrier):
            setter.set(carrier, CORRELATION_HEADER, known)

    @property
    def fields(self) -> set[str]:
        """None: a carrier that is used again must not lose what the program has set itself."""
        return set()


def propagator(names: Sequence[str]) -> TextMapPropagator:
    """The propagator that writes all of the named formats and reads each of them.

    Raises:
        SettingsError: a name is not known.
    """
    from opentelemetry.baggage.propagation import W3CBaggagePropagator  # noqa: PLC0415 - loaded with configure
    from opentelemetry.propagators.composite import CompositePropagator  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    chosen: list[TextMapPropagator] = []
    for name in names:
        if name == "tracecontext":
            chosen.append(TraceContextTextMapPropagator())
        elif name == "baggage":
            chosen.append(W3CBaggagePropagator())
        elif name in {"b3", "b3multi"}:
            chosen.append(B3(multiple=name == "b3multi"))
        elif name == "jaeger":
            chosen.append(Jaeger())
        elif name != "none":
            raise SettingsError(
                f"Propagator {name!r} is not known. Use tracecontext, baggage, b3, b3multi, jaeger or none."
            )
    return CompositePropagator([*chosen, CorrelationId()] if chosen else [])
