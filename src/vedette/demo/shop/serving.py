"""Serve one FastAPI application until SIGTERM."""

from __future__ import annotations

import logging
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn
from fastapi.responses import JSONResponse

from vedette.demo import telemetry

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

    from vedette.demo.stage import Stage

__all__ = ["serve"]

log = logging.getLogger("shop.serving")


def serve(app: FastAPI, stage: Stage) -> None:
    """Watch and serve `app` on the port of its stage; returns after SIGTERM or SIGINT."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"service": stage.service, "version": stage.version, "instance": stage.instance}

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> JSONResponse:
        log.error("unhandled error in %s %s", request.method, request.url.path, exc_info=error)
        return JSONResponse({"detail": "Internal error."}, 500)

    telemetry.watch(app, stage)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn's handlers come before, and end the server alone
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what fails, `fail` has logged already
    config = uvicorn.Config(app, ws="none", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[_listening(stage.port)])


def _listening(port: int) -> socket.socket:
    """A socket that a version and its successor may both listen on."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(("127.0.0.1", port))
    return found
