"""Delta metrics of OTLP made cumulative before they are written to the log.

Prometheus' data model knows running totals alone, so each stream of deltas is summed up from where it began. The sums
are this process' own. A stop writes them to a file that the next start takes and removes; after a crash there is no
such file, sums begin at zero again, and PromQL sees what it sees of any counter whose program began anew. What was
written must never be continued from an older sum: that would look like a reset and count everything twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vedette.server.ingest import delta_kernel as kernel
from vedette.server.ingest.protobuf_kernel import MOST_WIDENED
from vedette.server.ingest.series_ids import label_hash

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Cumulative", "DeltaStreams"]

log = logging.getLogger(__name__)

_THREAD_BYTES = 64 << 10
_LEAST_TABLE, _LEAST_WORDS = 1 << 10, 1 << 12
_WORD_BYTES, _STREAM_BYTES = 8, 32
"""A word of a record, and a stream's places in a table that is at most half full."""
_IDLE_SECONDS = 3600
"""A stream that is silent for so long makes room for others when there is none left."""


@dataclass(frozen=True, slots=True)
class Cumulative:
    """A request whose metrics are cumulative, and how many points were left out of it."""

    message: bytes
    late: int = 0
    """Points older than one of their stream that was summed before."""
    refused: int = 0
    """Points of new streams beyond the bound."""

    @property
    def rows(self) -> int:
        """All points that were left out."""
        return self.late + self.refused

    def reason(self) -> str:
        """The sentence for who sent them."""
        sentences = []
        if self.late:
            sentences.append(
                f"{self.late} delta points came after a later point of their stream was summed; send them in order."
            )
        if self.refused:
            sentences.append(
                f"{self.refused} delta points belong to new streams, and the memory for the sums of streams "
                "(otlp_delta_memory) is full; send cumulative metrics, or raise it."
            )
        return " ".join(sentences)


class DeltaStreams:
    """The running sums of all tenants' delta streams.

    Args:
        file: Where `save` puts them; read and removed here.
        max_bytes: What they may take of memory. New streams beyond it are refused.
    """

    def __init__(self, file: Path, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._lock = asyncio.Lock()
        self._is_warm = False
        self._keys = np.zeros(_LEAST_TABLE, np.uint64)
        self._begins = np.zeros(_LEAST_TABLE, np.int64)
        self._words = np.zeros(_LEAST_WORDS, np.uint64)
        self._used = np.zeros(2, np.int64)
        self._load()

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return int(self._used[1])

    async def cumulative(self, tenant: str, message: bytes) -> Cumulative:
        """Sum up the delta points of a checked ``ExportMetricsServiceRequest``."""
        async with self._lock:
            if self._is_warm and len(message) < _THREAD_BYTES:
                return self._convert(tenant, message)
            found = await asyncio.to_thread(self._convert, tenant, message)
            self._is_warm = True
            return found

    def _convert(self, tenant: str, message: bytes) -> Cumulative:
        data, seed = np.frombuffer(message, np.uint8), np.uint64(label_hash("__tenant__", tenant))
        facts = np.zeros(4, np.int64)
        kernel.survey(data, seed, self._keys, self._begins, self._words, facts)
        now = int(time.time())
        self._make_room(int(facts[kernel.STREAMS]), int(facts[kernel.WORDS]), now)
        out, left = np.empty(MOST_WIDENED * len(data) + int(facts[kernel.OUT_BYTES]), np.uint8), np.zeros(2, np.int64)
        size = int(kernel.convert(data, seed, self._keys, self._begins, self._words, self._used, now, left, out))
        return Cumulative(out[:size].tobytes(), int(left[kernel.LATE]), int(left[kernel.FULL]))

    def _make_room(self, streams: int, words: int, now: int) -> None:
        """Room for new streams, as far as the bound allows; beyond it, idle ones go."""
        streams, words = streams + int(self._used[1]), words + int(self._used[0])
        if words <= len(self._words) and 2 * streams < len(self._keys):
            return
        if words * _WORD_BYTES + streams * _STREAM_BYTES > self._max_bytes:
            self._rebuild(len(self._keys), len(self._words), now - _IDLE_SECONDS)
            most = self._max_bytes // _WORD_BYTES
            most_streams = self._max_bytes // _STREAM_BYTES
            words, streams = min(words, most), min(streams, most_streams)
        table = len(self._keys)
        while table <= 2 * streams and table * _STREAM_BYTES // 2 < self._max_bytes:
            table *= 2
        room = min(max(words * 3 // 2, len(self._words)), max(self._max_bytes // _WORD_BYTES, _LEAST_WORDS))
        if table > len(self._keys) or room > len(self._words):
            self._rebuild(table, room, 0)

    def _rebuild(self, table: int, words: int, oldest: int) -> None:
        keys, begins = np.zeros(table, np.uint64), np.zeros(table, np.int64)
        pool = np.zeros(words, np.uint64)
        self._used = kernel.compact(self._keys, self._begins, self._words, oldest, keys, begins, pool)
        self._keys, self._begins, self._words = keys, begins, pool

    def save(self) -> None:
        """Write the sums down for the next start. Nothing may be summed afterwards."""
        if not self.streams:
            return
        part = self._file.with_suffix(".part")
        try:
            with part.open("wb") as out:
                np.savez(out, keys=self._keys, begins=self._begins, words=self._words, used=self._used)
                out.flush()
                os.fsync(out.fileno())
            part.replace(self._file)
        except OSError as error:
            log.warning("The sums of delta streams cannot be kept in %s: %s. They begin anew.", self._file, error)

    def _load(self) -> None:
        try:
            with np.load(self._file) as saved:
                found = [saved[name] for name in ("keys", "begins", "words", "used")]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("The sums of delta streams in %s cannot be read: %s. They begin anew.", self._file, error)
            found = []
        self._file.unlink(missing_ok=True)
        if found:
            self._keys, self._begins, self._words, self._used = found
