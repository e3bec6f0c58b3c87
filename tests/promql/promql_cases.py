"""Prometheus' own cases: the data, a source that serves it, and the comparison."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from vedette.server.query.promql.ast import Call, MatrixSelector, Node, SubqueryExpr, VectorSelector
from vedette.server.query.promql.engine import Options, QueryResult
from vedette.server.query.promql.functions import UNSAFE_AT_MODIFIER
from vedette.server.query.promql.histogram import CUSTOM_BUCKETS_SCHEMA, CounterReset, Histogram
from vedette.server.query.promql.histogram_series import with_reset_hints
from vedette.server.query.promql.labels import Labels
from vedette.server.query.promql.parser import parse
from vedette.server.query.promql.printer import print_expr
from vedette.server.query.promql.source import STALE_NAN_BITS, SelectedSeries, SelectRequest

CASES = Path(__file__).parent / "cases"
STALE = float(np.array([STALE_NAN_BITS], np.int64).view(np.float64)[0])
_HINTS = {
    "unknown": CounterReset.UNKNOWN,
    "reset": CounterReset.RESET,
    "not_reset": CounterReset.NOT_RESET,
    "gauge": CounterReset.GAUGE,
}
_NUMBERS = {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf}
_MEANS_THE_QUERY_TIMES = {"exp:fn:step()", "exp:fn:range()", "exp:fn:start()", "exp:fn:end()"}


@cache
def read_cases(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / file).read_text().splitlines()]


@lru_cache(maxsize=1)
def _datasets() -> dict[str, list[dict[str, Any]]]:
    return {one["id"]: one["loads"] for one in read_cases("datasets.jsonl")}


def to_histogram(raw: dict[str, Any]) -> Histogram:
    def buckets(side: dict[str, Any]) -> dict[int, float]:
        return {side["offset"] + i: float(to_number(count)) for i, count in enumerate(side["buckets"])}

    return Histogram(
        raw["schema"],
        to_number(raw["count"]),
        to_number(raw["sum"]),
        to_number(raw["zero_count"]),
        to_number(raw["zero_threshold"]),
        buckets(raw["pos"]),
        buckets(raw["neg"]),
        tuple(to_number(value) for value in raw["custom_values"]),
        _HINTS[raw["hint"] or "unknown"],
    )


def to_number(raw: float | str) -> float:
    return _NUMBERS[raw] if isinstance(raw, str) else float(raw)


class CaseSource:
    """Serves one dataset."""

    def __init__(self, loads: list[dict[str, Any]]) -> None:
        series: dict[Labels, dict[int, tuple[float | Histogram, int]]] = {}
        for load in loads:
            loaded: dict[Labels, dict[int, tuple[float | Histogram, int]]] = {}
            for one in load["series"]:
                labels = tuple(sorted((k, v) for k, v in one["labels"].items() if v))
                samples = loaded.setdefault(labels, {})
                starts = one.get("st")  # relative to the sample's time
                for i, raw in enumerate(one["values"]):
                    if raw is None:
                        continue
                    at = one["start"] + i * one["step"]
                    start = at + starts[i] if starts and starts[i] is not None else 0
                    if raw == "stale":
                        samples[at] = (STALE, start)
                    elif isinstance(raw, dict):
                        samples[at] = (to_histogram(raw), start)
                    else:
                        samples[at] = (to_number(raw), start)
            if load["nhcb"]:
                for labels, converted in _convert_classic(loaded).items():
                    loaded.setdefault(labels, {}).update(converted)
            for labels, samples in loaded.items():
                series.setdefault(labels, {}).update(samples)
        self._series = series
        self._fill()

    def _fill(self) -> None:
        self.labels = list(self._series)
        times: list[int] = []
        values: list[float] = []
        starts: list[int] = []
        histograms: list[Histogram | None] = []
        first, last = [], []
        for samples in self._series.values():
            first.append(len(times))
            found = []
            for at in sorted(samples):
                value, start = samples[at]
                times.append(at)
                starts.append(start)
                values.append(0.0 if isinstance(value, Histogram) else value)
                found.append(value if isinstance(value, Histogram) else None)
            histograms += with_reset_hints(found)
            last.append(len(times))
        self.first, self.last = np.array(first, np.int64), np.array(last, np.int64)
        self.times, self.values = np.array(times, np.int64), np.array(values, np.float64)
        self.starts = np.array(starts, np.int64)
        self.histograms = histograms if any(one is not None for one in histograms) else None

    async def select(self, tenant: str, requests: list[SelectRequest], *, max_samples: int) -> list[SelectedSeries]:
        assert tenant == "acme"
        assert max_samples > 0
        return [self._select(request) for request in requests]

    def _select(self, request: SelectRequest) -> SelectedSeries:
        rows = []
        for row, labels in enumerate(self.labels):
            known = dict(labels)
            if all(matcher.matches(known.get(matcher.name, "")) for matcher in request.matchers):
                rows.append(row)
        first, last = self.first[rows].copy(), self.last[rows].copy()
        for k in range(len(rows)):  # nothing but what was asked for
            times = self.times[first[k] : last[k]]
            low, high = np.searchsorted(times, [request.start_ms, request.end_ms + 1])
            first[k], last[k] = first[k] + low, first[k] + high
        return SelectedSeries(
            [self.labels[row] for row in rows],
            first,
            last,
            self.times,
            self.values,
            self.starts if self.starts.any() else None,
            self.histograms,
        )


def _convert_classic(
    loaded: dict[Labels, dict[int, tuple[float | Histogram, int]]],
) -> dict[Labels, dict[int, tuple[float | Histogram, int]]]:
    """Classic histograms as native ones with custom buckets, as Prometheus converts them."""
    groups: dict[Labels, dict[int, dict[str, Any]]] = {}
    for labels, samples in loaded.items():
        known = dict(labels)
        name = known.get("__name__", "")
        for suffix in ("_bucket", "_count", "_sum"):
            if name.endswith(suffix) and (suffix != "_bucket" or "le" in known):
                break
        else:
            continue
        base = {k: v for k, v in known.items() if k != "le"} | {"__name__": name.removesuffix(suffix)}
        group = groups.setdefault(tuple(sorted(base.items())), {})
        for at, (value, _) in samples.items():
            if isinstance(value, Histogram):
                continue
            entry = group.setdefault(at, {"buckets": {}})
            if suffix == "_bucket":
                entry["buckets"][float(known["le"])] = value
            else:
                entry[suffix] = value
    converted: dict[Labels, dict[int, tuple[float | Histogram, int]]] = {}
    for labels, moments in groups.items():
        for at, entry in moments.items():
            histogram = _custom_histogram(entry)
            if histogram is not None:
                converted.setdefault(labels, {})[at] = (histogram, 0)
    return converted


def _custom_histogram(entry: dict[str, Any]) -> Histogram | None:
    buckets = dict(sorted(entry["buckets"].items()))
    if not buckets and "_count" not in entry:
        return None
    if "_count" not in entry and math.inf not in buckets:
        return None
    count = entry.get("_count", buckets.get(math.inf, 0.0))
    if math.inf not in buckets:
        buckets[math.inf] = count
    previous = 0.0
    positive: dict[int, float] = {}
    for index, cumulative in enumerate(buckets.values()):
        if cumulative < previous:
            return None
        if cumulative - previous:
            positive[index] = cumulative - previous
        previous = cumulative
    bounds = tuple(bound for bound in buckets if not math.isinf(bound))
    return Histogram(CUSTOM_BUCKETS_SCHEMA, count, entry.get("_sum", 0.0), 0.0, 0.0, positive, {}, bounds)


@lru_cache(maxsize=8)
def source_of(dataset: str) -> CaseSource:
    return CaseSource(_datasets()[dataset])


def options_of(case: dict[str, Any]) -> Options:
    tags = case["tags"]
    return Options(
        delayed_name_removal="flag:delayed_name_removal" in tags,
        type_and_unit_labels="exp:type_and_unit" in tags,
        start_times="flag:st" in tags,
    )


def almost_equal(left: float, right: float) -> bool:
    """Equal within 1e-6 of their size, as Prometheus' harness compares."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    if left == right:
        return True
    if math.isinf(left) or math.isinf(right):
        return False
    total, difference = abs(left) + abs(right), abs(left - right)
    if left == 0 or right == 0 or total < 2.3e-308:
        return difference < 1e-6 * 2.3e-308
    return difference / min(total, 1.7e308) < 1e-6


