"""OTLP over HTTP: ``POST /v1/{traces,logs,metrics}``, protobuf or JSON, as a plain ASGI application.

Specification: https://opentelemetry.io/docs/specs/otlp/#otlphttp.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from google.rpc.status_pb2 import Status

from vedette.errors import RequestError, TooLarge, TooManyRequests, Unavailable, UnsupportedMedia
from vedette.server.ingest.body import Patience, read_body, too_large
from vedette.server.ingest.levels import LEVELS_HEADER, SERVICE_HEADER
from vedette.server.ingest.otlp import SIGNALS, Payload, Signal, from_json, from_protobuf, partial_success
from vedette.server.ingest.pipeline import Rejected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from vedette.server.control.identity import Authenticator
    from vedette.server.control.log_levels import LevelTable
    from vedette.server.ingest.pipeline import Ingest

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

__all__ = ["OtlpHttp"]

log = logging.getLogger(__name__)

_PROTOBUF = b"application/x-protobuf"
_JSON = b"application/json"
_SERVICE = SERVICE_HEADER.encode()
_LEVELS = LEVELS_HEADER.encode()
_PATHS = {signal.path: signal for signal in SIGNALS.values()}
_PROFILES = "/v1development/profiles"

# google.rpc.Code for the HTTP statuses that we answer.
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 413: 8, 415: 3, 429: 8, 500: 13, 501: 12, 503: 14}


class OtlpHttp:
    """The endpoint. `handles` tells which paths are its own."""

    def __init__(
        self,
        ingest: Ingest,
        authenticator: Authenticator,
        levels: LevelTable,
        *,
        max_body_bytes: int,
        body_timeout_seconds: float,
    ) -> None:
        self._ingest = ingest
        self._authenticator = authenticator
        self._levels = levels
        self._max_body = max_body_bytes
        self._patience = Patience(body_timeout_seconds)

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path belongs to OTLP."""
        return path.startswith("/v1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        signal = _PATHS.get(path)
        fields: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # of a field that comes twice, the first
        content_type = _media_type(fields.get(b"content-type", b""))
        if path == _PROFILES:
            await _fail(send, content_type, 501, "Profiles are not kept yet; traces, logs and metrics are.")
        elif signal is None:
            await _fail(send, content_type, 404, f"There is no {path}. OTLP goes to {', '.join(_PATHS)}.")
        elif scope["method"] != "POST":
            await _fail(send, content_type, 405, f"{path} takes POST.", {b"allow": b"POST"})
        else:
            await self._export(signal, scope, fields, receive, send)

    async def _export(
        self, signal: Signal, scope: Scope, fields: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        ingest = self._ingest
        content_type = _media_type(fields.get(b"content-type", b""))
        reserved = 0

        def reserve(size: int) -> None:
            nonlocal reserved
            ingest.reserve(size)
            reserved += size

        tenant = ""
        status, error_text = 200, ""
        rejected = Rejected()
        more: dict[bytes, bytes] = {}
        try:
            client = scope.get("client")
            tenant = self._authenticator.identify_headers(
                scope["headers"], scope="ingest", client=client[0] if client else ""
            ).tenant
            payload = await self._payload(signal, tenant, fields, receive, reserve)
            rejected = await ingest.submit_otlp(tenant, payload)
        except (RequestError, Unavailable) as error:
            ingest.note_refusal(tenant, signal.name, error, size=reserved)
            status, error_text = error.status, str(error)
            if isinstance(error, TooManyRequests | Unavailable):
                more[b"retry-after"] = str(error.retry_after_seconds).encode()
            if status == 401:  # noqa: PLR2004 - RFC 9110: a 401 names the scheme
                more[b"www-authenticate"] = b"Bearer"
        except Exception:
            log.exception("A request to %s failed", scope["path"])
            status, error_text = 500, "Vedette failed to handle this request; its log says more."
        finally:
            ingest.release(reserved)
        ingest.telemetry.requests_of(signal.name, "http", str(status)).inc()
        if status == 200:  # noqa: PLR2004
            body = _success(rejected, content_type)
            if service := fields.get(_SERVICE):
                told = self._levels.of(tenant, unquote(service.decode("latin-1")))
                more[_LEVELS] = told.encode()
            await _answer(send, 200, content_type, body, more)
        else:
            await _fail(send, content_type, status, error_text, more)

    async def _payload(
        self,
        signal: Signal,
        tenant: str,
        fields: dict[bytes, bytes],
        receive: Receive,
        reserve: Callable[[int], None],
    ) -> Payload:
        content_type = _media_type(fields.get(b"content-type", b""))
        if content_type not in {_PROTOBUF, _JSON}:
            raise UnsupportedMedia(
                f"Content-Type {content_type.decode('latin-1')[:60]!r} is not taken here. "
                "Send application/x-protobuf or application/json."
            )
        declared = fields.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_body:
            raise TooLarge(too_large(self._max_body))
        body = await read_body(
            receive,
            encoding=fields.get(b"content-encoding", b"").decode("latin-1").strip().lower(),
            max_bytes=self._max_body,
            patience=self._patience,
            reserve=reserve,
        )
        return (from_json if content_type == _JSON else from_protobuf)(signal, tenant, body, self._ingest.promoted)


def _success(rejected: Rejected, content_type: bytes) -> bytes:
    if not rejected.rows:
        return b"{}" if content_type == _JSON else b""
    if content_type == _JSON:
        partial = {"rejectedDataPoints": str(rejected.rows), "errorMessage": rejected.reason}
        return json.dumps({"partialSuccess": partial}).encode()
    return partial_success(rejected.rows, rejected.reason)


@lru_cache(maxsize=256)
def _media_type(content_type: bytes) -> bytes:
    return content_type.split(b";", 1)[0].strip().lower()


async def _fail(
    send: Send, content_type: bytes, status: int, message: str, more: dict[bytes, bytes] | None = None
) -> None:
    """An error as OTLP wants it: a ``google.rpc.Status`` in the request's own encoding, JSON where that is unclear."""
    code = _RPC_CODES.get(status, 2)
    if content_type == _PROTOBUF:
        body = Status(code=code, message=message).SerializeToString()
    else:
        content_type = _JSON
        body = json.dumps({"code": code, "message": message}).encode()
    await _answer(send, status, content_type, body, more or {})


async def _answer(send: Send, status: int, content_type: bytes, body: bytes, more: dict[bytes, bytes]) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *more.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
