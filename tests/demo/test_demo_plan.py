"""The plan of the shop follows from its seed, in every process alike."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice, pairwise, takewhile

import pytest

from vedette.demo.goods import HOSTILE_TEXTS, USERS
from vedette.demo.timetable import FIRST_VERSIONS, Timetable
from vedette.demo.visits import JOURNEYS, Visit, visits

DAY = 600.0


def plan(seed: int, count: int, rate: float = 3.0) -> list[Visit]:
    return list(islice(visits(Timetable(seed, DAY), rate), count))


def visits_of_a_day(seed: int, rate: float) -> list[Visit]:
    return list(takewhile(lambda visit: visit.at < DAY, visits(Timetable(seed, DAY), rate)))


def test_one_seed_gives_one_plan_and_another_seed_another() -> None:
    assert plan(4, 300) == plan(4, 300)
    assert plan(4, 300) != plan(5, 300)
    timetables = [Timetable(seed, DAY) for seed in (4, 4, 5)]
    days = [[(timetable.incidents(day), timetable.releases(day)) for day in range(5)] for timetable in timetables]
    assert days[0] == days[1]
    assert days[0] != days[2]


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_plan_does_not_depend_on_the_process(hash_seed: str) -> None:
    code = """
from itertools import islice
from vedette.demo.timetable import Timetable
from vedette.demo.visits import visits
timetable = Timetable(4, 600.0)
print(list(islice(visits(timetable, 3.0), 50)), timetable.incidents(2), timetable.releases(2))
"""
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    other = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    timetable = Timetable(4, DAY)
    assert other.stdout.strip() == f"{plan(4, 50)} {timetable.incidents(2)} {timetable.releases(2)}"


@pytest.mark.parametrize("rate", [1.0, 20.0])
def test_a_day_has_the_requests_that_the_rate_promises(rate: float) -> None:
    requests = sum(len(visit.steps) for seed in range(8) for visit in visits_of_a_day(seed, rate)) / 8
    assert requests == pytest.approx(rate * DAY, rel=0.1)


def test_days_are_busier_than_nights() -> None:
    drawn = visits_of_a_day(4, 10.0)
    by_day = sum(visit.at < DAY / 2 for visit in drawn)
    assert by_day > 1.8 * (len(drawn) - by_day)


def test_all_kinds_of_journeys_and_hostile_texts_occur() -> None:
    drawn = plan(4, 2000)
    assert {visit.journey for visit in drawn} == set(JOURNEYS)
    assert len({visit.user for visit in drawn}) > len(USERS) * 0.9
    searched = {dict(step.params).get("q") for visit in drawn for step in visit.steps}
    assert set(HOSTILE_TEXTS) <= searched
    paths = {step.path for visit in drawn for step in visit.steps}
    assert {"/", "/products", "/search", "/login", "/cart/items", "/checkout", "/orders", "/admin/report"} <= paths


def test_incidents_come_one_at_a_time_and_pass() -> None:
    timetable = Timetable(4, DAY)
    incidents = [incident for day in range(6) for incident in timetable.incidents(day)]
    for earlier, later in pairwise(incidents):
        assert earlier.start < earlier.end < later.start
    first = incidents[0]
    assert timetable.active(first.start - 1) == frozenset()
    assert timetable.active(first.start) == {first.name}
    assert timetable.active(first.end) == frozenset()


def test_a_flawed_release_is_repaired_and_versions_only_rise() -> None:
    for seed in range(10):
        versions = {service: _number(version) for service, version in FIRST_VERSIONS.items()}
        flawed: set[str] = set()
        at = 0.0
        for release in (release for day in range(20) for release in Timetable(seed, DAY).releases(day)):
            assert release.at > at
            assert _number(release.version) > versions[release.service]
            at, versions[release.service] = release.at, _number(release.version)
            assert not flawed - {release.service}, "another release came before the repair"
            if release.flaw is None:
                flawed.discard(release.service)
            else:
                flawed.add(release.service)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
