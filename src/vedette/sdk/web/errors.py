"""The exception that a framework made an answer of, as each of them tells it: no middleware sees it pass."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["answered_error", "django_errors", "flask_errors", "litestar_errors"]

_KEY = "vedette.error"


def answered_error(request: MutableMapping[str, Any]) -> Exception | None:
    """What was noted in a request's scope or environment."""
    error = request.get(_KEY)
    return error if isinstance(error, Exception) else None


def flask_errors(app: Any) -> None:
    """Let a Flask application note it."""
    from flask import got_request_exception, request  # noqa: PLC0415 - the application brings it

    def note(_app: Any, exception: BaseException, **_: Any) -> None:
        request.environ[_KEY] = exception

    got_request_exception.connect(note, app, weak=False)


def litestar_errors(app: Any) -> None:
    """Let a Litestar application note it."""

    async def note(error: Exception, scope: Any) -> None:
        scope[_KEY] = error

    app.after_exception.append(note)


def django_errors() -> None:
    """Let Django note it, by WSGI as by ASGI, whatever its handler is wrapped in."""
    from django.core.signals import got_request_exception  # type: ignore[import-untyped]  # noqa: PLC0415

    got_request_exception.connect(_note_of_django, dispatch_uid=_KEY)


def _note_of_django(sender: Any, request: Any = None, **_: Any) -> None:  # noqa: ARG001 - the signal's arguments
    held = getattr(request, "environ", None) or getattr(request, "scope", None)
    if held is not None:
        held[_KEY] = sys.exc_info()[1]
