"""Pages of logs by number and counts of everything at once, as the older monitoring API asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vedette.server.query.logs.statements import statement
from vedette.server.query.sqlfiles import rows_written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.logs.selection import Selection
    from vedette.server.query.reader import Reader

__all__ = ["MAX_DEPTH", "numbered_page_document", "summary"]

MAX_DEPTH: Final = 10_000
"""How many lines deep pages by number reach; further down one pages by cursor."""
_WRITTEN: Final = rows_written(
    '{"timestamp":${time:JSON},"level":${severity:JSON},"message":${body:JSON},"service":${service:JSON}'
    ',"trace_id":${trace_id:JSON},"span_id":${span_id:JSON},"attributes":{${attributes:Raw}}}'
)


async def numbered_page_document(reader: Reader, selection: Selection, *, page: int, size: int) -> AsyncIterator[bytes]:
    """``{"total", "page", "size", "logs": [...]}``, newest first. Pages count from 1."""
    condition = selection.condition.sql
    (row,) = await reader.rows(selection.tenant, statement("total", condition=condition), params=selection.params)
    yield b'{"total":%d,"page":%d,"size":%d,"logs":[' % (int(row["lines"]), page, size)
    params = {**selection.params, "limit": size, "skip": (page - 1) * size}
    sql = statement("numbered", condition=condition)
    async with reader.stream(selection.tenant, sql, fmt="Template", params=params, settings=_WRITTEN) as chunks:
        async for chunk in chunks:
            yield chunk
    yield b"]}\n"


async def summary(reader: Reader, selection: Selection) -> dict[str, Any]:
    """Lines in total, by level, by service (the busiest thousand) and by hour (the first thousand)."""
    rows = await reader.rows(
        selection.tenant, statement("summary", condition=selection.condition.sql), params=selection.params
    )
    parts: dict[str, dict[str, int]] = {"by_level": {}, "by_service": {}, "by_hour": {}}
    total = 0
    for row in rows:
        if row["part"] == "total":
            total = int(row["lines"])
        else:
            parts[row["part"]][row["name"]] = int(row["lines"])
    hours = [{"hour": hour, "count": count} for hour, count in parts["by_hour"].items()]
    return {
        "total": total,
        "by_level": parts["by_level"],
        "by_service": parts["by_service"],
        "by_hour": hours,
    }
