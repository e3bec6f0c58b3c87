"""Answers compared with those of a real Prometheus on the same data.

Debian's Prometheus is a 2.x. Where it differs from the 3.x whose semantics we have, the data avoids the difference
(samples lie off the edges of windows, counters start high), or the query is named below with the reason.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.append(str(Path(__file__).parent.parent / "remote_write"))

from promql_cases import CaseSource
from promql_expressions import random_expression
from reference_prometheus import AVAILABLE, Prometheus, running
from write_requests import ONE, PATH, packed, sample, series_one

from vedette.errors import RequestError
from vedette.server.query.promql.engine import evaluate
from vedette.server.query.promql.errors import EvaluationError
from vedette.server.query.promql.json_writer import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from real_platform import Platform

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="Debian's package prometheus is not installed")

COMPLIANCE = Path(__file__).parent / "cases" / "compliance_queries.json"
BEGIN, INTERVAL, SAMPLES = 1_672_531_207_123, 15_000, 800
END = BEGIN + INTERVAL * SAMPLES
END += 3_001 - END % 60_000  # the points of subqueries lie off the edges of windows, too
SPAN = (END - 3_600_000, END, 60_000)
INSTANT = (END - 600_000, END - 600_000, 0)

UTF8_NAMES = {
    'label_replace(demo_num_cpus, "~invalid", "", "src", "(.*)")',
    'label_join(demo_num_cpus, "~invalid", "-", "instance")',
}
"""3.x takes any UTF-8 text as a label's name, 2.x does not."""


def series(name: str, values: list[float | None], **labels: str) -> dict[str, Any]:
    return {"labels": {"__name__": name, **labels}, "start": BEGIN, "step": INTERVAL, "values": values}


