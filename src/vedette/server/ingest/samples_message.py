"""Messages of ``engine/formats/samples``: columns of 64 bits, each a packed field, numbered from 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["columns_of", "samples_message"]

_LAST_BYTE = 0x7F


def samples_message(columns: Iterable[npt.NDArray[Any]]) -> bytes:
    """The message that has these columns: ids of series, times, values, and what else the format has, in its order."""
    return b"".join(_packed(number, column.tobytes()) for number, column in enumerate(columns, 1))


def columns_of(message: bytes) -> list[npt.NDArray[np.int64]]:
    """Ids, times and values of a message that has no more than these; several messages behind each other are one."""
    parts: list[list[npt.NDArray[np.int64]]] = [[], [], []]
    at = 0
    while at < len(message):
        number, at = message[at] >> 3, at + 1
        size = shift = 0
        while True:
            byte, at = message[at], at + 1
            size |= (byte & _LAST_BYTE) << shift
            shift += 7
            if byte <= _LAST_BYTE:
                break
        parts[number - 1].append(np.frombuffer(message, np.int64, size // 8, at))
        at += size
    return [np.concatenate(part) for part in parts]


def _packed(number: int, content: bytes) -> bytes:
    size, rest = bytearray(), len(content)
    while rest > _LAST_BYTE:
        size.append(rest & _LAST_BYTE | 0x80)
        rest >>= 7
    return bytes((number << 3 | 2, *size, rest)) + content
