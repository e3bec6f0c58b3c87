"""Up to which moment everything that was acknowledged can be read.

What is acknowledged stands in a segment of the write-ahead log until the tables hold it. A rule that is evaluated for a
moment waits until no segment of that moment is left, so that its answer does not depend on how busy the engine is; but
not for ever, as an alert that comes after the outage is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ReadableClock"]

_LOOK_SECONDS = 0.2
_SEGMENT = re.compile(r"(\d{10})-[0-9a-f]{8}(?:-\d+\.wal|\.open)")


class ReadableClock:
    """Looks into the folders of the logs a few times a second. `run` keeps it going.

    Attributes:
        moment: Unix time in seconds.
        looked_at: Monotonic time of the look that told it; whoever reads the tables later than this sees everything.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._newest = [0] * len(folders)
        self._marks: deque[tuple[float, list[int]]] = deque()
        self._moved = asyncio.Condition()
        self.moment = 0.0
        self.looked_at = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Look once."""
        now, looked_at = time.time(), time.monotonic()
        present = [_numbers(folder) for folder in self._folders]
        self._newest = [max(found, default=known) for found, known in zip(present, self._newest, strict=True)]
        self._marks.append((now, list(self._newest)))
        oldest = [min(found, default=1 << 62) for found in present]
        async with self._moved:
            while self._marks and all(mark < least for mark, least in zip(self._marks[0][1], oldest, strict=True)):
                self.moment = self._marks.popleft()[0]
                self.looked_at = looked_at
            self._moved.notify_all()

    async def wait(self, moment: float, until: float) -> bool:
        """Wait until everything that was acknowledged before a moment can be read, or until a Unix time.

        Tells whether everything can be read.
        """
        # Looking comes first: what can be read when the time is over already, can be read.
        with contextlib.suppress(TimeoutError):
            async with self._moved, asyncio.timeout(max(0.0, until - time.time())):
                await self._moved.wait_for(lambda: self.moment >= moment)
        return self.moment >= moment


def _numbers(folder: Path) -> set[int]:
    """The numbers of the segments in a folder. Read twice: a listing may miss a file that is renamed meanwhile."""
    found: set[int] = set()
    for _ in range(2):
        try:
            names = os.listdir(folder)  # noqa: PTH208 - names are enough, four times a second
        except OSError:
            continue
        found.update(int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name)))
    return found
