"""Label sets and the matchers that choose series by them."""

from __future__ import annotations

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


class InvalidRegex(ValueError):
    """A regular expression that RE2 does not accept; the text is the reason, as Go words it."""


def compile_regex(pattern: str) -> Any:  # noqa: ANN401  (google-re2 carries no types)
    """Compile `pattern` in RE2's syntax; Prometheus anchors it at both ends, so use `fullmatch`."""
    try:
        return re2.compile(pattern, _REGEX_OPTIONS)
    except re2.error as error:
        text = error.args[0] if error.args else b""
        reason, _, part = (text.decode() if isinstance(text, bytes) else str(text)).partition(": ")
        reason = _GO_REASONS.get(reason, reason)
        shown = f": `{part}`" if part else ""
        raise InvalidRegex(f"error parsing regexp: {reason}{shown}") from error


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
    _regex: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.op in {"=~", "!~"}:
            object.__setattr__(self, "_regex", compile_regex(self.value))

    def matches(self, value: str) -> bool:
        """Tell whether a label of this `value` meets the condition."""
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        return (self._regex.fullmatch(value) is not None) == (self.op == "=~")


known_matcher = lru_cache(_MATCHERS_KEPT)(Matcher)
"""The same; equal ones are one object, if asked for lately."""
