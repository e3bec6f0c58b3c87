"""A real Prometheus writes to the platform, and both answer the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from real_platform import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMETHEUS = shutil.which("prometheus")

_CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- {{job_name: prometheus, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}
- {{job_name: vedette, static_configs: [{{targets: ['{platform}']}}]}}
remote_write:
- url: {url}/prometheus/api/v1/write
  write_relabel_configs: [{{source_labels: [job], regex: vedette, action: drop}}]
  send_exemplars: true
  send_native_histograms: true
  metadata_config: {{send: true, send_interval: 1s}}
  queue_config: {{batch_send_deadline: 500ms}}
"""


@pytest.fixture
def prometheus(platform, tmp_path) -> Iterator[str]:
    """The URL of a Prometheus that scrapes itself and writes to the platform."""
    if PROMETHEUS is None:
        pytest.skip("Debian's prometheus is not installed")
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        _CONFIG.format(port=port, url=platform.url, platform=platform.url.removeprefix("http://"))
    )
    command = [
        PROMETHEUS,
        "--config.file",
        str(tmp_path / "prometheus.yml"),
        "--storage.tsdb.path",
        str(tmp_path / "db"),
    ]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*command, "--web.listen-address", f"127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _ask(url: str, path: str, **form: Any) -> Any:
    request = urllib.request.Request(f"{url}/api/v1/{path}", urlencode(form).encode())
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["data"]
    except (urllib.error.URLError, ConnectionError):
        return None


def _sorted(data: Any) -> list[Any]:
    return sorted(data["result"], key=lambda one: sorted(one["metric"].items()))


def test_prometheus_and_the_platform_answer_the_same(platform, prometheus):
    ours = f"{platform.url}/prometheus"
    while not (_ask(ours, "query", query="count_over_time(up[1m]) > 8") or {}).get("result"):
        time.sleep(0.2)
    # A moment that both have samples behind, and between two scrapes.
    newest = float(_ask(ours, "query", query="max(timestamp(up))")["result"][0]["value"][1])
    at = newest - 1.5
    for query in (
        "up{job='prometheus'}",
        "count({job='prometheus'})",
        "sum by (handler) (prometheus_http_requests_total)",
        "go_goroutines",
    ):
        theirs = _ask(prometheus, "query", query=query, time=at)
        assert theirs["result"], query
        found = _ask(ours, "query", query=query, time=at)
        assert _sorted(found) == _sorted(theirs), query
    ranged = {"query": "sum(prometheus_http_requests_total)", "start": at - 5, "end": at, "step": 1}
    assert _ask(ours, "query_range", **ranged) == _ask(prometheus, "query_range", **ranged)
    written = {"match[]": '{job="prometheus"}'}
    assert set(_ask(ours, "labels")) == set(_ask(prometheus, "labels", **written))
    # It scrapes the platform's own metrics, too: what it wrote is among them.
    while not _ask(prometheus, "query", query='vedette_ingest_rows_total{job="vedette"} > 0')["result"]:
        time.sleep(0.2)
    assert [one["value"][1] for one in _ask(prometheus, "query", query='up{job="vedette"}')["result"]] == ["1"]
    while "go_goroutines" not in (metadata := platform.request("/prometheus/api/v1/metadata").json()["data"]):
        time.sleep(0.2)
    assert metadata["go_goroutines"][0]["type"] == "gauge"
