"""The series of one source, whose labels the log gets once an hour and whose samples go in by id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.server.ingest.samples_message import samples_message
from vedette.server.ingest.series_ids import series_id
from vedette.server.scrape.encoding import sample, series_labels, series_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    Numbers = np.ndarray[Any, np.dtype[Any]]

__all__ = ["Batch", "SeriesBook"]

_HOUR_SECONDS = 3600
_DAY_MS = 86_400_000
_NEVER = -1


@dataclass(slots=True)
class Batch:
    """What one scrape adds to the log: messages of remote write, and samples of series that are known there."""

    told: list[bytes] = field(default_factory=list)
    told_rows: int = 0
    samples: bytes = b""
    sample_rows: int = 0


class SeriesBook:
    """Gives series numbers, and writes samples of numbers.

    The labels of a series are told when it is new, on a new day, as the tables keep series by day, and every hour,
    so that tables which lose them are without them for an hour at most.

    Args:
        tenant: Whose the series are; it is part of their ids.
        phase: When in the hour labels are told again, in seconds, so that sources take turns.
    """

    def __init__(self, tenant: str, phase: float = 0.0) -> None:
        self._tenant = tenant
        self._phase = int(phase)
        self._numbers: dict[bytes, int] = {}
        self._labels: list[bytes] = []
        self._ids: Numbers = np.empty(0, np.uint64)
        self._told: Numbers = np.empty(0, np.int64)
        self._new_ids: list[int] = []

    def __len__(self) -> int:
        return len(self._labels)

    def number(self, labels: Mapping[str, str]) -> int:
        """The number of the series with these labels; ``__name__`` is one of them."""
        encoded = series_labels(labels)
        number = self._numbers.get(encoded)
        if number is None:
            number = self._numbers[encoded] = len(self._labels)
            self._labels.append(encoded)
            self._new_ids.append(series_id(self._tenant, labels))
        return number

    def adopt(self, other: SeriesBook, number: int) -> int:
        """The number here of a series that another book knows."""
        other._grow()
        encoded = other._labels[number]
        if encoded not in self._numbers:
            self._numbers[encoded] = len(self._labels)
            self._labels.append(encoded)
            self._new_ids.append(int(other._ids[number]))
        return self._numbers[encoded]

    def labels(self, number: int) -> bytes:
        """The labels of a series as messages."""
        return self._labels[number]

    def write(self, batch: Batch, numbers: Numbers, times_ms: Numbers, values: Numbers) -> None:
        """Add samples: one per number, which may recur. `values` are the 64 bits of floats, as NaN is not just one."""
        self._grow()
        epochs = (times_ms // 1000 + self._phase) // _HOUR_SECONDS * (1 << 20) + times_ms // _DAY_MS
        is_told = self._told[numbers] == epochs
        unknown = np.flatnonzero(~is_told)
        for i in unknown:
            content = sample(int(values[i]), int(times_ms[i]))
            batch.told.append(series_message(self._labels[numbers[i]], content))
        batch.told_rows += len(unknown)
        self._told[numbers[unknown]] = epochs[unknown]
        if len(unknown) < len(numbers):
            batch.samples += samples_message((self._ids[numbers[is_told]], times_ms[is_told], values[is_told]))
            batch.sample_rows += len(numbers) - len(unknown)

    def forget(self) -> None:
        """What was written did not arrive: all labels are told again."""
        self._told[:] = _NEVER

    def keep(self, numbers: Numbers) -> None:
        """Forget all series but these, which get the numbers 0, 1 and so on in this order."""
        self._grow()
        self._labels = [self._labels[i] for i in numbers]
        self._numbers = {labels: i for i, labels in enumerate(self._labels)}
        self._ids, self._told = self._ids[numbers], self._told[numbers]

    def _grow(self) -> None:
        if self._new_ids:
            self._ids = np.concatenate((self._ids, np.array(self._new_ids, np.uint64)))
            self._told = np.concatenate((self._told, np.full(len(self._new_ids), _NEVER, np.int64)))
            self._new_ids.clear()
