"""Buckets of samples that came when others of their hour were gone: docs/adr/0007-downsampling.md.

They stand beside those of the samples that went, and are put together with them here. What was added up is exact;
where the samples of both lie between each other, so are the steps within the larger of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vedette.server.engine.formats import fragments
from vedette.server.engine.fragments import expand

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Columns = dict[str, npt.NDArray[np.float64]]

__all__ = ["ENDS", "put_together", "with_late"]

ENDS: Final = ("first", "last", "first_before", "last_before")
"""The columns by which buckets are put together."""
_FIRST_BEFORE: Final = {"samples": "first_before", "histograms": "kept[1].before"}
_FRAGMENTS: Final = fragments()
_JOIN: Final = expand("${LateBuckets}", _FRAGMENTS)
_COUNTED: Final = expand("\n                    AND ${IsCounted}", _FRAGMENTS)
_SINCE: Final = expand("${Since}", _FRAGMENTS)


def with_late(sql: str, *, late: bool, table: str) -> str:
    """A statement that reads buckets of `table`, each row with its `since` if there are late ones."""
    kind = table.partition("_")[0]
    join = _JOIN.replace("/*first_before*/", _FIRST_BEFORE[kind]).replace("/*table*/", table)
    found = {
        "/*late_begins*/": f"(SELECT made.*, {_SINCE} FROM\n    ",
        "/*late*/": f"\n    {join})",
        "/*counted*/": _COUNTED,
        "/*since*/": ", toUnixTimestamp(since) AS since",
        "/*kept_since*/": ", toUnixTimestamp(since) AS since",
        "/*sinces*/": ",\n    groupArray(since) AS sinces",
    }
    for place, text in found.items():
        sql = sql.replace(place, text if late else "")
    return sql.replace("/*late_since*/", "since" if late else "0::UInt32")


def put_together(owner: Ints, times_ms: Ints, columns: Columns) -> tuple[Ints, Ints, Columns]:
    """One row for every bucket; the rows of a bucket lie together, in the order of their first samples."""
    while len(pairs := np.flatnonzero((times_ms[1:] == times_ms[:-1]) & (owner[1:] == owner[:-1]))):
        # Of three rows of a bucket, the first two first.
        first = pairs[np.append(True, np.diff(pairs) > 1)]
        second = first + 1
        _join(columns, first, second)
        keep = np.ones(len(owner), np.bool_)
        keep[second] = False
        owner, times_ms = owner[keep], times_ms[keep]
        columns = {name: values[keep] for name, values in columns.items()}
    return owner, times_ms, columns


def _join(columns: Columns, a: Ints, b: Ints) -> None:
    """Put rows `b` into the rows `a`, whose first samples are no later."""
    old = {name: (values[a], values[b]) for name, values in columns.items()}
    (count_a, count_b), (before_a, before_b) = old["count"], old["last_before"]
    lasts_a, firsts_b = old["last"][0], old["first"][1]
    is_apart = (old["first_before"][1] < before_a) & (count_a > 0) & (count_b > 0)
    fell, changed = is_apart & (firsts_b < lasts_a), is_apart & (firsts_b != lasts_a)
    # A marker alone tells that the series has ended, where that is asked for, and nothing of its last value.
    b_ends = (count_a == 0) | ((before_b <= before_a) & ((count_b > 0) | ("stale" in old)))
    joined: Columns = {
        "count": count_a + count_b,
        "first": np.where(count_a > 0, old["first"][0], firsts_b),
        "first_before": np.where(count_a > 0, *old["first_before"]),
        "last": np.where(b_ends & ((count_b > 0) | (count_a == 0)), old["last"][1], lasts_a),
        "last_before": np.where(b_ends, before_b, before_a),
    }
    if "stale" in old:
        joined["stale"] = np.where(b_ends, old["stale"][1], old["stale"][0])
    for name, (left, right) in old.items():
        if name == "sum":
            joined[name] = np.where(count_a == 0, right, np.where(count_b == 0, left, left + right))
        elif name == "min":
            joined[name] = np.fmin(left, right)
        elif name == "max":
            joined[name] = np.fmax(left, right)
        elif name == "reset_sum":
            joined[name] = np.where(is_apart, left + right + np.where(fell, lasts_a, 0), np.maximum(left, right))
        elif name == "resets":
            joined[name] = np.where(is_apart, left + right + fell, np.maximum(left, right))
        elif name == "changes":
            joined[name] = np.where(is_apart, left + right + changed, np.maximum(left, right))
    for name, values in joined.items():
        columns[name][a] = values
