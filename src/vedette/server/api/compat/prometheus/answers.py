"""Answers in the shape of Prometheus, errors included, compressed as the client likes."""

from __future__ import annotations

import gzip
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
import zstandard
from fastapi import Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from starlette.requests import Request

from vedette.errors import (
    EngineError,
    InvalidInput,
    NotFound,
    QueryLimit,
    RequestError,
    TooManyRequests,
    Unavailable,
    VedetteError,
)
from vedette.server.query.promql.errors import QueryCancelled, QueryTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

__all__ = ["LEAST_PACKED", "PrometheusRoute", "document", "failure", "pack", "success"]

log = logging.getLogger(__name__)

_JSON = "application/json"
LEAST_PACKED = 1024


# The first that fits counts; status 0 is the error's own.
_KINDS: Final[tuple[tuple[type[VedetteError], tuple[int, str]], ...]] = (
    (QueryTimeout, (503, "timeout")),
    (QueryCancelled, (499, "canceled")),
    (Unavailable, (503, "unavailable")),
    (TooManyRequests, (429, "too_many_requests")),
    (InvalidInput, (400, "bad_data")),
    (NotFound, (404, "not_found")),
    (QueryLimit, (422, "execution")),
    (RequestError, (0, "execution")),
)


class PrometheusRoute(APIRoute):
    """A route whose errors are Prometheus' ``{"status":"error","errorType":…,"error":…}``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI makes, within ours."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                answer = await inner(request)
            except (VedetteError, RecursionError) as error:
                answer = failure(error)
            return answer if isinstance(answer, StreamingResponse) else compressed(request, answer)

        return handler


def success(data: bytes | object, *, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> Response:
    """The answer ``{"status":"success","data":…}``; bytes are JSON already."""
    return Response(document(data, warnings=warnings, infos=infos), media_type=_JSON)


def document(data: bytes | object, *, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> bytes:
    """What `success` answers."""
    parts = [b'{"status":"success","data":', data if isinstance(data, bytes) else _encoded(data)]
    for name, notes in ((b"warnings", warnings), (b"infos", infos)):
        if notes:
            parts += [b',"', name, b'":', _texts(notes)]
    return b"".join([*parts, b"}"])


def _texts(texts: Sequence[str]) -> bytes:
    try:
        return msgspec.json.encode(texts)
    except UnicodeEncodeError:
        return _encoded(texts)


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def failure(error: Exception) -> Response:
    """The answer that an error becomes. What we did not expect is an internal error, of which the log says more."""
    if isinstance(error, RecursionError):
        error = QueryLimit("the expression has too many operators, one within the other, to be answered")
    status, kind = next((answer for sort, answer in _KINDS if isinstance(error, sort)), (500, "internal"))
    if status == 0 and isinstance(error, RequestError):
        status, kind = error.status, {401: "unauthorized", 403: "forbidden"}.get(error.status, "execution")
    text = str(error)
    if isinstance(error, EngineError):
        log.error("A request of Prometheus' API failed: %s", error)
        text = "The engine refused a statement of ours; the log of the server says more."
    elif not isinstance(error, VedetteError):
        text = "Vedette failed to answer; its log says more."
    headers = {}
    if isinstance(error, TooManyRequests | Unavailable):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if status == 401:  # noqa: PLR2004 - RFC 9110: a 401 names the scheme
        headers["WWW-Authenticate"] = "Bearer"
    body = _encoded({"status": "error", "errorType": kind, "error": text})
    return Response(body, status, media_type=_JSON, headers=headers)


def compressed(request: Request, answer: Response) -> Response:
    """The answer, packed where it is worth it and the client takes it."""
    packed = pack(bytes(answer.body), request.headers.get("accept-encoding", ""))
    if packed is not None:
        encoding, answer.body = packed
        answer.headers["Content-Encoding"] = encoding
        answer.headers["Content-Length"] = str(len(answer.body))
        answer.headers["Vary"] = "Accept-Encoding"
    return answer


def pack(body: bytes, accepted: str) -> tuple[str, bytes] | None:
    """The encoding and the packed bytes, None where it is not worth it or the client takes none of ours."""
    if len(body) < LEAST_PACKED:
        return None
    if "zstd" in accepted and _takes(accepted, "zstd"):
        return "zstd", zstandard.ZstdCompressor(level=1).compress(body)
    if "gzip" in accepted and _takes(accepted, "gzip"):
        return "gzip", gzip.compress(body, 1)
    return None


def _takes(accepted: str, encoding: str) -> bool:
    """Whether a client that names an encoding does not refuse it, by a weight of zero."""
    return re.search(rf"\b{encoding}\s*;\s*q=0(?:\.0*)?\s*(?:,|$)", accepted) is None
