"""What servers of any protocol do alike: listen, and look at their connections now and then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from vedette.server.settings import Address

__all__ = ["Listener"]

_BACKLOG: Final = 2048
_MOST_SECONDS_BETWEEN_LOOKS: Final = 1.0


class _Watched(Protocol):
    """A connection, as far as its listener knows it."""

    def look(self, now: float) -> None:
        """End what has waited too long, by the loop's time."""

    def leave(self) -> None:
        """Answer what has begun, and no more."""


_Connection = TypeVar("_Connection", bound=_Watched)


class Listener(Generic[_Connection]):
    """A port and the connections to it.

    Args:
        make: Makes the protocol of a new connection.
        connections: Those that are there; each joins and leaves by itself.
        patience_seconds: How long the connections wait; looks are at a quarter of it, and at most a second apart.
    """

    def __init__(
        self, make: Callable[[], asyncio.Protocol], connections: set[_Connection], patience_seconds: float
    ) -> None:
        self._make = make
        self._connections = connections
        self._between_looks = min(_MOST_SECONDS_BETWEEN_LOOKS, patience_seconds / 4)
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None

    async def open(self, address: Address) -> None:
        """Listen.

        Raises:
            OSError: The address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make, address.host, address.port, backlog=_BACKLOG)
        self._looking = asyncio.create_task(self._look())

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._server is None:
            raise RuntimeError("it does not listen")
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> bool:
        """Take no more connections and no more requests; whether there was anything to close."""
        if self._server is None or self._looking is None:
            return False
        self._server.close()
        self._looking.cancel()
        for connection in list(self._connections):
            connection.leave()
        return True

    async def _look(self) -> None:
        """One timer for all connections."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._between_looks)
            now = loop.time()
            for connection in list(self._connections):
                connection.look(now)
