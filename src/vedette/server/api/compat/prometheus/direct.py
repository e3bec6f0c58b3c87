"""The way of the most frequent questions, past the framework: the same answers, without its routing and layers.

A dashboard or a rule asks for little and often, and FastAPI's part of such an answer was the larger one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect, Request

from vedette.errors import VedetteError
from vedette.server.api.compat.prometheus.answers import compressed, failure
from vedette.server.api.compat.prometheus.parameters import parse_parameters
from vedette.server.api.compat.prometheus.queries import answer_query, answer_query_range

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from fastapi import Response

    from vedette.server.api.context import Services

    App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

__all__ = ["past_the_framework"]

log = logging.getLogger(__name__)

_ANSWERS: Final = {"/prometheus/api/v1/query": answer_query, "/prometheus/api/v1/query_range": answer_query_range}
_METHODS: Final = frozenset({"GET", "POST"})
_LEAST_COMPRESSED: Final = 1024


def past_the_framework(app: Any) -> App:  # noqa: ANN401 - FastAPI's application
    """An application that answers some paths itself and leaves the others to `app`."""

    async def route(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        ask = _ANSWERS.get(scope["path"]) if scope["type"] == "http" else None
        if ask is None or scope["method"] not in _METHODS:
            await app(scope, receive, send)
            return
        services: Services = app.state.services
        try:
            client = scope.get("client")
            caller = services.authenticator.identify_headers(
                scope["headers"], scope="read", client=client[0] if client else ""
            )
            form = await _body(receive) if scope["method"] == "POST" else b""
            answer = await ask(services, caller.tenant, parse_parameters(scope["query_string"], form))
        except ClientDisconnect:
            return
        except VedetteError as error:
            answer = failure(error)
        except Exception as error:
            log.exception("A request to %s failed", scope["path"])
            answer = failure(error)
        await _send(answer, scope, receive, send)

    return route


async def _body(receive: Any) -> bytes:  # noqa: ANN401 - ASGI
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _send(answer: Response, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401
    if len(answer.body) >= _LEAST_COMPRESSED:
        answer = compressed(Request(scope, receive), answer)
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": bytes(answer.body)})
