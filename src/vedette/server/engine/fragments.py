"""Shared pieces of SQL: `${Name}` in a .sql file stands for a fragment that is written once.

A file of fragments holds lines ``-- fragment: Name``; the text up to the next such line, without comment lines, is the
fragment. A fragment may use those above it and those of files that were read before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["expand", "parse_fragments", "split_statements"]

_HEAD = re.compile(r"^-- fragment: (\w+)\s*$")
_USE = re.compile(r"\$\{(\w+)\}")
_TOKEN = re.compile(r"(?P<skip>--[^\n]*|'(?:[^'\\]|\\.|'')*'|`[^`]*`|/\*.*?\*/)|(?P<end>;)", re.DOTALL)


def parse_fragments(texts: Iterable[str]) -> dict[str, str]:
    """The fragments of some files, each expanded with those before it."""
    fragments: dict[str, str] = {}
    for text in texts:
        name = ""
        lines: dict[str, list[str]] = {}
        for line in text.splitlines():
            if head := _HEAD.match(line):
                name = head[1]
                lines[name] = []
            elif name and not line.lstrip().startswith("--"):
                lines[name].append(line)
        for key, value in lines.items():
            fragments[key] = expand("\n".join(value).strip(), fragments)
    return fragments


def expand(sql: str, fragments: Mapping[str, str]) -> str:
    """`sql` with its fragments written out; KeyError names one that does not exist."""
    return _USE.sub(lambda use: fragments[use[1]], sql)


def split_statements(sql: str) -> list[str]:
    """The statements of a file, without the semicolons that end them, and without what is only comments."""
    statements, start = [], 0
    for token in _TOKEN.finditer(sql):
        if token["end"]:
            statements.append(sql[start : token.start()])
            start = token.end()
    statements.append(sql[start:])
    return [text.strip() for text in statements if re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL).strip()]
