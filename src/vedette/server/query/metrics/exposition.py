"""The newest samples of series as Prometheus scrapes them: text 0.0.4, and protobuf, which alone has native histograms.

Neither has custom buckets: such histograms become classic ones.

https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
"""

from __future__ import annotations

import re
import time
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Final

from vedette.server.protobuf import varint
from vedette.server.query.metrics.prompb import (
    bucket_sides,
    double_field,
    field,
    labels,
    number_field,
    sint_field,
)
from vedette.server.query.promql.engine import DEFAULT_LOOKBACK_MS
from vedette.server.query.promql.histogram import CounterReset, Histogram
from vedette.server.query.promql.json_writer import number
from vedette.server.query.promql.source import STALE_NAN_BITS, SelectRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vedette.server.query.promql.labels import Labels, Matcher
    from vedette.server.query.promql.source import SampleSource

    Newest = tuple[str, Labels, float | Histogram, int]
    """The name, the other labels, the value, and its time in milliseconds."""

__all__ = [
    "PROTOBUF_TYPE",
    "TEXT_TYPE",
    "UTF8_TEXT_TYPE",
    "escaped",
    "newest_samples",
    "protobuf_exposition",
    "takes_protobuf",
    "takes_utf8",
    "text_exposition",
    "with_labels",
]

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
UTF8_TEXT_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
PROTOBUF_TYPE: Final = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NO_METRIC: Final = re.compile(r"^[0-9]|[^a-zA-Z0-9_:]")
_NO_LABEL: Final = re.compile(r"^[0-9]|[^a-zA-Z0-9_]")
_LARGEST_WHOLE: Final = 2.0**63
_UNTYPED, _HISTOGRAM, _GAUGE_HISTOGRAM = 3, 4, 5


async def newest_samples(
    source: SampleSource, tenant: str, selectors: Sequence[tuple[Matcher, ...]], max_samples: int
) -> list[Newest]:
    """The newest sample of each series that matches, by name; series that ended are left out.

    Raises:
        QueryLimit: more than `max_samples` samples in the last five minutes.
    """
    now = time.time_ns() // 1_000_000
    requests = [SelectRequest(matchers, now - DEFAULT_LOOKBACK_MS, now) for matchers in selectors]
    answers = await source.select(tenant, requests, max_samples=max_samples)
    newest: dict[Labels, tuple[float | Histogram, int]] = {}
    for answer in answers:
        stale = answer.values.view("u8") == STALE_NAN_BITS
        for one, first, last in zip(answer.labels, answer.first.tolist(), answer.last.tolist(), strict=True):
            if last > first and not stale[last - 1]:
                native = None if answer.histograms is None else answer.histograms[last - 1]
                value = float(answer.values[last - 1]) if native is None else native
                newest[one] = value, int(answer.times_ms[last - 1])
    found = []
    for one, (value, at) in newest.items():
        name = next((text for key, text in one if key == "__name__"), "")
        found.append((name, tuple(pair for pair in one if pair[0] != "__name__"), value, at))
    return sorted(found, key=lambda item: item[:2])


def with_labels(found: Iterable[Newest], more: Mapping[str, str]) -> list[Newest]:
    """Samples with these labels behind their own, where they do not have them."""
    added = sorted(more.items())
    return [
        (name, (*rest, *(pair for pair in added if pair[0] not in have)), value, at)
        for name, rest, value, at in found
        for have in [{key for key, _ in rest}]
    ]


def takes_protobuf(accept: str) -> bool:
    """Whether a scraper that says this in ``Accept`` likes protobuf better than text."""
    best: dict[bool, float] = {}
    for one in accept.split(","):
        kind, *given = (part.strip() for part in one.split(";"))
        parameters = dict(part.partition("=")[::2] for part in given)
        is_ours = parameters.get("proto") == "io.prometheus.client.MetricFamily"
        protobuf = kind == "application/vnd.google.protobuf" and is_ours and parameters.get("encoding") == "delimited"
        if protobuf or kind in {"text/plain", "text/*", "*/*"}:
            try:
                quality = float(parameters.get("q", 1))
            except ValueError:
                continue
            best[protobuf] = max(best.get(protobuf, 0.0), quality)
    return best.get(True, 0.0) > 0 and best[True] >= best.get(False, 0.0)


def takes_utf8(accept: str) -> bool:
    """Whether a scraper that says this in ``Accept`` takes any name; others refuse the whole answer."""
    return any("escaping=allow-utf-8" in one.replace(" ", "").split(";") for one in accept.split(","))


