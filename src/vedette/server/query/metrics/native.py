"""ClickHouse's Native format into arrays: a block of columns at a time, no loop over rows.

https://clickhouse.com/docs/interfaces/formats/Native
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["Encoded", "Lists", "blocks"]

_FIXED = {
    "UInt8": "u1",
    "Bool": "u1",
    "Int8": "i1",
    "UInt16": "<u2",
    "Date": "<u2",
    "Int32": "<i4",
    "UInt32": "<u4",
    "Int64": "<i8",
    "UInt64": "<u8",
    "Float64": "<f8",
}
_NESTED = re.compile(r"(Array|LowCardinality)\((.*)\)")
_INDEX_TYPES = ("u1", "<u2", "<u4", "<u8")


@dataclass(frozen=True, slots=True)
class Lists:
    """A column of arrays: row `i` is ``items[ends[i-1]:ends[i]]``. `items` is a column itself."""

    ends: npt.NDArray[np.int64]
    items: Any


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column of strings with its dictionary: row `i` is ``keys[indexes[i]]``."""

    keys: list[str]
    indexes: npt.NDArray[np.int64]


def blocks(data: bytes) -> Iterator[dict[str, Any]]:
    """The blocks of an answer as columns by name.

    Numbers are numpy arrays over `data`, strings lists; dates are days since 1970. Raises ValueError for a type that is
    not among those used here.
    """
    cursor = _Cursor(data)
    while cursor.offset < len(data):
        columns, rows = cursor.varint(), cursor.varint()
        block = {}
        for _ in range(columns):
            name, kind = cursor.text(), cursor.text()
            block[name] = cursor.column(kind, rows)
        if rows:
            yield block


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.offset = 0

    def varint(self) -> int:
        data, offset, shift, value = self._data, self.offset, 0, 0
        while True:
            byte = data[offset]
            offset += 1
            value |= (byte & 0x7F) << shift
            if byte <= 0x7F:  # noqa: PLR2004 - seven bits a byte
                self.offset = offset
                return value
            shift += 7

    def text(self) -> str:
        size = self.varint()
        start = self.offset
        self.offset = start + size
        return self._data[start : self.offset].decode("utf-8", "replace")

    def column(self, kind: str, rows: int) -> Any:  # noqa: ANN401 - depends on the type
        self._prefix(kind)
        return self._values(kind, rows)

    def _prefix(self, kind: str) -> None:
        """What a column of dictionaries begins with: the version of its format."""
        if "LowCardinality(" in kind:
            self.offset += 8

    def _values(self, kind: str, rows: int) -> Any:  # noqa: ANN401
        if (fixed := _FIXED.get(kind)) is not None:
            return self._numbers(fixed, rows)
        if kind == "String":
            return [self.text() for _ in range(rows)]
        if kind.startswith("Enum8"):
            return self._numbers("i1", rows)
        nested = _NESTED.fullmatch(kind)
        if nested is None:
            raise ValueError(f"No reader for columns of type {kind}")
        if nested[1] == "Array":
            ends = self._numbers("<u8", rows).astype(np.int64)
            return Lists(ends, self._values(nested[2], int(ends[-1]) if rows else 0))
        return self._encoded(rows)

    def _encoded(self, rows: int) -> Encoded:
        if not rows:
            return Encoded([], np.empty(0, np.int64))
        flags = int(self._numbers("<u8", 1)[0])
        keys = [self.text() for _ in range(int(self._numbers("<u8", 1)[0]))]
        count = int(self._numbers("<u8", 1)[0])
        return Encoded(keys, self._numbers(_INDEX_TYPES[flags & 0xFF], count).astype(np.int64))

    def _numbers(self, kind: str, count: int) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = np.frombuffer(self._data, kind, count, self.offset)
        self.offset += found.nbytes
        return found
