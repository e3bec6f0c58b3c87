"""Bodies of requests to the API, within bounds: of size, of time, and of all that are held at once.

A body is read before anybody asks who sends it where the framework reads it, so strangers keep to them, too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vedette.errors import TooLarge, Unavailable
from vedette.server.ingest.body import Patience, too_large

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from vedette.server.settings import Settings

    Receive = Callable[[], Awaitable[Any]]

__all__ = ["Bodies"]


class Bodies:
    """The bodies of all requests of a server that go past ingest."""

    def __init__(self, settings: Settings) -> None:
        self._most_bytes = settings.max_body_bytes
        self._most_inflight = settings.max_inflight_bytes
        self._patience = Patience(settings.body_timeout)
        self._inflight = 0

    @contextmanager
    def bounded(self, receive: Receive) -> Iterator[Receive]:
        """ASGI's `receive` of one request, which raises `TooLarge`, `Unavailable`, or `InvalidInput` when it stalls."""
        size, is_whole = 0, False

        async def part() -> Any:  # noqa: ANN401 - ASGI
            nonlocal size, is_whole
            if is_whole:
                return await receive()
            message = await self._patience.wait(receive, size)
            came = len(message.get("body", b""))
            size += came
            self._inflight += came
            if size > self._most_bytes:
                raise TooLarge(too_large(self._most_bytes))
            if self._inflight > self._most_inflight:
                raise Unavailable(
                    f"Bodies of more than {self._most_inflight} bytes are being read (max_inflight_bytes). "
                    "Send again in a moment."
                )
            is_whole = not message.get("more_body", False)
            return message

        try:
            yield part
        finally:
            self._inflight -= size
