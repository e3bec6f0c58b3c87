"""The template of the route that a request took (`/orders/{id}`), as each framework tells it."""

from __future__ import annotations

import re
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    FindRoute: TypeAlias = Callable[[MutableMapping[str, Any], str], str | None]

__all__ = ["MOUNTED", "django_routes", "flask_routes", "from_environ", "from_scope", "starlette_mounts"]

ENVIRON_KEY = "vedette.route"
_ANCHORS = re.compile(r"(?:(?<=/)|\A)\^|(?:\$|\\Z)\Z")  # of regular expressions in place of paths
MOUNTED = "vedette.mounted"
"""In a scope: the templates of the mounts that the request went through."""


def from_scope(scope: MutableMapping[str, Any], root_path: str) -> str | None:
    """Starlette and FastAPI put the route, Litestar the template, into the scope; for Django we do.

    Inside a mounted application the mount's template comes first; of other frameworks' mounts, the path that they add
    to the root path. Where no route is known there (static files), the rest is `{path}`.
    """
    template = scope.get("path_template") or scope.get(ENVIRON_KEY)
    if template is None:
        template = _of_route(scope)
    mount = scope.get(MOUNTED)
    if mount is not None:
        return f"{mount}{template}" if isinstance(template, str) else f"{mount}/{{path}}"
    if not isinstance(template, str):
        return None
    reached = scope.get("root_path", "")
    if reached == root_path:
        return template
    mounted = reached.removeprefix(root_path)
    return f"{mounted}{template}" if mounted and not template.startswith(mounted) else template


def _of_route(scope: MutableMapping[str, Any]) -> Any:
    """The template of Starlette's and FastAPI's route.

    Newer FastAPI matches included routers where they stand: the route knows the prefix of its own router alone,
    what it was chosen by (`effective_route_context`) all of them.
    """
    route = scope.get("route")
    own = scope.get("fastapi")
    chosen = own.get("effective_route_context") if type(own) is dict else None
    if chosen is not None and getattr(chosen, "original_route", None) is route:
        route = getattr(chosen, "starlette_route", None) or chosen
    return getattr(route, "path_format", None) or getattr(route, "path", None)


def starlette_mounts() -> None:
    """Let Starlette's mounts leave their templates in the scopes of what goes through them."""
    kind: Any = sys.modules["starlette.routing"].Mount
    matches = kind.matches
    if hasattr(matches, "__wrapped__"):
        return

    @wraps(matches)
    def noting(self: Any, scope: MutableMapping[str, Any]) -> Any:
        found = matches(self, scope)
        child = found[1]
        if child and type(child) is dict:
            child[MOUNTED] = scope.get(MOUNTED, "") + self.path_format.removesuffix("/{path}")
        return found

    kind.matches = noting


def from_environ(environ: MutableMapping[str, Any]) -> str | None:
    """What a framework's hook has left in the environment."""
    found = environ.get(ENVIRON_KEY)
    return found if isinstance(found, str) else None


def flask_routes(app: Any) -> None:
    """Let a Flask application leave its rule in the environment of each request."""
    from flask import request  # noqa: PLC0415 - the application brings it

    def note_rule() -> None:
        if request.url_rule is not None:
            request.environ[ENVIRON_KEY] = request.url_rule.rule

    app.before_request_funcs.setdefault(None, []).insert(0, note_rule)


def django_routes() -> None:
    """Let Django leave the pattern of its URL configuration with each request, whatever its handler is wrapped in."""
    kind: Any = sys.modules["django.core.handlers.base"].BaseHandler
    resolve = kind.resolve_request
    if hasattr(resolve, "__wrapped__"):
        return

    @wraps(resolve)
    def noting(self: Any, request: Any) -> Any:
        found = resolve(self, request)
        held = getattr(request, "environ", None) or getattr(request, "scope", None)
        if held is not None:
            held[ENVIRON_KEY] = f"/{_ANCHORS.sub('', found.route)}"
        return found

    kind.resolve_request = noting
