"""When things happen in the shop: the hours of a day, incidents, deployments.

Everything here follows from a seed and the length of a day. Each process computes it for itself from the shared start
time, so nobody has to be told that an incident has begun.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["FIRST_VERSIONS", "INCIDENTS", "Incident", "Release", "Timetable"]

FIRST_VERSIONS = {
    "gateway": "4.0.2",
    "catalog": "2.0.7",
    "orders": "3.0.1",
    "payments": "1.0.5",
    "worker": "1.0.0",
}

INCIDENTS = ("provider_slow", "cache_lost", "n_plus_one", "provider_down", "worker_stuck")

# What the flawed release of each service does wrong; the service's own module says how.
FLAWS = {
    "gateway": "price_format",
    "catalog": "slow_search",
    "orders": "missing_address",
    "payments": "rounding",
    "worker": "ascii_names",
}

_SWING = 0.7  # the busiest hour has 1.7 times the mean demand, the quietest 0.3 times


@dataclass(frozen=True)
class Incident:
    """Something outside the code goes wrong from `start` until `end` (seconds since the shop opened)."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Release:
    """A service is restarted with `version` at `at` (seconds since the shop opened). `flaw` names its bug, if any."""

    service: str
    version: str
    flaw: str | None
    at: float


class Timetable:
    """The course of events for one seed.

    `day_seconds` is how long one of the shop's days takes on the wall clock.
    """

    def __init__(self, seed: int, day_seconds: float) -> None:
        self.seed = seed
        self.day_seconds = day_seconds
        self._incidents_of_day = lru_cache(maxsize=4)(self._draw_incidents)

    def demand(self, seconds: float) -> float:
        """How busy it is, relative to the mean of a day (1.0). The shop opens in the morning, demand rising."""
        return 1.0 + _SWING * math.sin(2 * math.pi * seconds / self.day_seconds)

    def incidents(self, day: int) -> tuple[Incident, ...]:
        """The incidents of one day (0 is the first), in order, never overlapping."""
        return self._incidents_of_day(day)

    def active(self, seconds: float) -> frozenset[str]:
        """The names of the incidents going on at that moment."""
        if seconds < 0:
            return frozenset()
        today = self.incidents(int(seconds // self.day_seconds))
        return frozenset(incident.name for incident in today if incident.start <= seconds < incident.end)

    def releases(self, day: int) -> tuple[Release, ...]:
        """The deployments of one day, in order: a flawed release, its repair, and a harmless one of another service."""
        rng = random.Random(f"releases {self.seed} {day}")
        flawed, harmless = rng.sample(sorted(FIRST_VERSIONS), 2)
        repaired_at = 0.38 + rng.uniform(-0.02, 0.02)
        return (
            self._release(flawed, day, 0, FLAWS[flawed], 0.27 + rng.uniform(-0.03, 0.02)),
            self._release(flawed, day, 1, None, repaired_at),
            self._release(harmless, day, 0, None, 0.68 + rng.uniform(-0.03, 0.03)),
        )

    def _release(self, service: str, day: int, patch: int, flaw: str | None, share_of_day: float) -> Release:
        major = FIRST_VERSIONS[service].split(".", maxsplit=1)[0]
        return Release(service, f"{major}.{day + 1}.{patch}", flaw, (day + share_of_day) * self.day_seconds)

    def _draw_incidents(self, day: int) -> tuple[Incident, ...]:
        rng = random.Random(f"incidents {self.seed} {day}")
        names = rng.sample(INCIDENTS, 3)
        starts = (0.12, 0.48, 0.80)
        drawn = []
        for name, start in zip(names, starts, strict=True):
            begin = day + start + rng.uniform(-0.02, 0.02)
            length = rng.uniform(0.06, 0.12)
            drawn.append(Incident(name, begin * self.day_seconds, (begin + length) * self.day_seconds))
        return tuple(drawn)
