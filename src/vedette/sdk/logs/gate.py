"""A limit on how often one message is logged, so that a loop that fails does not fill the disk."""

from __future__ import annotations

from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from vedette.sdk.locks import lock_of
from vedette.sdk.logs.records import Captured, Channel

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Gate"]

_MOST_MESSAGES = 4096


class Gate:
    """Lets each message of each logger through `per_second` times a second; the rest is counted.

    Of the rest each `sample`-th passes all the same, if that is not 0.

    When the message comes again in a later second, a line before it says how many were left out. Messages are told
    apart by their text before `%` arguments and fields are put in.
    """

    def __init__(self, per_second: int, sample: int = 0) -> None:
        self._most = per_second
        self._sample = sample
        # Of a message: when its second began, how many passed in it, how many came beyond, how many were left out.
        self._seen: dict[tuple[str, int, Any], list[float]] = {}
        self._lock = lock_of(self)

    def admit(self, channel: Channel, level: int, message: Any, sink: Callable[[Any], None]) -> bool:
        """Whether this record is logged."""
        key = (channel.name, level, message if type(message) is str else str(message))
        now = monotonic()
        with self._lock:
            state = self._seen.get(key)
            if state is None:
                if len(self._seen) >= _MOST_MESSAGES:
                    self._seen.clear()
                state = self._seen[key] = [now, 0, 0, 0]
            left_out = 0
            if now - state[0] >= 1:
                left_out = int(state[3])
                state[:] = [now, 0, 0, 0]
            if state[1] < self._most:
                state[1] += 1
            else:
                state[2] += 1
                if not self._sample or state[2] % self._sample:
                    state[3] += 1
                    return False
        if left_out:
            fields = {"suppressed": left_out}
            sink(Captured(time_ns(), level, channel, message, (), fields, None, None, None).record())
        return True
