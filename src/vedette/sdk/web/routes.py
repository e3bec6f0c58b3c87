"""The template of the route that a request took (`/orders/{id}`), as each framework tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    FindRoute: TypeAlias = Callable[[MutableMapping[str, Any], str], str | None]

__all__ = ["django_route", "flask_routes", "from_environ", "from_scope"]

ENVIRON_KEY = "vedette.route"


def from_scope(scope: MutableMapping[str, Any], root_path: str) -> str | None:
    """Starlette and FastAPI put the route, Litestar the template, into the scope.

    Inside a mounted application the mount's path, which Starlette adds to the root path, comes first.
    """
    template = scope.get("path_template")
    if template is None:
        route = scope.get("route")
        template = getattr(route, "path_format", None) or getattr(route, "path", None)
    if not isinstance(template, str):
        return None
    reached = scope.get("root_path", "")
    if reached == root_path:
        return template
    mounted = reached.removeprefix(root_path)
    return f"{mounted}{template}" if mounted and not template.startswith(mounted) else template


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


def django_route(path: str) -> str | None:
    """The pattern of Django's URL configuration that `path` takes."""
    from django.urls import Resolver404, resolve  # type: ignore[import-untyped]  # noqa: PLC0415 - the app's own

    try:
        route: str = resolve(path).route
    except Resolver404:
        return None
    return f"/{route}"
