"""The export thread: empties the queues, encodes, and hands requests to the outbox.

It works seldom, and a busy program's thread more seldom, so that few requests of the program meet it: it pauses a
hundred times as long as it has worked, between a tenth and half a second. One that meets it waits for the interpreter's
switch interval at most (5 ms), or for the end of a step of 1,024 items.
"""

from __future__ import annotations

import threading
from time import monotonic, sleep, thread_time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vedette.sdk import clock
from vedette.sdk.background import begin_thread, end_thread
from vedette.sdk.export.batch import Batch
from vedette.sdk.guard import dropped, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.sdk.export.outbox import Outbox

__all__ = ["Exporter", "Stage", "Way"]

_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 0.5
_PAUSE_TO_WORK = 100
_BREATH_SECONDS = 0.0005  # between two steps: long enough that a waiting thread takes the interpreter
_FORK_SECONDS = 10.0  # a fork waits this long at most; a busy machine takes seconds for a step that loads modules


class Stage(Protocol):
    """One signal's way from its queue to request bodies. Called by one thread at a time."""

    signal: str
    interval_seconds: float

    def step(self) -> bool:
        """Encode some of what waits; whether more waits."""
        ...

    def pressed(self) -> bool:
        """Whether so much waits that drops are near."""
        ...

    def full(self) -> bool:
        """Whether what was encoded is enough for a request."""
        ...

    def cut(self) -> list[tuple[int, bytes]]:
        """Give out the requests so far, as (items, body)."""
        ...

    def clear(self) -> None:
        """Forget what was encoded: it belongs to the parent of this forked process."""
        ...


class Way(NamedTuple):
    """Where a stage's requests go: to `outbox`, after `compress`, whose Content-Encoding is `encoding`."""

    outbox: Outbox
    encoding: str
    compress: Callable[[bytes], bytes]


class Exporter:
    """Runs the stages, each with its way out; `None` where nothing is sent. `check_in` is called at every tick."""

    def __init__(self, stages: Sequence[tuple[Stage, Way | None]], check_in: Callable[[], None]) -> None:
        self._stages = [stage for stage, _ in stages]
        self._ways = {stage.signal: way for stage, way in stages if way is not None}
        self._outboxes = list({id(way.outbox): way.outbox for way in self._ways.values()}.values())
        self._check_in = check_in
        self._begin()

    def _begin(self) -> None:
        self._wake = threading.Event()
        self._working = threading.RLock()  # a signal handler may close while its thread flushes
        self._paused = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._due = {stage.signal: monotonic() + stage.interval_seconds for stage in self._stages}

    def start(self) -> None:
        """Start the thread; again after a fork."""
        if self._thread is None:
            self._thread = begin_thread("vedette-export", self._run)
            for outbox in self._outboxes:
                outbox.start()

    def wake(self) -> None:
        """Work now instead of at the next tick."""
        if not self._wake.is_set():  # whoever wakes may do so for each record
            self._wake.set()

    def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._stopping:
            self._wake.wait(pause)
            self._wake.clear()
            with self._working:
                begin = thread_time()
                self._work(all_of_it=False)
                worked = thread_time() - begin
            pause = min(_LONGEST_PAUSE_SECONDS, max(_PAUSE_SECONDS, worked * _PAUSE_TO_WORK))

    def _work(self, *, all_of_it: bool) -> None:
        clock.reanchor()
        try:
            self._check_in()
        except Exception as error:  # noqa: BLE001 - the program must not see this thread's faults
            fault("upkeep", error)
        for stage in self._stages:
            try:
                self._run_stage(stage, all_of_it=all_of_it)
            except Exception as error:  # noqa: BLE001 - the program must not see this thread's faults
                fault(f"exporting {stage.signal}", error)

    def _run_stage(self, stage: Stage, *, all_of_it: bool) -> None:
        while stage.step():
            if stage.full():
                self._send(stage)
            # Under pressure the interpreter's own switching has to do: whoever gives way then to a busy program waits
            # a whole switch interval for each step, and falls behind.
            if not self._stopping and not stage.pressed():
                sleep(_BREATH_SECONDS)
        now = monotonic()
        if all_of_it or now >= self._due[stage.signal] or stage.full():
            self._due[stage.signal] = now + stage.interval_seconds
            self._send(stage)

    def _send(self, stage: Stage) -> None:
        way = self._ways.get(stage.signal)
        for count, body in stage.cut():
            if way is not None:
                way.outbox.put(Batch(stage.signal, count, way.compress(body), way.encoding))

    def flush(self, deadline: float) -> bool:
        """Encode and send everything recorded so far; whether it was delivered before `deadline` (monotonic)."""
        if not self._working.acquire(timeout=max(0.0, deadline - monotonic())):
            return False
        try:
            self._work(all_of_it=True)
        finally:
            self._working.release()
        delivered = [outbox.flush(deadline) for outbox in self._outboxes]
        return all(delivered)

    def settle(self, deadline: float) -> None:
        """Flush, and put on disk what could not be delivered before `deadline` (monotonic)."""
        if not self.flush(deadline):
            for outbox in self._outboxes:
                outbox.shelve()

    def close(self, deadline: float) -> None:
        """Flush, stop the threads, and put on disk what could not be sent."""
        self._stopping = True
        self._wake.set()
        if self._working.acquire(timeout=max(0.0, deadline - monotonic())):
            try:
                self._work(all_of_it=True)
            finally:
                self._working.release()
        else:
            dropped("items", "the program ended before they were encoded", 1)
        for outbox in self._outboxes:
            outbox.close(deadline)
        end_thread(self._thread, deadline)

    def before_fork(self) -> None:
        """Wait until the thread is between two steps: what it holds or imports would be held for ever in the child."""
        self._paused = self._working.acquire(timeout=_FORK_SECONDS)

    def after_fork_in_parent(self) -> None:
        """Let the thread go on."""
        if self._paused:
            self._paused = False
            self._working.release()

    def after_fork(self) -> None:
        """Begin anew in a forked child, with the thread running if it ran in the parent."""
        running = self._thread is not None and not self._stopping
        for stage in self._stages:
            stage.clear()
        for outbox in self._outboxes:
            outbox.after_fork()
        self._begin()
        if running:
            self.start()
