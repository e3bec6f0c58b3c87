"""The least that Python takes for the log line of `bench.sdk`: a logger written by hand for that one call.

It knows the names, types and order of the fields, what is bound and in the context, and the span. It has no levels, limits,
masking, other signatures, drops or faults. What a logger takes beyond this is what it does for its users.
"""

from __future__ import annotations

import os
from json.encoder import encode_basestring
from time import gmtime, strftime, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from vedette.sdk.context import fields as context_fields
from vedette.sdk.traces.span import current_context

if TYPE_CHECKING:
    from collections.abc import Callable

_SECOND = 1_000_000_000
_WIDTH = 10
_DIGITS = [f"{number:03d}" for number in range(1000)]
_HEAD = 'Z","level":"info","logger":"bench.logs","message":'
_fields, _span = context_fields.get, current_context
_SHARED = ',"correlation_id":"c-1","user_id":123'


class _Quoted(dict[str, str]):
    def __missing__(self, text: str) -> str:
        quoted = self[text] = encode_basestring(text)
        return quoted


class ByHand:
    """Logs ``info(message, order_id=int, status=str, amount=float, items=int, path=str)`` as JSON to /dev/null."""

    def __init__(self) -> None:
        self.queue: list[Any] = []
        self._bound = {"user_id": 123}
        span = trace.get_current_span().get_span_context()
        self._end = f',"trace_id":"{span.trace_id:032x}","span_id":"{span.span_id:016x}","service":"bench"}}\n'
        self._descriptor = os.open(os.devnull, os.O_WRONLY)
        self._quoted = _Quoted()

    def info(self, message: str, /, **fields: object) -> None:
        """Keep a line's values, which are known to be of the right types and in the right order."""
        self.queue.extend((time_ns(), self._bound, _fields(), _span(), message, *fields.values()))

    def step(self) -> None:
        """Write what is kept."""
        out: list[str] = []
        put, quoted, digits, end = out.append, self._quoted, _DIGITS, self._end
        begin = self.queue[0] // _SECOND * _SECOND
        time = strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', gmtime(begin // _SECOND))
        for at, _, _, _, message, order_id, status, amount, items, path in zip(
            *[iter(self.queue)] * _WIDTH, strict=True
        ):
            since = at - begin
            put(
                f"{time}{digits[since // 1000000 % 1000]}{digits[since // 1000 % 1000]}{_HEAD}{quoted[message]}{_SHARED},"
                f'"order_id":{order_id},"status":{quoted[status]},"amount":{amount!r},"items":{items},'
                f'"path":{quoted[path]}{end}'
            )
        self.queue.clear()
        os.write(self._descriptor, "".join(out).encode())


class ByHandEach(ByHand):
    """The same, each line written at once."""

    def info(self, message: str, /, **fields: object) -> None:
        """Write a line."""
        order_id, status, amount, items, path = fields.values()
        quoted, at = self._quoted, time_ns()
        _fields()
        _span()
        if not 0 <= at - self._begin < _SECOND:
            self._begin = at // _SECOND * _SECOND
            self._time = strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', gmtime(at // _SECOND))
        since = at - self._begin
        line = (
            f"{self._time}{_DIGITS[since // 1000000]}{_DIGITS[since // 1000 % 1000]}{_HEAD}{quoted[message]}{_SHARED},"
            f'"order_id":{order_id},"status":{quoted[status]},"amount":{amount!r},"items":{items},'
            f'"path":{quoted[path]}{self._end}'
        )
        os.write(self._descriptor, line.encode())

    _begin = 0
    _time = ""


def by_hand(
    orders: Callable[[Any, int], Callable[[], None]], count: int, chunk: int
) -> tuple[Callable[[], None], Callable[[], None]]:
    """What makes `count` such lines with the calls of `orders`: each written at once, and `chunk` at a time."""
    kept = ByHand()
    some = orders(kept, chunk)

    def buffered() -> None:
        for _ in range(count // chunk):
            some()
            kept.step()

    return orders(ByHandEach(), count), buffered