def escaped(found: Iterable[Newest]) -> list[Newest]:
    """Samples with the names that every scraper takes: an underscore for each character that is not for everybody."""
    changed = [
        (
            _NO_METRIC.sub("_", name),
            tuple(sorted((_NO_LABEL.sub("_", key), text) for key, text in rest)),
            value,
            at,
        )
        for name, rest, value, at in found
    ]
    return sorted(changed, key=lambda item: item[:2])


def text_exposition(found: Iterable[Newest]) -> str:
    """Samples as text, which has no form for exponential histograms: they are left out.

    Names that are not for everybody stand in quotes; see `escaped`.
    """
    lines: list[str] = []
    before = ("", "")
    for name, rest, value, at in found:
        native = isinstance(value, Histogram)
        if isinstance(value, Histogram) and not value.is_custom:
            continue
        if before != (before := (name, "histogram" if native else "untyped")):
            shown = name if _METRIC.fullmatch(name) else _quoted(name)
            lines.append(f"# TYPE {shown} {before[1]}")
        if isinstance(value, Histogram):
            lines += _classic_lines(name, rest, value, at)
        else:
            lines.append(_line(name, rest, value, at))
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, rest: Labels, value: float, at: int) -> str:
    pairs = [f"{key if _LABEL.fullmatch(key) else _quoted(key)}={_quoted(text)}" for key, text in rest]
    plain = _METRIC.fullmatch(name) is not None
    series = f"{name}{{{','.join(pairs)}}}" if plain else f"{{{','.join([_quoted(name), *pairs])}}}"
    return f"{series} {number(value).decode()} {at}"


def _classic_lines(name: str, rest: Labels, found: Histogram, at: int) -> list[str]:
    lines = [
        _line(f"{name}_bucket", (*rest, ("le", number(bound).decode())), count, at)
        for bound, count in _cumulative(found)
    ]
    return [*lines, _line(f"{name}_sum", rest, found.sum, at), _line(f"{name}_count", rest, found.count, at)]


def _cumulative(found: Histogram) -> list[tuple[float, float]]:
    """The bounds of custom buckets and how many observations are up to each."""
    bounds = (*found.custom_values, float("inf"))
    return list(zip(bounds, accumulate(found.positive.get(index, 0.0) for index in range(len(bounds))), strict=True))


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def protobuf_exposition(found: Iterable[Newest]) -> bytes:
    """Samples as families, each with its length before it.

    Floats are untyped, as what they are of is not known. Exponential histograms stay native; the format has no custom
    buckets, which become classic ones.
    """
    out = bytearray()
    for (name, kind), samples in groupby(found, key=lambda one: (one[0], _type_of(one[2]))):
        metrics = b"".join(field(4, _metric(rest, value, at)) for _, rest, value, at in samples)
        family = field(1, name.encode()) + number_field(3, kind) + metrics
        out += varint(len(family)) + family
    return bytes(out)


def _type_of(value: float | Histogram) -> int:
    if not isinstance(value, Histogram):
        return _UNTYPED
    return _GAUGE_HISTOGRAM if value.counter_reset is CounterReset.GAUGE else _HISTOGRAM


def _metric(rest: Labels, value: float | Histogram, at: int) -> bytes:
    point = field(7, _histogram(value)) if isinstance(value, Histogram) else field(5, double_field(1, value))
    return labels(rest) + point + number_field(6, at)


def _histogram(found: Histogram) -> bytes:
    if found.is_custom:
        return _classic(found)
    head = double_field(4, found.count) + double_field(2, found.sum)
    # A zero threshold says that the histogram is native, even where it is 0.
    zero = double_field(6, found.zero_threshold) + double_field(8, found.zero_count)
    sides = b"".join([*bucket_sides(found.negative, 9, 11), *bucket_sides(found.positive, 12, 14)])
    return head + sint_field(5, found.schema) + zero + sides


def _classic(found: Histogram) -> bytes:
    buckets = _cumulative(found)
    # Not every Prometheus reads counts that are floats here.
    whole = all(
        count.is_integer() and 0 <= count < _LARGEST_WHOLE for count in (found.count, *(count for _, count in buckets))
    )
    head = number_field(1, int(found.count)) if whole else double_field(4, found.count)
    parts = [head + double_field(2, found.sum)]
    for bound, count in buckets:
        shown = number_field(1, int(count)) if whole else double_field(4, count)
        parts.append(field(3, shown + double_field(2, bound)))
    return b"".join(parts)
