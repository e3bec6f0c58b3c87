"""Resource attributes that become labels, from an exporter's request to the answer of a query."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from vedette.errors import SettingsError
from vedette.server.settings import load_settings

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics_storage"))
from otlp_requests import gauge, request

TENANT = "promoted"


def test_a_query_by_a_promoted_attribute(shared_platform):
    platform = shared_platform
    now = time.time_ns()
    # The later ones may go by the ids of their series, which must be the same.
    for step in range(3):
        for number in range(2):
            message = request(
                gauge("load", float(step), time=now + step * 1_000_000_000),
                resource={"service.name": "n", "test.promoted": f"rack-{number}", "other": 1},
            )
            assert platform.otlp("metrics", message.SerializeToString(), X_Scope_OrgID=TENANT).status == 200
    platform.eventually("SELECT uniqExact(series, time) FROM samples WHERE value = 2", 2, TENANT)
    query = quote('count_over_time({"load", "test.promoted"="rack-1"}[1h])')
    at = now // 1_000_000_000 + 10
    path = f"/prometheus/api/v1/query?query={query}&time={at}"
    answer = platform.request(path, headers={"X-Scope-OrgID": TENANT}).json()
    found = answer["data"]["result"]
    assert [one["metric"] for one in found] == [{"job": "n", "test.promoted": "rack-1"}]
    assert found[0]["value"][1] == "3"


@pytest.mark.parametrize("text", ["host.name,a\tb", ",".join(f"attribute.{number}" for number in range(400))])
def test_names_that_are_none(text):
    with pytest.raises(SettingsError, match="otlp_promote"):
        load_settings({"otlp_promote": text}, {})
