"""Prometheus' own cases asked by HTTP, as they are and as a range, beside what they must answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from case_platform import FLAGS, ask, cases, load, points, same
from promql_cases import almost_equal, depends_on_query_times, expected_points, to_number
from real_platform import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FEATURES = {
    "flag:delayed_name_removal": "promql-delayed-name-removal",
    "exp:type_and_unit": "type-and-unit-labels",
    "flag:st": "use-start-timestamps",
}
Ask = tuple[Platform, list[dict[str, Any]]]
"""A platform and the cases whose data it has."""


def flags_of(case: dict[str, Any]) -> tuple[str, ...]:
    """The switches that the case wants on."""
    return tuple(sorted(FLAGS & set(case["tags"])))


def stable_files() -> list[str]:
    """Files of the cases that want no switch."""
    return sorted({case["file"] for case in cases() if not flags_of(case)})


def with_cases(folder: Path, wanted: Callable[[dict[str, Any]], bool], flags: tuple[str, ...] = ()) -> Iterator[Ask]:
    """A platform whose switches are `flags`, with the data of the cases that are wanted."""
    chosen = [case for case in cases() if wanted(case)]
    switches = ",".join(sorted(_FEATURES[flag] for flag in flags))
    platform = Platform(folder / "data", ["--promql-features", switches] if switches else []).start()
    try:
        load(platform, {case["data"] for case in chosen})
        yield platform, chosen
    finally:
        platform.stop()


def asking_stable(files: list[str]) -> Callable[..., Iterator[Ask]]:
    """A fixture of a module: a platform with the data of those cases of some files that want no switch."""

    @pytest.fixture(scope="module")
    def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
        folder = tmp_path_factory.mktemp("cases")
        yield from with_cases(folder, lambda case: not flags_of(case) and case["file"] in files)

    return asked


def assert_answers(asked: Ask, file: str) -> None:
    """All cases of a file are answered as Prometheus does."""
    platform, of_all = asked
    chosen = [case for case in of_all if case["file"] == file]
    assert chosen
    failures = []
    for case in chosen:
        problems = _problems(platform, case)
        failures += [f"{case['file']}:{case['line']}: {case['query']}\n    {one[:600]}" for one in problems]
    assert not failures, f"{len(failures)} of {len(chosen)}:\n" + "\n".join(failures)


def _annotation_problems(case: dict[str, Any], document: dict[str, Any]) -> list[str]:
    problems = []
    for wanted in case["expect"]["annotations"]:
        texts = document.get("warnings" if "warn" in wanted["kind"] else "infos", [])
        if wanted["kind"].startswith("no_"):
            problems += [f"unexpected: {text}" for text in texts]
        elif "msg" in wanted and wanted["msg"] not in texts:
            problems.append(f"{wanted['msg']} is not in {texts}")
    return problems


def _differences(expected: dict[Any, list[Any]], found: dict[Any, list[Any]]) -> list[str]:
    expected = {k: v for k, v in expected.items() if any(one is not None for one in v)}
    found = {k: v for k, v in found.items() if any(one is not None for one in v)}
    problems = [f"missing {k}: {expected[k]}" for k in expected.keys() - found.keys()]
    problems += [f"unexpected {k}: {found[k]}" for k in found.keys() - expected.keys()]
    for labels in expected.keys() & found.keys():
        left, right = expected[labels], found[labels]
        left = [*left, *[None] * (len(right) - len(left))]
        if not all(map(same, left, right)):
            problems.append(f"{labels}: expected {left}, found {right}")
    return problems


def _problems(platform: Platform, case: dict[str, Any]) -> list[str]:
    expect, start, end = case["expect"], case["start"], case["end"]
    step = case["step"] if case["kind"] == "range" else 0
    document = ask(platform, case, start, end, step)
    if expect["fail"] is not None:
        wanted = expect["fail"].get("msg", "")
        return [] if document["status"] == "error" and wanted in document["error"] else [f"does not fail: {document}"]
    if document["status"] != "success":
        return [f"fails: {document}"]
    data = document["data"]
    if expect["type"] == "scalar":
        return [] if almost_equal(to_number(expect["scalar"]), float(data["result"][1])) else [f"scalar {data}"]
    if expect["type"] == "string":
        return [] if data["result"][1] == expect["string"] else [f"string {data}"]
    if expect["type"] == "range_vector":
        steps = list(range(expect["start"], expect["end"] + 1, expect["step"])) if expect["series"] else [start]
    else:
        steps = list(range(start, end + 1, step)) if step else [start]
    found = points(data, steps)
    wanted_points = expected_points(case)
    problems = _differences(wanted_points, found) + _annotation_problems(case, document)
    if expect["ordered"] and list(wanted_points) != list(found):
        problems.append(f"order: {list(found)}")
    if case["kind"] == "instant" and expect["type"] == "vector" and not expect["ordered"]:
        problems += [] if depends_on_query_times(case) else _as_a_range(platform, case)
    return problems


def _as_a_range(platform: Platform, case: dict[str, Any]) -> list[str]:
    at = case["start"]
    document = ask(platform, case, at - 60_000, at + 60_000, 60_000)
    if document["status"] != "success":
        return [f"as a range: {document}"]
    return [f"as a range: {one}" for one in _differences(expected_points(case), points(document["data"], [at]))]
