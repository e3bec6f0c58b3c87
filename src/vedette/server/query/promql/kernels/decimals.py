"""Numbers as text: the shortest decimal digits that read back as the same float, by Giulietti's Schubfach method.

Raffaello Giulietti, "The Schubfach way to render doubles", 2020. Names follow the paper where they are letters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from vedette.server.query.promql.kernels.common import Bools, Floats, Ints, inlined, kernel
from vedette.server.query.promql.kernels.machine import high_product

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

LONGEST_NUMBER: Final = 32
LONGEST_TIME: Final = 24
_LOWEST_POWER: Final = -292
_HIGHEST_POWER: Final = 324
_POWERS: Final = np.array([10**i for i in range(20)], np.uint64)
_PAIRS: Final = np.frombuffer("".join(f"{i:02}" for i in range(100)).encode(), np.uint8)


@lru_cache(maxsize=1)
def powers_of_ten() -> Words:
    """10^k for k from -292 to 324, as 128 bits of which the highest is set, rounded up: high and low words."""
    table = np.empty((_HIGHEST_POWER - _LOWEST_POWER + 1, 2), np.uint64)
    for k in range(_LOWEST_POWER, _HIGHEST_POWER + 1):
        shift = ((k * 1741647) >> 19) - 127
        numerator, denominator = (10**k, 1) if k >= 0 else (1, 10**-k)
        if shift >= 0:
            denominator <<= shift
        else:
            numerator <<= -shift
        g = -(-numerator // denominator)
        table[k - _LOWEST_POWER] = (g >> 64, g & ((1 << 64) - 1))
    return table


@inlined
def _round_to_odd(high: np.uint64, low: np.uint64, factor: np.uint64) -> np.uint64:
    carried = high_product(low, factor)
    y_low = high * factor
    y_high = high_product(high, factor)
    total = y_low + carried
    if total < carried:
        y_high += np.uint64(1)
    return y_high | np.uint64(1) if total > np.uint64(1) else y_high


@inlined
def _shortest(bits: np.uint64, powers: Words) -> tuple[np.uint64, np.int64]:
    """Digits and decimal exponent of a positive finite number."""
    one, four = np.uint64(1), np.uint64(4)
    significand = bits & np.uint64(0xFFFFFFFFFFFFF)
    exponent = np.int64(bits >> np.uint64(52))
    if exponent != 0:
        c = significand | np.uint64(1 << 52)
        q = exponent - 1075
        if -53 < q <= 0 and (c & ((one << np.uint64(-q)) - one)) == 0:
            return c >> np.uint64(-q), np.int64(0)
    else:
        c = significand
        q = np.int64(-1074)
    closer = significand == 0 and exponent > 1
    even = (c & one) == 0
    cb = four * c
    cbl = cb - one if closer else cb - np.uint64(2)
    cbr = cb + np.uint64(2)
    k = np.int64((q * 1262611 - (524031 if closer else 0)) >> 22)
    h = np.uint64(q + ((-k * 1741647) >> 19) + 1)
    high, low = powers[-k + 292, 0], powers[-k + 292, 1]
    vbl = _round_to_odd(high, low, cbl << h)
    vb = _round_to_odd(high, low, cb << h)
    vbr = _round_to_odd(high, low, cbr << h)
    if not even:
        vbl += one
        vbr -= one
    s = vb // four
    if s >= np.uint64(10):
        shorter = s // np.uint64(10)
        below = vbl <= np.uint64(40) * shorter
        above = np.uint64(40) * shorter + np.uint64(40) <= vbr
        if below != above:
            return shorter + one if above else shorter, k + 1
    below = vbl <= four * s
    above = four * s + four <= vbr
    if below != above:
        return s + one if above else s, k
    middle = four * s + np.uint64(2)
    up = vb > middle or (vb == middle and (s & one) != 0)
    return s + one if up else s, k


@inlined
def _count_digits(digits: np.uint64) -> int:
    count = 17 if digits >= _POWERS[12] else 8 if digits >= _POWERS[5] else 3
    while count > 1 and digits < _POWERS[count - 1]:
        count -= 1
    while count < 19 and digits >= _POWERS[count]:
        count += 1
    return count


@inlined
def _without_zeros(digits: np.uint64) -> tuple[np.uint64, int]:
    """Digits without the zeros at their end, and how many there were."""
    zeros = 0
    rest = digits // np.uint64(10**8)
    if rest * np.uint64(10**8) == digits:
        digits, zeros = rest, 8
    rest = digits // np.uint64(10**4)
    if rest * np.uint64(10**4) == digits:
        digits, zeros = rest, zeros + 4
    rest = digits // np.uint64(10)
    while rest * np.uint64(10) == digits:
        digits, zeros = rest, zeros + 1
        rest = digits // np.uint64(10)
    return digits, zeros


@inlined
def _write_digits(digits: np.uint64, count: int, out: Bytes, at: int) -> int:
    """Write an integer that has `count` digits."""
    hundred = np.uint64(100)
    place = at + count
    while place > at + 1:
        rest = digits // hundred
        pair = np.int64(digits - rest * hundred) * 2
        digits = rest
        place -= 2
        out[place], out[place + 1] = _PAIRS[pair], _PAIRS[pair + 1]
    if place > at:
        out[at] = np.uint8(48) + np.uint8(digits)
    return at + count


@inlined
def write_number(value: float, bits: np.uint64, powers: Words, out: Bytes, at: int) -> int:
    """Write a number as Prometheus' JSON has it, without quotes; the offset behind it."""
    if np.isnan(value):
        out[at], out[at + 1], out[at + 2] = 78, 97, 78
        return at + 3
    negative = bits >> np.uint64(63) != 0
    if np.isinf(value):
        out[at] = 45 if negative else 43
        out[at + 1], out[at + 2], out[at + 3] = 73, 110, 102
        return at + 4
    if negative:
        out[at] = 45
        at += 1
        bits &= np.uint64(0x7FFFFFFFFFFFFFFF)
    if bits == 0:
        out[at] = 48
        return at + 1
    digits, tens = _shortest(bits, powers)
    digits, zeros = _without_zeros(digits)
    exponent = int(tens) + zeros
    magnitude = abs(value)
    if magnitude < 1e-6 or magnitude >= 1e21:
        return _write_scientific(digits, exponent, out, at)
    count = _count_digits(digits)
    if exponent >= 0:
        at = _write_digits(digits, count, out, at)
        for _ in range(exponent):
            out[at] = 48
            at += 1
        return at
    before = count + exponent
    if before > 0:
        _write_digits(digits, count, out, at + 1)
        for place in range(at, at + before):
            out[place] = out[place + 1]
        out[at + before] = 46
        return at + count + 1
    out[at], out[at + 1] = 48, 46
    for place in range(at + 2, at + 2 - before):
        out[place] = 48
    return _write_digits(digits, count, out, at + 2 - before)


