"""What an endpoint's answer says, read without a protobuf library: partial success, and when to come again.

https://opentelemetry.io/docs/specs/otlp/#partial-success
"""

from __future__ import annotations

import email.utils
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["partial_success", "retry_delay", "seconds_of"]

_VARINT, _FIXED_64, _LENGTH, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_INT_MAX = (1 << 63) - 1
_RETRY_INFO = b"google.rpc.RetryInfo"


def partial_success(body: bytes) -> tuple[int, str]:
    """`rejected_*` and `error_message` of an Export*ServiceResponse; (0, "") where the body is no such message."""
    rejected, message = 0, ""
    for number, value in _fields(body):
        if number != 1 or not isinstance(value, bytes):
            continue
        for inner, said in _fields(value):
            if inner == 1 and isinstance(said, int):
                rejected = said if said <= _INT_MAX else 0
            elif inner == 2 and isinstance(said, bytes):
                message = said.decode("utf-8", "replace")
    return rejected, message


def retry_delay(status: bytes) -> float | None:
    """The seconds of the RetryInfo in a google.rpc.Status, which gRPC sends with an error; `None` if it has none."""
    for number, detail in _fields(status):
        if number == 3 and isinstance(detail, bytes):
            any_of = dict(_fields(detail))
            kind, value = any_of.get(1), any_of.get(2, b"")
            if isinstance(kind, bytes) and kind.endswith(_RETRY_INFO) and isinstance(value, bytes):
                delay = dict(_fields(value)).get(1, b"")
                parts = dict(_fields(delay)) if isinstance(delay, bytes) else {}
                seconds, nanos = parts.get(1, 0), parts.get(2, 0)
                whole = seconds if isinstance(seconds, int) and seconds <= _INT_MAX else 0
                return whole + (nanos / 1e9 if isinstance(nanos, int) and nanos < 1e9 else 0.0)
    return None


def seconds_of(retry_after: str | None) -> float:
    """The seconds that a Retry-After header asks for, as a number or a date; 0 if it is absent or malformed."""
    if not retry_after:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field of a message, as far as it can be read."""
    at, size = 0, len(message)
    while at < size:
        tag, at = _varint(message, at)
        kind = tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind == _LENGTH:
            length, at = _varint(message, at)
            value = message[at : at + length]
            at += length
        elif kind in {_FIXED_64, _FIXED_32}:
            length = 8 if kind == _FIXED_64 else 4
            value = message[at : at + length]
            at += length
        else:
            return
        if at > size:
            return  # it was cut, or is no message
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at a place and the place behind it, which is beyond the end if there is none."""
    number = shift = 0
    for byte in message[at : at + _LONGEST_VARINT]:
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
    return 0, len(message) + 1
