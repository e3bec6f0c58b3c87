"""Heads that come again and again, as the parser understood them the first time.

Whoever asks every second, or sends telemetry, says the same each time but for the body, and to parse a head takes
longer than most small questions take to be answered. What counts is the bytes: the same ones mean the same, as nothing
that the parser met before a request changes how it reads one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vedette.server.http.exchange import Exchange

    Scope = dict[str, Any]

__all__ = ["Heads"]

_MOST_KEPT: Final = 256
_MOST_HEAD_BYTES: Final = 2 << 10
_MOST_BYTES: Final = 64 << 10
"""Larger requests hardly come in one piece."""
_END: Final = b"\r\n\r\n"


class Heads:
    """The heads of whole requests that came in one piece; of many, all are forgotten."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Scope, int]] = {}

    def find(self, data: bytes) -> tuple[Scope, bytes] | None:
        """The scope of the one whole request that `data` is, and its body; None where the parser has to look.

        The scope has neither client nor server, and is the caller's own.
        """
        end = data.find(_END, 0, _MOST_HEAD_BYTES) + len(_END)
        known = self._known.get(data[:end])
        if known is None or len(data) != end + known[1]:
            return None
        scope = known[0].copy()
        scope["headers"] = scope["headers"].copy()
        return scope, data[end:]

    def keep(self, data: bytes, exchange: Exchange) -> None:
        """Remember the head of a request that `data` held, if it held nothing else, and all that follows is its body.

        Args:
            data: What came, from where the parser had nothing of a request yet.
            exchange: The request, as nobody has read it.
        """
        if len(data) > _MOST_BYTES or not exchange.keeps_alive or exchange.expects:
            return
        end, size = data.find(_END, 0, _MOST_HEAD_BYTES) + len(_END), len(exchange.whole())
        if end < len(_END) or len(data) != end + size:
            return
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        scope = exchange.scope.copy()
        scope["headers"] = scope["headers"].copy()
        self._known[data[:end]] = scope, size
