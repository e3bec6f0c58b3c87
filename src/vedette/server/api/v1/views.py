"""Saved views of the pages, shared by everybody who reads the tenant."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from vedette.errors import UnsupportedMedia
from vedette.server.api.context import Caller, services_of
from vedette.server.control.views import MAX_NAME_CHARACTERS

if TYPE_CHECKING:
    from vedette.server.control.views import SavedView, SavedViews

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/views", tags=["views"])

_PAGE: Final = r"^[a-z][a-z-]{0,31}$"

ViewId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="The `id` of a view.")]


class ViewBody(BaseModel):
    """A view to keep."""

    model_config = ConfigDict(extra="forbid")

    page: str = Field(pattern=_PAGE, description="Which page shows it, for example `logs`.", examples=["logs"])
    name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS, examples=["Errors of checkout"])
    state: dict[str, Any] = Field(
        description="What the page needs to show the same again.", examples=[{"q": "severity:error service:checkout"}]
    )


class View(TypedDict):
    """A saved view."""

    id: str
    page: str
    name: str
    state: dict[str, Any]
    created: str
    updated: str


class Views(TypedDict):
    """The saved views of a tenant."""

    views: list[View]


@router.get("", summary="Saved views")
async def list_views(
    request: Request,
    caller: Caller,
    page: Annotated[str, Query(pattern=r"^[a-z-]{0,32}$", description="Only those of this page.")] = "",
) -> Views:
    """The tenant's views, by page and name."""
    found = await asyncio.to_thread(_views(request).all, caller.tenant, page)
    return {"views": [_document(view) for view in found]}


@router.post("", status_code=201, summary="Save a view")
async def save_view(request: Request, caller: Caller, body: ViewBody) -> View:
    """Keeps what a page shows under a name, for all who read the tenant. A page has each name once."""
    _need_json(request)
    return _document(await asyncio.to_thread(_views(request).create, caller.tenant, **body.model_dump()))


@router.put("/{view_id}", summary="Change a view")
async def change_view(request: Request, caller: Caller, view_id: ViewId, body: ViewBody) -> View:
    """Gives a view another name or state."""
    _need_json(request)
    return _document(await asyncio.to_thread(_views(request).replace, caller.tenant, view_id, **body.model_dump()))


@router.delete("/{view_id}", status_code=204, summary="Delete a view")
async def delete_view(request: Request, caller: Caller, view_id: ViewId) -> None:
    """Forgets a view."""
    await asyncio.to_thread(_views(request).delete, caller.tenant, view_id)


def _need_json(request: Request) -> None:
    """Another site's form can send a body to an address on this machine, but not as JSON without being asked first."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMedia("Send the view as JSON, with Content-Type: application/json.")


def _views(request: Request) -> SavedViews:
    return services_of(request).control.views


def _document(view: SavedView) -> View:
    return {
        "id": view.id,
        "page": view.page,
        "name": view.name,
        "state": view.state,
        "created": view.created.isoformat(),
        "updated": view.updated.isoformat(),
    }
