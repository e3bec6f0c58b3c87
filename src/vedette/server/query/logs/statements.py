"""The SQL files of this folder, and how a statement is put together from them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

__all__ = ["LINE", "LINE_WITH_ID", "statement"]

_MEMBERS: Final = (
    '"time":${time:JSON},"observed_time":${observed_time:JSON}'
    ',"severity":${severity:JSON},"severity_number":${severity_number:JSON},"severity_text":${severity_text:JSON}'
    ',"service":${service:JSON},"body":${line_body:Raw},"event_name":${event_name:JSON},"trace_id":${trace_id:JSON}'
    ',"span_id":${span_id:JSON},"flags":${flags:JSON},"attributes":{${attributes:Raw}},"resource":${resource:Raw}'
    ',"scope":${scope:Raw},"dropped_attributes":${dropped_attributes:JSON}}'
)
LINE: Final = f"{{{_MEMBERS}"
"""How the format Template writes the columns of the fragment LineColumns: a line as a JSON object."""

LINE_WITH_ID: Final = f'{{"id":"${{time_id:Raw}}-${{hash_id:Raw}}-${{line_number:Raw}}",{_MEMBERS}'
"""The same with the line's id, of the columns of IdColumns and LineColumns."""

_FOLDER: Final = Path(__file__).parent
_FRAGMENT: Final = re.compile(r"^-- fragment: (\w+)\n", re.MULTILINE)


def statement(name: str, **parts: str) -> str:
    """The text of ``<name>.sql`` with the shared fragments and `parts` filled in.

    `parts` are pieces of SQL that this package wrote, never values: values go into the statement as parameters.
    """
    fragments = {key: text.safe_substitute(parts) for key, text in _fragments().items()}
    return _template(name).substitute(fragments, **parts)


@cache
def _template(name: str) -> Template:
    return Template((_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))


@cache
def _fragments() -> dict[str, Template]:
    _, *pieces = _FRAGMENT.split((_FOLDER / "fragments.sql").read_text(encoding="utf-8"))
    fragments: dict[str, str] = {}
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        # What names no fragment is a part, which each statement fills in.
        fragments[name] = Template(text.rstrip()).safe_substitute(fragments)
    return {name: Template(text) for name, text in fragments.items()}
