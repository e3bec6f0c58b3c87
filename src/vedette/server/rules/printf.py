"""``printf`` of templates, as Go's fmt has it: https://pkg.go.dev/fmt. Arguments are taken in their order."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, replace
from typing import Any, Final

from vedette.server.query.promql.gotext import quote, quote_rune
from vedette.server.rules.expansion import Record, shown

__all__ = ["printed", "printf"]

_DIRECTIVE: Final = re.compile(r"%([-+# 0]*)(\d+|\*)?(\.(?:\d+|\*)?)?(.?)", re.DOTALL)
_BASES: Final = {"d": "", "v": "", "b": "0b", "o": "0", "O": "0o", "x": "0x", "X": "0X"}
_WIDEST: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class _Form:
    verb: str
    flags: str
    width: int
    precision: int | None


def printf(form: str, *values: Any) -> str:  # noqa: ANN401
    """The text of a format and its arguments; what does not fit is told in the text, and never an error."""
    rest = list(values)

    def number(text: str) -> int | None:
        if text == "*":
            found = rest.pop(0) if rest else None
            text = str(found) if isinstance(found, int) else ""
        return min(int(text), _WIDEST) if text.isdecimal() else None

    def one(match: re.Match[str]) -> str:
        flags, width, point, verb = match.groups()
        wide = number(width or "")
        precision = (number(point[1:]) or 0) if point else None
        if verb in {"", "%"}:
            return verb or "%!(NOVERB)"
        if not rest:
            return f"%!{verb}(MISSING)"
        return _formatted(rest.pop(0), _Form(verb, flags, wide or 0, precision))

    text = _DIRECTIVE.sub(one, form)
    return text + (f"%!(EXTRA {', '.join(f'{_kind(one)}={printed(one)}' for one in rest)})" if rest else "")


def printed(value: Any) -> str:  # noqa: ANN401
    """A value as Go's ``Print`` writes it."""
    return "<nil>" if value is None else shown(value)


def _formatted(value: Any, form: _Form) -> str:  # noqa: ANN401
    if isinstance(value, dict) and not isinstance(value, Record):
        return "map[" + " ".join(f"{_formatted(k, form)}:{_formatted(value[k], form)}" for k in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_formatted(one, form) for one in value) + "]"
    text = _text(value, form)
    if text is None:
        told = printed(value) if value is None else f"{_kind(value)}={_text(value, replace(form, verb='v', width=0))}"
        return f"%!{form.verb}({told})"
    if "-" in form.flags:
        return text.ljust(form.width)
    numeric = math.isfinite(value) if isinstance(value, float) else isinstance(value, int) and form.verb not in "cqU"
    if "0" not in form.flags or not (numeric or isinstance(value, str)):
        return text.rjust(form.width)
    return text.zfill(form.width) if numeric else text.rjust(form.width, "0")


def _text(value: Any, form: _Form) -> str | None:  # noqa: ANN401
    """A single value, before it is filled up to its width; None if the verb is none for it."""
    if isinstance(value, bool):
        return shown(value) if form.verb in "tv" else None
    if isinstance(value, int):
        return _whole(value, form)
    if isinstance(value, float):
        return _float(value, form)
    if isinstance(value, str):
        return _string(value, form)
    return printed(value) if form.verb == "v" or (form.verb == "s" and value is not None) else None


def _whole(value: int, form: _Form) -> str | None:
    verb = form.verb
    if verb == "U":
        return f"U+{value:04X}"
    if verb in "cq":
        character = chr(value) if 0 <= value <= sys.maxunicode else "�"
        return character if verb == "c" else quote_rune(character)
    if verb not in _BASES:
        return None
    digits = format(abs(value), "d" if verb == "v" else verb.replace("O", "o")).rjust(form.precision or 0, "0")
    prefix = _BASES[verb] if "#" in form.flags or verb == "O" else ""
    return _sign(value < 0, form.flags) + prefix + digits


def _float(value: float, form: _Form) -> str | None:
    verb = form.verb
    if verb not in "vgGeEfF":
        return None
    sign = _sign(math.copysign(1.0, value) < 0, form.flags)
    if math.isnan(value):
        return f"{_sign(below=False, flags=form.flags)}NaN"
    if math.isinf(value):
        return (sign or "+") + "Inf"
    if verb in "vgG" and form.precision is None:
        text = shown(abs(value))
    else:
        precision = 6 if form.precision is None else form.precision
        text = format(abs(value), f".{precision}{'g' if verb == 'v' else verb}")
    return sign + (text.upper() if verb == "G" else text)


def _string(value: str, form: _Form) -> str | None:
    shorter = value if form.precision is None else value[: form.precision]
    if form.verb in "sv":
        return shorter
    if form.verb == "q":
        return quote(shorter)
    if form.verb in "xX":
        digits = value.encode("utf-8", "surrogateescape")[: form.precision].hex()
        return digits.upper() if form.verb == "X" else digits
    return None


def _sign(below: bool, flags: str) -> str:  # noqa: FBT001
    return "-" if below else "+" if "+" in flags else " " if " " in flags else ""


def _kind(value: Any) -> str:  # noqa: ANN401
    """The name of a value's type in Go."""
    names = {bool: "bool", int: "int", float: "float64", str: "string", dict: "map[string]string"}
    return names.get(type(value), "<nil>" if value is None else type(value).__name__)
