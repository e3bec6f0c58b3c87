"""What both of Jaeger's query APIs have in common: how they are asked, and how they say that something went wrong."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from vedette.errors import InvalidInput, RequestError, TooManyRequests, Unavailable, VedetteError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from fastapi import Request, Response

__all__ = ["JaegerRoute", "JaegerRouteV3", "number", "tags_of"]

log = logging.getLogger(__name__)

_INT64_DIGITS: Final = 19


class JaegerRoute(APIRoute):
    """A route whose errors look like those of Jaeger's JSON API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with our errors turned into answers."""
        handle = super().get_route_handler()

        async def handle_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except (VedetteError, RequestValidationError) as error:
                status, message, headers = _told(request, error)
                return JSONResponse(self.document(status, message), status, headers=headers)

        return handle_errors

    @staticmethod
    def document(status: int, message: str) -> dict[str, object]:
        """The document of an error."""
        return {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": status, "msg": message}]}


class JaegerRouteV3(JaegerRoute):
    """The same for version 3 of the API."""

    @staticmethod
    def document(status: int, message: str) -> dict[str, object]:
        """The document of an error."""
        return {"error": {"httpCode": status, "message": message}}


def _told(request: Request, error: Exception) -> tuple[int, str, dict[str, str]]:
    if isinstance(error, TooManyRequests | Unavailable):
        return error.status, str(error), {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, RequestError):
        return error.status, str(error), {}
    if isinstance(error, RequestValidationError):
        return 400, "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5]), {}
    log.error("%s %s: %s", request.method, request.url.path, error)
    return 500, "The engine refused a statement of ours; the log of the server says more.", {}


def number(text: str | None, *, name: str) -> int | None:
    """A whole number that is not negative; None if there is none.

    Raises:
        InvalidInput: the text is something else.
    """
    if text is None or not text.strip():
        return None
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _INT64_DIGITS and int(digits) < 2**63):
        raise InvalidInput(f"Parameter {name!r} is a whole number, for example 1782907200000000, not {digits[:60]!r}.")
    return int(digits)


def tags_of(documents: Iterable[str], pairs: Iterable[str] = (), *, name: str = "tags") -> dict[str, str]:
    """Tags from JSON objects such as ``{"http.status_code":"500"}`` and from pairs such as ``key:value``.

    Raises:
        InvalidInput: one is neither.
    """
    tags: dict[str, str] = {}
    for pair in pairs:
        key, colon, value = pair.partition(":")
        if not colon or not key:
            raise InvalidInput(f"Parameter 'tag' is key:value, not {pair[:60]!r}.")
        tags[key] = value
    for document in documents:
        try:
            found = json.loads(document)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InvalidInput(f'Parameter {name!r} is a JSON object, for example {{"error":"true"}}.')
        tags |= {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    if "" in tags:
        raise InvalidInput(f"Parameter {name!r} has a tag without a name.")
    return tags
