"""What may be an attribute's value, and how anything else becomes one.

OpenTelemetry's rule: str, bool, int, float, bytes, None, and sequences and mappings of those; anything else by `str`.
Copies are made where a value could change later. Nothing a program passes makes this raise, not a cycle and not a
`__str__` that fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

__all__ = ["SCALARS", "Shared", "clean", "clean_mapping", "text_of"]

SCALARS = frozenset((str, int, float, bool))

_LONG = 1 << 64
_MAX_DEPTH = 8
_MAX_ITEMS = 1024


class Shared(dict[str, Any]):
    """Attributes that many items have in common. They do not change: who encodes them keeps what it made of them.

    Each is equal to itself alone, so that a dictionary finds it without looking at what it holds.
    """

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]  # a dictionary has none
    __eq__ = object.__eq__


def text_of(value: object) -> str:
    """`str(value)`, or the name of its type where that fails.

    An integer of thousands of digits, which Python does not write in decimals, is written in hexadecimals.
    """
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a host object's __str__ may do anything
        return f"{value:#x}" if type(value) is int else f"<{type(value).__name__}>"


def clean(value: Any, depth: int = 0) -> Any:
    """`value` as something that OTLP can carry and that no longer changes."""
    kind = type(value)
    if kind in SCALARS or value is None or kind is bytes:
        return text_of(value) if depth and kind is int and abs(value) > _LONG else value
    try:
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return clean(int(value), depth)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        if depth >= _MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            pairs = list(islice(value.items(), _MAX_ITEMS))
            return {k if type(k) is str else text_of(k): clean(v, depth + 1) for k, v in pairs}
        if isinstance(value, (Sequence, AbstractSet)):
            return tuple([clean(item, depth + 1) for item in list(islice(value, _MAX_ITEMS))])  # it may be endless
    except Exception:  # noqa: BLE001 - a host object's methods may do anything
        return f"<{kind.__name__}>"
    return text_of(value)


def clean_mapping(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `attributes` with clean values. Never raises; what is no mapping gives nothing."""
    try:
        copy = dict(attributes)
    except Exception:  # noqa: BLE001 - the host may pass anything
        return {}
    for value in copy.values():
        if type(value) not in SCALARS:
            return {key: value if type(value) in SCALARS else clean(value) for key, value in copy.items()}
    return copy
