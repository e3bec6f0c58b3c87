# What is compiled takes positional arguments and constants as they are.
# ruff: noqa: ANN401
# mypy: disable-error-code="assignment,no-any-return,return-value"
"""Tables of 64-bit keys with open addresses, for compiled functions: arrays whose size is a power of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from vedette.server.compiled import lean

__all__ = ["place"]


@lean
def place(keys: Any, key: Any) -> int:
    """Where a key is in a table that has an empty place, or where it would be; a key of zero is an empty place."""
    mask = np.uint64(len(keys) - 1)
    at = (key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20) & mask
    while keys[at] != key and keys[at] != 0:
        at = (at + np.uint64(1)) & mask
    return np.int64(at)
