"""Series and samples for the benchmarks of metrics, as requests of remote write that are made without a loop a sample."""

from __future__ import annotations

from typing import Any

import cramjam
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["Writer", "standard_values"]

_SAMPLE_BYTES = 18
_TIME_BYTES = 6
"""Of a time in milliseconds as a varint, from 2004 until 2108."""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _framed(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def labels_of(number: int, name: str = "m") -> dict[str, str]:
    """Labels such as exporters have."""
    return {
        "__name__": name,
        "cluster": "eu-central",
        "instance": f"10.0.{number // 250}.{number % 250}:9100",
        "job": f"job-{number // 5 % 10}",
        "le": ("0.1", "0.5", "1", "5", "+Inf")[number % 5],
        "number": str(number),
    }


def standard_values(series: int, samples: int) -> Array:
    """Values of the standard data, by series: counters of whole numbers, of which a tenth stands still at a time.

    A fifth are gauges of two decimals instead.
    """
    chance = np.random.default_rng(1)
    steps = chance.integers(0, 200, (series, samples)).astype(np.float64)
    steps[chance.random((series, samples)) < 0.1] = 0
    values = np.cumsum(steps, axis=1)
    values[::5] = np.round(50 + 20 * np.sin(np.arange(samples) / 200) + chance.random((len(values[::5]), samples)), 2)
    return values


class Writer:
    """Requests for a block of series, each with the same number of samples."""

    def __init__(self, first: int, series: int, samples: int, name: str = "m") -> None:
        pieces, places, at = [], [], 0
        for number in range(first, first + series):
            pairs = b"".join(
                _framed(b"\x0a", _framed(b"\x0a", key.encode()) + _framed(b"\x12", value.encode()))
                for key, value in sorted(labels_of(number, name).items())
            )
            head = _framed(b"\x0a", pairs + bytes(_SAMPLE_BYTES * samples))
            places.append(at + len(head) - _SAMPLE_BYTES * samples)
            pieces.append(head)
            at += len(head)
        self._body = np.frombuffer(b"".join(pieces), np.uint8).copy()
        self._places = (np.array(places)[:, None] + _SAMPLE_BYTES * np.arange(samples)).ravel()

    def request(self, times_ms: Array, values: Array) -> bytes:
        """The packed request with these samples: arrays of (series, samples)."""
        count = len(self._places)
        rows = np.empty((count, _SAMPLE_BYTES), np.uint8)
        rows[:, :3] = (0x12, _SAMPLE_BYTES - 2, 0x09)
        rows[:, 3:11] = np.ascontiguousarray(values, np.float64).reshape(count, 1).view(np.uint8)
        rows[:, 11] = 0x10
        shifts = np.arange(_TIME_BYTES) * 7
        digits = (np.asarray(times_ms, np.int64).reshape(count, 1) >> shifts) & 127
        digits[:, :-1] |= 128
        rows[:, 12:] = digits
        self._body[self._places[:, None] + np.arange(_SAMPLE_BYTES)] = rows
        return bytes(cramjam.snappy.compress_raw(self._body))
