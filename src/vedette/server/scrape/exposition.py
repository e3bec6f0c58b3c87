"""The text formats of metrics: Prometheus' 0.0.4 and OpenMetrics 1.0, a line at a time.

https://prometheus.io/docs/instrumenting/exposition_formats/,
https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vedette.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Line", "Metadata", "parse_labels", "parse_lines"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([a-zA-Z_][a-zA-Z0-9_.]*))\s*(?:=\s*"((?:[^"\\]|\\.)*)"\s*)?(,|\})')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}
_NUMBERS = {"+inf": "inf", "-inf": "-inf"}
_QUOTED_BRACE = re.compile(r'"(?:[^"\\]|\\.)*"|\}')


@dataclass(frozen=True, slots=True)
class Line:
    """A sample: `series` is the text of name and labels, `time` what the exposition says, in its own unit."""

    series: str
    value: float
    time: float | None
    exemplar: str = ""


@dataclass(frozen=True, slots=True)
class Metadata:
    """A line of ``TYPE``, ``HELP`` or ``UNIT``."""

    kind: str
    name: str
    text: str


def parse_lines(text: str, *, openmetrics: bool) -> Iterator[Line | Metadata]:
    """The samples and metadata of an exposition.

    Raises:
        InvalidInput: a line is none, with its number; or OpenMetrics' end is missing.
    """
    ended = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t\r")
        if not line:
            continue
        if ended:
            raise InvalidInput(f"line {number}: there is text behind # EOF")
        if line[0] == "#":
            ended = openmetrics and line == "# EOF"
            found = _comment(line)
            if found is not None:
                yield found
            continue
        try:
            yield _sample(line, openmetrics=openmetrics)
        except ValueError as error:
            raise InvalidInput(f"line {number}: {error}: {line[:200]!r}") from None
    if openmetrics and not ended:
        raise InvalidInput("the exposition does not end with # EOF")


def _comment(line: str) -> Metadata | None:
    parts = line.split(None, 3)
    if len(parts) < 3 or parts[1] not in {"TYPE", "HELP", "UNIT"}:  # noqa: PLR2004 - the mark, the kind and the name
        return None
    rest = parts[3] if len(parts) > 3 else ""  # noqa: PLR2004
    return Metadata(parts[1], _unquoted(parts[2].strip('"')), _unquoted(rest))


def _sample(line: str, *, openmetrics: bool) -> Line:
    exemplar = ""
    brace = line.find("{")
    space = line.find(" ")
    if brace >= 0 and (space < 0 or brace < space or " " not in line[:brace].strip()):
        end = _closing(line, brace) + 1
    else:
        end = min(i for i in (space, line.find("\t"), len(line)) if i >= 0)
    series, rest = line[:end], line[end:]
    if openmetrics and " # " in rest:
        rest, exemplar = rest.split(" # ", 1)
    parts = rest.split()
    if not 1 <= len(parts) <= 2:  # noqa: PLR2004 - a value, perhaps a time
        raise ValueError("a line is a series, a value and perhaps a timestamp")
    return Line(series, _number(parts[0]), _number(parts[1]) if len(parts) > 1 else None, exemplar)


def _closing(line: str, brace: int) -> int:
    if '"' not in line:
        at = line.find("}", brace)
        if at < 0:
            raise ValueError("the labels do not end")
        return at
    for found in _QUOTED_BRACE.finditer(line, brace):
        if found[0] == "}":
            return found.start()
    raise ValueError("the labels do not end")


def _number(text: str) -> float:
    if "_" in text:
        raise ValueError(f"{text!r} is no number")
    try:
        return float(_NUMBERS.get(text.lower(), text))
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


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