@inlined
def _write_scientific(digits: np.uint64, exponent: int, out: Bytes, at: int) -> int:
    count = _count_digits(digits)
    exponent += count - 1
    _write_digits(digits, count, out, at + 1)
    out[at] = out[at + 1]
    if count > 1:
        out[at + 1] = 46
        count += 1
    at += count
    out[at] = 101
    out[at + 1] = 45 if exponent < 0 else 43
    at += 2
    size = abs(exponent)
    return _write_digits(np.uint64(size), 3 if size > 99 else 2, out, at)


@kernel
def write_series(
    rows: Ints,
    values: Floats,
    bits: Words,
    present: Bools,
    heads: Bytes,
    head_ends: Ints,
    times: Bytes,
    time_ends: Ints,
    tail: Bytes,
    powers: Words,
    out: Bytes,
) -> int:
    """Write series of floats, separated by commas; the length of the text.

    Series `rows[i]` is written as its part of `heads`, its points ``[time,"value"]`` separated by commas, and `tail`.
    """
    at = 0
    for i in rows:
        if at:
            out[at] = 44
            at += 1
        for place in range(head_ends[i - 1] if i else 0, head_ends[i]):
            out[at] = heads[place]
            at += 1
        first = True
        for j in range(values.shape[1]):
            if not present[i, j]:
                continue
            if not first:
                out[at] = 44
                at += 1
            first = False
            out[at] = 91
            at += 1
            for place in range(time_ends[j - 1] if j else 0, time_ends[j]):
                out[at] = times[place]
                at += 1
            out[at], out[at + 1] = 44, 34
            at = write_number(values[i, j], bits[i, j], powers, out, at + 2)
            out[at], out[at + 1] = 34, 93
            at += 2
        for place in range(len(tail)):
            out[at] = tail[place]
            at += 1
    return at


@kernel
def write_numbers(values: Floats, bits: Words, powers: Words, out: Bytes, ends: Ints) -> None:
    """Write numbers one behind the other; `ends[i]` is where number `i` ends."""
    at = 0
    for i in range(len(values)):
        at = write_number(values[i], bits[i], powers, out, at)
        ends[i] = at


@kernel
def write_times(times_ms: Ints, out: Bytes, ends: Ints) -> None:
    """Write times as seconds, with milliseconds unless these are 0; time `i` ends at `ends[i]`."""
    at = 0
    for i in range(len(times_ms)):
        time = times_ms[i]
        if time < 0:
            out[at] = 45
            at += 1
            time = -time
        seconds = np.uint64(time // 1000)
        at = _write_digits(seconds, _count_digits(seconds), out, at)
        rest = time % 1000
        if rest:
            out[at], out[at + 1] = 46, 48 + rest // 100
            at = _write_digits(np.uint64(rest % 100), 2, out, at + 2)
        ends[i] = at
