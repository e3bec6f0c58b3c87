"""A tenant at its limit of series: known ones are kept whatever comes, new ones are refused and said."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from write_requests import ONE, PATH, TWO, Symbols, packed, sample, series_one, series_two

sys.path.insert(0, str(Path(__file__).parent.parent / "metrics_storage"))
from otlp_requests import DELTA, histogram, request, total

LIMIT = 20
NOW = time.time_ns() // 1_000_000


class _Exposition(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"".join(b'scraped{i="%d"} 1\n' % i for i in range(LIMIT * 2)))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def limited(tmp_path_factory, new_platform):
    folder = tmp_path_factory.mktemp("limited")
    target = ThreadingHTTPServer(("127.0.0.1", 0), _Exposition)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    job = {"job_name": "j", "static_configs": [{"targets": [f"127.0.0.1:{target.server_port}"]}]}
    job |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
    (folder / "rules.yml").write_text(
        json.dumps(
            {"groups": [{"name": "g", "interval": "1s", "rules": [{"record": "r", "expr": "written or vector(1)"}]}]}
        )
    )
    flags = ["--tenant-max-series", str(LIMIT), "--scrape-config", str(folder / "prometheus.yml")]
    flags += ["--scrape-tenant", "scraped", "--rule-files", str(folder / "rules.yml"), "--rules-tenant", "written"]
    platform = new_platform(folder / "data", flags).start()
    yield platform
    target.shutdown()
    platform.stop()


def _one(names: range | list[int], at: int) -> bytes:
    return b"".join(
        series_one([("__name__", "written"), ("empty", ""), ("i", str(i))], (2, sample(1, at))) for i in names
    )


def test_known_series_are_kept_and_new_ones_refused(limited):
    headers = ONE | {"X-Scope-OrgID": "acme"}
    assert limited.request(PATH, packed(_one(range(15), NOW)), headers=headers).status == 204
    answer = limited.request(PATH, packed(_one(range(10, 30), NOW + 1)), headers=headers)
    # Five are known and there is room for five.
    assert answer.status == 429
    assert b"10 new series with 10 samples were refused" in answer.body
    assert b"limit of 20 series" in answer.body
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "10"
    limited.eventually("SELECT count() FROM samples", 25, tenant="acme")
    limited.eventually("SELECT uniqExact(id) FROM series", LIMIT, tenant="acme")
    # By 2.0, the same series, and one that is new.
    symbols = Symbols()
    body = b"".join(
        series_two(symbols.refs([("__name__", "written"), ("i", str(i))]), (2, sample(2, NOW + 2))) for i in (0, 19, 99)
    )
    answer = limited.request(PATH, packed(symbols.encoded() + body), headers=TWO | {"X-Scope-OrgID": "acme"})
    assert answer.status == 429
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "2"
    limited.eventually("SELECT count() FROM samples", 27, tenant="acme")
    limited.eventually("SELECT sum(count) FROM ledger WHERE reason = 'too_many_series'", 11, tenant="acme")
    found = limited.request("/api/v1/cardinality", headers={"X-Scope-OrgID": "acme"}).json()
    assert found["max_series"] == LIMIT


def _otlp(platform: Any, *metrics: Any, **headers: str) -> ExportMetricsServiceResponse:
    body = request(*metrics, resource={"service.name": "till", "zone": "eu"}).SerializeToString()
    answer = platform.otlp("metrics", body, X_Scope_OrgID="otlp", **headers)
    assert answer.status == 200, answer.body
    return ExportMetricsServiceResponse.FromString(answer.body)


def test_points_of_new_series_are_refused_by_partial_success(limited):
    def counters(names: range, step: int, **more: Any) -> list[Any]:
        return [total(f"c{i}", 1, time=(NOW + step) * 1_000_000, i=i, **more) for i in names]

    # With target_info, 16 of 20; a histogram of four series more fits, and nothing else does.
    assert not _otlp(limited, *counters(range(15), 0)).HasField("partial_success")
    wait = histogram("wait", [1, 2], [1.0], time_unix_nano=NOW * 1_000_000)
    assert not _otlp(limited, wait).HasField("partial_success")
    partial = _otlp(limited, *counters(range(10, 20), 1), wait).partial_success
    assert partial.rejected_data_points == 5
    assert "5 new series with 5 samples were refused" in partial.error_message
    # Deltas are new series like any others, and known ones go on.
    partial = _otlp(limited, *counters(range(14, 17), 2, temporality=DELTA)).partial_success
    assert partial.rejected_data_points == 2
    limited.eventually("SELECT uniqExact(id) FROM series", LIMIT, tenant="otlp")
    limited.eventually(
        "SELECT count() FROM samples WHERE series IN (SELECT id FROM series WHERE name = 'c14_total')", 3, tenant="otlp"
    )
    limited.eventually("SELECT sum(count) FROM ledger WHERE reason = 'too_many_series'", 7, tenant="otlp")


def test_known_series_are_known_after_a_restart(limited):
    headers = ONE | {"X-Scope-OrgID": "lasting"}
    assert limited.request(PATH, packed(_one(range(LIMIT), NOW)), headers=headers).status == 204
    limited.eventually("SELECT uniqExact(id) FROM series", LIMIT, tenant="lasting")
    limited.kill("server")
    limited.wait_ready()
    answer = limited.request(PATH, packed(_one(range(LIMIT + 1), NOW + 1)), headers=headers)
    assert answer.status == 429
    assert answer.headers["x-prometheus-remote-write-samples-written"] == str(LIMIT)


def test_a_scrape_is_bounded_and_goes_on(limited):
    limited.eventually("SELECT uniqExact(id) FROM series", LIMIT, tenant="scraped")
    limited.eventually("SELECT count() > 3 FROM samples WHERE value = 1", 1, tenant="scraped")
    limited.eventually("SELECT count() > 0 FROM ledger WHERE reason = 'too_many_series'", 1, tenant="scraped")
    assert limited.sql("SELECT uniqExact(id) AS n FROM series", tenant="scraped") == [{"n": LIMIT}]


def test_a_rule_says_why_its_result_is_refused(limited):
    headers = ONE | {"X-Scope-OrgID": "written"}
    while True:
        # The rule looks five minutes back: what it reads is of now, however late in the run this test has its turn.
        limited.request(PATH, packed(_one(range(LIMIT), time.time_ns() // 1_000_000)), headers=headers)
        groups = limited.request("/prometheus/api/v1/rules", headers={"X-Scope-OrgID": "written"}).json()["data"][
            "groups"
        ]
        if groups and "limit of 20 series" in groups[0]["rules"][0]["lastError"]:
            break
        time.sleep(0.5)
