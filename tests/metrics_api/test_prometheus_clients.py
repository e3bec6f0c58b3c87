"""Prometheus' own tools and clients against the platform."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from prometheus_api_client import PrometheusConnect

sys.path[:0] = [str(Path(__file__).parent.parent / name) for name in ("remote_write", "scrape")]

from metric_families import MetricFamily  # noqa: E402
from real_platform import free_port  # noqa: E402
from write_requests import ONE, PATH, histogram, packed, sample, series_one  # noqa: E402

PROMTOOL = shutil.which("promtool")
PROMETHEUS = shutil.which("prometheus")
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
    shared_platform.loaded()  # samples may be there a moment before their series
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
    loaded.loaded()
    url = f"{loaded.url}/prometheus"
    command = [PROMTOOL, "query", "instant", url, "asked_by_promtool"]
    # What is in the tables is known to the label index within two seconds, where the tenant was asked for before.
    while b"=> 7 @" not in subprocess.run(command, capture_output=True, check=True).stdout:
        time.sleep(0.1)
    found = subprocess.run([PROMTOOL, "query", "labels", url, "__name__"], capture_output=True, text=True, check=True)
    assert "asked_by_promtool" in found.stdout.splitlines()
    found = subprocess.run(
        [PROMTOOL, "query", "series", "--match", "asked_by_promtool", url], capture_output=True, text=True, check=True
    )
    assert found.stdout == '{__name__="asked_by_promtool"}\n'
    own = loaded.request("/metrics").body
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=own, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert b"vedette_ingest_rows_total" in own


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


def test_a_query_is_narrowed_explained_and_asked_by_form(loaded):
    asked = {"query": "requests_total", "time": NOW / 1000 + 60}
    assert len(_get(loaded, "query", **asked)["data"]["result"]) == 2
    assert _get(loaded, "query", **asked, lookback_delta="59s")["data"]["result"] == []
    assert len(_get(loaded, "query", **asked, lookback_delta="2m")["data"]["result"]) == 2
    limited = _get(loaded, "query", **asked, limit=1)
    assert (len(limited["data"]["result"]), limited["warnings"]) == (1, ["results truncated due to limit"])
    stats = _get(loaded, "query", **asked | {"query": "sum_over_time(requests_total[5m])"}, stats="all")["data"][
        "stats"
    ]
    assert stats["samples"]["totalQueryableSamples"] == 2 * 16
    assert stats["timings"]["evalTotalTime"] > 0
    form = loaded.request("/prometheus/api/v1/query", urlencode(asked).encode(), headers=HEADERS)
    assert form.json() == _get(loaded, "query", **asked)


def test_the_server_tells_its_state(loaded):
    assert _get(loaded, "status/runtimeinfo")["data"]["timeSeriesCount"] >= 2
    assert _get(loaded, "status/config")["data"] == {"yaml": ""}
    assert "promql_timeout" in _get(loaded, "status/flags")["data"]
    assert _get(loaded, "status/walreplay")["data"] == {"min": 0, "max": 0, "current": 0}
    assert _get(loaded, "notifications")["data"] == []
    assert loaded.request("/prometheus/api/v1/admin/tsdb/clean_tombstones", b"", headers=HEADERS).status == 204
    features = _get(loaded, "features")["data"]
    assert features["promql"]["smoothed"] is features["promql"]["duration_expr"] is True
    assert features["promql"]["type_and_unit_labels"] is False
    # What is said to be there can be asked for.
    for name in features["promql_functions"]:
        assert "unknown function" not in str(_get(loaded, "parse_query", query=f"{name}(m)")), name
    assert len(features["promql_functions"]) > 80
    assert features["templating_functions"]["humanize"] is True


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
        ("query", {"query": r'up{a=~"x\\C"}'}, 400, r"error parsing regexp: invalid escape sequence: `\C`"),
        ("query", {"query": f'up{{a=~"{"a?" * 5001}"}}'}, 400, "expression too large: 5001 repetitions"),
        ("query", {"query": f'up{{a=~"{"(" * 1001}a{")" * 1001}"}}'}, 400, "expression nests too deeply"),
        ("series", {}, 400, "no match[] parameter provided"),
        ("series", {"match[]": '{a=""}'}, 400, "match[] must contain at least one non-empty matcher"),
    ],
)
def test_errors_are_worded_as_prometheus_words_them(loaded, path, params, status, error):
    answer = loaded.request(f"/prometheus/api/v1/{path}?{urlencode(params)}", headers=HEADERS)
    document = answer.json()
    assert (answer.status, document["status"]) == (status, "error")
    assert error in document["error"]


def test_long_and_deep_expressions_are_answered_or_refused_by_a_sentence(loaded):
    """Sums of 330 terms, as programs write them, and calls within 194 calls were internal errors."""

    def ask(query: str, path: str = "query") -> Any:
        form = urlencode({"query": query, "time": NOW / 1000}).encode()
        return loaded.request(f"/prometheus/api/v1/{path}", form, headers=HEADERS)

    assert ask("+".join(["1"] * 1000)).json()["data"]["result"][1] == "1000"
    assert len(ask(" or ".join(["requests_total"] * 1000)).json()["data"]["result"]) == 2
    assert ask("sort(" * 199 + "requests_total" + ")" * 199).status == 200
    for path in ("query", "format_query", "parse_query"):
        for query in ("sort(" * 999 + "up" + ")" * 999, "+".join(["1"] * 20_000)):
            answer = ask(query, path)
            assert (answer.status, "nested too deeply" in answer.json()["error"]) == (400, True)
    # Those that can be parsed and not evaluated.
    answer = ask("+".join(["1"] * 1700))
    assert (answer.status, "too many operators" in answer.json()["error"]) == (422, True)


def test_large_answers_are_compressed(loaded):
    params = urlencode({"query": "requests_total", "start": NOW / 1000 - 600, "end": NOW / 1000, "step": 1})
    path = f"/prometheus/api/v1/query_range?{params}"
    plain = loaded.request(path, headers=HEADERS)
    packed_ = loaded.request(path, headers=HEADERS | {"Accept-Encoding": "gzip"})
    assert json.loads(gzip.decompress(packed_.body)) == plain.json()
    refused = loaded.request(path, headers=HEADERS | {"Accept-Encoding": "zstd;q=0, gzip;q=0.5"})
    assert json.loads(gzip.decompress(refused.body)) == plain.json()


def test_a_list_of_values_is_as_long_as_it_has_to_be(loaded):
    """Ten thousands of them, as dashboards write them for "all", were a pattern too large to be compiled."""
    listed = "|".join([*(rf"10\\.0\\.{i}\\.1:9100" for i in range(100_000)), "a\\\\|b", "500"])
    form = urlencode({"query": f'requests_total{{code=~"{listed}"}}', "time": NOW / 1000}).encode()
    answer = loaded.request("/prometheus/api/v1/query", form, headers=HEADERS).json()
    assert [found["metric"]["code"] for found in answer["data"]["result"]] == ["500"]


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
    # Another value for a time that the window has.
    body = series_one([("__name__", "growing")], (2, sample(9, first + 2000)))
    assert loaded.request(PATH, packed(body), headers=ONE | tenant).status == 204
    query = f"/prometheus/api/v1/query?{urlencode({'query': 'sum_over_time(growing[10m])'})}"
    total = str(1 + 9 + 3 + 4)
    while loaded.request(query, headers=tenant).json()["data"]["result"][0]["value"][1] != total:
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
    assert lines == ["# TYPE asked_by_another untyped", f'asked_by_another{{instance="",job="api"}} 4711 {at}']


def test_names_that_not_every_scraper_takes_are_federated_escaped_or_quoted(loaded):
    """One name with a dot made Debian's Prometheus refuse all that it federated."""
    at = int(time.time()) * 1000
    labels = [("__name__", "http.requests"), ("job", "api"), ("svc.name", 'a "b"')]
    body = series_one(labels, (2, sample(4712, at)))
    assert loaded.request(PATH, packed(body), headers=ONE | HEADERS).status == 204
    loaded.eventually("SELECT count() FROM samples WHERE value = 4712", 1, tenant="clients")
    query = urlencode({"match[]": '{__name__="http.requests"}'})
    path = f"/prometheus/federate?{query}"
    while not (answer := loaded.request(path, headers=HEADERS)).body:
        time.sleep(0.1)
    escaped = f'http_requests{{instance="",job="api",svc_name="a \\"b\\""}} 4712 {at}'
    assert answer.body.decode().splitlines() == ["# TYPE http_requests untyped", escaped]
    if PROMTOOL:
        checked = subprocess.run([PROMTOOL, "check", "metrics"], input=answer.body, capture_output=True, check=False)
        assert b"error while parsing" not in checked.stderr + checked.stdout
    accept = {"Accept": "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4"}
    answer = loaded.request(path, headers=HEADERS | accept)
    quoted = f'{{"http.requests",job="api","svc.name"="a \\"b\\"",instance=""}} 4712 {at}'
    assert answer.body.decode().splitlines() == ['# TYPE "http.requests" untyped', quoted]
    assert "escaping=allow-utf-8" in answer.headers["content-type"]
    for name, values in (("U__svc_2e_name", ['a "b"']), ("svc.name", ['a "b"']), ("U__svc.name_", [])):
        assert _get(loaded, f"label/{name}/values")["data"] == values, name


