"""`vedette.instrument`: an application, or every library that is installed."""

from __future__ import annotations

import inspect
import logging
import sys
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

from vedette.errors import SettingsError
from vedette.sdk.configure import runtime
from vedette.sdk.guard import tell
from vedette.sdk.instrumentation.imports import when_imported
from vedette.sdk.web.requests import WebOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint
    from typing import Unpack

    from vedette.sdk.traces.tracer import Tracer

__all__ = ["WebArguments", "instrument", "instrument_libraries"]

_App = TypeVar("_App")
_OWN = {
    "sqlalchemy": ("vedette.sdk.instrumentation.sqlalchemy",),
    "httpx": ("vedette.sdk.instrumentation.httpx", "httpx"),
    "httpx2": ("vedette.sdk.instrumentation.httpx", "httpx2"),
    "celery": ("vedette.sdk.instrumentation.celery",),
}
# Contrib's instrumentations for what is done here, or that would do it a second time.
_LEFT_OUT = frozenset(
    ("sqlalchemy", "httpx", "httpx2", "fastapi", "starlette", "asgi", "wsgi", "flask", "django", "logging",
     "threading", "system_metrics", "asyncio")
)  # fmt: skip
# The top-level module that an instrumentation is for, where its name does not say so.
_MODULES = {
    "kafka_python": "kafka",
    "langchain": "langchain_core",
    "mysqlclient": "MySQLdb",
    "openai_agents": "agents",
    "tortoiseorm": "tortoise",
    "urllib": "urllib.request",
}
_MARK = "_vedette_instrumented"


class WebArguments(TypedDict, total=False):
    """The keyword arguments of `vedette.instrument`; see `web.requests.WebOptions`."""

    namespace: str
    excluded: Iterable[str]
    metrics_path: str | None
    slow_seconds: float
    tenant: Callable[[Mapping[str, str]], str | Mapping[str, Any] | None] | None
    tenant_header: str
    correlation_header: str
    log_requests: bool
    websocket_events: bool


def instrument(app: _App | None = None, /, **options: Unpack[WebArguments]) -> _App:
    """Watch a web application, or with no argument every library that is installed.

    FastAPI, Starlette, Flask and Litestar applications are changed in place; any other ASGI or WSGI callable is
    wrapped, so use what is returned. Call it after `configure`.

    Raises:
        SettingsError: `configure` was not called, an option is unknown, or `app` is no application.
    """
    active = runtime()
    if active is None:
        if app is not None and not _disabled():
            raise SettingsError("vedette.instrument() comes after vedette.configure().")
        return cast("_App", app)
    if app is None:
        instrument_libraries()
        return cast("_App", app)
    tracer = active.provider.get_tracer("vedette.web")
    return cast("_App", _instrument(app, tracer, _options(options)))


def _disabled() -> bool:
    from vedette.sdk.configure import was_disabled  # noqa: PLC0415 - asked only where nothing is configured

    return was_disabled()


def _options(given: WebArguments) -> WebOptions:
    values: dict[str, Any] = dict(given)
    known = WebArguments.__annotations__
    if unknown := values.keys() - known.keys():
        raise SettingsError(f"vedette.instrument() has no option {min(unknown)!r}; it has {', '.join(known)}.")
    if "excluded" in values:
        paths = values["excluded"]
        if isinstance(paths, str) or not all(isinstance(path, str) for path in paths):
            raise SettingsError(f"vedette.instrument(excluded={paths!r}): use a list of paths, such as ['/health'].")
        values["excluded"] = frozenset(paths)
    slow = values.get("slow_seconds", 0)
    if not isinstance(slow, (int, float)) or not slow >= 0:
        raise SettingsError(f"vedette.instrument(slow_seconds={slow!r}): use a number of seconds.")
    tenant = values.get("tenant")
    if tenant is not None and not callable(tenant):
        raise SettingsError(f"vedette.instrument(tenant={tenant!r}): use a function that is given the headers.")
    return WebOptions(**values)


