"""Which traces are recorded: always, by ratio, by rate, by route; and the parent's decision is followed.

The decision falls at a trace's first span in this process. A span with a parent follows the parent, local or remote.
"""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vedette.errors import SettingsError
from vedette.sdk.locks import lock_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import SpanKind

__all__ = ["RateLimited", "Ratio", "RouteRatios", "Sampler", "parse_sampler"]

_ALWAYS = 1 << 64
_LOW_64 = _ALWAYS - 1
_ROUTE_KEYS = ("http.route", "url.path", "http.target")


@runtime_checkable
class Sampler(Protocol):
    """Decides at the first span of a trace.

    `is_ratio` says that `bound` alone decides: a root is recorded when the low 64 bits of its trace id are below it.
    Otherwise `decide` is asked with that verdict (`sampled`) and gives its own, with the attributes to start from.
    """

    is_ratio: bool
    bound: int

    def decide(
        self,
        sampled: bool,
        parent_id: int,
        trace_id: int,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
    ) -> tuple[bool, Mapping[str, Any] | None]:
        """Whether to record, and the attributes to start from."""
        ...


def _bound(ratio: Any) -> int:
    if not isinstance(ratio, (int, float)) or not 0 <= ratio <= 1:
        raise SettingsError(f"A sampling ratio lies between 0 and 1; {ratio!r} does not.")
    return round(ratio * _ALWAYS)


class Ratio:
    """Records this share of the traces, by trace id, so that services with one ratio agree."""

    is_ratio = True

    def __init__(self, ratio: float = 1.0) -> None:
        self.bound = _bound(ratio)

    def decide(
        self,
        sampled: bool,
        parent_id: int,
        trace_id: int,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
    ) -> tuple[bool, Mapping[str, Any] | None]:
        """The verdict by ratio, as it is."""
        return sampled, attributes


class RateLimited:
    """Records at most `per_second` traces, evenly; short bursts of up to one second's worth pass."""

    is_ratio = False
    bound = _ALWAYS

    def __init__(self, per_second: float) -> None:
        if per_second <= 0:
            raise SettingsError(f"A rate of traces must be above 0; {per_second} is not.")
        self._rate = per_second
        self._most = max(per_second, 1.0)
        self._tokens = self._most
        self._filled = monotonic()
        self._lock = lock_of(self)

    def decide(
        self,
        sampled: bool,
        parent_id: int,
        trace_id: int,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
    ) -> tuple[bool, Mapping[str, Any] | None]:
        """Take a token for a new trace; follow the parent otherwise."""
        if parent_id or not sampled:
            return sampled, attributes
        with self._lock:
            now = monotonic()
            self._tokens = min(self._most, self._tokens + (now - self._filled) * self._rate)
            self._filled = now
            if self._tokens < 1:
                return False, attributes
            self._tokens -= 1
        return True, attributes


class RouteRatios:
    """A ratio by route or span name: the first pattern that matches decides, `default` otherwise.

    Patterns are globs where `*` stands for anything: ``{"/health*": 0, "/api/pay*": 1}``. They are matched against the
    attributes `http.route`, `url.path` and `http.target` that a span starts with, and against its name.
    """

    is_ratio = False
    bound = _ALWAYS

    def __init__(self, routes: Mapping[str, float], default: float = 1.0) -> None:
        self._routes = [
            (re.compile(".*".join(re.escape(part) for part in glob.split("*"))), _bound(ratio))
            for glob, ratio in routes.items()
        ]
        self._default = _bound(default)

    def decide(
        self,
        sampled: bool,
        parent_id: int,
        trace_id: int,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
    ) -> tuple[bool, Mapping[str, Any] | None]:
        """Decide a new trace by its route; follow the parent otherwise."""
        if parent_id or not sampled:
            return sampled, attributes
        candidates = [name] + [str(attributes[key]) for key in _ROUTE_KEYS if attributes and key in attributes]
        for pattern, bound in self._routes:
            if any(pattern.fullmatch(candidate) for candidate in candidates):
                return (trace_id & _LOW_64) < bound, attributes
        return (trace_id & _LOW_64) < self._default, attributes


def parse_sampler(name: str, argument: str | None) -> Sampler:
    """The sampler that `OTEL_TRACES_SAMPLER` and its `_ARG` name.

    Raises:
        SettingsError: the name or the argument is not understood.
    """
    plain = name.removeprefix("parentbased_")
    if plain == "always_on":
        return Ratio(1.0)
    if plain == "always_off":
        return Ratio(0.0)
    try:
        number = float(argument) if argument else 1.0
    except ValueError:
        raise SettingsError(f"The sampler's argument must be a number, not {argument!r}.") from None
    if plain == "traceidratio":
        return Ratio(number)
    if plain == "ratelimited":
        return RateLimited(number)
    raise SettingsError(
        f"Sampler {name!r} is not known. Use always_on, always_off, traceidratio or ratelimited, "
        "each also with the prefix parentbased_."
    )
