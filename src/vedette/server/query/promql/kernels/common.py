"""What every kernel uses: the compiler's settings, compensated sums, and the search for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vedette.server.compiled import compiled, part

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_Function = TypeVar("_Function", bound=Callable[..., object])

STALE_BITS = np.int64(0x7FF0000000000002)


def kernel(function: _Function) -> _Function:
    """Compile `function` when first called, keep the code on disk, and run it without the interpreter's lock."""
    return compiled(function, error_model="numpy")


def inlined(function: _Function) -> _Function:
    """Compile a helper of kernels into each of them; only they can call it."""
    return part(function, error_model="numpy")


@inlined
def kahan(increment: float, total: float, compensation: float) -> tuple[float, float]:
    """Add to a compensated sum (Kahan's, with Neumaier's improvement); an overflow drops the compensation."""
    result = total + increment
    if np.isinf(result):
        return result, 0.0
    if abs(total) >= abs(increment):
        return result, compensation + ((total - result) + increment)
    return result, compensation + ((increment - result) + total)


@inlined
def after(times: Ints, low: int, high: int, moment: int) -> int:
    """The first index from `low` on whose time is later than `moment`, or `high`."""
    while low < high:
        middle = (low + high) >> 1
        if times[middle] <= moment:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def has_stale(first: Ints, last: Ints, bits: Ints) -> bool:
    """Tell whether a stale marker is among the samples; `bits` are the values' bit patterns."""
    for k in range(len(first)):
        for i in range(first[k], last[k]):
            if bits[i] == STALE_BITS:
                return True
    return False


@kernel
def drop_stale(
    first: Ints, last: Ints, bits: Ints, hidden: Bools, out_first: Ints, out_last: Ints, chosen: Ints
) -> int:
    """Collect the indices of the samples that are no stale markers into `chosen`, and the series' new places.

    `hidden`, unless it is empty, marks more samples to leave out. Tells how many samples are left.
    """
    count = 0
    for k in range(len(first)):
        out_first[k] = count
        for i in range(first[k], last[k]):
            if bits[i] != STALE_BITS and (len(hidden) == 0 or not hidden[i]):
                chosen[count] = i
                count += 1
        out_last[k] = count
    return count
