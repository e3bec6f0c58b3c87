"""Relabeling as in Prometheus: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from vedette.server.query.promql.labels import compile_regex, expand_groups

__all__ = ["ACTIONS", "Rule", "relabel"]

ACTIONS = (
    "replace",
    "keep",
    "drop",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
    "keepequal",
    "dropequal",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One step. `regex` is RE2 and matches the whole value."""

    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = "(.*)"
    modulus: int = 0
    target_label: str = ""
    replacement: str = "$1"
    action: str = "replace"


def relabel(labels: dict[str, str], rules: tuple[Rule, ...]) -> dict[str, str] | None:
    """The labels after all rules, without empty ones; None if they are dropped."""
    labels = dict(labels)
    for rule in rules:
        if not _apply(labels, rule):
            return None
    return {name: value for name, value in labels.items() if value}


def _apply(labels: dict[str, str], rule: Rule) -> bool:
    """Change labels by one rule; False if they are dropped."""
    value = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    regex = compile_regex(rule.regex)
    match rule.action:
        case "keep":
            return regex.fullmatch(value) is not None
        case "drop":
            return regex.fullmatch(value) is None
        case "keepequal":
            return labels.get(rule.target_label, "") == value
        case "dropequal":
            return labels.get(rule.target_label, "") != value
        case "replace":
            _replace(labels, rule, regex.fullmatch(value))
        case "lowercase":
            labels[rule.target_label] = value.lower()
        case "uppercase":
            labels[rule.target_label] = value.upper()
        case "hashmod":
            digest = hashlib.md5(value.encode(), usedforsecurity=False).digest()
            labels[rule.target_label] = str(int.from_bytes(digest[8:], "big") % rule.modulus)
        case _:
            _by_name(labels, rule, regex)
    return True


def _replace(labels: dict[str, str], rule: Rule, found: Any) -> None:  # noqa: ANN401 - google-re2 carries no types
    if found is None:
        return
    target = expand_groups(rule.target_label, found)
    value = expand_groups(rule.replacement, found)
    if not value:
        labels.pop(target, None)
    elif target:
        labels[target] = value


def _by_name(labels: dict[str, str], rule: Rule, regex: Any) -> None:  # noqa: ANN401
    for name in list(labels):
        found = regex.fullmatch(name)
        if rule.action == "labelmap":
            if found is not None:
                labels[expand_groups(rule.replacement, found)] = labels[name]
        elif (found is None) == (rule.action == "labelkeep"):
            del labels[name]
