"""The series that points of OTLP metrics become, by the rules of ``engine/formats/otlp_metrics``.

Used for points whose series nobody has looked at before; a test holds the ids against those that the tables compute.
"""

from __future__ import annotations

import base64
import math
import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from vedette.server.ingest.series_ids import label_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RequestSeries"]

_MASK: Final = (1 << 64) - 1
_MOST_ELEMENTS: Final = 128
_IDENTITY: Final = ("service.name", "service.namespace", "service.instance.id")
_SCOPE_FIELDS: Final = ("name", "version", "schema_url")
_LONGEST_DECIMAL, _LEAST_EXPONENT = 21, -6
_PLAIN_BOUND: Final = re.compile(r"-?(0[.]0{0,3}[1-9]|[1-9][0-9]{0,5}([.]|$))[^e]*")
_NO_VALUE, _CUMULATIVE = 1, 2
_UNITS: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tebibytes", "kBy": "kilobytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes",
    "TBy": "terabytes", "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER_UNITS: Final = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"
}  # fmt: skip


class RequestSeries:
    """The ids of the series of one request's points.

    Args:
        message: An ``ExportMetricsServiceRequest``.
        tenant: Whose it is.
        promoted: The resource attributes that become labels.
    """

    def __init__(self, message: Any, tenant: str, promoted: Iterable[str] = ()) -> None:  # noqa: ANN401 - without types
        self._message = message
        self._promoted = frozenset(promoted)
        self._shared: dict[int, list[Any]] = {}
        self._seed = label_hash("__tenant__", tenant)
        self._targets: dict[int, tuple[list[tuple[str, str]], int]] = {}
        self._scopes: dict[tuple[int, int], tuple[list[tuple[str, str]], int]] = {}
        self._names: dict[tuple[int, int, int], str] = {}

    def of(self, place: tuple[int, int, int, int]) -> set[int]:
        """The ids of a point's series, none if it cannot be kept, and of its resource's ``target_info``."""
        resource, scope, metric, number = place
        about = self._message.resource_metrics[resource].scope_metrics[scope].metrics[metric]
        # A resource is told of by its points' times, whatever becomes of the points.
        told = getattr(about, about.WhichOneof("data")).data_points[number].time_unix_nano
        return {*self.ids(place), *(self.target_info(resource) if told else ())}

    def target_info(self, resource: int) -> list[int]:
        """The id of a resource's ``target_info``, if it has one."""
        return list(filter(None, [self._target(resource)[1]]))

    def ids(self, place: tuple[int, int, int, int]) -> list[int]:
        """The ids of a point's series in the order of its samples, none if it cannot be kept."""
        resource, scope, metric, number = place
        about = self._message.resource_metrics[resource].scope_metrics[scope].metrics[metric]
        kind = about.WhichOneof("data")
        point = getattr(about, kind).data_points[number]
        if not about.name or not point.time_unix_nano:
            return []
        if getattr(getattr(about, kind), "aggregation_temporality", _CUMULATIVE) != _CUMULATIVE:
            return []
        if place[:3] not in self._names:
            self._names[place[:3]] = _name(about, kind)
        added = _added(self._names[place[:3]], kind, point)
        if not added:
            return []
        target, seed = self._scope(resource, scope)
        extra = "le" if kind == "histogram" else "quantile" if kind == "summary" else ""
        attributes = [*point.attributes, *self._promoted_to(point, resource)] if self._promoted else point.attributes
        labels = seed + _attributes_hash(attributes, {name for name, _ in target}, extra)
        return [
            (labels + label_hash("__name__", name) + (label_hash(extra, value) if value else 0)) & _MASK
            for name, value in added
        ]

    def _promoted_to(self, point: Any, resource: int) -> list[Any]:  # noqa: ANN401
        """The promoted attributes of a resource that a point does not have itself."""
        if resource not in self._shared:
            first: dict[str, Any] = {}
            for attribute in self._message.resource_metrics[resource].resource.attributes:
                if attribute.key in self._promoted:
                    first.setdefault(attribute.key, attribute)
            self._shared[resource] = list(first.values())
        own = {attribute.key for attribute in point.attributes}
        return [attribute for attribute in self._shared[resource] if attribute.key not in own]

    def _target(self, resource: int) -> tuple[list[tuple[str, str]], int]:
        """The labels of a resource, and the id of its ``target_info``, 0 if it has none."""
        if resource not in self._targets:
            attributes = self._message.resource_metrics[resource].resource.attributes
            first: dict[str, str] = {}
            for attribute in attributes:
                first.setdefault(attribute.key, _scalar_text(attribute.value))
            name, namespace, instance = (first.get(key, "") for key in _IDENTITY)
            job = f"{namespace}/{name}" if name and namespace else name
            target = [(label, value) for label, value in (("job", job), ("instance", instance)) if value]
            others = [attribute for attribute in attributes if attribute.key not in _IDENTITY]
            info = 0
            if target and others:
                info = self._seed + _sum(target) + _attributes_hash(others, {label for label, _ in target}, "")
                info = (info + label_hash("__name__", "target_info")) & _MASK
            self._targets[resource] = target, info
        return self._targets[resource]

    def _scope(self, resource: int, number: int) -> tuple[list[tuple[str, str]], int]:
        """The labels that the points of a scope share, and their part of the ids."""
        if (resource, number) not in self._scopes:
            scoped = self._message.resource_metrics[resource].scope_metrics[number]
            scope = scoped.scope
            labels = [
                *self._target(resource)[0],
                ("otel_scope_name", scope.name),
                ("otel_scope_version", scope.version),
                ("otel_scope_schema_url", scoped.schema_url),
                *(
                    (f"otel_scope_{one.key}", _scalar_text(one.value))
                    for one in scope.attributes
                    if one.key not in _SCOPE_FIELDS
                ),
            ]
            labels = [pair for pair in labels if pair[1]]
            self._scopes[resource, number] = labels, self._seed + _sum(labels)
        return self._scopes[resource, number]