def same_point(expected: Any, found: float | Histogram | None) -> bool:
    if expected is None or found is None:
        return expected is None and found is None
    if isinstance(expected, dict):
        return isinstance(found, Histogram) and _same_histogram(expected, found)
    return not isinstance(found, Histogram) and almost_equal(to_number(expected), found)


def _same_histogram(raw: dict[str, Any], found: Histogram) -> bool:
    expected, found = to_histogram(raw).compact(), found.copy().compact()
    if raw["hint"] is not None and expected.counter_reset is not found.counter_reset:
        return False
    numbers = ("count", "sum", "zero_count", "zero_threshold")
    return (
        expected.schema == found.schema
        and expected.custom_values == found.custom_values
        and all(almost_equal(getattr(expected, name), getattr(found, name)) for name in numbers)
        and all(
            left.keys() == right.keys() and all(almost_equal(left[i], right[i]) for i in left)
            for left, right in ((expected.positive, found.positive), (expected.negative, found.negative))
        )
    )


def points_of(result: QueryResult) -> dict[Labels, list[float | Histogram | None]]:
    answer: dict[Labels, list[float | Histogram | None]] = {}
    for row, labels in enumerate(result.labels):
        points: list[float | Histogram | None] = []
        for step in range(result.values.shape[1]):
            if not result.present[row, step]:
                points.append(None)
            elif result.histograms is not None and result.histograms[row, step] is not None:
                points.append(result.histograms[row, step])
            else:
                points.append(float(result.values[row, step]))
        answer[labels] = points
    return answer


