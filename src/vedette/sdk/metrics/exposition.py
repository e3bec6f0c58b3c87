"""The exposition formats of Prometheus: text 0.0.4 and OpenMetrics 1.0.

Each series keeps its name and labels as finished text, so that a scrape prints numbers only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from vedette.sdk.guard import fault
from vedette.sdk.metrics import instruments
from vedette.sdk.metrics.exponential import ExponentialHistogram
from vedette.sdk.metrics.instruments import Counter, Histogram, number
from vedette.sdk.values import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vedette.sdk.metrics.instruments import Exemplar
    from vedette.sdk.metrics.registry import Family

__all__ = ["buckets_of", "by_bucket", "exposed_name", "exposition", "label_name"]

_TICKS_HEAD, _TICKS_TAIL = len("[count("), -len(")]")
_OTHER = re.compile(r"[^a-zA-Z0-9_:]")
_OTHER_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_UNITS = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "kBy": "kilobytes",
    "MBy": "megabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "W": "watts",
    "%": "percent",
    "Cel": "celsius",
    "Hz": "hertz",
}


def exposed_name(family: Family[Any]) -> str:
    """The family's name as Prometheus allows it, with its unit if it came by OpenTelemetry, and without `_total`."""
    name = _OTHER.sub("_", family.name)
    if name[:1].isdigit():
        name = f"_{name}"
    if family.scope is not None and not family.unit.startswith("{"):
        unit = _UNITS.get(family.unit, "ratio" if family.unit == "1" and family.kind == "gauge" else "")
        if unit and not name.endswith(unit):
            name = f"{name}_{unit}"
    if family.kind == "counter":
        return name.removesuffix("_total")
    return name.removesuffix("_info") if family.kind == "info" else name


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def label_name(name: object) -> str:
    """A label's name as Prometheus allows it."""
    return _OTHER_LABEL.sub("_", str(name))


def _labels(attributes: Mapping[str, Any], *more: tuple[str, str]) -> str:
    pairs = [(label_name(key), text_of(value)) for key, value in attributes.items()]
    text = ",".join([f'{key}="{_escape(value)}"' for key, value in (*pairs, *more)])
    return f"{{{text}}}" if text else ""


def _exemplar(found: Exemplar | None) -> str:
    if found is None:
        return ""
    ids = f'trace_id="{found.trace_id:032x}",span_id="{found.span_id:016x}"'
    return f" # {{{ids}}} {number(found.value)} {found.time_ns / 1e9:.3f}"


def exposition(families: Iterable[Family[Any]], *, openmetrics: bool) -> str:
    """The families, collected before, as text."""
    out: list[str] = []
    for family in families:
        if not family.series:
            continue
        before = len(out)
        try:
            _family(family, openmetrics, out)
        except Exception as error:  # noqa: BLE001 - one odd metric must not cost the others
            del out[before:]
            fault(f"exposing the metric {family.name}", error)
    if openmetrics:
        out.append("# EOF\n")
    return "".join(out)


def _family(family: Family[Any], openmetrics: bool, out: list[str]) -> None:
    name = exposed_name(family)
    kind = family.kind
    shown = name
    if not openmetrics and kind in {"counter", "info"}:
        shown, kind = (f"{name}_total", kind) if kind == "counter" else (f"{name}_info", "gauge")
    if family.help:
        text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        out.append(f"# HELP {shown} {_escape(family.help) if openmetrics else text}\n")
    out.append(f"# TYPE {shown} {kind}\n")
    _WRITERS[family.kind](family, name, openmetrics, out)


def _counters(family: Family[Any], name: str, openmetrics: bool, out: list[str]) -> None:
    for attributes, series in family.items() if openmetrics else ():
        line = series.line or _line(series, f"{name}_total", attributes)
        out.append(f"{line}{series.text()}{_exemplar(series.exemplar())}\n")
    if openmetrics:
        return
    if family.make is not Counter:
        for attributes, series in family.items():
            out.append(f"{series.line or _line(series, f'{name}_total', attributes)}{series.text()}\n")
        return
    plan = family.plan
    if plan is None or plan.series != len(family.series) or plan.epoch != instruments.epoch:
        plan = family.plan = _planned(family, name)
    if plan.ticks:
        # The usual case, ten thousand times a scrape: `[count(42), count(7)]` is taken apart without a loop in Python.
        parts = list(plan.parts)
        parts[1::2] = repr(plan.ticks)[_TICKS_HEAD:_TICKS_TAIL].split("), count(")
        out.extend(parts)
        out.append("\n")
    out.extend([f"{series.line}{series.text()}\n" for series in plan.others])