EXPONENTIAL = {
    "schema": 1,
    "count": 9.5,
    "sum": -3.25,
    "zero_threshold": 0.001,
    "zero_count": 1.5,
    "positive": {-3: 1.0, -2: 2.0, 4: 3.0},
    "negative": {2: 2.0},
}
CUSTOM = {"schema": -53, "count": 6.0, "sum": 7.5, "positive": {0: 1.0, 2: 5.0}, "custom_values": [0.5, 1.0]}


def _write_native(platform: Any, at: int) -> None:
    body = series_one([("__name__", "native"), ("kind", "exponential")], (4, histogram(EXPONENTIAL, at)))
    body += series_one([("__name__", "native"), ("kind", "gauge")], (4, histogram(EXPONENTIAL | {"hint": 3}, at)))
    body += series_one([("__name__", "custom")], (4, histogram(CUSTOM, at)))
    body += series_one([("__name__", "native"), ("kind", "float")], (2, sample(1.5, at)))
    # Prometheus 2.42 sends no headers: without keys, that is the tenant `default`.
    assert platform.request(PATH, packed(body), headers=ONE).status == 204


def _families(body: bytes) -> list[Any]:
    found, at = [], 0
    while at < len(body):
        size = shift = 0
        while True:
            byte = body[at]
            at, size, shift = at + 1, size | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        found.append(MetricFamily.FromString(body[at : at + size]))
        at += size
    return found


