"""Pages of log lines: which lines, in which order, and where the next page begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from vedette.errors import InvalidInput, QueryLimit
from vedette.server.query.logs.conditions import EVERY_LINE
from vedette.server.query.logs.statements import LINE_WITH_ID, statement
from vedette.server.query.sqlfiles import rows_written
from vedette.server.query.timerange import TimeRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from vedette.server.query.logs.selection import Selection
    from vedette.server.query.reader import Reader

__all__ = ["MAX_PAGE", "LineId", "NewestLines", "Order", "lines", "page_document", "parse_line_id"]

MAX_PAGE: Final = 5_000

Order = Literal["newest", "oldest"]

_LINE_ID: Final = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})-([0-9]{1,9})", re.ASCII)
_FIRST_ID: Final = re.compile(rb'\{"id":"([0-9a-f-]+)"')
_ID_BYTES: Final = 64
"""More than the beginning of a row up to the end of its id."""

_NS: Final = 10**9
_LARGEST_NS: Final = 2**63 - 1
_FEW_TIMES: Final = 256
_TIMES: Final = "if(uniqExact(time) <= {few:UInt64}, groupUniqArray(toUnixTimestamp64Nano(time)), [])"
_NO_TIMES: Final = "[]"
_AT_TIMES: Final = "time IN {times:Array(DateTime64(9, 'UTC'))}"
_FEW_ROWS: Final = {"max_threads": 1}
"""For statements that read little: starting threads would take longer than reading."""

_HELD_LINES: Final = 500
_KEPT_PAGES: Final = 10_000
_NEW_ROWS: Final = {"max_rows_to_read_leaf": 200_000}
"""Of a page that is read before it is known where its lines lie. Beyond it, finding that out is cheaper."""

_CURSOR: Final = "fromUnixTimestamp64Nano({cursor_ns:Int64}, 'UTC')"
_BEYOND_NEWEST: Final = f"(time < {_CURSOR} OR (time = {_CURSOR} AND line_hash <= {{cursor_hash:UInt64}}))"
_BEYOND_OLDEST: Final = f"(time > {_CURSOR} OR (time = {_CURSOR} AND line_hash >= {{cursor_hash:UInt64}}))"

_NUMBER: Final = "row_number() OVER (PARTITION BY time, line_hash)"
_NUMBER_BEYOND: Final = f"{_NUMBER} + if(time = {_CURSOR} AND line_hash = {{cursor_hash:UInt64}}, {{skip:UInt64}}, 0)"

_JSON: Final = rows_written(LINE_WITH_ID)


@dataclass(frozen=True, slots=True)
class LineId:
    """What tells one line from all others: its time, the hash of everything in it, and its number among equals."""

    time_ns: int
    hash: int
    number: int

    @property
    def params(self) -> dict[str, object]:
        """As the parameters that the statements call a cursor."""
        return {"cursor_ns": self.time_ns, "cursor_hash": self.hash, "skip": self.number}


class NewestLines:
    """Since when so many of a tenant's newest lines were written, when somebody last asked for that many."""

    def __init__(self) -> None:
        self._since_ns: dict[tuple[str, int], int] = {}

    def since_ns(self, tenant: str, count: int) -> int:
        """0 if nobody has asked."""
        return self._since_ns.get((tenant, count), 0)

    def note(self, tenant: str, count: int, since_ns: int) -> None:
        """Keep what `since_ns` tells."""
        if len(self._since_ns) >= _KEPT_PAGES:
            self._since_ns.clear()
        self._since_ns[tenant, count] = since_ns


def parse_line_id(text: str, *, name: str) -> LineId:
    """Reads the `id` of a line, which is also the cursor after it.

    Raises:
        InvalidInput: the text was not given out by this API.
    """
    match = _LINE_ID.fullmatch(text)
    if not match or int(match[1], 16) >= _LARGEST_NS:
        raise InvalidInput(f"Parameter {name!r} is not one that this API gave out; take it from an answer, unchanged.")
    return LineId(int(match[1], 16), int(match[2], 16), int(match[3]))


async def page_document(
    reader: Reader,
    selection: Selection,
    *,
    order: Order,
    limit: int,
    after: LineId | None = None,
    known: NewestLines,
) -> AsyncIterator[bytes]:
    """The pieces of ``{"logs": [...], "next_cursor": "..." | null}``; the first comes once the engine has answered.

    `next_cursor` is null when the page is not full; a full page may be followed by an empty one. `known` is where the
    lines of earlier first pages lay.
    """
    count, last, began = 0, b"", False
    async for chunk in _first_or_later(reader, selection, order=order, limit=limit, after=after, known=known):
        if not began:
            yield b'{"logs":['
        began = True
        count += chunk.count(b"\n")
        if (cut := chunk.rfind(b"\n")) >= 0:
            last = chunk[cut + 1 : cut + 1 + _ID_BYTES]
        elif len(last) < _ID_BYTES:
            last = (last + chunk)[:_ID_BYTES]
        yield chunk
    if not began:
        yield b'{"logs":[],"next_cursor":null}\n'
        return
    found = _FIRST_ID.match(last)
    cursor = b'"' + found[1] + b'"' if found and count + 1 >= limit else b"null"
    yield b'],"next_cursor":' + cursor + b"}\n"


