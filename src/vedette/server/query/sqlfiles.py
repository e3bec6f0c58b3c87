"""Statements kept in `.sql` files beside the module that uses them, put together from shared fragments."""

from __future__ import annotations

import re
from functools import cached_property
from string import Template
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ROWS_AS_JSON", "SqlFiles", "rows_written"]

ROWS_AS_JSON: Final = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_array_of_rows": 1,
}
"""Settings with which JSONEachRow is one array that goes into an answer as it is."""


def rows_written(row: str, *, before: str = "", between: str = ",\n", after: str = "") -> dict[str, object]:
    """Settings with which the format Template writes every row as `row`, which names columns and how they are escaped.

    No line break can be in JSON that the engine wrote, so that one in `between` stands between two rows only. For a
    statement whose JSON its format makes the engine needs a third less time than for one that puts it together by
    functions: it analyses every function.
    """
    return {
        "format_template_row_format": row,
        "format_template_resultset_format": f"{before}${{data}}{after}",
        "format_template_rows_between_delimiter": between,
        "date_time_output_format": "iso",
        "output_format_json_quote_64bit_integers": 0,
        "output_format_json_escape_forward_slashes": 0,
    }


_FRAGMENT: Final = re.compile(r"^-- fragment: (\w+)\n", re.MULTILINE)


class SqlFiles:
    """The statements of one folder.

    A file `fragments.sql` holds texts that they share: ``${Name}`` stands for what is between ``-- fragment: Name`` and
    the next such line. A fragment may use those above it. `given` are fragments of other folders.
    """

    def __init__(self, folder: Path, **given: str) -> None:
        self._folder = folder
        self._given = given
        self._templates: dict[str, Template] = {}

    def statement(self, name: str, **parts: str) -> str:
        """The text of ``<name>.sql`` with fragments and `parts` filled in.

        `parts` are pieces of SQL that this package wrote, never values: values go into the statement as parameters.
        """
        template = self._templates.get(name)
        if template is None:
            template = self._templates[name] = Template((self._folder / f"{name}.sql").read_text(encoding="utf-8"))
        return template.substitute(self.fragments, **parts)

    @cached_property
    def fragments(self) -> dict[str, str]:
        """The fragments by name."""
        fragments = dict(self._given)
        path = self._folder / "fragments.sql"
        if path.exists():
            _, *pieces = _FRAGMENT.split(path.read_text(encoding="utf-8"))
            for name, text in zip(pieces[::2], pieces[1::2], strict=True):
                fragments[name] = Template(text.rstrip()).substitute(fragments)
        return fragments
