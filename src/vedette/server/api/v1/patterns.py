"""Patterns of log lines."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from typing_extensions import TypedDict

from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.logs import From, Q, To
from vedette.server.query.logs.checking import checked_condition
from vedette.server.query.logs.selection import Selection
from vedette.server.query.patterns.logs import MAX_PATTERNS, log_patterns
from vedette.server.query.timerange import parse_range

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/logs", tags=["logs"])

_MAX_BUCKETS = 120


class LogPattern(TypedDict):
    """Lines of one kind. `trend` has a count for each bucket of the range; `query` finds the lines in a log search."""

    pattern: str
    count: int
    share: float
    before_count: int
    is_new: bool
    severities: dict[str, int]
    services: list[str]
    first_seen: str
    last_seen: str
    trend: list[int]
    sample: str
    query: str


_From = TypedDict("_From", {"from": str})


class LogPatterns(_From):
    """What kinds of lines there are. New is what has no line between `before_from` and `from`."""

    total: int
    sampled: bool
    before_from: str
    bucket_seconds: float
    patterns: list[LogPattern]


@router.get("/patterns", summary="Group lines that say the same")
async def patterns(
    request: Request,
    caller: Caller,
    *,
    q: Q = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PATTERNS, description="Patterns at most.")] = 50,
    buckets: Annotated[int, Query(ge=1, le=_MAX_BUCKETS, description="About how many buckets of the trend.")] = 30,
) -> LogPatterns:
    """Messages whose numbers, ids, addresses, quoted texts and names differ are one pattern, the most frequent first.

    Of more than some hundred thousand lines a sample is grouped, and counts are estimates (`sampled`). The time before,
    which tells what is new, is as long as the range and at least an hour.
    """
    reader = services_of(request).reader
    condition = await checked_condition(reader, caller.tenant, q)
    selection = Selection(caller.tenant, condition, parse_range(from_, to))
    return cast("LogPatterns", await log_patterns(reader, selection, limit=limit, buckets=buckets))