def demo_series(chance: random.Random) -> Iterator[dict[str, Any]]:
    """The metrics of Prometheus' demo service, smaller."""
    for host in range(3):
        target = {"instance": f"demo.promlabs.com:{10000 + host}", "job": "demo"}
        for kind in ("used", "free", "buffers", "cached"):
            level = chance.uniform(1e8, 1e9)
            values = [round(level + chance.gauss(0, 1e7)) for _ in range(SAMPLES)]
            yield series("demo_memory_usage_bytes", [*values], **target, type=kind)
        for mode in ("user", "system", "idle"):
            yield series("demo_cpu_usage_seconds_total", [*counter(chance, 0.01)], **target, mode=mode)
        stamps = [round(BEGIN / 1000 + i // 20 * 300 + chance.random(), 3) for i in range(SAMPLES)]
        yield series("demo_batch_last_success_timestamp_seconds", [*stamps], **target)
        yield series("demo_num_cpus", [4.0] * SAMPLES, **target)
        disk = [round(6e10 + i * 12_345 + chance.gauss(0, 1e4)) for i in range(SAMPLES)]
        yield series("demo_disk_usage_bytes", [*disk], **target)
        gaps = [None if i // 40 % 3 == host else 1.0 for i in range(SAMPLES)]
        yield series("demo_intermittent_metric", gaps, **target)
        for path in ("/api/foo", "/api/bar"):
            below = [0.0] * SAMPLES
            for le in ("0.0001", "0.001", "0.01", "0.1", "1", "+Inf"):
                below = [a + b for a, b in zip(below, counter(chance, 0.0), strict=True)]
                labels = {**target, "path": path, "method": "GET", "status": "200", "le": le}
                yield series("demo_api_request_duration_seconds_bucket", [*below], **labels)
            labels.pop("le")
            yield series("demo_api_request_duration_seconds_count", [*below], **labels)
            yield series("demo_api_request_duration_seconds_sum", [*counter(chance, 0.0)], **labels)


def counter(chance: random.Random, reset: float) -> list[float]:
    values, value = [], 100_000.0
    for _ in range(SAMPLES):
        value = 90_000.0 if chance.random() < reset else value + chance.randrange(500)
        values.append(value)
    return values


def wild_series(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Gaps, resets, and numbers that are none."""
    special = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e100, 5e-324]
    for a in ("x", "y", "z"):
        for b in ("1", "2"):
            values: list[float | None] = [round(chance.gauss(0, 50), chance.randrange(4)) for _ in range(SAMPLES)]
            yield series("calm", [*values], a=a, b=b)
            holes: list[float | None] = [None if chance.random() < 0.5 else value for value in values]
            if chance.random() < 0.8:
                holes[chance.randrange(400, SAMPLES) :] = []
            yield series("holes", holes, a=a, b=b)
            yield series("counter", [*counter(chance, 0.02)], a=a, b=b)
        odd = [chance.choice(special) if chance.random() < 0.1 else float(chance.randrange(5)) for _ in range(SAMPLES)]
        yield series("odd", [*odd], a=a)
        below = [0.0] * SAMPLES
        for le in ("-1", "0.5", "2", "+Inf"):
            below = [x + y for x, y in zip(below, counter(chance, 0.0), strict=True)]
            yield series("latency_bucket", [*below], a=a, le=le)


@pytest.fixture(scope="module")
def loads() -> list[dict[str, Any]]:
    found = [*demo_series(random.Random(1)), *wild_series(random.Random(2))]
    found.sort(key=lambda one: sorted(one["labels"].items()))  # Prometheus' order decides between equals in topk
    return [{"nhcb": False, "series": found}]


@pytest.fixture(scope="module")
def prometheus(loads: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running(tmp_path_factory.mktemp("prometheus"), loads) as server:
        yield server


@pytest.fixture(scope="module")
def source(loads: list[dict[str, Any]]) -> CaseSource:
    return CaseSource(loads)


@pytest.fixture(scope="module")
def api(shared_platform: Platform, source: CaseSource) -> Prometheus:
    """Vedette's own API, with the same data."""
    tenant = {"X-Scope-OrgID": "compliance"}
    body = [
        series_one(labels, *((2, sample(float(value), at)) for at, (value, _) in samples.items()))
        for labels, samples in source._series.items()
    ]
    answer = shared_platform.request(PATH, packed(b"".join(body)), headers=ONE | tenant)
    assert answer.status == 204, answer.body
    shared_platform.eventually("SELECT count() FROM samples", len(source.times), "compliance")
    return Prometheus(shared_platform.port, "/prometheus", **tenant)


async def ours(query: str, span: tuple[int, int, int], source: CaseSource) -> Any:
    try:
        return json.loads(to_json(await evaluate(query, *span, source, "acme")))
    except RequestError as error:
        return error


def difference(wanted: dict[str, Any], got: Any) -> str:
    """What separates two answers, or nothing. Their order is no part of it: among equals, it is random."""
    if wanted["status"] != "success" or isinstance(got, RequestError):
        # 3.x looks for several matches before a comparison drops them, 2.x afterwards.
        later = wanted["status"] == "success" and "multiple matches for labels" in str(got)
        same = later or (wanted["status"] != "success" and isinstance(got, RequestError))
        return "" if same else f"{wanted.get('error', 'success')!r} against {got!r:.200}"
    wanted = wanted["data"]
    if wanted["resultType"] != got["resultType"]:
        return f"{wanted['resultType']} against {got['resultType']}"
    if wanted["resultType"] == "scalar":
        return point_difference(wanted["result"], got["result"])
    both = wanted["result"], got["result"]
    left, right = (sorted(side, key=lambda one: sorted(one["metric"].items())) for side in both)
    if [one["metric"] for one in left] != [one["metric"] for one in right]:
        return f"series {[one['metric'] for one in left]} against {[one['metric'] for one in right]}"
    for one, other in zip(left, right, strict=True):
        points, others = (side.get("values") or [side["value"]] for side in (one, other))
        if [at for at, _ in points] != [at for at, _ in others]:
            return f"times of {one['metric']}: {len(points)} against {len(others)}"
        for point, other_point in zip(points, others, strict=True):
            if found := point_difference(point, other_point):
                return f"{one['metric']}: {found}"
    return ""


def point_difference(wanted: list[Any], got: list[Any]) -> str:
    if wanted == got:
        return ""
    x, y = float(wanted[1]), float(got[1])
    if wanted[0] == got[0] and math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9):
        return ""
    return f"{wanted} against {got}"


@pytest.mark.parametrize("span", [SPAN, INSTANT], ids=["range", "instant"])
def test_the_compliance_queries(span: tuple[int, int, int], prometheus: Prometheus, api: Prometheus) -> None:
    found = {}
    cases = json.loads(COMPLIANCE.read_text())
    with ThreadPoolExecutor(1) as pool:  # both are asked at once
        theirs = pool.map(lambda case: prometheus.ask(case["query"], *span), cases)
        answers = [api.ask(case["query"], *span) for case in cases]
    for case, wanted, answer in zip(cases, theirs, answers, strict=True):
        query = case["query"]
        got = EvaluationError(answer["error"]) if answer["status"] == "error" else answer["data"]
        if query in UTF8_NAMES:
            assert not isinstance(got, RequestError)
            continue
        assert isinstance(got, RequestError) == case["should_fail"], (query, answer)
        if what := difference(wanted, got):
            found[query] = what
    assert not found, "\n".join(f"{query}\n    {what}" for query, what in found.items())


DATES = ("day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year")


@pytest.mark.parametrize("at", ["NaN", "Inf", "1e17", "-9.2e18", "-1", "951782400", "-2203891200", "1e300", "1.9"])
async def test_dates(at: str, prometheus: Prometheus, source: CaseSource) -> None:
    for function in DATES:
        query = f"{function}(vector({at}))"
        assert difference(prometheus.ask(query, *INSTANT), await ours(query, INSTANT, source)) == ""


@pytest.mark.parametrize("seed", range(int(os.environ.get("PROMQL_SEEDS", "8"))))
async def test_random_expressions(seed: int, prometheus: Prometheus, source: CaseSource) -> None:
    chance = random.Random(seed)
    found = {}
    for _ in range(100):
        query = random_expression(chance)
        span = SPAN if chance.random() < 0.5 else INSTANT
        if what := difference(prometheus.ask(query, *span), await ours(query, span, source)):
            found[query] = what
    assert not found, "\n".join(f"{query}\n    {what}" for query, what in found.items())
