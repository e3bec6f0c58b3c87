"""Tail sampling inside the process: every trace is recorded, and its end decides whether it is kept.

Kept are traces with an error, traces whose first span here took long, and the share that the ratio asks for. Until
then a trace's spans wait here, bounded in number: the oldest traces give way, and are counted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode

from vedette.sdk.guard import dropped
from vedette.sdk.traces.span import REMOTE_PARENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.traces.span import Span

__all__ = ["TailBuffer"]

_LOW_64 = (1 << 64) - 1
_MOST_SPANS = 1000
_MOST_WAITING = 20_000
_MOST_VERDICTS = 2048


class TailBuffer:
    """Holds finished spans until the first span of their trace in this process has ended.

    `bound` is the ratio's (a trace is kept when the low 64 bits of its id are below it), `slow_ns` the duration from
    which a trace is slow, `forward` takes the spans that are kept.
    """

    def __init__(self, forward: Callable[[Span], None], bound: int, slow_ns: int) -> None:
        self._forward = forward
        self._bound = bound
        self._slow_ns = slow_ns
        self.after_fork()

    def after_fork(self) -> None:
        """Forget what waits: it belongs to the parent."""
        self._waiting: OrderedDict[int, list[Span]] = OrderedDict()
        self._held = 0
        self._verdicts: OrderedDict[int, bool] = OrderedDict()
        self._lock = threading.Lock()

    def finish(self, span: Span) -> None:
        """Take a finished span."""
        trace_id = span._trace_id
        if (trace_id & _LOW_64) < self._bound:
            self._forward(span)
            return
        with self._lock:
            kept = self._take(trace_id, span)
        for item in kept:
            self._forward(item)

    def _take(self, trace_id: int, span: Span) -> list[Span]:
        verdict = self._verdicts.get(trace_id)
        if verdict is not None:  # it ended after the trace's first span: a background task
            return [span] if verdict or _failed(span) else []
        held = self._waiting.setdefault(trace_id, [])
        if len(held) < _MOST_SPANS:
            held.append(span)
            self._held += 1
        else:
            dropped("spans", f"more than {_MOST_SPANS} of one trace wait for its end", 1)
        if span._parent_id and not span._options & REMOTE_PARENT:
            self._make_room()
            return []
        self._waiting.pop(trace_id, None)
        self._held -= len(held)
        keep = span._end - span.start_time >= self._slow_ns or any(_failed(item) for item in held)
        self._verdicts[trace_id] = keep
        if len(self._verdicts) > _MOST_VERDICTS:
            self._verdicts.popitem(last=False)
        return held if keep else []

    def _make_room(self) -> None:
        while self._held > _MOST_WAITING:
            _, oldest = self._waiting.popitem(last=False)
            self._held -= len(oldest)
            dropped("spans", "too many wait for their traces' ends", len(oldest))


def _failed(span: Span) -> bool:
    return span._status.status_code is StatusCode.ERROR
