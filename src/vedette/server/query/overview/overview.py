"""Everything at a glance: what fails, what is slow, what is loud, and what is new against the time before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.overview.errors import OVERVIEW_FILES, ErrorFilter, error_kinds
from vedette.server.query.patterns.logs import before, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["overview"]

_ROWS: Final = 20
_CHANGES: Final = 50
_ERROR_KINDS: Final = 100
_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60
_NUMBERS: Final = {"output_format_json_quote_64bit_integers": 0}


async def overview(reader: Reader, tenant: str, range_: TimeRange) -> dict[str, Any]:
    """``{"from", "to", "before_from", "unhealthy", "slow", "loud", "changes"}``, the worst and the newest first.

    Figures of services are by whole minutes. What has `_before` in its name is of the time before the range (see
    `patterns.logs.before`), which is also what tells what is new.
    """
    earlier = before(range_)
    seconds = {
        "before_start": earlier.start_ns // _SECOND // _MINUTE * _MINUTE,
        "start": range_.start_ns // _SECOND // _MINUTE * _MINUTE,
        "end": -(-range_.end_ns // _SECOND),
    }
    times = {"tenant": tenant, "start_ns": earlier.start_ns, "range_ns": range_.start_ns, "end_ns": range_.end_ns}

    async def rows(name: str, limit: int = _ROWS) -> list[dict[str, Any]]:
        params = {**times, **seconds, "limit": limit}
        return await reader.rows(tenant, OVERVIEW_FILES.statement(name), params=params, settings=_NUMBERS)

    unhealthy, slow, loud, arrivals, errors = await asyncio.gather(
        rows("services"),
        rows("slow"),
        rows("loud"),
        rows("arrivals", _CHANGES),
        error_kinds(reader, tenant, wanted=ErrorFilter(), range_=range_, limit=_ERROR_KINDS),
    )
    return {
        "from": rfc3339(range_.start_ns),
        "to": rfc3339(range_.end_ns),
        "before_from": rfc3339(earlier.start_ns),
        "unhealthy": [_without(row, "served_count", "requests_before", "errors_before") for row in unhealthy],
        "slow": slow,
        "loud": loud,
        "changes": _changes(arrivals, errors["errors"]),
    }


def _changes(arrivals: Sequence[dict[str, Any]], errors: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [{**row, "error": "", "message": ""} for row in arrivals]
    found += [
        {
            "time": error["first_seen"],
            "type": "new_error",
            "service": error["service"],
            "version": "",
            "error": error["kind"],
            "message": error["message"],
            "count": error["count"],
            "trace_id": error["trace_ids"][0],
        }
        for error in errors
        if error["is_new"]
    ]
    return sorted(found, key=lambda change: str(change["time"]), reverse=True)[:_CHANGES]


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
