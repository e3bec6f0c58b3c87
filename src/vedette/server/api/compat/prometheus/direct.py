"""The way of the most frequent questions, past the framework: the same answers, without its routing and layers.

A dashboard or a rule asks for little and often, and FastAPI's part of such an answer was the larger one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from vedette.errors import VedetteError
from vedette.server.api.compat.prometheus.answers import LEAST_PACKED, failure, pack
from vedette.server.api.compat.prometheus.parameters import parse_parameters
from vedette.server.api.compat.prometheus.queries import answer_query, answer_query_range, query_at_once
from vedette.server.api.headers import SECURITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from vedette.server.api.bodies import Bodies
    from vedette.server.api.context import Services
    from vedette.server.http.rules import AtOnce

    Headers = Sequence[tuple[bytes, bytes]]
    App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

__all__ = ["answers_at_once", "past_the_framework"]

log = logging.getLogger(__name__)

_ANSWERS: Final = {"/prometheus/api/v1/query": answer_query, "/prometheus/api/v1/query_range": answer_query_range}
_METHODS: Final = frozenset({"GET", "POST"})
_ACCEPTED: Final = b"accept-encoding"
_HEADERS: Final[Headers] = ((b"content-type", b"application/json"), *SECURITY_HEADERS)


def past_the_framework(app: App, services: Services, bodies: Bodies) -> App:
    """An application that answers some paths itself and leaves the others to `app`."""

    async def route(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        ask = _ANSWERS.get(scope["path"]) if scope["type"] == "http" else None
        if ask is None or scope["method"] not in _METHODS:
            await app(scope, receive, send)
            return
        status, headers = 200, _HEADERS
        try:
            tenant = _caller(services, scope)
            form = b""
            if scope["method"] == "POST":
                with bodies.bounded(receive) as bounded:
                    form = await _form(bounded)
            body = await ask(services, tenant, parse_parameters(scope["query_string"], form))
        except Exception as error:
            if not isinstance(error, VedetteError | RecursionError):
                log.exception("A request to %s failed", scope["path"])
            status, headers, body = _failed(error)
        headers, body = _packed(scope, headers, body)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return route


def answers_at_once(services: Services) -> dict[str, AtOnce]:
    """What answers questions about what is in memory as soon as they are whole; the others go their way as ever."""

    def at_once(scope: Any, body: bytes) -> tuple[int, Headers, bytes] | None:  # noqa: ANN401 - ASGI
        if scope["method"] not in _METHODS:
            return None
        status, headers = 200, _HEADERS
        try:
            found = query_at_once(services, _caller(services, scope), parse_parameters(scope["query_string"], body))
        except (VedetteError, RecursionError) as error:
            status, headers, found = _failed(error)
        return None if found is None else (status, *_packed(scope, headers, found))

    return {"/prometheus/api/v1/query": at_once}


def _caller(services: Services, scope: MutableMapping[str, Any]) -> str:
    """The tenant of who asks."""
    client = scope.get("client")
    identify = services.authenticator.identify_headers
    return identify(scope["headers"], scope="read", client=client[0] if client else "").tenant


def _failed(error: Exception) -> tuple[int, Headers, bytes]:
    """The answer that an error becomes."""
    answer = failure(error)
    return answer.status_code, [*answer.raw_headers, *SECURITY_HEADERS], bytes(answer.body)


def _packed(scope: MutableMapping[str, Any], headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """The answer, packed where it is worth it and the client takes it."""
    if len(body) < LEAST_PACKED:
        return headers, body
    accepted = next((value for name, value in scope["headers"] if name == _ACCEPTED), b"")
    packed = pack(body, accepted.decode("latin-1"))
    if packed is None:
        return headers, body
    encoding, body = packed
    headers = [*headers, (b"content-encoding", encoding.encode()), (b"vary", b"Accept-Encoding")]
    return [one for one in headers if one[0] != b"content-length"], body


async def _form(receive: Any) -> bytes:  # noqa: ANN401 - ASGI
    """The body."""
    pieces: list[bytes] = []
    is_last = False
    while not is_last:
        message = await receive()
        pieces.append(message.get("body", b""))
        is_last = not message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
