"""The HTTP interface: one request, one statement."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from vedette.server.engine.embedded import sessions
from vedette.server.engine.embedded.bodies import Feed, Interrupted, decompressed
from vedette.server.engine.embedded.database import Database, Profile, Summary
from vedette.server.engine.embedded.failures import Failure, http_status
from vedette.server.engine.embedded.intake import Intake, take_in
from vedette.server.engine.embedded.pipes import Pipe
from vedette.server.engine.embedded.requests import NATIVE, Access, Request, authenticate, read_request
from vedette.server.engine.embedded.statements import Insert, Query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

__all__ = ["Service"]

_SMALL_ANSWER_BYTES = 256 * 1024
# After its first bytes an answer gets this long to end, because a whole one needs no chunks and has a summary.
_GRACE_SECONDS = 0.005
_SPOOLED_BYTES = 8 * 1024 * 1024
# As ClickHouse's http_send_timeout: a client that takes nothing for so long loses its statement.
_STALL_SECONDS = 30.0
_QUEUE_SECONDS = 30.0
_KILL_EVERY_SECONDS = 0.1
_MARKER_BYTES = 15 * 1024
_FORMAT_NAME = re.compile(r"\w+", re.ASCII)


@dataclass(slots=True)
class _Job:
    """A statement on its way through one request."""

    http: web.BaseRequest
    request: Request
    profile: Profile
    headers: dict[str, str]
    tag: str


class Service:
    """Serves one database on any number of sockets.

    Args:
        database: the open database.
        spool: a directory for large answers that are sent only when they are whole.
        threads: how many statements run at once; the rest wait.
    """

    def __init__(self, database: Database, spool: Path, *, threads: int) -> None:
        self._database = database
        self._spool = spool
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="statement")
        # Kills have threads of their own: they are needed most when everything is busy.
        self._killers = ThreadPoolExecutor(4, thread_name_prefix="kill")
        self._slots = asyncio.Semaphore(threads)
        self._sessions = sessions.Sessions()
        self._running: set[str] = set()
        self._cleanups: set[asyncio.Task[None]] = set()
        self._stopping = False

    def handler(self, access: Access) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """The request handler for a socket with these rights."""

        async def handle(http: web.BaseRequest) -> web.StreamResponse:
            try:
                return await self._handle(http, access)
            except ConnectionResetError:  # the client has left in the middle of its answer, as who closes a page does
                return web.Response()

        return handle

    async def stop(self, seconds: float) -> None:
        """Refuse new statements, let running ones end for `seconds`, then kill them."""
        self._stopping = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self._running and loop.time() < deadline:  # noqa: ASYNC110 - it runs once, at the end
            await asyncio.sleep(0.02)
        for _ in range(10):
            if not self._running:
                break
            with contextlib.suppress(Failure):
                await self._kill(None)
            await asyncio.sleep(_KILL_EVERY_SECONDS)

    # -- one request ---------------------------------------------------------------------------------------------

    async def _handle(self, http: web.BaseRequest, access: Access) -> web.StreamResponse:
        if (plain := _without_statement(http)) is not None:
            return plain
        headers = {
            "X-ClickHouse-Server-Display-Name": "vedette",
            "X-ClickHouse-Timezone": self._database.timezone,
        }
        if self._stopping:
            return self._failed(Failure(236, "ABORTED", "The engine is stopping"), headers)
        try:
            authenticate(access, http.raw_path, http.headers)
            request = read_request(http.raw_path, http.headers, method=http.method, access=access)
            headers["X-ClickHouse-Query-Id"] = request.query_id
            return await self._run(http, request, headers)
        except Failure as failure:
            return self._failed(failure, headers)

    async def _run(self, http: web.BaseRequest, request: Request, headers: dict[str, str]) -> web.StreamResponse:
        intake = await take_in(http, request)
        statement = intake.statement
        in_session = request.session_id is not None
        if in_session:
            sessions.check(statement)
        with self._sessions.use(
            request.session_id, must_exist=request.session_check, close=request.close_session
        ) as remembered:
            profile = Profile(request.query_id, request.settings, request.readonly, request.database, tuple(remembered))
            tag = secrets.token_hex(8)
            job = _Job(http, request, profile, {**headers, "X-ClickHouse-Exception-Tag": tag}, tag)
            if isinstance(statement, Insert):
                return await self._insert(job, statement, intake)
            if statement.selects:
                return await self._answer(job, statement)
            response = await self._execute(job, statement)
            if in_session:
                sessions.remember(remembered, statement)
            return response

    def _failed(self, failure: Failure, headers: dict[str, str]) -> web.Response:
        extra = {"X-ClickHouse-Exception-Code": str(failure.code), "Content-Type": "text/plain; charset=UTF-8"}
        if failure.name == "REQUIRED_PASSWORD":
            extra["WWW-Authenticate"] = 'Basic realm="vedette"'
        body = failure.text(self._database.version).encode("utf-8", "replace")
        return web.Response(status=http_status(failure), body=body, headers={**headers, **extra})

    def _headers(self, job: _Job, fmt: str | None, summary: Summary | None) -> dict[str, str]:
        headers = job.headers
        content_type = "text/plain; charset=UTF-8"
        if fmt is not None:
            headers["X-ClickHouse-Format"] = fmt
            content_type = self._database.content_types.get(fmt, content_type)
        headers["Content-Type"] = content_type
        if summary is not None:
            headers["X-ClickHouse-Summary"] = _summary_json(summary)
        return headers

    # -- running in threads --------------------------------------------------------------------------------------

    async def _submit(
        self, query_id: str, function: Callable[..., Any], *arguments: object, urgent: bool = False
    ) -> asyncio.Future[Any]:
        """Start a statement in a thread as soon as one is free."""
        if not urgent:
            try:
                async with asyncio.timeout(_QUEUE_SECONDS):
                    await self._slots.acquire()
            except TimeoutError:
                raise Failure(
                    202, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries: none has ended in time"
                ) from None
        if query_id in self._running:
            if not urgent:
                self._slots.release()
            raise Failure(
                216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", f"Query with id = {query_id} is already running"
            )
        self._running.add(query_id)
        pool = self._killers if urgent else self._pool
        future = asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

        def ended(_: asyncio.Future[Any]) -> None:
            self._running.discard(query_id)
            if not urgent:
                self._slots.release()

        future.add_done_callback(ended)
        return future

    def _abandon(self, query_id: str, future: asyncio.Future[Any]) -> None:
        """End a statement for which nobody waits any more, in the background."""
        if future.done():
            if not future.cancelled():
                future.exception()  # an exception that nobody asks for would be logged
            return
        task = asyncio.get_running_loop().create_task(self._kill_until_done(query_id, future))
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)

    async def _kill_until_done(self, query_id: str, future: asyncio.Future[Any]) -> None:
        # A statement that has only just begun is not in the list of processes yet, so once is not enough.
        while not future.done():
            with contextlib.suppress(Failure):
                await self._kill(query_id)
            await asyncio.wait({future}, timeout=_KILL_EVERY_SECONDS)
        future.exception()

    async def _kill(self, query_id: str | None) -> None:
        await asyncio.get_running_loop().run_in_executor(self._killers, self._database.kill, query_id)

    # -- statements without a large answer ---------------------------------------------------------------

    async def _execute(self, job: _Job, statement: Query) -> web.StreamResponse:
        fmt = statement.fmt or job.request.default_format or "TabSeparated"
        kill = statement.keyword == b"KILL"
        sql = self._database.by_our_ids(statement.sql) if kill else statement.sql
        future = await self._submit(job.request.query_id, self._database.execute, job.profile, sql, fmt, urgent=kill)
        try:
            body, summary = await asyncio.shield(future)
        finally:
            self._abandon(job.request.query_id, future)
        shown = fmt if statement.reports else None
        return web.Response(body=_packed(job, body), headers=self._headers(job, shown, summary))

    async def _insert(self, job: _Job, statement: Insert, intake: Intake) -> web.StreamResponse:
        feed = Feed()
        data = _after(statement.data, decompressed(iter(feed), intake.encoding))
        future = await self._submit(job.request.query_id, self._database.insert, job.profile, statement, data)
        future.add_done_callback(lambda _: feed.close())
        try:
            async for chunk in intake.body:
                if not await feed.put(chunk):
                    break
            feed.end()
            summary = await asyncio.shield(future)
        except Interrupted:
            raise ConnectionResetError("the client went away in the middle of its body") from None
        finally:
            feed.end(interrupted=not future.done())
            self._abandon(job.request.query_id, future)
        return web.Response(body=b"", headers=self._headers(job, None, summary))

    # -- statements with an answer -------------------------------------------------------------------------------

    async def _answer(self, job: _Job, statement: Query) -> web.StreamResponse:
        fmt = statement.fmt or job.request.default_format or "TabSeparated"
        if not _FORMAT_NAME.fullmatch(fmt):
            raise Failure(73, "UNKNOWN_FORMAT", f"Unknown format {fmt}")
        tail = statement.tail if statement.fmt else b"FORMAT " + fmt.encode()
        pipe = Pipe()
        try:
            future = await self._submit(
                job.request.query_id,
                self._database.answer,
                job.profile,
                statement.head,
                tail,
                pipe.sink,
                None if job.request.compression == NATIVE else job.request.compression,
            )
        except BaseException:
            pipe.close_both()
            raise
        pipe.watch(future)
        try:
            if job.request.whole:
                return await self._whole(job, fmt, pipe, future)
            beginning = await _beginning(pipe, future)
            if future.done():
                headers = self._answer_headers(job, fmt, future.result())
                return web.Response(body=_packed(job, beginning), headers=headers)
            return await self._streamed(job, fmt, pipe, future, beginning)
        finally:
            pipe.close()
            self._abandon(job.request.query_id, future)

    def _answer_headers(self, job: _Job, fmt: str, summary: Summary | None) -> dict[str, str]:
        headers = self._headers(job, fmt, summary)
        if job.request.compression not in {None, NATIVE}:
            headers["Content-Encoding"] = job.request.compression
        return headers

    async def _streamed(
        self, job: _Job, fmt: str, pipe: Pipe, future: asyncio.Future[Summary], beginning: bytes
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=self._answer_headers(job, fmt, None))
        if job.http.version >= (1, 1):
            response.enable_chunked_encoding()
        else:
            response.force_close()
        await response.prepare(job.http)
        pipe.grow()
        data = beginning
        while True:
            ended = future.done()
            while data:
                await _send(job.http, response, _packed(job, data))
                data = pipe.read()
            if ended:
                break
            await pipe.wait()
            data = pipe.read()
        error = future.exception()
        if error is not None:
            await self._break_off(job, response, error)
        return response

    async def _break_off(self, job: _Job, response: web.StreamResponse, error: BaseException) -> None:
        """Say what happened where the data end, and leave the response without its end, as ClickHouse does."""
        if not isinstance(error, Failure):
            error = Failure(1002, "UNKNOWN_EXCEPTION", str(error))
        if job.request.compression in {None, NATIVE}:
            text = error.text(self._database.version).encode("utf-8", "replace")[:_MARKER_BYTES]
            tag = job.tag.encode()
            block = b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, text, len(text), tag)
            await _send(job.http, response, _packed(job, block))
        if job.http.transport is not None:
            job.http.transport.close()

    async def _whole(self, job: _Job, fmt: str, pipe: Pipe, future: asyncio.Future[Summary]) -> web.StreamResponse:
        """Answer only when all of the answer is there; what is large waits in a file."""
        pipe.grow()
        size = 0
        with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES, dir=str(self._spool)) as spool:
            while True:
                ended = future.done()
                while data := pipe.read():
                    size += spool.write(_packed(job, data))
                if ended:
                    break
                await pipe.wait()
            headers = self._answer_headers(job, fmt, future.result())
            spool.seek(0)
            if size <= _SPOOLED_BYTES:
                return web.Response(body=spool.read(), headers=headers)
            response = web.StreamResponse(headers=headers)
            response.content_length = size
            await response.prepare(job.http)
            while data := spool.read(_SMALL_ANSWER_BYTES):
                await _send(job.http, response, data)
            return response


def _without_statement(http: web.BaseRequest) -> web.Response | None:
    """The answer to a request that is not about a statement."""
    path, question, _ = http.raw_path.partition("?")
    if path in {"/ping", "/replicas_status"} or (path == "/" and not question and http.method in {"GET", "HEAD"}):
        return web.Response(text="Ok.\n")
    if path not in {"/", "/query"}:
        return web.Response(status=404, text="There is nothing here: use /, /ping or /replicas_status.\n")
    if http.method not in {"GET", "POST", "HEAD"}:
        return web.Response(status=405, text="Use GET or POST.\n", headers={"Allow": "GET, POST"})
    return None


async def _beginning(pipe: Pipe, future: asyncio.Future[Summary]) -> bytes:
    """All of a small answer, or the first part of a large or slow one."""
    loop = asyncio.get_running_loop()
    chunks: list[bytes] = []
    size = 0
    deadline = None
    # Most answers are small and soon there: they fit into the pipe, and to look at it earlier would only cost.
    await pipe.wait(_GRACE_SECONDS, for_data=False)
    while True:
        ended = future.done()
        while data := pipe.read():
            chunks.append(data)
            size += len(data)
            if size >= _SMALL_ANSWER_BYTES and not ended:
                return b"".join(chunks)
        if ended or (deadline is not None and loop.time() >= deadline):
            return b"".join(chunks)
        if chunks and deadline is None:
            deadline = loop.time() + _GRACE_SECONDS
        await pipe.wait(None if deadline is None else max(0.0, deadline - loop.time()))


async def _send(http: web.BaseRequest, response: web.StreamResponse, data: bytes) -> None:
    try:
        async with asyncio.timeout(_STALL_SECONDS):
            await response.write(data)
    except TimeoutError:
        if http.transport is not None:
            http.transport.abort()
        raise ConnectionResetError("the client takes nothing of its answer") from None


def _packed(job: _Job, data: bytes) -> bytes:
    if job.request.compression != NATIVE:
        return data
    from vedette.server.engine.embedded.native import packed  # noqa: PLC0415 - for the few clients that ask for it

    return packed(data)


def _after(beginning: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if beginning:
        yield beginning
    yield from rest


def _summary_json(summary: Summary) -> str:
    return json.dumps(
        {
            "read_rows": str(summary.read_rows),
            "read_bytes": str(summary.read_bytes),
            "written_rows": str(summary.written_rows),
            "written_bytes": str(summary.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(summary.result_rows),
            "result_bytes": str(summary.result_bytes),
            "elapsed_ns": str(int(summary.elapsed_seconds * 1e9)),
        },
        separators=(",", ":"),
    )
