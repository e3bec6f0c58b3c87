"""Wall-clock nanoseconds from the monotonic clock.

A span's start and end are `perf_counter_ns() + clock.anchor`, so that a step of the system clock never makes a
duration negative. The export thread re-anchors when the two clocks drift apart (suspend, NTP step).
"""

from __future__ import annotations

from time import perf_counter_ns, time_ns

__all__ = ["anchor", "now_ns", "reanchor"]

_TOLERATED_DRIFT_NS = 1_000_000

anchor: int = time_ns() - perf_counter_ns()


def now_ns() -> int:
    """Nanoseconds since the Unix epoch."""
    return perf_counter_ns() + anchor


def reanchor() -> None:
    """Follow the system clock when it has moved by more than a millisecond."""
    global anchor  # noqa: PLW0603 - one clock per process; the hot paths read it as a module attribute
    fresh = time_ns() - perf_counter_ns()
    if abs(fresh - anchor) > _TOLERATED_DRIFT_NS:
        anchor = fresh
