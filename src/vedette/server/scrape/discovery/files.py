"""Targets from files: ``file_sd_configs``."""

from __future__ import annotations

import glob
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from vedette.server.rules.yaml_text import read_yaml
from vedette.server.scrape.targets import groups_from_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vedette.server.scrape.targets import Group

__all__ = ["FileDiscovery"]

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
        names = [name for pattern in self._patterns for name in sorted(glob.glob(pattern))]  # noqa: PTH207 - absolute
        before, told = self._groups, self._faults
        self._groups, self._faults = {}, {}
        for name in names:
            try:
                self._groups[name] = _groups(Path(name))
            except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
                self._groups[name] = before.get(name, [])
                self._faults[name] = str(error)
                if told.get(name) != str(error):
                    log.warning("%s: %s keeps its targets, as it cannot be read: %s", self._who, name, error)
        return [group for groups in self._groups.values() for group in groups]


def _groups(path: Path) -> list[Group]:
    text = path.read_text(encoding="utf-8")
    document = json.loads(text) if path.suffix == ".json" else read_yaml(text)
    return groups_from_document(document, {"__meta_filepath": str(path)})
