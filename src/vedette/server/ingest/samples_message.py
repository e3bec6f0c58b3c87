"""Messages of ``engine/formats/samples``: columns of 64 bits, each a packed field, numbered from 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.server.protobuf import BYTES, read_varint, varint

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["columns_of", "samples_message"]


def samples_message(columns: Iterable[npt.NDArray[Any]]) -> bytes:
    """The message that has these columns: ids of series, times, values, and what else the format has, in its order."""
    return b"".join(_packed(number, column.tobytes()) for number, column in enumerate(columns, 1))


def columns_of(message: bytes) -> list[npt.NDArray[np.int64]]:
    """Ids, times and values of a message that has no more than these; several messages behind each other are one."""
    parts: list[list[npt.NDArray[np.int64]]] = [[], [], []]
    at = 0
    while at < len(message):
        number, at = message[at] >> 3, at + 1
        size, at = read_varint(message, at)
        parts[number - 1].append(np.frombuffer(message, np.int64, size // 8, at))
        at += size
    return [np.concatenate(part) for part in parts]


def _packed(number: int, content: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(content)) + content
