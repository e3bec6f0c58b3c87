"""A server of ASGI applications."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from vedette.server.http.connection import Connection
from vedette.server.http.rules import Rules
from vedette.server.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vedette.server.http.rules import Application, AtOnce
    from vedette.server.settings import Address

__all__ = ["HttpServer"]

_LAST_SECONDS: Final = 1.0
"""What is left to applications that were told that their client is gone."""


class HttpServer:
    """Listens, and answers with an ASGI application.

    Args:
        app: The application.
        head_seconds: How long a request may take to the end of its header fields, and a connection to its first byte.
        ends_with_client: Whether a request, given as its scope, is cancelled when its client leaves before the answer.
        at_once: What may answer requests before the application is asked, by path: see `Rules`.
    """

    def __init__(
        self,
        app: Application,
        *,
        head_seconds: float,
        ends_with_client: Callable[[Any], bool] = lambda _: False,
        at_once: Mapping[str, AtOnce] | None = None,
    ) -> None:
        self._rules = rules = Rules(app, head_seconds, at_once or {}, ends_with_client)
        self._listener = Listener(lambda: Connection(rules), rules.connections, head_seconds)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._listener.port

    async def start(self, address: Address) -> None:
        """Listen.

        Raises:
            OSError: The address cannot be bound.
        """
        await self._listener.open(address)

    async def stop(self, grace_seconds: float) -> None:
        """Take no more requests, finish those that have begun; whoever needs longer is told that its client is gone."""
        if not self._listener.close():
            return
        await self._ended(grace_seconds)
        for connection in list(self._rules.connections):
            connection.hang_up()
        await self._ended(_LAST_SECONDS)
        for task in list(self._rules.tasks):
            task.cancel()
        for connection in list(self._rules.connections):
            connection.abort()

    async def _ended(self, seconds: float) -> None:
        if self._rules.tasks:
            await asyncio.wait(self._rules.tasks, timeout=seconds)
