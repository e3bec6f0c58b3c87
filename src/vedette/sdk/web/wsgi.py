"""The WSGI middleware, in front of Flask, Django and any other application (PEP 3333)."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from vedette.sdk import http_methods
from vedette.sdk.context import fields as context_fields
from vedette.sdk.context import named
from vedette.sdk.guard import fault
from vedette.sdk.logs.logger import desk
from vedette.sdk.traces.span import reset_context, set_context
from vedette.sdk.web.errors import answered_error
from vedette.sdk.web.requests import RequestTelemetry, WebOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vedette.sdk.traces.tracer import Tracer
    from vedette.sdk.web.requests import Client, Started

__all__ = ["WsgiMiddleware"]

_LENGTH = len("HTTP_")


class WsgiMiddleware:
    """Watches the requests of `app`.

    A request ends with the last part of its body: when that is closed or exhausted, or has the length that its header
    says. Clients of tests do not close it, and may not ask for more than the first part.
    """

    def __init__(
        self, app: Any, tracer: Tracer, options: WebOptions, find_route: Callable[[dict[str, Any]], str | None]
    ) -> None:
        self.app = app
        self._telemetry = RequestTelemetry(options, tracer)
        self._options = options
        self._find_route = find_route

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle one request."""
        path = environ.get("PATH_INFO", "") or "/"
        if path == self._options.metrics_path:
            return _answer_metrics(environ, start_response)
        if path in self._options.excluded:
            return self._plain(environ, start_response)
        try:
            request = self._begin(environ, path)
        except Exception as error:  # noqa: BLE001 - telemetry must not cost the request
            fault("beginning a request", error)
            return self._plain(environ, start_response)
        return self._watched(request, environ, start_response)

    def _plain(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body: Iterable[bytes] = self.app(environ, start_response)
        return body

    def _begin(self, environ: dict[str, Any], path: str) -> Started:
        headers = {
            key[_LENGTH:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
        }
        key = (
            environ.get("REQUEST_METHOD", "GET"),
            environ.get("wsgi.url_scheme", "http"),
            environ.get("SERVER_NAME", ""),
            environ.get("REMOTE_ADDR", ""),
            headers.get("user-agent", ""),
        )
        client = self._telemetry.clients.get(key) or self._client(*key)
        return self._telemetry.begin(client, path, environ.get("QUERY_STRING") or "", headers)

    def _client(self, method: str, scheme: str, server: str, address: str, agent: str) -> Client:
        attributes = {**http_methods.attributes(method), "url.scheme": scheme}
        if server:
            attributes["server.address"] = server
        if address:
            attributes["client.address"] = address
        key = (method, scheme, server, address, agent)
        return self._telemetry.client(key, method, scheme, address, agent, attributes)

    def _watched(
        self, request: Started, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        state = _State(self, request, environ)
        header = (self._options.correlation_header.title(), request.correlation_id)

        def start_marked(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            state.status = int(status.split(" ", 1)[0])
            state.left = _length(headers)
            return start_response(status, [*headers, header], *rest)

        state.enter()
        try:
            body = self.app(environ, start_marked)
        except BaseException as error:
            state.finish(error)
            raise
        finally:
            state.leave()
        return _watched_body(body, state, environ)

    def finish(self, request: Started, status: int, environ: dict[str, Any], error: BaseException | None) -> None:
        """Record the end of a request; never raises."""
        try:
            self._telemetry.active.dec()
            failure = error if isinstance(error, Exception) else None
            if failure is None and status >= 500:
                failure = answered_error(environ)
            self._telemetry.finish(request, status, self._find_route(environ), failure)
        except Exception as own:  # noqa: BLE001 - telemetry must not cost the request
            fault("finishing a request", own)


class _State:
    """One request on its way through the server's thread."""

    def __init__(self, middleware: WsgiMiddleware, request: Started, environ: dict[str, Any]) -> None:
        self._middleware = middleware
        self.request = request
        self._environ = environ
        self.status = 500
        self.left: int | None = None  # bytes of the body that are still to come, where that is known
        self.begun = False  # whether the client has the status
        self._done = False
        self._context = request.context
        middleware._telemetry.active.inc()

    def enter(self) -> None:
        """Make the request current in this thread."""
        self._token = set_context(self._context)
        outer = context_fields.get()
        fields = self.request.fields
        self._fields_token = context_fields.set({**named(outer), **named(fields)} if outer else fields)

    def leave(self) -> None:
        """Make it current no more."""
        try:
            reset_context(self._token)
            context_fields.reset(self._fields_token)
        except ValueError:  # the server goes on in another context
            pass

    def pass_on(self, part: bytes) -> None:
        """Take note of a part of the body; with the first that is not empty, a server sends the status."""
        if part:
            self.begun = True
        if self.left is not None:
            self.left -= len(part)
            if self.left <= 0:
                self.finish(None)

    def close(self, close: Callable[[], object] | None) -> None:
        """End the request after its body was closed, by `close` where it has that."""
        self.enter()
        error: BaseException | None = None
        try:
            if close is not None:
                close()
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.finish(error)
            self.leave()

    def finish(self, error: BaseException | None) -> None:
        """End the request, once; it is current when this is called."""
        if not self._done:
            self._done = True
            status = 500 if error and not self.begun else self.status
            self._middleware.finish(self.request, status, self._environ, error)


class _Body:
    """The application's body: the request is current while it is made, and ends when it is closed."""

    def __init__(self, body: Iterable[bytes], state: _State) -> None:
        self._body = body
        self._state = state
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._state.enter()
        try:
            if self._parts is None:  # here, since a body may be made by the asking for it
                self._parts = iter(self._body)
            part = next(self._parts)
        except StopIteration:
            self._state.finish(None)
            raise
        except BaseException as error:
            self._state.finish(error)
            raise
        else:
            self._state.pass_on(part)
            return part
        finally:
            self._state.leave()

    def close(self) -> None:
        """Close the application's body and end the request."""
        self._state.close(getattr(self._body, "close", None))


desk.origins[WsgiMiddleware._watched.__code__] = lambda names: names["request"]
desk.origins[_Body.__next__.__code__] = lambda names: names["self"]._state.request


class _SizedBody(_Body):
    """A body whose parts are counted: a server takes the length of a single one for that of the answer."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]  # it was looked at


def _watched_body(body: Iterable[bytes], state: _State, environ: dict[str, Any]) -> Iterable[bytes]:
    """The body as the server may ask for it: a file that it can send by itself has to stay what it is."""
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(body, wrapper):
        with suppress(AttributeError):  # an object that takes no attributes is read in parts
            body.close = partial(state.close, getattr(body, "close", None))  # type: ignore[attr-defined]
            return body
    return (_SizedBody if hasattr(type(body), "__len__") else _Body)(body, state)


def _length(headers: list[tuple[str, str]]) -> int | None:
    for name, value in headers:
        if name.lower() == "content-length" and value.isdecimal():
            return int(value)
    return None


def _answer_metrics(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    from vedette.sdk.metrics.forms import negotiate  # noqa: PLC0415 - loaded by a scrape
    from vedette.sdk.metrics.workers import exposed  # noqa: PLC0415

    form = negotiate(environ.get("HTTP_ACCEPT", ""))
    body = exposed(form)
    start_response("200 OK", [("Content-Type", form.content_type), ("Content-Length", str(len(body)))])
    return [body]
