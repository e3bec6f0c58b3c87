"""Serve one FastAPI application until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from granian.constants import Interfaces
from granian.server.embed import Server

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
    asyncio.run(_serve(app, stage))


async def _serve(app: FastAPI, stage: Stage) -> None:
    server = Server(
        app,
        address="127.0.0.1",
        port=stage.port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
        runtime_blocking_threads=1,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()
