"""Backups: ask for one, list them, go back to one. Needs the scope admin."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from vedette.server.api.context import Admin, services_of
from vedette.server.backup import Manifest, Status

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/backups", tags=["backups"])


class BackupRequest(BaseModel):
    """A backup to be made."""

    name: str = Field(description="its name: letters, digits, dot, dash, underscore", examples=["2026-07-01"])


@router.get("", summary="List the finished backups")
async def list_backups(request: Request, _caller: Admin) -> list[Manifest]:
    """Newest first."""
    return await asyncio.to_thread(services_of(request).backups.list)


@router.get("/status", summary="How the latest request stands")
async def status(request: Request, _caller: Admin) -> Status:
    """`state` is waiting, running, done or failed."""
    return services_of(request).backups.status()


@router.post("", status_code=202, summary="Make a backup")
async def make(request: Request, asked: BackupRequest, _caller: Admin) -> Status:
    """Everything acknowledged before this request will be in it. Ingest and queries go on meanwhile."""
    return await asyncio.to_thread(services_of(request).backups.request, "backup", asked.name)


@router.post("/{name}/restore", status_code=202, summary="Go back to a backup")
async def restore(request: Request, name: str, _caller: Admin) -> Status:
    """Replace everything stored by what the backup holds. What waits in the log is loaded on top."""
    return await asyncio.to_thread(services_of(request).backups.request, "restore", name)
