"""HTTPX and HTTPX 2, a package of its own: a client span per attempt, with status, timeouts and repeats to be seen.

The context is sent along. Attributes follow OpenTelemetry's HTTP conventions. The URL's credentials and the values of
its query are masked.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate
from opentelemetry import trace as api
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.trace import SpanKind, Status, StatusCode

from vedette.sdk import http_methods
from vedette.sdk.guard import fault
from vedette.sdk.metrics.registry import registry
from vedette.sdk.traces.span import failure

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["instrument", "uninstrument"]

_REMEMBERED = 2048


class _Requests:
    def __init__(self) -> None:
        self._tracer = api.get_tracer("vedette.httpx")
        self._seconds = registry.histogram(
            "http_client_request_duration_seconds", "Seconds per request", ["method", "host", "status"], unit="s"
        )
        self._failed: OrderedDict[tuple[int, str], int] = OrderedDict()

    def begin(self, request: Any) -> tuple[Span, float, tuple[int, str]]:
        method, url = request.method, request.url
        parent = api.get_current_span().get_span_context().span_id
        shown = f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}{url.path}{'?…' if url.query else ''}"
        attributes: dict[str, Any] = {
            **http_methods.attributes(method),
            "url.full": shown,
            "server.address": url.host,
            "server.port": url.port or {"https": 443}.get(url.scheme, 80),
        }
        key = (parent, f"{method} {shown}")
        if parent and key in self._failed:
            attributes["http.request.resend_count"] = self._failed[key]
        span = self._tracer.start_span(http_methods.span_name(method), kind=SpanKind.CLIENT, attributes=attributes)
        propagate.inject(request.headers, api.set_span_in_context(span))
        return span, perf_counter(), key

    @staticmethod
    def watch_connecting(transport: Any, request: Any, span: Span, *, asynchronous: bool) -> None:
        """Note on the span each time that a transport with `retries` connects anew, which it does by itself."""
        if not getattr(getattr(transport, "_pool", None), "_retries", 0):
            return
        theirs, retries = request.extensions.get("trace"), count(1)

        def note(name: str) -> None:
            if name == "connection.retry.started":
                span.set_attribute("connection.retries", next(retries))
                span.add_event("connection retried")

        def hear(name: str, info: Any) -> None:
            note(name)
            if theirs is not None:
                theirs(name, info)

        async def hear_async(name: str, info: Any) -> None:
            note(name)
            if theirs is not None:
                await theirs(name, info)

        request.extensions = {**request.extensions, "trace": hear_async if asynchronous else hear}

    def end(self, held: tuple[Span, float, tuple[int, str]], request: Any, status: int, error: Any) -> None:
        span, begin, key = held
        if status:
            span.set_attribute("http.response.status_code", status)
        if error is not None:
            kind = f"{type(error).__module__}.{type(error).__qualname__}".replace("httpcore", "httpx")
            span.set_attribute("error.type", kind)
            span.set_attribute("timeout", "Timeout" in kind)
            span.record_exception(error)
            span.set_status(failure(error))
        elif status >= 400:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        if error is not None or status >= 400:
            self._failed[key] = self._failed.pop(key, 0) + 1
            if len(self._failed) > _REMEMBERED:
                self._failed.popitem(last=False)
        outcome = str(status) if status else type(error).__name__
        self._seconds.labels(http_methods.label(request.method), request.url.host, outcome).observe(
            perf_counter() - begin
        )
        span.end()


_installed: dict[str, tuple[Any, Any]] = {}


def instrument(library: str = "httpx") -> None:
    """Watch every client of this process whose transport is the library's own: `httpx` or `httpx2`."""
    if library in _installed:
        return
    module = import_module(library)
    requests = _Requests()
    sync_send = module.HTTPTransport.handle_request
    async_send = module.AsyncHTTPTransport.handle_async_request
    _installed[library] = (sync_send, async_send)

    def begin(transport: Any, request: Any, *, asynchronous: bool) -> Any:
        if get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return None
        try:
            held = requests.begin(request)
            requests.watch_connecting(transport, request, held[0], asynchronous=asynchronous)
        except Exception as error:  # noqa: BLE001 - telemetry must not cost the request
            fault("watching a request", error)
            return None
        return held

    def end(held: Any, request: Any, response: Any, error: BaseException | None) -> None:
        if held is not None:
            try:
                requests.end(held, request, response.status_code if response is not None else 0, error)
            except Exception as own:  # noqa: BLE001 - telemetry must not cost the request
                fault("watching a request", own)

    def handle_request(self: Any, request: Any) -> Any:
        held, response, failure = begin(self, request, asynchronous=False), None, None
        try:
            response = sync_send(self, request)
        except BaseException as error:
            failure = error
            raise
        finally:
            end(held, request, response, failure)
        return response

    async def handle_async_request(self: Any, request: Any) -> Any:
        held, response, failure = begin(self, request, asynchronous=True), None, None
        try:
            response = await async_send(self, request)
        except BaseException as error:
            failure = error
            raise
        finally:
            end(held, request, response, failure)
        return response

    module.HTTPTransport.handle_request = handle_request
    module.AsyncHTTPTransport.handle_async_request = handle_async_request


def uninstrument() -> None:
    """Watch no more."""
    for library, (sync_send, async_send) in _installed.items():
        module = import_module(library)
        module.HTTPTransport.handle_request, module.AsyncHTTPTransport.handle_async_request = sync_send, async_send
    _installed.clear()
