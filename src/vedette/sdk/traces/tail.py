"""Tail sampling inside the process: every trace is recorded, and its end decides whether it is kept.

Kept are traces with an error, traces whose first span here took long, and the share that the ratio asks for. Until
then a trace's spans wait here, bounded in number: the oldest traces give way, and are counted. So do, on request, log
records below the level that is logged: those of the traces that are kept are logged after all.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode

from vedette.sdk.guard import dropped
from vedette.sdk.locks import lock_of
from vedette.sdk.traces.span import LASTING, REMOTE_PARENT, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record

__all__ = ["TailBuffer"]

_LOW_64 = (1 << 64) - 1
_MOST_SPANS = 1000
_MOST_WAITING = 20_000
_MOST_VERDICTS = 2048
_MOST_RECORDS_OF_ONE = 200
_MOST_RECORDS = 10_000


class TailBuffer:
    """Holds finished spans until the first span of their trace in this process has ended.

    `bound` is the ratio's (a trace is kept when the low 64 bits of its id are below it), `slow_ns` the duration from
    which a trace is slow; `forward`, which is set before the first span comes, takes the spans that are kept.
    """

    forward: Callable[[Span], None]

    def __init__(self, bound: int, slow_ns: int) -> None:
        self._bound = bound
        self._slow_ns = slow_ns
        self.after_fork()

    def after_fork(self) -> None:
        """Forget what waits: it belongs to the parent."""
        self._waiting: OrderedDict[int, list[Span]] = OrderedDict()
        self._held = 0
        self._records: OrderedDict[int, list[Record]] = OrderedDict()
        self._records_held = 0
        self._verdicts: OrderedDict[int, bool] = OrderedDict()
        self._lock = lock_of(self)

    def hold(self, record: Record, log: Callable[[Record], None]) -> None:
        """Take a record below the level that is logged; `log` gets it if its trace is kept."""
        span = record[4]
        if type(span) is not Span:
            return
        trace_id = span._trace_id
        keep: bool | None = (trace_id & _LOW_64) < self._bound
        if not keep:
            with self._lock:
                keep = self._verdicts.get(trace_id)
                if keep is None:
                    self._put_aside(trace_id, record)
                self._log = log
        if keep:
            log(record)

    def _put_aside(self, trace_id: int, record: Record) -> None:
        records = self._records.setdefault(trace_id, [])
        records.append(record)
        self._records_held += 1
        if len(records) > _MOST_RECORDS_OF_ONE:  # what came last tells more about an error
            del records[0]
            self._records_held -= 1
        while self._records_held > _MOST_RECORDS:
            self._records_held -= len(self._records.popitem(last=False)[1])

    def finish(self, span: Span) -> None:
        """Take a finished span."""
        trace_id = span._trace_id
        if (trace_id & _LOW_64) < self._bound:
            self.forward(span)
            return
        with self._lock:
            kept = self._take(trace_id, span)
            records = self._released(trace_id)
        for item in kept:
            self.forward(item)
        for record in records:
            self._log(record)

    def _released(self, trace_id: int) -> list[Record]:
        """The records of a trace that is decided on, if it is kept."""
        verdict = self._verdicts.get(trace_id)
        if verdict is None or trace_id not in self._records:
            return []
        records = self._records.pop(trace_id)
        self._records_held -= len(records)
        return records if verdict else []

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
        slow = span._end - span.start_time >= self._slow_ns and not span._options & LASTING
        keep = slow or any(_failed(item) for item in held)
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
