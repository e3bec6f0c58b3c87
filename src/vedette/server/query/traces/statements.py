"""The SQL files of this folder, and how a statement is put together from them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

__all__ = ["statement"]

_FOLDER: Final = Path(__file__).parent
_FRAGMENT: Final = re.compile(r"^-- fragment: (\w+)\n", re.MULTILINE)


def statement(name: str, **parts: str) -> str:
    """The text of ``<name>.sql`` with the shared fragments and `parts` filled in.

    `parts` are pieces of SQL that this package wrote, never values: values go into the statement as parameters.
    """
    return _template(name).substitute(_fragments(), **parts)


@cache
def _template(name: str) -> Template:
    return Template((_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))


@cache
def _fragments() -> dict[str, str]:
    _, *pieces = _FRAGMENT.split((_FOLDER / "fragments.sql").read_text(encoding="utf-8"))
    fragments: dict[str, str] = {}
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        fragments[name] = Template(text.rstrip()).substitute(fragments)
    return fragments
