"""HTTP's methods as OpenTelemetry's conventions write them: there must not be as many as clients think of.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

__all__ = ["attributes", "label", "span_name"]

_KNOWN = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
_OTHER = "_OTHER"


def label(method: str) -> str:
    """The method as a label of metrics."""
    return method if method in _KNOWN else _OTHER


def span_name(method: str) -> str:
    """What stands for the method in a span's name."""
    return method if method in _KNOWN else "HTTP"


def attributes(method: str) -> dict[str, str]:
    """What a span says of the method."""
    if method in _KNOWN:
        return {"http.request.method": method}
    return {"http.request.method": _OTHER, "http.request.method_original": method}
