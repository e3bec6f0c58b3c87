"""Finished spans on stderr, one line each, for development."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode, format_trace_id

if TYPE_CHECKING:
    from vedette.sdk.traces.span import Span

__all__ = ["print_span"]


def print_span(span: Span) -> None:
    """Print name, duration, status, ids and attributes of a finished span."""
    status = span.status
    mark = {StatusCode.ERROR: "✗", StatusCode.OK: "✓"}.get(status.status_code, "·")
    took = (span._end - span.start_time) / 1e6
    attributes = " ".join(f"{key}={value!r}" for key, value in span.attributes.items())
    trace_id = format_trace_id(span._trace_id)
    line = f"{mark} {span.name} {took:.3f} ms trace={trace_id} {attributes} {status.description or ''}".rstrip()
    stderr = sys.stderr
    if stderr is not None:
        # Control characters of foreign data must not reach the terminal.
        stderr.write("".join(c if c.isprintable() else repr(c)[1:-1] for c in line) + "\n")
