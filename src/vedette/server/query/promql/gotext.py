"""Text as Prometheus writes and reads it: Go's quoting and number formats, and Prometheus' durations.

Strings that are no valid UTF-8 carry their bytes as lone surrogates (Python's ``surrogateescape``).
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_UNESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_HEX_DIGITS: Final = {"x": 2, "u": 4, "U": 8}
_PLAIN: Final = re.compile(r"[ !#-\[\]-~]*\Z")
_LEGACY_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_DURATION: Final = re.compile(
    r"(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?\Z"
)
_UNITS_MS: Final = (
    ("y", 365 * 86_400_000, True),
    ("w", 7 * 86_400_000, True),
    ("d", 86_400_000, False),
    ("h", 3_600_000, False),
    ("m", 60_000, False),
    ("s", 1_000, False),
    ("ms", 1, False),
)
MAX_DURATION_SECONDS: Final = (1 << 63) / 1e9


def quote(text: str) -> str:
    """`text` in double quotes, as Go's ``strconv.Quote`` writes it."""
    if _PLAIN.match(text):
        return f'"{text}"'
    return '"' + "".join(_escape(char, '"') for char in text) + '"'


def quote_rune(char: str) -> str:
    """One character in single quotes, as Go's ``%q`` writes a rune; `""` is the end of the input."""
    if not char:
        return "'�'"
    return "'" + _escape(char, "'") + "'"


def _escape(char: str, quote_char: str) -> str:
    if char == quote_char:
        return "\\" + char
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable():
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def unquote(literal: str) -> str:
    """The text of a PromQL string literal, quotes included; the lexer has checked its escapes.

    Raises:
        ValueError: not a literal.
    """
    delimiter, body = literal[0], literal[1:-1]
    if delimiter == "`":
        if "`" in body:
            raise ValueError("invalid syntax")
        return body
    if "\\" not in body:
        return body
    out = bytearray()
    position = 0
    while position < len(body):
        char = body[position]
        position += 1
        if char != "\\":
            out += char.encode("utf-8", "surrogateescape")
            continue
        kind = body[position]
        position += 1
        if kind in _UNESCAPES:
            out += _UNESCAPES[kind].encode()
        elif kind in _HEX_DIGITS:
            width = _HEX_DIGITS[kind]
            code = int(body[position : position + width], 16)
            position += width
            out += bytes([code]) if kind == "x" else chr(code).encode()
        else:
            out.append(int(body[position - 1 : position + 2], 8))
            position += 2
    return out.decode("utf-8", "surrogateescape")


def format_float(value: float) -> str:
    """The shortest decimal digits that read back as `value`, without an exponent (Go's format ``f``, -1)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def format_general(value: float) -> str:
    """Go's ``%g`` and ``%v`` of a float: the shortest digits, with an exponent below 1e-4 and from 1e6 on."""
    if math.isnan(value) or math.isinf(value):
        return format_float(value)
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, exponent = f"{Decimal(repr(value)):e}".lower().partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        sign, digits = exponent[0], exponent[1:].lstrip("0").rjust(2, "0")
        return f"{mantissa}e{sign}{digits}"
    return format_float(value)


def format_exponent(value: float) -> str:
    """The shortest digits that read back as `value`, with an exponent (Go's format ``e``, -1)."""
    if math.isnan(value) or math.isinf(value):
        return format_float(value)
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    exponent = Decimal(repr(value)).adjusted() if value else 0
    first, *rest = map(str, digits)
    fraction = f".{''.join(rest)}" if rest else ""
    return f"{'-' if sign else ''}{first}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def format_duration(milliseconds: int) -> str:
    """A duration in Prometheus' units, for example ``1h30m``."""
    if milliseconds == 0:
        return "0s"
    out = ""
    for unit, size, exact in _UNITS_MS:
        if exact and milliseconds % size:
            continue
        count, milliseconds = divmod(milliseconds, size)
        if count:
            out += f"{count}{unit}"
    return out


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> int:
    """Milliseconds of a duration such as ``1h30m`` or ``0``.

    Raises:
        ValueError: no duration, or one that does not fit into 63 bits of nanoseconds.
    """
    if text == "0":
        return 0
    if not text:
        raise ValueError("empty duration string")
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"not a valid duration string: {quote(text)}")
    total = sum(
        int(count) * size for count, (_, size, _) in zip(match.groups(), _UNITS_MS, strict=True) if count is not None
    )
    if total * 1_000_000 >= 1 << 63:
        raise ValueError("duration out of range")
    return total


def parse_number(text: str) -> float:
    """A number literal: decimal, octal with a leading zero, hexadecimal, `Inf` or `NaN`, with underscores.

    Raises:
        ValueError: Go's reason why it is none.
    """
    plain = text.lower()
    digits = plain.replace("_", "")
    if re.fullmatch(r"0[0-7]+", digits):
        return _bounded(int(digits, 8), digits)
    if re.fullmatch(r"0x[0-9a-f]+", digits):
        value = int(digits, 16)
        if value < 1 << 63:
            return float(value)
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    try:
        result = float(digits)
    except ValueError:
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax") from None
    if math.isinf(result) and digits not in {"inf", "infinity"}:
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return result


def _bounded(value: int, digits: str) -> float:
    return float(value) if value < 1 << 63 else float(digits)


def is_legacy_label(name: str) -> bool:
    """Tell whether a label's name needs no quotes in an expression."""
    return _LEGACY_LABEL.match(name) is not None


def is_utf8_label(name: str) -> bool:
    """Tell whether `name` may be a label's name: any text but the empty one, in valid UTF-8."""
    return bool(name) and not any("\ud800" <= char <= "\udfff" for char in name)


def format_labels(pairs: tuple[tuple[str, str], ...]) -> str:
    """A label set as Prometheus writes it in messages: ``{a="b", c="d"}``."""
    return (
        "{"
        + ", ".join(f"{name if is_legacy_label(name) else quote(name)}={quote(value)}" for name, value in pairs)
        + "}"
    )
