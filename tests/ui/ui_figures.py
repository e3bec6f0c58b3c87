"""Figures as the pages write them, so that a page can be held against the API: what `web/src/lib/format.ts` does."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

MINUS, TIMES = "\u2212", "\u00d7"


def _fixed(value: float, digits: int) -> str:
    return str(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _significant(value: float) -> str:
    return _trim(_fixed(value, 0 if value >= 100 else 1 if value >= 10 else 2))


def count(value: float) -> str:
    if value < 10_000:
        return f"{round(value):,}"
    return next(_trim(_fixed(value / size, 1)) + sign for size, sign in ((1e6, "M"), (1e3, "K")) if value >= size)


def plural(number: int, one: str, many: str = "") -> str:
    return f"{count(number)} {one if number == 1 else many or f'{one}s'}"


def duration_ns(ns: float | None) -> str:
    if ns is None:
        return "\u2013"
    if ns == 0:
        return "0"
    if ns < 1_000:
        return f"{_fixed(ns, 0)} ns"
    if ns >= 60e9:
        seconds = int(_fixed(ns / 1e9, 0))
        return f"{seconds // 60} min {seconds % 60} s"
    return next(
        f"{_significant(ns / size)} {unit}" for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")) if ns >= size
    )


def duration_ms(ms: float | None) -> str:
    return duration_ns(None if ms is None else ms * 1_000_000)


def rate(per_second: float) -> str:
    if per_second == 0:
        return "0"
    return f"{_significant(per_second * 60)}/min" if per_second < 0.1 else f"{_significant(per_second)}/s"


def share(value: float) -> str:
    if value == 0:
        return "0 %"
    if value < 0.0001:
        return "<0.01 %"
    percent = value * 100
    return f"{_fixed(percent, 2 if percent < 1 else 1 if percent < 10 else 0)} %"


def size(value: float) -> str:
    """Bytes in powers of 1024."""
    units = ["B", "KiB", "MiB", "GiB"]
    unit = 0
    while value >= 1024 and unit < len(units) - 1:
        value, unit = value / 1024, unit + 1
    return f"{_significant(value)} {units[unit]}"


def change(now: float, before: float) -> str:
    if before == 0:
        return "±0 %" if now == 0 else "new"
    relative = (now - before) / before
    sign = "+" if relative >= 0 else MINUS
    grown = abs(relative)
    return f"{sign}{_significant(grown + 1)}{TIMES}" if grown >= 10 else f"{sign}{_fixed(grown * 100, 0)} %"
