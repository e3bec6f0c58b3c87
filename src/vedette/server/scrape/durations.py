"""Durations and sizes as Prometheus' configuration writes them."""

from __future__ import annotations

import re

__all__ = ["duration_text", "parse_duration_seconds", "parse_size"]

_DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_SECONDS = (31_536_000.0, 604_800.0, 86_400.0, 3600.0, 60.0, 1.0, 0.001)
_UNITS = (
    ("y", 31_536_000_000, True),
    ("w", 604_800_000, True),
    ("d", 86_400_000, False),
    ("h", 3_600_000, False),
    ("m", 60_000, False),
    ("s", 1000, False),
    ("ms", 1, False),
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_duration_seconds(text: str) -> float | None:
    """``1m30s`` in seconds; None if it is no duration."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    return sum(int(count) * unit for count, unit in zip(match.groups(), _SECONDS, strict=True) if count)


def duration_text(seconds: float) -> str:
    """``1m30s``, as Prometheus writes it: weeks and years only where nothing else is left."""
    left, parts = round(seconds * 1000), []
    for unit, size, is_whole in _UNITS:
        if left and (not is_whole or left % size == 0):
            count, left = divmod(left, size)
            parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def parse_size(text: str) -> int | None:
    """``10MB`` in bytes, units being powers of 1024; None if it is no size."""
    match = _SIZE.fullmatch(text)
    return None if match is None else int(float(match[1]) * 1024 ** _POWERS[match[2]])
