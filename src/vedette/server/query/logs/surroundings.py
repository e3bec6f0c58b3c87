"""The lines before and after a line, from the same source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vedette.errors import NotFound
from vedette.server.query.logs.conditions import EVERY_LINE, Condition
from vedette.server.query.logs.page import LineId, lines
from vedette.server.query.logs.selection import Selection
from vedette.server.query.logs.statements import statement
from vedette.server.query.timerange import TimeRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.reader import Reader

__all__ = ["MAX_SURROUNDING", "WINDOW_NS", "surroundings_document"]

MAX_SURROUNDING: Final = 500
WINDOW_NS: Final = 24 * 3_600 * 10**9
"""How far from a line its surroundings are looked for."""

_SAME_SOURCE: Final = "service = {source_service:String} AND resource = {source_resource:String}"


async def surroundings_document(
    reader: Reader, tenant: str, line: LineId, *, before: int, after: int
) -> AsyncIterator[bytes]:
    """The pieces of ``{"line": {...}, "before": [...], "after": [...]}``, both lists with the nearest line first.

    The source of a line is its service and the rest of its resource: a process, a container, a host.

    Raises:
        NotFound: the tenant has no such line (any more).
    """
    at = TimeRange(line.time_ns, line.time_ns + 1)
    here = Selection(tenant, Condition(EVERY_LINE, {}), at)
    found = await reader.rows(tenant, statement("anchor"), params={**here.params, "hash": line.hash})
    if not found:
        raise NotFound("There is no such line; its day may have been dropped for space.")
    source = Condition(_SAME_SOURCE, {"source_service": found[0]["service"], "source_resource": found[0]["resource"]})
    window = TimeRange(max(0, line.time_ns - WINDOW_NS), min(line.time_ns + WINDOW_NS, 2**63 - 1))
    around = Selection(tenant, source, window)
    # A cursor after no equal line is the line itself; of the lines that equal it, all others count as after it.
    first = LineId(line.time_ns, line.hash, 0)
    yield b'{"line":'
    async for chunk in lines(reader, here, order="oldest", limit=1, after=first):
        yield chunk
    yield b',"before":['
    if before:
        last = LineId(line.time_ns, line.hash, int(found[0]["equals"]))
        async for chunk in lines(reader, around, order="newest", limit=before, after=last):
            yield chunk
    yield b'],"after":['
    if after:
        following = LineId(line.time_ns, line.hash, 1)
        async for chunk in lines(reader, around, order="oldest", limit=after, after=following):
            yield chunk
    yield b"]}\n"
