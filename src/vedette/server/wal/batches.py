"""Which segments go into one insert: as many as wait, up to a bound, and the same ones again after a crash.

An insert costs the engine about the same whether it brings ten rows or ten thousand, so segments that pile up are
loaded together. The engine drops a repeat by the insert's token, so a repeat must be made of the same segments: a group
is written down, in ``wal/group.json``, before it is inserted. One segment alone is a group, too: after a crash it would
find itself beside others.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from vedette.server.wal.segments import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vedette.server.wal.segments import Segment, WalFolder

__all__ = ["Batches"]

_MAX_SEGMENTS = 1000
_LOOK_SECONDS = 1.0
"""How long the folder's time of change is trusted; clocks of files stand still for some milliseconds."""


class Batches:
    """Takes sealed segments, oldest first, and removes them when they are in the tables.

    `settle` makes what the engine wrote survive a power cut, as the segments do; it is called before they go.
    """

    def __init__(self, folder: WalFolder, *, max_bytes: int, settle: Callable[[], None]) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._settle = settle
        self._promise = folder.path / "group.json"
        self._empty = (0, 0.0)  # when the folder had changed last, and when that was seen, if nothing waited then

    def is_empty(self) -> bool:
        """Whether nothing has come since `next` last found nothing. Asks for a fraction of what looking costs."""
        changed, looked_at = self._empty
        return time.monotonic() - looked_at < _LOOK_SECONDS and self._changed() == changed

    def next(self) -> list[Segment]:
        """The segments of the next insert; none when nothing waits."""
        self._empty = (0, 0.0)
        changed, looked_at = self._changed(), time.monotonic()
        group = self._next()
        if not group:
            self._empty = changed, looked_at
        return group

    def _changed(self) -> int:
        return self._folder.path.stat().st_mtime_ns

    def _next(self) -> list[Segment]:
        sealed = self._folder.sealed()
        promised = self._promised()
        if promised:
            group = [segment for segment in sealed if segment.path.name in promised]
            if len(group) == len(promised):
                return group
            # Files go only after the engine has answered, so a group with a gap is in the tables.
            self.done(group)
            sealed = self._folder.sealed()
        group = self._take(sealed)
        if group:
            self._write_down(group)
        return group

    def done(self, group: Sequence[Segment]) -> None:
        """Remove segments whose rows are in the tables."""
        self._settle()
        for segment in group:
            segment.path.unlink(missing_ok=True)
        sync_folder(self._folder.path)
        if self._promise.exists():
            self._promise.unlink()
            sync_folder(self._folder.path)

    def _take(self, sealed: Sequence[Segment]) -> list[Segment]:
        group: list[Segment] = []
        size = 0
        for segment in sealed[:_MAX_SEGMENTS]:
            size += segment.length
            if group and size > self._max_bytes:
                break
            group.append(segment)
        return group

    def _promised(self) -> frozenset[str]:
        try:
            return frozenset(json.loads(self._promise.read_bytes()))
        except FileNotFoundError:
            return frozenset()

    def _write_down(self, group: Sequence[Segment]) -> None:
        temporary = self._promise.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump([segment.path.name for segment in group], file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._promise)
        sync_folder(self._folder.path)