def _sum(labels: Iterable[tuple[str, str]]) -> int:
    return sum(label_hash(name, value) for name, value in labels)


def _attributes_hash(attributes: Any, target: set[str], extra: str) -> int:  # noqa: ANN401
    """What a point's attributes add to the ids of its series; see the settling of clashes in the tables' SQL."""
    values: dict[str, list[str]] = defaultdict(list)
    for attribute in attributes:
        text = _text(attribute.value)
        if attribute.key not in {"", "__name__", extra} and text and attribute.key not in target:
            values[attribute.key].append(text)
    return _sum((name, ";".join(sorted(texts, key=str.encode))) for name, texts in values.items())


def _name(metric: Any, kind: str) -> str:  # noqa: ANN401
    """The name of a metric's family: unit, unit after "per", and type as suffixes, each once."""
    unit, _, per = (part.strip(" ") for part in metric.unit.partition("/"))
    unit_word = "" if re.search("[{}]", unit) else _UNITS.get(unit, unit)
    per_word = "" if not per or re.search("[{}]", per) else f"per_{_PER_UNITS.get(per, per)}"
    type_word = "total" if kind == "sum" and metric.sum.is_monotonic else ""
    if kind == "gauge" and metric.unit == "1":
        type_word = "ratio"
    stem = _cut(_cut(metric.name, type_word), per_word)
    parts = [stem, "" if stem.endswith(unit_word) else unit_word, per_word, type_word]
    return "_".join([parts[0], *filter(None, parts[1:])])


def _cut(name: str, word: str) -> str:
    fits = word and name.endswith(word) and len(name.encode()) > len(word.encode()) + 1
    return name.encode()[: -len(word.encode()) - 1].decode("utf-8", "replace") if fits else name


def _added(name: str, kind: str, point: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """The names of a point's series, each with the value of the label that tells it from the others of the name."""
    no_value = bool(point.flags & _NO_VALUE)
    if kind in {"gauge", "sum"}:
        return [(name, "")] if no_value or point.WhichOneof("value") else []
    if kind == "exponential_histogram":
        return [(name, "")]
    if kind == "summary":
        quantiles = [(name, _bound(one.quantile)) for one in point.quantile_values]
        return [(f"{name}_count", ""), (f"{name}_sum", ""), *quantiles]
    bounds = list(point.explicit_bounds)
    if point.bucket_counts and len(point.bucket_counts) != len(bounds) + 1:
        return []
    shown = [bound for bound in bounds if bound != math.inf] if point.bucket_counts else []
    sums = [(f"{name}_sum", "")] if no_value or point.HasField("sum") else []
    return [(f"{name}_count", ""), *sums, *((f"{name}_bucket", _bound(bound)) for bound in [*shown, math.inf])]


def _bound(value: float) -> str:
    """A bound as OpenMetrics writes floats."""
    text = _float_text(value)
    special = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN", "0": "0.0", "-0": "0.0"}
    if text in special:
        return special[text]
    if _PLAIN_BOUND.fullmatch(text):
        return text if "." in text else f"{text}.0"
    _, digits, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    shown = "".join(map(str, digits))
    power = len(shown) - 1 + int(exponent)
    mantissa = shown if len(shown) == 1 else f"{shown[0]}.{shown[1:]}"
    return f"{'-' if value < 0 else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


_ESCAPED = {number: f"\\u{number:04X}" for number in (*range(32), 0x2028, 0x2029)} | str.maketrans(
    {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
)


def _float_text(value: float) -> str:
    """A float as the engine writes it: the shortest digits, an exponent below 1e-6 and from 1e21 on."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if not value:
        return f"{sign}0"
    _, digits, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    shown = "".join(map(str, digits))
    point = len(shown) + int(exponent)
    if len(shown) <= point <= _LONGEST_DECIMAL:
        return f"{sign}{shown}{'0' * (point - len(shown))}"
    if 0 < point <= _LONGEST_DECIMAL:
        return f"{sign}{shown[:point]}.{shown[point:]}"
    if _LEAST_EXPONENT < point <= 0:
        return f"{sign}0.{'0' * -point}{shown}"
    mantissa = shown if len(shown) == 1 else f"{shown[0]}.{shown[1:]}"
    return f"{sign}{mantissa}e{point - 1}"


def _scalar_text(value: Any) -> str:  # noqa: ANN401 - an AnyValue
    """The text of a value that is no list."""
    match value.WhichOneof("value"):
        case "string_value":
            return str(value.string_value)
        case "int_value":
            return str(value.int_value)
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "double_value":
            return _float_text(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
    return ""


def _text(value: Any) -> str:  # noqa: ANN401
    """The text of any value; lists are JSON, and what is nested in them is null."""
    match value.WhichOneof("value"):
        case "array_value":
            return f"[{','.join(_json(one) for one in value.array_value.values[:_MOST_ELEMENTS])}]"
        case "kvlist_value":
            entries = value.kvlist_value.values[:_MOST_ELEMENTS]
            return f"{{{','.join(f'{_quoted(one.key)}:{_json(one.value)}' for one in entries)}}}"
    return _scalar_text(value)


def _json(value: Any) -> str:  # noqa: ANN401
    text = _scalar_text(value)
    if value.WhichOneof("value") in {"string_value", "bytes_value"}:
        return _quoted(text)
    return "null" if not text else f'"{text}"' if re.fullmatch("-?(nan|inf)", text) else text


def _quoted(text: str) -> str:
    """A string as the engine's JSON has it."""
    return f'"{text.translate(_ESCAPED)}"'
