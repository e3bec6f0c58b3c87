"""Rule files as Prometheus has them, checked: https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from vedette.errors import SettingsError
from vedette.server.query.promql.errors import ParseError
from vedette.server.query.promql.gotext import parse_duration
from vedette.server.query.promql.parser import parse
from vedette.server.query.promql.printer import print_expr
from vedette.server.rules.template_functions import check_template
from vedette.server.rules.templates import TemplateError
from vedette.server.rules.yaml_text import plain_value, read_yaml, texts_of, yaml_problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Rule", "RuleGroup", "load_rules", "parse_rules", "repeated"]

_GROUP = {"name", "interval", "limit", "query_offset", "labels", "rules", "partial_response_strategy"}
_RULE = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording or an alerting rule; one of `record` and `alert` is empty."""

    record: str
    alert: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)
    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 0.0
    annotations: dict[str, str] = field(default_factory=dict)
    query: str = ""
    """The expression as Prometheus' printer writes it; that takes too long to do it for every answer."""

    @property
    def name(self) -> str:
        """The recorded metric, or the alert."""
        return self.record or self.alert


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other. An interval of 0 is the configuration's own, a limit of 0 none.

    So is the offset of a group that names none.
    """

    name: str
    rules: tuple[Rule, ...]
    interval_seconds: float = 0.0
    limit: int = 0
    query_offset_seconds: float = 0.0
    names_offset: bool = False


def load_rules(path: Path) -> tuple[RuleGroup, ...]:
    """Read a rule file.

    Raises:
        SettingsError: the file cannot be read, or something in it is wrong; the message says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    return parse_rules(text)


def parse_rules(text: str) -> tuple[RuleGroup, ...]:
    """Understand a rule file.

    Raises:
        SettingsError: something in it is wrong; the message says where.
    """
    try:
        document = read_yaml(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"The rule file is not valid YAML: {yaml_problem(error)}") from error
    top = _mapping(document if document is not None else {}, "the rule file", {"groups"})
    groups = tuple(_group(item, f"groups[{i}]") for i, item in enumerate(_list(top, "groups", "the rule file")))
    names = [group.name for group in groups]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"Two groups are named {name!r}; each needs a name of its own.")
    return groups


def repeated(groups: Sequence[RuleGroup]) -> list[str]:
    """What is recorded more than once with the same labels, as hints: Prometheus takes it, but it is seldom meant."""
    counts = Counter(
        (rule.record, *sorted(rule.labels.items())) for group in groups for rule in group.rules if rule.record
    )
    return [f"{key[0]} is recorded {count} times with the same labels" for key, count in counts.items() if count > 1]


def _group(item: Any, where: str) -> RuleGroup:  # noqa: ANN401 - of other people
    found = _mapping(item, where, _GROUP)
    name = found.get("name")
    if not name or not isinstance(name, str):
        raise SettingsError(f"{where} has no name.")
    where = f"group {name!r}"
    limit = plain_value(found.get("limit", 0))
    if not isinstance(limit, int):
        raise SettingsError(f"{where}: limit is {limit!r}, which is no whole number.")
    shared = _labels(found.get("labels"), where)
    rules = tuple(_rule(rule, f"{where}, rule {i}", shared) for i, rule in enumerate(_list(found, "rules", where), 1))
    interval, offset = _duration(found, "interval", where), _duration(found, "query_offset", where)
    return RuleGroup(name, rules, interval, limit, offset, names_offset=found.get("query_offset") is not None)


def _rule(item: Any, where: str, shared: dict[str, str]) -> Rule:  # noqa: ANN401
    found = _mapping(item, where, _RULE)
    record, alert = str(found.get("record") or ""), str(found.get("alert") or "")
    if bool(record) == bool(alert):
        raise SettingsError(f"{where} needs exactly one of record and alert.")
    where = f"{where} ({record or alert})"
    expr = found.get("expr")
    if expr is None or not str(expr).strip():
        raise SettingsError(f"{where} has no expr.")
    try:
        query = print_expr(parse(str(expr)))
    except ParseError as error:
        raise SettingsError(f"{where}: expr cannot be parsed: {error}") from error
    if record:
        for name in ("for", "keep_firing_for", "annotations"):
            if found.get(name):
                raise SettingsError(f"{where}: {name} belongs to alerts, not to recorded series.")
        if not record.strip() or "\n" in record or "{" in record:
            raise SettingsError(f"{where}: {record!r} is no metric name.")
    labels, annotations = _labels(found.get("labels"), where), _labels(found.get("annotations"), where)
    if alert:
        _check_templates({**labels, **annotations}, where)
    return Rule(
        record,
        alert,
        str(expr).strip(),
        {**shared, **labels},
        _duration(found, "for", where),
        _duration(found, "keep_firing_for", where),
        annotations,
        query,
    )


def _check_templates(texts: dict[str, str], where: str) -> None:
    for name, text in texts.items():
        try:
            check_template(text)
        except TemplateError as error:
            raise SettingsError(f"{where}: the template of {name} is wrong: {error}.") from error


def _mapping(item: Any, where: str, known: set[str]) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(item, dict):
        raise SettingsError(f"{where} must be a mapping, and is {type(item).__name__}.")
    for name in item:
        if name not in known:
            raise SettingsError(f"{where}: field {name} is unknown; known are {', '.join(sorted(known))}.")
    return item


def _list(found: dict[str, Any], name: str, where: str) -> list[Any]:
    items = found.get(name)
    if items is None:
        return []
    if not isinstance(items, list):
        raise SettingsError(f"{where}: {name} must be a list.")
    return items


def _duration(found: dict[str, Any], name: str, where: str) -> float:
    text = str(found.get(name) or "0s")
    try:
        return parse_duration(text) / 1000
    except ValueError as error:
        raise SettingsError(f"{where}: {name} is {text!r}, which is not a duration such as 30s or 5m.") from error


def _labels(found: Any, where: str) -> dict[str, str]:  # noqa: ANN401
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise SettingsError(f"{where}: labels must be a mapping.")
    for name in found:
        if not str(name) or name == "__name__":
            raise SettingsError(f"{where}: {name!r} is no name for a label.")
    return texts_of(found)
