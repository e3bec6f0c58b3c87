"""Questions without an end: they end with their client, at their time, or are refused."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "remote_write"))

from write_requests import ONE, PATH, packed, sample, series_one

MOST_SERIES = 31_000
ENDLESS = "+".join(["quantile_over_time(0.5, vector(time() % 977)[30d:1s])"] * 100)
"""Hours of computation, within the limits of samples."""


@pytest.fixture(scope="module")
def patient(new_platform, tmp_path_factory):
    """A platform that evaluates one query at a time, however long it takes, with little memory."""
    flags = ["--query-concurrency", "1", "--promql-timeout", "100h"]
    flags += ["--query-max-memory", "20MiB", "--metrics-index-series", str(MOST_SERIES)]
    platform = new_platform(tmp_path_factory.mktemp("limits") / "data", flags).start()
    yield platform
    platform.stop()


def _ask(platform: Any, path: str = "query", **form: Any) -> Any:
    return platform.request(f"/prometheus/api/v1/{path}?{urlencode(form)}")


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_query_ends_when_its_client_leaves(patient):
    assert _ask(patient, query="vector(1)").status == 200
    server = patient.child("server")
    for method in ("GET", "POST"):
        before = _cpu_seconds(server)
        form = urlencode({"query": ENDLESS, "start": 1e9, "end": 1e9 + 10_000 * 15, "step": 15})
        target, body = (f"?{form}", "") if method == "GET" else ("", form)
        head = f"{method} /prometheus/api/v1/query_range{target} HTTP/1.1\r\nHost: localhost:{patient.port}\r\n"
        kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        with socket.create_connection(("127.0.0.1", patient.port)) as client:
            client.sendall(f"{head}{kind}\r\n{body}".encode())
            while _cpu_seconds(server) < before + 2:  # it is at work
                time.sleep(0.05)
        # There is room for one query: this one would wait for days.
        assert _ask(patient, query="vector(2)").json()["data"]["result"][0]["value"][1] == "2"


@pytest.mark.parametrize(
    "query",
    [
        "quantile_over_time(0.5, vector(time() % 977)[30d:1s])",
        "sum_over_time(vector(time() % 977)[30d:1s])",
        "rate(vector(time() % 977)[30d:1s])",
        "max_over_time(max_over_time(max_over_time(vector(time())[1h:1s])[1h:1s])[1h:1s])",
    ],
)
def test_a_subquery_of_death_ends_at_its_time(patient, query):
    answer = _ask(patient, "query_range", query=query, start=1e9, end=1e9 + 10_000 * 15, step=15, timeout="100ms")
    assert answer.status == 503
    assert answer.json()["errorType"] == "timeout"
    assert answer.json()["error"] == "query timed out in expression evaluation"


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("sum_over_time(vector(1)[100y:1s])", 422, "query processing would load too many samples into memory"),
        (
            '{__name__=~"((x{1000}){1000}){1000}"}',
            400,
            "1:2: parse error: error parsing regexp: invalid repeat count: `{1000}`",
        ),
        ("(" * 100_000, 400, "parse error"),
        ("-" * 100_000 + "1", 400, "parse error"),
    ],
)
def test_what_could_never_end_is_refused(patient, query, status, error):
    answer = _ask_by_form(patient, query)
    assert answer.status == status, answer.body
    assert error in answer.json()["error"]


def test_a_regular_expression_of_death_takes_linear_time(patient):
    query = f'label_replace(label_replace(vector(1), "a", "{"a" * 30_000}!", "", ""), "b", "yes", "a", "((a+)+)+")'
    [found] = _ask_by_form(patient, query).json()["data"]["result"]
    assert "b" not in found["metric"]


def _ask_by_form(platform: Any, query: str) -> Any:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return platform.request("/prometheus/api/v1/query", urlencode({"query": query}).encode(), headers=headers)


def test_labels_of_many_series_are_read_with_little_memory_up_to_a_bound(patient):
    """A kilobyte a series, which grouping by whole label sets takes, made a million of them too many to be asked for."""
    wide, now = {"X-Scope-OrgID": "wide"}, int(time.time()) * 1000

    def write(name: str, count: int) -> None:
        labels = [("__name__", name), ("cluster", "eu-west-1"), ("namespace", "default"), ("path", "/api/v1/items")]
        series = [series_one([*labels, ("pod", f"{name}-{i}")], (2, sample(i, now))) for i in range(count)]
        assert patient.request(PATH, packed(b"".join(series)), headers=ONE | wide).status == 204
        patient.loaded()

    def ask(query: str) -> Any:
        return patient.request(f"/prometheus/api/v1/query?{urlencode({'query': query})}", headers=wide)

    write("many", 30_000)
    found = ask("count(many)").json()
    assert found["data"]["result"][0]["value"][1] == "30000"
    write("more", 2_000)
    while (answer := ask("count(more)")).status == 200:
        time.sleep(0.1)
    assert (answer.status, "this tenant has 32000 series" in answer.json()["error"]) == (422, True)
    assert "metrics_index_series" in answer.json()["error"]
    assert _ask(patient, query="vector(1)").status == 200  # others ask on
