"""Prometheus' own cases, asked as they are, as a range, and printed again with fixed times."""

from __future__ import annotations

import re
from typing import Any

import pytest
from promql_cases import (
    CASES,
    at_its_own_time,
    depends_on_query_times,
    differences,
    expected_points,
    options_of,
    points_of,
    read_cases,
    same_point,
    source_of,
)

from vedette.server.query.promql.engine import QueryResult, evaluate
from vedette.server.query.promql.errors import EvaluationError

FILES = sorted(path.name for path in CASES.glob("*.jsonl") if path.name != "datasets.jsonl")


async def _ask(case: dict[str, Any], query: str, start: int, end: int, step: int) -> QueryResult:
    return await evaluate(query, start, end, step, source_of(case["data"]), "acme", options=options_of(case))


def _annotation_problems(case: dict[str, Any], result: QueryResult) -> list[str]:
    problems = []
    for wanted in case["expect"]["annotations"]:
        texts = result.warnings if "warn" in wanted["kind"] else result.infos
        if wanted["kind"].startswith("no_"):
            problems += [f"unexpected: {text}" for text in texts]
        elif "msg" in wanted:
            problems += [] if wanted["msg"] in texts else [f"{wanted['msg']} is not in {texts}"]
        elif not any(re.search(wanted.get("regex", ""), text) for text in texts):
            problems.append(f"{wanted} is not in {texts}")
    return problems


def _failure_problems(fail: dict[str, str], message: str) -> list[str]:
    if "msg" in fail and fail["msg"] != message:
        return [f"fails with {message!r} instead of {fail['msg']!r}"]
    if "regex" in fail and not re.search(fail["regex"], message):
        return [f"fails with {message!r}, which does not match {fail['regex']!r}"]
    return []


def _value_problems(case: dict[str, Any], result: QueryResult) -> list[str]:
    expect = case["expect"]
    if expect["type"] == "scalar":
        equal = result.kind == "scalar" and same_point(expect["scalar"], float(result.values[0, 0]))
        return [] if equal else [f"scalar {expect['scalar']}, found {result.values}"]
    if expect["type"] == "string":
        return [] if result.string == expect["string"] else [f"string {result.string!r}"]
    found = points_of(result)
    if expect["type"] == "range_vector" and expect["series"]:
        moments = range(expect["start"], expect["end"] + 1, expect["step"])
        timed = {labels: dict(zip(map(int, result.times_ms), points, strict=True)) for labels, points in found.items()}
        found = {labels: [points.get(at) for at in moments] for labels, points in timed.items()}
    problems = differences(expected_points(case), found)
    if expect["ordered"] and list(expected_points(case)) != list(found):
        problems.append(f"order: {list(found)}")
    return problems


async def _asked_again(case: dict[str, Any]) -> list[str]:
    """An instant query as the middle of a range, and with its own time fixed, asked at other times."""
    at, query, problems = case["start"], case["query"], []
    if not case["expect"]["ordered"] and not depends_on_query_times(case):
        result = await _ask(case, query, at - 60_000, at + 60_000, 60_000)
        middle = {labels: [points[1]] for labels, points in points_of(result).items()}
        problems += [f"as a range: {one}" for one in differences(expected_points(case), middle)]
        if list(result.labels) != sorted(result.labels):
            problems.append("a matrix is not sorted by labels")
    fixed = at_its_own_time(query, at)
    if fixed is not None:
        for moment in [-10 * at, 0, at // 5, at, 10 * at] if at else [-1000, 0, 1000]:
            result = await _ask(case, fixed, moment, moment, 0)
            again = differences(expected_points(case), points_of(result))
            problems += [f"as {fixed} at {moment}: {one}" for one in again]
    return problems


async def _problems(case: dict[str, Any]) -> list[str]:
    fail = case["expect"]["fail"]
    try:
        result = await _ask(
            case, case["query"], case["start"], case["end"], case["step"] if case["kind"] == "range" else 0
        )
    except EvaluationError as error:
        return [f"fails: {error}"] if fail is None else _failure_problems(fail, str(error))
    if fail is not None:
        return ["does not fail"]
    problems = _value_problems(case, result) + _annotation_problems(case, result)
    if case["kind"] == "instant" and case["expect"]["type"] == "vector":
        problems += await _asked_again(case)
    return problems


@pytest.mark.parametrize("file", FILES)
async def test_cases_of_prometheus(file: str) -> None:
    failures = []
    for case in read_cases(file):
        problems = await _problems(case)
        failures += [f"{case['file']}:{case['line']}: {case['query']}\n    {one}" for one in problems]
    assert not failures, "\n".join(failures)


def test_all_cases_are_there() -> None:
    assert sum(len(read_cases(file)) for file in FILES) == 1355
