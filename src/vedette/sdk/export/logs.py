"""The way of log records: queue → lines and `LogRecord` messages → files and requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from vedette.sdk.guard import dropped, fault
from vedette.sdk.logs.records import USUAL_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vedette.sdk.export.bulk import BulkStage
    from vedette.sdk.logs.files import Writer
    from vedette.sdk.logs.lines import Lines
    from vedette.sdk.logs.records import Record, Site
    from vedette.sdk.otlp.envelope import Envelope
    from vedette.sdk.otlp.logs import LogEncoder
    from vedette.sdk.resource import Scope

__all__ = ["LogStage"]

_STEP = 1024
_AT_ONCE = 256  # what is made of so many stays in the processor's caches
_REQUEST_ITEMS = 4096
_PRESSED = 2048
_REQUEST_BYTES = 1 << 20
_Made = TypeVar("_Made")


class _Alike:
    """Records of one site, end to end so that none is the garbage collector's.

    `turns` has their places among all: where some in a row begin, how many these are, where the next begin, and so on.
    """

    __slots__ = ("lost", "turns", "values", "width")

    def __init__(self, width: int, values: list[Any]) -> None:
        self.width = width
        self.values = values
        self.turns: list[int] = []
        self.lost = 0

    def each(
        self,
        run: Callable[[Iterable[Record], Callable[[_Made], None]], None],
        nothing: _Made,
        what: str,
        done: str,
        doing: str,
    ) -> list[_Made]:
        """What `run` makes of each record; `nothing` of those that cannot be `done`, which are counted as `lost`."""
        out: list[_Made] = []
        self.lost = 0
        while len(out) * self.width < len(self.values):
            values = self.values[len(out) * self.width :] if out else self.values
            try:
                run(zip(*[iter(values)] * self.width, strict=True), out.append)
            except Exception as error:  # noqa: BLE001 - one odd record must not cost the others
                out.append(nothing)
                self.lost += 1
                dropped(what, f"they cannot be {done}", 1)
                fault(doing, error)
        return out


def _in_turn(parts: list[tuple[list[_Made], list[int]]]) -> list[_Made]:
    """All of `parts`, which are (items, their turns), in the order of the turns."""
    if len(parts) == 1:
        return parts[0][0]
    every: list[_Made | None] = [None] * max(turns[-2] + turns[-1] for _, turns in parts)
    for items, turns in parts:
        place, pairs = 0, iter(turns)
        for turn, some in zip(pairs, pairs, strict=True):
            if some == 1:
                every[turn] = items[place]
            else:
                every[turn : turn + some] = items[place : place + some]
            place += some
    return [item for item in every if item is not None]


class LogStage:
    """Writes and encodes records.

    Without `lines` nothing is written here, without `encoder` nothing is sent; `more` takes the records as well. What
    was recorded in turns is worked on by kind, first as lines and then as messages: to go from one kind of work to
    another costs more than the work.
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
        return all(self._work() for _ in range(_STEP // _AT_ONCE))

    def _work(self) -> bool:
        """Write and encode some records; whether more wait."""
        queue = self._queue
        waiting = queue[: _AT_ONCE * USUAL_SIZE]
        if not waiting:
            return False
        found: dict[Site, _Alike] = {}
        begin = 0
        try:
            begin = self._sort(waiting, found)
            if self._lines is not None and self._writer is not None:
                self._write(found, self._lines, self._writer)
            if self._encoder is not None:
                self._encode(found, self._encoder)
        finally:
            del queue[: begin or len(waiting)]
        return len(waiting) == _AT_ONCE * USUAL_SIZE

    def _sort(self, waiting: list[Any], found: dict[Site, _Alike]) -> int:
        """Put records that are of one site together; how many values of `waiting` are whole records."""
        more, turn = self._more, 0
        begin, size = 0, len(waiting)
        while begin < size:
            site = waiting[begin]
            width = site.size
            end = begin + width
            while end < size and waiting[end] is site:  # several in a row
                end += width
            if end > size:  # cut in two: the rest of it is not among what was taken
                end -= width
                if end == begin:
                    break
            alike = found.get(site)
            if alike is None:
                alike = found[site] = _Alike(width, waiting[begin:end])
            else:
                alike.values += waiting[begin:end]
            some = (end - begin) // width
            alike.turns += (turn, some)
            turn += some
            if more is not None:
                for at in range(begin, end, width):
                    more.take(waiting[at : at + width])
            begin = end
        return begin

    def _write(self, found: dict[Site, _Alike], lines: Lines, writer: Writer) -> None:
        made, lost = [], 0
        for site, alike in found.items():
            renders = lines.renders[site]
            out = alike.each(renders.run, "", "log lines", "formatted", "formatting a log line")
            made.append((out, alike.turns))
            lost += alike.lost
        lines.forget()
        written = _in_turn(made)
        if len(written) > lost:
            writer.write("".join(written), len(written) - lost)

    def _encode(self, found: dict[Site, _Alike], encoder: LogEncoder) -> None:
        made: dict[int, list[tuple[list[bytes], list[int]]]] = {}
        for site, alike in found.items():
            items = alike.each(encoder.encoders[site], b"", "logs", "encoded", "encoding a log record")
            self._count += len(items) - alike.lost
            self._bytes += sum(map(len, items))
            scope = site.channel.scope
            if id(scope) not in self._groups:
                self._groups[id(scope)] = (scope, [])
            made.setdefault(id(scope), []).append((items, alike.turns))
        encoder.forget()
        for key, parts in made.items():
            self._groups[key][1].extend(_in_turn(parts))

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
