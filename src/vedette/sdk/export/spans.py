"""The way of finished spans: queue → `Span` messages, grouped by scope → requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.sdk.guard import dropped, fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.otlp.envelope import Envelope
    from vedette.sdk.otlp.spans import SpanEncoder
    from vedette.sdk.resource import Scope
    from vedette.sdk.traces.span import Span
    from vedette.sdk.traces.tracer import TracerProvider

__all__ = ["SpanStage"]

_STEP = 1024
_REQUEST_ITEMS = 4096
_PRESSED = 2048
_REQUEST_BYTES = 1 << 20


class SpanStage:
    """Encodes finished spans; without `encoder` they go nowhere. `show` gets each of them first (the console)."""

    signal = "traces"

    def __init__(
        self,
        provider: TracerProvider,
        encoder: SpanEncoder | None,
        envelope: Callable[[], Envelope],
        interval_seconds: float,
        show: Callable[[Span], None] | None = None,
    ) -> None:
        self._queue = provider.queue
        self._encoder = encoder
        self._envelope = envelope
        self.interval_seconds = interval_seconds
        self._show = show
        self.clear()

    def clear(self) -> None:
        """Forget what was encoded."""
        self._groups: dict[int, tuple[Scope, list[bytes]]] = {}  # by identity: a tracer keeps one scope for life
        self._count = self._bytes = 0

    def step(self) -> bool:
        """Encode up to 1,024 spans."""
        queue, groups = self._queue, self._groups
        encode = self._encoder.encode if self._encoder is not None else None
        for _ in range(_STEP):
            try:
                span = queue.popleft()
            except IndexError:
                return False
            if self._show is not None:
                try:
                    self._show(span)
                except Exception as error:  # noqa: BLE001 - a terminal that is gone must not cost the spans
                    fault("showing a span", error)
            if encode is None:
                continue
            try:
                item = encode(span)
            except Exception as error:  # noqa: BLE001 - one odd span must not cost the others
                dropped("spans", "they cannot be encoded", 1)
                fault("encoding a span", error)
                continue
            scope = span._tracer.scope
            group = groups.get(id(scope))
            if group is None:
                groups[id(scope)] = (scope, [item])
            else:
                group[1].append(item)
            self._count += 1
            self._bytes += len(item)
        return True

    def pressed(self) -> bool:
        """Whether so many spans wait that drops are near."""
        return len(self._queue) > _PRESSED

    def full(self) -> bool:
        """Whether a request's worth of spans is encoded."""
        return self._count >= _REQUEST_ITEMS or self._bytes >= _REQUEST_BYTES

    def cut(self) -> list[tuple[int, bytes]]:
        """One request of all that is encoded."""
        if not self._count:
            return []
        request = (self._count, self._envelope().request(self._groups.values()))
        self.clear()
        return [request]
