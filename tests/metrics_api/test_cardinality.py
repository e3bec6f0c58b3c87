"""Where series come from, by our own API and by Prometheus'."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

sys.path[:0] = [str(Path(__file__).parent.parent / "remote_write")]

from write_requests import ONE, PATH, packed, sample, series_one  # noqa: E402

DAY_MS = 86_400_000
OLD = 800
"""Days; what is old is known by its month, then by its year only."""


@pytest.fixture(scope="module")
def counted(shared_platform):
    """Twelve series of `hits`, three of `misses`, and one that was seen long ago only."""
    now = time.time_ns() // 1_000_000
    body = b""
    for i in range(12):
        labels = {"__name__": "hits", "job": "web", "path": f"/{i}"}
        body += series_one(sorted(labels.items()), (2, sample(1, now)))
    for i in range(3):
        labels = {"__name__": "misses", "job": "web" if i else "batch", "path": "/0", "code": str(i)}
        body += series_one(sorted(labels.items()), (2, sample(1, now)))
    body += series_one([("__name__", "ancient"), ("job", "web")], (2, sample(1, now - OLD * DAY_MS)))
    headers = ONE | {"X-Scope-OrgID": "counted"}
    assert shared_platform.request(PATH, packed(body), headers=headers).status == 204
    shared_platform.eventually("SELECT uniqExact(id) FROM series", 16, tenant="counted")
    return lambda path, **form: _ask(shared_platform, path, form)


def _ask(platform: Any, path: str, form: dict[str, Any]) -> Any:
    while True:
        answer = platform.request(f"{path}?{urlencode(form)}", headers={"X-Scope-OrgID": "counted"})
        found = answer.json()
        # Labels are at most two seconds behind the tables.
        if answer.status != 200 or found.get("series", 1) or form.get("match"):
            return found
        time.sleep(0.1)


def test_series_are_counted_by_metric_label_pair_and_value(counted):
    found = counted("/api/v1/cardinality", label="job")
    assert {name: found[name] for name in ("series", "metrics", "labels", "label_pairs")} == {
        "series": 15,
        "metrics": 2,
        "labels": 4,
        "label_pairs": 2 + 2 + 12 + 3,
    }
    new = {"new_last_hour": 12, "new_last_day": 12}
    assert found["by_metric"][0] == {"name": "hits", "series": 12, **new}
    assert [one["name"] for one in found["by_new_series"]] == ["hits", "misses"]
    assert (found["new_last_hour"], found["new_last_day"]) == (15, 15)
    assert found["by_label"][0] == {"name": "path", "values": 12, "series": 15, "bytes": 10 * 2 + 2 * 3 + 3 * 2}
    assert found["by_pair"][:2] == [
        {"label": "job", "value": "web", "series": 14},
        {"label": "__name__", "value": "hits", "series": 12},
    ]
    assert found["by_value"] == [{"value": "web", "series": 14}, {"value": "batch", "series": 1}]


def test_a_selector_and_a_limit_narrow(counted):
    found = counted("/api/v1/cardinality", match='{code=~".+"}', limit=1)
    assert (found["series"], found["metrics"], len(found["by_label"])) == (3, 1, 1)
    assert found["by_metric"] == [{"name": "misses", "series": 3, "new_last_hour": 3, "new_last_day": 3}]
    assert counted("/api/v1/cardinality", days=OLD + 370)["series"] == 16
    refused = counted("/api/v1/cardinality", match="{job=")
    assert refused["status"] == 400
    assert "match is no selector" in refused["detail"]


def test_prometheus_shows_the_same(counted):
    data = counted("/prometheus/api/v1/status/tsdb", limit=2)["data"]
    assert data["headStats"]["numSeries"] == 15
    assert data["headStats"]["numLabelPairs"] == 19
    assert data["seriesCountByMetricName"] == [{"name": "hits", "value": 12}, {"name": "misses", "value": 3}]
    assert data["labelValueCountByLabelName"] == [{"name": "path", "value": 12}, {"name": "code", "value": 3}]
    assert data["memoryInBytesByLabelName"][0] == {"name": "__name__", "value": 12 * 4 + 3 * 6}
    assert data["seriesCountByLabelValuePair"][0] == {"name": "job=web", "value": 14}
