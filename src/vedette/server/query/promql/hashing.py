"""The hash of a label set that `limit_ratio` samples by, equal to Prometheus' own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vedette.server.query.promql.labels import Labels

_MASK: Final = (1 << 64) - 1
_P1: Final = 11400714785074694791
_P2: Final = 14029467366897019727
_P3: Final = 1609587929392839161
_P4: Final = 9650029242287828579
_P5: Final = 2870177450012600261
_ONE_BYTE_SIZE: Final = 255


def hash_labels(labels: Labels) -> int:
    """The hash of a label set, below 2^64."""
    return xxhash64(b"".join(_sized(text) for pair in labels for text in pair))


def _sized(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if len(data) < _ONE_BYTE_SIZE:
        return bytes([len(data)]) + data
    return b"\xff" + struct.pack("<I", len(data))[:3] + data


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(accumulator: int, lane: int) -> int:
    return _rotate((accumulator + lane * _P2) & _MASK, 31) * _P1 & _MASK


def xxhash64(data: bytes) -> int:
    """XXH64 with seed 0."""
    length, position = len(data), 0
    if length >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while position + 32 <= length:
            block = struct.unpack_from("<4Q", data, position)
            lanes = [_round(lane, value) for lane, value in zip(lanes, block, strict=True)]
            position += 32
        result = sum(_rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            result = ((result ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        result = _P5
    result = (result + length) & _MASK
    while position + 8 <= length:
        (value,) = struct.unpack_from("<Q", data, position)
        result = (_rotate(result ^ _round(0, value), 27) * _P1 + _P4) & _MASK
        position += 8
    if position + 4 <= length:
        (value,) = struct.unpack_from("<I", data, position)
        result = (_rotate(result ^ (value * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        position += 4
    for byte in data[position:]:
        result = _rotate(result ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    result = (result ^ (result >> 33)) * _P2 & _MASK
    result = (result ^ (result >> 29)) * _P3 & _MASK
    return result ^ (result >> 32)
