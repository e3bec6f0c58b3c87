"""Label sets and the matchers that choose series by them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import re2

METRIC_NAME: Final = "__name__"

Labels = tuple[tuple[str, str], ...]
"""A label set: `(name, value)` pairs sorted by name, the metric's name as ``__name__``, no empty values."""

_GO_REASONS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}
_MATCHERS_KEPT: Final = 4096
_REGEX_OPTIONS: Final = re2.Options()
_REGEX_OPTIONS.log_errors = False
_REGEX_OPTIONS.dot_nl = True
_PLAIN_OPTIONS: Final = re2.Options()
_PLAIN_OPTIONS.log_errors = False
_REFERENCE: Final = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
_MOST_OPERATORS: Final = 5000
"""Compiling takes time in the square of repetitions, and some 60 µs for each class by name."""
_MOST_BYTES: Final = 1 << 20
_MOST_NESTED: Final = 1000
"""As Go has it."""
_OPERATORS: Final = ("*", "+", "?", "{", "\\p", "\\P")
_ESCAPES: Final = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(.)", re.DOTALL)
_PARENTHESES: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|([()])", re.DOTALL)
_PLAIN: Final = re.compile(r"(?:[^\\.+*?()\[\]{}^$]|\\[!-/:-@\[-`{-~])*")
"""Texts that match themselves, with `|` between them: what a list of chosen values becomes."""


class InvalidRegex(ValueError):
    """A regular expression that RE2 does not accept; the text is the reason, as Go words it."""


def compile_regex(pattern: str) -> Any:  # noqa: ANN401  (google-re2 carries no types)
    """Compile `pattern` in RE2's syntax; Prometheus anchors it at both ends, so use `fullmatch`.

    Raises:
        InvalidRegex: it is not valid, or compiling it would take long.
    """
    _bound(pattern)
    try:
        return re2.compile(pattern, _REGEX_OPTIONS)
    except re2.error as error:
        text = error.args[0] if error.args else b""
        reason, _, part = (text.decode() if isinstance(text, bytes) else str(text)).partition(": ")
        reason = _GO_REASONS.get(reason, reason)
        shown = f": `{part}`" if part or reason.startswith("trailing") else ""
        raise InvalidRegex(f"error parsing regexp: {reason}{shown}") from error


def compile_unanchored(pattern: str) -> Any:  # noqa: ANN401
    """Compile `pattern` as Go's ``regexp.Compile`` does: a dot is no end of a line.

    Raises:
        InvalidRegex: see `compile_regex`.
    """
    compile_regex(pattern)
    return re2.compile(pattern, _PLAIN_OPTIONS)


def expand_groups(template: str, match: Any) -> str:  # noqa: ANN401
    """Put a match's groups into a template, as Go does: ``$1``, ``${1}``, ``$name``, ``$$``; unknown ones are empty."""

    def value(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        try:
            is_number = name.isdecimal() and (name == "0" or not name.startswith("0"))
            return match.group(int(name) if is_number else name) or ""
        except (IndexError, KeyError):
            return ""

    return _REFERENCE.sub(value, template)


def _bound(pattern: str) -> None:
    """Refuse what Go refuses and this RE2 does not, and what would take long to compile."""
    if "\\C" in pattern and any(found[1] == "C" for found in _ESCAPES.finditer(pattern)):
        raise InvalidRegex(r"error parsing regexp: invalid escape sequence: `\C`")
    operators = sum(map(pattern.count, _OPERATORS))
    if operators > _MOST_OPERATORS:
        text = f"{operators} repetitions and classes by name, {_MOST_OPERATORS} are allowed"
        raise InvalidRegex(f"error parsing regexp: expression too large: {text}")
    if len(pattern) > _MOST_BYTES:
        text = f"{len(pattern)} characters, {_MOST_BYTES} are allowed where it is not a list of plain values"
        raise InvalidRegex(f"error parsing regexp: expression too large: {text}")
    depth = 0
    for found in _PARENTHESES.finditer(pattern) if pattern.count("(") > _MOST_NESTED else ():
        depth += {"(": 1, ")": -1}.get(found[1], 0)
        if depth > _MOST_NESTED:
            raise InvalidRegex(f"error parsing regexp: expression nests too deeply: `{pattern}`")


def _plain_values(pattern: str) -> frozenset[str] | None:
    """The values that a list of plain ones matches, None for any other expression."""
    if not _PLAIN.fullmatch(pattern):
        return None
    if "\\|" not in pattern and "\\\\" not in pattern:
        return frozenset(pattern.replace("\\", "").split("|"))
    parts = re.findall(r"(?:\A|\|)((?:\\.|[^|\\])*)", pattern)  # an escaped bar is part of a value
    return frozenset(re.sub(r"\\(.)", r"\1", part) for part in parts)


def quote_regex(text: str) -> str:
    """A regular expression that matches `text` alone."""
    return str(re2.escape(text))


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label. A label that a series lacks has the value ``""``.

    `op` is one of ``=``, ``!=``, ``=~``, ``!~``; regular expressions are RE2's and match the whole value.
    Two matchers are equal when name, operator and value are, so they can key a cache.
    """

    name: str
    op: str
    value: str
    values: frozenset[str] | None = field(init=False, repr=False, compare=False, default=None)
    """What a regular expression that lists plain values matches; None for all others."""
    _regex: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.op in {"=~", "!~"}:
            object.__setattr__(self, "values", _plain_values(self.value))
            if self.values is None:
                object.__setattr__(self, "_regex", compile_regex(self.value))

    def matches(self, value: str) -> bool:
        """Tell whether a label of this `value` meets the condition."""
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        found = self._regex.fullmatch(value) is not None if self.values is None else value in self.values
        return found == (self.op == "=~")


known_matcher = lru_cache(_MATCHERS_KEPT)(Matcher)
"""The same; equal ones are one object, if asked for lately."""
