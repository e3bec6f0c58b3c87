"""Work that runs beside the rest of a process until it ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AsyncExitStack

__all__ = ["background"]


async def background(cleanup: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Start it, and let the stack end it."""
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    cleanup.push_async_callback(end)
