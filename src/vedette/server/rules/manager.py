"""The rule files of a tenant: read, followed when they change, evaluated."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import glob
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from vedette.errors import SettingsError, Unavailable, VedetteError
from vedette.server.rules.files import load_rules
from vedette.server.rules.group import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from vedette.server.control.alert_states import SavedAlerts
    from vedette.server.rules.files import RuleGroup
    from vedette.server.rules.group import Surroundings

    Stamp = tuple[tuple[str, int, int], ...]

__all__ = ["RuleManager", "RuleReadings", "RuleSources"]

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
_KEPT_MS = 86_400_000
_WAITS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RuleSources:
    """Where rules are: patterns of file names, and the interval and the offset of groups that name none.

    `labels` are those that this installation adds to what it sends.
    """

    patterns: tuple[str, ...]
    interval_seconds: float
    query_offset_seconds: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()


class RuleManager:
    """Evaluates the groups of some files for one tenant.

    Args:
        sources: Tells where the files are; asked at every look.
        around: What the groups are given.
        tenant: Whose the samples are.
    """

    def __init__(self, sources: Callable[[], RuleSources], around: Surroundings, tenant: str) -> None:
        self.tenant = tenant
        self.error = ""
        """What is wrong with the files as they are now; empty if nothing is."""
        self.failed_at: dt.datetime | None = None
        """Since when there is an error, or was the last time."""
        self._sources = sources
        self._around = around
        self._groups: dict[tuple[str, str], Group] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._saved: dict[str, SavedAlerts] | None = None
        self._asked_since = 0.0
        self._stamp: tuple[RuleSources, Stamp] | None = None
        self._loading = asyncio.Lock()
        self._clock: asyncio.Task[None] | None = None

    @property
    def groups(self) -> list[Group]:
        """The groups, by file and in the order of each."""
        return list(self._groups.values())

    async def run(self) -> None:
        """Follow the files until cancelled. Files that cannot be read are said, and the last good ones go on."""
        try:
            while True:
                with contextlib.suppress(SettingsError):  # said already
                    await self.reload(only_changed=True)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await _end([*self._tasks.values(), *([self._clock] if self._clock else [])])

    async def reload(self, *, only_changed: bool = False) -> None:
        """Read the files, and go on with what they say.

        Raises:
            SettingsError: a file cannot be read or is wrong; everything stays as it was.
        """
        async with self._loading:
            # A failure before files are looked at says nothing of them: the next look reads them.
            known, self._stamp = self._stamp, None
            try:
                sources = await asyncio.to_thread(self._sources)
                paths = await asyncio.to_thread(_paths, sources.patterns)
                stamp = sources, await asyncio.to_thread(_stamp, paths)
                self._stamp = stamp
                if only_changed and stamp == known:
                    return
                found = await asyncio.to_thread(_load, paths)
            except SettingsError as error:
                if str(error) != self.error:
                    log.error("The rule files are not used as they are: %s", error)  # noqa: TRY400 - a sentence is enough
                    self.failed_at = dt.datetime.now(dt.UTC)
                self.error = str(error)
                raise
            self.error = ""
            try:
                saved = await self._saved_alerts()
            except Unavailable as error:
                self._stamp = None  # the next look tries again
                self.error = f"Rules wait for what their alerts were: {error}"
                self.failed_at = dt.datetime.now(dt.UTC)
                raise SettingsError(self.error) from error
            await self._replace(found, sources, saved)

    async def _replace(
        self, found: dict[tuple[str, str], RuleGroup], sources: RuleSources, saved: dict[str, SavedAlerts]
    ) -> None:
        kept = {key: self._group(key, described, sources) for key, described in found.items()}
        changed = [key for key, group in self._groups.items() if kept.get(key) is not group]
        # Its last evaluation is over before a group's successor begins: no group runs twice at once.
        await _end([self._tasks.pop(key) for key in changed])
        old = {key: self._groups[key] for key in changed}
        self._groups = kept
        if kept and self._clock is None:
            self._clock = asyncio.create_task(self._around.clock.run(), name="readable clock")
        for key, group in kept.items():
            group.alerts.labels = dict(sources.labels)
            if key in self._tasks:
                continue
            if key in old:
                group.inherit(old.pop(key))
            elif group.key in saved:
                group.alerts.resume(saved.pop(group.key))
            self._tasks[key] = asyncio.create_task(group.run(), name=f"rules {group.key}")
        for group in old.values():
            try:
                await group.end()
            except VedetteError as error:
                log.warning("The series of the group %s could not be ended: %s", group.group.name, error)
        log.info("Evaluating %d groups of rules.", len(kept))

    def _group(self, key: tuple[str, str], described: RuleGroup, sources: RuleSources) -> Group:
        """The group that a file describes: the one that runs, if it is as before."""
        if not described.names_offset:
            described = replace(described, query_offset_seconds=sources.query_offset_seconds)
        interval = described.interval_seconds or sources.interval_seconds
        before = self._groups.get(key)
        if before is not None and before.group == described and before.interval_seconds == interval:
            return before
        return Group(key[0], described, interval, self._around)

    async def _saved_alerts(self) -> dict[str, SavedAlerts]:
        """What alerts were before a restart and no group has gone on with. What is older than a day is nobody's.

        Raises:
            Unavailable: it cannot be read just now. After a minute of that, alerts begin anew.
        """
        if self._saved is None:
            try:
                self._saved = await self._around.alerts.load()
            except Unavailable as error:
                self._asked_since = self._asked_since or time.monotonic()
                if time.monotonic() - self._asked_since < _WAITS_SECONDS:
                    raise
                log.warning("Alerts begin anew, as what they were cannot be read: %s", error)
                self._saved = {}
        since_ms = time.time() * 1000 - _KEPT_MS
        for key in [key for key, alerts in self._saved.items() if alerts.evaluated_ms < since_ms]:
            del self._saved[key]
            with contextlib.suppress(VedetteError):
                await self._around.alerts.forget(key)
        return self._saved


def _paths(patterns: Iterable[str]) -> list[str]:
    return sorted({name for pattern in patterns for name in glob.glob(str(Path(pattern).expanduser()))})  # noqa: PTH207 - an absolute pattern


def _stamp(paths: Iterable[str]) -> Stamp:
    found = []
    for name in paths:
        with contextlib.suppress(OSError):
            facts = Path(name).stat()
            found.append((name, facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def _load(paths: Iterable[str]) -> dict[tuple[str, str], RuleGroup]:
    found = {}
    for name in paths:
        try:
            groups = load_rules(Path(name))
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from error
        found.update({(name, group.name): group for group in groups})
    return found


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class RuleReadings(Collector):
    """The figures of all groups; one label, the group, as Prometheus has it."""

    def __init__(self, manager: RuleManager) -> None:
        self._manager = manager

    def collect(self) -> Iterable[Metric]:
        """What a scrape of ours gives."""
        groups = self._manager.groups
        for name, help_, counts, read in _READINGS:
            family = CounterMetricFamily if counts else GaugeMetricFamily
            metric = family(f"vedette_rule_{name}", help_, labels=["rule_group"])
            for group in groups:
                metric.add_metric([group.key], read(group))
            yield metric
        yield GaugeMetricFamily(
            "vedette_rule_files_last_reload_successful",
            "Whether the rule files are used as they are.",
            value=0.0 if self._manager.error else 1.0,
        )


_READINGS: tuple[tuple[str, str, bool, Callable[[Group], float]], ...] = (
    ("evaluations", "Evaluations of rules.", True, lambda g: g.figures.evaluations),
    ("evaluation_failures", "Evaluations that failed.", True, lambda g: g.figures.failures),
    ("group_iterations", "Moments at which a group was due.", True, lambda g: g.figures.iterations),
    ("group_iterations_missed", "Moments that were left out, as the group was late.", True, lambda g: g.figures.missed),
    (
        "group_iterations_incomplete",
        "Moments that were evaluated before everything acknowledged could be read.",
        True,
        lambda g: g.figures.incomplete,
    ),
    ("group_interval_seconds", "Interval of a group.", False, lambda g: g.interval_seconds),
    ("group_rules", "Rules of a group.", False, lambda g: len(g.states)),
    ("group_last_duration_seconds", "How long the last evaluation took.", False, lambda g: g.figures.took_seconds),
    ("group_last_lag_seconds", "How late the last evaluation began.", False, lambda g: g.figures.lag_seconds),
    (
        "group_last_evaluation_timestamp_seconds",
        "The moment for which a group was evaluated last.",
        False,
        lambda g: g.figures.evaluated_at,
    ),
    ("group_last_evaluation_samples", "Samples recorded by the last evaluation.", False, lambda g: g.figures.samples),
)
