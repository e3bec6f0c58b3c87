"""Scraping as Prometheus does it: real targets, real platform, Prometheus' own configuration."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import cramjam
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from real_platform import free_port, wait_for

sys.path[:0] = [str(Path(__file__).parent.parent / "remote_write")]

from write_requests import field, number  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE_EXPORTER = shutil.which("prometheus-node-exporter")
TEXT = "text/plain; version=0.0.4"


class Exporter:
    """A target whose body can be changed; None answers 500."""

    def __init__(self) -> None:
        self.body: bytes | None = b""
        self.content_type = TEXT
        self.seen: list[dict[str, str]] = []
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                body = exporter.body
                self.send_response(500 if body is None else 200)
                self.send_header("Content-Type", exporter.content_type)
                if body and "gzip" in self.headers.get("Accept-Encoding", ""):
                    body = gzip.compress(body)
                    self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    made = Exporter()
    yield made
    made.server.shutdown()


def _vector(platform: Any, query: str, **more: Any) -> dict[tuple[tuple[str, str], ...], float]:
    path = f"/prometheus/api/v1/query?{urlencode({'query': query, **more})}"
    data = platform.request(path).json()
    assert data["status"] == "success", data
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in data["data"]["result"]}


def _of_targets(platform: Any, **more: str) -> Any:
    return platform.request(f"/prometheus/api/v1/targets/metadata?{urlencode(more)}").json()["data"]


def _wait(platform: Any, query: str, expected: Any) -> None:
    wait_for(lambda: list(_vector(platform, query).values()), expected, query)


def _dropped(platform: Any) -> list[str]:
    found = platform.request("/prometheus/api/v1/targets?state=dropped").json()["data"]["droppedTargets"]
    return [target["discoveredLabels"]["__address__"] for target in found]


def test_a_target_from_its_first_sample_to_its_end(scraping, exporter):
    exporter.body = (
        b'# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total{kind="a"} 3\njobs_total{kind="b"} 4\n'
    )
    job = {
        "job_name": "one",
        "basic_auth": {"username": "u", "password": "p"},
        "params": {"module": ["x"]},
        "static_configs": [{"targets": [exporter.address, "127.0.0.1:1"], "labels": {"zone": "eu"}}],
    }
    platform = scraping.of([job])
    instance = ("instance", exporter.address)
    _wait(platform, f'up{{instance="{exporter.address}"}}', [1])
    _wait(platform, 'up{instance="127.0.0.1:1"}', [0])
    _wait(platform, "sum(jobs_total)", [7])
    expected = {("__name__", "jobs_total"), instance, ("job", "one"), ("kind", "a"), ("zone", "eu")}
    assert set(next(iter(_vector(platform, 'jobs_total{kind="a"}')))) == expected
    _wait(platform, f'scrape_samples_scraped{{instance="{exporter.address}"}}', [2])
    assert exporter.seen[0]["path"] == "/metrics?module=x"
    assert exporter.seen[0]["authorization"].startswith("Basic ")
    assert "openmetrics-text" in exporter.seen[0]["accept"]
    metadata = platform.request("/prometheus/api/v1/metadata?metric=jobs_total").json()["data"]
    assert metadata == {"jobs_total": [{"type": "counter", "help": "Jobs.", "unit": ""}]}
    ours = {"instance": exporter.address, "job": "one", "zone": "eu"}
    told = {"target": ours, "type": "counter", "help": "Jobs.", "unit": ""}
    assert _of_targets(platform) == [told | {"metric": "jobs_total"}]
    assert _of_targets(platform, match_target='{job="one"}', metric="jobs_total") == [told]
    assert _of_targets(platform, match_target='{job="two"}') == _of_targets(platform, metric="none") == []

    exporter.body = b'jobs_total{kind="a"} 5\n'
    _wait(platform, "jobs_total", [5])  # the other one is stale at once
    exporter.body = None
    _wait(platform, "count(jobs_total) or vector(0)", [0])
    targets = platform.request("/prometheus/api/v1/targets").json()["data"]["activeTargets"]
    while "500" not in next(t for t in targets if t["labels"]["instance"] == exporter.address)["lastError"]:
        time.sleep(0.1)
        targets = platform.request("/prometheus/api/v1/targets").json()["data"]["activeTargets"]
    assert {target["health"] for target in targets} == {"down"}


def test_relabeling_limits_and_discovery_by_file(scraping, exporter):
    exporter.body = b'a{job="own"} 1\nb 2\nsecret 3\n'
    groups = [{"targets": [exporter.address], "labels": {"team": "blue"}}, {"targets": ["127.0.0.1:9"]}]
    (scraping.folder / "groups.json").write_text(json.dumps(groups))
    kept = {
        "job_name": "kept",
        "file_sd_configs": [{"files": ["groups.json", "others-*.json"]}],
        "relabel_configs": [
            {"source_labels": ["team"], "regex": "blue", "action": "keep"},
            {"source_labels": ["__address__"], "regex": "(.*):(.*)", "target_label": "port", "replacement": "p${2}"},
        ],
        "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": "secret", "action": "drop"}],
    }
    limited = {"job_name": "limited", "sample_limit": 2, "static_configs": [{"targets": [exporter.address]}]}
    platform = scraping.of([kept, limited])
    _wait(platform, "up{job='kept'}", [1])
    _wait(platform, "up{job='limited'}", [0])
    _wait(platform, "count({job='kept',port=~'p.+',__name__=~'a|b'})", [2])
    assert [dict(labels)["exported_job"] for labels in _vector(platform, "a")] == ["own"]
    assert _vector(platform, "secret") == {}
    wait_for(lambda: _dropped(platform), ["127.0.0.1:9"], "targets that relabeling drops")
    # A file that is half written, or wrong, keeps its targets, and the other files are followed.
    for turn, broken in enumerate((json.dumps(groups)[:-5], '[{"targets": ["a:1"], "labels": ["blue"]}]')):
        (scraping.folder / "groups.json").write_text(broken)
        found = [{"targets": [exporter.address], "labels": {"team": "blue", "turn": str(turn)}}]
        (scraping.folder / f"others-{turn}.json").write_text(json.dumps(found))
        _wait(platform, f"up{{job='kept',turn='{turn}'}}", [1])
        _wait(platform, "count(up{job='kept',turn=''})", [1])
        assert "groups.json keeps its targets, as it cannot be read" in platform.log
        (scraping.folder / f"others-{turn}.json").unlink()
    (scraping.folder / "groups.json").write_text("[]")  # the target goes, and its series end
    _wait(platform, "count({job='kept'}) or vector(0)", [0])
    # Files that the configuration names are followed as it is itself.
    included = scraping.folder / "more" / "one.json"
    included.parent.mkdir(exist_ok=True)
    for name in ("added", "renamed"):
        job = {"job_name": name, "static_configs": [{"targets": [exporter.address]}]}
        included.write_text(json.dumps({"scrape_configs": [job]}))
        _wait(platform, f"up{{job='{name}'}}", [1])
    _wait(platform, "count(up{job='added'}) or vector(0)", [0])
    included.unlink()
    _wait(platform, "count(up{job='renamed'}) or vector(0)", [0])


PROBES = """
scrape_configs:
- job_name: blackbox
  metrics_path: /probe
  params: {module: [http_2xx]}
  static_configs:
  - targets: ['https://example.com/a?b=c']
    labels: {version: 1.10, on: yes, since: 2024-01-01T00:00:00Z, id: 007, bytes: 1_000, ratio: 1:30, none: }
  file_sd_configs: [{files: [../probes.yml]}]
  relabel_configs:
  - {source_labels: [__address__], target_label: __param_target}
  - {source_labels: [__param_target], target_label: instance}
  - {target_label: __address__, replacement: ADDRESS}
  - {target_label: probed, replacement: true}