class _Plan(NamedTuple):
    """A family of counters: the lines of those that only tick, with a gap behind each, their counts, and the others.

    It holds while the family has as many `series`, in the same epoch of the instruments.
    """

    parts: list[str]
    ticks: list[Any]
    others: list[Counter]
    series: int
    epoch: int


def _planned(family: Family[Any], name: str) -> _Plan:
    epoch = instruments.epoch
    parts: list[str] = []
    ticks, others = [], []
    items = family.items()
    for attributes, series in items:
        line = series.line or _line(series, f"{name}_total", attributes)
        if series._cells is None:
            parts += (f"\n{line}" if parts else line, "")
            ticks.append(series._ticks)
        else:
            others.append(series)
    return _Plan(parts, ticks, others, len(items), epoch)


def _line(series: Any, name: str, attributes: Mapping[str, Any]) -> str:
    line: str = f"{name}{_labels(attributes)} "
    series.line = line
    return line


def _gauges(family: Family[Any], name: str, _openmetrics: bool, out: list[str]) -> None:
    for attributes, series in family.items():
        out.append(f"{series.line or _line(series, name, attributes)}{series.text()}\n")


def _infos(family: Family[Any], name: str, _openmetrics: bool, out: list[str]) -> None:
    out.extend([f"{name}_info{_labels(series.labels)} 1\n" for _, series in family.items()])


def _summaries(family: Family[Any], name: str, _openmetrics: bool, out: list[str]) -> None:
    for attributes, series in family.items():
        for quantile, value in series.values():
            out.append(f"{name}{_labels(attributes, ('quantile', number(quantile)))} {number(value)}\n")
        labels = _labels(attributes)
        out.append(f"{name}_sum{labels} {number(series.total)}\n{name}_count{labels} {series.observations}\n")


def _histograms(family: Family[Any], name: str, openmetrics: bool, out: list[str]) -> None:
    for attributes, series in family.items():
        if isinstance(series, ExponentialHistogram):
            pairs = series.classic()
            lines = [f"{name}_bucket{_labels(attributes, ('le', repr(bound)))} " for bound, _ in pairs]
            cumulative = [count for _, count in pairs]
        else:
            lines = _bucket_lines(series, name, attributes)
            cumulative = [count for _, count in buckets_of(series)]
        total = series.count()
        exemplars = by_bucket(series) if openmetrics and isinstance(series, Histogram) else {}
        for place, (line, count) in enumerate(zip(lines, cumulative, strict=False)):
            out.append(f"{line}{count}{_exemplar(exemplars.get(place))}\n")
        labels = _labels(attributes)
        out.append(
            f"{name}_bucket{_labels(attributes, ('le', '+Inf'))} {total}{_exemplar(exemplars.get(len(lines)))}\n"
            f"{name}_sum{labels} {number(series.total)}\n{name}_count{labels} {total}\n"
        )


def buckets_of(series: Any) -> list[tuple[float, int]]:
    """(upper bound, cumulative count) pairs of a classic histogram, without the last, infinite one."""
    out, below = [], 0
    for bound, count in zip(series.bounds, series.counts, strict=False):
        below += count
        out.append((bound, below))
    return out


def _bucket_lines(series: Histogram, name: str, attributes: Mapping[str, Any]) -> list[str]:
    if not series.line:
        series.line = [f"{name}_bucket{_labels(attributes, ('le', repr(bound)))} " for bound in series.bounds]
    lines: list[str] = series.line
    return lines


def by_bucket(series: Histogram) -> dict[int, Exemplar]:
    """The latest exemplar of each bucket."""
    found = {}
    for exemplar in series.exemplars():
        place = next((at for at, bound in enumerate(series.bounds) if exemplar.value <= bound), len(series.bounds))
        found[place] = exemplar
    return found


_WRITERS = {
    "counter": _counters,
    "gauge": _gauges,
    "histogram": _histograms,
    "summary": _summaries,
    "info": _infos,
}
