"""The log's record: what is written, and how it is found again on a damaged disk.

::

    offset  0   magic        4 bytes  b"VWR1"; lets a scan find the next record behind a damaged stretch
            4   length       u32      bytes that follow the header
            8   checksum     u32      CRC-32 of everything from offset 12 to the end of the record
           12   format       u8       wire format of the payload (`engine.formats`)
           13   tenant       u8       length of the tenant's name
           14   reserved     u16      0
           16   rows         u32      spans, log records or data points in the payload, for the ledger
           20   tenant's name, then the payload exactly as the engine reads it

All integers are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HEADER_BYTES", "Damage", "Record", "Scan", "frame", "scan"]

MAGIC = b"VWR1"
HEADER = struct.Struct("<4sIIBBHI")
HEADER_BYTES = HEADER.size
_TAIL = struct.Struct("<BBHI")


class Record(NamedTuple):
    """One acknowledged request: `begin` is where its header stands, `start:end` where its payload does."""

    begin: int
    format_code: int
    tenant: str
    rows: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch that is no valid record.

    `torn` is the end of a file whose last write was cut short: a record that is longer than the file, or a page that
    never reached the disk. Nothing in it was acknowledged.
    """

    start: int
    end: int
    torn: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds. `valid_bytes` is where the last valid record ends."""

    records: list[Record]
    damages: list[Damage]
    valid_bytes: int


def frame(format_code: int, tenant: bytes, rows: int, payload: Sequence[bytes]) -> list[bytes]:
    """The pieces of one record, to be written one after the other."""
    tail = _TAIL.pack(format_code, len(tenant), 0, rows)
    checksum = zlib.crc32(tenant, zlib.crc32(tail))
    length = len(tenant)
    for piece in payload:
        checksum = zlib.crc32(piece, checksum)
        length += len(piece)
    return [HEADER.pack(MAGIC, length, checksum, format_code, len(tenant), 0, rows), tenant, *payload]


def scan(data: bytes | memoryview) -> Scan:
    """Find every valid record.

    A flipped bit costs the record that it hits and no other: the scan looks for the next magic from there on.
    """
    view = memoryview(data)
    records: list[Record] = []
    damages: list[Damage] = []
    raw = data if isinstance(data, bytes) else bytes(data)
    offset = valid = 0
    size = len(raw)
    while offset < size:
        record = _record_at(view, offset)
        if record is not None:
            records.append(record)
            offset = valid = record.end
            continue
        following = _next_record(raw, view, offset + 1)
        if following is None:
            damages.append(Damage(offset, size, torn=_is_torn(raw, offset)))
            break
        damages.append(Damage(offset, following, torn=False))
        offset = following
    return Scan(records, damages, valid)


def _record_at(view: memoryview, offset: int) -> Record | None:
    if len(view) - offset < HEADER_BYTES:
        return None
    magic, length, checksum, format_code, tenant_bytes, _, rows = HEADER.unpack_from(view, offset)
    body = offset + HEADER_BYTES
    end = body + length
    if magic != MAGIC or end > len(view) or tenant_bytes > length:
        return None
    if zlib.crc32(view[offset + 12 : end]) != checksum:
        return None
    tenant = bytes(view[body : body + tenant_bytes]).decode("ascii", "replace")
    return Record(offset, format_code, tenant, rows, body + tenant_bytes, end)


def _is_torn(raw: bytes, offset: int) -> bool:
    rest = raw[offset:]
    if len(rest) < HEADER_BYTES or not rest.strip(b"\0"):
        return True
    magic, length, *_ = HEADER.unpack_from(rest)
    return bool(magic == MAGIC and HEADER_BYTES + length > len(rest))


def _next_record(raw: bytes, view: memoryview, offset: int) -> int | None:
    while (offset := raw.find(MAGIC, offset)) >= 0:
        if _record_at(view, offset) is not None:
            return offset
        offset += 1
    return None