async def _first_or_later(
    reader: Reader, selection: Selection, *, order: Order, limit: int, after: LineId | None, known: NewestLines
) -> AsyncIterator[bytes]:
    """The lines of a page; a first page of the newest is read from where they lay the last time, if it can be."""
    if order == "oldest" or after is not None or limit > _HELD_LINES or selection.condition.sql != EVERY_LINE:
        async for chunk in lines(reader, selection, order=order, limit=limit, after=after):
            yield chunk
        return
    page = await _where_they_lay(reader, selection, limit, known.since_ns(selection.tenant, limit))
    if not page:
        page = b"".join([chunk async for chunk in lines(reader, selection, order=order, limit=limit)])
    last = _FIRST_ID.match(page, page.rfind(b"\n") + 1)
    if last is not None and page.count(b"\n") + 1 == limit:
        known.note(selection.tenant, limit, parse_line_id(last[1].decode(), name="id").time_ns)
    if page:
        yield page


async def lines(
    reader: Reader, selection: Selection, *, order: Order, limit: int, after: LineId | None = None
) -> AsyncIterator[bytes]:
    """Lines as JSON objects separated by a comma and a line break; nothing at all when there are none."""
    newest = order == "newest"
    reach = await _reach(reader, selection, after, newest=newest, limit=limit)
    if reach is None:
        return
    async for chunk in _written(reader, selection, reach, newest=newest, limit=limit, after=after):
        yield chunk


@dataclass(frozen=True, slots=True)
class _Reach:
    """Between which times the lines of a page lie, and at which of them where these are few."""

    bounds: TimeRange
    times_ns: tuple[int, ...]


async def _written(
    reader: Reader,
    selection: Selection,
    reach: _Reach,
    *,
    newest: bool,
    limit: int,
    after: LineId | None = None,
    bounds: Mapping[str, int] = MappingProxyType({}),
) -> AsyncIterator[bytes]:
    """The lines that lie within reach."""
    params = {
        **selection.within(reach.bounds).params,
        **(after or LineId(0, 0, 0)).params,
        "limit": limit,
        "times": [f"{time_ns // _NS}.{time_ns % _NS:09d}" for time_ns in reach.times_ns],
    }
    sql = statement(
        "page",
        condition=selection.condition.sql,
        direction=_direction(newest=newest),
        beyond="true" if after is None else _BEYOND_NEWEST if newest else _BEYOND_OLDEST,
        times=_AT_TIMES if reach.times_ns else "true",
        number=_NUMBER if after is None else _NUMBER_BEYOND,
    )
    settings = {**_JSON, **_FEW_ROWS, **bounds}
    async with reader.stream(selection.tenant, sql, fmt="Template", params=params, settings=settings) as chunks:
        async for chunk in chunks:
            yield chunk


async def _where_they_lay(reader: Reader, selection: Selection, limit: int, since_ns: int) -> bytes:
    """The newest lines, if as many as are wanted were written since then.

    Nothing if not: fewer (some have gone, or `since_ns` is 0), or so many that it is cheaper to find out where the
    newest of them lie.
    """
    whole = selection.time_range
    if not whole.start_ns < since_ns < whole.end_ns:
        return b""
    reach = _Reach(TimeRange(since_ns, whole.end_ns), ())
    try:
        page = b"".join(
            [chunk async for chunk in _written(reader, selection, reach, newest=True, limit=limit, bounds=_NEW_ROWS)]
        )
    except QueryLimit:
        return b""
    return page if page.count(b"\n") + 1 == limit else b""


async def _reach(
    reader: Reader, selection: Selection, after: LineId | None, *, newest: bool, limit: int
) -> _Reach | None:
    """Where the next lines lie; None when there are none.

    Sorting by the hash reads every column of each line, so this finds out first, from few columns, which lines the
    page can be made of.
    """
    rest = _rest(selection.time_range, after, newest=newest)
    found = None
    if rest.start_ns < rest.end_ns:
        found = await _lie(reader, selection.within(rest), newest=newest, limit=limit)
    if after is None:
        return found
    # The cursor's own time belongs to the page too: lines that are equal in it follow.
    at = TimeRange(after.time_ns, after.time_ns + 1)
    if found is None:
        return _Reach(at, ())
    bounds = TimeRange(min(found.bounds.start_ns, at.start_ns), max(found.bounds.end_ns, at.end_ns))
    return _Reach(bounds, (*found.times_ns, after.time_ns) if found.times_ns else ())


async def _lie(reader: Reader, selection: Selection, *, newest: bool, limit: int) -> _Reach | None:
    """Where the first lines of a range lie; None when there are none."""
    is_every = selection.condition.sql == EVERY_LINE
    sql = statement(
        "reach",
        condition=selection.condition.sql,
        direction=_direction(newest=newest),
        times=_NO_TIMES if is_every else _TIMES,
    )
    params = {**selection.params, "limit": limit, "few": _FEW_TIMES}
    # Without a condition, the first lines that are read are the ones.
    (row,) = await reader.rows(selection.tenant, sql, params=params, settings=_FEW_ROWS if is_every else None)
    if not row["found"]:
        return None
    bounds = TimeRange(int(row["first_ns"]), int(row["last_ns"]) + 1)
    return _Reach(bounds, tuple(int(time_ns) for time_ns in row["times_ns"]))


def _rest(time_range: TimeRange, after: LineId | None, *, newest: bool) -> TimeRange:
    """The part of the range that lies beyond the cursor's own time."""
    if after is None:
        return time_range
    if newest:
        return TimeRange(time_range.start_ns, min(time_range.end_ns, after.time_ns))
    return TimeRange(max(time_range.start_ns, after.time_ns + 1), time_range.end_ns)


def _direction(*, newest: bool) -> str:
    return "DESC" if newest else "ASC"
