"""Errors by kind: failed spans with the same exception, status or code, and messages that say the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.logs.counts import nice_width_ns
from vedette.server.query.patterns.logs import PATTERN_FILES, before, rfc3339
from vedette.server.query.sqlfiles import SqlFiles

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["MAX_ERRORS", "OVERVIEW_FILES", "ErrorFilter", "error_kinds"]

MAX_ERRORS: Final = 500

OVERVIEW_FILES: Final = SqlFiles(Path(__file__).parent, **PATTERN_FILES.fragments)

_BUCKETS: Final = 30
_SECOND: Final = 1_000_000_000
_NUMBERS: Final = {"output_format_json_quote_64bit_integers": 0}


@dataclass(frozen=True, slots=True)
class ErrorFilter:
    """Whose errors. What is empty does not narrow."""

    service: str = ""
    operation: str = ""
    version: str = ""


async def error_kinds(
    reader: Reader, tenant: str, *, wanted: ErrorFilter, range_: TimeRange, limit: int
) -> dict[str, Any]:
    """``{"total_count", "before_from", "bucket_seconds", "errors": […]}``, the most frequent kind first.

    A kind is new when its service had none of it in the time before the range (see `patterns.logs.before`).
    """
    earlier = before(range_)
    width = nice_width_ns(range_.duration_ns, _BUCKETS)
    params: dict[str, object] = {
        "tenant": tenant,
        "service": wanted.service,
        "operation": wanted.operation,
        "version": wanted.version,
        "start_ns": earlier.start_ns,
        "end_ns": range_.end_ns,
        "range_ns": range_.start_ns,
        "width_ns": width,
        "buckets": -(-range_.duration_ns // width),
        "limit": limit,
    }
    rows = await reader.rows(tenant, OVERVIEW_FILES.statement("errors"), params=params, settings=_NUMBERS)
    return {
        "total_count": int(rows[0]["all_spans"]) if rows else 0,
        "before_from": rfc3339(earlier.start_ns),
        "bucket_seconds": width / _SECOND,
        "errors": [_error(row) for row in rows],
    }


def _error(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "all_spans"}
    return {**shown, "is_new": bool(row["is_new"])}
