"""Errors as ``application/problem+json`` (RFC 9457): one place turns the error tree into answers."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from vedette.errors import EngineError, InvalidInput, RequestError, TooManyRequests, Unavailable, VedetteError
from vedette.server.http.exchange import ClientGone

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

__all__ = ["PROBLEM_JSON", "add_problem_handlers", "problem"]

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"


def problem(
    status: int, title: str, detail: str, *, headers: dict[str, str] | None = None, **extra: object
) -> JSONResponse:
    """A problem document. `extra` are further members, such as the position of a syntax error."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}
    return JSONResponse(body, status, media_type=PROBLEM_JSON, headers=headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the tree, and every one that is not in it, as a problem document."""
    app.add_exception_handler(VedetteError, _ours)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _ours(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, TooManyRequests | Unavailable):
        return problem(error.status, error.title, str(error), headers={"Retry-After": str(error.retry_after_seconds)})
    if isinstance(error, InvalidInput) and error.position is not None:
        return problem(error.status, error.title, str(error), position=error.position)
    if isinstance(error, RequestError):
        headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else None
        return problem(error.status, error.title, str(error), headers=headers)
    log.error("%s %s: %s", request.method, request.url.path, error)
    detail = "The engine refused a statement of ours; the log of the server says more."
    if not isinstance(error, EngineError):
        detail = str(error)
    return problem(500, "Internal error", detail)


def _parameters(_request: Request, error: Exception) -> JSONResponse:
    problems = cast("RequestValidationError", error).errors()
    told = "; ".join(f"{'.'.join(str(part) for part in p['loc'])}: {p['msg']}" for p in problems[:5])
    return problem(400, "Bad request", f"Parameters that cannot be used: {told}.")


def _http(request: Request, error: Exception) -> JSONResponse:
    raised = cast("HTTPException", error)
    if isinstance(raised.__cause__, VedetteError):  # FastAPI takes all that a body raises for its being malformed
        return _ours(request, raised.__cause__)
    headers = dict(raised.headers or {})
    return problem(raised.status_code, HTTPStatus(raised.status_code).phrase, str(raised.detail), headers=headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ClientGone | ClientDisconnect):
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "Internal error", "Vedette failed to answer this request; its log says more.")
