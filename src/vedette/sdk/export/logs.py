"""The way of log records: queue → lines and `LogRecord` messages → files and requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.sdk.guard import dropped, fault

if TYPE_CHECKING:
    from collections import deque
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
        queue: deque[Record],
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
        take = self._queue.popleft
        records = []
        try:
            for _ in range(_STEP):
                records.append(take())  # noqa: PERF401 - the queue may run empty
        except IndexError:
            pass
        if not records:
            return False
        if self._lines is not None and self._writer is not None:
            self._write(records, self._lines, self._writer)
        if self._encoder is not None:
            self._encode(records, self._encoder)
        if self._more is not None:
            self._more.take(records)
        return len(records) == _STEP

    @staticmethod
    def _write(records: list[Record], lines: Lines, writer: Writer) -> None:
        out = []
        for record in records:
            try:
                out.append(lines.format(record))
            except Exception as error:  # noqa: BLE001 - one odd record must not cost the others
                dropped("log lines", "they cannot be formatted", 1)
                fault("formatting a log line", error)
        writer.write("".join(out), len(out))

    def _encode(self, records: list[Record], encoder: LogEncoder) -> None:
        groups, encode = self._groups, encoder.encode
        count = size = 0
        for record in records:
            try:
                item = encode(record)
            except Exception as error:  # noqa: BLE001 - one odd record must not cost the others
                dropped("logs", "they cannot be encoded", 1)
                fault("encoding a log record", error)
                continue
            scope = record[2].scope
            group = groups.get(id(scope))
            if group is None:
                groups[id(scope)] = (scope, [item])
            else:
                group[1].append(item)
            count += 1
            size += len(item)
        self._count += count
        self._bytes += size

    def pressed(self) -> bool:
        """Whether so many records wait that drops are near."""
        return len(self._queue) > _PRESSED

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
