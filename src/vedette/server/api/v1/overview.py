"""The first look: what fails, what is slow, what is loud, what changed; and errors by kind."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query, Request
from typing_extensions import TypedDict

from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.services import From, To
from vedette.server.query.overview.errors import MAX_ERRORS, ErrorFilter, error_kinds
from vedette.server.query.overview.overview import overview
from vedette.server.query.timerange import parse_range

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["services"])


class Unhealthy(TypedDict):
    """A service with errors. `error_rate_before` is null when nothing was asked of it before."""

    service: str
    request_count: int
    error_count: int
    error_rate: float
    error_rate_before: float | None


class Slow(TypedDict):
    """An operation; `ratio` is its 95th percentile against that of the time before, null when there is none."""

    service: str
    operation: str
    kind: str
    request_count: int
    p95_ms: float
    p95_before_ms: float | None
    ratio: float | None


class Loud(TypedDict):
    """A service by the lines that it logs; error lines are those of severity error and fatal."""

    service: str
    lines: int
    lines_before: int
    error_lines: int
    error_lines_before: int


class Change(TypedDict):
    """Something that the time before had not: a service, a version of one, a kind of error."""

    time: str
    type: Literal["new_service", "deployment", "new_error"]
    service: str
    version: str
    error: str
    message: str
    count: int
    trace_id: str


_Range = TypedDict("_Range", {"from": str, "to": str})


class Overview(_Range):
    """Everything at a glance, against the time from `before_from` to `from`."""

    before_from: str
    unhealthy: list[Unhealthy]
    slow: list[Slow]
    loud: list[Loud]
    changes: list[Change]


class ErrorKind(TypedDict):
    """Failed spans of one kind. `trend` has a count for each bucket of the range; `trace_ids` are some examples."""

    service: str
    operation: str
    kind: str
    message: str
    count: int
    before_count: int
    is_new: bool
    first_seen: str
    last_seen: str
    trace_ids: list[str]
    trend: list[int]


class ErrorKinds(TypedDict):
    """Errors by kind; `total_count` are all failed spans, also those of kinds past the limit."""

    total_count: int
    before_from: str
    bucket_seconds: float
    errors: list[ErrorKind]


@router.get("/overview", summary="Everything at a glance")
async def overview_(request: Request, caller: Caller, from_: From = None, to: To = None) -> Overview:
    """What fails, what is slow and what is loud, against the time before; and what is new: services, versions, errors.

    The time before is as long as the range, and at least an hour.
    """
    found = await overview(services_of(request).reader, caller.tenant, parse_range(from_, to))
    return cast("Overview", found)


@router.get("/errors", summary="Errors by kind")
async def errors(
    request: Request,
    caller: Caller,
    *,
    service: Annotated[str, Query(description="Only errors of this service.")] = "",
    operation: Annotated[str, Query(description="Only those of spans with this name.")] = "",
    version: Annotated[str, Query(description="Only those of this `service.version`.")] = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ERRORS, description="Kinds at most.")] = 50,
) -> ErrorKinds:
    """Failed spans by service, operation, kind and message, the most frequent first.

    The kind is the type of the exception, else `error.type`, else the status of HTTP or gRPC. Messages that differ in
    numbers, ids and quoted texts are one. A kind is new when its service had none in the time before.
    """
    found = await error_kinds(
        services_of(request).reader,
        caller.tenant,
        wanted=ErrorFilter(service, operation, version),
        range_=parse_range(from_, to),
        limit=limit,
    )
    return cast("ErrorKinds", found)
