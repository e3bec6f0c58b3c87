"""Functions of range vectors on samples that have been summed up in buckets of equal width.

They give what they give on the samples, but for rounding where many are added, if windows begin and end with buckets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.query.promql.block import Windows
from vedette.server.query.promql.kernels import buckets as kernels

if TYPE_CHECKING:
    from vedette.server.query.promql.block import Bools, Floats, Ints
    from vedette.server.query.promql.source import SelectedSeries

__all__ = ["COLUMNS", "GROW_WITH_WIDTH", "apply_to_buckets", "whole_width", "windows_of_buckets"]

_ENDS: Final = ("first", "last", "first_before", "last_before")
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "sum_over_time": ("sum",),
    "avg_over_time": ("sum",),
    "min_over_time": ("min",),
    "max_over_time": ("max",),
    "count_over_time": (),
    "present_over_time": (),
    "absent_over_time": (),
    "last_over_time": ("last",),
    "first_over_time": ("first",),
    "ts_of_first_over_time": ("first_before",),
    "ts_of_last_over_time": ("last_before",),
    "changes": ("first", "last", "changes"),
    "resets": ("first", "last", "resets"),
    "delta": _ENDS,
    "increase": (*_ENDS, "reset_sum"),
    "rate": (*_ENDS, "reset_sum"),
}
"""What each function needs of the buckets, besides how many samples each has (``count``)."""

_OVER: Final = {
    "sum_over_time": kernels.SUM,
    "avg_over_time": kernels.AVG,
    "min_over_time": kernels.MIN,
    "max_over_time": kernels.MAX,
    "count_over_time": kernels.COUNT,
    "present_over_time": kernels.PRESENT,
    "absent_over_time": kernels.PRESENT,
    "last_over_time": kernels.LAST,
    "first_over_time": kernels.FIRST,
    "ts_of_first_over_time": kernels.FIRST,
    "ts_of_last_over_time": kernels.LAST,
}
GROW_WITH_WIDTH: Final = frozenset({"sum_over_time", "count_over_time", "increase", "delta", "changes", "resets"})
"""Functions whose value is scaled where a window is not as wide as it was asked for."""


def whole_width(range_ms: int, resolution_ms: int) -> int:
    """The multiple of the buckets' width that is nearest to a range, and at least one bucket."""
    return max(1, (range_ms + resolution_ms // 2) // resolution_ms) * resolution_ms


def windows_of_buckets(selected: SelectedSeries, ends: Ints, range_ms: int) -> Windows:
    """The windows of a range selector on buckets."""
    width = whole_width(range_ms, selected.resolution_ms)
    return Windows(
        list(selected.labels),
        selected.first,
        selected.last,
        selected.times_ms,
        selected.values,
        np.empty(0, np.int64),
        ends,
        width,
        selected.histogram_buckets,
        buckets=selected.buckets,
        scale=range_ms / width,
    )


def apply_to_buckets(name: str, windows: Windows, part: slice, out: Floats, present: Bools) -> None:
    """Apply a function of `COLUMNS` to the windows of some series."""
    columns = windows.buckets or {}
    counts = columns["count"]
    places = (windows.first[part], windows.last[part], windows.times_ms)
    looks = (windows.ends_ms, windows.width_ms)
    rows, mask = out[part], present[part]
    if name in {"rate", "increase", "delta"}:
        nothing = np.empty(0)
        kernels.extrapolated(
            name != "delta",
            name == "rate",
            *places,
            counts,
            columns["first"],
            columns["last"],
            columns["first_before"],
            columns["last_before"],
            columns.get("reset_sum", nothing),
            *looks,
            rows,
            mask,
        )
    elif name in {"changes", "resets"}:
        fell = name == "resets"
        kernels.tallied(fell, *places, counts, columns["first"], columns["last"], columns[name], *looks, rows, mask)
    else:
        (needed,) = COLUMNS[name] or ("count",)
        values = columns[needed]
        if needed.endswith("_before"):
            values = (windows.times_ms - values) / 1000
        kernels.over_buckets(_OVER[name], *places, counts, values, *looks, rows, mask)
    if name in GROW_WITH_WIDTH and windows.scale != 1.0:
        rows *= windows.scale
