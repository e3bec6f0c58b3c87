"""Functions that give Prometheus' own last digit: Go computes them in other steps than C."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["exp2", "ldexp"]

# ln 2 in two parts, so that products with the first one are exact, and the polynomial of e's power between ± ln 2 / 2
# (the known one of FreeBSD's e_exp.c).
_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
_P1: Final = 1.66666666666666657415e-01
_P2: Final = -2.77777777770155933842e-03
_P3: Final = 6.61375632143793436117e-05
_P4: Final = -1.65339022054652515390e-06
_P5: Final = 4.13813679705723846039e-08
_OVERFLOW: Final = 1.0239999999999999e03
_UNDERFLOW: Final = -1.0740e03


def exp2(x: float) -> float:
    """2 to the power of `x`; the square root of 2, say, is 1.414213562373095, and not …0951."""
    if math.isnan(x) or x > _OVERFLOW:
        return x if math.isnan(x) else math.inf
    if x < _UNDERFLOW:
        return 0.0
    whole = int(x + math.copysign(0.5, x))
    rest = x - whole
    high, low = rest * _LN2_HIGH, -rest * _LN2_LOW
    r = high - low
    t = r * r
    c = r - t * (_P1 + t * (_P2 + t * (_P3 + t * (_P4 + t * _P5))))
    return ldexp(1 - ((low - (r * c) / (2 - c)) - high), whole)


def ldexp(fraction: float, exponent: int) -> float:
    """`fraction` times 2 to the power of `exponent`, infinite where that is too large."""
    try:
        return math.ldexp(fraction, exponent)
    except OverflowError:
        return math.copysign(math.inf, fraction)