def _instrument(app: Any, tracer: Tracer, options: WebOptions) -> Any:
    from vedette.sdk.metrics.workers import join_workers  # noqa: PLC0415 - loaded with the first application
    from vedette.sdk.web.asgi import AsgiMiddleware  # noqa: PLC0415
    from vedette.sdk.web.errors import django_errors, flask_errors, litestar_errors  # noqa: PLC0415
    from vedette.sdk.web.routes import (  # noqa: PLC0415
        django_routes,
        flask_routes,
        from_environ,
        from_scope,
        starlette_mounts,
    )
    from vedette.sdk.web.wsgi import WsgiMiddleware  # noqa: PLC0415

    if getattr(app, _MARK, False) or isinstance(getattr(app, "asgi_handler", None), AsgiMiddleware):
        return app
    if options.metrics_path is not None:
        active = runtime()
        join_workers(str(active.resource["service.name"]) if active else "")
    if options.log_requests:  # uvicorn's own line says less of the same
        logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    when_imported("starlette.routing", starlette_mounts)
    when_imported("django.core.handlers.base", django_routes)
    when_imported("django.core.signals", django_errors)
    if hasattr(app, "build_middleware_stack"):  # FastAPI, Starlette: outside of all other middleware
        build = app.build_middleware_stack
        app.build_middleware_stack = lambda: AsgiMiddleware(build(), tracer, options, from_scope)
        app.middleware_stack = None
        _quiet_fastapi(app)
    elif hasattr(app, "wsgi_app"):  # Flask
        flask_routes(app)
        flask_errors(app)
        app.wsgi_app = WsgiMiddleware(app.wsgi_app, tracer, options, from_environ)
    elif hasattr(app, "asgi_handler"):  # Litestar
        litestar_errors(app)
        app.asgi_handler = AsgiMiddleware(app.asgi_handler, tracer, options, from_scope)
        return app  # it has slots: its handler is the mark
    elif inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004
        return AsgiMiddleware(app, tracer, options, from_scope)
    elif callable(app):
        return WsgiMiddleware(app, tracer, options, from_environ)
    else:
        raise SettingsError(f"{type(app).__name__} is no ASGI or WSGI application.")
    setattr(app, _MARK, True)
    return app


def _quiet_fastapi(app: Any) -> None:
    """Switch off the telemetry that FastAPI brings itself: it would make each request's span and metrics twice."""
    native = getattr(app, "_telemetry", None)
    if isinstance(native, dict):
        native.update({key: False for key in ("tracing", "metrics", "logs") if key in native})


def instrument_libraries() -> None:
    """Watch what is installed: our own instrumentations, then the contrib ones that are there."""
    from vedette.sdk.instrumentation import processes, threads  # noqa: PLC0415 - loaded when asked for

    threads.instrument()
    processes.instrument()
    for name, home in _OWN.items():
        if find_spec(name) is not None:
            when_imported(name, lambda home=home: _call(*home))  # type: ignore[misc]
    for point in entry_points(group="opentelemetry_instrumentor"):
        library = point.name.replace("-", "_")
        if library not in _LEFT_OUT:
            module = _module_of(library)
            if module is None:
                _instrument_by(point, library)
            else:  # a library that the program never uses costs nothing
                when_imported(module, lambda point=point, library=library: _instrument_by(point, library))  # type: ignore[misc]


def _module_of(library: str) -> str | None:
    """The module whose import brings the library in; `None` if that cannot be told."""
    for name in (_MODULES.get(library), library, library.partition("_")[0]):
        if name and (name in sys.modules or find_spec(name) is not None):
            return name
    return None


def _instrument_by(point: EntryPoint, library: str) -> None:
    try:
        instrumentor = point.load()()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument()
    except Exception as error:  # noqa: BLE001 - one that does not fit must not cost the others
        tell(f"contrib {library}", f"opentelemetry-instrumentation-{library} was left out: {error}")


def _call(home: str, *arguments: str) -> None:
    import_module(home).instrument(*arguments)
