"""Which lines a question is about: a tenant's, in a range of time, that meet a condition."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from vedette.errors import EngineError, InvalidInput

if TYPE_CHECKING:
    from vedette.errors import VedetteError
    from vedette.server.query.logs.conditions import Condition
    from vedette.server.query.timerange import TimeRange

__all__ = ["Selection", "blamed"]

_CANNOT_COMPILE_REGEXP: Final = 427


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


def blamed(error: EngineError) -> VedetteError:
    """The error to raise for the engine's: a regular expression that RE2 does not take is the caller's mistake."""
    if error.code != _CANNOT_COMPILE_REGEXP:
        return error
    reason = re.search(r"error: ([^.]*)", str(error))
    return InvalidInput(
        f"A regular expression cannot be used ({reason[1].strip() if reason else 'RE2 refuses it'}). "
        "The syntax is RE2's: https://github.com/google/re2/wiki/Syntax."
    )
