"""Budgets: tokens, dollars or calls that an agent may spend, per session, user or in all."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from vedette.errors import SettingsError, VedetteError
from vedette.sdk.locks import lock_of

__all__ = ["Budget", "BudgetExceeded", "Spending"]

_PER, _ACTIONS = ("agent", "session", "user"), ("warn", "stop")
_MOST_HOLDERS = 10_000
"""Sessions or users whose spending is known; of more, those that spent longest ago begin anew."""


class BudgetExceeded(VedetteError):
    """An agent has spent its budget. Raised only by budgets whose `action` is `stop`."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may be spent. `None` is unlimited. `per` says whose spending is added up.

    Raises:
        SettingsError: nothing is limited, a limit is no number from 0 on, or `per` or `action` is not known.
    """

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None
    per: Literal["agent", "session", "user"] = "agent"
    action: Literal["warn", "stop"] = "warn"

    def __post_init__(self) -> None:
        """Refuse what would never warn or stop."""
        limits = {"usd": self.usd, "tokens": self.tokens, "calls": self.calls}
        if all(limit is None for limit in limits.values()):
            raise SettingsError("A budget limits usd, tokens or calls.")
        for name, limit in limits.items():
            if limit is not None and (type(limit) not in {int, float} or not limit >= 0):
                raise SettingsError(f"A budget's {name} is a number from 0 on; {limit!r} is not.")
        for name, value, kind in (("per", self.per, _PER), ("action", self.action, _ACTIONS)):
            if value not in kind:
                raise SettingsError(
                    f"A budget's {name} is {', '.join(kind[:-1])} or {kind[-1]}; {value!r} is not known."
                )


class Spending:
    """What was spent so far, by whom."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._spent: OrderedDict[str, list[float]] = OrderedDict()  # the holder that spent last at the end
        self._lock = lock_of(self)

    def add(self, whose: str, usd: float, tokens: int) -> str | None:
        """Add a call; the sentence to say when this call passes the budget, once per budget and holder."""
        with self._lock:
            spent = self._spent.setdefault(whose, [0.0, 0, 0])
            self._spent.move_to_end(whose)
            if len(self._spent) > _MOST_HOLDERS:
                self._spent.popitem(last=False)
            before = self._over(spent)
            spent[0] += usd
            spent[1] += tokens
            spent[2] += 1
            after = self._over(spent)
        return f"{self.budget.per} {whose} is over its budget: {after}" if after and not before else None

    def over(self, whose: str) -> str | None:
        """What is over the budget of `whose`, or `None`."""
        with self._lock:
            return self._over(self._spent.get(whose, [0.0, 0, 0]))

    def _over(self, spent: list[float]) -> str | None:
        budget = self.budget
        for limit, value, unit in (
            (budget.usd, spent[0], "USD"),
            (budget.tokens, spent[1], "tokens"),
            (budget.calls, spent[2], "calls"),
        ):
            if limit is not None and value >= limit:
                return f"{value:g} of {limit:g} {unit}"
        return None
