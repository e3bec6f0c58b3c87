"""What both middlewares do with a request: a span, metrics by route, a log line, the slow mark."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import SpanKind, Status, StatusCode

from vedette.sdk import clock
from vedette.sdk.context import CORRELATION_ID, TENANT
from vedette.sdk.guard import fault
from vedette.sdk.logs.logger import desk
from vedette.sdk.metrics.registry import registry
from vedette.sdk.traces.span import failure
from vedette.sdk.web.headers import parent_of, safe_id, with_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from vedette.sdk.traces.span import Span
    from vedette.sdk.traces.tracer import Tracer

__all__ = ["DEFAULT_EXCLUDED", "RequestTelemetry", "Started", "WebOptions"]

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
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
_UNMATCHED = "unmatched"
_FAILED = Status(StatusCode.ERROR)


@dataclass(frozen=True, kw_only=True)
class WebOptions:
    """How requests are watched.

    `namespace` begins the metrics' names; `excluded` paths leave no telemetry; `metrics_path` answers with the
    exposition (`None` for not at all); `slow_seconds` marks slow requests; `tenant` finds the tenant from the headers
    (names in lower case), by default from `X-Tenant-ID`; `log_requests` writes a line per request.
    """

    namespace: str = "http_server"
    excluded: frozenset[str] = DEFAULT_EXCLUDED
    metrics_path: str | None = "/metrics"
    slow_seconds: float = 1.0
    tenant: Callable[[Mapping[str, str]], str | None] | None = None
    tenant_header: str = "x-tenant-id"
    correlation_header: str = "x-correlation-id"
    log_requests: bool = True


class Started(NamedTuple):
    """A request that is going on."""

    span: Span
    context: Context
    fields: dict[str, Any]
    correlation_id: str
    method: str
    path: str
    begin_ns: int
    agent: str | None


class _Series(NamedTuple):
    name: str  # of the span
    add: Callable[[], Any]
    seconds: Callable[[float], None]
    seconds_otel: Callable[[float, bool], None]
    failed: Callable[[], Any] | None


class RequestTelemetry:
    """Begins and finishes requests. One for each middleware."""

    def __init__(self, options: WebOptions, tracer: Tracer) -> None:
        self.options = options
        self._tracer = tracer
        name = options.namespace
        labels = ["method", "route", "status"]
        self._total = registry.counter(f"{name}_requests_total", "Requests by outcome", labels)
        self._errors = registry.counter(f"{name}_errors_total", "Requests that failed (5xx)", ["method", "route"])
        self._seconds = registry.histogram(
            f"{name}_request_duration_seconds", "Seconds per request", ["method", "route"], unit="s"
        )
        self.active = registry.gauge(f"{name}_active_requests", "Requests that are going on")
        self._otel = self._otel_histogram()
        self._series: dict[tuple[str, str, int, str], _Series] = {}
        self._channel = desk.channel("vedette.requests")
        self._slow_ns = int(options.slow_seconds * 1e9)
        self._correlation_header = options.correlation_header.lower()
        self._tenant_header = options.tenant_header.lower()

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

    def begin(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        attributes: dict[str, Any],
    ) -> Started:
        """Start the request's span and decide its correlation id and tenant; nothing is current yet.

        The span takes `attributes` over; `http.request.method` and `url.path` are among them.
        """
        context = parent_of(headers)
        agent = headers.get("user-agent")
        if agent:
            attributes["user_agent.original"] = agent
        span = self._tracer.start_owning(method, context, _SERVER, attributes)
        correlation = safe_id(headers.get(self._correlation_header))
        if correlation is None:
            correlation = f"{span._trace_id:032x}"
        fields: dict[str, Any] = {CORRELATION_ID: correlation}
        tenant = self._tenant(headers)
        if tenant:
            fields[TENANT] = tenant
            context = with_tenant(context, tenant)
        held = span._attributes
        if held is not None:
            held[CORRELATION_ID] = correlation
            if tenant:
                held["tenant.id"] = tenant
        return Started(span, context, fields, correlation, method, path, perf_counter_ns(), agent)

    def _tenant(self, headers: Mapping[str, str]) -> str | None:
        find = self.options.tenant
        if find is None:
            return safe_id(headers.get(self._tenant_header))
        try:
            return find(headers)
        except Exception as error:  # noqa: BLE001 - the host's function may do anything; the request goes on
            fault("finding the tenant", error)
            return None

    def finish(
        self, request: Started, status: int, route: str | None, error: BaseException | None, scheme: str, client: str
    ) -> None:
        """End the span, count, and log."""
        end_ns = perf_counter_ns()
        took_ns = end_ns - request.begin_ns
        seconds = took_ns / 1e9
        span, method = request.span, request.method if request.method in _METHODS else "_OTHER"
        shown = route or _UNMATCHED
        slow = took_ns >= self._slow_ns
        series = self._series.get((method, shown, status, scheme)) or self._new_series(method, shown, status, scheme)
        held = span._attributes
        if held is not None and not span._end:
            if route:
                span.name = series.name
                held["http.route"] = route
            held["http.response.status_code"] = status
            if slow:
                held["slow"] = True
            if error is not None or status >= 500:
                self._fail(span, status, error)
        series.add()
        series.seconds(seconds)
        series.seconds_otel(seconds, True)
        if series.failed is not None:
            series.failed()
        if self.options.log_requests:
            self._log(request, status, route, slow=slow, seconds=seconds, client=client)
        span.end(end_ns + clock.anchor)

    @staticmethod
    def _fail(span: Span, status: int, error: BaseException | None) -> None:
        if error is not None:
            span.record_exception(error, escaped=True)
            span.set_status(failure(error))
            span.set_attribute("error.type", type(error).__qualname__)
        else:
            span.set_status(_FAILED)
            span.set_attribute("error.type", str(status))

    def _new_series(self, method: str, route: str, status: int, scheme: str) -> _Series:
        attributes = {
            "http.request.method": method,
            "url.scheme": scheme,
            "http.response.status_code": status,
            "network.protocol.name": "http",
        }
        if route != _UNMATCHED:
            attributes["http.route"] = route
        otel = self._otel
        found = getattr(otel, "_series", None)
        observe = (
            found.of(attributes).observe if found is not None else (lambda value, _: otel.record(value, attributes))
        )
        series = _Series(
            f"{method} {route}",
            self._total.labels(method, route, str(status)).inc,
            self._seconds.labels(method, route).observe,
            observe,
            self._errors.labels(method, route).inc if status >= 500 else None,
        )
        if len(self._series) < registry.max_series:
            self._series[method, route, status, scheme] = series
        return series

    def _log(
        self, request: Started, status: int, route: str | None, *, slow: bool, seconds: float, client: str
    ) -> None:
        sink = desk.sink
        level = _ERROR if status >= 500 else _WARNING if slow else _INFO
        if sink is None or self._channel.level > level:
            return
        fields = {
            "method": request.method,
            "path": request.path,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "client": client,
        }
        if route:
            fields["route"] = route
        if request.agent:
            fields["user_agent"] = request.agent
        if slow:
            fields["slow"] = True
        # A plain tuple in the shape of `Captured`, as the loggers make them.
        span = request.span
        sink((time_ns(), level, self._channel, "request", (), fields, None, request.fields, span, None, "", None))
