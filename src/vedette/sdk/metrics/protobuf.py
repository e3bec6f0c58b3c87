"""Prometheus' protobuf exposition: MetricFamily messages, each after its length; the one format with native histograms.

https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
"""

from __future__ import annotations

import struct
from math import inf
from typing import TYPE_CHECKING, Any

from vedette.sdk.guard import fault
from vedette.sdk.metrics.exponential import ExponentialHistogram
from vedette.sdk.metrics.exposition import buckets_of, by_bucket, exposed_name, label_name
from vedette.sdk.metrics.instruments import Histogram
from vedette.sdk.otlp.wire import delimited, utf8, varint
from vedette.sdk.values import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vedette.sdk.metrics.instruments import Exemplar
    from vedette.sdk.metrics.registry import Family

__all__ = ["protobuf_exposition"]

_TYPES = {"counter": 0, "gauge": 1, "info": 1, "summary": 2, "histogram": 4}
_FINEST_SCHEMA = 8
_BILLION = 1_000_000_000
_double = struct.Struct("<d").pack


def protobuf_exposition(families: Iterable[Family[Any]]) -> bytes:
    """The families, collected before, as messages."""
    out = []
    for family in families:
        if family.series:
            try:
                message = _family(family)
            except Exception as error:  # noqa: BLE001 - one odd metric must not cost the others
                fault(f"exposing the metric {family.name}", error)
            else:
                out.append(varint(len(message)) + message)
    return b"".join(out)


def _family(family: Family[Any]) -> bytes:
    name = exposed_name(family)
    if family.kind in {"counter", "info"}:
        name += "_total" if family.kind == "counter" else "_info"
    parts = [delimited(b"\x0a", utf8(name))]
    if family.help:
        parts.append(delimited(b"\x12", utf8(family.help)))
    parts.append(b"\x18" + varint(_TYPES[family.kind]))
    write = _WRITERS[family.kind]
    for attributes, series in family.items():
        shown = series.labels if family.kind == "info" else attributes
        parts.append(delimited(b"\x22", _labels(shown) + write(series)))
    return b"".join(parts)


def _labels(attributes: Mapping[str, Any]) -> bytes:
    return b"".join([_pair(label_name(key), text_of(value)) for key, value in attributes.items()])


def _pair(name: str, value: str) -> bytes:
    return delimited(b"\x0a", delimited(b"\x0a", utf8(name)) + delimited(b"\x12", utf8(value)))


def _exemplar(tag: bytes, found: Exemplar | None) -> bytes:
    if found is None:
        return b""
    seconds, nanos = divmod(found.time_ns, _BILLION)
    ids = _pair("trace_id", f"{found.trace_id:032x}") + _pair("span_id", f"{found.span_id:016x}")
    at = b"\x08" + varint(seconds) + b"\x10" + varint(nanos)
    return delimited(tag, ids + b"\x11" + _double(found.value) + delimited(b"\x1a", at))


def _counter(series: Any) -> bytes:
    return delimited(b"\x1a", b"\x09" + _double(series.value()) + _exemplar(b"\x12", series.exemplar()))


def _gauge(series: Any) -> bytes:
    return delimited(b"\x12", b"\x09" + _double(series.value()))


def _info(_series: Any) -> bytes:
    return delimited(b"\x12", b"\x09" + _double(1))


def _summary(series: Any) -> bytes:
    parts = [b"\x08" + varint(series.observations) + b"\x11" + _double(series.total)]
    for quantile, value in series.values():
        parts.append(delimited(b"\x1a", b"\x09" + _double(quantile) + b"\x11" + _double(value)))
    return delimited(b"\x22", b"".join(parts))


def _histogram(series: Any) -> bytes:
    head = b"\x08" + varint(series.count()) + b"\x11" + _double(series.total)
    return delimited(
        b"\x3a", head + (_native(series) if isinstance(series, ExponentialHistogram) else _classic(series))
    )


def _classic(series: Any) -> bytes:
    exemplars = by_bucket(series) if isinstance(series, Histogram) else {}
    parts = []
    for place, (bound, count) in enumerate([*buckets_of(series), (inf, series.count())]):
        body = b"\x08" + varint(count) + b"\x11" + _double(bound) + _exemplar(b"\x1a", exemplars.get(place))
        parts.append(delimited(b"\x1a", body))
    return b"".join(parts)


def _native(series: ExponentialHistogram) -> bytes:
    """Schema, zero bucket, and the buckets of both sides as spans and deltas."""
    coarser = max(0, series.scale - _FINEST_SCHEMA)
    out = [b"\x28" + _zigzag(series.scale - coarser), b"\x31" + _double(0), b"\x38" + varint(series.zeros)]
    for side, span_tag, delta_tag in ((series.negative, b"\x4a", b"\x52"), (series.positive, b"\x62", b"\x6a")):
        merged: dict[int, int] = {}
        for index, count in side.items():
            place = (index >> coarser) + 1  # OpenTelemetry numbers a bucket by its lower bound, Prometheus by its upper
            merged[place] = merged.get(place, 0) + count
        out.append(_spans(merged, span_tag, delta_tag))
    if not series.positive and not series.negative:
        out.append(delimited(b"\x62", b"\x08\x00\x10\x00"))  # says that it is native though it is empty
    return b"".join(out)


def _spans(buckets: dict[int, int], span_tag: bytes, delta_tag: bytes) -> bytes:
    spans: list[list[int]] = []  # [offset from the end of the one before, length]
    deltas, before, end = [], 0, 0
    for place in sorted(buckets):
        if spans and place == end:
            spans[-1][1] += 1
        else:
            spans.append([place - end, 1])
        end = place + 1
        deltas.append(_zigzag(buckets[place] - before))
        before = buckets[place]
    shown = [delimited(span_tag, b"\x08" + _zigzag(offset) + b"\x10" + varint(length)) for offset, length in spans]
    return b"".join(shown) + (delimited(delta_tag, b"".join(deltas)) if deltas else b"")


def _zigzag(number: int) -> bytes:
    return varint((number << 1) ^ (number >> 63))


_WRITERS = {"counter": _counter, "gauge": _gauge, "histogram": _histogram, "summary": _summary, "info": _info}
