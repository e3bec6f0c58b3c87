"""What one process of the shop is told when it starts."""

from __future__ import annotations

import json
import random
import time
from dataclasses import asdict, dataclass
from functools import cached_property

from vedette.demo.timetable import Timetable

__all__ = ["Stage", "chance"]


def chance(share: float) -> bool:
    """True in that share of the calls (0 to 1)."""
    return random.random() < share


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Who this process is, where its peers are, and what time it is in the shop.

    `flaw` names the bug of this version, if it has one. `peers` maps a service to its base URL. `opened` is the Unix
    time at which the shop opened. The working directory of the process holds the shop's databases.
    """

    service: str
    version: str
    flaw: str | None
    instance: str
    port: int
    peers: dict[str, str]
    otlp_http: str
    otlp_grpc: str
    seed: int
    day_seconds: float
    opened: float
    rate: float

    def as_json(self) -> str:
        """The one command line argument of a process of the shop."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Stage:
        """The inverse of `as_json`."""
        return cls(**json.loads(text))

    @cached_property
    def timetable(self) -> Timetable:
        """The course of events that all processes share."""
        return Timetable(self.seed, self.day_seconds)

    def suffers(self, incident: str) -> bool:
        """Whether the incident of that name is going on now."""
        return incident in self.timetable.active(time.time() - self.opened)
