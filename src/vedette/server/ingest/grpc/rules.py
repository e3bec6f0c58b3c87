"""What the connections of a server share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from vedette.server.ingest.grpc.calls import Call
    from vedette.server.ingest.grpc.connection import Connection

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a server answers and keeps, and who is there."""

    methods: Mapping[str, Callable[[Call], Awaitable[bytes]]]
    """What answers the calls of a path."""
    max_message_bytes: int
    """Bound of a message, as it comes."""
    patience_seconds: float
    """How long the next piece of a message, or of a frame, may take."""
    reserve: Callable[[int], None]
    """Told of each piece's size before the piece is kept; may raise a `RequestError` or `Unavailable`."""
    release: Callable[[int], None]
    """Told of the same sizes when a call is over."""
    connections: set[Connection] = field(default_factory=set)
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    """Calls that are being answered."""
    is_empty: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last connection is gone."""

    def join(self, connection: Connection) -> None:
        """A connection is made."""
        self.connections.add(connection)
        self.is_empty.clear()

    def part(self, connection: Connection) -> None:
        """A connection is lost."""
        self.connections.discard(connection)
        if not self.connections:
            self.is_empty.set()
