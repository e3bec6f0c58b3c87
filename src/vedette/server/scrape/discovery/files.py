"""Targets from files: ``file_sd_configs``."""

from __future__ import annotations

import glob
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vedette.errors import SettingsError
from vedette.server.rules.yaml_text import read_yaml
from vedette.server.scrape.targets import groups_from_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.scrape.targets import Group

__all__ = ["FileDiscovery", "checked_groups"]

log = logging.getLogger(__name__)


class FileDiscovery:
    """Reads target groups of JSON or YAML files, again and again.

    As in Prometheus, a file that is there and cannot be read goes on with what it said before: somebody may be writing
    it at this very moment.

    Args:
        patterns: Names of files, several by ``*``.
        who: Whose they are, for the log.
    """

    def __init__(self, patterns: Sequence[str], who: str) -> None:
        self._patterns = patterns
        self._who = who
        self._groups: dict[str, list[Group]] = {}
        self._faults: dict[str, str] = {}

    def read(self) -> list[Group]:
        """The groups of all files that are there."""
        before, told = self._groups, self._faults
        self._groups, self._faults = {}, {}
        for name in _names(self._patterns):
            try:
                self._groups[name] = groups_from_document(_document(Path(name)), {"__meta_filepath": name})
            except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
                self._groups[name] = before.get(name, [])
                self._faults[name] = str(error)
                if told.get(name) != str(error):
                    log.warning("%s: %s keeps its targets, as it cannot be read: %s", self._who, name, error)
        return [group for groups in self._groups.values() for group in groups]


def checked_groups(patterns: Sequence[str]) -> list[Group]:
    """The groups of all files that are there, of which none may be wrong in any way.

    Raises:
        SettingsError: one is; the message says which, and what is wrong.
    """
    found: list[Group] = []
    for name in _names(patterns):
        try:
            document = _document(Path(name))
            found += groups_from_document(document, {})
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise SettingsError(f"file_sd_configs: {name}: {error}") from error
        if unknown := sorted({field for item in document for field in item} - {"targets", "labels"}):
            raise SettingsError(f"file_sd_configs: {name}: field {unknown[0]} is unknown.")
    return found


def _names(patterns: Sequence[str]) -> list[str]:
    return [name for pattern in patterns for name in sorted(glob.glob(pattern))]  # noqa: PTH207 - absolute


def _document(path: Path) -> Any:  # noqa: ANN401 - of other people
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix.lower() == ".json" else read_yaml(text)
