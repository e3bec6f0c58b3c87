"""What the connections of a server share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from vedette.server.http.heads import Heads

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from vedette.server.http.connection import Connection

    Application = Callable[[Any, Any, Any], Awaitable[None]]
    AtOnce = Callable[[Any, bytes], tuple[int, Iterable[tuple[bytes, bytes]], bytes] | None]
    """From a request's scope and body to status, header fields and body; None leaves it to the application.

    Header fields that come again and again, without the body's length, are best a tuple.
    """

__all__ = ["Rules"]


@dataclass(slots=True)
class Rules:
    """What a server answers with, and who is there."""

    app: Application
    head_seconds: float
    """How long a request may take to the end of its header fields, and a connection to its first byte."""
    at_once: Mapping[str, AtOnce]
    """What answers the requests of some paths as soon as they are whole, without a task of their own, if it can."""
    ends_with_client: Callable[[Any], bool]
    """Whether a request, given as its scope, is cancelled when its client leaves before it is answered."""
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """Requests that are being answered."""
    heads: Heads = field(default_factory=Heads)
    _second: int = 0
    _date: bytes = b""

    def date(self) -> bytes:
        """The header line that tells the time."""
        now = int(time.time())
        if now != self._second:
            self._second, self._date = now, b"date: %b\r\n" % formatdate(now, usegmt=True).encode()
        return self._date
