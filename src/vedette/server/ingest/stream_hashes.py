# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""What tells the streams of OTLP metrics apart: hashes of resources, scopes and metrics, for compiled functions.

A stream is what the OpenTelemetry data model calls one: a resource, a scope, a metric and a set of attributes, in
whatever order they come. The messages are as the protobuf runtime writes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import lean
from vedette.server.ingest.protobuf_kernel import BYTES, field
from vedette.server.ingest.series_ids import mixed, siphash

__all__ = ["fields_hash", "metric_hash", "resource_hash", "scope_hash"]

_SUMS = 7


@lean
def fields_hash(data: Any, at: int, end: int, wanted: int) -> Any:
    """A hash of the fields of bytes with one number, whatever their order."""
    total = np.uint64(0)
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number == wanted and kind == BYTES:
            total += siphash(data, begin, at)
    return total


@lean
def resource_hash(data: Any, at: int, end: int) -> Any:
    """A hash of the attributes of the resource of a ResourceMetrics, whatever their order."""
    total = np.uint64(0)
    while at < end:
        number, kind, begin, at, _ = field(data, at, end)
        if number == 1 and kind == BYTES:
            total += fields_hash(data, begin, at, 1)
    return total


@lean
def scope_hash(data: Any, at: int, end: int) -> Any:
    """A hash of a ScopeMetrics' scope and the URL of its schema."""
    return mixed(fields_hash(data, at, end, 1), fields_hash(data, at, end, 3))


@lean
def metric_hash(data: Any, at: int, end: int, points: int) -> Any:
    """A hash of a metric's name, unit and kind."""
    monotonic = np.uint64(points)
    scan = at
    while scan < end:
        number, kind, begin, scan, _ = field(data, scan, end)
        if number == _SUMS and kind == BYTES:
            while begin < scan:
                part, _, _, begin, value = field(data, begin, scan)
                if part == 3:
                    monotonic = np.uint64(points) + np.uint64(16 if value else 0)
    return mixed(mixed(fields_hash(data, at, end, 1), fields_hash(data, at, end, 3)), monotonic)
