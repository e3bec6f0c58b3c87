"""A mapping of Prometheus' configuration file, read with the place where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vedette.errors import SettingsError
from vedette.server.rules.yaml_text import plain_value
from vedette.server.scrape.durations import parse_duration_seconds, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Section"]


class Section:
    """A mapping, its place for messages, and the folder that file names in it are relative to."""

    def __init__(self, value: object, where: str, folder: Path) -> None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise SettingsError(f"{where} must be a mapping, and is {type(value).__name__}.")
        self.value: dict[str, Any] = value
        self.where = where
        self.folder = folder

    def only(self, known: set[str] | frozenset[str], refused: Mapping[str, str] | None = None) -> None:
        """Check that there are no other fields; `refused` are those that Prometheus has and we do not, and why."""
        for name in self.value:
            if reason := (refused or {}).get(name):
                raise SettingsError(f"{self.where}: Vedette does not support {name}: {reason}.")
            if name not in known:
                raise SettingsError(f"{self.where}: field {name} is unknown.")

    def section(self, name: str) -> Section:
        """A mapping in this one; empty if it is not there."""
        return Section(self.value.get(name), f"{self.where}, {name}", self.folder)

    def sections(self, name: str) -> list[Section]:
        """The mappings of a list."""
        found = self.list_(name)
        if None in found:
            raise SettingsError(f"{self.where}: {name}[{found.index(None)}] is empty.")
        return [Section(item, f"{self.where}, {name}[{i}]", self.folder) for i, item in enumerate(found)]

    def list_(self, name: str) -> list[Any]:
        """A list; empty if it is not there."""
        found = self.value.get(name)
        if found is None:
            return []
        if not isinstance(found, list):
            raise SettingsError(f"{self.where}: {name} must be a list.")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(str(item) for item in self.list_(name))

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        found = self.value.get(name)
        if isinstance(found, dict | list):
            raise SettingsError(f"{self.where}: {name} must be a text, and is {type(found).__name__}.")
        return default if found is None else str(found)

    def one_of(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """A text of a few."""
        found = self.text(name, default)
        if found not in choices:
            raise SettingsError(f"{self.where}: {name} is {found!r}, and must be one of {', '.join(choices)}.")
        return found

    def file(self, name: str) -> str:
        """The name of a file; empty if it is not there."""
        found = self.text(name)
        return str(self.folder / found) if found else ""

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        found = plain_value(self.value.get(name, default))
        if not isinstance(found, bool):
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is neither true nor false.")
        return found

    def count(self, name: str, default: int = 0) -> int:
        """A whole number of 0 or more."""
        found = plain_value(self.value.get(name, default))
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is no whole number of 0 or more.")
        return found

    def size(self, name: str, default: int = 0) -> int:
        """A size in bytes."""
        found = self.text(name)
        size = parse_size(found) if found else default
        if size is None:
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is not a size such as 10MB.")
        return size

    def number(self, name: str) -> float:
        """A number of 0 or more; 0 if it is not there."""
        found = plain_value(self.value.get(name, 0))
        if not isinstance(found, int | float) or isinstance(found, bool) or not found >= 0:
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is no number of 0 or more.")
        return float(found)

    def seconds(self, name: str, default: float) -> float:
        """A duration; 0 is the default."""
        if self.value.get(name) is None:
            return default
        found = self.text(name)
        seconds = parse_duration_seconds(found)
        if seconds is None:
            raise SettingsError(f"{self.where}: {name} is {found!r}, which is not a duration such as 15s or 1m.")
        return seconds or default
