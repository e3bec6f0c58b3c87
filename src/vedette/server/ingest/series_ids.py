# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,return-value"
"""The id of a series as the engine computes it: see ``engine/schema/0002_metrics.sql``.

Whoever knows the ids of its series sends samples without labels (``engine/formats/samples``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.server.compiled import compiled, lean
from vedette.server.ingest.protobuf_kernel import field, fixed64

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["label_hash", "label_message_hash", "mixed", "pair_hash", "series_id", "siphash"]

# What SipHash begins with under the key 0.
_FIRST, _SECOND = np.uint64(0x736F6D6570736575), np.uint64(0x646F72616E646F6D)
_THIRD, _FOURTH = np.uint64(0x6C7967656E657261), np.uint64(0x7465646279746573)


@lean
def _round(a: Any, b: Any, c: Any, d: Any) -> Any:
    """A round of SipHash."""
    a += b
    b = (b << np.uint64(13)) | (b >> np.uint64(51))
    b ^= a
    a = (a << np.uint64(32)) | (a >> np.uint64(32))
    c += d
    d = (d << np.uint64(16)) | (d >> np.uint64(48))
    d ^= c
    a += d
    d = (d << np.uint64(21)) | (d >> np.uint64(43))
    d ^= a
    c += b
    b = (b << np.uint64(17)) | (b >> np.uint64(47))
    b ^= c
    c = (c << np.uint64(32)) | (c >> np.uint64(32))
    return a, b, c, d


@lean
def _absorbed(a: Any, b: Any, c: Any, d: Any, word: Any) -> Any:
    d ^= word
    for _ in range(2):
        a, b, c, d = _round(a, b, c, d)
    return a ^ word, b, c, d


@lean
def _finished(a: Any, b: Any, c: Any, d: Any) -> Any:
    c ^= np.uint64(0xFF)
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


@lean
def siphash(data: Any, at: int, end: int) -> Any:
    """SipHash-2-4 of some bytes under the key 0."""
    a, b, c, d = _FIRST, _SECOND, _THIRD, _FOURTH
    word = np.uint64((end - at) & 255) << np.uint64(56)
    while at + 8 <= end:
        a, b, c, d = _absorbed(a, b, c, d, fixed64(data, at))
        at += 8
    for i in range(end - at):
        word |= np.uint64(data[np.uint64(at + i)]) << np.uint64(8 * i)
    a, b, c, d = _absorbed(a, b, c, d, word)
    return _finished(a, b, c, d)


@lean
def mixed(first: Any, second: Any) -> Any:
    """SipHash-2-4 of the sixteen bytes of two hashes."""
    a, b, c, d = _absorbed(_FIRST, _SECOND, _THIRD, _FOURTH, first)
    a, b, c, d = _absorbed(a, b, c, d, second)
    a, b, c, d = _absorbed(a, b, c, d, np.uint64(16 << 56))
    return _finished(a, b, c, d)


@lean
def pair_hash(data: Any, name: int, name_end: int, value: int, value_end: int) -> Any:
    """The engine's ``sipHash64(name, value)``."""
    return mixed(siphash(data, name, name_end), siphash(data, value, value_end))


@lean
def label_message_hash(data: Any, at: int, end: int) -> Any:
    """What a label of a remote write message adds to the id of its series; nothing if its value is empty."""
    name = name_end = value = value_end = at
    while at < end:
        number, _, begin, at, _ = field(data, at, end)
        if number == 1:
            name, name_end = begin, at
        elif number == 2:
            value, value_end = begin, at
    return pair_hash(data, name, name_end, value, value_end) if value < value_end else np.uint64(0)


@compiled
def _pair_hash(data: Any, middle: int) -> Any:
    return pair_hash(data, 0, middle, middle, len(data))


def label_hash(name: str, value: str) -> int:
    """What a label adds to the id of a series."""
    first = name.encode()
    return int(_pair_hash(np.frombuffer(first + value.encode(), np.uint8), len(first)))


def series_id(tenant: str, labels: Mapping[str, str]) -> int:
    """The id of a series, whose name is the label ``__name__``. Labels of empty value do not count."""
    total = label_hash("__tenant__", tenant) + sum(label_hash(name, value) for name, value in labels.items() if value)
    return total & 0xFFFFFFFFFFFFFFFF
