"""The overview of a dashboard: services, errors, logs and volume at a glance."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.logs.compiler import compile_query
from vedette.server.query.logs.conditions import EVERY_LINE, Condition
from vedette.server.query.logs.numbered import summary
from vedette.server.query.logs.page import lines
from vedette.server.query.logs.selection import Selection

if TYPE_CHECKING:
    from vedette.server.query.reader import Reader
    from vedette.server.query.timerange import TimeRange

__all__ = ["overview"]

_FOLDER: Final = Path(__file__).parent
_SERVICES: Final = (_FOLDER / "services.sql").read_text(encoding="utf-8")
_VOLUME: Final = (_FOLDER / "volume.sql").read_text(encoding="utf-8")
_NEWEST_ERRORS: Final = 10


async def overview(reader: Reader, tenant: str, time_range: TimeRange) -> dict[str, Any]:
    """Services with spans, errors and error rate; the whole error rate; logs by level; newest errors; volume."""
    every = Selection(tenant, Condition(EVERY_LINE, {}), time_range)
    services, volume, logs, errors = await asyncio.gather(
        reader.rows(tenant, _SERVICES, params=every.params),
        reader.rows(tenant, _VOLUME, params=every.params),
        summary(reader, every),
        _newest_errors(reader, Selection(tenant, compile_query("severity:>=error"), time_range)),
    )
    figures = [_with_rate(str(row["name"]), int(row["spans"]), int(row["errors"])) for row in services]
    whole = _with_rate("", sum(row["spans"] for row in figures), sum(row["errors"] for row in figures))
    return {
        "services": figures,
        "spans": whole["spans"],
        "error_rate": whole["error_rate"],
        "logs": {"total": logs["total"], "by_level": logs["by_level"]},
        "newest_errors": errors,
        "volume": [{"signal": row["signal"], "rows": int(row["rows"]), "bytes": int(row["bytes"])} for row in volume],
    }


async def _newest_errors(reader: Reader, selection: Selection) -> list[dict[str, Any]]:
    """A handful of lines: few enough to be read here."""
    found = lines(reader, selection, order="newest", limit=_NEWEST_ERRORS)
    document: list[dict[str, Any]] = json.loads(b"[" + b"".join([chunk async for chunk in found]) + b"]")
    return document


def _with_rate(name: str, spans: int, errors: int) -> dict[str, Any]:
    return {"name": name, "spans": spans, "errors": errors, "error_rate": errors / spans if spans else 0.0}
