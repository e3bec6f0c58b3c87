"""Answers that are streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["streamed"]


async def streamed(
    pieces: AsyncIterator[bytes], media_type: str, *, headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """A response whose body is `pieces`.

    The first piece is waited for here, so that whatever goes wrong before it is still answered with a proper status.
    What goes wrong later breaks the connection off: a client never takes half an answer for a whole one.
    """
    first = await anext(pieces, b"")

    async def body() -> AsyncIterator[bytes]:
        if first:
            yield first
        async for piece in pieces:
            if piece:
                yield piece

    return StreamingResponse(body(), media_type=media_type, headers=dict(headers or {}))
