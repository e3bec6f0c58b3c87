"""What expressions evaluate to: series by steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.labels import METRIC_NAME, Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vedette.server.query.promql.histogram import Histogram

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Histograms = npt.NDArray[np.object_]

METADATA_LABELS: Final = frozenset({METRIC_NAME, "__type__", "__unit__"})
SAME_LABELS: Final = "vector cannot contain metrics with the same labelset"
_FEW: Final = 50
"""Rows for which the price of a call into numpy is most of it."""


@dataclass(slots=True)
class Block:
    """An instant vector at every step.

    Row `i` is labelled `labels[i]`. A point exists where `present` says so; it is a float in `values`, or a histogram
    where `histograms` (None if there is none at all) has an object. With delayed removal of names, `drop_name[i]` tells
    that the name of row `i` goes in the end. Arrays may be shared with other blocks: nobody changes them in place.
    """

    labels: list[Labels]
    values: Floats
    present: Bools
    histograms: Histograms | None = None
    drop_name: list[bool] | None = None

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return int(self.values.shape[1])

    def floats(self) -> Bools:
        """Where the floats are."""
        if self.histograms is None:
            return self.present
        return self.present & ~self.histogram_points()

    def histogram_points(self) -> Bools:
        """Where the histograms are."""
        if self.histograms is None:
            return np.zeros(self.present.shape, np.bool_)
        return is_set(self.histograms) & self.present

    def drops(self, row: int) -> bool:
        """Tell whether the name of a row goes in the end."""
        return self.drop_name is not None and self.drop_name[row]

    def take(self, rows: Sequence[int] | Ints) -> Block:
        """Some rows, in the given order."""
        index = np.asarray(rows, np.int64)
        return Block(
            [self.labels[i] for i in index],
            self.values[index],
            self.present[index],
            None if self.histograms is None else self.histograms[index],
            None if self.drop_name is None else [self.drop_name[i] for i in index],
        )

    def without_empty_rows(self) -> Block:
        """The rows that have a point."""
        used: Bools = self.present[:, 0] if self.steps == 1 else np.logical_or.reduce(self.present, axis=1)
        # Of few rows a list is asked in a third of the time.
        are_all = all(used.tolist()) if len(used) <= _FEW else used.all()
        return self if are_all else self.take(used.nonzero()[0])


def is_set(histograms: Histograms) -> Bools:
    """Where an array of objects has one."""
    return np.not_equal(histograms, np.array(None, np.object_)).astype(np.bool_)


def masked(histograms: Histograms, mask: Bools) -> Histograms:
    """The histograms at the points of a mask, and nothing elsewhere."""
    out = np.full(mask.shape, None, np.object_)
    out[mask] = histograms[mask]
    return out


def empty(steps: int) -> Block:
    """A vector without series."""
    return Block([], np.empty((0, steps)), np.empty((0, steps), np.bool_))


def single(labels: Labels, values: Floats, present: Bools | None = None) -> Block:
    """A vector of one series."""
    mask = np.ones((1, len(values)), np.bool_) if present is None else present.reshape(1, -1)
    return Block([labels], values.reshape(1, -1), mask)


@dataclass(slots=True)
class Windows:
    """A range vector: for every step, the samples of each series in (end - width, end].

    The samples lie in pools as in `SelectedSeries`, without stale markers; floats and histograms apart.
    `ends_ms` are the windows' ends, one for every step. Where samples are summed up, `times_ms` are the ends of
    `buckets`, and `scale` is the asked width by that of the window, which is a multiple of the buckets'.
    """

    labels: list[Labels]
    first: Ints
    last: Ints
    times_ms: Ints
    values: Floats
    starts_ms: Ints
    ends_ms: Ints
    width_ms: int
    histograms: HistogramPool | None = None
    anchored: bool = False
    smoothed: bool = False
    drop_name: list[bool] | None = None
    buckets: Mapping[str, Floats] | None = None
    scale: float = 1.0


@dataclass(slots=True)
class HistogramPool:
    """The histograms of a range vector's series, in the same form as its floats.

    Where they were summed up and some stand for all, `counts` tells for how many each does, and `changes` how often one
    was another than the one before it since the sample before, -1 for the first of a bucket. Both are empty otherwise.
    """

    first: Ints
    last: Ints
    times_ms: Ints
    starts_ms: Ints
    samples: list[Histogram] = field(default_factory=list)
    counts: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    changes: Ints = field(default_factory=lambda: np.empty(0, np.int64))


def drop_metadata(labels: Labels) -> Labels:
    """`labels` without the name, type and unit of the metric."""
    if labels and labels[0][0] == METRIC_NAME and (len(labels) == 1 or not labels[1][0].startswith("__")):
        return labels[1:]
    return tuple(pair for pair in labels if pair[0] not in METADATA_LABELS)


def label_value(labels: Labels, name: str) -> str:
    """The value of a label, `""` if there is none."""
    for pair in labels:
        if pair[0] == name:
            return pair[1]
    return ""


def set_labels(labels: Labels, changes: dict[str, str]) -> Labels:
    """`labels` with some of them set; an empty value removes a label."""
    merged = dict(labels)
    merged.update(changes)
    return tuple(sorted((name, value) for name, value in merged.items() if value))


def map_labels(block: Block, change: Callable[[Labels], Labels]) -> Block:
    """The same points under changed labels."""
    return Block([change(one) for one in block.labels], block.values, block.present, block.histograms, block.drop_name)


def has_duplicates(labels: Sequence[Labels]) -> bool:
    """Tell whether a label set occurs twice."""
    return len(labels) > 1 and len(set(labels)) != len(labels)


def merge_same_labels(block: Block) -> Block:
    """Join the rows that have the same labels.

    Raises:
        EvaluationError: two of them have a point at the same step.
    """
    if not has_duplicates(block.labels):
        return block
    rows: dict[Labels, list[int]] = {}
    for i, labels in enumerate(block.labels):
        rows.setdefault(labels, []).append(i)
    merged = block.take([group[0] for group in rows.values()])
    values, present = merged.values.copy(), merged.present.copy()
    histograms = None if merged.histograms is None else merged.histograms.copy()
    for target, group in enumerate(rows.values()):
        for i in group[1:]:
            if (present[target] & block.present[i]).any():
                raise EvaluationError(SAME_LABELS)
            added = block.present[i]
            values[target][added] = block.values[i][added]
            if histograms is not None and block.histograms is not None:
                histograms[target][added] = block.histograms[i][added]
            present[target] |= added
    return Block(merged.labels, values, present, histograms, merged.drop_name)
