# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401, PLR2004
# mypy: disable-error-code="arg-type,assignment,call-overload,no-any-return,operator,return-value"
"""Float samples as Prometheus' XOR chunks, and the frames in which remote read streams them.

https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/chunks.md. A chunk is a count of 16 bits and a
stream of bits: the first time and value, the first difference of times, then differences of differences; of values,
the bits in which they differ from the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vedette.server.compiled import compiled, part
from vedette.server.protobuf import varint
from vedette.server.query.metrics import prompb

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

__all__ = ["chunks", "frame"]

_MOST_SAMPLES: Final = 120
"""As many samples as Prometheus puts into a chunk."""
_SAMPLE_BYTES: Final = 20
_XOR: Final = 1
_CASTAGNOLI: Final = 0x82F63B78
_NO_WINDOW: Final = 0xFF


@part
def _put(out: Any, at: int, value: Any, count: int) -> int:
    """The lowest `count` bits of a value, highest first; `at` counts bits, and what is behind it is zero."""
    for i in range(count - 1, -1, -1):
        if (value >> np.uint64(i)) & np.uint64(1):
            out[at >> 3] |= np.uint8(0x80 >> (at & 7))
        at += 1
    return at


@part
def _put_uvarint(out: Any, at: int, value: Any) -> int:
    while value > np.uint64(0x7F):
        at = _put(out, at, (value & np.uint64(0x7F)) | np.uint64(0x80), 8)
        value >>= np.uint64(7)
    return _put(out, at, value, 8)


@part
def _put_change(out: Any, at: int, change: int) -> int:
    """A difference of differences of times."""
    bits = np.uint64(change)
    if change == 0:
        return _put(out, at, np.uint64(0), 1)
    if -(1 << 13) + 1 <= change <= 1 << 13:
        return _put(out, _put(out, at, np.uint64(0b10), 2), bits, 14)
    if -(1 << 16) + 1 <= change <= 1 << 16:
        return _put(out, _put(out, at, np.uint64(0b110), 3), bits, 17)
    if -(1 << 19) + 1 <= change <= 1 << 19:
        return _put(out, _put(out, at, np.uint64(0b1110), 4), bits, 20)
    return _put(out, _put(out, at, np.uint64(0b1111), 4), bits, 64)


@part
def _put_difference(out: Any, at: int, difference: Any, window: Any) -> int:
    """How the bits of a value differ from those before; `window` is the zeros on both sides that were told last."""
    if difference == 0:
        return _put(out, at, np.uint64(0), 1)
    leading = 0
    while leading < 31 and not (difference >> np.uint64(63 - leading)) & np.uint64(1):
        leading += 1
    trailing = 0
    while not (difference >> np.uint64(trailing)) & np.uint64(1):
        trailing += 1
    at = _put(out, at, np.uint64(1), 1)
    if window[0] != _NO_WINDOW and leading >= window[0] and trailing >= window[1]:
        at = _put(out, at, np.uint64(0), 1)
    else:
        window[0], window[1] = leading, trailing
        at = _put(out, at, np.uint64(1), 1)
        at = _put(out, at, np.uint64(leading), 5)
        at = _put(out, at, np.uint64((64 - leading - trailing) & 63), 6)
    return _put(out, at, difference >> np.uint64(window[1]), 64 - window[0] - window[1])


@compiled
def _encode(times_ms: Any, bits: Any, out: Any) -> int:
    """Write a chunk of samples into zeroed bytes. Returns its size."""
    window = np.array([_NO_WINDOW, 0])
    count = len(times_ms)
    at = _put(out, 0, np.uint64(count), 16)
    step = np.int64(0)
    for i in range(count):
        if i == 0:
            first = times_ms[0]
            at = _put_uvarint(out, at, np.uint64((first << 1) ^ (first >> 63)))
            at = _put(out, at, bits[0], 64)
            continue
        before, step = step, times_ms[i] - times_ms[i - 1]
        at = _put_uvarint(out, at, np.uint64(step)) if i == 1 else _put_change(out, at, step - before)
        at = _put_difference(out, at, bits[i] ^ bits[i - 1], window)
    return (at + 7) >> 3


@compiled
def _crc32c(data: Any) -> int:
    """The checksum of frames, CRC-32 by Castagnoli's polynomial."""
    table = np.empty(256, np.uint32)
    for i in range(256):
        value = np.uint32(i)
        for _ in range(8):
            value = (value >> np.uint32(1)) ^ (np.uint32(_CASTAGNOLI) if value & np.uint32(1) else np.uint32(0))
        table[i] = value
    found = np.uint32(0xFFFFFFFF)
    for i in range(len(data)):
        found = table[(found ^ np.uint32(data[i])) & np.uint32(0xFF)] ^ (found >> np.uint32(8))
    return np.int64(found ^ np.uint32(0xFFFFFFFF))


def chunks(times_ms: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> Iterator[bytes]:
    """The samples of a series, times ascending, as fields 2 of a ``prometheus.ChunkedSeries``."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    for first in range(0, len(times_ms), _MOST_SAMPLES):
        times = times_ms[first : first + _MOST_SAMPLES]
        out = np.zeros(32 + len(times) * _SAMPLE_BYTES, np.uint8)
        size = int(_encode(times, bits[first : first + _MOST_SAMPLES], out))
        about = prompb.number_field(1, int(times[0])) + prompb.number_field(2, int(times[-1]))
        yield prompb.field(2, about + prompb.number_field(3, _XOR) + prompb.field(4, out[:size].tobytes()))


def frame(series: bytes, query: int) -> bytes:
    """One or several series of a query, by its place in the request, as a frame of the stream."""
    message = series + prompb.number_field(2, query)
    checksum = int(_crc32c(np.frombuffer(message, np.uint8)))
    return varint(len(message)) + checksum.to_bytes(4, "big") + message