"""


def test_probes_and_texts_as_they_are_written(scraping, exporter):
    """What Debian's `promtool check service-discovery` shows of the same file."""
    exporter.body = b"probe_success 1\n"
    (scraping.folder / "probes.yml").write_text("[{targets: ['tcp://db:5432'], labels: {version: 2.0, on: no}}]")
    included = scraping.folder / "more" / "probes.json"
    included.parent.mkdir(exist_ok=True)
    included.write_text(PROBES.replace("ADDRESS", exporter.address))
    platform = scraping.of([])
    _wait(platform, 'sum(up{job="blackbox"})', [2])
    included.unlink()
    asked = [parse_qs(urlsplit(one["path"]).query) for one in exporter.seen]
    assert {(*one["module"], *one["target"]) for one in asked} == {
        ("http_2xx", "https://example.com/a?b=c"),
        ("http_2xx", "tcp://db:5432"),
    }
    labels = {dict(one)["instance"]: dict(one) for one in _vector(platform, 'last_over_time(up{job="blackbox"}[5m])')}
    common = {"__name__": "up", "job": "blackbox", "probed": "true"}
    url = "https://example.com/a?b=c"
    since = "2024-01-01T00:00:00Z"
    texts = {"version": "1.10", "on": "yes", "since": since, "id": "007", "bytes": "1_000", "ratio": "1:30"}
    assert labels[url] == common | texts | {"instance": url}
    assert labels["tcp://db:5432"] == common | {"instance": "tcp://db:5432", "version": "2.0", "on": "no"}


