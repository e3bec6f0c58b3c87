"""The way of the most frequent questions, past the framework: the same handlers, without its routing and layers.

A dashboard or a rule asks for little and often, and FastAPI's part of such an answer was the larger one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request

from vedette.errors import VedetteError
from vedette.server.api.compat.prometheus.answers import compressed, failure
from vedette.server.api.compat.prometheus.queries import query, query_range
from vedette.server.api.context import identify_reader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

__all__ = ["past_the_framework"]

log = logging.getLogger(__name__)

_HANDLERS: Final = {"/prometheus/api/v1/query": query, "/prometheus/api/v1/query_range": query_range}
_METHODS: Final = frozenset({"GET", "POST"})


def past_the_framework(app: Any) -> App:  # noqa: ANN401 - FastAPI's application
    """An application that answers some paths itself and leaves the others to `app`."""

    async def route(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        handler = _HANDLERS.get(scope["path"]) if scope["type"] == "http" else None
        if handler is None or scope["method"] not in _METHODS:
            await app(scope, receive, send)
            return
        scope["app"] = app
        request = Request(scope, receive)
        try:
            answer = await handler(request, identify_reader(request))
        except VedetteError as error:
            answer = failure(error)
        except Exception as error:
            log.exception("A request to %s failed", scope["path"])
            answer = failure(error)
        await compressed(request, answer)(scope, receive, send)

    return route
