"""The way of log records: queue → lines and `LogRecord` messages → files and requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.sdk.guard import dropped, fault
from vedette.sdk.logs.records import USUAL_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.sdk.export.bulk import BulkStage
    from vedette.sdk.logs.files import Writer
    from vedette.sdk.logs.lines import Lines
    from vedette.sdk.logs.records import Record
    from vedette.sdk.otlp.envelope import Envelope
    from vedette.sdk.otlp.logs import LogEncoder
    from vedette.sdk.resource import Scope

__all__ = ["LogStage"]

_STEP = 1024
_REQUEST_ITEMS = 4096
_PRESSED = 2048
_REQUEST_BYTES = 1 << 20


class LogStage:
    """Writes and encodes records.

    Without `lines` nothing is written here, without `encoder` nothing is sent; `more` takes the records as well.
    """

    signal = "logs"

    def __init__(
        self,
        queue: list[Any],
        lines: Lines | None,
        writer: Writer | None,
        encoder: LogEncoder | None,
        envelope: Callable[[], Envelope],
        interval_seconds: float,
        more: BulkStage | None = None,
    ) -> None:
        self._queue = queue
        self._lines = lines
        self._writer = writer
        self._encoder = encoder
        self._envelope = envelope
        self.interval_seconds = interval_seconds
        self._more = more
        self._begin()

    def _begin(self) -> None:
        self._groups: dict[int, tuple[Scope, list[bytes]]] = {}  # by identity: a channel keeps one scope for life
        self._count = self._bytes = 0

    def clear(self) -> None:
        """Forget what was recorded before this process was forked."""
        self._queue.clear()
        self._begin()

    def step(self) -> bool:
        """Write and encode up to 1,024 records."""
        queue = self._queue
        waiting = queue[: _STEP * USUAL_SIZE]
        if not waiting:
            return False
        lines = self._lines if self._writer is not None else None
        encoder, more = self._encoder, self._more
        out: list[str] = []
        begin, size = 0, len(waiting)
        try:
            while begin < size:
                site = waiting[begin]
                width = site.size
                end = begin + width
                while end < size and waiting[end] is site:  # those of one site in a row are written together
                    end += width
                if end > size:  # cut in two: the rest of it is not among what was taken
                    end -= width
                    if end == begin:
                        break
                run = waiting[begin:end]
                begin = end
                if lines is not None:
                    renders, begun = lines.renders[site], len(out)
                    try:
                        if len(run) == width:
                            out.append(renders.one(run))
                        else:
                            renders.run(zip(*[iter(run)] * width, strict=True), out.append)
                    except Exception as error:  # noqa: BLE001 - one odd record must not cost the others
                        self._singly(renders.one, run[(len(out) - begun) * width :], width, out, error)
                if encoder is None and more is None:
                    continue
                for at in range(0, len(run), width):
                    record = run[at : at + width]
                    if encoder is not None:
                        self._encode(record, encoder)
                    if more is not None:
                        more.take(record)
        finally:
            del queue[:begin]
            if out and self._writer is not None:
                self._writer.write("".join(out), len(out))
        return size == _STEP * USUAL_SIZE

    @staticmethod
    def _singly(one: Callable[[Record], str], rest: list[Any], width: int, out: list[str], error: Exception) -> None:
        """Format `rest`, whose first record failed with `error`."""
        for at in range(0, len(rest), width):
            try:
                if at:
                    out.append(one(rest[at : at + width]))
                    continue
            except Exception as other:  # noqa: BLE001 - one odd record must not cost the others
                error = other
            dropped("log lines", "they cannot be formatted", 1)
            fault("formatting a log line", error)

    def _encode(self, record: Record, encoder: LogEncoder) -> None:
        try:
            item = encoder.encode(record)
        except Exception as error:  # noqa: BLE001 - one odd record must not cost the others
            dropped("logs", "they cannot be encoded", 1)
            fault("encoding a log record", error)
            return
        scope = record[0].channel.scope
        group = self._groups.get(id(scope))
        if group is None:
            self._groups[id(scope)] = (scope, [item])
        else:
            group[1].append(item)
        self._count += 1
        self._bytes += len(item)

    def pressed(self) -> bool:
        """Whether so many records wait that drops are near."""
        return len(self._queue) > _PRESSED * USUAL_SIZE

    def full(self) -> bool:
        """Whether a request's worth of records is encoded."""
        return self._count >= _REQUEST_ITEMS or self._bytes >= _REQUEST_BYTES

    def cut(self) -> list[tuple[int, bytes]]:
        """One request of all that is encoded."""
        if not self._count:
            return []
        request = (self._count, self._envelope().request(self._groups.values()))
        self._begin()
        return [request]