def test_what_is_told_of_scrapes_over_a_limit(scraping, exporter):
    exporter.body = b"a 1\nb 2\nsecret 3\n"
    common = {
        "static_configs": [{"targets": [exporter.address]}],
        "extra_scrape_metrics": True,
        "scrape_interval": "1500ms",
    }
    drop = {"source_labels": ["__name__"], "regex": "secret", "action": "drop"}
    samples = {"job_name": "samples", "sample_limit": 1, "metric_relabel_configs": [drop], **common}
    platform = scraping.of([samples, {"job_name": "bytes", "body_size_limit": "5B", **common}])
    _wait(platform, "scrape_samples_scraped{job='samples'}", [3])
    _wait(platform, "scrape_samples_post_metric_relabeling{job='samples'}", [2])
    _wait(platform, "scrape_body_size_bytes{job='samples'}", [len(exporter.body)])
    _wait(platform, "scrape_body_size_bytes{job='bytes'}", [-1])
    assert list(_vector(platform, "sum(up{job=~'samples|bytes'})").values()) == [0]
    path = "/prometheus/api/v1/targets?scrapePool=samples"
    [target] = platform.request(path).json()["data"]["activeTargets"]
    assert (target["scrapeInterval"], target["scrapeTimeout"]) == ("1s500ms", "1s")
    assert target["discoveredLabels"]["__scrape_interval__"] == "1s500ms"


def test_series_go_on_when_a_job_or_the_platform_begins_anew(scraping, exporter):
    """A gap would begin the `for` of alerts again. What is really gone ends all the same."""
    exporter.body = b"goes_on 1\ngoes_away 1\n"
    job = {
        "job_name": "same",
        "scrape_interval": "3s",
        "static_configs": [{"targets": [exporter.address, "127.0.0.1:1"]}],
    }
    platform = scraping.of([job])
    _wait(platform, "count({job='same',__name__=~'goes_.*|up'})", [4])
    began = time.time()
    drop = {"source_labels": ["__name__"], "regex": "goes_away", "action": "drop"}
    changed = job | {"metric_relabel_configs": [drop], "static_configs": [{"targets": [exporter.address]}]}
    scraping.of([changed])
    _wait(platform, "count({job='same',__name__=~'goes_.*|up'})", [2])
    asked = urlencode({"query": "goes_on", "start": began, "end": time.time(), "step": 0.2})
    [found] = platform.request(f"/prometheus/api/v1/query_range?{asked}").json()["data"]["result"]
    times = [at for at, _ in found["values"]]
    assert max(b - a for a, b in itertools.pairwise(times)) < 0.3  # every step has a value
    platform.stop()
    platform.start()
    assert list(_vector(platform, "goes_on", time=time.time() - 0.2).values()) == [1]


def test_openmetrics_of_prometheus_client(scraping, exporter):
    registry = CollectorRegistry()
    counter = Counter("orders", "Orders.", ["kind"], registry=registry)
    counter.labels('quo"te\n').inc(2, {"trace_id": "0af7651916cd43dd8448eb211c80319c"})
    Histogram("wait_seconds", "Waiting.", buckets=(0.5, 1, 10), registry=registry).observe(0.7)
    exporter.body, exporter.content_type = generate_latest(registry), CONTENT_TYPE_LATEST
    platform = scraping.of([{"job_name": "om", "static_configs": [{"targets": [exporter.address]}]}])
    _wait(platform, "orders_total", [2])
    assert [dict(labels)["kind"] for labels in _vector(platform, "orders_total")] == ['quo"te\n']
    assert {dict(labels)["le"] for labels in _vector(platform, "wait_seconds_bucket")} == {"0.5", "1.0", "10.0", "+Inf"}
    query = urlencode({"query": "orders_total", "start": time.time() - 3600, "end": time.time() + 60})
    [found] = platform.request(f"/prometheus/api/v1/query_exemplars?{query}").json()["data"]
    assert found["exemplars"][0]["labels"] == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    metadata = platform.request("/prometheus/api/v1/metadata").json()["data"]
    assert metadata["wait_seconds"][0]["type"] == "histogram"
    assert metadata["orders_total"][0]["type"] == "counter"


