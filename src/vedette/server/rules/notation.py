"""Series as tests write them: ``up{job="a"}`` with values like ``0 1+2x3 _ stale {{schema:0 count:1 buckets:[1]}}``.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vedette.errors import SettingsError
from vedette.server.query.metrics.prompb import STALE
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.gotext import parse_number
from vedette.server.query.promql.histogram import COARSEST, CUSTOM_BUCKETS_SCHEMA, FINEST, CounterReset, Histogram
from vedette.server.query.promql.histogram_sum import add, subtract
from vedette.server.query.promql.parser import parse_selector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vedette.server.query.promql.labels import Labels
    from vedette.server.rules.recent import Point

__all__ = ["parse_histogram", "parse_labels", "parse_values"]

_NUMBER: Final = r"[+-]?(?:[iI]nf(?:inity)?|[nN]a[nN]|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_ITEM: Final = re.compile(
    rf"(?P<gap>_)(?:x(?P<gaps>\d+))?|(?P<stale>stale)|(?P<native>\{{\{{[^}}]*\}}\}})(?:(?P<sign>[+-])"
    rf"(?P<by>\{{\{{[^}}]*\}}\}}))?(?:x(?P<natives>\d+))?|(?P<first>{_NUMBER})(?:(?P<delta>[+-]\s*(?:{_NUMBER}))?x(?P<times>\d+))?"
)
_FIELD: Final = re.compile(r"\s*(\w+):(\[[^\]]*\]|\S+)")
_MOST_SAMPLES: Final = 10_000_000
_HINTS: Final = {
    "unknown": CounterReset.UNKNOWN,
    "reset": CounterReset.RESET,
    "not_reset": CounterReset.NOT_RESET,
    "gauge": CounterReset.GAUGE,
}
_LISTS: Final = {"buckets", "n_buckets", "custom_values"}
_SCALARS: Final = {"schema", "sum", "count", "z_bucket", "z_bucket_w", "offset", "n_offset"}


def parse_labels(text: str) -> Labels:
    """A series by its name and labels.

    Raises:
        SettingsError: it is none.
    """
    if text.strip() in {"", "{}"}:
        return ()
    try:
        matchers = parse_selector(text)
    except ParseError as error:
        raise SettingsError(f"{text!r} is no series: {error}.") from error
    if any(matcher.op != "=" for matcher in matchers):
        raise SettingsError(f"{text!r} is no series: its labels are given by = alone.")
    return tuple(sorted((matcher.name, matcher.value) for matcher in matchers if matcher.value))


def parse_values(text: str) -> list[Point | None]:
    """The samples of a series, None where there is none.

    Raises:
        SettingsError: something in it is no value.
    """
    found: list[Point | None] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _ITEM.match(text, at)
        if match is None or not (match.end() == len(text) or text[match.end()].isspace()):
            raise SettingsError(
                f"values: {text[at : at + 20]!r} is no value such as 1, 1+2x3, _x5, stale or {{{{…}}}}."
            )
        found += _item(match)
        if len(found) > _MOST_SAMPLES:
            raise SettingsError(f"values: more than {_MOST_SAMPLES:,} samples.")
        at = match.end()
    return found


def _item(match: re.Match[str]) -> list[Point | None]:
    if match["gap"]:
        return [None] * _count(match["gaps"] or "1")
    if match["stale"]:
        return [STALE]
    if match["native"]:
        return _histograms(match)
    first = parse_number(match["first"].lstrip("+"))
    if match["times"] is None:
        return [first]
    delta = parse_number(re.sub(r"\s|^\+", "", match["delta"])) if match["delta"] else 0.0
    out: list[Point | None] = []
    value = first
    for _ in range(_count(match["times"]) + 1):
        out.append(value)
        value += delta
    return out


def _count(text: str) -> int:
    if int(text) > _MOST_SAMPLES:
        raise SettingsError(f"values: more than {_MOST_SAMPLES:,} samples.")
    return int(text)


def _histograms(match: re.Match[str]) -> list[Point | None]:
    value = parse_histogram(match["native"])
    by = parse_histogram(match["by"]) if match["by"] else None
    out: list[Point | None] = [value]
    for _ in range(_count(match["natives"]) if match["natives"] else 0):
        if by is not None:
            value = value.copy()
            (add if match["sign"] == "+" else subtract)(value, by)
        out.append(value)
    return out


def parse_histogram(text: str) -> Histogram:
    """A native histogram from ``{{schema:0 sum:1 count:2 buckets:[1 1]}}``.

    Raises:
        SettingsError: it is none.
    """
    body = text.strip().removeprefix("{{").removesuffix("}}").strip()
    numbers = dict.fromkeys(_SCALARS, 0.0)
    lists: dict[str, list[float]] = {name: [] for name in _LISTS}
    hint, at = CounterReset.UNKNOWN, 0
    while at < len(body):
        match = _FIELD.match(body, at)
        if match is None:
            raise SettingsError(f"{text} is no histogram: {body[at : at + 20]!r} is not of the form name:value.")
        name, value, at = match[1], match[2], match.end()
        try:
            if name == "counter_reset_hint":
                hint = _HINTS[value]
            elif name in _LISTS and value.startswith("["):
                lists[name] = [parse_number(part) for part in value[1:-1].split()]
            else:
                numbers[name] = _signed(numbers, name, value)
        except (KeyError, ValueError) as error:
            raise SettingsError(f"{text} is no histogram: {name}:{value} is not known.") from error
    schema = CUSTOM_BUCKETS_SCHEMA if lists["custom_values"] else numbers["schema"]
    if schema not in (CUSTOM_BUCKETS_SCHEMA, *range(COARSEST, FINEST + 1)):
        raise SettingsError(f"{text} is no histogram: schema:{schema:g} is none of {COARSEST} to {FINEST}.")

    def side(buckets: list[float], offset: float) -> dict[int, float]:
        return {int(offset) + place: count for place, count in enumerate(buckets) if count}

    return Histogram(
        int(schema),
        numbers["count"],
        numbers["sum"],
        numbers["z_bucket"],
        numbers["z_bucket_w"],
        side(lists["buckets"], numbers["offset"]),
        side(lists["n_buckets"], numbers["n_offset"]),
        tuple(lists["custom_values"]),
        hint,
    )


def _signed(known: Mapping[str, float], name: str, text: str) -> float:
    if name not in known:
        raise KeyError(name)
    return -parse_number(text[1:]) if text.startswith("-") else parse_number(text.lstrip("+"))
