"""Asking a database that may hang, without hanging with it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from vedette.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patience"]

_Answer = TypeVar("_Answer")
_SECONDS: Final = 6.0
"""Longer than a database that is busy with another process is waited for before it says so."""


class Patience:
    """Makes calls in a thread of its own, one after the other, and waits for each a bounded time.

    While a call that was given up has not ended, others are refused at once: whoever tells people of alerts must not
    wait for a database that keeps them.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alerts")
        self._late: set[asyncio.Future[Any]] = set()

    async def call(self, function: Callable[..., _Answer], *arguments: object) -> _Answer:
        """What `function` returns for `arguments`.

        Raises:
            Unavailable: it has not ended in time, or one before it has not ended yet.
        """
        if self._late:
            raise Unavailable("The control database still does not answer.")
        future = asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *arguments))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(future)
        except TimeoutError:
            self._late.add(future)
            future.add_done_callback(self._ended)
            raise Unavailable(f"The control database has not answered within {self._seconds:g} s.") from None

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self._late.discard(future)
        if not future.cancelled():
            future.exception()  # whoever asked has been told already
