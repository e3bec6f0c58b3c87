"""Log levels of running programs, changed from here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from vedette.server.api.context import Admin, Caller, services_of
from vedette.server.control.log_levels import EVERY_SERVICE

if TYPE_CHECKING:
    from vedette.server.control.log_levels import LogLevel

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/log-levels", tags=["log levels"])


class LevelBody(BaseModel):
    """A level to set."""

    model_config = ConfigDict(extra="forbid")

    service: str = Field(EVERY_SERVICE, min_length=1, max_length=200, description="`service.name`; `*` is every one.")
    logger: str = Field("root", max_length=200, description="A logger and those below it.", examples=["app.payments"])
    level: Literal["debug", "info", "warning", "error", "critical"]


class Level(TypedDict):
    """The level that programs of a service are told for a logger."""

    service: str
    logger: str
    level: str
    updated: str


class Levels(TypedDict):
    """What a tenant's programs are told."""

    levels: list[Level]


@router.get("", summary="Log levels that programs are told")
async def list_levels(request: Request, caller: Caller) -> Levels:
    """The tenant's levels, by service and logger. What is not here is as each program has it by itself."""
    found = await asyncio.to_thread(services_of(request).control.log_levels.all, caller.tenant)
    return {"levels": [_document(level) for level in found]}


@router.put("", summary="Set a log level")
async def set_level(request: Request, caller: Admin, body: LevelBody) -> Level:
    """Programs that use the SDK hear of it with the next answer to what they send, within seconds."""
    levels = services_of(request).control.log_levels
    return _document(await asyncio.to_thread(levels.set, caller.tenant, body.service, body.logger, body.level))


@router.delete("", status_code=204, summary="Take a log level back")
async def remove_level(
    request: Request,
    caller: Admin,
    logger: Annotated[str, Query(max_length=200, description="As it was set.")],
    service: Annotated[str, Query(max_length=200, description="As it was set.")] = EVERY_SERVICE,
) -> None:
    """Programs go back to their own level."""
    await asyncio.to_thread(services_of(request).control.log_levels.remove, caller.tenant, service, logger)


def _document(level: LogLevel) -> Level:
    return {
        "service": level.service,
        "logger": level.logger,
        "level": level.level,
        "updated": level.updated.isoformat(),
    }