def expected_points(case: dict[str, Any]) -> dict[Labels, list[Any]]:
    return {
        tuple(sorted((k, v) for k, v in one["labels"].items() if v)): one["values"] for one in case["expect"]["series"]
    }


def differences(expected: dict[Labels, list[Any]], found: dict[Labels, list[Any]]) -> list[str]:
    """What is missing, too much or unequal; rows without points do not count."""
    expected = {labels: points for labels, points in expected.items() if any(one is not None for one in points)}
    found = {labels: points for labels, points in found.items() if any(one is not None for one in points)}
    problems = [f"missing {labels}: {expected[labels]}" for labels in expected.keys() - found.keys()]
    problems += [f"unexpected {labels}: {found[labels]}" for labels in found.keys() - expected.keys()]
    for labels in expected.keys() & found.keys():
        left, right = expected[labels], found[labels]
        left = [*left, *[None] * (len(right) - len(left))]
        if len(left) != len(right) or not all(map(same_point, left, right)):
            problems.append(f"{labels}: expected {left}, found {right}")
    return problems


def at_its_own_time(query: str, at_ms: int) -> str | None:
    """The query with `@` on every selector, printed; None if its value depends on the time of evaluation anyway."""
    fixed, safe = _fix(parse(query), at_ms)
    return print_expr(fixed) if safe else None


def _fix(node: Any, at_ms: int) -> tuple[Any, bool]:
    if isinstance(node, SubqueryExpr):
        if node.at_ms is not None or node.at_bound:
            return node, True
        inner, safe = _fix_names(node.expr)
        return dataclasses.replace(node, expr=inner, at_ms=at_ms), safe
    if isinstance(node, VectorSelector):
        keep = node.at_ms is not None or node.at_bound
        return (node if keep else dataclasses.replace(node, at_ms=at_ms)), True
    if isinstance(node, MatrixSelector):
        return dataclasses.replace(node, selector=_fix(node.selector, at_ms)[0]), True
    if isinstance(node, Node):
        safe = not (isinstance(node, Call) and node.function.name in UNSAFE_AT_MODIFIER)
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            if isinstance(value, Node):
                changes[field.name], below = _fix(value, at_ms)
                safe &= below
            elif field.name == "args":
                parts = [_fix(one, at_ms) for one in value]
                changes["args"] = [one for one, _ in parts]
                safe &= all(below for _, below in parts)
        return dataclasses.replace(node, **changes), safe
    return node, True


def _fix_names(node: Any) -> tuple[Any, bool]:
    """Inside of a subquery nothing is fixed, but what depends on the time is found."""
    calls = [node]
    while calls:
        one = calls.pop()
        if isinstance(one, Call) and one.function.name in UNSAFE_AT_MODIFIER:
            return node, False
        if dataclasses.is_dataclass(one):
            for field in dataclasses.fields(one):
                value = getattr(one, field.name)
                calls += value if isinstance(value, list) else [value] if isinstance(value, Node) else []
    return node, True


def depends_on_query_times(case: dict[str, Any]) -> bool:
    return bool(_MEANS_THE_QUERY_TIMES & set(case["tags"]))
