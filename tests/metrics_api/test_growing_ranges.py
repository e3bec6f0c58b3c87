"""Questions that look back further than those before them: only what was not read yet is read."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics_storage"))
from otlp_requests import attributes, gauge, request

TENANT = "growing-ranges"
MINUTES = 120


def test_every_range_is_whole(shared_platform):
    now = int(time.time())
    metrics = []
    for name in ("a", "b", "late"):
        # Series `late` begins within the window that the first questions open.
        minutes = range(2 if name == "late" else MINUTES)
        metric = gauge("w", 0.0, time=now * 1_000_000_000, s=name)
        del metric.gauge.data_points[:]
        for minute in minutes:
            point = metric.gauge.data_points.add(time_unix_nano=(now - 60 * minute) * 1_000_000_000, as_double=minute)
            point.attributes.extend(attributes({"s": name}))
        metrics.append(metric)
    body = request(*metrics, resource={"service.name": "n"}).SerializeToString()
    assert shared_platform.otlp("metrics", body, X_Scope_OrgID=TENANT).status == 200
    shared_platform.loaded()  # samples may be there a moment before their series

    def ask(query: str) -> dict[str, float]:
        path = f"/prometheus/api/v1/query?{urlencode({'query': query, 'time': now})}"
        found = shared_platform.request(path, headers={"X-Scope-OrgID": TENANT}).json()["data"]["result"]
        return {one["metric"]["s"]: float(one["value"][1]) for one in found}

    assert ask('count_over_time(w{s="a"}[30m])') == {"a": 30}
    assert ask("count_over_time(w[5m])") == {"a": 5, "b": 5, "late": 2}
    assert ask("count_over_time(w[1h])") == {"a": 60, "b": 60, "late": 2}
    # Two selectors of one question, of which one is known already.
    assert ask('sum_over_time(w{s="b"}[90m]) - sum_over_time(w{s="b"}[30m])') == {"b": sum(range(30, 90))}
    assert ask("sum_over_time(w[3h])") == {"a": sum(range(MINUTES)), "b": sum(range(MINUTES)), "late": 1}
    assert ask("count_over_time(w[5m] offset 1h)") == {"a": 5, "b": 5}
    assert ask("max_over_time(w[3h])") == {"a": MINUTES - 1, "b": MINUTES - 1, "late": 1}
