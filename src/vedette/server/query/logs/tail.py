"""The live tail: lines in the order in which they came in, whatever time they bear.

Following the time of the lines would miss those that come in late. Instead every insert gets a block number from the
engine, which rows keep through merges (``enable_block_number_column``), counting up in each partition. A tail remembers
the highest number of each partition, and which of the `OVERLAP` numbers below it were there: inserts that run at the
same time may become visible in another order than they were numbered in, but never more than a few apart. What it
remembers is the id of its events, so that a client that comes back goes on exactly where it was: it can be sent the
lines of one look again when the connection broke among them, which it knows by their own ids, and misses none.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vedette.errors import InvalidInput, QueryLimit, TooManyRequests, Unavailable
from vedette.server.query.logs.statements import LINE_WITH_ID, statement
from vedette.server.query.sqlfiles import rows_written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vedette.server.query.logs.conditions import Condition
    from vedette.server.query.reader import Reader

__all__ = ["Position", "follow", "parse_position"]

OVERLAP: Final = 64
POLL_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 15.0
MAX_LINES_PER_POLL: Final = 1_000

_PARTITION: Final = re.compile(r"([0-9A-Za-z-]{1,40})\.([0-9a-f]{1,16})\.([0-9a-f]{1,16})", re.ASCII)
_NOTHING_YET: Final = "nothing"
_MAX_POSITION: Final = 64 * 1_024

_EVENTS: Final = rows_written(f"data: {LINE_WITH_ID}\n\n", between="")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a tail has come: for each partition its highest block, and the blocks seen just below and at it."""

    tops: dict[str, int]
    seen: frozenset[tuple[str, int]]

    @property
    def floors(self) -> dict[str, int]:
        """The block of each partition up to which everything was seen."""
        return {partition: max(0, top - OVERLAP) for partition, top in self.tops.items()}

    def __str__(self) -> str:
        """As the id of an event."""
        masks = dict.fromkeys(self.tops, 0)
        for partition, block in self.seen:
            masks[partition] |= 1 << (self.tops[partition] - block)
        if not self.tops:
            return _NOTHING_YET
        return "_".join(f"{name}.{top:x}.{masks[name]:x}" for name, top in sorted(self.tops.items()))


def parse_position(text: str) -> Position:
    """Reads the id of an event.

    Raises:
        InvalidInput: the text is no such id.
    """
    tops: dict[str, int] = {}
    seen = set()
    if text == _NOTHING_YET:
        return Position(tops, frozenset())
    for part in text.split("_") if text and len(text) <= _MAX_POSITION else []:
        match = _PARTITION.fullmatch(part)
        if not match:
            break
        name, top, mask = match[1], int(match[2], 16), int(match[3], 16)
        tops[name] = top
        seen |= {(name, top - bit) for bit in range(OVERLAP) if mask >> bit & 1 and bit <= top}
    else:
        if tops:
            return Position(tops, frozenset(seen))
    raise InvalidInput("Last-Event-ID is not one that this API gave out; leave it out to begin with what comes next.")


async def follow(
    reader: Reader, tenant: str, condition: Condition, position: Position | None, *, stopping: asyncio.Event
) -> AsyncIterator[bytes]:
    """Server-sent events (WHATWG HTML, section 9.2): ``message`` with a line, ``skipped`` with a count.

    They start with what comes in next, or after `position`, and have no end before `stopping` is set. While the engine
    is away, they wait. Of more than `MAX_LINES_PER_POLL` new lines at once the newest are sent, and how many were left
    out is said.
    """
    if position is None:
        position = await _start(reader, tenant)
    yield _marker(position, b"retry: 2000\nevent: ready\n")
    silent_since = time.monotonic()
    while not stopping.is_set():
        sending = False
        try:
            fresh = await _look(reader, tenant, position)
            if fresh.seen - position.seen or fresh.tops != position.tops:
                async for event in _new_lines(reader, tenant, condition, position, fresh):
                    sending, silent_since = True, time.monotonic()
                    yield event
                position = fresh
        except (Unavailable, TooManyRequests, QueryLimit):
            if sending:
                # Half an event may be out: break off, the client comes back to the last position.
                raise
            # Nothing is lost: the position stays, and the next look takes what has come in by then.
            yield b": waiting for the engine\n\n"
        if time.monotonic() - silent_since >= HEARTBEAT_SECONDS:
            silent_since = time.monotonic()
            yield b": still here\n\n"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), POLL_SECONDS)


async def _start(reader: Reader, tenant: str) -> Position:
    rows = await reader.rows(tenant, statement("tail_start"), params={"tenant": tenant})
    tops = {str(row["partition"]): int(row["top"]) for row in rows}
    return await _look(reader, tenant, Position(tops, frozenset()))


async def _look(reader: Reader, tenant: str, position: Position) -> Position:
    """What is there now; partitions without anything recent stay as they were."""
    rows = await reader.rows(
        tenant,
        statement("tail_blocks"),
        params={"tenant": tenant, "floors": position.floors, "overlap": OVERLAP},
    )
    tops, seen = dict(position.tops), set(position.seen)
    for row in rows:
        partition, top = str(row["partition"]), int(row["top"])
        tops[partition] = max(top, tops.get(partition, 0))
        seen |= {(partition, int(block)) for block in row["recent"]}
    kept = frozenset((partition, block) for partition, block in seen if block + OVERLAP > tops[partition])
    return Position(tops, kept)


async def _new_lines(
    reader: Reader, tenant: str, condition: Condition, old: Position, new: Position
) -> AsyncIterator[bytes]:
    params = {
        **condition.params,
        "tenant": tenant,
        "floors": old.floors,
        "tops": new.tops,
        "overlap": OVERLAP,
        "seen": sorted(old.seen),
        "fresh": sorted(new.seen - old.seen),
        "limit": MAX_LINES_PER_POLL,
    }
    count = 0
    sql = statement("tail_lines", condition=condition.sql, number="1")
    async with reader.stream(tenant, sql, fmt="Template", params=params, settings=_EVENTS) as chunks:
        async for chunk in chunks:
            # JSON text holds no raw line break, so every pair of them ends an event.
            count += chunk.count(b"\n")
            yield chunk
    if count // 2 >= MAX_LINES_PER_POLL:
        (row,) = await reader.rows(tenant, statement("tail_count", condition=condition.sql), params=params)
        if (left_out := int(row["lines"]) - MAX_LINES_PER_POLL) > 0:
            yield b'event: skipped\ndata: {"lines":%d}\n\n' % left_out
    if count:
        yield _marker(new, b"event: position\n")


def _marker(position: Position, fields: bytes) -> bytes:
    """An event that carries an id: all lines before it have been seen."""
    return fields + f"id: {position}\ndata: {{}}\n\n".encode()
