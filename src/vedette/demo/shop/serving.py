"""Serve one FastAPI application until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

from granian.constants import Interfaces
from granian.server.embed import Server
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from opentelemetry.trace import Span

    from vedette.demo.stage import Stage

__all__ = ["serve"]


def serve(
    app: FastAPI, stage: Stage, *, server_request_hook: Callable[[Span, dict[str, Any]], None] | None = None
) -> None:
    """Instrument and serve `app` on the port of its stage; returns after SIGTERM or SIGINT.

    `server_request_hook` may add attributes to the span of each request.
    """

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"service": stage.service, "version": stage.version, "instance": stage.instance}

    FastAPIInstrumentor.instrument_app(
        app, excluded_urls="healthz", exclude_spans=["receive", "send"], server_request_hook=server_request_hook
    )
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
