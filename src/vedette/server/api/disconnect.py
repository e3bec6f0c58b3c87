"""Questions end with the client that asked them.

A route that waits for the engine would not notice that its client has left: only what reads the connection does. So
the connection of a question that takes a while is read beside the route, and the route is cancelled when it ends; that
closes the connection to the engine, which cancels the query.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
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
_PATIENCE_SECONDS: Final = 0.02
"""Most questions are answered before anybody could leave; watching costs a task and a queue."""


def cancelled_on_disconnect(app: App) -> App:
    """The same application, whose questions (GET, and those in a body) are cancelled when their client leaves.

    What changes something is never cancelled: it is done or not done, whoever waits for it.
    """

    async def question(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (scope["method"] == "GET" or scope["path"] in _QUESTIONS_BY_POST):
            await app(scope, receive, send)
            return
        watch = _Watch(receive)
        try:
            await app(scope, watch.receive, send)
        except asyncio.CancelledError:
            if not watch.forgives():
                raise
        finally:
            await watch.close()

    return question


class _Watch:
    """Cancels the task that it was made in when the client leaves, if that task still runs after a moment."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._messages: asyncio.Queue[Message] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._is_received = False
        self._has_left = False
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._begin)

    async def receive(self) -> Message:
        """The next message of the client."""
        if self._messages is not None:
            return await self._messages.get()
        self._is_received = True
        try:
            return await self._receive()
        finally:
            self._is_received = False

    def forgives(self) -> bool:
        """Whether the task was cancelled because the client has left, and by nobody else."""
        return self._has_left and self._task is not None and self._task.uncancel() == 0

    async def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _begin(self) -> None:
        if self._is_received:
            # Who waits for the body notices by itself that the client leaves.
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._begin)
        else:
            self._messages = asyncio.Queue(_WAITING_MESSAGES)
            self._reading = asyncio.create_task(self._read(self._messages))

    async def _read(self, messages: asyncio.Queue[Message]) -> None:
        """Hands on what comes from the client until it has left, or its connection failed."""
        try:
            while True:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    break
                await messages.put(message)
        except asyncio.CancelledError:  # the question is answered
            return
        except Exception:  # noqa: BLE001, S110 - a connection that fails is one whose client has left
            pass
        self._has_left = True
        if self._task is not None:
            self._task.cancel()
