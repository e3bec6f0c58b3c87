"""The parts of the text formats that are read once a series: Prometheus' 0.0.4 and OpenMetrics 1.0.

https://prometheus.io/docs/instrumenting/exposition_formats/,
https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Metadata", "parse_comment", "parse_labels"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([a-zA-Z_][a-zA-Z0-9_.]*))\s*(?:=\s*"((?:[^"\\]|\\.)*)"\s*)?(,|\})')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}


@dataclass(frozen=True, slots=True)
class Metadata:
    """A line of ``TYPE``, ``HELP`` or ``UNIT``."""

    kind: str
    name: str
    text: str


def parse_comment(line: str) -> Metadata | None:
    """What a line that begins with ``#`` says of a metric family, if it does."""
    parts = line.split(None, 3)
    if len(parts) < 3 or parts[1] not in {"TYPE", "HELP", "UNIT"}:  # noqa: PLR2004 - the mark, the kind and the name
        return None
    rest = parts[3] if len(parts) > 3 else ""  # noqa: PLR2004
    return Metadata(parts[1], _unquoted(parts[2].strip('"')), _unquoted(rest))


def parse_labels(series: str) -> dict[str, str]:  # noqa: C901 - a grammar's alternatives are read in one place
    """The labels of a series' text, its name as ``__name__``.

    Raises:
        ValueError: it is no series.
    """
    brace = series.find("{")
    name = series[:brace].strip() if brace >= 0 else series.strip()
    labels: dict[str, str] = {}
    if name:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no metric name")
        labels["__name__"] = name
    at = brace + 1
    if brace < 0 or series[at:].strip() == "}":
        return labels
    while True:
        found = _LABEL.match(series, at)
        if found is None:
            if labels and series[at:].strip() == "}":  # a comma may stand before the end
                return labels
            raise ValueError("the labels are not valid")
        key = _unquoted(found[1]) if found[1] is not None else found[2]
        if found[3] is None:
            if found[1] is None or "__name__" in labels:
                raise ValueError("a label has no value")
            labels["__name__"] = key
        else:
            if key in labels:
                raise ValueError(f"label {key!r} is there twice")
            labels[key] = _unquoted(found[3])
        at = found.end()
        if found[4] == "}":
            return labels


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), text)
