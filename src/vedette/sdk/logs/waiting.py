"""Where records wait for the export thread: end to end in one list, of which nothing is the garbage collector's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.guard import dropped
from vedette.sdk.logs.records import USUAL_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.logs.records import Record

__all__ = ["WaitingRecords"]

_WAKE_AT = 2048
_ERROR = 40


class WaitingRecords:
    """A sink that lays records into `queue`; errors, and many records, wake the background thread.

    `limit` records of the usual size may wait. While fewer than `calm` values do, a record that is no error may be laid
    into the queue by whoever has it: that saves a call.
    """

    __slots__ = ("_many", "_most", "_wake", "calm", "queue")

    def __init__(self, queue: list[Any], limit: int, wake: Callable[[], None]) -> None:
        self.queue = queue
        self._most = limit * USUAL_SIZE
        self._many = _WAKE_AT * USUAL_SIZE
        self.calm = min(self._most, self._many)
        self._wake = wake

    def __call__(self, record: Record) -> None:
        """Take `record`, or count it as dropped."""
        waiting = len(self.queue)
        if waiting < self._most:
            self.queue.extend(record)
            if waiting > self._many or record[0].level >= _ERROR:
                self._wake()
        else:
            dropped("logs", "the queue is full", 1)
