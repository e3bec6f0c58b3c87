"""A server of unary calls."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from vedette.server.ingest.grpc.connection import Connection
from vedette.server.listener import Listener

if TYPE_CHECKING:
    from vedette.server.ingest.grpc.rules import Rules
    from vedette.server.settings import Address

__all__ = ["GrpcServer"]


class GrpcServer:
    """Listens, and answers calls as `rules` say."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._listener = Listener(lambda: Connection(rules), rules.connections, rules.patience_seconds)

    async def start(self, address: Address) -> None:
        """Listen.

        Raises:
            OSError: The address cannot be bound.
        """
        await self._listener.open(address)

    async def stop(self, grace_seconds: float) -> None:
        """Take no more calls, finish those that have begun, and after a time of grace close all connections."""
        if not self._listener.close():
            return
        if self._rules.connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rules.is_empty.wait(), grace_seconds)
        for connection in list(self._rules.connections):
            connection.abort()
        if self._rules.calls:
            await asyncio.wait(self._rules.calls, timeout=grace_seconds)
