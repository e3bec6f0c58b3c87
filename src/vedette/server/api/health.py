"""Whether the platform is alive, whether it is ready, and its own metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from vedette.server.api.context import services_of
from vedette.server.telemetry import CONTENT_TYPE

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz", response_class=PlainTextResponse, summary="Whether the server is alive")
async def healthz() -> str:
    """Answers as long as the server runs, whatever the engine does."""
    return "ok\n"


@router.get("/readyz", summary="Whether everything is ready")
async def readyz(request: Request) -> JSONResponse:
    """Ready means: the engine answers, the log is below its bound and on a working disk, and the replay is done.

    Answers 503 with the same document while something is not.
    """
    checks = await services_of(request).readiness.checks()
    ready = all(check["ok"] for check in checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse, summary="The platform's own metrics")
async def metrics(request: Request) -> Response:
    """Figures of all processes in Prometheus' text format 0.0.4."""
    services = services_of(request)
    body = services.telemetry.exposition(services.settings.run_dir)
    return Response(body, headers={"content-type": CONTENT_TYPE})
