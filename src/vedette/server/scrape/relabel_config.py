"""Steps of relabeling as the configuration file writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.errors import SettingsError
from vedette.server.query.promql.labels import InvalidRegex, compile_regex
from vedette.server.scrape.relabel import ACTIONS, Rule

if TYPE_CHECKING:
    from vedette.server.scrape.section import Section

__all__ = ["read_rules"]

_ONLY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("labeldrop", "labelkeep"), ("regex",)),
    **dict.fromkeys(("keepequal", "dropequal"), ("source_labels", "target_label")),
}
"""The fields of some actions of relabeling, which have no others."""


def read_rules(section: Section, name: str) -> tuple[Rule, ...]:
    """The steps of a list of a section.

    Raises:
        SettingsError: something in one is wrong; the message says where.
    """
    return tuple(_rule(item) for item in section.sections(name))


def _rule(section: Section) -> Rule:
    section.only({"source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"})
    action = section.text("action", "replace").lower()
    if action not in ACTIONS:
        raise SettingsError(f"{section.where}: action {action!r} is none of {', '.join(ACTIONS)}.")
    regex = section.text("regex", "(.*)")
    try:
        compile_regex(regex)
    except InvalidRegex as error:
        raise SettingsError(f"{section.where}: regex {regex!r} is not valid: {error}.") from error
    to_label = {"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"}
    if action in to_label and not section.text("target_label"):
        raise SettingsError(f"{section.where}: action {action} needs a target_label.")
    if others := sorted(set(section.value) - {"action", *_ONLY[action]}) if action in _ONLY else []:
        raise SettingsError(
            f"{section.where}: action {action} takes {' and '.join(_ONLY[action])} only, and no {', '.join(others)}."
        )
    if action in {"lowercase", "uppercase"} and section.text("replacement", "$1") != "$1":
        raise SettingsError(f"{section.where}: action {action} takes no replacement.")
    if action == "hashmod" and not section.count("modulus"):
        raise SettingsError(f"{section.where}: action hashmod needs a modulus above 0.")
    return Rule(
        source_labels=section.texts("source_labels"),
        separator=section.text("separator", ";"),
        regex=regex,
        modulus=section.count("modulus"),
        target_label=section.text("target_label"),
        replacement=section.text("replacement", "$1"),
        action=action,
    )
