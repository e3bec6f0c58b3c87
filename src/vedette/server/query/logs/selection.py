"""Which lines a question is about: a tenant's, in a range of time, that meet a condition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.server.query.logs.conditions import Condition
    from vedette.server.query.timerange import TimeRange

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Lines of one tenant in a half-open range of time."""

    tenant: str
    condition: Condition
    time_range: TimeRange

    @property
    def params(self) -> dict[str, object]:
        """The parameters of the fragment ``Selected`` and of the condition."""
        return {
            **self.condition.params,
            "tenant": self.tenant,
            "start_ns": self.time_range.start_ns,
            "end_ns": self.time_range.end_ns,
        }

    def within(self, time_range: TimeRange) -> Selection:
        """The same for another range."""
        return replace(self, time_range=time_range)
