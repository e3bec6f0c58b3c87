"""Python values as ClickHouse's HTTP interface reads them.

A query parameter (``param_name=…`` for ``{name:Type}``) is parsed as one field of the TabSeparated format: a string is
escaped with backslashes, and inside an array, tuple or map it is a quoted literal.
See https://clickhouse.com/docs/interfaces/http#cli-queries-with-parameters.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

__all__ = ["encode_parameter", "encode_setting"]

_ESCAPES = {
    ord("\\"): "\\\\",
    ord("\t"): "\\t",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\0"): "\\0",
    ord("\b"): "\\b",
    ord("\f"): "\\f",
}
_QUOTED_ESCAPES = {**_ESCAPES, ord("'"): "\\'"}


def encode_parameter(value: object) -> bytes:
    """The text of a query parameter.

    Sequences and sets become arrays, tuples become tuples, mappings become maps, None becomes NULL. A datetime must
    know its zone; it is written in UTC, so its placeholder names the zone: ``{start:DateTime64(9,'UTC')}``.

    Raises:
        TypeError: the value has no ClickHouse form, or is a datetime without a zone.
    """
    if value is None:
        return b"\\N"
    value = _plain(value)
    if isinstance(value, str):
        return value.translate(_ESCAPES).encode("utf-8", "surrogateescape")
    if isinstance(value, bytes | bytearray | memoryview):
        return _escape_bytes(bytes(value), _ESCAPES)
    return _literal(value)


def encode_setting(value: object) -> bytes:
    """The text of a setting: booleans are 1 and 0, everything else is its plain text.

    Raises:
        TypeError: the value is neither text nor a number.
    """
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, int | float | decimal.Decimal):
        return str(value).encode()
    if isinstance(value, bytes):
        return value
    raise TypeError(f"A setting is text or a number, not {type(value).__name__}")


def _literal(value: object) -> bytes:  # noqa: PLR0911 - one return per kind of value reads best
    if value is None:
        return b"NULL"
    value = _plain(value)
    if isinstance(value, str):
        return b"'" + value.translate(_QUOTED_ESCAPES).encode("utf-8", "surrogateescape") + b"'"
    if isinstance(value, bytes | bytearray | memoryview):
        return b"'" + _escape_bytes(bytes(value), _QUOTED_ESCAPES) + b"'"
    if isinstance(value, bool):
        return b"1" if value else b"0"  # read by Bool and by the integer types alike
    if isinstance(value, int | decimal.Decimal):
        return str(int(value) if isinstance(value, int) else value).encode()
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        pairs = (_literal(key) + b":" + _literal(item) for key, item in value.items())
        return b"{" + b",".join(pairs) + b"}"
    if isinstance(value, tuple):
        return b"(" + b",".join(map(_literal, value)) + b")"
    if isinstance(value, Sequence | AbstractSet):
        return b"[" + b",".join(map(_literal, value)) + b"]"
    raise TypeError(f"No ClickHouse parameter form for {type(value).__name__}")


def _plain(value: object) -> object:
    """Values that ClickHouse reads from a string become that string."""
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise TypeError("A datetime parameter must know its time zone")
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return value


def _float(value: float) -> bytes:
    if math.isnan(value):
        return b"nan"
    if math.isinf(value):
        return b"inf" if value > 0 else b"-inf"
    return repr(value).encode()


def _escape_bytes(value: bytes, escapes: Mapping[int, str]) -> bytes:
    # latin-1 maps every byte to one character and back, so bytes that are no UTF-8 survive.
    return value.decode("latin-1").translate(dict(escapes)).encode("latin-1")
