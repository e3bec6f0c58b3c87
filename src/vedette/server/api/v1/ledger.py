"""What was refused or dropped, and how much was kept."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from vedette.server.api.answers import streamed
from vedette.server.api.context import Caller, services_of
from vedette.server.api.v1.answer_models import LedgerAnswer, UsageAnswer
from vedette.server.api.v1.trace_examples import example
from vedette.server.query.ledger.documents import LedgerFilter, ledger_document, usage_document
from vedette.server.query.timerange import parse_range

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["ledger"])

_JSON: Final = "application/json"
_DAY_NS: Final = 86_400 * 10**9
_TOTAL: Final = {"signal": "logs", "reason": "too_large", "count": 3, "bytes": 201326592}
_LEDGER: Final = {
    "totals": [_TOTAL],
    "entries": [{"time": "2026-07-01T12:00:00.000000001Z", **_TOTAL, "detail": "The body has more than 64 MiB."}],
}
_USAGE: Final = {"usage": [{"hour": "2026-07-01T12:00:00Z", "signal": "logs", "rows": 48000, "bytes": 9600000}]}

From = Annotated[
    str | None,
    Query(alias="from", description="Start: RFC 3339, Unix time, or relative like `now-15m` or `15m`. Default: 1d."),
]
To = Annotated[str | None, Query(description="End (exclusive), written like `from`. Default: now.")]
Signal = Annotated[Literal["", "traces", "logs", "metrics"], Query(description="Only this signal.")]


@router.get("/ledger", summary="What was not kept", responses=example(_LEDGER, model=LedgerAnswer))
async def ledger(
    request: Request,
    caller: Caller,
    *,
    signal: Signal = "",
    reason: Annotated[str, Query(max_length=100, description="Only this reason, such as `too_large`.")] = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Entries at most.")] = 100,
) -> Response:
    """Everything of the tenant that was refused or dropped: sums by signal and reason, and the newest entries."""
    wanted = LedgerFilter(parse_range(from_, to, default_span_ns=_DAY_NS), signal, reason)
    return await streamed(ledger_document(services_of(request).reader, caller.tenant, wanted, limit=limit), _JSON)


@router.get("/usage", summary="What was kept", responses=example(_USAGE, model=UsageAnswer))
async def usage(
    request: Request, caller: Caller, *, signal: Signal = "", from_: From = None, to: To = None
) -> Response:
    """Rows, and bytes before compression, by hour and signal."""
    time_range = parse_range(from_, to, default_span_ns=_DAY_NS)
    return await streamed(usage_document(services_of(request).reader, caller.tenant, time_range, signal=signal), _JSON)
