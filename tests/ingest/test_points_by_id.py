"""Exports that come again and again: their points are kept by the ids of their series, and read like any others."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics_storage"))
from otlp_requests import gauge, histogram, request, total

TENANT = "by-id"
STEP_NS = 10_000_000_000
RESOURCE = {"service.name": "till", "host.name": "h"}


def kept_by_id(platform: Any) -> float:
    lines = platform.request("/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("vedette_otlp_points_by_id_total "))


def asked(platform: Any, path: str) -> Any:
    answer = platform.request(f"/prometheus/api/v1/{path}", headers={"X-Scope-OrgID": TENANT})
    assert answer.status == 200, answer.body
    return answer.json()["data"]


def export(number: int, at: int) -> bytes:
    timed = histogram("wait", [number, 1], [0.5], time_unix_nano=at)
    timed.histogram.data_points[0].exemplars.add(
        time_unix_nano=at, as_double=0.25, trace_id=b"t" * 16, span_id=b"s" * 8
    )
    metrics = total("sold", number, time=at, kind="tea"), gauge("open", float(number), time=at), timed
    return request(*metrics, resource=RESOURCE).SerializeToString()


def test_exports_of_the_same_instruments_read_like_any_others(shared_platform):
    before = kept_by_id(shared_platform)
    first = time.time_ns() // STEP_NS * STEP_NS - 600 * 1_000_000_000
    sent = 0
    # The first exports are told whole, until their series are known; how many these are is a matter of the machine.
    while kept_by_id(shared_platform) < before + 9:
        sent += 1
        answer = shared_platform.otlp("metrics", export(sent, first + sent * 1_000_000), X_Scope_OrgID=TENANT)
        assert (answer.status, answer.body) == (200, b"")
        time.sleep(0.05)
    shared_platform.loaded()
    at = f"&time={(first + STEP_NS) / 1e9}"
    for query, expected in {
        "count_over_time(sold_total[10m])": sent,
        "sold_total": sent,
        "open": sent,
        "wait_count": sent + 1,
        'wait_bucket{le="0.5"}': sent,
        "wait_sum": 1.5,
        "target_info": 1,
        "count_over_time(target_info[10m])": sent,
    }.items():
        (found,) = asked(shared_platform, f"query?query={quote(query)}{at}")["result"]
        assert float(found["value"][1]) == expected, query
        assert found["metric"]["job"] == "till"
    span = f"&start={first / 1e9 - 60}&end={first / 1e9 + 60}"
    (exemplars,) = asked(shared_platform, f"query_exemplars?query=wait_bucket{span}")
    assert exemplars["seriesLabels"]["le"] == "0.5"
    assert len(exemplars["exemplars"]) == sent
    assert {one["labels"]["trace_id"] for one in exemplars["exemplars"]} == {"74" * 16}
