"""From the audit file to the endpoint, at least once: what is on the disk is sent until the endpoint has taken it.

Events go as OTLP log records with `audit.id`, by which a receiver knows those that come twice; a request carries an
`Idempotency-Key` made of its events, the same whenever the same events are sent again. Nothing is given up: while the
endpoint is away or refuses, the file is the queue. Of the processes that share a file, one at a time sends.
"""

from __future__ import annotations

import threading
from datetime import datetime
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from vedette.sdk.background import begin_thread, end_thread
from vedette.sdk.export.batch import Batch
from vedette.sdk.guard import dropped, fault, tell
from vedette.sdk.logs.records import Captured, Channel
from vedette.sdk.resource import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import IO

    from vedette.sdk.audit.trail import AuditTrail
    from vedette.sdk.export.outbox import Sender
    from vedette.sdk.logs.records import Record
    from vedette.sdk.otlp.envelope import Envelope
    from vedette.sdk.otlp.logs import LogEncoder

try:
    import fcntl
except ImportError:  # Windows: processes that share a file may send an event twice, which its id shows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Shipper", "record_of"]

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 60.0
_INFO = 20
_channel = Channel("vedette.audit", 0, Scope("vedette.audit", None, None, None))


def record_of(event: Mapping[str, Any]) -> Record:
    """An audit event as a log record."""
    fields = {f"audit.{key}": value for key, value in event.items() if value is not None and key != "details"}
    fields |= {f"audit.details.{key}": value for key, value in event["details"].items()}
    who = "" if event["actor"] is None else f" by {event['actor']}"
    what = "" if event["target"] is None else f" on {event['target']}"
    message = f"{event['action']}{who}{what}: {event['result']}"
    at = int(datetime.fromisoformat(event["time"]).timestamp() * 1e6) * 1000
    return Captured(at, _INFO, _channel, message, (), fields, None, None, _span(event), None, "audit").record()


def _span(event: Mapping[str, Any]) -> NonRecordingSpan | None:
    trace_id, span_id = event.get("trace_id"), event.get("span_id")
    if not trace_id or not span_id:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED)
    return NonRecordingSpan(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags))


class Shipper:
    """Sends the events of `trail` in a thread of its own, which begins with the first event that waits.

    `compress` gives a body's Content-Encoding and bytes.
    """

    def __init__(
        self,
        trail: AuditTrail,
        sender: Sender,
        encoder: LogEncoder,
        envelope: Envelope,
        compress: tuple[str, Callable[[bytes], bytes]],
    ) -> None:
        self._trail = trail
        self._sender = sender
        self._encoder = encoder
        self._envelope = envelope
        self._encoding, self._compress = compress
        self._begin()

    def _begin(self) -> None:
        self._wake = threading.Event()
        self._asked = False
        self._starting = threading.RLock()  # a signal handler may audit, too
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None
        self._delay = 0.0
        self._held: IO[bytes] | None = None

    def wake(self) -> None:
        """There are events to send."""
        self._asked = True
        self._wake.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stopping():
                self._thread = begin_thread("vedette-audit", self._run)

    def _run(self) -> None:
        while True:
            last = self._stopping()  # what came before the end is seen by a pass that begins after it
            self._wake.clear()
            try:
                shipped = self._ship()
            except Exception as error:  # noqa: BLE001 - the program must not see this thread's faults
                fault("shipping audit events", error)
                shipped = False
            if last:
                return
            if self._stopping():
                continue
            if shipped:
                self._delay = 0.0
                self._wake.wait()
            else:
                self._delay = min(_LONGEST_DELAY_SECONDS, self._delay * 2 or _FIRST_DELAY_SECONDS)
                self._pause(self._delay)

    def _pause(self, seconds: float) -> None:
        """Wait, whatever further events come, but not beyond the program's end."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0 and not self._stopping():
            self._wake.wait(left)
            if not self._stopping():
                self._wake.clear()

    def _stopping(self) -> bool:
        return self._deadline is not None

    def _ship(self) -> bool:
        """Send all that waits; `False` if some of it still waits."""
        lock = self._trail.path.with_name(f"{self._trail.path.name}.lock")
        with lock.open("ab", buffering=0) as held:
            self._held = held
            try:
                if fcntl is not None:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # another process is sending
                return False
            try:
                self._trail.ship(self._send)
                return not self._trail.behind()
            finally:
                self._held = None
                if fcntl is not None:
                    fcntl.flock(held, fcntl.LOCK_UN)  # a forked child may have the same open file

    def _send(self, events: list[dict[str, Any]]) -> bool:
        left = None
        if self._deadline is not None:
            left = self._deadline - monotonic()
            if left <= 0:
                return False
        items = [item for event in events if (item := self._encoded(event))]
        if not items:
            return True
        body = self._envelope.request([(_channel.scope, items)])
        key = sha256("".join([str(event["id"]) for event in events]).encode()).hexdigest()[:32]
        outcome = self._sender.send(Batch("logs", len(items), self._compress(body), self._encoding, key), left)
        if outcome.delivered:
            dropped("audit events", "the endpoint rejected a part; they stay in the file", outcome.rejected)
            return True
        if outcome.too_large and len(events) > 1:
            half = len(events) // 2
            return self._send(events[:half]) and self._send(events[half:])
        if outcome.too_large:
            dropped("audit events", "the endpoint finds them too large; they stay in the file", 1)
            return True
        what = "does not take" if outcome.retry else "refuses"
        tell(f"audit {what}", f"the endpoint {what} audit events ({outcome.reason}); they are sent again later")
        self._delay = max(self._delay, outcome.after_seconds / 2)
        return False

    def _encoded(self, event: dict[str, Any]) -> bytes | None:
        """An event as a message; `None` for a line in the file that is something else."""
        try:
            return self._encoder.encode(record_of(event))
        except Exception as error:  # noqa: BLE001 - whatever others have written there must not stop what follows
            tell(
                "audit lines", f"{self._trail.path} has a line that is no audit event: {type(error).__name__}: {error}"
            )
            dropped("audit events", "they are no audit events; they stay in the file", 1)
            return None

    def stop(self, deadline: float) -> None:
        """Send what waits until `deadline` (monotonic seconds), without waiting here."""
        self._deadline = deadline
        self._wake.set()

    def close(self) -> None:
        """Wait for the end; what is left stays in the file, for the next process."""
        thread, deadline = self._thread, self._deadline or 0.0
        end_thread(thread, deadline)
        if thread is None and self._asked:  # an interpreter without threads
            self._ship()
        self._sender.close()
        end_thread(thread, deadline)

    def after_fork(self) -> None:
        """Begin anew in a forked child; the file's lock stays with the parent."""
        held = self._held
        if held is not None:
            held.close()
        self._begin()
        self._sender.close()
