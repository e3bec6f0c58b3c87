"""One group of rules: when it is evaluated, and what comes of it.

Rules of a group are evaluated one after the other at the same moment. Moments are spread over the interval by the
group's name; a moment that has passed before the last evaluation ended is left out and counted. What happens at a
moment is Prometheus' own: https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vedette.errors import VedetteError
from vedette.server.query.metrics.prompb import STALE
from vedette.server.rules.alerts import AlertStates, asking
from vedette.server.rules.evaluation import RuleState, SeriesEncoder, recorded
from vedette.server.rules.group_alerts import GroupAlerts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from vedette.server.query.promql.engine import QueryResult
    from vedette.server.query.promql.labels import Labels
    from vedette.server.rules.files import RuleGroup
    from vedette.server.rules.group_alerts import AlertSurroundings
    from vedette.server.rules.readable import ReadableClock
    from vedette.server.rules.recent import Point, RecentResults

    Query = Callable[[str, int, float], Awaitable[QueryResult]]
    WarmUp = Callable[[Sequence[str], int, float], Awaitable[None]]
    Write = Callable[[bytes, int], Awaitable[None]]

__all__ = ["Group", "Surroundings"]

log = logging.getLogger(__name__)

_MOST_MESSAGE_BYTES = 8 << 20
_AT_ONCE = 1000
"""Points that are encoded, or remembered, before others have a turn."""
_COLD_SECONDS = 600.0
"""Groups that are evaluated more rarely find their samples gone from memory."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a group is given: how to ask, where to write, what is readable, and how many evaluate at once.

    `query` takes an expression, a moment in milliseconds, and the monotonic time since which the tables must have been
    looked at: one look serves all rules of a moment. `warm_up` reads ahead for several expressions.
    `patience_seconds` after a moment, what can be read then is all that its evaluation sees.
    """

    query: Query
    warm_up: WarmUp
    write: Write
    clock: ReadableClock
    recent: RecentResults
    turns: asyncio.Semaphore
    patience_seconds: float
    alerts: AlertSurroundings


@dataclass(slots=True)
class GroupFigures:
    """What a group has done, for the metrics."""

    iterations: int = 0
    missed: int = 0
    incomplete: int = 0
    evaluations: int = 0
    failures: int = 0
    samples: int = 0
    took_seconds: float = 0.0
    evaluated_at: float = 0.0
    lag_seconds: float = 0.0


@dataclass(slots=True)
class _Outcome:
    """What the rules of a group recorded at one moment, of what was read since `seen_at`; and what to say of it."""

    seen_at: float
    warning: str = ""
    points: list[tuple[Labels, int, Point]] = field(default_factory=list)
    now: dict[int, set[Labels]] = field(default_factory=dict)


class Group:
    """A group of a file, and its `alerts`. `run` evaluates it until cancelled."""

    def __init__(self, file: str, group: RuleGroup, interval_seconds: float, around: Surroundings) -> None:
        self.file = file
        self.group = group
        self.interval_seconds = interval_seconds
        self.states = [RuleState(rule, alerts=AlertStates(rule) if rule.alert else None) for rule in group.rules]
        rules = [state.alerts for state in self.states if state.alerts is not None]
        self.alerts = GroupAlerts(self.key, rules, interval_seconds, around.alerts)
        self.figures = GroupFigures()
        self._around = around
        self._encoder = SeriesEncoder()
        self._offset_ms = round(group.query_offset_seconds * 1000)
        self._orphans: set[Labels] = set()

    @property
    def key(self) -> str:
        """The name under which the group stands in the metrics, as Prometheus has it."""
        return f"{self.file};{self.group.name}"

    def inherit(self, before: Group) -> None:
        """Go on where a group of the same name ended: what its rules recorded is ended where no rule records it now."""
        waiting: dict[tuple[str, tuple[tuple[str, str], ...]], list[RuleState]] = {}
        for old in before.states:
            waiting.setdefault((old.rule.name, tuple(sorted(old.rule.labels.items()))), []).append(old)
        for state in self.states:
            same = waiting.get((state.rule.name, tuple(sorted(state.rule.labels.items()))))
            if same:
                state.recorded = same.pop(0).recorded
        self._orphans = before.recorded() - self.recorded()
        self.alerts.inherit(before.alerts)

    def recorded(self) -> set[Labels]:
        """The series that the group's rules have recorded last, and those that it still has to end."""
        return self._orphans.union(*(state.recorded for state in self.states))

    async def run(self) -> None:
        """Evaluate at every moment until cancelled."""
        interval, clock = self.interval_seconds, self._around.clock
        # Milliseconds since 1970 at which an interval begins for this group.
        step = max(1, round(interval * 1000))
        digest = hashlib.blake2b(self.key.encode(), digest_size=8).digest()
        offset = int.from_bytes(digest, "big") % step
        due = (time.time_ns() // 1_000_000 - offset) // step * step + offset + step
        while True:
            await asyncio.sleep(max(0.0, due / 1000 - time.time()))
            is_whole = await clock.wait(due / 1000, due / 1000 + self._around.patience_seconds)
            missed = int((clock.moment * 1000 - due) // step) if is_whole else 0
            self.figures.missed += missed
            self.figures.iterations += missed
            due += missed * step
            async with self._around.turns:
                self.figures.lag_seconds = time.time() - due / 1000
                evaluation = asyncio.ensure_future(self.evaluate(due, is_whole=is_whole))
                try:
                    await asyncio.shield(evaluation)
                except asyncio.CancelledError:
                    await asyncio.wait({evaluation})  # what began is ended: half of a group is no result
                    raise
            due += step

    async def evaluate(self, due_ms: int, *, is_whole: bool) -> None:
        """Evaluate every rule for a moment and write what they record; `is_whole` if all of its samples can be read."""
        began, at_ms = time.monotonic(), due_ms - self._offset_ms
        around, outcome = self._around, _Outcome(self._around.clock.looked_at)
        if not is_whole:
            outcome = _Outcome(began, self._warning(due_ms))
        around.recent.forget_readable(around.clock.moment - 1.0)
        batch = around.recent.begin()
        if not self.figures.evaluated_at or self.interval_seconds > _COLD_SECONDS:
            # A statement for each rule would take minutes where there are thousands.
            with contextlib.suppress(VedetteError):  # each rule says for itself what is wrong
                await around.warm_up([state.rule.expr for state in self.states], at_ms, outcome.seen_at)
        self.alerts.begin(due_ms)
        for place, state in enumerate(self.states):
            before = len(outcome.points)
            await self._evaluate(state, place, at_ms, outcome)
            for first in range(before, max(before + 1, len(outcome.points)), _AT_ONCE):
                around.recent.add(batch, outcome.points[first : first + _AT_ONCE])
                await asyncio.sleep(0)  # small queries do not wait for anything, and others want a turn
        produced: set[Labels] = set().union(*outcome.now.values())
        # At the moment itself: an offset that is new may lie before what was recorded without it.
        ends = [(labels, due_ms, STALE) for labels in self._orphans - produced]
        around.recent.add(batch, ends)
        try:
            await self._write([*outcome.points, *ends])
        except VedetteError as error:
            around.recent.drop(batch)
            self._fail(outcome, f"The result could not be written: {error}")
        else:
            batch.written_at = time.time()
            for place, now in outcome.now.items():
                self.states[place].recorded = now
            self._orphans = set()
        self._encoder.keep(self.recorded())
        await self.alerts.tell(due_ms)
        figures = self.figures
        figures.iterations += 1
        figures.incomplete += not is_whole
        figures.samples = len(outcome.points)
        figures.took_seconds = time.monotonic() - began
        figures.evaluated_at = due_ms / 1000

    async def _evaluate(self, state: RuleState, place: int, at_ms: int, outcome: _Outcome) -> None:
        began = time.monotonic()
        self.figures.evaluations += 1
        try:
            found = await self._points(state, at_ms, outcome)
        except VedetteError as error:
            self._failed(state, str(error))
        except Exception:
            log.exception("The rule %s of group %s failed", state.rule.name, self.group.name)
            self._failed(state, "Vedette failed to evaluate this rule; its log says more.")
        else:
            state.health, state.error = "ok", outcome.warning
            outcome.now[place] = set(found)
            outcome.points += [(labels, at_ms, point) for labels, point in found.items()]
            outcome.points += [(labels, at_ms, STALE) for labels in state.recorded.difference(found)]
        state.took_seconds = time.monotonic() - began
        state.evaluated_at = (at_ms + self._offset_ms) / 1000

    async def _points(self, state: RuleState, at_ms: int, outcome: _Outcome) -> dict[Labels, Point]:
        """What a rule records at a moment; of an alerting one, the series that tell of its alerts."""

        def ask(text: str) -> Awaitable[QueryResult]:
            return self._around.query(text, at_ms, outcome.seen_at)

        result, limit = await ask(state.rule.expr), self.group.limit
        if state.alerts is None:
            return recorded(state.rule, result, limit)
        return await self.alerts.evaluate(state.alerts, result, at_ms + self._offset_ms, asking(ask), limit)

    def _warning(self, due_ms: int) -> str:
        behind = due_ms / 1000 - self._around.clock.moment
        since = f"the newest {behind:.0f} s" if self._around.clock.moment else "some"
        return (
            f"evaluated on what could be read after {self._around.patience_seconds:g} s (--rules-patience): "
            f"{since} of what was acknowledged is still on its way to the tables"
        )

    def _failed(self, state: RuleState, error: str) -> None:
        if state.health != "err":
            log.warning("The rule %s of group %s failed: %s", state.rule.name, self.group.name, error)
        state.health, state.error = "err", error
        state.failures += 1
        self.figures.failures += 1

    def _fail(self, outcome: _Outcome, error: str) -> None:
        for place in outcome.now:
            self._failed(self.states[place], error)

    async def _write(self, points: list[tuple[Labels, int, Point]]) -> None:
        """Keep points in few messages: nothing is said to be recorded before all are on disk."""
        message, rows = bytearray(), 0
        for labels, time_ms, point in points:
            message += self._encoder.encode(labels, time_ms, point)
            rows += 1
            if not rows % _AT_ONCE:
                await asyncio.sleep(0)  # others want a turn
            if len(message) > _MOST_MESSAGE_BYTES:
                await self._around.write(bytes(message), rows)
                message, rows = bytearray(), 0
        if rows:
            await self._around.write(bytes(message), rows)

    async def end(self) -> None:
        """Write the end of every series that the group recorded: it is gone from the files."""
        now_ms = time.time_ns() // 1_000_000 - self._offset_ms
        await self._write([(labels, now_ms, STALE) for labels in self.recorded()])
        await self.alerts.end()
