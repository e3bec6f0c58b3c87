"""The one client of the engine: the embedded one on its Unix socket, or a ClickHouse cluster by URL.

It speaks ClickHouse's HTTP interface, https://clickhouse.com/docs/interfaces/http.
"""

from __future__ import annotations

import contextlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_from_bytes, unquote, urlsplit

import aiohttp
from yarl import URL

from vedette.errors import EngineUnavailable, SettingsError, VedetteError
from vedette.server.certificates import trusted_by_system
from vedette.server.engine.answers import BrokenAnswer, ExceptionScanner, exception_from_text
from vedette.server.engine.parameters import encode_parameter, encode_setting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping

__all__ = ["Engine"]

_CONNECT_SECONDS = 5.0
_CONNECTIONS = 256
# Shorter than ClickHouse's own keep_alive_timeout (10 s and up), so that we never write into a connection that the
# engine is about to close.
_KEEPALIVE_SECONDS = 5.0
_ERROR_BYTES = 256 * 1024
_PLAIN = "',:()"
"""What may stand in a query string as it is, and often does in ours."""
_SCHEMES = {"http": "http", "https": "https", "clickhouse": "http", "clickhouses": "https"}
_PORTS = {"http": 8123, "https": 8443}


class Engine:
    """A pool of connections to one engine, to be used from one event loop.

    Every method raises EngineUnavailable when the engine does not answer, QueryLimit when the query ran past a limit
    of time, memory or rows, and EngineError for every other exception of the engine. An answer that breaks off is
    never returned as if it were whole.

    Args:
        url: ``unix:///path/engine.sock``, ``http(s)://user:password@host:8123/database`` or ``clickhouse(s)://…``,
            which mean the same. What follows a ``?`` becomes settings of every statement.
    """

    def __init__(self, url: str) -> None:
        self._base, self._socket_path, self._headers, self._always = _address(url)
        self._session: aiohttp.ClientSession | None = None

    async def query(
        self,
        sql: str,
        *,
        params: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
        fmt: str = "JSONEachRow",
        query_id: str | None = None,
    ) -> bytes:
        """The whole answer, in the format `fmt` unless the statement names one."""
        async with self.stream(sql, params=params, settings=settings, fmt=fmt, query_id=query_id) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def rows(
        self, sql: str, *, params: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """The answer as dictionaries. Integers of any width are exact; NaN and infinities are None."""
        exact = {"output_format_json_quote_64bit_integers": 0, **(settings or {})}
        body = (await self.query(sql, params=params, settings=exact)).strip()
        # Line breaks inside strings are escaped, so every raw one separates two rows; one parse is cheaper than many.
        joined = body.replace(b"\n", b",").decode("utf-8", "replace")
        rows: list[dict[str, Any]] = json.loads(f"[{joined}]")
        return rows

    @contextlib.asynccontextmanager
    async def stream(
        self,
        sql: str,
        *,
        params: Mapping[str, object] | None = None,
        settings: Mapping[str, object] | None = None,
        fmt: str = "JSONEachRow",
        query_id: str | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer in chunks as the engine produces them.

        Leaving the block early closes the connection, on which the engine cancels the query. (A cluster does so for
        queries that run with ``readonly``; others end when they next write.)
        """
        options = {"default_format": fmt, "cancel_http_readonly_queries_on_client_close": 1, **(settings or {})}
        request = self._request(self._url(None, params, options, query_id), sql.encode())
        async with request as response:
            chunks = _whole_chunks(response)
            try:
                yield chunks
            finally:
                await chunks.aclose()

    async def execute(
        self, sql: str, *, params: Mapping[str, object] | None = None, settings: Mapping[str, object] | None = None
    ) -> None:
        """Run a statement whose answer does not matter, such as DDL, to its end."""
        await self.query(sql, params=params, settings={"wait_end_of_query": 1, **(settings or {})})

    async def insert(
        self,
        table: str,
        fmt: str,
        body: bytes | AsyncIterable[bytes],
        *,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        """Insert `body`, which is in the input format `fmt`. On return the engine has committed it.

        Args:
            table: goes into the statement as it is: ``database.table`` or ``database.table (a, b)``.
            fmt: an input format of ClickHouse, such as ``Protobuf`` or ``JSONEachRow``.
            body: the data; an asynchronous iterable is streamed and never held whole.
            settings: settings of this insert.
        """
        options = {"wait_end_of_query": 1, **(settings or {})}
        url = self._url(f"INSERT INTO {table} FORMAT {fmt}", None, options, None)
        async with self._request(url, body) as response:
            async for _ in _whole_chunks(response):
                pass

    async def ping(self) -> bool:
        """Whether the engine answers."""
        try:
            async with self._connected().get(self._base / "ping", headers=self._headers) as response:
                return response.status == 200 and (await response.read()).startswith(b"Ok.")  # noqa: PLR2004 - HTTP
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Close all connections; running queries are cancelled."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _connected(self) -> aiohttp.ClientSession:
        # A session belongs to the running event loop, so it cannot be made in the constructor.
        if self._session is None or self._session.closed:
            connector: aiohttp.BaseConnector
            if self._socket_path is None:
                trust = trusted_by_system() if self._base.scheme == "https" else True
                connector = aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=trust)
            else:
                connector = aiohttp.UnixConnector(
                    self._socket_path, limit=_CONNECTIONS, keepalive_timeout=_KEEPALIVE_SECONDS
                )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                # An answer that nobody reads must stop the engine, not fill this process.
                read_bufsize=2**18,
            )
        return self._session

    def _url(
        self,
        statement: str | None,
        params: Mapping[str, object] | None,
        settings: Mapping[str, object],
        query_id: str | None,
    ) -> URL:
        fields = [_setting(name, value) for name, value in {**self._always, **settings}.items()]
        fields += [_field(f"param_{name}", encode_parameter(value)) for name, value in (params or {}).items()]
        if query_id is not None:
            fields.append(_field("query_id", query_id.encode()))
        if statement is not None:
            fields.append(_field("query", statement.encode()))
        return URL(f"{self._base}?{'&'.join(fields)}", encoded=True)

    @contextlib.asynccontextmanager
    async def _request(self, url: URL, body: bytes | AsyncIterable[bytes]) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with status 200 and its headers read; anything else is raised."""
        try:
            response = await self._connected().post(
                url, data=body, headers={**self._headers, "Accept-Encoding": "identity"}, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unavailable(error) from error
        try:
            if response.status != 200 or "X-ClickHouse-Exception-Code" in response.headers:  # noqa: PLR2004 - HTTP
                raise await _failure(response)
            yield response
        finally:
            # After the end of the answer this returns the connection to the pool; before it, it closes it.
            response.close() if not response.content.at_eof() else response.release()

    def _unavailable(self, error: Exception) -> EngineUnavailable:
        where = self._socket_path or self._base.host
        reason = str(error) or type(error).__name__
        return EngineUnavailable(f"The engine at {where} does not answer: {reason}")


@lru_cache(maxsize=512, typed=True)
def _setting(name: str, value: object) -> str:
    """A setting for a URL; a tenant's are long, and the same in every statement."""
    return _field(name, encode_setting(value))


def _field(name: str, value: bytes) -> str:
    return f"{quote_from_bytes(name.encode())}={quote_from_bytes(value, safe=_PLAIN)}"


async def _whole_chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """The chunks of an answer; raises when it ends in an exception or breaks off."""
    scanner = ExceptionScanner(response.headers.get("X-ClickHouse-Exception-Tag"))
    try:
        async for chunk in response.content.iter_any():
            if data := scanner.feed(chunk):
                yield data
        if rest := scanner.finish():
            yield rest
    except BrokenAnswer as broken:
        raise exception_from_text(broken.text) from None
    except (aiohttp.ClientError, OSError) as error:
        words = scanner.broken()
        if words is not None:
            raise exception_from_text(words) from error
        raise EngineUnavailable(f"The engine broke off in the middle of an answer: {error}") from error


async def _failure(response: aiohttp.ClientResponse) -> VedetteError:
    body = b""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) >= _ERROR_BYTES:
                break
    code = response.headers.get("X-ClickHouse-Exception-Code", "")
    text = body.decode("utf-8", "replace")
    if not code.isdigit() and "DB::" not in text:
        return EngineUnavailable(f"The engine answered with HTTP {response.status}: {text[:500].strip()}")
    return exception_from_text(text, code=int(code) if code.isdigit() else None)


def _address(url: str) -> tuple[URL, str | None, dict[str, str], dict[str, str]]:
    parts = urlsplit(url)
    always = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "unix":
        path = unquote(parts.path)
        if parts.netloc or not path:
            raise SettingsError(f"The engine's address {url!r} needs a path, as in unix:///var/lib/vedette/engine.sock")
        return URL("http://engine/"), path, {}, always
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or parts.hostname is None:
        raise SettingsError(
            "The engine's address must be unix:///path, http(s)://user:password@host:8123 or clickhouse://host:8123, "
            f"not one that begins with {parts.scheme or 'nothing'!r}"
        )
    headers = {}
    if parts.username is not None:
        headers["X-ClickHouse-User"] = unquote(parts.username)
        headers["X-ClickHouse-Key"] = unquote(parts.password or "")
    if database := unquote(parts.path).strip("/"):
        always["database"] = database
    base = URL.build(scheme=scheme, host=parts.hostname, port=parts.port or _PORTS[scheme], path="/")
    return base, None, headers, always
