"""Batches waiting for the endpoint, and the thread that sends them.

At most 4 MiB wait in memory (16 without a spool, while the endpoint is there). While the endpoint is away or slow,
batches go to the spool, and come from there when it is back. Retries follow the OTLP specification: 429, 502, 503, 504
and broken connections, with exponential back-off and jitter, and not before `Retry-After` allows.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from vedette.sdk.background import begin_thread, end_thread
from vedette.sdk.export.http import Outcome
from vedette.sdk.export.spool import Spool
from vedette.sdk.guard import dropped, fault, tell

if TYPE_CHECKING:
    from pathlib import Path

    from vedette.sdk.export.batch import Batch

__all__ = ["Outbox", "Sender"]

_MEMORY_BYTES = 4 << 20
_MEMORY_BYTES_WITHOUT_SPOOL = 16 << 20  # while the endpoint is there; all metrics of a program are sent at once
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause that an endpoint may ask for: one that says a year must not end a program's telemetry."""
_SPOOL_PART = 0.1
"""The part of the time for a program's end in which it sends what earlier ones left: some only run for a moment."""


class Sender(Protocol):
    """Delivers one batch and says what became of it; never raises."""

    def send(self, batch: Batch, timeout_seconds: float | None = None) -> Outcome:
        """Deliver `batch` within the timeout."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Outbox:
    """Takes batches from the encoding thread and delivers them from one of its own."""

    def __init__(self, sender: Sender, spool_root: Path | None, spool_bytes: int) -> None:
        self._sender = sender
        self._root = spool_root
        self._spool_bytes = spool_bytes
        self._reset()

    def _reset(self) -> None:
        self._waiting: deque[Batch] = deque()
        self._waiting_bytes = 0
        self._sending: Batch | None = None
        self._change = threading.Condition(threading.RLock())  # a signal handler may close while its thread flushes
        self._spool: Spool | None = None
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None
        self._spool_until = 0.0  # while closing
        self._not_before = 0.0
        self._delay = 0.0
        self._closed = False

    # -- for the encoding thread

    def put(self, batch: Batch) -> None:
        """Take a batch over. Never blocks on the network."""
        with self._change:
            if self._closed:
                self._keep(batch)
                return
            self._waiting.append(batch)
            self._waiting_bytes += len(batch.body)
            self._make_room()
            if self._thread is None:
                self._thread = begin_thread("vedette-send", self._run)
            self._change.notify_all()

    def _make_room(self) -> None:
        """Put what is too much for the memory on disk; without a spool, more may wait for an endpoint that is there."""
        most = _MEMORY_BYTES if self._root is not None or self._delay else _MEMORY_BYTES_WITHOUT_SPOOL
        while self._waiting_bytes > most:
            oldest = self._waiting.popleft()
            self._waiting_bytes -= len(oldest.body)
            self._keep(oldest)

    def start(self) -> None:
        """Look for what earlier processes left in the spool, and send it."""
        with self._change:
            if self._thread is None and self._root is not None and self._root.is_dir():
                self._thread = begin_thread("vedette-send", self._run)

    def _keep(self, batch: Batch) -> None:
        """Put a batch on disk, or drop it where there is no spool."""
        spool = self._open_spool()
        if spool is None:
            dropped(batch.signal, "the endpoint is away and there is no spool", batch.count)
        else:
            spool.put(batch)

    def _open_spool(self) -> Spool | None:
        if self._spool is None and self._root is not None:
            self._spool = Spool(self._root, self._spool_bytes)
        return self._spool

    # -- the sending thread

    def _run(self) -> None:
        going = True
        while going:
            try:
                going = self._step()
            except Exception as error:  # noqa: BLE001 - the program must not see this thread's faults
                fault("sending", error)
                with self._change:
                    self._back_off(Outcome(reason=type(error).__name__))

    def _step(self) -> bool:
        """Send one batch, or wait for one; `False` ends the thread."""
        with self._change:
            spool = self._open_spool()
            now = monotonic()
            closing = self._deadline is not None
            if closing and (now >= (self._deadline or 0) or (self._delay and self._not_before > now)):
                return False
            if self._not_before > now:
                self._change.wait(self._not_before - now)
                return True
            path, batch = self._take(with_spool=not closing or now < self._spool_until)
            if batch is None:
                if closing:
                    return False
                # What is on disk and cannot be read now may be read later: a program may have too many files open.
                self._change.wait(_LONGEST_DELAY_SECONDS if spool is not None and len(spool) else None)
                return True
            left = None if self._deadline is None else (self._deadline if path is None else self._spool_until) - now
        outcome = self._sent(batch, left)
        with self._change:
            self._settle(path, batch, outcome)
            self._change.notify_all()
        return True

    def _sent(self, batch: Batch, timeout_seconds: float | None) -> Outcome:
        """What became of a batch; one at which the sender fails is not lost by that."""
        try:
            return self._sender.send(batch, timeout_seconds)
        except Exception as error:  # noqa: BLE001 - whatever the endpoint answered, it must not end the sending
            fault("sending", error)
            return Outcome(retry=True, reason=f"{type(error).__name__}: {error}")

    def _take(self, *, with_spool: bool) -> tuple[Path | None, Batch | None]:
        if self._waiting:
            batch = self._waiting.popleft()
            self._waiting_bytes -= len(batch.body)
            self._sending = batch
            return None, batch
        if with_spool and self._spool is not None and (first := self._spool.first()) is not None:
            return first
        return None, None

    def _settle(self, path: Path | None, batch: Batch, outcome: Outcome) -> None:
        if path is None and self._sending is not batch:
            return  # the program's end was not waited for: whoever closed has put it on disk
        self._sending = None
        if outcome.rejected:
            tell(f"refused {outcome.reason[:40]}", f"the endpoint refuses some {batch.signal}: {outcome.reason}")
        elif outcome.delivered and outcome.reason:
            tell(f"warned {outcome.reason[:40]}", f"the endpoint takes {batch.signal} and warns: {outcome.reason}")
        if outcome.rejected:
            dropped(batch.signal, "the endpoint rejected a part", outcome.rejected)
        if outcome.retry:
            self._back_off(outcome)
            if outcome.left is not None:
                if path is not None and self._spool is not None:
                    self._spool.remove(path)
                path, batch = None, outcome.left
            if path is None:
                if self._spool is not None:
                    self._keep(batch)
                else:
                    self._waiting.appendleft(batch)
                    self._waiting_bytes += len(batch.body)
                    self._make_room()
            return
        self._delay = self._not_before = 0.0
        if path is not None and self._spool is not None:
            self._spool.remove(path)
        if not outcome.delivered:
            tell(f"refused {outcome.reason[:40]}", f"the endpoint refuses {batch.signal}: {outcome.reason}")
            dropped(batch.signal, "the endpoint refused them", batch.count)

    def _back_off(self, outcome: Outcome) -> None:
        self._delay = min(_LONGEST_DELAY_SECONDS, self._delay * 2 or _FIRST_DELAY_SECONDS)
        asked = min(outcome.after_seconds, _LONGEST_PAUSE_SECONDS)
        pause = max(asked, self._delay * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        self._not_before = monotonic() + pause
        where = "on disk" if self._root is not None else "in memory"
        tell("away", f"the endpoint does not take telemetry ({outcome.reason}); it is kept {where} and sent later")

    def _send_here(self, deadline: float) -> None:
        """Send what waits until `deadline` (monotonic seconds), if there is no thread for it."""
        if self._thread is not None or not self._waiting:
            return
        self._open_spool()
        while (now := monotonic()) < deadline and self._not_before <= now:
            path, batch = self._take(with_spool=True)
            if batch is None:
                return
            self._settle(path, batch, self._sent(batch, deadline - now))

    # -- flush, end, fork

    def flush(self, deadline: float) -> bool:
        """Wait until nothing waits in memory; whether that was so before `deadline` (monotonic seconds).

        `False` at once when the endpoint is away: what waits is safe in the spool.
        """
        with self._change:
            self._send_here(deadline)
            while self._waiting or self._sending is not None:
                left = deadline - monotonic()
                if left <= 0 or self._not_before > deadline:
                    return False
                self._change.wait(min(left, 0.05))
            return not self._delay

    def shelve(self) -> None:
        """Put on disk what waits in memory, if there is a spool: the process may end at any moment."""
        with self._change:
            if self._open_spool() is not None:
                self._keep_all()

    def _keep_all(self) -> None:
        if self._sending is not None:
            self._waiting.appendleft(self._sending)
            self._sending = None
        while self._waiting:
            self._keep(self._waiting.popleft())
        self._waiting_bytes = 0

    def close(self, deadline: float) -> None:
        """Send what waits until `deadline` (monotonic seconds); the rest goes to the spool."""
        with self._change:
            self._send_here(deadline)
            self._deadline = deadline
            now = monotonic()
            self._spool_until = now + max(0.0, deadline - now) * _SPOOL_PART
            self._change.notify_all()
            thread = self._thread
        end_thread(thread, deadline)
        with self._change:
            self._closed = True
            self._keep_all()
            if self._spool is not None:
                self._spool.close()
        self._sender.close()
        end_thread(thread, deadline)  # it may have been reading until now

    def after_fork(self) -> None:
        """Begin anew in a forked child: what waited belongs to the parent."""
        self._reset()
        self._sender.close()
