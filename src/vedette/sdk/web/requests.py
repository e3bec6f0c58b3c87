"""What both middlewares do with a request: a span, metrics by route, a log line, the slow mark."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation import _SPAN_KEY

from vedette.sdk import clock, http_methods
from vedette.sdk.context import CORRELATION_ID, TENANT
from vedette.sdk.guard import fault
from vedette.sdk.logs.logger import describe, desk
from vedette.sdk.logs.records import Captured, Site
from vedette.sdk.metrics.registry import registry
from vedette.sdk.traces.span import current_context, failure
from vedette.sdk.values import Shared, text_of
from vedette.sdk.web.headers import parent_of, safe_id, with_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vedette.sdk.logs.records import Record
    from vedette.sdk.metrics.instruments import Tally
    from vedette.sdk.traces.span import Span
    from vedette.sdk.traces.tracer import Tracer

__all__ = [
    "DEFAULT_EXCLUDED",
    "UNMATCHED",
    "WEBSOCKET",
    "Client",
    "RequestTelemetry",
    "Started",
    "WebOptions",
    "mark_failed",
]

DEFAULT_EXCLUDED = frozenset(
    (
        "/health",
        "/healthz",
        "/health/live",
        "/health/ready",
        "/livez",
        "/readyz",
        "/live",
        "/ready",
        "/ping",
        "/metrics",
    )
)
_SERVER = SpanKind.SERVER
_INFO, _WARNING, _ERROR = 20, 30, 40
_HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
UNMATCHED = "unmatched"
WEBSOCKET = "WEBSOCKET"
"""What stands in a method's place where the client asks for a WebSocket."""
_MOST_CLIENTS = 1024
_MOST_OUTCOMES = 4096
_FAILED = Status(StatusCode.ERROR)
_put = dict.__setitem__


@dataclass(frozen=True, kw_only=True)
class WebOptions:
    """How requests are watched.

    `namespace` begins the metrics' names; `excluded` paths leave no telemetry; `metrics_path` answers with the
    exposition (`None` for not at all); `slow_seconds` marks slow requests; `tenant` finds the tenant from the headers
    (names in lower case), by default from `X-Tenant-ID`, and may say more of it for the span, such as its quota:
    ``{"id": "acme", "quota": 1000}``; `log_requests` writes a line per request; `websocket_events` notes each
    message of a WebSocket on its connection's span.
    """

    namespace: str = "http_server"
    excluded: frozenset[str] = DEFAULT_EXCLUDED
    metrics_path: str | None = "/metrics"
    slow_seconds: float = 1.0
    tenant: Callable[[Mapping[str, str]], str | Mapping[str, Any] | None] | None = None
    tenant_header: str = "x-tenant-id"
    correlation_header: str = "x-correlation-id"
    log_requests: bool = True
    websocket_events: bool = False


class Started:
    """A request that is going on; its span is the current one in `context`."""

    __slots__ = ("begin_ns", "client", "context", "correlation_id", "fields", "path", "span")

    def __init__(
        self,
        span: Span,
        context: Context,
        fields: dict[str, Any] | str,
        correlation_id: str,
        client: Client,
        path: str,
        begin_ns: int,
    ) -> None:
        self.span = span
        self.context = context
        self.fields = fields
        self.correlation_id = correlation_id
        self.client = client
        self.path = path
        self.begin_ns = begin_ns


class Client:
    """What the requests of one client by one method have in common, and how they came out so far."""

    __slots__ = ("address", "agent", "method", "outcomes", "scheme", "shared", "span_name")

    def __init__(self, method: str, scheme: str, address: str, agent: str, shared: Shared) -> None:
        self.method = method
        self.span_name = method if method == WEBSOCKET else http_methods.span_name(method)
        self.scheme = scheme
        self.address = address
        self.agent = agent
        self.shared = shared
        self.outcomes: dict[tuple[str | None, int], _Outcome] = {}


@dataclass(slots=True)
class _Outcome:
    """What requests of one client have in common that took the same route and got the same status."""

    name: str | None  # of the span
    attributes: Shared
    fields: Shared  # of the log line
    level: int
    observe: Callable[[float, bool], None]  # their seconds, with an exemplar


