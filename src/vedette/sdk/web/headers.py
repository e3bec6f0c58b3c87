"""What the headers of a request say: where the trace comes from, its correlation id, its tenant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from opentelemetry import baggage, propagate
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk.traces.span import current_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Headers", "parent_of", "safe_id", "with_tenant"]

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAFE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_ONLY_W3C = frozenset(("traceparent", "tracestate", "baggage"))
_put = dict.__setitem__


def safe_id(text: str | None) -> str | None:
    """`text` if it may go into headers and log lines as it is, else `None`."""
    return text if text and _SAFE.fullmatch(text) else None


def parent_of(headers: Mapping[str, str]) -> Context:
    """The context that the headers carry, on top of the current one.

    A lone `traceparent` of version 00 is read here; anything else is left to the configured propagators.
    """
    base = current_context()
    if _fields() is _ONLY_W3C and "tracestate" not in headers and "baggage" not in headers:
        text = headers.get("traceparent")
        found = _TRACEPARENT.fullmatch(text) if text else None
        if found is None:
            return base
        trace_id, span_id, flags = int(found[1], 16), int(found[2], 16), int(found[3], 16)
        if not trace_id or not span_id:
            return base
        remote = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
        context = Context(base)
        _put(context, _SPAN_KEY, NonRecordingSpan(remote))
        return context
    return propagate.extract(headers, base)


_known: tuple[Any, frozenset[str]] | None = None


def _fields() -> frozenset[str]:
    """The headers that the configured propagators use."""
    global _known  # noqa: PLW0603 - looked up once per propagator
    active = get_global_textmap()
    if _known is None or _known[0] is not active:
        fields = frozenset(active.fields)
        _known = (active, _ONLY_W3C if fields == _ONLY_W3C else fields)
    return _known[1]


class Headers:
    """Reads the raw headers of ASGI: those that telemetry looks at, or all of them for whoever may want any.

    Propagators name the headers that they write; those other than W3C's read further ones (`uberctx-*`).
    """

    def __init__(self, *names: str, every: bool) -> None:
        self._names = names
        self._every = every
        self._propagator: Any = None
        self._wanted: dict[bytes, str] | None = None

    def read(self, raw: Iterable[tuple[bytes, bytes]]) -> tuple[str, dict[str, str]]:
        """The user agent, and the headers by their names in lower case; of a name that comes twice the last one.

        Most requests have none of those that telemetry looks at.
        """
        if get_global_textmap() is not self._propagator:
            self._adjust()
        wanted = self._wanted
        if wanted is None:
            found = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
            return found.get("user-agent", ""), found
        agent, found = "", {}
        for name, value in raw:
            if name in wanted:
                found[wanted[name]] = value.decode("latin-1")
            elif name == b"user-agent":
                agent = value.decode("latin-1")
        return agent, found

    def _adjust(self) -> None:
        fields = _fields()
        every = self._every or fields is not _ONLY_W3C
        names = [name.lower() for name in (*fields, *self._names)]
        self._wanted = None if every else {name.encode("latin-1"): name for name in names}
        self._propagator = get_global_textmap()


def with_tenant(context: Context, tenant: str) -> Context:
    """`context` with the tenant in its baggage, so that the services behind know it as well."""
    return baggage.set_baggage("tenant", tenant, context)
