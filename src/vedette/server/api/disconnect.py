"""Questions end with the client that asked them.

A route that waits for the engine would not notice that its client has left: only what reads the connection does. So
the connection is read beside the route, and the route is cancelled when it ends; that closes the connection to the
engine, which cancels the query.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

__all__ = ["cancelled_on_disconnect"]

_QUESTIONS_BY_POST: Final = frozenset(
    {
        "/api/v1/sql",
        "/prometheus/api/v1/query",
        "/prometheus/api/v1/query_range",
        "/prometheus/api/v1/query_exemplars",
        "/prometheus/api/v1/series",
        "/prometheus/api/v1/labels",
    }
)
_WAITING_MESSAGES: Final = 4


def cancelled_on_disconnect(app: App) -> App:
    """The same application, whose questions (GET, and those in a body) are cancelled when their client leaves.

    What changes something is never cancelled: it is done or not done, whoever waits for it.
    """

    async def question(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (scope["method"] == "GET" or scope["path"] in _QUESTIONS_BY_POST):
            await app(scope, receive, send)
            return
        messages: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue(_WAITING_MESSAGES)
        reading = asyncio.create_task(_read(receive, messages))
        answering = asyncio.ensure_future(app(scope, messages.get, send))
        try:
            await asyncio.wait({reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                await answering
            else:
                # Either the client has left, and nobody waits for an answer, or its connection failed.
                await reading
        finally:
            reading.cancel()
            answering.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)

    return question


async def _read(receive: Receive, messages: asyncio.Queue[MutableMapping[str, Any]]) -> None:
    """Hands on what comes from the client until the client has left."""
    while True:
        message = await receive()
        await messages.put(message)
        if message["type"] == "http.disconnect":
            return
