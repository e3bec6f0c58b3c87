"""Unit tests of rule files in promtool's format, run by our own evaluator on series in memory.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from __future__ import annotations

import asyncio
import glob
import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import yaml

from vedette.errors import SettingsError, VedetteError
from vedette.server.query.metrics.prompb import STALE
from vedette.server.query.promql.engine import evaluate
from vedette.server.query.promql.gotext import format_labels, parse_duration
from vedette.server.query.promql.histogram import Histogram
from vedette.server.query.promql.labels import METRIC_NAME
from vedette.server.query.promql.source import SelectedSeries
from vedette.server.rules.alerts import FIRING, AlertStates, asking
from vedette.server.rules.evaluation import RuleFailed, recorded, with_labels
from vedette.server.rules.expansion import shown
from vedette.server.rules.files import load_rules
from vedette.server.rules.notation import parse_histogram, parse_labels, parse_values
from vedette.server.rules.yaml_text import plain_value, read_yaml, texts_of, yaml_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.query.promql.labels import Labels
    from vedette.server.query.promql.source import SelectRequest
    from vedette.server.rules.files import Rule, RuleGroup
    from vedette.server.rules.recent import Point

__all__ = ["run_test_file"]

_TOP: Final = {"rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare"}
_TEST: Final = {
    "interval",
    "name",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
}
_DEFAULT_INTERVAL_MS: Final = 60_000
_CLOSE: Final = 1e-9
_TENANT: Final = "test"


class _Store:
    """A `SampleSource` of series in memory, of which only the samples up to a moment are seen."""

    def __init__(self) -> None:
        self.until_ms = 0
        self._series: dict[Labels, list[tuple[int, Point]]] = {}

    def add(self, labels: Labels, time_ms: int, point: Point) -> None:
        """Add a sample behind the others of its series."""
        self._series.setdefault(labels, []).append((time_ms, point))

    async def select(
        self, tenant: str, requests: Sequence[SelectRequest], *, max_samples: int
    ) -> Sequence[SelectedSeries]:
        """See `SampleSource`."""
        del tenant, max_samples
        return [self._select(request) for request in requests]

    def _select(self, request: SelectRequest) -> SelectedSeries:
        chosen: list[tuple[Labels, list[tuple[int, Point]]]] = []
        end = min(request.end_ms, self.until_ms)
        for labels, samples in self._series.items():
            texts = dict(labels)
            if all(matcher.matches(texts.get(matcher.name, "")) for matcher in request.matchers):
                chosen.append((labels, [one for one in samples if request.start_ms <= one[0] <= end]))
        points = [one for _, samples in chosen for one in samples]
        last = np.cumsum([len(samples) for _, samples in chosen], dtype=np.int64)
        native: list[Histogram | None] = [point if isinstance(point, Histogram) else None for _, point in points]
        return SelectedSeries(
            [labels for labels, _ in chosen],
            np.concatenate([np.zeros(min(1, len(last)), np.int64), last[:-1]]),
            last,
            np.array([at for at, _ in points], np.int64),
            np.array([point if isinstance(point, float) else 0.0 for _, point in points], np.float64),
            None,
            native if any(native) else None,
        )


@dataclass(slots=True)
class _RunningRule:
    rule: Rule
    group: RuleGroup
    alerts: AlertStates
    recorded: set[Labels] = field(default_factory=set)


@dataclass(slots=True)
class _Test:
    """One entry of ``tests`` while it runs."""

    found: dict[str, Any]
    interval_ms: int
    store: _Store
    rules: list[_RunningRule]
    external: tuple[dict[str, str], str]
    fuzzy: bool
    errors: list[str] = field(default_factory=list)


def run_test_file(path: Path) -> tuple[list[str], list[str]]:
    """Run the tests of a file. Returns what failed, and what is odd but fails nothing, a sentence each.

    Raises:
        SettingsError: the file, or a rule file that it names, cannot be read or is wrong.
    """
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"The test file is not valid YAML: {yaml_problem(error)}") from error
    top = _mapping(document or {}, "the test file", _TOP)
    interval = _duration(top.get("evaluation_interval"), "evaluation_interval") or _DEFAULT_INTERVAL_MS
    warnings: list[str] = []
    groups = _groups(_list(top, "rule_files"), path.parent, _list(top, "group_eval_order"), warnings)
    errors: list[str] = []
    for place, item in enumerate(_list(top, "tests")):
        found = _mapping(item, f"tests[{place}]", _TEST)
        labels = texts_of(found.get("external_labels"))
        external = labels, str(found.get("external_url") or "")
        rules = [_RunningRule(r, group, AlertStates(r, external)) for group in groups for r in group.rules]
        own = _duration(found.get("interval"), f"tests[{place}]: interval") or interval
        test = _Test(found, own, _Store(), rules, external, bool(top.get("fuzzy_compare")))
        asyncio.run(_run(test, interval))
        name = f"{found['name']}: " if found.get("name") else ""
        errors += [name + error for error in test.errors]
    return errors, warnings


def _groups(patterns: Sequence[Any], folder: Path, order: Sequence[Any], warnings: list[str]) -> list[RuleGroup]:
    found: list[RuleGroup] = []
    for pattern in patterns:
        names = sorted(glob.glob(str(folder / str(pattern))))  # noqa: PTH207 - it may be absolute
        if not names:
            warnings.append(f"no rule file is named {folder / str(pattern)}")
        for name in names:
            try:
                found += load_rules(Path(name))
            except SettingsError as error:
                raise SettingsError(f"{name}: {error}") from error
    places = {str(name): place for place, name in enumerate(order)}
    if len(places) < len(order):
        raise SettingsError("group_eval_order names a group twice.")
    return sorted(found, key=lambda group: places.get(group.name, 0))


def _load_series(test: _Test) -> None:
    for item in _list(test.found, "input_series"):
        series = _mapping(item, "input_series", {"series", "values"})
        labels = parse_labels(str(series.get("series") or ""))
        for place, point in enumerate(parse_values(str(series.get("values", "")))):
            if point is not None:
                test.store.add(labels, place * test.interval_ms, point)


async def _run(test: _Test, evaluation_ms: int) -> None:
    """Evaluate all groups from 0 to the last moment that a test asks for, and compare."""
    _load_series(test)
    alert_tests: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in _list(test.found, "alert_rule_test"):
        found = _mapping(item, "alert_rule_test", {"eval_time", "alertname", "exp_alerts"})
        at = _duration(found.get("eval_time"), "eval_time")
        if not found.get("alertname"):
            raise SettingsError(f"an item under alert_rule_test at {found.get('eval_time')} has no alertname")
        alert_tests[at].append(found)
    expressions = [
        _mapping(item, "promql_expr_test", {"expr", "eval_time", "exp_samples"})
        for item in _list(test.found, "promql_expr_test")
    ]
    times = [_duration(found.get("eval_time"), "eval_time") for found in expressions]
    last = max([*times, *alert_tests], default=0)
    for now in range(0, last + 1, evaluation_ms):
        test.store.until_ms = now
        for running in test.rules:
            await _evaluate(test, running, now)
        for at in sorted(at for at in alert_tests if now <= at < now + evaluation_ms):
            for found in alert_tests[at]:
                _compare_alerts(test, found)
    test.store.until_ms = max(last, 0)
    for found, at in zip(expressions, times, strict=True):
        await _compare_samples(test, found, at)


async def _ask(test: _Test, text: str, at_ms: int) -> QueryResult:
    return await evaluate(text, at_ms, at_ms, 0, test.store, _TENANT)


async def _evaluate(test: _Test, running: _RunningRule, now_ms: int) -> None:
    rule, offset = running.rule, round(running.group.query_offset_seconds * 1000)
    at = now_ms - offset
    try:
        result = await _ask(test, rule.expr, at)
        if rule.record:
            points = recorded(rule, result, running.group.limit)
        else:
            query = asking(partial(_ask, test, at_ms=at))
            await asyncio.to_thread(running.alerts.evaluate, result, now_ms, query, running.group.limit)
            points = running.alerts.points()
    except (RuleFailed, VedetteError) as error:
        test.errors.append(f"rule {rule.name} at {_time(now_ms)}: {error}")
        return
    for labels, point in points.items():
        test.store.add(labels, at, point)
    for labels in running.recorded.difference(points):
        test.store.add(labels, at, STALE)
    running.recorded = set(points)


def _compare_alerts(test: _Test, found: dict[str, Any]) -> None:
    name = str(found["alertname"])
    got = [
        (alert.labels, tuple(sorted((k, v) for k, v in alert.annotations.items() if v)))
        for running in test.rules
        if running.rule.alert == name
        for alert in running.alerts.active.values()
        if alert.state == FIRING
    ]
    expected = []
    for item in _list(found, "exp_alerts"):
        alert = _mapping(item, "exp_alerts", {"exp_labels", "exp_annotations"})
        labels = texts_of(alert.get("exp_labels"))
        notes = texts_of(alert.get("exp_annotations"))
        expected.append(
            (with_labels((), {**labels, "alertname": name}), tuple(sorted((k, v) for k, v in notes.items() if v)))
        )
    if sorted(got) != sorted(expected):
        test.errors.append(
            f"alertname {name} at {found.get('eval_time')}: expected {_alerts(expected)}, got {_alerts(got)}"
        )


def _alerts(alerts: list[tuple[Labels, Labels]]) -> str:
    return "; ".join(f"{format_labels(a)} with {format_labels(b)}" for a, b in sorted(alerts)) or "no alert"


async def _compare_samples(test: _Test, found: dict[str, Any], at_ms: int) -> None:
    text = str(found.get("expr") or "")
    try:
        result = await _ask(test, text, at_ms)
    except VedetteError as error:
        test.errors.append(f"expr {text!r} at {_time(at_ms)}: {error}")
        return
    got: list[tuple[Labels, Point]] = []
    for row, labels in enumerate(result.labels):
        if result.present[row, 0]:
            native: Any = None if result.histograms is None else result.histograms[row, 0]
            got.append((labels, native if native is not None else float(result.values[row, 0])))
    expected = [_sample(item) for item in _list(found, "exp_samples")]
    got.sort(key=lambda one: one[0])
    expected.sort(key=lambda one: one[0])
    same = [labels for labels, _ in got] == [labels for labels, _ in expected] and all(
        _equal(one, other, fuzzy=test.fuzzy) for (_, one), (_, other) in zip(got, expected, strict=True)
    )
    if not same:
        test.errors.append(f"expr {text!r} at {_time(at_ms)}: expected {_samples(expected)}, got {_samples(got)}")


def _sample(item: Any) -> tuple[Labels, Point]:  # noqa: ANN401 - of other people
    found = _mapping(item, "exp_samples", {"labels", "value", "histogram"})
    labels = parse_labels(str(found.get("labels") or ""))
    if found.get("histogram"):
        return labels, parse_histogram(str(found["histogram"]))
    try:
        return labels, float(plain_value(found.get("value")) or 0)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"exp_samples: value {found.get('value')!r} is no number.") from error


def _equal(one: Point, other: Point, *, fuzzy: bool) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other or (fuzzy and math.isclose(one, other, rel_tol=_CLOSE))
    return one == other


def _samples(samples: list[tuple[Labels, Point]]) -> str:
    return ", ".join(f"{_series(labels)} {shown(point)}" for labels, point in samples) or "nothing"


def _series(labels: Labels) -> str:
    rest = tuple(pair for pair in labels if pair[0] != METRIC_NAME)
    name = dict(labels).get(METRIC_NAME, "")
    return name + (format_labels(rest) if rest or not name else "")


def _mapping(item: Any, where: str, known: set[str]) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(item, dict):
        raise SettingsError(f"{where} must be a mapping, and is {type(item).__name__}.")
    for name in item:
        if name not in known:
            raise SettingsError(f"{where}: field {name} is unknown; known are {', '.join(sorted(known))}.")
    return item


def _list(found: dict[str, Any], name: str) -> list[Any]:
    items = found.get(name) or []
    if not isinstance(items, list):
        raise SettingsError(f"{name} must be a list.")
    return items


def _duration(text: Any, where: str) -> int:  # noqa: ANN401
    if not text:
        return 0
    try:
        return parse_duration(str(text))
    except ValueError as error:
        raise SettingsError(f"{where} is {text!r}, which is not a duration such as 30s or 5m.") from error


def _time(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g}s"
