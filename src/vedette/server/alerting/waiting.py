"""The notices that an Alertmanager has yet to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vedette.server.alerting.notice import Notice
    from vedette.server.query.promql.labels import Labels

__all__ = ["CAPACITY", "Waiting"]

CAPACITY = 100_000
"""As many alerts as a storm has: those that do not fit would not be told in any minute of it."""


class Waiting:
    """Of each alert the newest notice, in the order in which alerts began to wait; over a capacity, the oldest go."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._notices: dict[Labels, Notice] = {}

    def __len__(self) -> int:
        return len(self._notices)

    def put(self, notices: Iterable[Notice]) -> int:
        """Add what is new of some alerts; returns how many notices had to go."""
        for notice in notices:
            self._notices[notice.labels] = notice
        return self._cut()

    def put_back(self, notices: Iterable[Notice]) -> int:
        """Let notices wait again, before all others; those of which there are newer ones are gone."""
        older = {notice.labels: notice for notice in notices if notice.labels not in self._notices}
        self._notices = {**older, **self._notices}
        return self._cut()

    def take(self, count: int = CAPACITY) -> list[Notice]:
        """The oldest, which wait no longer."""
        labels = [labels for labels, _ in zip(self._notices, range(count), strict=False)]
        return [self._notices.pop(one) for one in labels]

    def _cut(self) -> int:
        over = max(0, len(self._notices) - self._capacity)
        return len(self.take(over))