class RequestTelemetry:
    """Begins and finishes requests. One for each middleware.

    What many requests have in common is made once: `Client` and `_Outcome` hold it, and the encoders keep its bytes.
    """

    def __init__(self, options: WebOptions, tracer: Tracer) -> None:
        self.options = options
        self._tracer = tracer
        name = options.namespace
        labels = ["method", "route", "status"]
        self._total = registry.counter(f"{name}_requests_total", "Requests by outcome", labels)
        self._errors = registry.counter(
            f"{name}_errors_total", "Requests that failed (5xx, or broken off)", ["method", "route"]
        )
        self._seconds = registry.histogram(
            f"{name}_request_duration_seconds", "Seconds per request", ["method", "route"], unit="s"
        )
        self.active = registry.gauge(f"{name}_active_requests", "Requests that are going on")
        self._otel = self._otel_histogram()
        self._observe: dict[tuple[str, str | None, int, str], Callable[[float, bool], None]] = {}
        self._tallies: dict[tuple[Any, ...], Tally] = {}
        self.clients: dict[Any, Client] = {}
        self._outcomes = 0
        self._channel = desk.channel("vedette.requests")
        self._sites: dict[int, Site] = {}
        self._slow_ns = int(options.slow_seconds * 1e9)
        self._correlation_header = options.correlation_header.lower()
        self._tenant_header = options.tenant_header.lower()
        self._asks_tenant = options.tenant is not None
        self._log_requests = options.log_requests

    @staticmethod
    def _otel_histogram() -> Any:
        from opentelemetry import metrics  # noqa: PLC0415 - loaded with the first middleware

        meter = metrics.get_meter("vedette.web")
        return meter.create_histogram(
            "http.server.request.duration",
            "s",
            "Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=_HTTP_BOUNDS,
        )

    def client(
        self, key: Any, method: str, scheme: str, address: str, agent: str, attributes: dict[str, Any]
    ) -> Client:
        """Make the client that `clients` holds under `key` from now on.

        `attributes` are those of the spans of all its requests, scalars that come from `key`.
        """
        if agent:
            attributes["user_agent.original"] = agent
        if len(self.clients) >= _MOST_CLIENTS:
            self._forget()
        made = self.clients[key] = Client(method, scheme, address, agent, Shared(attributes))
        return made

    def _forget(self) -> None:
        self.clients.clear()
        self._outcomes = 0

    def begin(self, client: Client, path: str, query: str, headers: Mapping[str, str]) -> Started:
        """Start the request's span and decide its correlation id and tenant; nothing is current yet."""
        base = parent_of(headers) if headers else current_context()
        begin_ns = perf_counter_ns()
        span = self._tracer.start_request(client.span_name, base, _SERVER, begin_ns + clock.anchor, client.shared, path)
        correlation = safe_id(headers.get(self._correlation_header)) if headers else None
        if correlation is None:
            correlation = span._trace_id.to_bytes(16).hex()
        fields: dict[str, Any] | str = correlation
        if span._path is not None:
            span._correlation = correlation
        else:
            span.set_attribute(CORRELATION_ID, correlation)
        if query:
            span.set_attribute("url.query", query)
        tenant = self._tenant(headers, span) if headers or self._asks_tenant else None
        if tenant:
            fields = {CORRELATION_ID: correlation, TENANT: tenant}
            base = with_tenant(base, tenant)
            span.set_attribute("tenant.id", tenant)
        context = Context(base)
        _put(context, _SPAN_KEY, span)
        return Started(span, context, fields, correlation, client, path, begin_ns)

    def _tenant(self, headers: Mapping[str, str], span: Span) -> str | None:
        """The tenant's id; what else the host's function says of it goes to the span's attributes."""
        find = self.options.tenant
        if find is None:
            return safe_id(headers.get(self._tenant_header))
        try:
            found = find(headers)
            if found is None or isinstance(found, str):
                return found
            span.set_attributes({f"tenant.{key}": value for key, value in found.items()})
            return text_of(found["id"]) if found.get("id") is not None else None
        except Exception as error:  # noqa: BLE001 - the host's function may do anything; the request goes on
            fault("finding the tenant", error)
            return None

    def finish(
        self, request: Started, status: int, route: str | None, error: BaseException | None, answered_ns: int = 0
    ) -> None:
        """End the span, count, and log. The request ended when it was `answered_ns`; background tasks come after it."""
        end_ns = answered_ns or perf_counter_ns()
        took_ns = end_ns - request.begin_ns
        span, client = request.span, request.client
        outcome = client.outcomes.get((route, status)) or self._outcome(client, route, status)
        slow = took_ns >= self._slow_ns
        if span.is_recording():
            if outcome.name is not None:
                span.name = outcome.name
            if span._shared is not None:
                span._shared = outcome.attributes
            else:
                held = span._attributes or {}  # what the program has set itself stays
                span.set_attributes({key: value for key, value in outcome.attributes.items() if key not in held})
            if slow:
                span.set_attribute("slow", True)
            if error is not None or status >= 500:
                mark_failed(span, status, error)
        outcome.observe(took_ns / 1e9, True)
        if error is not None and status < 500:  # the answer broke off; its client had been told that all is well
            self._errors.labels(http_methods.label(client.method), route or UNMATCHED).inc()
        if self._log_requests:
            sink = desk.sink
            level = outcome.level
            if error is not None:  # it may come after an answer's beginning
                level = _ERROR
            elif slow and level < _WARNING:
                level = _WARNING
            if sink is not None and self._channel.level <= level:
                sink(self._record(request, outcome, level, end_ns, slow, error))
        span.end(end_ns + clock.anchor)

    def _record(
        self, request: Started, outcome: _Outcome, level: int, end_ns: int, slow: bool, error: BaseException | None
    ) -> Record:
        """What the logs say of a request."""
        path, at, span = request.path, end_ns + clock.anchor, request.span
        took_ms = (end_ns - request.begin_ns + 500) // 1000 / 1000
        if error is None and not slow:
            site = self._sites.get(level)
            if site is None:
                site = self._sites[level] = Site(self._channel, level, 0, ("path", "duration_ms"), (str, float))
            return (site, at, outcome.fields, request.fields, span, "request", path, took_ms)
        fields: dict[str, Any] = {"path": path, "duration_ms": took_ms}
        if slow:
            fields["slow"] = True
        said = None if error is None else describe(error)
        return Captured(
            at, level, self._channel, "request", (), fields, outcome.fields, request.fields, span, said
        ).record()

    def _outcome(self, client: Client, route: str | None, status: int) -> _Outcome:
        method = http_methods.label(client.method)
        key = (method, route, status, client.scheme)
        observe = self._observe.get(key) or self._new_observe(*key)
        fields = {"method": client.method, "status": status, "client": client.address}
        ending: dict[str, Any] = {"http.response.status_code": status}
        if route:
            fields["route"] = ending["http.route"] = route
        if client.agent:
            fields["user_agent"] = client.agent
        level = _ERROR if status >= 500 else _INFO
        name = f"{client.span_name} {route}" if route else None
        outcome = _Outcome(name, Shared({**client.shared, **ending}), Shared(fields), level, observe)
        self._outcomes += 1
        if self._outcomes >= _MOST_OUTCOMES:
            self._forget()
        client.outcomes[route, status] = outcome
        return outcome

    def _new_observe(self, method: str, route: str | None, status: int, scheme: str) -> Callable[[float, bool], None]:
        """What takes the seconds of such requests: one tally of all metrics."""
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.scheme": scheme,
            "http.response.status_code": status,
            "network.protocol.name": "http",
        }
        if route:
            attributes["http.route"] = route
        otel = self._otel
        found = getattr(otel, "_series", None)
        exemplified = None if found is None else found.of(attributes)
        shown = route or UNMATCHED
        series = [self._total.labels(method, shown, str(status)), self._seconds.labels(method, shown)]
        if status >= 500:
            series.append(self._errors.labels(method, shown))
        if exemplified is not None:
            series.append(exemplified)
        tally = self._tallies.get((*series,))  # many share those of metrics that are full
        if tally is None:
            tally = self._tallies[*series,] = registry.tally(series, exemplified)
        observe: Callable[[float, bool], None] = tally.observe
        if found is None:  # another provider's histogram

            def observe(value: float, exemplar: bool) -> None:
                tally.observe(value, exemplar)
                otel.record(value, attributes)

        if len(self._observe) < registry.max_series:
            self._observe[method, route, status, scheme] = observe
        return observe


def mark_failed(span: Span, status: int, error: BaseException | None) -> None:
    """Say on a span that it failed: by its exception, or by what the client was told."""
    if error is not None:
        span.record_exception(error, escaped=True)
        span.set_status(failure(error))
        span.set_attribute("error.type", type(error).__qualname__)
    else:
        span.set_status(_FAILED)
        span.set_attribute("error.type", str(status))
