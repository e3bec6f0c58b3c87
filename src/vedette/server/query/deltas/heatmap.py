"""Where spans lie in time and duration: the latency heat map."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.logs.counts import nice_width_ns
from vedette.server.query.sqlfiles import SqlFiles
from vedette.server.query.traces.conditions import RANGE, range_params, settle

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange
    from vedette.server.query.traces.conditions import Conditions

__all__ = ["MAX_COLUMNS", "heatmap"]

MAX_COLUMNS: Final = 400

_SECOND: Final = 1_000_000_000
_ROWS_PER_OCTAVE: Final = 2
_FILES: Final = SqlFiles(Path(__file__).parent)


async def heatmap(
    reader: Reader, tenant: str, *, conditions: Conditions, range_: TimeRange, columns: int
) -> dict[str, Any]:
    """``{"from", "step_seconds", "columns", "rows": [{"lower_ms", "upper_ms"}], "cells", "total_count"}``.

    A cell is ``[column, row, count, error_count]``; empty ones are left out. Columns begin at round times, so the first
    and the last may reach beyond the range, and count only what is in it. Rows rise by the square root of two.
    """
    conditions = await settle(reader, tenant, conditions)
    width = nice_width_ns(range_.duration_ns, columns)
    first, last = range_.start_ns // width, (range_.end_ns - 1) // width
    sql = _FILES.statement("heatmap", range=RANGE, conditions=f"({conditions.sql})")
    params = {**conditions.params, **range_params(range_), "width_ns": width, "first": first}
    found = await reader.rows(tenant, sql, params=params)
    # As many cells as the picture has, however many spans they hold.
    rows = [int(cell["row"]) for cell in found]
    lowest, highest = min(rows, default=0), max(rows, default=-1)
    return {
        "from": datetime.fromtimestamp(first * width / _SECOND, UTC).isoformat().replace("+00:00", "Z"),
        "step_seconds": width / _SECOND,
        "columns": last - first + 1,
        "rows": [
            {"lower_ms": _milliseconds(row), "upper_ms": _milliseconds(row + 1)} for row in range(lowest, highest + 1)
        ],
        "cells": [
            [int(cell["column"]), int(cell["row"]) - lowest, int(cell["spans"]), int(cell["errors"])] for cell in found
        ],
        "total_count": sum(int(cell["spans"]) for cell in found),
    }


def _milliseconds(row: int) -> float:
    return round(math.pow(2.0, row / _ROWS_PER_OCTAVE) / 1e6, 9)
