"""Prometheus' own tools and clients against the platform."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from prometheus_api_client import PrometheusConnect

sys.path[:0] = [str(Path(__file__).parent.parent / "remote_write")]

from write_requests import ONE, PATH, packed, sample, series_one  # noqa: E402

PROMTOOL = shutil.which("promtool")
NOW = int(time.time()) * 1000
HEADERS = {"X-Scope-OrgID": "clients"}


@pytest.fixture(scope="module")
def loaded(shared_platform):
    """Ten minutes of requests of two codes, up to the moment at which the tests begin: the file may wait for its turn."""
    global NOW  # noqa: PLW0603 - one moment for all tests of the file
    NOW = int(time.time()) * 1000
    body = b"".join(
        series_one(
            [("__name__", "requests_total"), ("code", code), ("job", "api")],
            *[(2, sample(k * rate, NOW - 600_000 + k * 15_000)) for k in range(41)],
        )
        for code, rate in (("200", 30), ("500", 3))
    )
    assert shared_platform.request(PATH, packed(body), headers=ONE | HEADERS).status == 204
    shared_platform.eventually("SELECT count() FROM samples", 82, tenant="clients")
    return shared_platform


def _get(platform: Any, path: str, **params: Any) -> Any:
    answer = platform.request(f"/prometheus/api/v1/{path}?{urlencode(params, doseq=True)}", headers=HEADERS)
    return answer.json()


def test_prometheus_api_client(loaded):
    client = PrometheusConnect(url=f"{loaded.url}/prometheus", headers=HEADERS)
    assert client.check_prometheus_connection()
    assert client.all_metrics() == ["requests_total"]
    assert client.get_label_values("code") == ["200", "500"]
    [found] = client.custom_query("sum(rate(requests_total[5m]))", {"time": NOW / 1000})
    assert float(found["value"][1]) == pytest.approx(2.2)
    assert len(client.get_current_metric_value("requests_total", {"code": "200"}, {"time": NOW / 1000})) == 1


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool(loaded):
    # promtool asks for this moment, which may be long after the module was loaded.
    body = series_one([("__name__", "asked_by_promtool")], (2, sample(7, int(time.time()) * 1000)))
    assert loaded.request(PATH, packed(body), headers=ONE).status == 204  # promtool sends no headers
    loaded.eventually("SELECT count() FROM samples WHERE value = 7", 1)
    url = f"{loaded.url}/prometheus"
    found = subprocess.run([PROMTOOL, "query", "instant", url, "asked_by_promtool"], capture_output=True, check=True)
    assert b"=> 7 @" in found.stdout
    found = subprocess.run([PROMTOOL, "query", "labels", url, "__name__"], capture_output=True, text=True, check=True)
    assert "asked_by_promtool" in found.stdout.splitlines()
    found = subprocess.run(
        [PROMTOOL, "query", "series", "--match", "asked_by_promtool", url], capture_output=True, text=True, check=True
    )
    assert found.stdout == '{__name__="asked_by_promtool"}\n'


def test_what_grafana_asks(loaded):
    assert _get(loaded, "status/buildinfo")["data"]["application"] == "Vedette"
    assert _get(loaded, "labels", start=NOW / 1000 - 3600, end=NOW / 1000)["data"] == ["__name__", "code", "job"]
    match = 'requests_total{code="500"}'
    assert _get(loaded, "label/code/values", **{"match[]": match})["data"] == ["500"]
    assert _get(loaded, "series", **{"match[]": match})["data"] == [
        {"__name__": "requests_total", "code": "500", "job": "api"}
    ]
    assert _get(loaded, "series", limit=1, **{"match[]": "requests_total"})["warnings"]
    ranged = {"query": "requests_total", "start": NOW / 1000 - 60, "end": NOW / 1000, "step": 15}
    data = _get(loaded, "query_range", **ranged)["data"]
    assert [len(one["values"]) for one in data["result"]] == [5, 5]
    assert data["result"][0]["values"][-1] == [NOW // 1000, "1200"]
    for path in ("rules", "alerts", "targets", "alertmanagers", "metadata", "status/tsdb", "status/flags"):
        assert _get(loaded, path)["status"] == "success", path


@pytest.mark.parametrize(
    ("path", "params", "status", "error"),
    [
        ("query", {"query": "sum(up"}, 400, 'invalid parameter "query": 1:7: parse error: unclosed left parenthesis'),
        (
            "query",
            {"query": "up", "time": "noon"},
            400,
            'invalid parameter "time": cannot parse "noon" to a valid timestamp',
        ),
        (
            "query_range",
            {"query": "up", "start": 2, "end": 1, "step": 1},
            400,
            "end timestamp must not be before start",
        ),
        (
            "query_range",
            {"query": "up", "start": 0, "end": 99999, "step": 1},
            400,
            "exceeded maximum resolution of 11,000",
        ),
        ("query_range", {"query": "up", "start": 0, "end": 1, "step": 0}, 400, "zero or negative query resolution"),
        ("query_range", {"query": "up[5m]", "start": 0, "end": 1, "step": 1}, 422, "must be Scalar or instant Vector"),
        ("series", {}, 400, "no match[] parameter provided"),
        ("series", {"match[]": '{a=""}'}, 400, "match[] must contain at least one non-empty matcher"),
    ],
)
def test_errors_are_worded_as_prometheus_words_them(loaded, path, params, status, error):
    answer = loaded.request(f"/prometheus/api/v1/{path}?{urlencode(params)}", headers=HEADERS)
    document = answer.json()
    assert (answer.status, document["status"]) == (status, "error")
    assert error in document["error"]


def test_large_answers_are_compressed(loaded):
    params = urlencode({"query": "requests_total", "start": NOW / 1000 - 600, "end": NOW / 1000, "step": 1})
    path = f"/prometheus/api/v1/query_range?{params}"
    plain = loaded.request(path, headers=HEADERS)
    packed_ = loaded.request(path, headers=HEADERS | {"Accept-Encoding": "gzip"})
    assert json.loads(gzip.decompress(packed_.body)) == plain.json()


def test_new_samples_reach_a_series_that_is_asked_again(loaded):
    tenant = {"X-Scope-OrgID": "again"}
    query = f"/prometheus/api/v1/query?{urlencode({'query': 'count_over_time(growing[10m])'})}"
    first = int(time.time() - 300) * 1000
    # The third is late: its window in memory is read anew.
    for count, at in enumerate((first, first + 2000, first - 3000, first + 4000), start=1):
        body = series_one([("__name__", "growing")], (2, sample(count, at)))
        assert loaded.request(PATH, packed(body), headers=ONE | tenant).status == 204
        while True:
            result = loaded.request(query, headers=tenant).json()["data"]["result"]
            if result and result[0]["value"][1] == str(count):
                break
            time.sleep(0.1)


def test_federation(loaded):
    at = int(time.time()) * 1000
    body = series_one([("__name__", "asked_by_another"), ("job", "api")], (2, sample(4711, at)))
    assert loaded.request(PATH, packed(body), headers=ONE | HEADERS).status == 204
    loaded.eventually("SELECT count() FROM samples WHERE value = 4711", 1, tenant="clients")
    query = urlencode({"match[]": "asked_by_another"})
    # What is in the tables is known to the label index within two seconds.
    while not (answer := loaded.request(f"/prometheus/federate?{query}", headers=HEADERS)).body:
        time.sleep(0.1)
    lines = answer.body.decode().splitlines()
    assert lines == ["# TYPE asked_by_another untyped", f'asked_by_another{{job="api"}} 4711 {at}']


def test_command_line(loaded):
    now = int(time.time()) * 1000
    body = series_one([("__name__", "on_the_command_line")], *[(2, sample(k, now - k * 10_000)) for k in range(30)])
    assert loaded.request(PATH, packed(body), headers=ONE).status == 204
    loaded.eventually("SELECT count() FROM samples WHERE value = 29", 1)
    command = [sys.executable, "-m", "vedette.cli.main", "query", "promql", "--url", loaded.url]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    while "on_the_command_line" not in (table := run("on_the_command_line", "--since", "5m").stdout):
        time.sleep(0.2)
    assert "█" in table
    assert json.loads(run("1 + 1", "--json").stdout)["data"]["result"][1] == "2"
    failed = run("sum(")
    assert failed.returncode == 1
    assert "parse error" in failed.stderr