def test_native_histograms_are_federated_in_protobuf(loaded):
    at = int(time.time()) * 1000
    _write_native(loaded, at)
    path = "/prometheus/federate?" + urlencode({"match[]": '{__name__=~"native|custom"}'})
    kind = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    accept = {"Accept": f"{kind};q=0.6,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"}
    while len(families := _families((answer := loaded.request(path, headers=accept)).body)) < 4:
        time.sleep(0.1)
    assert answer.headers["content-type"].startswith("application/vnd.google.protobuf; proto=")
    assert [(family.name, family.type) for family in families] == [
        ("custom", 4),
        ("native", 4),
        ("native", 3),
        ("native", 5),
    ]
    [custom], [exponential], [number], [gauge] = ([*family.metric] for family in families)
    assert (number.untyped.value, number.timestamp_ms) == (1.5, at)
    assert [(one.name, one.value) for one in exponential.label] == [
        ("instance", ""),
        ("kind", "exponential"),
    ]
    for metric in (exponential, gauge):
        shown = metric.histogram
        assert (shown.schema, shown.sample_count_float, shown.sample_sum) == (1, 9.5, -3.25)
        assert (shown.zero_threshold, shown.zero_count_float) == (0.001, 1.5)
        assert [(one.offset, one.length) for one in shown.positive_span] == [(-3, 2), (5, 1)]
        assert [*shown.positive_count] == [1, 2, 3]
        assert [(one.offset, one.length) for one in shown.negative_span] == [(2, 1)]
        assert [*shown.negative_count] == [2]
    # The format has no custom buckets.
    buckets = [(one.upper_bound, one.cumulative_count) for one in custom.histogram.bucket]
    assert buckets == [(0.5, 1), (1, 1), (float("inf"), 6)]
    text = loaded.request(path, headers={"Accept": f"{kind};q=0.1,text/plain;q=0.2"})
    assert text.body.decode().splitlines() == [
        "# TYPE custom histogram",
        f'custom_bucket{{instance="",le="0.5"}} 1 {at}',
        f'custom_bucket{{instance="",le="1"}} 1 {at}',
        f'custom_bucket{{instance="",le="+Inf"}} 6 {at}',
        f'custom_sum{{instance=""}} 7.5 {at}',
        f'custom_count{{instance=""}} 6 {at}',
        "# TYPE native untyped",
        f'native{{instance="",kind="float"}} 1.5 {at}',
    ]