@pytest.mark.skipif(NODE_EXPORTER is None, reason="node-exporter is not installed")
def test_node_exporter(scraping):
    address = f"127.0.0.1:{free_port()}"
    assert NODE_EXPORTER
    process = subprocess.Popen([NODE_EXPORTER, "--web.listen-address", address], stderr=subprocess.DEVNULL)
    try:
        platform = scraping.of([{"job_name": "node", "static_configs": [{"targets": [address]}]}])
        _wait(platform, "up{job='node'}", [1])
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        names = {line.split("{")[0].split(" ")[0] for line in lines}
        while not names <= set(platform.request("/prometheus/api/v1/label/__name__/values").json()["data"]):
            time.sleep(0.2)
        assert list(_vector(platform, "count(node_cpu_seconds_total) > 0").values())
    finally:
        process.terminate()
        process.wait()


def test_what_leaves_has_external_labels(scraping, exporter):
    exporter.body = b'own{cluster="mine"} 1\nnone 2\n'
    job = {"job_name": "leaving", "static_configs": [{"targets": [exporter.address]}]}
    labels = {"cluster": "c-${HOME}-$$", "zone": "eu${NOT_SET_ANYWHERE}"}
    platform = scraping.of([job], external_labels=labels)
    _wait(platform, "count({__name__=~'own|none'})", [2])
    cluster = f"c-{os.environ['HOME']}-$"

    path = "/prometheus/federate?" + urlencode({"match[]": "{__name__=~'own|none'}"})
    utf8 = {"Accept": "text/plain;version=1.0.0;escaping=allow-utf-8"}
    while "eu" not in (found := platform.request(path, headers=utf8).body.decode()):
        time.sleep(0.1)
    own = f'instance="{exporter.address}",job="leaving"'
    assert [line.rpartition(" ")[0] for line in found.splitlines() if line[0] != "#"] == [
        f'none{{{own},cluster="{cluster}",zone="eu"}} 2',
        f'own{{cluster="mine",{own},zone="eu"}} 1',
    ]

    def read(chunks: bool, *matchers: tuple[str, str]) -> bytes:  # noqa: FBT001
        asked = b"".join(field(3, field(2, name.encode()) + field(3, text.encode())) for name, text in matchers)
        now = time.time_ns() // 1_000_000
        query = number(1, now - 60_000) + number(2, now) + asked
        body = bytes(cramjam.snappy.compress_raw(field(1, query) + number(2, int(chunks))))
        answer = platform.request("/prometheus/api/v1/read", body, headers={"Content-Encoding": "snappy"})
        assert answer.status == 200, answer.body
        return answer.body if chunks else bytes(cramjam.snappy.decompress_raw(answer.body))

    def label(name: str, text: str) -> bytes:
        return field(1, field(1, name.encode()) + field(2, text.encode()))

    wanted = b"".join(
        label(name, text)
        for name, text in (
            ("__name__", "none"),
            ("cluster", cluster),
            ("instance", exporter.address),
            ("job", "leaving"),
            ("zone", "eu"),
        )
    )
    # Who asks for an external label finds what has it here, which is what has none of that name.
    for chunks in (False, True):
        assert wanted in read(chunks, ("__name__", "none"))
        assert wanted in read(chunks, ("__name__", "none"), ("cluster", cluster), ("zone", "eu"))
        assert label("cluster", "mine") in read(chunks, ("__name__", "own"), ("cluster", "mine"))
        for other in ("elsewhere", "mine"):
            assert b"none" not in read(chunks, ("__name__", "none"), ("cluster", other))
        assert b"own" not in read(chunks, ("__name__", "own"), ("cluster", cluster))


def test_a_wrong_configuration_is_told_of_until_it_is_right(scraping):
    platform = scraping.of([])

    def told() -> list[str]:
        state = platform.request("/prometheus/api/v1/status/runtimeinfo").json()["data"]["reloadConfigSuccess"]
        found = platform.request("/prometheus/api/v1/notifications").json()["data"]
        assert all(one["active"] and one["date"].endswith("Z") for one in found)
        return [one["text"].split(" must")[0] for one in found] if not state else []

    wait_for(told, [], "no notifications")
    (scraping.folder / "prometheus.new").write_text("scrape_configs: {}")
    (scraping.folder / "prometheus.new").rename(scraping.folder / "prometheus.yml")
    expected = "Configuration reload has failed: the configuration: scrape_configs"
    wait_for(told, [expected], "a notification")
    scraping.of([])
    wait_for(told, [], "no notifications any more")
