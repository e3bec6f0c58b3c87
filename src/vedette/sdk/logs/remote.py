"""Log levels that the endpoint asks for while the program runs."""

from __future__ import annotations

from vedette.errors import SettingsError
from vedette.sdk.guard import tell
from vedette.sdk.logs.logger import desk, put_level
from vedette.sdk.settings import level_number

__all__ = ["RemoteLevels"]

_ROOT = "root"
_LONGEST = 4096


class RemoteLevels:
    """Follows what the endpoint says in its answers: ``root=info,app.payments=debug``.

    It always says all of them; what it says no more, and everything at an empty text, is again as it was before.
    """

    def __init__(self) -> None:
        self._text = ""
        self._before: dict[str, int | None] = {}

    def hear(self, text: str) -> None:
        """Follow `text`; one that cannot be understood changes nothing, and is told."""
        if text == self._text:
            return
        self._text = text
        try:
            wanted = _parsed(text)
        except (SettingsError, ValueError) as error:
            tell("remote levels", f"the endpoint asks for log levels that cannot be understood: {error}")
            return
        for name, level in self._before.items():
            put_level(name, level)
        self._before = {name: desk.levels.get(name) for name in wanted}
        for name, level in wanted.items():
            put_level(name, level)


def _parsed(text: str) -> dict[str, int]:
    if len(text) > _LONGEST:
        raise ValueError(f"they are longer than {_LONGEST} characters")
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, level = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair!r} is no name=level")
        found["" if name.strip() == _ROOT else name.strip()] = level_number(level)
    return found