@pytest.mark.skipif(PROMETHEUS is None, reason="Debian's prometheus is not installed")
def test_a_prometheus_federates_native_histograms(loaded, tmp_path):
    port = free_port()
    job = {
        "job_name": "federate",
        "honor_labels": True,
        "honor_timestamps": False,
        "metrics_path": "/prometheus/federate",
        "params": {"match[]": ['{__name__=~"native|custom"}']},
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "static_configs": [{"targets": [f"127.0.0.1:{loaded.port}"]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
    command = [PROMETHEUS, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/db"]
    command += ["--enable-feature=native-histograms", f"--web.listen-address=127.0.0.1:{port}"]
    _write_native(loaded, int(time.time()) * 1000)

    def ask(query: str) -> list[Any]:
        try:
            path = f"http://127.0.0.1:{port}/api/v1/query?{urlencode({'query': query})}"
            with urllib.request.urlopen(path) as answer:
                return json.load(answer)["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            return []

    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while len(counts := ask("histogram_count(native)")) < 2 or not ask("custom_bucket"):
            time.sleep(0.2)
        assert [one["value"][1] for one in counts] == ["9.5", "9.5"]
        assert [one["value"][1] for one in ask("histogram_sum(native)")] == ["-3.25", "-3.25"]
        [theirs] = ask('native{kind="exponential"}')
        same = urlencode({"query": 'last_over_time(native{kind="exponential"}[1h])'})
        [ours] = loaded.request(f"/prometheus/api/v1/query?{same}").json()["data"]["result"]
        for place, bucket in enumerate(theirs["histogram"][1].pop("buckets")):
            assert [float(one) for one in bucket] == pytest.approx(
                [float(one) for one in ours["histogram"][1]["buckets"][place]], rel=1e-15
            )
        del ours["histogram"][1]["buckets"]
        assert theirs["histogram"][1] == ours["histogram"][1]
        assert sorted(float(one["value"][1]) for one in ask("custom_bucket")) == [1, 1, 6]
    finally:
        process.terminate()
        process.wait()


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
    assert "--since 'up' is not a duration such as 15m." in run("1", "--since", "up").stderr
    assert "--time 'noon' is not a time such as" in run("1", "--since", "1h", "--time", "noon").stderr
