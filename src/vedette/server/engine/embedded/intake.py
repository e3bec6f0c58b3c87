"""Putting a statement together from the query string and the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.server.engine.embedded.bodies import decompressed
from vedette.server.engine.embedded.failures import Failure
from vedette.server.engine.embedded.statements import Insert, Statement, read_statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from vedette.server.engine.embedded.requests import Request

__all__ = ["Intake", "take_in"]

# An INSERT's head must stand within this much of a body that begins with it.
_HEAD_BYTES = 1024 * 1024
_MAX_STATEMENT_BYTES = 16 * 1024 * 1024


class Intake:
    """A statement, and what is left of the body: the data of an INSERT, still compressed as `encoding` says."""

    def __init__(self, statement: Statement, body: AsyncIterator[bytes], encoding: str) -> None:
        self.statement = statement
        self.body = body
        self.encoding = encoding


async def take_in(http: web.BaseRequest, request: Request) -> Intake:
    """Read as much of the body as the statement needs.

    Raises:
        Failure: see `read_statement`; or the statement is longer than 16 MiB.
    """
    readonly = request.readonly == b"1"
    body = http.content.iter_any()
    if request.query:
        statement = read_statement(request.query, complete=not http.can_read_body, readonly=readonly)
        if isinstance(statement, Insert) or not http.can_read_body:
            return Intake(statement, body, request.encoding)
        text, whole = await _read(body, _MAX_STATEMENT_BYTES)
        plain = _plain(text, request.encoding)
        if plain.strip():
            statement = read_statement(request.query + b"\n" + plain, complete=whole, readonly=readonly)
    else:
        limit = _MAX_STATEMENT_BYTES if request.encoding else _HEAD_BYTES
        text, whole = await _read(body, limit)
        plain = _plain(text, request.encoding)
        statement = read_statement(plain, complete=whole, readonly=readonly)
        if isinstance(statement, Insert) and not request.encoding:
            return Intake(statement, body, "")
        if not whole and not request.encoding:
            text, whole = await _read(body, _MAX_STATEMENT_BYTES - len(plain))
            statement = read_statement(plain + text, complete=whole, readonly=readonly)
    if not whole:
        raise Failure(307, "QUERY_IS_TOO_LARGE", "Query is too large: a statement has at most 16 MiB")
    return Intake(statement, body, "")


async def _read(body: AsyncIterator[bytes], limit: int) -> tuple[bytes, bool]:
    """Up to about `limit` bytes, and whether that was all."""
    chunks = []
    size = 0
    async for chunk in body:
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return b"".join(chunks), False
    return b"".join(chunks), True


def _plain(text: bytes, encoding: str) -> bytes:
    if not encoding:
        return text
    parts = []
    size = 0
    for part in decompressed(iter([text]), encoding):
        parts.append(part)
        size += len(part)
        if size > _MAX_STATEMENT_BYTES:
            raise Failure(307, "QUERY_IS_TOO_LARGE", "Query is too large: a statement has at most 16 MiB")
    return b"".join(parts)
